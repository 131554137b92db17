##! Rules in a cluster: the manager keeps them and talks to devices, other nodes send it their wishes.

@load ./main
@load base/frameworks/cluster

module NetControl;

export {
	## Wishes of other nodes.
	global cluster_netcontrol_add_rule: event(r: Rule);
	global cluster_netcontrol_remove_rule: event(id: string, reason: string);
	global cluster_netcontrol_delete_rule: event(id: string, reason: string);
}

# Rules of other nodes get ids there.
global local_rule_count: count = 1;

function is_manager(): bool
	{
	return Cluster::local_node_type() == Cluster::MANAGER;
	}

function activate(p: PluginState, priority: int)
	{
	if ( is_manager() )
		activate_impl(p, priority);
	}

function add_rule(r: Rule): string
	{
	if ( is_manager() )
		return add_rule_impl(r);

	if ( r$id == "" )
		r$id = cat(Cluster::node, ":", ++local_rule_count);

	Cluster::publish(Cluster::manager_topic, NetControl::cluster_netcontrol_add_rule, r);
	return r$id;
	}

function delete_rule(id: string, reason: string &default=""): bool
	{
	if ( is_manager() )
		return delete_rule_impl(id, reason);

	Cluster::publish(Cluster::manager_topic, NetControl::cluster_netcontrol_delete_rule, id, reason);
	return T;
	}

function remove_rule(id: string, reason: string &default=""): bool
	{
	if ( is_manager() )
		return remove_rule_impl(id, reason);

	Cluster::publish(Cluster::manager_topic, NetControl::cluster_netcontrol_remove_rule, id, reason);
	return T;
	}

event NetControl::cluster_netcontrol_add_rule(r: Rule)
	{
	if ( is_manager() )
		add_rule_impl(r);
	}

event NetControl::cluster_netcontrol_delete_rule(id: string, reason: string)
	{
	if ( is_manager() )
		delete_rule_impl(id, reason);
	}

event NetControl::cluster_netcontrol_remove_rule(id: string, reason: string)
	{
	if ( is_manager() )
		remove_rule_impl(id, reason);
	}

event NetControl::rule_new(r: Rule)
	{
	if ( is_manager() )
		Cluster::publish(Cluster::worker_topic, NetControl::rule_new, r);
	}

event NetControl::rule_destroyed(r: Rule)
	{
	if ( is_manager() )
		Cluster::publish(Cluster::worker_topic, NetControl::rule_destroyed, r);
	}

# Workers know the rules as well, to answer questions.
event NetControl::rule_new(r: Rule) &priority=5
	{
	if ( is_manager() || r$id in rules )
		return;

	rules[r$id] = r;
	rule_entities[r$entity, r$ty] = r;
	add_subnet_entry(r);
	}

event NetControl::rule_destroyed(r: Rule) &priority=5
	{
	if ( is_manager() || r$id !in rules )
		return;

	remove_subnet_entry(r);
	delete rule_entities[r$entity, r$ty];
	delete rules[r$id];
	}
