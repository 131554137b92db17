##! Where the parts of the installation are.

module Installation;

export {
	## The prefix of everything else; taken from the environment, else the current directory.
	const root_dir: string = getenv("ZEEK_ROOT_DIR") == "" ? "." : getenv("ZEEK_ROOT_DIR");
	const etc_dir: string = root_dir + "/etc";
	const log_dir: string = root_dir + "/logs";
	const spool_dir: string = root_dir + "/spool";
	const state_dir: string = root_dir + "/var/lib";
}
