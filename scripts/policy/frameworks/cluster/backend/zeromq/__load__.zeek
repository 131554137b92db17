@load ./options
@load ./main
@load ./connect
