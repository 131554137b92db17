##! Has the supervisor start the controller. Elsewhere this does nothing.

@load base/frameworks/supervisor
@load base/utils/paths
@load ./config

event zeek_init()
	{
	if ( ! Supervisor::is_supervisor() )
		return;

	local name = Management::Controller::get_name();
	local sn = Supervisor::NodeConfig($name=name, $bare_mode=T);

	# Testers want all files where they are; others have a folder for each process.
	if ( Management::Controller::directory != "" )
		sn$directory = Management::Controller::directory;
	else if ( getenv("ZEEK_MANAGEMENT_TESTING") == "" )
		sn$directory = build_path(Management::get_state_dir(), build_path("nodes", name));
	else
		sn$directory = build_path("nodes", name);

	if ( Management::Controller::stdout_file != "" )
		sn$stdout_file = Management::Controller::stdout_file;

	if ( Management::Controller::stderr_file != "" )
		sn$stderr_file = Management::Controller::stderr_file;

	sn$addl_user_scripts += "policy/frameworks/management/controller/main.zeek";
	local problem = Supervisor::create(sn);

	if ( problem != "" )
		Reporter::fatal(fmt("the supervisor cannot start the controller %s: %s", name, problem));
	}
