##! Types and settings of the frameworks that native code uses.
##!
##! This file belongs to the interface between scripts and native code: the build of the engine reads it, and any
##! change to a declaration here changes what native code raises, returns or expects.

# Tags of protocol, packet and file analyzers share one number space, so that each converts to the common type.

module AllAnalyzers;

export {
	type Tag: enum {
		ANALYZER_ANALYZER_BITTORRENT = 0,
		ANALYZER_ANALYZER_BITTORRENTTRACKER = 1,
		ANALYZER_ANALYZER_CONNSIZE = 2,
		ANALYZER_ANALYZER_CONTENTLINE = 3,
		ANALYZER_ANALYZER_CONTENTS = 4,
		ANALYZER_ANALYZER_CONTENTS_DNS = 5,
		ANALYZER_ANALYZER_CONTENTS_NCP = 6,
		ANALYZER_ANALYZER_CONTENTS_NETBIOSSSN = 7,
		ANALYZER_ANALYZER_CONTENTS_NFS = 8,
		ANALYZER_ANALYZER_CONTENTS_RLOGIN = 9,
		ANALYZER_ANALYZER_CONTENTS_RPC = 10,
		ANALYZER_ANALYZER_CONTENTS_RSH = 11,
		ANALYZER_ANALYZER_CONTENTS_SMB = 12,
		ANALYZER_ANALYZER_DCE_RPC = 13,
		ANALYZER_ANALYZER_DHCP = 14,
		ANALYZER_ANALYZER_DNP3_TCP = 15,
		ANALYZER_ANALYZER_DNP3_UDP = 16,
		ANALYZER_ANALYZER_DNS = 17,
		ANALYZER_ANALYZER_DTLS = 18,
		ANALYZER_ANALYZER_FINGER = 19,
		ANALYZER_ANALYZER_FTP = 20,
		ANALYZER_ANALYZER_FTP_ADAT = 21,
		ANALYZER_ANALYZER_FTP_DATA = 22,
		ANALYZER_ANALYZER_GNUTELLA = 23,
		ANALYZER_ANALYZER_GSSAPI = 24,
		ANALYZER_ANALYZER_HTTP = 25,
		ANALYZER_ANALYZER_ICMP = 26,
		ANALYZER_ANALYZER_IDENT = 27,
		ANALYZER_ANALYZER_IMAP = 28,
		ANALYZER_ANALYZER_IRC = 29,
		ANALYZER_ANALYZER_IRC_DATA = 30,
		ANALYZER_ANALYZER_KRB = 31,
		ANALYZER_ANALYZER_KRB_TCP = 32,
		ANALYZER_ANALYZER_LDAP_TCP = 33,
		ANALYZER_ANALYZER_LDAP_UDP = 34,
		ANALYZER_ANALYZER_LOGIN = 35,
		ANALYZER_ANALYZER_MODBUS = 36,
		ANALYZER_ANALYZER_MOUNT = 37,
		ANALYZER_ANALYZER_MQTT = 38,
		ANALYZER_ANALYZER_MYSQL = 39,
		ANALYZER_ANALYZER_NCP = 40,
		ANALYZER_ANALYZER_NETBIOSSSN = 41,
		ANALYZER_ANALYZER_NFS = 42,
		ANALYZER_ANALYZER_NTLM = 43,
		ANALYZER_ANALYZER_NTP = 44,
		ANALYZER_ANALYZER_NVT = 45,
		ANALYZER_ANALYZER_PIA_TCP = 46,
		ANALYZER_ANALYZER_PIA_UDP = 47,
		ANALYZER_ANALYZER_POP3 = 48,
		ANALYZER_ANALYZER_PORTMAPPER = 49,
		ANALYZER_ANALYZER_POSTGRESQL = 50,
		ANALYZER_ANALYZER_QUIC = 51,
		ANALYZER_ANALYZER_RADIUS = 52,
		ANALYZER_ANALYZER_RDP = 53,
		ANALYZER_ANALYZER_RDPEUDP = 54,
		ANALYZER_ANALYZER_REDIS = 55,
		ANALYZER_ANALYZER_RFB = 56,
		ANALYZER_ANALYZER_RLOGIN = 57,
		ANALYZER_ANALYZER_RSH = 58,
		ANALYZER_ANALYZER_SIP = 59,
		ANALYZER_ANALYZER_SMB = 60,
		ANALYZER_ANALYZER_SMTP = 61,
		ANALYZER_ANALYZER_SMTP_BDAT = 62,
		ANALYZER_ANALYZER_SNMP = 63,
		ANALYZER_ANALYZER_SOCKS = 64,
		ANALYZER_ANALYZER_SPICY_WEBSOCKET = 65,
		ANALYZER_ANALYZER_SSH = 66,
		ANALYZER_ANALYZER_SSL = 67,
		ANALYZER_ANALYZER_STREAM_EVENT = 68,
		ANALYZER_ANALYZER_SYSLOG = 69,
		ANALYZER_ANALYZER_SYSLOG_TCP = 70,
		ANALYZER_ANALYZER_TCP = 71,
		ANALYZER_ANALYZER_TCPSTATS = 72,
		ANALYZER_ANALYZER_TELNET = 73,
		ANALYZER_ANALYZER_UDP = 74,
		ANALYZER_ANALYZER_UNKNOWN_IP_TRANSPORT = 75,
		ANALYZER_ANALYZER_WEBSOCKET = 76,
		ANALYZER_ANALYZER_XMPP = 77,
		ANALYZER_ANALYZER_ZIP = 78,
		PACKETANALYZER_ANALYZER_ARP = 1000,
		PACKETANALYZER_ANALYZER_AYIYA = 1001,
		PACKETANALYZER_ANALYZER_ETHERNET = 1002,
		PACKETANALYZER_ANALYZER_FDDI = 1003,
		PACKETANALYZER_ANALYZER_GENEVE = 1004,
		PACKETANALYZER_ANALYZER_GRE = 1005,
		PACKETANALYZER_ANALYZER_GTPV1 = 1006,
		PACKETANALYZER_ANALYZER_ICMP = 1007,
		PACKETANALYZER_ANALYZER_IEEE802_11 = 1008,
		PACKETANALYZER_ANALYZER_IEEE802_11_RADIO = 1009,
		PACKETANALYZER_ANALYZER_IGMP = 1010,
		PACKETANALYZER_ANALYZER_IP = 1011,
		PACKETANALYZER_ANALYZER_IPTUNNEL = 1012,
		PACKETANALYZER_ANALYZER_LINUXSLL = 1013,
		PACKETANALYZER_ANALYZER_LINUXSLL2 = 1014,
		PACKETANALYZER_ANALYZER_LLC = 1015,
		PACKETANALYZER_ANALYZER_MPLS = 1016,
		PACKETANALYZER_ANALYZER_NFLOG = 1017,
		PACKETANALYZER_ANALYZER_NOVELL_802_3 = 1018,
		PACKETANALYZER_ANALYZER_NULL = 1019,
		PACKETANALYZER_ANALYZER_PBB = 1020,
		PACKETANALYZER_ANALYZER_PPP = 1021,
		PACKETANALYZER_ANALYZER_PPPOE = 1022,
		PACKETANALYZER_ANALYZER_PPPSERIAL = 1023,
		PACKETANALYZER_ANALYZER_ROOT = 1024,
		PACKETANALYZER_ANALYZER_SKIP = 1025,
		PACKETANALYZER_ANALYZER_SNAP = 1026,
		PACKETANALYZER_ANALYZER_TCP = 1027,
		PACKETANALYZER_ANALYZER_TEREDO = 1028,
		PACKETANALYZER_ANALYZER_UDP = 1029,
		PACKETANALYZER_ANALYZER_UNKNOWN_IP_TRANSPORT = 1030,
		PACKETANALYZER_ANALYZER_VLAN = 1031,
		PACKETANALYZER_ANALYZER_VNTAG = 1032,
		PACKETANALYZER_ANALYZER_VXLAN = 1033,
		FILES_ANALYZER_DATA_EVENT = 2000,
		FILES_ANALYZER_ENTROPY = 2001,
		FILES_ANALYZER_EXTRACT = 2002,
		FILES_ANALYZER_MD5 = 2003,
		FILES_ANALYZER_OCSP_REPLY = 2004,
		FILES_ANALYZER_OCSP_REQUEST = 2005,
		FILES_ANALYZER_PE = 2006,
		FILES_ANALYZER_SHA1 = 2007,
		FILES_ANALYZER_SHA224 = 2008,
		FILES_ANALYZER_SHA256 = 2009,
		FILES_ANALYZER_SHA384 = 2010,
		FILES_ANALYZER_SHA512 = 2011,
		FILES_ANALYZER_X509 = 2012,
		FILES_ANALYZER_ZIP = 2013,
	};
}

