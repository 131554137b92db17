##! Settings of the supervisor's part.

module Management::Supervisor;

export {
	## Topics for what the supervisor tells begin with this.
	const topic_prefix = "zeek/management/supervisor" &redef;

	## Show what nodes print, too.
	const print_stdout = F &redef;
	const print_stderr = F &redef;

	## How many lines of each kind are kept of what a node prints.
	const output_max_lines: count = 100 &redef;
}
