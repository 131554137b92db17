##! Pairs the messages of LDAP and writes ldap.log and ldap_search.log.

@load base/frameworks/reporter
@load base/protocols/conn/removal-hooks
@load ./consts

module LDAP;

export {
	redef enum Log::ID += { LDAP_LOG, LDAP_SEARCH_LOG };

	const ports_tcp: set[port] = { 3268/tcp, 389/tcp } &redef;
	const ports_udp: set[port] = { 389/udp } &redef;

	## Whether passwords are logged.
	option default_capture_password = F;

	## Whether the attributes of searches are logged.
	option default_log_search_attributes = F;

	## Limits for what waits for a response.
	const max_pending_messages = 10 &redef;
	const max_pending_searches = 10 &redef;

	global log_policy: Log::PolicyHook;
	global log_policy_search: Log::PolicyHook;

	type MessageInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		message_id: int &log &optional;
		version: int &log &optional;
		opcode: string &log &optional;
		result: string &log &optional;
		diagnostic_message: string &log &optional;
		object: string &log &optional;
		argument: string &log &optional;
	};

	type SearchInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		message_id: int &log &optional;
		scope: string &log &optional;
		deref_aliases: string &log &optional;
		base_object: string &log &optional;
		result_count: count &log &optional;
		result: string &log &optional;
		diagnostic_message: string &log &optional;
		filter: string &log &optional;
		attributes: vector of string &log &optional;
	};

	type State: record {
		messages: table[int] of MessageInfo &optional;
		searches: table[int] of SearchInfo &optional;
	};

	## Raised for each record that is written to the logs.
	global log_ldap: event(rec: MessageInfo);
	global log_ldap_search: event(rec: SearchInfo);

	global finalize_ldap: Conn::RemovalHook;
}

redef record connection += {
	ldap: State &optional;
};

redef likely_server_ports += { ports_tcp, ports_udp };

# What ends an exchange.
const finishing = set(LDAP::ProtocolOpcode_BIND_RESPONSE, LDAP::ProtocolOpcode_UNBIND_REQUEST,
                      LDAP::ProtocolOpcode_SEARCH_RESULT_DONE, LDAP::ProtocolOpcode_MODIFY_RESPONSE,
                      LDAP::ProtocolOpcode_ADD_RESPONSE, LDAP::ProtocolOpcode_DEL_RESPONSE,
                      LDAP::ProtocolOpcode_MOD_DN_RESPONSE, LDAP::ProtocolOpcode_COMPARE_RESPONSE,
                      LDAP::ProtocolOpcode_ABANDON_REQUEST, LDAP::ProtocolOpcode_EXTENDED_RESPONSE);

const of_searches = set(LDAP::ProtocolOpcode_SEARCH_REQUEST, LDAP::ProtocolOpcode_SEARCH_RESULT_ENTRY,
                        LDAP::ProtocolOpcode_SEARCH_RESULT_DONE, LDAP::ProtocolOpcode_SEARCH_RESULT_REFERENCE);

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_LDAP_TCP, ports_tcp);
	Analyzer::register_for_ports(Analyzer::ANALYZER_LDAP_UDP, ports_udp);
	Log::create_stream(LDAP::LDAP_LOG, Log::Stream($columns=MessageInfo, $ev=log_ldap, $path="ldap",
	                   $policy=log_policy));
	Log::create_stream(LDAP::LDAP_SEARCH_LOG, Log::Stream($columns=SearchInfo, $ev=log_ldap_search,
	                   $path="ldap_search", $policy=log_policy_search));
	}

function state_of(c: connection): State
	{
	if ( ! c?$ldap )
		{
		c$ldap = State($messages=table(), $searches=table());
		Conn::register_removal_hook(c, finalize_ldap);
		}

	return c$ldap;
	}

function message_of(c: connection, message_id: int): MessageInfo
	{
	local st = state_of(c);

	if ( message_id in st$messages )
		return st$messages[message_id];

	if ( |st$messages| >= max_pending_messages )
		{
		Reporter::conn_weird("LDAP_max_pending_messages_exceeded", c, fmt("%d > %d", |st$messages| + 1, max_pending_messages), "LDAP");

		for ( i, old in st$messages )
			Log::write(LDAP::LDAP_LOG, old);

		clear_table(st$messages);
		}

	local m = MessageInfo($ts=network_time(), $uid=c$uid, $id=c$id, $message_id=message_id);
	st$messages[message_id] = m;
	return m;
	}