module Analyzer;

export {
	type Tag: enum {
		ANALYZER_BITTORRENT = 0,
		ANALYZER_BITTORRENTTRACKER = 1,
		ANALYZER_CONNSIZE = 2,
		ANALYZER_CONTENTLINE = 3,
		ANALYZER_CONTENTS = 4,
		ANALYZER_CONTENTS_DNS = 5,
		ANALYZER_CONTENTS_NCP = 6,
		ANALYZER_CONTENTS_NETBIOSSSN = 7,
		ANALYZER_CONTENTS_NFS = 8,
		ANALYZER_CONTENTS_RLOGIN = 9,
		ANALYZER_CONTENTS_RPC = 10,
		ANALYZER_CONTENTS_RSH = 11,
		ANALYZER_CONTENTS_SMB = 12,
		ANALYZER_DCE_RPC = 13,
		ANALYZER_DHCP = 14,
		ANALYZER_DNP3_TCP = 15,
		ANALYZER_DNP3_UDP = 16,
		ANALYZER_DNS = 17,
		ANALYZER_DTLS = 18,
		ANALYZER_FINGER = 19,
		ANALYZER_FTP = 20,
		ANALYZER_FTP_ADAT = 21,
		ANALYZER_FTP_DATA = 22,
		ANALYZER_GNUTELLA = 23,
		ANALYZER_GSSAPI = 24,
		ANALYZER_HTTP = 25,
		ANALYZER_ICMP = 26,
		ANALYZER_IDENT = 27,
		ANALYZER_IMAP = 28,
		ANALYZER_IRC = 29,
		ANALYZER_IRC_DATA = 30,
		ANALYZER_KRB = 31,
		ANALYZER_KRB_TCP = 32,
		ANALYZER_LDAP_TCP = 33,
		ANALYZER_LDAP_UDP = 34,
		ANALYZER_LOGIN = 35,
		ANALYZER_MODBUS = 36,
		ANALYZER_MOUNT = 37,
		ANALYZER_MQTT = 38,
		ANALYZER_MYSQL = 39,
		ANALYZER_NCP = 40,
		ANALYZER_NETBIOSSSN = 41,
		ANALYZER_NFS = 42,
		ANALYZER_NTLM = 43,
		ANALYZER_NTP = 44,
		ANALYZER_NVT = 45,
		ANALYZER_PIA_TCP = 46,
		ANALYZER_PIA_UDP = 47,
		ANALYZER_POP3 = 48,
		ANALYZER_PORTMAPPER = 49,
		ANALYZER_POSTGRESQL = 50,
		ANALYZER_QUIC = 51,
		ANALYZER_RADIUS = 52,
		ANALYZER_RDP = 53,
		ANALYZER_RDPEUDP = 54,
		ANALYZER_REDIS = 55,
		ANALYZER_RFB = 56,
		ANALYZER_RLOGIN = 57,
		ANALYZER_RSH = 58,
		ANALYZER_SIP = 59,
		ANALYZER_SMB = 60,
		ANALYZER_SMTP = 61,
		ANALYZER_SMTP_BDAT = 62,
		ANALYZER_SNMP = 63,
		ANALYZER_SOCKS = 64,
		ANALYZER_SPICY_WEBSOCKET = 65,
		ANALYZER_SSH = 66,
		ANALYZER_SSL = 67,
		ANALYZER_STREAM_EVENT = 68,
		ANALYZER_SYSLOG = 69,
		ANALYZER_SYSLOG_TCP = 70,
		ANALYZER_TCP = 71,
		ANALYZER_TCPSTATS = 72,
		ANALYZER_TELNET = 73,
		ANALYZER_UDP = 74,
		ANALYZER_UNKNOWN_IP_TRANSPORT = 75,
		ANALYZER_WEBSOCKET = 76,
		ANALYZER_XMPP = 77,
		ANALYZER_ZIP = 78,
	};
}

