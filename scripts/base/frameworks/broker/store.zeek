##! Stores of keys and values that several processes share, and data as Broker sees it.

@load ./main

module Broker;

export {
	## How long changes of a clone wait for a master that is away; below 0 not at all.
	const default_clone_mutation_buffer_interval: interval = 2min &redef;
	## How often a clone asks for a master that is away.
	const default_clone_resync_interval: interval = 10sec &redef;
	## How long a clone answers queries while its master is away; then they fail. Below 0 it always answers.
	const default_clone_stale_interval: interval = 5min &redef;
	## For tables with `&backend`, which has no effect here; so have these.
	const table_store_db_directory: string = "." &redef;
	const table_store_master: bool = T &redef;

	global create_master: function(name: string, b: BackendType &default=MEMORY, options: BackendOptions &default=BackendOptions()): opaque of Broker::Store;
	global create_clone: function(name: string, resync_interval: interval &default=default_clone_resync_interval, stale_interval: interval &default=default_clone_stale_interval, mutation_buffer_interval: interval &default=default_clone_mutation_buffer_interval): opaque of Broker::Store;
	global append: function(h: opaque of Broker::Store, k: any, s: string, e: interval &default=0sec): bool;
	global clear: function(h: opaque of Broker::Store): bool;
	global close: function(h: opaque of Broker::Store): bool;
	global data: function(d: any): Data;
	global data_type: function(d: Data): DataType;
	global decrement: function(h: opaque of Broker::Store, k: any, a: any &default=1, e: interval &default=0sec): bool;
	global erase: function(h: opaque of Broker::Store, k: any): bool;
	global exists: function(h: opaque of Broker::Store, k: any): QueryResult;
	global get: function(h: opaque of Broker::Store, k: any): QueryResult;
	global get_index_from_value: function(h: opaque of Broker::Store, k: any, i: any): QueryResult;
	global increment: function(h: opaque of Broker::Store, k: any, a: any &default=1, e: interval &default=0sec): bool;
	global insert_into_set: function(h: opaque of Broker::Store, k: any, i: any, e: interval &default=0sec): bool;
	global insert_into_table: function(h: opaque of Broker::Store, k: any, i: any, v: any, e: interval &default=0sec): bool;
	global is_closed: function(h: opaque of Broker::Store): bool;
	global keys: function(h: opaque of Broker::Store): QueryResult;
	global pop: function(h: opaque of Broker::Store, k: any, e: interval &default=0sec): bool;
	global push: function(h: opaque of Broker::Store, k: any, v: any, e: interval &default=0sec): bool;
	global put: function(h: opaque of Broker::Store, k: any, v: any, e: interval &default=0sec): bool;
	global put_unique: function(h: opaque of Broker::Store, k: any, v: any, e: interval &default=0sec): QueryResult;
	global record_assign: function(r: Data, idx: count, d: any): bool;
	global record_create: function(sz: count): Data;
	global record_iterator: function(r: Data): opaque of Broker::RecordIterator;
	global record_iterator_last: function(it: opaque of Broker::RecordIterator): bool;
	global record_iterator_next: function(it: opaque of Broker::RecordIterator): bool;
	global record_iterator_value: function(it: opaque of Broker::RecordIterator): Data;
	global record_lookup: function(r: Data, idx: count): Data;
	global record_size: function(r: Data): count;
	global remove_from: function(h: opaque of Broker::Store, k: any, i: any, e: interval &default=0sec): bool;
	global set_clear: function(s: Data): bool;
	global set_contains: function(s: Data, key: any): bool;
	global set_create: function(): Data;
	global set_insert: function(s: Data, key: any): bool;
	global set_iterator: function(s: Data): opaque of Broker::SetIterator;
	global set_iterator_last: function(it: opaque of Broker::SetIterator): bool;
	global set_iterator_next: function(it: opaque of Broker::SetIterator): bool;
	global set_iterator_value: function(it: opaque of Broker::SetIterator): Data;
	global set_remove: function(s: Data, key: any): bool;
	global set_size: function(s: Data): count;
	global store_name: function(h: opaque of Broker::Store): string;
	global table_clear: function(t: Data): bool;
	global table_contains: function(t: Data, key: any): bool;
	global table_create: function(): Data;
	global table_insert: function(t: Data, key: any, val: any): Data;
	global table_iterator: function(t: Data): opaque of Broker::TableIterator;
	global table_iterator_last: function(it: opaque of Broker::TableIterator): bool;
	global table_iterator_next: function(it: opaque of Broker::TableIterator): bool;
	global table_iterator_value: function(it: opaque of Broker::TableIterator): TableItem;
	global table_lookup: function(t: Data, key: any): Data;
	global table_remove: function(t: Data, key: any): Data;
	global table_size: function(t: Data): count;
	global vector_clear: function(v: Data): bool;
	global vector_create: function(): Data;
	global vector_insert: function(v: Data, idx: count, d: any): bool;
	global vector_iterator: function(v: Data): opaque of Broker::VectorIterator;
	global vector_iterator_last: function(it: opaque of Broker::VectorIterator): bool;
	global vector_iterator_next: function(it: opaque of Broker::VectorIterator): bool;
	global vector_iterator_value: function(it: opaque of Broker::VectorIterator): Data;
	global vector_lookup: function(v: Data, idx: count): Data;
	global vector_remove: function(v: Data, idx: count): Data;
	global vector_replace: function(v: Data, idx: count, d: any): Data;
	global vector_size: function(v: Data): count;
}

