##! What the controller thinks of configurations: what is wrong with them, and what it fills in.

@load policy/frameworks/management
@load policy/frameworks/management/agent/config
@load ./config

module Management::Controller::Runtime;

export {
	## The configuration with the instances of its nodes, if it names none.
	global with_instances: function(config: Management::Configuration): Management::Configuration;

	#	global problems_of: function(config: Management::Configuration): vector of string;

	#	global with_ports: function(config: Management::Configuration): Management::Configuration;
}

function with_instances(config: Management::Configuration): Management::Configuration
	{
	local out = copy(config);

	if ( |out$instances| > 0 )
		return out;

	local seen: set[string];

	for ( n in out$nodes )
		{
		if ( n$instance in seen )
			next;

		add seen[n$instance];
		add out$instances[Management::Instance($name=n$instance, $host=0.0.0.0)];
		}

	return out;
	}

# Notes that somebody uses a port of an instance; gives what is wrong with that.
function take_port(users: table[string, port] of string, inst: string, p: port, user: string): string &is_used
	{
	if ( [inst, p] in users )
		return fmt("%s and %s of instance %s both use port %s", users[inst, p], user, inst, p);

	users[inst, p] = user;
	return "";
	}

function problems_of(config: Management::Configuration): vector of string &is_used
	{
	local out: vector of string = vector();
	local instances: set[string];
	local names: set[string];
	local managers: set[string];
	local ports: table[string, port] of string;
	local doubled = "";

	for ( inst in config$instances )
		{
		if ( inst$name == "" )
			out += "an instance has no name";
		else if ( inst$name in instances )
			out += fmt("several instances are called '%s'", inst$name);

		add instances[inst$name];

		if ( inst?$listen_port )
			{
			if ( inst$host == 0.0.0.0 )
				out += fmt("instance '%s' has a port but no address", inst$name);

			doubled = take_port(ports, inst$name, inst$listen_port, "the agent");
			}
		}

	for ( n in config$nodes )
		{
		if ( n$name == "" || n$name == "." || n$name == ".." || /[\/\0]/ in n$name )
			{
			# It is the name of a folder, too.
			out += fmt("'%s' cannot be the name of a node", n$name);
			next;
			}

		if ( n$name in names )
			out += fmt("several nodes are called '%s'", n$name);

		add names[n$name];

		if ( n$name in instances || n$name == Management::Controller::get_name() )
			out += fmt("node '%s' has the name of an agent or the controller", n$name);

		if ( n$instance !in instances )
			out += fmt("node '%s' is of the unknown instance '%s'", n$name, n$instance);

		if ( n$role == Supervisor::NONE )
			out += fmt("node '%s' has no role", n$name);

		if ( n$role == Supervisor::MANAGER )
			add managers[n$name];

		if ( n?$cpu_affinity && n$cpu_affinity < 0 )
			out += fmt("node '%s' keeps to processor %d, which there is not", n$name, n$cpu_affinity);

		if ( n?$options )
			{
			for ( o in n$options )
				{
				if ( o$name != /[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*/ )
					out += fmt("node '%s': '%s' cannot be the name of an option", n$name, o$name);
				}
			}

		# Others connect to all but workers.
		if ( ! n?$p && n$role != Supervisor::WORKER && n$role != Supervisor::NONE && ! Management::Controller::auto_assign_broker_ports )
			out += fmt("node '%s' needs a port", n$name);

		if ( n?$p )
			{
			doubled = take_port(ports, n$instance, n$p, fmt("node '%s'", n$name));

			if ( doubled != "" )
				out += doubled;
			}

		if ( n?$metrics_port )
			{
			doubled = take_port(ports, n$instance, n$metrics_port, fmt("the metrics of node '%s'", n$name));

			if ( doubled != "" )
				out += doubled;
			}
		}

	if ( |managers| > 1 )
		out += fmt("a cluster has one manager, not %s", join_string_vec(Management::Util::set_to_vector(managers), " and "));

	sort(out, strcmp);
	return out;
	}

# The nodes that come first when ports are given out come first here: managers, loggers, proxies, workers; then those of one
# instance together, by name.
function in_order(nodes: set[Management::Node]): vector of Management::Node &is_used
	{
	local ranks = table([Supervisor::MANAGER] = 0, [Supervisor::LOGGER] = 1, [Supervisor::PROXY] = 2,
	                    [Supervisor::WORKER] = 3, [Supervisor::NONE] = 4);
	local out: vector of Management::Node = vector();

	for ( n in nodes )
		out += copy(n);

	sort(out, function[ranks](a: Management::Node, b: Management::Node): int
		{
		if ( ranks[a$role] != ranks[b$role] )
			return ranks[a$role] < ranks[b$role] ? -1 : 1;

		if ( a$instance != b$instance )
			return strcmp(a$instance, b$instance);

		return strcmp(a$name, b$name);
		});

	return out;
	}

# The first free port from one on. It is taken then.
function next_port(from: port, taken: set[port]): port &is_used
	{
	local n = port_to_count(from);

	while ( n < 65535 && count_to_port(n, tcp) in taken )
		++n;

	local p = count_to_port(n, tcp);
	add taken[p];
	return p;
	}

function with_ports(config: Management::Configuration): Management::Configuration &is_used
	{
	local out = copy(config);
	local nodes = in_order(out$nodes);
	local taken: set[port] = set();

	# Wherever they are: who moves a node to another host need not think of ports.
	add taken[Management::Controller::network_info()$bound_port];
	add taken[Management::Controller::network_info_websocket()$bound_port];
	add taken[Management::Agent::endpoint_info()$network$bound_port];
	add taken[Broker::default_port];

	for ( inst in out$instances )
		{
		if ( inst?$listen_port )
			add taken[inst$listen_port];
		}

	for ( _, n in nodes )
		{
		if ( n?$p )
			add taken[n$p];

		if ( n?$metrics_port )
			add taken[n$metrics_port];
		}

	for ( _, m in nodes )
		{
		if ( ! m?$p && m$role != Supervisor::WORKER && Management::Controller::auto_assign_broker_ports )
			m$p = next_port(Management::Controller::auto_assign_broker_start_port, taken);

		if ( ! m?$metrics_port && Management::Controller::auto_assign_metrics_ports )
			m$metrics_port = next_port(Management::Controller::auto_assign_metrics_start_port, taken);
		}

	out$nodes = set();

	for ( _, k in nodes )
		add out$nodes[k];

	return out;
	}
