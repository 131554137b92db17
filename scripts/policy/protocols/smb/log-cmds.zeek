##! Writes smb_cmd.log: every command of SMB.

@load base/protocols/smb

module SMB;

export {
	redef enum Log::ID += { CMD_LOG };

	global log_policy: Log::PolicyHook;

	## Statuses of commands that are not written.
	option ignored_command_statuses: set[string] = { "MORE_PROCESSING_REQUIRED" };
}

# Commands that other logs tell about, by version.
const deferred_logging_cmds: set[string] = {
	"NEGOTIATE",
	"READ_ANDX",
	"SESSION_SETUP_ANDX",
	"TREE_CONNECT_ANDX",
};

event zeek_init() &priority=5
	{
	Log::create_stream(SMB::CMD_LOG, Log::Stream($columns=SMB::CmdInfo, $path="smb_cmd", $policy=log_policy));
	}

event smb1_message(c: connection, hdr: SMB1::Header, is_orig: bool) &priority=-5
	{
	if ( is_orig )
		return;

	local cmd = c$smb_state$current_cmd;

	if ( cmd?$status && cmd$status !in ignored_command_statuses && cmd$command !in deferred_logging_cmds )
		Log::write(SMB::CMD_LOG, cmd);
	}

event smb1_error(c: connection, hdr: SMB1::Header, is_orig: bool)
	{
	if ( is_orig )
		return;

	# Deferred commands end here as well.
	if ( c$smb_state$current_cmd$command in deferred_logging_cmds )
		Log::write(SMB::CMD_LOG, c$smb_state$current_cmd);
	}

event smb2_message(c: connection, hdr: SMB2::Header, is_orig: bool) &priority=-5
	{
	if ( is_orig )
		return;

	local cmd = c$smb_state$current_cmd;

	if ( cmd?$status && cmd$status !in ignored_command_statuses )
		Log::write(SMB::CMD_LOG, cmd);
	}

event smb1_negotiate_response(c: connection, hdr: SMB1::Header, response: SMB1::NegotiateResponse) &priority=-5
	{
	Log::write(SMB::CMD_LOG, c$smb_state$current_cmd);
	}

event smb1_read_andx_response(c: connection, hdr: SMB1::Header, data_len: count) &priority=-5
	{
	Log::write(SMB::CMD_LOG, c$smb_state$current_cmd);
	}

event smb1_session_setup_andx_response(c: connection, hdr: SMB1::Header,
                                       response: SMB1::SessionSetupAndXResponse) &priority=-5
	{
	Log::write(SMB::CMD_LOG, c$smb_state$current_cmd);
	}

event smb1_tree_connect_andx_response(c: connection, hdr: SMB1::Header, service: string,
                                      native_file_system: string) &priority=-5
	{
	Log::write(SMB::CMD_LOG, c$smb_state$current_cmd);
	}
