##! SMB in versions 2 and 3.

@load ./main

module SMB;

redef record SMB::CmdInfo += {
	## Dialects that the client offered.
	smb2_offered_dialects: index_vec &optional;
	## Options of the file that is being opened.
	smb2_create_options: count &default=0;
};

# The file goes away with its last handle.
const delete_on_close = 0x1000;

event smb2_message(c: connection, hdr: SMB2::Header, is_orig: bool) &priority=5
	{
	local st = SMB::state_of(c);
	local mid = hdr$message_id;
	local tid = hdr$tree_id;

	if ( tid !in st$tid_map )
		st$tid_map[tid] = SMB::TreeInfo($uid=c$uid, $id=c$id);

	st$current_tree = st$tid_map[tid];

	if ( mid !in st$pending_cmds )
		{
		if ( |st$pending_cmds| >= SMB::max_pending_messages )
			clear_table(st$pending_cmds);

		local info = SMB::FileInfo($uid=c$uid, $id=c$id);
		local cmd = SMB::CmdInfo($uid=c$uid, $id=c$id, $version="SMB2", $command=SMB2::commands[hdr$command]);
		cmd$referenced_file = info;
		cmd$referenced_tree = st$current_tree;

		if ( st$current_tree?$path )
			{
			cmd$tree = st$current_tree$path;
			info$path = st$current_tree$path;
			}

		if ( st$current_tree?$service )
			cmd$tree_service = st$current_tree$service;

		st$pending_cmds[mid] = cmd;
		}

	st$current_cmd = st$pending_cmds[mid];

	if ( is_orig )
		return;

	if ( st$current_cmd$ts != network_time() )
		st$current_cmd$rtt = network_time() - st$current_cmd$ts;

	st$current_cmd$status = SMB::statuses[hdr$status]$id;
	}

event smb2_message(c: connection, hdr: SMB2::Header, is_orig: bool) &priority=-5
	{
	# A response that is only a promise does not end the command.
	if ( ! is_orig && hdr$status != 0x103 )
		delete c$smb_state$pending_cmds[hdr$message_id];
	}

event smb2_discarded_messages_state(c: connection, request: string)
	{
	if ( ! c?$smb_state )
		return;

	clear_table(c$smb_state$pending_cmds);

	# Files without a close are given up as well.
	if ( SMB::enable_clear_script_state )
		{
		clear_table(c$smb_state$fid_map);
		clear_table(c$smb_state$pipe_map);
		}
	}

event smb2_negotiate_request(c: connection, hdr: SMB2::Header, dialects: index_vec) &priority=5
	{
	if ( c?$smb_state && c$smb_state?$current_cmd )
		c$smb_state$current_cmd$smb2_offered_dialects = dialects;
	}

event smb2_negotiate_response(c: connection, hdr: SMB2::Header, response: SMB2::NegotiateResponse) &priority=5
	{
	local cmd = c$smb_state$current_cmd;

	if ( cmd?$smb2_offered_dialects )
		{
		for ( i, d in cmd$smb2_offered_dialects )
			if ( d == response$dialect_revision )
				{
				cmd$argument = SMB2::dialects[d];
				break;
				}

		delete cmd$smb2_offered_dialects;
		}
	else if ( response$dialect_revision in SMB2::dialects )
		cmd$argument = SMB2::dialects[response$dialect_revision];
	}

event smb2_tree_connect_request(c: connection, hdr: SMB2::Header, path: string) &priority=5
	{
	local tree = SMB::TreeInfo($uid=c$uid, $id=c$id, $path=path);
	c$smb_state$current_cmd$referenced_tree = tree;
	c$smb_state$current_cmd$argument = path;
	}

event smb2_tree_connect_response(c: connection, hdr: SMB2::Header, response: SMB2::TreeConnectResponse) &priority=5
	{
	local st = c$smb_state;
	local tree = st$current_cmd$referenced_tree;
	tree$share_type = SMB2::share_types[response$share_type];
	st$current_tree = tree;
	st$tid_map[hdr$tree_id] = tree;
	}

event smb2_tree_connect_response(c: connection, hdr: SMB2::Header, response: SMB2::TreeConnectResponse) &priority=-5
	{
	if ( c$smb_state$current_tree?$path )
		Log::write(SMB::MAPPING_LOG, c$smb_state$current_tree);
	}

