##! Options of the storage backend that keeps its data in a Redis server.
##!
##! Packets wait while the server is asked, at most `operation_timeout`, also where a script calls the asynchronous
##! functions: the server should be near. A server that has gone away once is not asked again (`Storage::backend_lost`).

@load base/frameworks/storage

module Storage;

export {
	redef enum Backend += {
		STORAGE_BACKEND_REDIS,
	};
}

module Storage::Backend::Redis;

export {
	const default_connect_timeout = 5secs &redef;
	const default_operation_timeout = 5secs &redef;

	type Options: record {
		## The server: a host and a port, or a socket.
		server_host: string &optional;
		server_port: port &default=6379/tcp;
		server_unix_socket: string &optional;
		## Put before each key.
		key_prefix: string &default="";
		connect_timeout: interval &default=default_connect_timeout;
		operation_timeout: interval &default=default_operation_timeout;
		username: string &optional;
		password: string &optional;
	};
}

redef record Storage::BackendOptions += {
	redis: Options &optional;
};