module EventMetadata;

export {
	const add_missing_remote_network_timestamp: bool = F &redef;
	const add_network_timestamp: bool = F &redef;
}

module JSON;

export {
	type StringEscapePolicy: enum { STRING_ESCAPE_POLICY_HEX, STRING_ESCAPE_POLICY_PUA, STRING_ESCAPE_POLICY_TSV };

	type TimestampFormat: enum { TS_EPOCH, TS_MILLIS, TS_MILLIS_UNSIGNED, TS_ISO8601 };
}

module Reporter;

export {
	type Level: enum { INFO = 0, WARNING = 1, ERROR = 2 };

	const errors_to_stderr: bool = T &redef;
	const info_to_stderr: bool = T &redef;
	const warnings_to_stderr: bool = T &redef;
}

module Threading;

export {
	const heartbeat_interval: interval = 1sec &redef;
}

module AF_Packet;

export {
	type ChecksumMode: enum { CHECKSUM_OFF, CHECKSUM_KERNEL, CHECKSUM_ON };

	type FanoutMode: enum { FANOUT_HASH, FANOUT_CPU, FANOUT_QM, FANOUT_CBPF, FANOUT_EBPF };

	const block_size: count = 32768 &redef;
	const block_timeout: interval = 10msec &redef;
	const buffer_size: count = 134217728 &redef;
	const checksum_validation_mode: AF_Packet::ChecksumMode = CHECKSUM_ON &redef;
	const enable_defrag: bool = F &redef;
	const enable_fanout: bool = T &redef;
	const enable_hw_timestamping: bool = F &redef;
	const fanout_id: count = 23 &redef;
	const fanout_mode: AF_Packet::FanoutMode = FANOUT_HASH &redef;
	const link_type: count = 1 &redef;
}

