##! Tells when nodes come and go: nodes greet each other when they see each other's subscriptions.
##!
##! Every node subscribes to a topic that has its id in it. Who sees that of another answers on it; once both the
##! subscription and the greeting of a node are there, messages go both ways, and that is what the second greeting,
##! `Cluster::hello`, tells.

@load ./options

module Cluster::Backend::ZeroMQ;

function forgot_subscription(t: set[string], id: string): interval
	{
	Reporter::warning(fmt("Expired subscription from nodeid %s", id));
	return 0sec;
	}

function forgot_hello(t: table[string] of string, id: string): interval
	{
	Reporter::warning(fmt("Expired hello from nodeid %s", id));
	return 0sec;
	}

# Nodes whose subscription was seen but who have not greeted, and the other way round.
global subscribed: set[string] &create_expire=hello_expiration &expire_func=forgot_subscription;
global greeted: table[string] of string &create_expire=hello_expiration &expire_func=forgot_hello;

# The id in a topic, empty if the topic is none of a node.
function id_in_topic(topic: string): string
	{
	local start = nodeid_topic_prefix + ".";

	if ( ! starts_with(topic, start) || |topic| <= |start| + 1 || topic[-1] != "." )
		return "";

	return topic[|start|:|topic| - 1];
	}

function say_hello(id: string)
	{
	Cluster::publish(Cluster::nodeid_topic(id), Cluster::hello, Cluster::node, Cluster::node_id());
	}

event Cluster::Backend::ZeroMQ::subscription(topic: string)
	{
	if ( Cluster::node == "" )
		return;

	local id = id_in_topic(topic);

	if ( id == "" || id == Cluster::node_id() )
		return;

	Cluster::publish(topic, Cluster::Backend::ZeroMQ::hello, Cluster::node, Cluster::node_id());

	if ( id in greeted )
		{
		say_hello(id);
		delete greeted[id];
		}
	else
		add subscribed[id];
	}

event Cluster::Backend::ZeroMQ::hello(name: string, id: string)
	{
	if ( id == Cluster::node_id() )
		return;

	if ( name == Cluster::node )
		Reporter::warning(fmt("another process is node '%s' as well (its id: %s)", name, id));

	if ( name in Cluster::nodes && Cluster::nodes[name]?$id )
		{
		local up = Cluster::nodes[name]$id;

		if ( up == id )
			{
			Reporter::warning(fmt("node '%s' sends ZeroMQ::hello twice (id: %s)", name, id));
			return;
			}

		Reporter::warning(fmt("node '%s' never said goodbye (old id: %s, new id: %s)", name, up, id));
		# Its second greeting may be handled before the event.
		Cluster::forget_process(name);
		event Cluster::node_down(name, up);
		}

	if ( id in subscribed )
		{
		say_hello(id);
		delete subscribed[id];
		}
	else
		greeted[id] = name;
	}

event Cluster::Backend::ZeroMQ::unsubscription(topic: string)
	{
	local id = id_in_topic(topic);

	if ( id == "" || id == Cluster::node_id() )
		return;

	delete subscribed[id];
	delete greeted[id];

	local gone = Cluster::nodeid_to_node(id);

	if ( gone$name == "" )
		{
		Reporter::warning(fmt("a node that was not up is gone: %s", id));
		return;
		}

	event Cluster::node_down(gone$name, id);
	}
