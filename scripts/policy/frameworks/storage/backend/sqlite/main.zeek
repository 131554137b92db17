##! Options of the storage backend that keeps its data in SQLite files.

@load base/frameworks/storage

module Storage::Backend::SQLite;

export {
	type Options: record {
		## File with the database, and the table in it.
		database_path: string;
		table_name: string;
		## How long to wait for another process.
		busy_timeout: interval &default=5secs;
		## Statements run when the database is opened.
		pragma_commands: table[string] of string &ordered &default=table(
			["quick_check"] = "",
			["journal_mode"] = "WAL",
			["synchronous"] = "normal",
			["temp_store"] = "memory",
		);
		pragma_timeout: interval &default=500msec;
		pragma_wait_on_busy: interval &default=5msec;
	};
}

redef record Storage::BackendOptions += {
	sqlite: Options &optional;
};