module Pcap;

export {
	type filter_state: enum { ok, fatal, warning };

	const bufsize: count = 128 &redef;
	## Has no effect here: captures are read in pieces of their own size.
	const bufsize_offline_bytes: count = 131072 &redef;
	## Has no effect here: packets are waited for with the system's own means.
	const non_fd_timeout: interval = 20usec &redef;
	const snaplen: count = 9216 &redef;

	type Interface: record {
		name: string;
		description: string &optional;
		addrs: set[addr];
		is_loopback: bool;
		is_up: bool &optional;
		is_running: bool &optional;
	};

	type Interfaces: set[Interface];
}

module PacketAnalyzer;

export {
	type Tag: enum {
		ANALYZER_ARP = 1000,
		ANALYZER_AYIYA = 1001,
		ANALYZER_ETHERNET = 1002,
		ANALYZER_FDDI = 1003,
		ANALYZER_GENEVE = 1004,
		ANALYZER_GRE = 1005,
		ANALYZER_GTPV1 = 1006,
		ANALYZER_ICMP = 1007,
		ANALYZER_IEEE802_11 = 1008,
		ANALYZER_IEEE802_11_RADIO = 1009,
		ANALYZER_IGMP = 1010,
		ANALYZER_IP = 1011,
		ANALYZER_IPTUNNEL = 1012,
		ANALYZER_LINUXSLL = 1013,
		ANALYZER_LINUXSLL2 = 1014,
		ANALYZER_LLC = 1015,
		ANALYZER_MPLS = 1016,
		ANALYZER_NFLOG = 1017,
		ANALYZER_NOVELL_802_3 = 1018,
		ANALYZER_NULL = 1019,
		ANALYZER_PBB = 1020,
		ANALYZER_PPP = 1021,
		ANALYZER_PPPOE = 1022,
		ANALYZER_PPPSERIAL = 1023,
		ANALYZER_ROOT = 1024,
		ANALYZER_SKIP = 1025,
		ANALYZER_SNAP = 1026,
		ANALYZER_TCP = 1027,
		ANALYZER_TEREDO = 1028,
		ANALYZER_UDP = 1029,
		ANALYZER_UNKNOWN_IP_TRANSPORT = 1030,
		ANALYZER_VLAN = 1031,
		ANALYZER_VNTAG = 1032,
		ANALYZER_VXLAN = 1033,
	};

	const max_depth: count = 25 &redef;
}

module UnknownProtocol;

export {
	const first_bytes_count: count = 10 &redef;
	const sampling_duration: interval = 1hr &redef;
	const sampling_rate: count = 100000 &redef;
	const sampling_threshold: count = 3 &redef;
}

module ConnKey;

