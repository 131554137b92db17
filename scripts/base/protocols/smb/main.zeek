##! What both versions of SMB share: the records of files and trees, and their
##! logs smb_files.log and smb_mapping.log.

@load base/protocols/conn/removal-hooks
@load base/protocols/dce-rpc
@load ./consts

module SMB;

export {
	redef enum Log::ID += { MAPPING_LOG, FILES_LOG };

	global log_policy_files: Log::PolicyHook;
	global log_policy_mapping: Log::PolicyHook;

	## What happens to files, pipes and printers.
	type Action: enum {
		FILE_READ,
		FILE_WRITE,
		FILE_OPEN,
		FILE_CLOSE,
		FILE_DELETE,
		FILE_RENAME,
		FILE_SET_ATTRIBUTE,
		PIPE_READ,
		PIPE_WRITE,
		PIPE_OPEN,
		PIPE_CLOSE,
		PRINT_READ,
		PRINT_WRITE,
		PRINT_OPEN,
		PRINT_CLOSE,
	};

	## Actions that are logged.
	option logged_file_actions: set[Action] = { FILE_DELETE, FILE_OPEN, FILE_RENAME, PRINT_CLOSE, PRINT_OPEN };

	type FileInfo: record {
		ts: time &log &default=network_time();
		uid: string &log;
		id: conn_id &log;
		fuid: string &log &optional;
		action: Action &log &optional;
		path: string &log &optional;
		name: string &log &optional;
		size: count &log &default=0;
		prev_name: string &log &optional;
		times: MACTimes &log &optional;
		fid: count &optional;
		uuid: string &optional;
	};

	type TreeInfo: record {
		ts: time &log &default=network_time();
		uid: string &log;
		id: conn_id &log;
		path: string &log &optional;
		service: string &log &optional;
		native_file_system: string &log &optional;
		share_type: string &log &default="DISK";
	};

	type CmdInfo: record {
		ts: time &log &default=network_time();
		uid: string &log;
		id: conn_id &log;
		command: string &log;
		sub_command: string &log &optional;
		argument: string &log &optional;
		status: string &log &optional;
		rtt: interval &log &optional;
		version: string &log;
		username: string &log &optional;
		tree: string &log &optional;
		tree_service: string &log &optional;
		referenced_file: FileInfo &log &optional;
		referenced_tree: TreeInfo &optional;
	};

	## What is known of the connection.
	type State: record {
		current_cmd: CmdInfo &optional;
		current_file: FileInfo &optional;
		current_tree: TreeInfo &optional;
		## Requests without a response, by message id.
		pending_cmds: table[count] of CmdInfo &optional;
		## Open files, trees and pipes by their ids.
		fid_map: table[count] of FileInfo &optional;
		tid_map: table[count] of TreeInfo &optional;
		pipe_map: table[count] of string &optional;
		## What was logged lately, so that it is not logged at every turn.
		recent_files: set[string] &default=string_set() &read_expire=3min;
	};

	## Makes a file the current one.
	global finalize_smb: Conn::RemovalHook;

	global set_current_file: function(smb_state: State, file_id: count);

	## Logs the current file if its action is to be logged.
	global write_file_log: function(state: State);

	## Whether the state of a closed file is dropped.
	option enable_clear_script_state = T;

	const ports: set[port] = { 139/tcp, 445/tcp } &redef;
}

redef record connection += {
	smb_state: State &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(SMB::FILES_LOG, Log::Stream($columns=SMB::FileInfo, $path="smb_files",
	                   $policy=log_policy_files));
	Log::create_stream(SMB::MAPPING_LOG, Log::Stream($columns=SMB::TreeInfo, $path="smb_mapping",
	                   $policy=log_policy_mapping));
	Analyzer::register_for_ports(Analyzer::ANALYZER_SMB, ports);
	}

function state_of(c: connection): State
	{
	if ( ! c?$smb_state )
		{
		c$smb_state = State($pending_cmds=table(), $fid_map=table(), $tid_map=table(), $pipe_map=table());
		Conn::register_removal_hook(c, finalize_smb);
		}

	return c$smb_state;
	}

function set_current_file(smb_state: State, file_id: count)
	{
	if ( file_id !in smb_state$fid_map )
		{
		smb_state$fid_map[file_id] = smb_state$current_cmd$referenced_file;
		smb_state$fid_map[file_id]$fid = file_id;
		}

	smb_state$current_file = smb_state$fid_map[file_id];
	}

function write_file_log(state: State)
	{
	local f = state$current_file;

	if ( ! f?$name || ! f?$action || f$action !in logged_file_actions )
		return;

	# The same file over and over is told once, as long as it is not modified. Pipes, which have no times, are
	# not files in that sense.
	if ( f?$times )
		{
		local key = cat(f$action, "|", f?$fuid ? f$fuid : "", "|", f?$path ? f$path : "", "|", f$name,
		                "|", f$size, "|", f$times$modified);

		if ( key in state$recent_files )
			return;

		add state$recent_files[key];
		}

	Log::write(SMB::FILES_LOG, f);
	}

# The action for the kind of share that the file is on.
function action_for(st: State, on_disk: Action, on_pipe: Action, on_printer: Action): Action &is_used
	{
	if ( ! st?$current_tree )
		return on_disk;

	switch ( st$current_tree$share_type )
		{
		case "PIPE":
			return on_pipe;

		case "PRINT":
			return on_printer;
		}

	return on_disk;
	}

event smb_pipe_connect_heuristic(c: connection) &priority=5
	{
	local st = state_of(c);

	if ( ! st?$current_tree )
		st$current_tree = TreeInfo($uid=c$uid, $id=c$id);

	st$current_tree$path = "<unknown>";
	st$current_tree$share_type = "PIPE";
	}

hook finalize_smb(c: connection)
	{
	delete c$smb_state;
	}