@pragma push ignore-deprecations

function create_master(name: string, b: BackendType &default=MEMORY, options: BackendOptions &default=BackendOptions()): opaque of Broker::Store
	{
	return __create_master(name, b, options);
	}

function create_clone(name: string, resync_interval: interval &default=default_clone_resync_interval, stale_interval: interval &default=default_clone_stale_interval, mutation_buffer_interval: interval &default=default_clone_mutation_buffer_interval): opaque of Broker::Store
	{
	return __create_clone(name, resync_interval, stale_interval, mutation_buffer_interval);
	}

@pragma pop ignore-deprecations

function append(h: opaque of Broker::Store, k: any, s: string, e: interval &default=0sec): bool
	{
	return __append(h, k, s, e);
	}

function clear(h: opaque of Broker::Store): bool
	{
	return __clear(h);
	}

function close(h: opaque of Broker::Store): bool
	{
	return __close(h);
	}

function data(d: any): Data
	{
	return __data(d);
	}

function data_type(d: Data): DataType
	{
	return __data_type(d);
	}

function decrement(h: opaque of Broker::Store, k: any, a: any &default=1, e: interval &default=0sec): bool
	{
	return __decrement(h, k, a, e);
	}

function erase(h: opaque of Broker::Store, k: any): bool
	{
	return __erase(h, k);
	}

function exists(h: opaque of Broker::Store, k: any): QueryResult
	{
	return __exists(h, k);
	}

function get(h: opaque of Broker::Store, k: any): QueryResult
	{
	return __get(h, k);
	}

function get_index_from_value(h: opaque of Broker::Store, k: any, i: any): QueryResult
	{
	return __get_index_from_value(h, k, i);
	}

function increment(h: opaque of Broker::Store, k: any, a: any &default=1, e: interval &default=0sec): bool
	{
	return __increment(h, k, a, e);
	}

function insert_into_set(h: opaque of Broker::Store, k: any, i: any, e: interval &default=0sec): bool
	{
	return __insert_into_set(h, k, i, e);
	}

function insert_into_table(h: opaque of Broker::Store, k: any, i: any, v: any, e: interval &default=0sec): bool
	{
	return __insert_into_table(h, k, i, v, e);
	}

function is_closed(h: opaque of Broker::Store): bool
	{
	return __is_closed(h);
	}

function keys(h: opaque of Broker::Store): QueryResult
	{
	return __keys(h);
	}

function pop(h: opaque of Broker::Store, k: any, e: interval &default=0sec): bool
	{
	return __pop(h, k, e);
	}

function push(h: opaque of Broker::Store, k: any, v: any, e: interval &default=0sec): bool
	{
	return __push(h, k, v, e);
	}

function put(h: opaque of Broker::Store, k: any, v: any, e: interval &default=0sec): bool
	{
	return __put(h, k, v, e);
	}

function put_unique(h: opaque of Broker::Store, k: any, v: any, e: interval &default=0sec): QueryResult
	{
	return __put_unique(h, k, v, e);
	}