export {
	type Tag: enum { CONNKEY_FIVETUPLE, CONNKEY_VLAN_FIVETUPLE };

	const factory: ConnKey::Tag = CONNKEY_FIVETUPLE &redef;
}

module BinPAC;

export {
	const flowbuffer_capacity_max: count = 10485760 &redef;
	## Has no effect here: analyzers share one limit, `flowbuffer_capacity_max`.
	const flowbuffer_capacity_min: count = 512 &redef;
	## Has no effect here, as `flowbuffer_capacity_min`.
	const flowbuffer_contract_threshold: count = 2097152 &redef;
}

module Tunnel;

export {
	const delay_gtp_confirmation: bool = F &redef;
	const delay_teredo_confirmation: bool = T &redef;
	const ip_tunnel_timeout: interval = 1day &redef;
	# Tunnels of IP in IP and GRE remembered at most.
	const max_ip_tunnels: count = 65536 &redef;
	const max_changes_per_connection: count = 5 &redef;
	const max_depth: count = 4 &redef;
	const validate_vxlan_checksums: bool = T &redef;
}

module Weird;

export {
	option sampling_duration: interval = 10min &redef;
	option sampling_global_list: set[string] = {} &redef;
	option sampling_rate: count = 1000 &redef;
	option sampling_threshold: count = 25 &redef;
	option sampling_whitelist: set[string] = {} &redef;
}

module TCP;

export {
	type Option: record {
		kind: count;
		length: count;
		data: string &optional;
		mss: count &optional;
		window_scale: count &optional;
		sack: vector of count &optional;
		send_timestamp: count &optional;
		echo_timestamp: count &optional;
		rate: count &optional;
		ttl_diff: count &optional;
		qs_nonce: count &optional;
	};

	type OptionList: vector of Option;

	type RawOption: record {
		kind: count;
		data: string;
	};

	type RawOptionList: vector of RawOption;
}

module Files;

export {
	type AnalyzerArgs: record {
		chunk_event: event(f: fa_file, data: string, off: count) &optional;
		stream_event: event(f: fa_file, data: string) &optional;
		extract_filename: string &optional;
		extract_limit: count &default=FileExtract::default_limit;
		extract_limit_includes_missing: bool &default=FileExtract::default_limit_includes_missing;
	};
}

module Log;

export {
	## Gives the extension columns for a path; the default has none.
	global default_ext_func: function(path: string): any = function(path: string): any { } &redef;

	type Writer: enum { WRITER_ASCII, WRITER_NONE, WRITER_SQLITE };

	type ID: enum { UNKNOWN, PRINTLOG };

	type PrintLogType: enum { REDIRECT_NONE, REDIRECT_STDOUT, REDIRECT_ALL };

	const default_ext_prefix: string = "_" &redef;
	const default_field_name_map: table[string] of string = {} &redef;
	const default_logdir: string = "" &redef;
	const default_max_delay_interval: interval = 200msec &redef;
	const default_max_delay_queue_size: count = 1000 &redef;
	const default_max_field_container_elements: count = 100 &redef;
	const default_max_field_string_bytes: count = 4096 &redef;
	const default_max_total_container_elements: count = 500 &redef;
	const default_max_total_string_bytes: count = 256000 &redef;
	const default_rotation_interval: interval = 0sec &redef;
	const default_scope_sep: string = "." &redef;
	const default_writer: Log::Writer = WRITER_ASCII &redef;
	const empty_field: string = "(empty)" &redef;
	const enable_local_logging: bool = T &redef;
	const enable_remote_logging: bool = T &redef;
	const flush_interval: interval = 1sec &redef;
	const max_log_record_size: count = 67108864 &redef;
	const print_log_path: string = "print" &redef;
	const print_to_log: Log::PrintLogType = REDIRECT_NONE &redef;
	const separator: string = "\t" &redef;
	const set_separator: string = "," &redef;
	const unset_field: string = "-" &redef;
	const write_buffer_size: count = 1000 &redef;
	option default_rotation_dir: string = "" &redef;

	type DelayToken: opaque of LogDelayToken;

	type RotationInfo: record {
		writer: Writer;
		fname: string;
		path: string;
		open: time;
		close: time;
		terminating: bool;
	};

	type Filter: record {
		name: string;
		writer: Writer &default=default_writer;
		path: string &optional;
		path_func: function(id: ID, path: string, rec: any): string &optional;
		include: set[string] &optional;
		exclude: set[string] &optional;
		log_local: bool &default=enable_local_logging;
		log_remote: bool &default=enable_remote_logging;
		field_name_map: table[string] of string &default=default_field_name_map;
		scope_sep: string &default=default_scope_sep;
		ext_prefix: string &default=default_ext_prefix;
		ext_func: function(path: string): any &default=default_ext_func;
		interv: interval &default=default_rotation_interval;
		postprocessor: function(info: RotationInfo): bool &optional;
		config: table[string] of string &default=table();
	};

	type PolicyHook: hook(rec: any, id: ID, filter: Filter);

	redef record Filter += {
		policy: PolicyHook &optional;
	};

	type PostDelayCallback: function(rec: any, id: ID): bool;

	type RotationFmtInfo: record {
		writer: Writer;
		path: string;
		open: time;
		close: time;
		terminating: bool;
		postprocessor: function(info: RotationInfo): bool &optional;
	};

	type RotationPath: record {
		dir: string &default=default_rotation_dir;
		file_basename: string;
	};

	type Stream: record {
		columns: any;
		ev: any &optional;
		path: string &optional;
		policy: PolicyHook &optional;
		event_groups: set[string] &default=set();
		max_delay_interval: interval &default=default_max_delay_interval;
		max_delay_queue_size: count &default=default_max_delay_queue_size;
		max_field_string_bytes: count &default=default_max_field_string_bytes;
		max_total_string_bytes: count &default=default_max_total_string_bytes;
		max_field_container_elements: count &default=default_max_field_container_elements;
		max_total_container_elements: count &default=default_max_total_container_elements;
	};
}