function search_of(c: connection, message_id: int): SearchInfo
	{
	local st = state_of(c);

	if ( message_id in st$searches )
		return st$searches[message_id];

	if ( |st$searches| >= max_pending_searches )
		{
		Reporter::conn_weird("LDAP_max_pending_searches_exceeded", c, fmt("%d > %d", |st$searches| + 1, max_pending_searches), "LDAP");

		for ( i, old in st$searches )
			Log::write(LDAP::LDAP_SEARCH_LOG, old);

		clear_table(st$searches);
		}

	local s = SearchInfo($ts=network_time(), $uid=c$uid, $id=c$id, $message_id=message_id);
	st$searches[message_id] = s;
	return s;
	}

event LDAP::message(c: connection, message_id: int, opcode: LDAP::ProtocolOpcode, result: LDAP::ResultCode,
                    matched_dn: string, diagnostic_message: string, object: string, argument: string)
	{
	local text = result == LDAP::ResultCode_Undef ? "" : RESULT_CODES[result];

	if ( opcode in of_searches )
		{
		local s = search_of(c, message_id);

		if ( text != "" )
			s$result = text;

		if ( diagnostic_message != "" )
			s$diagnostic_message = diagnostic_message;

		if ( opcode in finishing )
			{
			if ( ! s?$result_count )
				s$result_count = 0;

			Log::write(LDAP::LDAP_SEARCH_LOG, s);
			delete c$ldap$searches[message_id];
			}

		return;
		}

	local m = message_of(c, message_id);

	if ( ! m?$opcode )
		m$opcode = PROTOCOL_OPCODES[opcode];

	if ( text != "" )
		m$result = text;

	if ( diagnostic_message != "" )
		m$diagnostic_message = diagnostic_message;

	if ( object != "" && ! m?$object )
		{
		m$object = object;

		# What is asked for has a name beside its number.
		if ( opcode == LDAP::ProtocolOpcode_EXTENDED_REQUEST && object in EXTENDED_REQUESTS )
			m$object = fmt("%s (%s)", object, EXTENDED_REQUESTS[object]);
		}

	# The password of a bind would be here as well; the event of its own has it.
	if ( argument != "" && ! m?$argument )
		{
		if ( opcode == LDAP::ProtocolOpcode_BIND_REQUEST && m$opcode == BIND_SIMPLE && ! default_capture_password )
			m$argument = "REDACTED";
		else
			m$argument = argument;
		}

	if ( opcode in finishing )
		{
		Log::write(LDAP::LDAP_LOG, m);
		delete c$ldap$messages[message_id];
		}
	}

event LDAP::search_request(c: connection, message_id: int, base_object: string, scope: LDAP::SearchScope,
                           deref: LDAP::SearchDerefAlias, size_limit: int, time_limit: int, types_only: bool,
                           filter: string, attributes: vector of string) &priority=5
	{
	local s = search_of(c, message_id);

	if ( scope != LDAP::SearchScope_Undef )
		s$scope = SEARCH_SCOPES[scope];

	if ( deref != LDAP::SearchDerefAlias_Undef )
		s$deref_aliases = SEARCH_DEREF_ALIASES[deref];

	if ( base_object != "" )
		s$base_object = base_object;

	s$result_count = 0;
	s$filter = filter;

	if ( default_log_search_attributes )
		s$attributes = attributes;
	}

event LDAP::search_result_entry(c: connection, message_id: int, object_name: string)
	{
	local s = search_of(c, message_id);
	s$result_count = s?$result_count ? s$result_count + 1 : 1;
	}

event LDAP::bind_request(c: connection, message_id: int, version: int, name: string,
                         auth_type: LDAP::BindAuthType, auth_info: string) &priority=5
	{
	local m = message_of(c, message_id);
	m$version = version;

	switch ( auth_type )
		{
		case LDAP::BindAuthType_BIND_AUTH_SIMPLE:
			m$opcode = BIND_SIMPLE;

			if ( auth_info != "" )
				m$argument = default_capture_password ? auth_info : "REDACTED";
			break;

		case LDAP::BindAuthType_BIND_AUTH_SASL:
			m$opcode = BIND_SASL;

			if ( auth_info != "" )
				m$argument = auth_info;
			break;

		case LDAP::BindAuthType_SICILY_NEGOTIATE:
			m$opcode = BIND_SICILY_NEGOTIATE;
			break;

		case LDAP::BindAuthType_SICILY_RESPONSE:
			m$opcode = BIND_SICILY_RESPONSE;
			break;
		}
	}

hook finalize_ldap(c: connection)
	{
	if ( ! c?$ldap )
		return;

	for ( i, m in c$ldap$messages )
		Log::write(LDAP::LDAP_LOG, m);

	for ( j, s in c$ldap$searches )
		Log::write(LDAP::LDAP_SEARCH_LOG, s);

	delete c$ldap;
	}
