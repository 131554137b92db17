##! Writes the logs of MQTT connections, subscriptions and messages.

@load base/protocols/conn/removal-hooks
@load ./consts

module MQTT;

export {
	redef enum Log::ID += { CONNECT_LOG, SUBSCRIBE_LOG, PUBLISH_LOG };

	global log_policy_connect: Log::PolicyHook;
	global log_policy_subscribe: Log::PolicyHook;
	global log_policy_publish: Log::PolicyHook;

	## Longer payloads are cut in events and logs.
	option max_payload_size: count = 100;

	type SubUnsub: enum {
		SUBSCRIBE,
		UNSUBSCRIBE,
	};

	type ConnectInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		proto_name: string &log &optional;
		proto_version: string &log &optional;
		client_id: string &log &optional;
		connect_status: string &log &optional;
		will_topic: string &log &optional;
		will_payload: string &log &optional;
	};

	type SubscribeInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		action: SubUnsub &log;
		topics: vector of string &log;
		qos_levels: vector of count &log &optional;
		granted_qos_level: count &log &optional;
		ack: bool &log &default=F;
	};

	type PublishInfo: record {
		ts: time &log;
		uid: string &log;
		id: conn_id &log;
		from_client: bool &log;
		retain: bool &log;
		qos: string &log;
		status: string &log &default="incomplete_qos";
		topic: string &log;
		payload: string &log;
		payload_len: count &log;
		ack: bool &default=F;
		rec: bool &default=F;
		rel: bool &default=F;
		comp: bool &default=F;
		qos_level: count &default=0;
	};

	## Raised for each record that is written to mqtt_connect.log.
	global log_mqtt: event(rec: ConnectInfo);

	## Write exchanges that got no acknowledgement in time.
	global publish_expire: function(tbl: table[count] of PublishInfo, idx: count): interval;
	global subscribe_expire: function(tbl: table[count] of SubscribeInfo, idx: count): interval;

	## Messages of a connection whose exchange is going on.
	type State: record {
		publish: table[count] of PublishInfo
			&default=table() &write_expire=5secs &expire_func=publish_expire;
		subscribe: table[count] of SubscribeInfo
			&default=table() &write_expire=5secs &expire_func=subscribe_expire;
	};

	const ports: set[port] = { 1883/tcp } &redef;
}

redef record connection += {
	mqtt: ConnectInfo &optional;
	mqtt_state: State &optional;
};

redef likely_server_ports += { ports };

global finalize_mqtt: Conn::RemovalHook;

event zeek_init() &priority=5
	{
	Log::create_stream(MQTT::CONNECT_LOG, Log::Stream($columns=ConnectInfo, $ev=log_mqtt,
	                   $path="mqtt_connect", $policy=log_policy_connect));
	Log::create_stream(MQTT::SUBSCRIBE_LOG, Log::Stream($columns=SubscribeInfo, $path="mqtt_subscribe",
	                   $policy=log_policy_subscribe));
	Log::create_stream(MQTT::PUBLISH_LOG, Log::Stream($columns=PublishInfo, $path="mqtt_publish",
	                   $policy=log_policy_publish));
	Analyzer::register_for_ports(Analyzer::ANALYZER_MQTT, ports);
	}

function publish_expire(tbl: table[count] of PublishInfo, idx: count): interval
	{
	Log::write(MQTT::PUBLISH_LOG, tbl[idx]);
	return 0sec;
	}

function subscribe_expire(tbl: table[count] of SubscribeInfo, idx: count): interval
	{
	Log::write(MQTT::SUBSCRIBE_LOG, tbl[idx]);
	return 0sec;
	}

function state_of(c: connection): State
	{
	if ( ! c?$mqtt_state )
		{
		c$mqtt_state = State();
		Conn::register_removal_hook(c, finalize_mqtt);
		}

	return c$mqtt_state;
	}

hook finalize_mqtt(c: connection)
	{
	if ( ! c?$mqtt_state )
		return;

	for ( i, p in c$mqtt_state$publish )
		Log::write(MQTT::PUBLISH_LOG, p);

	for ( j, s in c$mqtt_state$subscribe )
		Log::write(MQTT::SUBSCRIBE_LOG, s);
	}

event mqtt_connect(c: connection, msg: MQTT::ConnectMsg) &priority=5
	{
	local rec = ConnectInfo($ts=network_time(), $uid=c$uid, $id=c$id);
	rec$proto_name = msg$protocol_name;
	rec$proto_version = versions[msg$protocol_version];

	if ( msg$client_id != "" )
		rec$client_id = msg$client_id;

	if ( msg?$will_topic )
		rec$will_topic = msg$will_topic;

	if ( msg?$will_msg )
		rec$will_payload = msg$will_msg;

	c$mqtt = rec;
	}

