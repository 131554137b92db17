##! Tables whose changes go to other nodes by themselves.

@load ./main

module Cluster;

export {
	option default_table_publish_on_change_max_batch_size: count = 10 &redef;
	option default_table_publish_on_change_max_batch_delay: interval = 10msec &redef;

	## The value of the attribute `&publish_on_change`.
	type PublishOnChangeAttr: record {
		## Which changes to publish.
		changes: set[TableChange];
		## A topic, or a function that makes one from the index; the default is made from the table's name.
		topic: any &optional;
		## Changes wait until there are so many, or for so long.
		max_batch_size: count &default=default_table_publish_on_change_max_batch_size;
		max_batch_delay: interval &default=default_table_publish_on_change_max_batch_delay;
	};

	## Changes on another node.
	global table_change_infos: event(tcheader: TableChangeHeader, tcinfos: TableChangeInfos);

	## The same, to be passed on to a topic.
	global forward_table_change_infos: event(tcheader: TableChangeHeader, tcinfos: TableChangeInfos, to_topic: string);

	## Breaking keeps changes from being applied.
	global apply_table_change_infos_policy: hook(tcheader: TableChangeHeader, tcinfos: TableChangeInfos);
}

event Cluster::table_change_infos(tcheader: TableChangeHeader, tcinfos: TableChangeInfos)
	{
	if ( tcheader$node_id == Cluster::node_id() )
		return;

	if ( hook apply_table_change_infos_policy(tcheader, tcinfos) )
		apply_table_change_infos(tcheader, tcinfos);
	}

event Cluster::forward_table_change_infos(tcheader: TableChangeHeader, tcinfos: TableChangeInfos, to_topic: string)
	{
	Cluster::publish(to_topic, Cluster::table_change_infos, tcheader, tcinfos);
	}
