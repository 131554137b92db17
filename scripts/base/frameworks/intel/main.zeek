##! Intelligence data: what to look for, where it was seen, and intel.log.

@load base/frameworks/notice
@load base/frameworks/cluster

module Intel;

export {
	redef enum Log::ID += { LOG };

	## Kinds of indicators.
	type Type: enum {
		ADDR,
		SUBNET,
		URL,
		SOFTWARE,
		EMAIL,
		## A domain name.
		DOMAIN,
		USER_NAME,
		CERT_HASH,
		PUBKEY_HASH,
	};

	type TypeSet: set[Type];

	## What a source says about an indicator. Scripts add fields.
	type MetaData: record {
		source: string;
		desc: string &optional;
		url: string &optional;
	};

	## Something to look for.
	type Item: record {
		indicator: string;
		indicator_type: Type;
		meta: MetaData;
	};

	## Where something can be seen. Scripts add their places.
	type Where: enum {
		IN_ANYWHERE,
	};

	## Something that was seen.
	type Seen: record {
		indicator: string &log &optional;
		indicator_type: Type &log &optional;
		## For addresses, instead of the two above.
		host: addr &optional;
		where: Where &log;
		node: string &optional &log;
		conn: connection &optional;
		uid: string &optional;
	};

	type Info: record {
		ts: time &log;
		uid: string &log &optional;
		id: conn_id &log &optional;
		seen: Seen &log;
		## The kinds of indicators that matched.
		matched: TypeSet &log;
		sources: set[string] &log &default=string_set();
	};

	## How long items stay without being inserted again; negative for as long as the process runs.
	const item_expiration: interval = -1min &redef;

	## Adds an item.
	global insert: function(item: Item);

	## Removes an item of a source, or its indicator altogether.
	global remove: function(item: Item, purge_indicator: bool &default=F);

	## Says that something was seen.
	global seen: function(s: Seen);

	## Something was seen that was looked for.
	global match: event(s: Seen, items: set[Item]);

	## Breaking keeps an item out.
	global filter_item: hook(item: Intel::Item);

	## Breaking keeps a match from being reported.
	global seen_policy: hook(s: Seen, found: bool);

	## Fills the log record of a match; breaking keeps it from being logged.
	global extend_match: hook(info: Info, s: Seen, items: set[Item]);

	## An item is over. Breaking lets it go, else it stays for another while.
	global item_expired: hook(indicator: string, indicator_type: Type, metas: set[MetaData]);

	global indicator_inserted: hook(indicator: string, indiator_type: Type);
	global indicator_removed: hook(indicator: string, indiator_type: Type);

	global log_intel: event(rec: Info);
	global log_policy: Log::PolicyHook;
}

# Metadata by source.
type MetaDataTable: table[string] of MetaData;

# Only what is needed to recognize it; all that workers have.
type MinDataStore: record {
	host_data: set[addr];
	subnet_data: set[subnet];
	string_data: set[string, Type];
};

# Does this process know everything?
const have_full_data = T &redef;

global expire_host_data: function(data: table[addr] of MetaDataTable, idx: addr): interval;
global expire_subnet_data: function(data: table[subnet] of MetaDataTable, idx: subnet): interval;
global expire_string_data: function(data: table[string, Type] of MetaDataTable, indicator: string, indicator_type: Type): interval;

global host_data: table[addr] of MetaDataTable = {} &write_expire=item_expiration &expire_func=expire_host_data;
global subnet_data: table[subnet] of MetaDataTable = {} &write_expire=item_expiration &expire_func=expire_subnet_data;
global string_data: table[string, Type] of MetaDataTable = {} &write_expire=item_expiration &expire_func=expire_string_data;

global min_data_store: MinDataStore = MinDataStore($host_data=set(), $subnet_data=set(), $string_data=set());