function record_assign(r: Data, idx: count, d: any): bool
	{
	return __record_assign(r, idx, d);
	}

function record_create(sz: count): Data
	{
	return __record_create(sz);
	}

function record_iterator(r: Data): opaque of Broker::RecordIterator
	{
	return __record_iterator(r);
	}

function record_iterator_last(it: opaque of Broker::RecordIterator): bool
	{
	return __record_iterator_last(it);
	}

function record_iterator_next(it: opaque of Broker::RecordIterator): bool
	{
	return __record_iterator_next(it);
	}

function record_iterator_value(it: opaque of Broker::RecordIterator): Data
	{
	return __record_iterator_value(it);
	}

function record_lookup(r: Data, idx: count): Data
	{
	return __record_lookup(r, idx);
	}

function record_size(r: Data): count
	{
	return __record_size(r);
	}

function remove_from(h: opaque of Broker::Store, k: any, i: any, e: interval &default=0sec): bool
	{
	return __remove_from(h, k, i, e);
	}

function set_clear(s: Data): bool
	{
	return __set_clear(s);
	}

function set_contains(s: Data, key: any): bool
	{
	return __set_contains(s, key);
	}

function set_create(): Data
	{
	return __set_create();
	}

function set_insert(s: Data, key: any): bool
	{
	return __set_insert(s, key);
	}

function set_iterator(s: Data): opaque of Broker::SetIterator
	{
	return __set_iterator(s);
	}

function set_iterator_last(it: opaque of Broker::SetIterator): bool
	{
	return __set_iterator_last(it);
	}

function set_iterator_next(it: opaque of Broker::SetIterator): bool
	{
	return __set_iterator_next(it);
	}

function set_iterator_value(it: opaque of Broker::SetIterator): Data
	{
	return __set_iterator_value(it);
	}

function set_remove(s: Data, key: any): bool
	{
	return __set_remove(s, key);
	}

function set_size(s: Data): count
	{
	return __set_size(s);
	}

function store_name(h: opaque of Broker::Store): string
	{
	return __store_name(h);
	}

function table_clear(t: Data): bool
	{
	return __table_clear(t);
	}

function table_contains(t: Data, key: any): bool
	{
	return __table_contains(t, key);
	}

function table_create(): Data
	{
	return __table_create();
	}

function table_insert(t: Data, key: any, val: any): Data
	{
	return __table_insert(t, key, val);
	}

function table_iterator(t: Data): opaque of Broker::TableIterator
	{
	return __table_iterator(t);
	}

function table_iterator_last(it: opaque of Broker::TableIterator): bool
	{
	return __table_iterator_last(it);
	}

function table_iterator_next(it: opaque of Broker::TableIterator): bool
	{
	return __table_iterator_next(it);
	}

function table_iterator_value(it: opaque of Broker::TableIterator): TableItem
	{
	return __table_iterator_value(it);
	}

function table_lookup(t: Data, key: any): Data
	{
	return __table_lookup(t, key);
	}

function table_remove(t: Data, key: any): Data
	{
	return __table_remove(t, key);
	}

function table_size(t: Data): count
	{
	return __table_size(t);
	}

function vector_clear(v: Data): bool
	{
	return __vector_clear(v);
	}

function vector_create(): Data
	{
	return __vector_create();
	}

function vector_insert(v: Data, idx: count, d: any): bool
	{
	return __vector_insert(v, idx, d);
	}

function vector_iterator(v: Data): opaque of Broker::VectorIterator
	{
	return __vector_iterator(v);
	}

function vector_iterator_last(it: opaque of Broker::VectorIterator): bool
	{
	return __vector_iterator_last(it);
	}

function vector_iterator_next(it: opaque of Broker::VectorIterator): bool
	{
	return __vector_iterator_next(it);
	}

function vector_iterator_value(it: opaque of Broker::VectorIterator): Data
	{
	return __vector_iterator_value(it);
	}

function vector_lookup(v: Data, idx: count): Data
	{
	return __vector_lookup(v, idx);
	}

function vector_remove(v: Data, idx: count): Data
	{
	return __vector_remove(v, idx);
	}

function vector_replace(v: Data, idx: count, d: any): Data
	{
	return __vector_replace(v, idx, d);
	}

function vector_size(v: Data): count
	{
	return __vector_size(v);
	}
