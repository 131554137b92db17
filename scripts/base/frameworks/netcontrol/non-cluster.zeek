##! Rules in a single process.

@load ./main

module NetControl;

function activate(p: PluginState, priority: int)
	{
	activate_impl(p, priority);
	}

function add_rule(r: Rule): string
	{
	return add_rule_impl(r);
	}

function delete_rule(id: string, reason: string &default=""): bool
	{
	return delete_rule_impl(id, reason);
	}

function remove_rule(id: string, reason: string &default=""): bool
	{
	return remove_rule_impl(id, reason);
	}
