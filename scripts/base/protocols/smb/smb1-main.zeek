##! SMB in its first version.

@load ./main

module SMB;

redef record SMB::CmdInfo += {
	## Dialects that the client offered.
	smb1_offered_dialects: string_vec &optional;
};

event smb1_message(c: connection, hdr: SMB1::Header, is_orig: bool) &priority=5
	{
	local st = SMB::state_of(c);
	local mid = hdr$mid;

	if ( hdr$tid !in st$tid_map )
		st$tid_map[hdr$tid] = SMB::TreeInfo($uid=c$uid, $id=c$id);

	st$current_tree = st$tid_map[hdr$tid];

	if ( mid !in st$pending_cmds )
		{
		if ( |st$pending_cmds| >= SMB::max_pending_messages )
			clear_table(st$pending_cmds);

		local info = SMB::FileInfo($uid=c$uid, $id=c$id);
		local cmd = SMB::CmdInfo($uid=c$uid, $id=c$id, $version="SMB1", $command=SMB1::commands[hdr$command]);
		cmd$referenced_file = info;
		cmd$referenced_tree = st$current_tree;

		if ( st$current_tree?$path )
			cmd$tree = st$current_tree$path;

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

event smb1_message(c: connection, hdr: SMB1::Header, is_orig: bool) &priority=-5
	{
	if ( is_orig )
		return;

	# The response is the end of it, unless more responses follow.
	local st = c$smb_state;

	if ( hdr$command != 0x25 && hdr$command != 0x32 && hdr$command != 0xa0 )
		delete st$pending_cmds[hdr$mid];
	}

event smb1_negotiate_request(c: connection, hdr: SMB1::Header, dialects: string_vec) &priority=5
	{
	c$smb_state$current_cmd$smb1_offered_dialects = dialects;
	}

event smb1_negotiate_response(c: connection, hdr: SMB1::Header, response: SMB1::NegotiateResponse) &priority=5
	{
	local cmd = c$smb_state$current_cmd;

	if ( ! cmd?$smb1_offered_dialects )
		return;

	if ( response?$ntlm )
		{
		local i = response$ntlm$dialect_index;

		if ( i < |cmd$smb1_offered_dialects| )
			cmd$argument = cmd$smb1_offered_dialects[i];
		}

	delete cmd$smb1_offered_dialects;
	}

event smb1_tree_connect_andx_request(c: connection, hdr: SMB1::Header, path: string, service: string) &priority=5
	{
	local tree = SMB::TreeInfo($uid=c$uid, $id=c$id, $path=path, $service=service);
	c$smb_state$current_cmd$referenced_tree = tree;
	c$smb_state$current_cmd$argument = path;
	}

event smb1_tree_connect_andx_response(c: connection, hdr: SMB1::Header, service: string,
                                      native_file_system: string) &priority=5
	{
	local st = c$smb_state;
	local tree = st$current_cmd$referenced_tree;
	tree$service = service;

	if ( service == "IPC" )
		tree$share_type = "PIPE";
	else if ( service == "LPT1:" )
		tree$share_type = "PRINT";

	if ( native_file_system != "" )
		tree$native_file_system = native_file_system;

	# As recorded: what comes next with the id does not know of the share.
	st$current_tree = tree;
	}

event smb1_tree_connect_andx_response(c: connection, hdr: SMB1::Header, service: string,
                                      native_file_system: string) &priority=-5
	{
	Log::write(SMB::MAPPING_LOG, c$smb_state$current_tree);
	}

event smb1_session_setup_andx_response(c: connection, hdr: SMB1::Header, response: SMB1::SessionSetupAndXResponse) &priority=-5
	{
	# What the server says of itself is for other scripts; handled here so that it is always raised.
	}

event smb1_nt_create_andx_request(c: connection, hdr: SMB1::Header, name: string) &priority=5
	{
	local st = c$smb_state;
	local info = SMB::FileInfo($uid=c$uid, $id=c$id);
	info$name = name;

	if ( st?$current_tree && st$current_tree?$path )
		info$path = st$current_tree$path;

	st$current_cmd$referenced_file = info;
	st$current_cmd$argument = name;
	st$current_file = info;
	}

event smb1_nt_create_andx_response(c: connection, hdr: SMB1::Header, file_id: count, file_size: count,
                                   times: SMB::MACTimes) &priority=5
	{
	local st = c$smb_state;
	local info = st$current_cmd$referenced_file;

	info$action = SMB::action_for(st, SMB::FILE_OPEN, SMB::PIPE_OPEN, SMB::PRINT_OPEN);
	info$fid = file_id;
	info$size = file_size;

	# Pipes have no times.
	if ( times$modified_raw != 0 )
		info$times = times;

	st$fid_map[file_id] = info;
	st$current_file = info;
	}

event smb1_nt_create_andx_response(c: connection, hdr: SMB1::Header, file_id: count, file_size: count,
                                   times: SMB::MACTimes) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb1_read_andx_request(c: connection, hdr: SMB1::Header, file_id: count, offset: count,
                             length: count) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id);
	st$current_cmd$argument = fmt("%d bytes @ %d", length, offset);
	st$current_file$action = SMB::action_for(st, SMB::FILE_READ, SMB::PIPE_READ, SMB::PRINT_READ);
	}

