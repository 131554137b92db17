##! Settings of the reader of raw lines of files and commands.

module InputRaw;

export {
	const record_separator: string = "\n" &redef;

	## A command that a stream read from has ended.
	global process_finished: event(name: string, source: string, exit_code: count, signal_exit: bool);
}
