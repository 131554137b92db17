##! Settings of the reader that makes up records.

module InputBenchmark;

export {
	## By what the number of records is multiplied in each second, and what is added.
	const factor: double = 1.0 &redef;
	const addfactor: count = 0 &redef;

	## How records are spread over the second.
	const spread: count = 0 &redef;
	const autospread: double = 0.0 &redef;
	const timedspread: double = 0.0 &redef;

	## Stop at this number; 0 for never.
	const stopspreadat: count = 0 &redef;
}
