##! Events raised by native code: redis.

module Redis;

export {
	global set_command: event(c: connection, command: Redis::SetCommand);
	global get_command: event(c: connection, key: string);
	global auth_command: event(c: connection, command: Redis::AuthCommand);
	global hello_command: event(c: connection, command: Redis::HelloCommand);
	global command: event(c: connection, cmd: Redis::Command);
	global reply: event(c: connection, data: Redis::ReplyData);
	global error: event(c: connection, data: Redis::ReplyData);
	global server_push: event(c: connection, data: Redis::ReplyData);
}
