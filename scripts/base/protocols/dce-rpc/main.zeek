##! Names the operations that are called over DCE/RPC and writes dce_rpc.log.

@load base/frameworks/dpd
@load base/protocols/conn/removal-hooks
@load ./consts

module DCE_RPC;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;

	const ports: set[port] = { 135/tcp } &redef;

	type Info: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		rtt: interval &log &optional;
		named_pipe: string &log &optional;
		endpoint: string &log &optional;
		operation: string &log &optional;
	};

	## Operations that are not worth a line: by endpoint; "*" stands for all.
	option ignored_operations: table[string] of set[string] = {
		["spoolss"] = set("RpcClosePrinter", "RpcSplOpenPrinter"),
		["winreg"] = set("BaseRegCloseKey", "BaseRegDeleteKeyEx", "BaseRegEnumKey", "BaseRegGetVersion", "BaseRegOpenKey", "BaseRegQueryValue", "OpenClassesRoot", "OpenLocalMachine"),
		["wkssvc"] = set("NetrWkstaGetInfo"),
	};

	## What is known of one binding.
	type State: record {
		uuid: string &optional;
		named_pipe: string &optional;
		ctx_to_uuid: table[count] of string &optional;
	};

	type BackingState: record {
		info: Info;
		state: State;
	};

	global finalize_dce_rpc: Conn::RemovalHook;
}

redef DPD::ignore_violations += { Analyzer::ANALYZER_DCE_RPC };

redef record connection += {
	dce_rpc: Info &optional;
	dce_rpc_state: State &optional;
	dce_rpc_backing: table[count] of BackingState &optional;
};

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Log::create_stream(DCE_RPC::LOG, Log::Stream($columns=Info, $path="dce_rpc", $policy=log_policy));
	Analyzer::register_for_ports(Analyzer::ANALYZER_DCE_RPC, ports);
	}

# Makes the binding of a pipe (0 without one) the current one.
function set_session(c: connection, fid: count)
	{
	if ( ! c?$dce_rpc_backing )
		{
		c$dce_rpc_backing = table();
		Conn::register_removal_hook(c, finalize_dce_rpc);
		}

	if ( fid !in c$dce_rpc_backing )
		c$dce_rpc_backing[fid] = BackingState($info=Info($ts=network_time(), $uid=c$uid, $id=c$id),
		                                      $state=State($ctx_to_uuid=table()));

	local b = c$dce_rpc_backing[fid];
	c$dce_rpc = b$info;
	c$dce_rpc_state = b$state;
	}

# The name of a pipe without its folder.
function pipe_name(path: string): string
	{
	return to_lower(sub(path, /^.*\\[pP][iI][pP][eE]\\/, ""));
	}

function bind(c: connection, fid: count, ctx_id: count, uuid: string)
	{
	set_session(c, fid);

	local name = uuid_to_string(uuid);
	local st = c$dce_rpc_state;
	st$uuid = name;
	st$ctx_to_uuid[ctx_id] = name;
	c$dce_rpc$endpoint = uuid_endpoint_map[name];
	}

event dce_rpc_bind(c: connection, fid: count, ctx_id: count, uuid: string, ver_major: count, ver_minor: count) &priority=5
	{
	bind(c, fid, ctx_id, uuid);
	}

event dce_rpc_alter_context(c: connection, fid: count, ctx_id: count, uuid: string, ver_major: count, ver_minor: count) &priority=5
	{
	bind(c, fid, ctx_id, uuid);
	}

event dce_rpc_bind_ack(c: connection, fid: count, sec_addr: string) &priority=5
	{
	set_session(c, fid);

	if ( sec_addr != "" )
		{
		c$dce_rpc_state$named_pipe = sec_addr;
		c$dce_rpc$named_pipe = sec_addr;
		}
	}

event dce_rpc_alter_context_resp(c: connection, fid: count) &priority=5
	{
	set_session(c, fid);
	}

event dce_rpc_request(c: connection, fid: count, ctx_id: count, opnum: count, stub_len: count) &priority=5
	{
	set_session(c, fid);
	c$dce_rpc$ts = network_time();
	}

event dce_rpc_response(c: connection, fid: count, ctx_id: count, opnum: count, stub_len: count) &priority=5
	{
	set_session(c, fid);

	local rec = c$dce_rpc;
	local st = c$dce_rpc_state;

	if ( ctx_id in st$ctx_to_uuid )
		st$uuid = st$ctx_to_uuid[ctx_id];

	if ( ! rec?$named_pipe && st?$named_pipe )
		rec$named_pipe = st$named_pipe;

	# Where nobody saw what was bound, most pipes tell.
	if ( ! st?$uuid && st?$named_pipe && pipe_name(st$named_pipe) in pipe_name_to_common_uuid )
		st$uuid = pipe_name_to_common_uuid[pipe_name(st$named_pipe)];

	if ( st?$uuid )
		{
		rec$endpoint = uuid_endpoint_map[st$uuid];
		rec$operation = operations[st$uuid, opnum];

		if ( rec$ts != network_time() )
			rec$rtt = network_time() - rec$ts;
		}
	}

function write_log(rec: Info)
	{
	if ( ! rec?$endpoint || ! rec?$operation )
		return;

	if ( rec$endpoint in ignored_operations )
		{
		local ignored = ignored_operations[rec$endpoint];

		if ( rec$operation in ignored || "*" in ignored )
			return;
		}

	Log::write(DCE_RPC::LOG, rec);
	}

event dce_rpc_response(c: connection, fid: count, ctx_id: count, opnum: count, stub_len: count) &priority=-5
	{
	if ( ! c?$dce_rpc )
		return;

	# The record stays with its pipe: handlers of the response's data, which come later, look at it.
	write_log(c$dce_rpc);
	delete c$dce_rpc;
	}

event smb_discarded_dce_rpc_analyzers(c: connection)
	{
	if ( c?$dce_rpc_backing )
		{
		Reporter::conn_weird("SMB_discarded_dce_rpc_analyzers", c, "", "SMB");
		delete c$dce_rpc_backing;
		}
	}

event smb2_close_request(c: connection, hdr: SMB2::Header, file_id: SMB2::GUID) &priority=-5
	{
	local fid = file_id$persistent + file_id$volatile;

	if ( c?$dce_rpc_backing )
		delete c$dce_rpc_backing[fid];
	}

# A current record at the end is that of a request without a response.
hook finalize_dce_rpc(c: connection)
	{
	if ( ! c?$dce_rpc || ! c?$dce_rpc_backing )
		return;

	for ( fid, b in c$dce_rpc_backing )
		write_log(b$info);
	}
