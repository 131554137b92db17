##! What is logged of FTP sessions.

@load ./utils-commands

module FTP;

export {
	option default_capture_password = F;

	type ExpectedDataChannel: record {
		passive: bool &log;
		orig_h: addr &log;
		resp_h: addr &log;
		resp_p: port &log;
	};

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		user: string &log &default="<unknown>";
		password: string &log &optional;
		command: string &log &optional;
		arg: string &log &optional;
		mime_type: string &log &optional;
		file_size: count &log &optional;
		reply_code: count &log &optional;
		reply_msg: string &log &optional;
		data_channel: ExpectedDataChannel &log &optional;
		cwd: string &default=".";
		cmdarg: CmdArg &optional;
		pending_commands: table[count] of CmdArg;
		command_seq: count &default=0;
		passive: bool &default=F;
		capture_password: bool &default=F;
	};
}

redef record connection += {
	ftp: FTP::Info &optional;
	ftp_data_reuse: bool &default=F;
};
