##! Storage of keys and values outside the process: what the synchronous and the asynchronous functions have in common.

module Storage;

export {
	## How often backends look for entries that are over.
	const expire_interval: interval = 15sec &redef;

	## Wait for every operation, also of the asynchronous functions.
	const default_forced_sync: bool = F &redef;

	## The buckets of `zeek_storage_operation_latency_seconds`.
	const latency_metric_bounds: vector of double = { 0.001, 0.01, 0.1, 1.0 } &redef;

	## How values are written down.
	type Serializer: enum {
		STORAGE_SERIALIZER_JSON,
	};

	## Options of all backends; each backend adds a field of its own.
	type BackendOptions: record {
		serializer: Storage::Serializer &default=Storage::STORAGE_SERIALIZER_JSON;
		forced_sync: bool &default=Storage::default_forced_sync;
	};

	type PutArgs: record {
		key: any;
		value: any;
		## Whether an entry that is there may be replaced.
		overwrite: bool &default=T;
		## After how long the entry goes; 0 for never.
		expire_time: interval &default=0sec;
	};
}
