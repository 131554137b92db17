##! Writes rfb.log: the handshakes of remote desktops.

@load base/protocols/conn/removal-hooks

module RFB;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		client_major_version: string &log &optional;
		client_minor_version: string &log &optional;
		server_major_version: string &log &optional;
		server_minor_version: string &log &optional;
		authentication_method: string &log &optional;
		auth: bool &log &optional;
		share_flag: bool &log &optional;
		desktop_name: string &log &optional;
		width: count &log &optional;
		height: count &log &optional;
		done: bool &default=F;
	};

	## Raised for each record that is written to rfb.log.
	global log_rfb: event(rec: Info);
	global finalize_rfb: Conn::RemovalHook;
}

redef record connection += {
	rfb: Info &optional;
};

const auth_names: table[count] of string = {
	[0] = "Invalid",
	[1] = "None",
	[2] = "VNC",
	[16] = "Tight",
	[17] = "Ultra",
	[18] = "TLS",
	[19] = "VeNCrypt",
	[20] = "GTK-VNC SASL",
	[21] = "MD5 hash authentication",
	[22] = "Colin Dean xvp",
	[30] = "Apple Remote Desktop",
};

event zeek_init() &priority=5
	{
	Log::create_stream(RFB::LOG, Log::Stream($columns=Info, $ev=log_rfb, $path="rfb", $policy=log_policy));
	}

function write_log(c: connection)
	{
	if ( c$rfb$done )
		return;

	Log::write(RFB::LOG, c$rfb);
	c$rfb$done = T;
	}

function set_session(c: connection)
	{
	if ( c?$rfb )
		return;

	c$rfb = Info($ts=network_time(), $uid=c$uid, $id=c$id);
	Conn::register_removal_hook(c, finalize_rfb);
	}

event rfb_client_version(c: connection, major_version: string, minor_version: string) &priority=5
	{
	set_session(c);
	c$rfb$client_major_version = major_version;
	c$rfb$client_minor_version = minor_version;
	}

event rfb_server_version(c: connection, major_version: string, minor_version: string) &priority=5
	{
	set_session(c);
	c$rfb$server_major_version = major_version;
	c$rfb$server_minor_version = minor_version;
	}

event rfb_authentication_type(c: connection, authtype: count) &priority=5
	{
	set_session(c);
	c$rfb$authentication_method = authtype in auth_names ? auth_names[authtype] : "RealVNC";
	}

event rfb_authentication_result(c: connection, result: bool) &priority=5
	{
	set_session(c);
	c$rfb$auth = result;
	}

event rfb_share_flag(c: connection, flag: bool) &priority=5
	{
	set_session(c);
	c$rfb$share_flag = flag;
	}

event rfb_server_parameters(c: connection, name: string, width: count, height: count) &priority=5
	{
	set_session(c);
	c$rfb$desktop_name = name;
	c$rfb$width = width;
	c$rfb$height = height;
	}

event rfb_server_parameters(c: connection, name: string, width: count, height: count) &priority=-5
	{
	write_log(c);
	}

hook finalize_rfb(c: connection)
	{
	if ( c?$rfb )
		write_log(c);
	}
