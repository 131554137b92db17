##! Settings of the writer of SQLite databases.

module LogSQLite;

export {
	type SQLiteSynchronous: enum {
		SQLITE_SYNCHRONOUS_DEFAULT,
		SQLITE_SYNCHRONOUS_OFF,
		SQLITE_SYNCHRONOUS_NORMAL,
		SQLITE_SYNCHRONOUS_FULL,
		SQLITE_SYNCHRONOUS_EXTRA,
	};

	type SQLiteJournalMode: enum {
		SQLITE_JOURNAL_MODE_DEFAULT,
		SQLITE_JOURNAL_MODE_DELETE,
		SQLITE_JOURNAL_MODE_TRUNCATE,
		SQLITE_JOURNAL_MODE_PERSIST,
		SQLITE_JOURNAL_MODE_MEMORY,
		SQLITE_JOURNAL_MODE_WAL,
		SQLITE_JOURNAL_MODE_OFF,
	};

	const set_separator: string = Log::set_separator &redef;
	const empty_field: string = Log::empty_field &redef;
	const unset_field: string = Log::unset_field &redef;

	## The default leaves both pragmas to SQLite.
	const synchronous: SQLiteSynchronous = SQLITE_SYNCHRONOUS_DEFAULT &redef;
	const journal_mode: SQLiteJournalMode = SQLITE_JOURNAL_MODE_DEFAULT &redef;
}