module Input;

export {
	type Reader: enum { READER_ASCII, READER_BENCHMARK, READER_BINARY, READER_CONFIG, READER_RAW, READER_SQLITE };

	type Mode: enum { MANUAL, REREAD, STREAM };

	type Event: enum { EVENT_NEW, EVENT_CHANGED, EVENT_REMOVED };

	const accept_unsupported_types: bool = F &redef;
	const empty_field: string = "(empty)" &redef;
	const separator: string = "\t" &redef;
	const set_separator: string = "," &redef;
	const unset_field: string = "-" &redef;
	option default_mode: Input::Mode = MANUAL &redef;
	option default_reader: Input::Reader = READER_ASCII &redef;

	type AnalysisDescription: record {
		source: string;
		reader: Reader &default=READER_BINARY;
		mode: Mode &default=MANUAL;
		name: string;
		config: table[string] of string &default=table();
	};

	type EventDescription: record {
		source: string;
		reader: Reader &default=default_reader;
		mode: Mode &default=default_mode;
		name: string;
		fields: any;
		want_record: bool &default=T;
		ev: any;
		error_ev: any &optional;
		config: table[string] of string &default=table();
	};

	type TableDescription: record {
		source: string;
		reader: Reader &default=default_reader;
		mode: Mode &default=default_mode;
		name: string;
		destination: any;
		idx: any;
		val: any &optional;
		want_record: bool &default=T;
		ev: any &optional;
		pred: function(typ: Input::Event, left: any, right: any): bool &optional;
		error_ev: any &optional;
		config: table[string] of string &default=table();
	};
}

module HashHRW;

export {
	type Site: record {
		id: count;
		user_data: any &optional;
	};

	type Pool: record {
		sites: table[count] of Site &default=table();
	};
}

module Broker;

