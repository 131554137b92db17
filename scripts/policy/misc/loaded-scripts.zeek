##! Writes loaded_scripts.log: what was loaded, and from where.

@load base/utils/paths

module LoadedScripts;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	type Info: record {
		## Path of the script, behind two blanks for each script around it.
		name: string &log;
	};
}

event zeek_init() &priority=5
	{
	Log::create_stream(LoadedScripts::LOG, Log::Stream($columns=Info, $path="loaded_scripts", $policy=log_policy));
	}

event zeek_script_loaded(path: string, level: count)
	{
@ifdef ( Cluster::acts_as_one )
	# All nodes have loaded the same.
	if ( Cluster::acts_as_one && Cluster::local_node_type() != Cluster::MANAGER )
		return;
@endif

	Log::write(LoadedScripts::LOG, Info($name=cat(string_fill(level * 2 + 1, " ")[0:level * 2], compress_path(path))));
	}