# Between the nodes of a cluster: what a worker saw, and changes of the data.
global match_remote: event(s: Seen);
global new_item: event(item: Item);
global remove_item: event(item: Item, purge_indicator: bool);
global insert_item: event(item: Item);
global insert_indicator: event(item: Item);
global remove_indicator: event(item: Item);

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $ev=log_intel, $path="intel", $policy=log_policy));
	}

function metas_of(t: MetaDataTable): set[MetaData]
	{
	local out: set[MetaData] = set();

	for ( _, m in t )
		add out[m];

	return out;
	}

# Whether an item that is over stays.
function stays(indicator: string, indicator_type: Type, metas: MetaDataTable): interval
	{
	if ( hook item_expired(indicator, indicator_type, metas_of(metas)) )
		return item_expiration;

	# Workers have to forget it as well.
	for ( _, meta in metas )
		{
		event Intel::remove_indicator(Item($indicator=indicator, $indicator_type=indicator_type, $meta=meta));
		break;
		}

	return 0sec;
	}

function expire_host_data(data: table[addr] of MetaDataTable, idx: addr): interval
	{
	return stays(cat(idx), ADDR, data[idx]);
	}

function expire_subnet_data(data: table[subnet] of MetaDataTable, idx: subnet): interval
	{
	return stays(cat(idx), SUBNET, data[idx]);
	}

function expire_string_data(data: table[string, Type] of MetaDataTable, indicator: string, indicator_type: Type): interval
	{
	return stays(indicator, indicator_type, data[indicator, indicator_type]);
	}

# Whether anybody looks for this.
function find(s: Seen): bool
	{
	if ( s?$host )
		{
		if ( have_full_data )
			return s$host in host_data || |matching_subnets(addr_to_subnet(s$host), subnet_data)| > 0;

		return s$host in min_data_store$host_data || s$host in min_data_store$subnet_data;
		}

	local key = to_lower(s$indicator);

	if ( have_full_data )
		return [key, s$indicator_type] in string_data;

	return [key, s$indicator_type] in min_data_store$string_data;
	}

# Everything that matches.
function get_items(s: Seen): set[Item]
	{
	local items: set[Item] = set();

	if ( ! have_full_data )
		{
		Reporter::warning("only the manager of a cluster has the data of indicators");
		return items;
		}

	if ( s?$host )
		{
		if ( s$host in host_data )
			{
			for ( _, m in host_data[s$host] )
				add items[Item($indicator=cat(s$host), $indicator_type=ADDR, $meta=m)];
			}

		for ( _, net in matching_subnets(addr_to_subnet(s$host), subnet_data) )
			{
			for ( _, nm in subnet_data[net] )
				add items[Item($indicator=cat(net), $indicator_type=SUBNET, $meta=nm)];
			}

		return items;
		}

	local key = to_lower(s$indicator);

	if ( [key, s$indicator_type] in string_data )
		{
		for ( _, sm in string_data[key, s$indicator_type] )
			add items[Item($indicator=s$indicator, $indicator_type=s$indicator_type, $meta=sm)];
		}

	return items;
	}

function seen(s: Seen)
	{
	local found = find(s);

	if ( ! hook Intel::seen_policy(s, found) || ! found )
		return;

	if ( s?$host )
		{
		s$indicator = cat(s$host);
		s$indicator_type = Intel::ADDR;
		}

	if ( ! s?$node )
		s$node = peer_description;

	if ( have_full_data )
		event Intel::match(s, get_items(s));
	else
		event Intel::match_remote(s);
	}

event Intel::match(s: Seen, items: set[Item]) &priority=5
	{
	local info = Info($ts=network_time(), $seen=s, $matched=TypeSet());

	if ( hook extend_match(info, s, items) )
		Log::write(Intel::LOG, info);
	}

hook extend_match(info: Info, s: Seen, items: set[Item]) &priority=5
	{
	# The connection tells more than its id.
	if ( s?$conn )
		{
		s$uid = s$conn$uid;
		info$id = s$conn$id;
		}

	if ( s?$uid )
		info$uid = s$uid;

	for ( item in items )
		{
		add info$sources[item$meta$source];
		add info$matched[item$indicator_type];
		}
	}

