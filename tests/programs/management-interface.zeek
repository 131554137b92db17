# The interface of the management framework: all of its files load together, and declare what clients and sites rely on.

@load base/frameworks/supervisor
@load policy/frameworks/management
@load policy/frameworks/management/agent
@load policy/frameworks/management/agent/main
@load policy/frameworks/management/controller
@load policy/frameworks/management/controller/main
@load policy/frameworks/management/node
@load policy/frameworks/management/supervisor

const records = vector(
	"Management::Agent::Runtime::DeployState",
	"Management::Agent::Runtime::NodeDispatchState",
	"Management::Agent::Runtime::RestartState",
	"Management::Agent::Runtime::SupervisorState",
	"Management::Configuration",
	"Management::Controller::Runtime::DeployState",
	"Management::Controller::Runtime::GetNodesState",
	"Management::Controller::Runtime::NodeDispatchState",
	"Management::Controller::Runtime::RestartState",
	"Management::Instance",
	"Management::Log::Info",
	"Management::Node",
	"Management::NodeOutputs",
	"Management::NodeStatus",
	"Management::Option",
	"Management::Request::Request",
	"Management::Result");

const values = vector(
	"Management::Agent::API::version",
	"Management::Agent::archive_cmd",
	"Management::Agent::archive_dir",
	"Management::Agent::archive_interval",
	"Management::Agent::archive_logs",
	"Management::Agent::controller",
	"Management::Agent::default_port",
	"Management::Agent::directory",
	"Management::Agent::listen_address",
	"Management::Agent::listen_port",
	"Management::Agent::name",
	"Management::Agent::stderr_file",
	"Management::Agent::stdout_file",
	"Management::Agent::topic_prefix",
	"Management::Controller::API::version",
	"Management::Controller::auto_assign_broker_ports",
	"Management::Controller::auto_assign_broker_start_port",
	"Management::Controller::auto_assign_metrics_ports",
	"Management::Controller::auto_assign_metrics_start_port",
	"Management::Controller::default_port",
	"Management::Controller::default_port_websocket",
	"Management::Controller::directory",
	"Management::Controller::listen_address",
	"Management::Controller::listen_address_websocket",
	"Management::Controller::listen_port",
	"Management::Controller::listen_port_websocket",
	"Management::Controller::name",
	"Management::Controller::stderr_file",
	"Management::Controller::stdout_file",
	"Management::Controller::store_name",
	"Management::Controller::tls_options_websocket",
	"Management::Controller::topic",
	"Management::Log::level",
	"Management::Log::log_policy",
	"Management::Node::node_topic",
	"Management::Node::stderr_file",
	"Management::Node::stdout_file",
	"Management::Request::null_req",
	"Management::Request::timeout_interval",
	"Management::Supervisor::output_max_lines",
	"Management::Supervisor::print_stderr",
	"Management::Supervisor::print_stdout",
	"Management::Supervisor::topic_prefix",
	"Management::connect_retry",
	"Management::default_address",
	"Management::role",
	"Management::spool_dir",
	"Management::state_dir");

const functions = vector(
	"Management::Agent::API::agent_standby_request",
	"Management::Agent::API::agent_standby_response",
	"Management::Agent::API::agent_welcome_request",
	"Management::Agent::API::agent_welcome_response",
	"Management::Agent::API::deploy_request",
	"Management::Agent::API::deploy_response",
	"Management::Agent::API::get_nodes_request",
	"Management::Agent::API::get_nodes_response",
	"Management::Agent::API::node_dispatch_request",
	"Management::Agent::API::node_dispatch_response",
	"Management::Agent::API::notify_agent_hello",
	"Management::Agent::API::notify_change",
	"Management::Agent::API::notify_error",
	"Management::Agent::API::notify_log",
	"Management::Agent::API::restart_request",
	"Management::Agent::API::restart_response",
	"Management::Agent::Runtime::trigger_log_archival",
	"Management::Agent::endpoint_info",
	"Management::Agent::get_name",
	"Management::Agent::instance",
	"Management::Controller::API::deploy_request",
	"Management::Controller::API::deploy_response",
	"Management::Controller::API::get_configuration_request",
	"Management::Controller::API::get_configuration_response",
	"Management::Controller::API::get_id_value_request",
	"Management::Controller::API::get_id_value_response",
	"Management::Controller::API::get_instances_request",
	"Management::Controller::API::get_instances_response",
	"Management::Controller::API::get_nodes_request",
	"Management::Controller::API::get_nodes_response",
	"Management::Controller::API::notify_agents_ready",
	"Management::Controller::API::restart_request",
	"Management::Controller::API::restart_response",
	"Management::Controller::API::stage_configuration_request",
	"Management::Controller::API::stage_configuration_response",
	"Management::Controller::API::test_timeout_request",
	"Management::Controller::API::test_timeout_response",
	"Management::Controller::endpoint_info",
	"Management::Controller::endpoint_info_websocket",
	"Management::Controller::get_name",
	"Management::Controller::network_info",
	"Management::Controller::network_info_websocket",
	"Management::Log::debug",
	"Management::Log::error",
	"Management::Log::info",
	"Management::Log::warning",
	"Management::Node::API::node_dispatch_request",
	"Management::Node::API::node_dispatch_response",
	"Management::Node::API::notify_node_hello",
	"Management::Request::create",
	"Management::Request::finish",
	"Management::Request::is_null",
	"Management::Request::lookup",
	"Management::Request::request_expired",
	"Management::Request::to_string",
	"Management::Supervisor::API::notify_node_exit",
	"Management::Util::set_to_vector",
	"Management::get_spool_dir",
	"Management::get_state_dir",
	"Management::result_to_string",
	"Management::result_vec_to_string");

const enumerators = vector(
	"Management::AGENT",
	"Management::CONTROLLER",
	"Management::CRASHED",
	"Management::Controller::Runtime::DEPLOYED",
	"Management::Controller::Runtime::READY",
	"Management::Controller::Runtime::STAGED",
	"Management::FAILED",
	"Management::Log::DEBUG",
	"Management::Log::ERROR",
	"Management::Log::INFO",
	"Management::Log::WARNING",
	"Management::NODE",
	"Management::NONE",
	"Management::PENDING",
	"Management::RUNNING",
	"Management::STOPPED",
	"Management::UNKNOWN");

# What depends on the place or is made by chance.
const by_chance = set("Management::Configuration$id");

event zeek_init() &priority=1000
	{
	local ids = global_ids();

	for ( _, r in records )
		{
		print r;
		local fields: record_field_table = record_fields(r);

		for ( name, f in fields )
			{
			local line = fmt("  %s: %s%s%s", name, f$type_name, f$log ? " &log" : "", f$optional ? " &optional" : "");

			if ( f?$default_val && fmt("%s$%s", r, name) !in by_chance )
				line += fmt(" &default=%s", f$default_val);

			print line;
			}
		}

	for ( _, v in values )
		print fmt("%s: %s%s%s = %s", v, ids[v]$type_name, ids[v]$constant ? " const" : "", ids[v]$redefinable ? " &redef" : "",
		          lookup_ID(v));

	for ( _, fn in functions )
		print fmt("%s: %s", fn, ids[fn]$type_name);

	for ( _, e in enumerators )
		print fmt("%s: %s", e, ids[e]$type_name);

	# Before anything listens.
	exit(0);
	}
