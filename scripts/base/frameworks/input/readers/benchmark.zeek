##! Settings of the reader that makes up records.

module InputBenchmark;

export {
	## By what the number of records is multiplied in each second, and what is added.
	const factor: double = 1.0 &redef;
	const addfactor: count = 0 &redef;

	## Microseconds between two records.
	const spread: count = 0 &redef;

	## Adds so much to that, that a turn of n records takes 1/`autospread` seconds; 0 for nothing.
	const autospread: double = 0.0 &redef;

	## Above 0, the records of a turn are spread evenly over `Threading::heartbeat_interval`.
	const timedspread: double = 0.0 &redef;

	## Turns of so many records and more come at once, whatever the others say; 0 for no such limit.
	const stopspreadat: count = 0 &redef;
}
