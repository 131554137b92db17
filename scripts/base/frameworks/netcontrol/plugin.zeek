##! What connects the framework to devices.

@load ./types

module NetControl;

export {
	## The state of an active plugin. Plugins add fields.
	type PluginState: record {
		config: table[string] of string &default=table();
		## Set by the framework.
		_id: count &optional;
		_priority: int &default=+0;
		## Ready to take rules?
		_activated: bool &default=F;
	};

	type Plugin: record {
		## A name for the log.
		name: function(state: PluginState): string;
		## Does the device remove rules that are over by itself?
		can_expire: bool;
		init: function(state: PluginState) &optional;
		done: function(state: PluginState) &optional;
		## T if the plugin takes the rule; it then raises events about what becomes of it.
		add_rule: function(state: PluginState, r: Rule): bool &optional;
		remove_rule: function(state: PluginState, r: Rule, reason: string): bool &optional;
	};

	redef record PluginState += {
		plugin: Plugin &optional;
	};
}