event smb1_read_andx_request(c: connection, hdr: SMB1::Header, file_id: count, offset: count,
                             length: count) &priority=-5
	{
	if ( c$smb_state$current_file?$path && ! c$smb_state$current_file?$name )
		return;

	SMB::write_file_log(c$smb_state);
	}

event smb1_write_andx_request(c: connection, hdr: SMB1::Header, file_id: count, offset: count,
                              data_len: count) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id);
	st$current_cmd$argument = fmt("%d bytes @ %d", data_len, offset);
	st$current_file$action = SMB::action_for(st, SMB::FILE_WRITE, SMB::PIPE_WRITE, SMB::PRINT_WRITE);

	if ( ! st$current_file?$size )
		st$current_file$size = 0;
	}

event smb1_write_andx_request(c: connection, hdr: SMB1::Header, file_id: count, offset: count,
                              data_len: count) &priority=-5
	{
	SMB::write_file_log(c$smb_state);
	}

event smb1_close_request(c: connection, hdr: SMB1::Header, file_id: count) &priority=5
	{
	local st = c$smb_state;
	SMB::set_current_file(st, file_id);
	st$current_file$action = SMB::action_for(st, SMB::FILE_CLOSE, SMB::PIPE_CLOSE, SMB::PRINT_CLOSE);
	}

event smb1_close_request(c: connection, hdr: SMB1::Header, file_id: count) &priority=-5
	{
	local st = c$smb_state;

	if ( file_id !in st$fid_map )
		return;

	local fl = st$fid_map[file_id];

	if ( fl?$uuid )
		st$current_cmd$argument = SMB::rpc_uuids[fl$uuid];
	else if ( fl?$name )
		st$current_cmd$argument = fl$name;

	delete st$fid_map[file_id];
	SMB::write_file_log(st);
	}

event smb1_trans2_get_dfs_referral_request(c: connection, hdr: SMB1::Header, file_name: string)
	{
	c$smb_state$current_cmd$argument = file_name;
	}

event smb1_trans2_query_path_info_request(c: connection, hdr: SMB1::Header, file_name: string)
	{
	c$smb_state$current_cmd$argument = file_name;
	}

event smb1_trans2_find_first2_request(c: connection, hdr: SMB1::Header, args: SMB1::Find_First2_Request_Args)
	{
	c$smb_state$current_cmd$argument = args$file_name;
	}

event smb1_session_setup_andx_request(c: connection, hdr: SMB1::Header,
                                      request: SMB1::SessionSetupAndXRequest) &priority=5
	{
	if ( request?$account_name && request$account_name != "" )
		c$smb_state$current_cmd$username = request$account_name;
	}

event smb1_transaction_request(c: connection, hdr: SMB1::Header, name: string, sub_cmd: count,
                               parameters: string, data: string) &priority=5
	{
	c$smb_state$current_cmd$sub_command = SMB1::trans_sub_commands[sub_cmd];
	}

event smb1_transaction2_request(c: connection, hdr: SMB1::Header, args: SMB1::Trans2_Args, sub_cmd: count) &priority=5
	{
	c$smb_state$current_cmd$sub_command = SMB1::trans2_sub_commands[sub_cmd];
	}
