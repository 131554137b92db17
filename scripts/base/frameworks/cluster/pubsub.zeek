##! Publishing whole tables, and what others publish about theirs.

@load ./main

module Cluster;

export {
	## How many entries go into one message.
	const default_publish_table_batch_size: count = 10000 &redef;

	## Publishes all entries of a table or set.
	global publish_table: function(topic: string, table_val: any, batch_size: count &default=default_publish_table_batch_size): bool;
}

function publish_table(topic: string, table_val: any, batch_size: count &default=default_publish_table_batch_size): bool
	{
	return __publish_table(topic, table_val, batch_size);
	}