export {
	type SQLiteSynchronous: enum {
		SQLITE_SYNCHRONOUS_OFF,
		SQLITE_SYNCHRONOUS_NORMAL,
		SQLITE_SYNCHRONOUS_FULL,
		SQLITE_SYNCHRONOUS_EXTRA,
	};

	type SQLiteJournalMode: enum { SQLITE_JOURNAL_MODE_DELETE, SQLITE_JOURNAL_MODE_WAL };

	type SQLiteFailureMode: enum { SQLITE_FAILURE_MODE_DELETE, SQLITE_FAILURE_MODE_FAIL };

	type BackendType: enum { MEMORY, SQLITE };

	type DataType: enum {
		NONE,
		BOOL,
		INT,
		COUNT,
		DOUBLE,
		STRING,
		ADDR,
		SUBNET,
		PORT,
		TIME,
		INTERVAL,
		ENUM,
		SET,
		TABLE,
		VECTOR,
	};

	type ErrorCode: enum {
		NO_ERROR = 0,
		UNSPECIFIED = 1,
		PEER_INCOMPATIBLE = 2,
		PEER_INVALID = 3,
		PEER_UNAVAILABLE = 4,
		PEER_DISCONNECT_DURING_HANDSHAKE = 5,
		PEER_TIMEOUT = 6,
		MASTER_EXISTS = 7,
		NO_SUCH_MASTER = 8,
		NO_SUCH_KEY = 9,
		REQUEST_TIMEOUT = 10,
		TYPE_CLASH = 11,
		INVALID_DATA = 12,
		BACKEND_FAILURE = 13,
		STALE_DATA = 14,
		CANNOT_OPEN_FILE = 15,
		CANNOT_WRITE_FILE = 16,
		INVALID_TOPIC_KEY = 17,
		END_OF_FILE = 18,
		INVALID_TAG = 19,
		INVALID_STATUS = 20,
		CAF_ERROR = 100,
	};

	type LogSeverityLevel: enum {
		LOG_CRITICAL = 0,
		LOG_ERROR = 1,
		LOG_WARNING = 2,
		LOG_INFO = 3,
		LOG_VERBOSE = 4,
		LOG_DEBUG = 5,
	};

	type PeerStatus: enum { INITIALIZING, CONNECTING, CONNECTED, PEERED, DISCONNECTED, RECONNECTING };

	type QueryStatus: enum { SUCCESS, FAILURE };

	type SQLiteOptions: record {
		path: string &default="";
		synchronous: SQLiteSynchronous &optional;
		journal_mode: SQLiteJournalMode &optional;
		failure_mode: SQLiteFailureMode &default=SQLITE_FAILURE_MODE_FAIL;
		integrity_check: bool &default=F;
	};

	type BackendOptions: record {
		sqlite: SQLiteOptions &default=SQLiteOptions();
	};

	type Data: record {
		data: opaque of Broker::Data &optional;
	};

	type NetworkInfo: record {
		address: string &log;
		bound_port: port &log;
	};

	type EndpointInfo: record {
		id: string;
		network: NetworkInfo &optional;
	};

	type Event: record {
		name: string &optional;
		args: vector of Data;
	};

	type PeerInfo: record {
		peer: EndpointInfo;
		status: PeerStatus;
		is_outbound: bool;
	};

	type PeerInfos: vector of PeerInfo;

	type QueryResult: record {
		status: QueryStatus;
		result: Data;
	};

	type TableItem: record {
		key: Data;
		val: Data;
	};
}

module Cluster;

export {
	type BackendTag: enum {
		CLUSTER_BACKEND_BROKER,
		CLUSTER_BACKEND_BROKER_WEBSOCKET_SHIM,
		CLUSTER_BACKEND_NONE,
		CLUSTER_BACKEND_ZEROMQ,
	};

	type EventSerializerTag: enum { EVENT_SERIALIZER_BROKER_BIN_V1, EVENT_SERIALIZER_BROKER_JSON_V1 };

	type LogSerializerTag: enum { LOG_SERIALIZER_ZEEK_BIN_V1 };

	type NodeType: enum { NONE, CONTROL, LOGGER, MANAGER, PROXY, WORKER };

	const default_websocket_max_event_queue_size: count = 32 &redef;
	const default_websocket_ping_interval: interval = 5sec &redef;

	type NetworkInfo: record {
		address: string;
		bound_port: port;
	};

	type EndpointInfo: record {
		id: string;
		network: NetworkInfo;
		application_name: string &optional;
	};

	type Event: record {
		ev: any;
		args: vector of any;
	};

	type PoolSpec: record {
		topic: string;
		node_type: NodeType;
		max_nodes: count &optional;
		exclusive: bool &default=F;
	};

	type PoolNode: record {
		name: string;
		alias: string;
		site_id: count;
		alive: bool &default=F;
		topic: string;
	};

	type Pool: record {
		spec: PoolSpec;
		nodes: table[string] of PoolNode &default=table();
		node_list: vector of PoolNode &default=vector();
		hrw_pool: HashHRW::Pool &default=HashHRW::Pool();
		rr_key_seq: table[string] of int &default=table();
		alive_count: count &default=0;
	};

	type TableChangeHeader: record {
		id: string;
		ts: time;
		node_id: string;
	};

	type TableChangeInfo: record {
		change: TableChange;
		ts: time;
		index: vector of any;
		value: any &optional;
		previous_value: any &optional;
	};

	type TableChangeInfos: vector of TableChangeInfo;

	type WebSocketTLSOptions: record {
		cert_file: string &optional;
		key_file: string &optional;
		enable_peer_verification: bool &default=F;
		ca_file: string &default="";
		ciphers: string &default="";
	};

	type WebSocketServerOptions: record {
		listen_addr: addr &optional;
		listen_port: port;
		max_event_queue_size: count &default=default_websocket_max_event_queue_size;
		ping_interval: interval &default=default_websocket_ping_interval;
		tls_options: WebSocketTLSOptions &default=WebSocketTLSOptions();
	};
}