# Takes an item in; T if its indicator is new.
function keep(item: Item): bool
	{
	local meta = item$meta;
	local is_new = F;

	switch ( item$indicator_type ) {
	case ADDR:
		local host = to_addr(item$indicator);
		is_new = host !in host_data;

		# Assigning the entry makes it last for another while.
		host_data[host] = is_new ? MetaDataTable() : host_data[host];
		host_data[host][meta$source] = meta;
		add min_data_store$host_data[host];
		break;
	case SUBNET:
		local net = to_subnet(item$indicator);
		is_new = ! check_subnet(net, subnet_data);
		subnet_data[net] = is_new ? MetaDataTable() : subnet_data[net];
		subnet_data[net][meta$source] = meta;
		add min_data_store$subnet_data[net];
		break;
	default:
		local key = to_lower(item$indicator);
		is_new = [key, item$indicator_type] !in string_data;
		string_data[key, item$indicator_type] = is_new ? MetaDataTable() : string_data[key, item$indicator_type];
		string_data[key, item$indicator_type][meta$source] = meta;
		add min_data_store$string_data[key, item$indicator_type];
		break;
	}

	return is_new;
	}

# Takes an item in, and tells of its indicator if that is new.
function take_in(item: Item)
	{
	if ( ! keep(item) )
		return;

	hook Intel::indicator_inserted(item$indicator, item$indicator_type);
	event Intel::insert_indicator(item);
	}

event Intel::new_item(item: Item) &priority=5
	{
	take_in(item);
	}

# Whoever has the data can use what is inserted at once.
function insert(item: Item)
	{
	if ( ! hook filter_item(item) )
		return;

	if ( have_full_data )
		take_in(item);
	else
		event Intel::insert_item(item);
	}

# Forgets what an indicator is recognized by.
function forget_indicator(item: Item)
	{
	switch ( item$indicator_type ) {
	case ADDR:
		delete min_data_store$host_data[to_addr(item$indicator)];
		break;
	case SUBNET:
		delete min_data_store$subnet_data[to_subnet(item$indicator)];
		break;
	default:
		delete min_data_store$string_data[to_lower(item$indicator), item$indicator_type];
		break;
	}
	}

# Drops metadata of one source, or the whole entry; T if nothing is left.
function drop_meta(metas: MetaDataTable, source: string, all_of_it: bool): bool
	{
	delete metas[source];
	return all_of_it || |metas| == 0;
	}

function remove(item: Item, purge_indicator: bool &default=F)
	{
	if ( ! have_full_data )
		{
		event Intel::remove_item(item, purge_indicator);
		return;
		}

	local gone = F;

	switch ( item$indicator_type ) {
	case ADDR:
		local host = to_addr(item$indicator);

		if ( host in host_data && drop_meta(host_data[host], item$meta$source, purge_indicator) )
			{
			delete host_data[host];
			gone = T;
			}

		break;
	case SUBNET:
		local net = to_subnet(item$indicator);

		if ( check_subnet(net, subnet_data) && drop_meta(subnet_data[net], item$meta$source, purge_indicator) )
			{
			delete subnet_data[net];
			gone = T;
			}

		break;
	default:
		local key = to_lower(item$indicator);

		if ( [key, item$indicator_type] in string_data &&
		     drop_meta(string_data[key, item$indicator_type], item$meta$source, purge_indicator) )
			{
			delete string_data[key, item$indicator_type];
			gone = T;
			}

		break;
	}

	if ( gone )
		{
		hook Intel::indicator_removed(item$indicator, item$indicator_type);
		event Intel::remove_indicator(item);
		}
	}

event Intel::remove_item(item: Item, purge_indicator: bool)
	{
	if ( have_full_data )
		remove(item, purge_indicator);
	}

event Intel::remove_indicator(item: Item)
	{
	forget_indicator(item);
	}
