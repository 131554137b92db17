@load ./main
@load ./weird

# Not all of these do something unless a site asks for it.
@load ./actions/email_admin
@load ./actions/page
@load ./actions/add-geodata
@load ./actions/pp-alarms