module Storage;

export {
	type Backend: enum { STORAGE_BACKEND_SQLITE };

	type ReturnCode: enum {
		SUCCESS,
		VAL_TYPE_MISMATCH,
		KEY_TYPE_MISMATCH,
		NOT_CONNECTED,
		TIMEOUT,
		CONNECTION_LOST,
		OPERATION_FAILED,
		KEY_NOT_FOUND,
		KEY_EXISTS,
		CONNECTION_FAILED,
		DISCONNECTION_FAILED,
		INITIALIZATION_FAILED,
		IN_PROGRESS,
	};

	type OperationResult: record {
		code: ReturnCode;
		error_str: string &optional;
		value: any &optional;
	};
}

module Supervisor;

export {
	type ClusterRole: enum { NONE, LOGGER, MANAGER, PROXY, WORKER };

	type ClusterEndpoint: record {
		role: ClusterRole;
		host: addr;
		p: port;
		interface: string &optional;
		pcap_file: string &optional;
		metrics_port: port &optional;
	};

	type NodeConfig: record {
		name: string;
		interface: string &optional;
		pcap_file: string &optional;
		directory: string &optional;
		stdout_file: string &optional;
		stderr_file: string &optional;
		bare_mode: bool &optional;
		addl_base_scripts: vector of string &default=vector();
		addl_user_scripts: vector of string &default=vector();
		env: table[string] of string &default=table();
		cpu_affinity: int &optional;
		cluster: table[string] of ClusterEndpoint &default=table();
	};

	type NodeStatus: record {
		node: NodeConfig;
		pid: int &optional;
	};

	type Status: record {
		nodes: table[string] of NodeStatus;
	};
}

module Telemetry;

export {
	type MetricType: enum { COUNTER, GAUGE, HISTOGRAM };

	## Has no effect here: metrics are made before anybody asks for them.
	const callback_timeout: interval = 5sec &redef;
	## Has no effect here: metrics are served by one thread.
	const civetweb_threads: count = 2 &redef;

	## What a family of metrics is called and what it measures.
	type MetricOpts: record {
		prefix: string;
		## Counters get a suffix of their own in addition.
		name: string;
		unit: string &optional;
		help_text: string &optional;
		label_names: vector of string &default=vector();
		is_total: bool &optional;
		## Upper bounds of a histogram's buckets.
		bounds: vector of double &optional;
		metric_type: MetricType &optional;
	};

	type Metric: record {
		opts: MetricOpts;
		label_names: vector of string &default=vector();
		label_values: vector of string &optional;
		value: double &optional;
	};

	type HistogramMetric: record {
		opts: MetricOpts;
		label_names: vector of string &default=vector();
		label_values: vector of string &optional;
		## One number for each bucket.
		values: vector of double;
		observations: double;
		sum: double;
	};
}

module Spicy;

export {
	## The settings have no effect here: Spicy analyzers are not built in.
	const abort_on_exceptions: bool = F &redef;
	const available: bool = T;
	const enable_print: bool = F &redef;
	const enable_profiling: bool = F &redef;
	const max_file_depth: count = 5 &redef;
	const show_backtraces: bool = F &redef;

	type ResourceUsage: record {
		user_time: interval;
		system_time: interval;
		memory_heap: count;
		num_fibers: count;
		max_fibers: count;
		max_fiber_stack_size: count;
		cached_fibers: count;
	};
}

module ZAM::Prof;

export {
	type Profile: record {
		num_bodies: count &default=0;
		num_calls: count &optional;
		num_inst: count &default=0;
		CPU: interval &optional;
		mem: count &optional;
	};
}