event smb2_tree_disconnect_request(c: connection, hdr: SMB2::Header) &priority=5
	{
	local st = c$smb_state;

	if ( hdr$tree_id in st$tid_map )
		{
		delete st$tid_map[hdr$tree_id];
		delete st$current_tree;
		delete st$current_cmd$referenced_tree;
		}
	}

event smb2_create_request(c: connection, hdr: SMB2::Header, request: SMB2::CreateRequest) &priority=5
	{
	local st = c$smb_state;
	local name = request$filename == "" ? "<share_root>" : request$filename;
	local info = st$current_cmd$referenced_file;

	info$name = name;
	st$current_cmd$argument = name;
	st$current_cmd$smb2_create_options = request$create_options;
	st$current_file = info;

	if ( st?$current_tree && st$current_tree?$path )
		info$path = st$current_tree$path;

	info$action = SMB::action_for(st, SMB::FILE_OPEN, SMB::PIPE_OPEN, SMB::PRINT_OPEN);
	}

event smb2_create_response(c: connection, hdr: SMB2::Header, response: SMB2::CreateResponse) &priority=5
	{
	local st = c$smb_state;
	local info = st$current_cmd$referenced_file;
	local fid = response$file_id$persistent + response$file_id$volatile;

	info$fid = fid;
	info$size = response$size;

	# Pipes have no times.
	if ( response$times$modified_raw != 0 )
		info$times = response$times;

	st$fid_map[fid] = info;
	st$current_file = info;
	}

event smb2_create_response(c: connection, hdr: SMB2::Header, response: SMB2::CreateResponse) &priority=-5
	{
	SMB::write_file_log(c$smb_state);

	if ( c$smb_state$current_cmd$smb2_create_options & delete_on_close != 0 )
		event smb2_file_delete(c, hdr, response$file_id, T);
	}

event smb2_read_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, offset: count,
                        length: count) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id$persistent + file_id$volatile);
	st$current_file$action = SMB::action_for(st, SMB::FILE_READ, SMB::PIPE_READ, SMB::PRINT_READ);
	}

event smb2_read_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, offset: count,
                        length: count) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb2_write_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, offset: count,
                         length: count) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id$persistent + file_id$volatile);
	st$current_file$action = SMB::action_for(st, SMB::FILE_WRITE, SMB::PIPE_WRITE, SMB::PRINT_WRITE);
	}

event smb2_write_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, offset: count,
                         length: count) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb2_file_sattr(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, times: SMB::MACTimes,
                      attrs: SMB2::FileAttrs) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id$persistent + file_id$volatile);
	st$current_file$action = SMB::FILE_SET_ATTRIBUTE;
	}

event smb2_file_sattr(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, times: SMB::MACTimes,
                      attrs: SMB2::FileAttrs) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb2_file_rename(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, dst_filename: string) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id$persistent + file_id$volatile);

	if ( st$current_file?$name )
		st$current_file$prev_name = st$current_file$name;

	st$current_file$name = dst_filename;
	st$current_file$action = SMB::FILE_RENAME;
	}

event smb2_file_rename(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, dst_filename: string) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb2_file_delete(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, delete_pending: bool) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id$persistent + file_id$volatile);

	# The deletion may be taken back.
	if ( ! delete_pending )
		return;

	st$current_file$action = SMB::FILE_DELETE;
	}

event smb2_file_delete(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID, delete_pending: bool) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb2_close_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id$persistent + file_id$volatile);
	st$current_file$action = SMB::action_for(st, SMB::FILE_CLOSE, SMB::PIPE_CLOSE, SMB::PRINT_CLOSE);
	}

event smb2_close_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID) &priority=-5
	{
	local st = c$smb_state;
	local fid = file_id$persistent + file_id$volatile;

	if ( fid !in st$fid_map )
		return;

	local fl = st$fid_map[fid];

	# A file that was opened before the capture began has no name.
	if ( fl?$uuid )
		st$current_cmd$argument = SMB::rpc_uuids[fl$uuid];
	else if ( fl?$name )
		st$current_cmd$argument = fl$name;

	delete st$fid_map[fid];
	SMB::write_file_log(st);
	}
