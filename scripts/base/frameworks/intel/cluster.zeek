##! Intelligence data in a cluster: the manager has all of it, the others what they need to recognize it.

@load ./main
@load base/frameworks/cluster

module Intel;

# The data of the manager for a node that has just come up.
global new_min_data_store: event(store: MinDataStore);

function is_manager(): bool
	{
	return Cluster::local_node_type() == Cluster::MANAGER;
	}

function is_worker(): bool
	{
	return Cluster::local_node_type() == Cluster::WORKER;
	}

redef have_full_data = is_manager();

# What nodes do differs by their kind, what they load does not, so that those of one process can share it.

event Cluster::node_up(name: string, id: string)
	{
	if ( is_manager() && name in Cluster::nodes && Cluster::nodes[name]$node_type == Cluster::WORKER )
		Cluster::publish(Cluster::node_topic(name), Intel::new_min_data_store, min_data_store);
	}

event Intel::insert_item(item: Item) &priority=5
	{
	if ( is_manager() )
		event Intel::new_item(item);
	else if ( is_worker() && ! is_remote_event() )
		Cluster::publish(Cluster::manager_topic, Intel::insert_item, item);
	}

event Intel::remove_item(item: Item, purge_indicator: bool) &priority=5
	{
	if ( is_worker() && ! is_remote_event() )
		Cluster::publish(Cluster::manager_topic, Intel::remove_item, item, purge_indicator);
	}

event Intel::match_remote(s: Seen) &priority=5
	{
	# The connection is of this node alone.
	if ( is_worker() )
		Cluster::publish(Cluster::manager_topic, Intel::match_remote, s);
	# The data may have changed on its way.
	else if ( is_manager() && find(s) )
		event Intel::match(s, get_items(s));
	}

# Whether an indicator is known here.
function is_known(indicator: string, indicator_type: Type): bool
	{
	switch ( indicator_type ) {
	case ADDR:
		return to_addr(indicator) in min_data_store$host_data;
	case SUBNET:
		return check_subnet(to_subnet(indicator), min_data_store$subnet_data);
	default:
		return [to_lower(indicator), indicator_type] in min_data_store$string_data;
	}
	}

# All of a store, as the hooks about indicators have them.
function indicators_of(store: MinDataStore): set[string, Type]
	{
	local all: set[string, Type] = set();

	for ( host in store$host_data )
		add all[cat(host), ADDR];

	for ( net in store$subnet_data )
		add all[cat(net), SUBNET];

	for ( [text, text_type] in store$string_data )
		add all[text, text_type];

	return all;
	}

# The data of a manager that is new may lack what the one before had.
event Intel::new_min_data_store(store: MinDataStore)
	{
	if ( ! is_worker() )
		return;

	local before = indicators_of(min_data_store);
	local now = indicators_of(store);
	min_data_store = store;

	for ( [indicator, indicator_type] in now )
		if ( [indicator, indicator_type] !in before )
			hook Intel::indicator_inserted(indicator, indicator_type);

	for ( [old, old_type] in before )
		if ( [old, old_type] !in now )
			hook Intel::indicator_removed(old, old_type);
	}

# A worker keeps what it is told of.
function store_item(item: Item)
	{
	local is_new = ! is_known(item$indicator, item$indicator_type);

	switch ( item$indicator_type ) {
	case ADDR:
		add min_data_store$host_data[to_addr(item$indicator)];
		break;
	case SUBNET:
		add min_data_store$subnet_data[to_subnet(item$indicator)];
		break;
	default:
		add min_data_store$string_data[to_lower(item$indicator), item$indicator_type];
		break;
	}

	if ( is_new )
		hook Intel::indicator_inserted(item$indicator, item$indicator_type);
	}

event Intel::insert_indicator(item: Item) &priority=5
	{
	switch ( Cluster::local_node_type() ) {
	case Cluster::MANAGER:
		# One proxy passes it on, which takes work from the manager.
		local topic = Cluster::rr_topic(Cluster::proxy_pool, "Intel::insert_rr_key");
		Cluster::publish(topic == "" ? Cluster::worker_topic : topic, Intel::insert_indicator, item);
		break;
	case Cluster::PROXY:
		Cluster::publish(Cluster::worker_topic, Intel::insert_indicator, item);
		break;
	case Cluster::WORKER:
		store_item(item);
		break;
	}
	}

event Intel::remove_indicator(item: Item) &priority=5
	{
	if ( is_manager() )
		Cluster::publish(Cluster::worker_topic, Intel::remove_indicator, item);
	# Before it is forgotten.
	else if ( is_worker() && is_known(item$indicator, item$indicator_type) )
		hook Intel::indicator_removed(item$indicator, item$indicator_type);
	}