event mqtt_connack(c: connection, msg: MQTT::ConnectAckMsg) &priority=5
	{
	if ( c?$mqtt )
		c$mqtt$connect_status = return_codes[msg$return_code];
	}

event mqtt_connack(c: connection, msg: MQTT::ConnectAckMsg) &priority=-5
	{
	if ( c?$mqtt )
		Log::write(MQTT::CONNECT_LOG, c$mqtt);
	}

event mqtt_publish(c: connection, is_orig: bool, msg_id: count, msg: MQTT::PublishMsg) &priority=5
	{
	local st = state_of(c);
	local rec = PublishInfo($ts=network_time(), $uid=c$uid, $id=c$id, $from_client=is_orig,
	                        $retain=msg$retain, $qos=qos_levels[msg$qos], $topic=msg$topic,
	                        $payload=msg$payload, $payload_len=msg$payload_len, $qos_level=msg$qos);

	if ( msg$qos == 0 )
		{
		# Nobody acknowledges this.
		rec$status = "ok";
		Log::write(MQTT::PUBLISH_LOG, rec);
		}
	else
		st$publish[msg_id] = rec;
	}

# Writes a message whose exchange is over.
function published(c: connection, msg_id: count)
	{
	local rec = c$mqtt_state$publish[msg_id];
	rec$status = "ok";
	Log::write(MQTT::PUBLISH_LOG, rec);
	delete c$mqtt_state$publish[msg_id];
	}

function pending(c: connection, msg_id: count): bool
	{
	return c?$mqtt_state && msg_id in c$mqtt_state$publish;
	}

event mqtt_puback(c: connection, is_orig: bool, msg_id: count) &priority=5
	{
	if ( ! pending(c, msg_id) )
		return;

	local rec = c$mqtt_state$publish[msg_id];
	rec$ack = T;

	if ( rec$qos_level == 1 )
		published(c, msg_id);
	}

event mqtt_pubrec(c: connection, is_orig: bool, msg_id: count) &priority=5
	{
	if ( pending(c, msg_id) )
		c$mqtt_state$publish[msg_id]$rec = T;
	}

event mqtt_pubrel(c: connection, is_orig: bool, msg_id: count) &priority=5
	{
	if ( pending(c, msg_id) )
		c$mqtt_state$publish[msg_id]$rel = T;
	}

event mqtt_pubcomp(c: connection, is_orig: bool, msg_id: count) &priority=5
	{
	if ( ! pending(c, msg_id) )
		return;

	local info = c$mqtt_state$publish[msg_id];
	info$comp = T;

	if ( info$qos_level == 2 && info$rec && info$rel )
		published(c, msg_id);
	}

event mqtt_subscribe(c: connection, msg_id: count, topics: string_vec, requested_qos: index_vec) &priority=5
	{
	local st = state_of(c);
	st$subscribe[msg_id] = SubscribeInfo($ts=network_time(), $uid=c$uid, $id=c$id, $action=MQTT::SUBSCRIBE,
	                                     $topics=topics, $qos_levels=requested_qos);
	}

function subscribed(c: connection, msg_id: count)
	{
	local rec = c$mqtt_state$subscribe[msg_id];
	rec$ack = T;
	Log::write(MQTT::SUBSCRIBE_LOG, rec);
	delete c$mqtt_state$subscribe[msg_id];
	}

event mqtt_suback(c: connection, msg_id: count, granted_qos: count) &priority=5
	{
	if ( ! c?$mqtt_state || msg_id !in c$mqtt_state$subscribe )
		return;

	c$mqtt_state$subscribe[msg_id]$granted_qos_level = granted_qos;
	subscribed(c, msg_id);
	}

event mqtt_unsubscribe(c: connection, msg_id: count, topics: string_vec) &priority=5
	{
	local st = state_of(c);
	st$subscribe[msg_id] = SubscribeInfo($ts=network_time(), $uid=c$uid, $id=c$id,
	                                     $action=MQTT::UNSUBSCRIBE, $topics=topics);
	}

event mqtt_unsuback(c: connection, msg_id: count) &priority=5
	{
	if ( c?$mqtt_state && msg_id in c$mqtt_state$subscribe )
		subscribed(c, msg_id);
	}
