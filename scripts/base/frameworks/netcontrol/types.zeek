##! What rules for network devices are made of.

module NetControl;

export {
	option default_priority: int = +0 &redef;

	## Exceptions come before everything else.
	const whitelist_priority: int = +5 &redef;

	## What a rule is about.
	type EntityType: enum {
		ADDRESS,
		CONNECTION,
		FLOW,
		MAC,
	};

	type Flow: record {
		src_h: subnet &optional;
		src_p: port &optional;
		dst_h: subnet &optional;
		dst_p: port &optional;
		src_m: string &optional;
		dst_m: string &optional;
	};

	type Entity: record {
		ty: EntityType;
		conn: conn_id &optional;
		flow: Flow &optional;
		## For addresses: one address or a network.
		ip: subnet &optional;
		mac: string &optional;
	};

	type TargetType: enum {
		## Traffic on its way.
		FORWARD,
		## The copy that is monitored.
		MONITOR,
	};

	type RuleType: enum {
		DROP,
		MODIFY,
		REDIRECT,
		WHITELIST,
	};

	## How packets are changed.
	type FlowMod: record {
		src_h: addr &optional;
		src_p: count &optional;
		dst_h: addr &optional;
		dst_p: count &optional;
		src_m: string &optional;
		dst_m: string &optional;
		redirect_port: count &optional;
	};

	type Rule: record {
		ty: RuleType;
		target: TargetType;
		entity: Entity;
		## After how long the rule goes.
		expire: interval &optional;
		## Greater ones first.
		priority: int &default=default_priority;
		## Why the rule is there.
		location: string &optional;

		# For redirection and modification.
		out_port: count &optional;
		mod: FlowMod &optional;

		## Set when the rule is added.
		id: string &default="";
		cid: count &default=0;

		# Which plugins have it.
		_plugin_ids: set[count] &default=count_set();
		_active_plugin_ids: set[count] &default=count_set();
		_no_expire_plugins: set[count] &default=count_set();
		_added: bool &default=F;
	};

	## What a device counted.
	type FlowInfo: record {
		duration: interval &optional;
		packet_count: count &optional;
		byte_count: count &optional;
	};
}
