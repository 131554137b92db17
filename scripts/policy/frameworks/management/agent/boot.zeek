##! Has the supervisor start the agent, and listen for what that asks. Elsewhere this does nothing.

@load base/frameworks/broker
@load base/frameworks/supervisor
@load base/utils/paths
@load ./config

# The agent talks to its supervisor, on the same host only.
redef SupervisorControl::enable_listen = T;
redef Broker::default_listen_address = "127.0.0.1";

@if ( Supervisor::is_supervisor() )
@load policy/frameworks/management/supervisor
@endif

event zeek_init()
	{
	if ( ! Supervisor::is_supervisor() )
		return;

	local name = Management::Agent::get_name();
	local sn = Supervisor::NodeConfig($name=name, $bare_mode=T);

	# Testers want all files where they are; others have a folder for each process.
	if ( Management::Agent::directory != "" )
		sn$directory = Management::Agent::directory;
	else if ( getenv("ZEEK_MANAGEMENT_TESTING") == "" )
		sn$directory = build_path(Management::get_state_dir(), build_path("nodes", name));
	else
		sn$directory = build_path("nodes", name);

	if ( Management::Agent::stdout_file != "" )
		sn$stdout_file = Management::Agent::stdout_file;

	if ( Management::Agent::stderr_file != "" )
		sn$stderr_file = Management::Agent::stderr_file;

	sn$addl_user_scripts += "policy/frameworks/management/agent/main.zeek";
	local problem = Supervisor::create(sn);

	if ( problem != "" )
		Reporter::fatal(fmt("the supervisor cannot start the agent %s: %s", name, problem));
	}
