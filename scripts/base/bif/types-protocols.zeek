##! Types and settings of protocol analyzers and file analyzers that native code uses.
##!
##! This file belongs to the interface between scripts and native code: the build of the engine reads it, and any
##! change to a declaration here changes what native code raises, returns or expects.

module ASN1;

export {
	type ASN1Class: enum {
		ASN1Class_Application,
		ASN1Class_ContextSpecific,
		ASN1Class_Private,
		ASN1Class_Undef,
		ASN1Class_Universal,
	};

	type ASN1Type: enum {
		ASN1Type_BMPString,
		ASN1Type_BitString,
		ASN1Type_Boolean,
		ASN1Type_CharacterString,
		ASN1Type_EmbeddedPDV,
		ASN1Type_Enumerated,
		ASN1Type_GeneralString,
		ASN1Type_GeneralizedTime,
		ASN1Type_GraphicString,
		ASN1Type_IA5String,
		ASN1Type_InstanceOf,
		ASN1Type_Integer,
		ASN1Type_NullVal,
		ASN1Type_NumericString,
		ASN1Type_ObjectDescriptor,
		ASN1Type_ObjectIdentifier,
		ASN1Type_OctetString,
		ASN1Type_PrintableString,
		ASN1Type_Real,
		ASN1Type_RelativeOID,
		ASN1Type_Sequence,
		ASN1Type_Set,
		ASN1Type_TeletextString,
		ASN1Type_UTCTime,
		ASN1Type_UTF8String,
		ASN1Type_Undef,
		ASN1Type_UniversalString,
		ASN1Type_VideotextString,
		ASN1Type_VisibleString,
	};
}

module DCE_RPC;

export {
	type IfID: enum {
		unknown_if,
		epmapper,
		lsarpc,
		lsa_ds,
		mgmt,
		netlogon,
		samr,
		srvsvc,
		spoolss,
		drs,
		winspipe,
		wkssvc,
		oxid,
		ISCMActivator,
	};

	type PType: enum {
		REQUEST = 0,
		PING = 1,
		RESPONSE = 2,
		FAULT = 3,
		WORKING = 4,
		NOCALL = 5,
		REJECT = 6,
		ACK = 7,
		CL_CANCEL = 8,
		FACK = 9,
		CANCEL_ACK = 10,
		BIND = 11,
		BIND_ACK = 12,
		BIND_NAK = 13,
		ALTER_CONTEXT = 14,
		ALTER_CONTEXT_RESP = 15,
		AUTH3 = 16,
		SHUTDOWN = 17,
		CO_CANCEL = 18,
		ORPHANED = 19,
		RTS = 20,
	};

	const max_cmd_reassembly: count = 20 &redef;
	const max_frag_data: count = 30000 &redef;
}

module DHCP;

export {
	type ClientFQDN: record {
		flags: count;
		rcode1: count;
		rcode2: count;
		domain_name: string;
	};

	type ClientID: record {
		hwtype: count;
		hwaddr: string;
	};

	type Msg: record {
		op: count;
		m_type: count;
		xid: count;
		secs: interval;
		flags: count;
		ciaddr: addr;
		yiaddr: addr;
		siaddr: addr;
		giaddr: addr;
		chaddr: string;
		sname: string &default="";
		file_n: string &default="";
	};

	type SubOpt: record {
		code: count;
		value: string;
	};

	type Options: record {
		options: vector of count &optional;
		subnet_mask: addr &optional;
		routers: vector of addr &optional;
		dns_servers: vector of addr &optional;
		host_name: string &optional;
		domain_name: string &optional;
		forwarding: bool &optional;
		broadcast: addr &optional;
		vendor: string &optional;
		nbns: vector of addr &optional;
		addr_request: addr &optional;
		lease: interval &optional;
		serv_addr: addr &optional;
		param_list: vector of count &optional;
		message: string &optional;
		max_msg_size: count &optional;
		renewal_time: interval &optional;
		rebinding_time: interval &optional;
		vendor_class: string &optional;
		client_id: ClientID &optional;
		user_class: string &optional;
		client_fqdn: ClientFQDN &optional;
		sub_opt: vector of SubOpt &optional;
		auto_config: bool &optional;
		auto_proxy_config: string &optional;
		time_offset: int &optional;
		time_servers: vector of addr &optional;
		name_servers: vector of addr &optional;
		ntp_servers: vector of addr &optional;
	};
}

module FTP;

export {
	const max_command_length: count = 100 &redef;
}

module Gnutella;

export {
	const max_header_length: count = 32768 &redef;
	const max_line_length: count = 8192 &redef;
}

module IGMP;

export {
	type GroupType: enum {
		MODE_IS_INCLUDE = 1,
		MODE_IS_EXCLUDE = 2,
		CHANGE_TO_INCLUDE_MODE = 3,
		CHANGE_TO_EXCLUDE_MODE = 4,
		ALLOW_NEW_SOURCES = 5,
		BLOCK_OLD_SOURCES = 6,
	};

	type MessageType: enum {
		BAD_CHECKSUM = 0,
		MEMBERSHIP_QUERY = 17,
		MEMBERSHIP_REPORT_V1 = 18,
		MEMBERSHIP_REPORT_V2 = 22,
		LEAVE_GROUP = 23,
		MEMBERSHIP_REPORT_V3 = 34,
	};

	type Group: record {
		group_type: GroupType;
		aux_data_len: count;
		num_sources: count;
		multicast_addr: addr;
		sources: vector of addr;
		aux_data: string;
	};
}

module KRB;

export {
	const keytab: string = "" &redef;

	type AP_Options: record {
		use_session_key: bool;
		mutual_required: bool;
	};

	type Encrypted_Data: record {
		kvno: count &optional;
		cipher: count;
		ciphertext: string;
	};

	type Type_Value: record {
		data_type: count;
		val: string;
	};

	type Error_Msg: record {
		pvno: count &optional;
		msg_type: count &optional;
		client_time: time &optional;
		server_time: time &optional;
		error_code: count;
		client_realm: string &optional;
		client_name: string &optional;
		service_realm: string &optional;
		service_name: string &optional;
		error_text: string &optional;
		pa_data: vector of Type_Value &optional;
	};

	type Host_Address: record {
		ip: addr &optional &log;
		netbios: string &optional &log;
		unknown: Type_Value &optional;
	};

	type KDC_Options: record {
		forwardable: bool;
		forwarded: bool;
		proxiable: bool;
		proxy: bool;
		allow_postdate: bool;
		postdated: bool;
		renewable: bool;
		opt_hardware_auth: bool;
		disable_transited_check: bool;
		renewable_ok: bool;
		enc_tkt_in_skey: bool;
		renew: bool;
		validate: bool;
	};

	type Ticket: record {
		pvno: count;
		realm: string;
		service_name: string;
		cipher: count;
		ciphertext: string &optional;
		authenticationinfo: string &optional;
	};

	type KDC_Request: record {
		pvno: count;
		msg_type: count;
		pa_data: vector of Type_Value &optional;
		kdc_options: KDC_Options &optional;
		client_name: string &optional;
		service_realm: string &optional;
		service_name: string &optional;
		from: time &optional;
		till: time &optional;
		rtime: time &optional;
		nonce: count &optional;
		encryption_types: vector of count &optional;
		host_addrs: vector of Host_Address &optional;
		additional_tickets: vector of Ticket &optional;
	};

	type KDC_Response: record {
		pvno: count;
		msg_type: count;
		pa_data: vector of Type_Value &optional;
		client_realm: string &optional;
		client_name: string;
		ticket: Ticket;
		enc_part: Encrypted_Data;
	};

	type SAFE_Msg: record {
		pvno: count;
		msg_type: count;
		data: string;
		timestamp: time &optional;
		seq: count &optional;
		sender: Host_Address &optional;
		recipient: Host_Address &optional;
	};

	type Ticket_Vector: vector of Ticket;
}

module LDAP;

export {
	type BindAuthType: enum {
		BindAuthType_Undef = 4294967295,
		BindAuthType_BIND_AUTH_SIMPLE = 0,
		BindAuthType_BIND_AUTH_SASL = 3,
		BindAuthType_SICILY_PACKAGE_DISCOVERY = 9,
		BindAuthType_SICILY_NEGOTIATE = 10,
		BindAuthType_SICILY_RESPONSE = 11,
	};

	type ProtocolOpcode: enum {
		ProtocolOpcode_Undef = 4294967295,
		ProtocolOpcode_BIND_REQUEST = 0,
		ProtocolOpcode_BIND_RESPONSE = 1,
		ProtocolOpcode_UNBIND_REQUEST = 2,
		ProtocolOpcode_SEARCH_REQUEST = 3,
		ProtocolOpcode_SEARCH_RESULT_ENTRY = 4,
		ProtocolOpcode_SEARCH_RESULT_DONE = 5,
		ProtocolOpcode_MODIFY_REQUEST = 6,
		ProtocolOpcode_MODIFY_RESPONSE = 7,
		ProtocolOpcode_ADD_REQUEST = 8,
		ProtocolOpcode_ADD_RESPONSE = 9,
		ProtocolOpcode_DEL_REQUEST = 10,
		ProtocolOpcode_DEL_RESPONSE = 11,
		ProtocolOpcode_MOD_DN_REQUEST = 12,
		ProtocolOpcode_MOD_DN_RESPONSE = 13,
		ProtocolOpcode_COMPARE_REQUEST = 14,
		ProtocolOpcode_COMPARE_RESPONSE = 15,
		ProtocolOpcode_ABANDON_REQUEST = 16,
		ProtocolOpcode_SEARCH_RESULT_REFERENCE = 19,
		ProtocolOpcode_EXTENDED_REQUEST = 23,
		ProtocolOpcode_EXTENDED_RESPONSE = 24,
		ProtocolOpcode_INTERMEDIATE_RESPONSE = 25,
	};

	type ResultCode: enum {
		ResultCode_SUCCESS = 0,
		ResultCode_OPERATIONS_ERROR = 1,
		ResultCode_PROTOCOL_ERROR = 2,
		ResultCode_TIME_LIMIT_EXCEEDED = 3,
		ResultCode_SIZE_LIMIT_EXCEEDED = 4,
		ResultCode_COMPARE_FALSE = 5,
		ResultCode_COMPARE_TRUE = 6,
		ResultCode_AUTH_METHOD_NOT_SUPPORTED = 7,
		ResultCode_STRONGER_AUTH_REQUIRED = 8,
		ResultCode_PARTIAL_RESULTS = 9,
		ResultCode_REFERRAL = 10,
		ResultCode_ADMIN_LIMIT_EXCEEDED = 11,
		ResultCode_UNAVAILABLE_CRITICAL_EXTENSION = 12,
		ResultCode_CONFIDENTIALITY_REQUIRED = 13,
		ResultCode_SASL_BIND_IN_PROGRESS = 14,
		ResultCode_NO_SUCH_ATTRIBUTE = 16,
		ResultCode_UNDEFINED_ATTRIBUTE_TYPE = 17,
		ResultCode_INAPPROPRIATE_MATCHING = 18,
		ResultCode_CONSTRAINT_VIOLATION = 19,
		ResultCode_ATTRIBUTE_OR_VALUE_EXISTS = 20,
		ResultCode_INVALID_ATTRIBUTE_SYNTAX = 21,
		ResultCode_NO_SUCH_OBJECT = 32,
		ResultCode_ALIAS_PROBLEM = 33,
		ResultCode_INVALID_DNSYNTAX = 34,
		ResultCode_ALIAS_DEREFERENCING_PROBLEM = 36,
		ResultCode_INAPPROPRIATE_AUTHENTICATION = 48,
		ResultCode_INVALID_CREDENTIALS = 49,
		ResultCode_INSUFFICIENT_ACCESS_RIGHTS = 50,
		ResultCode_BUSY = 51,
		ResultCode_UNAVAILABLE = 52,
		ResultCode_UNWILLING_TO_PERFORM = 53,
		ResultCode_LOOP_DETECT = 54,
		ResultCode_SORT_CONTROL_MISSING = 60,
		ResultCode_OFFSET_RANGE_ERROR = 61,
		ResultCode_NAMING_VIOLATION = 64,
		ResultCode_OBJECT_CLASS_VIOLATION = 65,
		ResultCode_NOT_ALLOWED_ON_NON_LEAF = 66,
		ResultCode_NOT_ALLOWED_ON_RDN = 67,
		ResultCode_ENTRY_ALREADY_EXISTS = 68,
		ResultCode_OBJECT_CLASS_MODS_PROHIBITED = 69,
		ResultCode_RESULTS_TOO_LARGE = 70,
		ResultCode_AFFECTS_MULTIPLE_DSAS = 71,
		ResultCode_CONTROL_ERROR = 76,
		ResultCode_OTHER = 80,
		ResultCode_SERVER_DOWN = 81,
		ResultCode_LOCAL_ERROR = 82,
		ResultCode_ENCODING_ERROR = 83,
		ResultCode_DECODING_ERROR = 84,
		ResultCode_TIMEOUT = 85,
		ResultCode_AUTH_UNKNOWN = 86,
		ResultCode_FILTER_ERROR = 87,
		ResultCode_USER_CANCELED = 88,
		ResultCode_PARAM_ERROR = 89,
		ResultCode_NO_MEMORY = 90,
		ResultCode_CONNECT_ERROR = 91,
		ResultCode_NOT_SUPPORTED = 92,
		ResultCode_CONTROL_NOT_FOUND = 93,
		ResultCode_NO_RESULTS_RETURNED = 94,
		ResultCode_MORE_RESULTS_TO_RETURN = 95,
		ResultCode_CLIENT_LOOP = 96,
		ResultCode_REFERRAL_LIMIT_EXCEEDED = 97,
		ResultCode_INVALID_RESPONSE = 100,
		ResultCode_AMBIGUOUS_RESPONSE = 101,
		ResultCode_TLS_NOT_SUPPORTED = 112,
		ResultCode_INTERMEDIATE_RESPONSE = 113,
		ResultCode_UNKNOWN_TYPE = 114,
		ResultCode_LCUP_INVALID_DATA = 115,
		ResultCode_LCUP_UNSUPPORTED_SCHEME = 116,
		ResultCode_LCUP_RELOAD_REQUIRED = 117,
		ResultCode_CANCELED = 118,
		ResultCode_NO_SUCH_OPERATION = 119,
		ResultCode_TOO_LATE = 120,
		ResultCode_CANNOT_CANCEL = 121,
		ResultCode_ASSERTION_FAILED = 122,
		ResultCode_AUTHORIZATION_DENIED = 123,
		ResultCode_Undef = 4294967295,
	};

	type SearchDerefAlias: enum {
		SearchDerefAlias_Undef = 4294967295,
		SearchDerefAlias_DEREF_NEVER = 0,
		SearchDerefAlias_DEREF_IN_SEARCHING = 1,
		SearchDerefAlias_DEREF_FINDING_BASE = 2,
		SearchDerefAlias_DEREF_ALWAYS = 3,
	};

	type SearchScope: enum {
		SearchScope_Undef = 4294967295,
		SearchScope_SEARCH_BASE = 0,
		SearchScope_SEARCH_SINGLE = 1,
		SearchScope_SEARCH_TREE = 2,
	};
}

module MIME;

export {
	const max_depth: count = 100 &redef;
	const max_header_bytes: count = 65536 &redef;
}

module MOUNT3;

export {
	type auth_flavor_t: enum { AUTH_NULL = 0, AUTH_UNIX = 1, AUTH_SHORT = 2, AUTH_DES = 3 };

	type status_t: enum {
		MNT3_OK = 0,
		MNT3ERR_PERM = 1,
		MNT3ERR_NOENT = 2,
		MNT3ERR_IO = 5,
		MNT3ERR_ACCES = 13,
		MNT3ERR_NOTDIR = 20,
		MNT3ERR_INVAL = 22,
		MNT3ERR_NAMETOOLONG = 63,
		MNT3ERR_NOTSUPP = 10004,
		MNT3ERR_SERVERFAULT = 10006,
		MOUNT3ERR_UNKNOWN = 10007,
	};

	type proc_t: enum {
		PROC_NULL = 0,
		PROC_MNT = 1,
		PROC_DUMP = 2,
		PROC_UMNT = 3,
		PROC_UMNT_ALL = 4,
		PROC_EXPORT = 5,
		PROC_END_OF_PROCS = 6,
	};

	type dirmntargs_t: record {
		dirname: string;
	};

	type info_t: record {
		rpc_stat: rpc_status;
		mnt_stat: status_t;
		req_start: time;
		req_dur: interval;
		req_len: count;
		rep_start: time;
		rep_dur: interval;
		rep_len: count;
		rpc_uid: count;
		rpc_gid: count;
		rpc_stamp: count;
		rpc_machine_name: string;
		rpc_auxgids: vector of count;
	};

	type mnt_reply_t: record {
		dirfh: string &optional;
		auth_flavors: vector of auth_flavor_t &optional;
	};
}

module MQTT;

export {
	type ConnectAckMsg: record {
		return_code: count;
		session_present: bool;
	};

	type ConnectMsg: record {
		protocol_name: string;
		protocol_version: count;
		client_id: string;
		keep_alive: interval;
		clean_session: bool;
		will_retain: bool;
		will_qos: count;
		will_topic: string &optional;
		will_msg: string &optional;
		username: string &optional;
		password: string &optional;
	};

	type PublishMsg: record {
		dup: bool;
		qos: count;
		retain: bool;
		topic: string;
		payload: string;
		payload_len: count;
	};
}

module NCP;

export {
	const max_frame_size: count = 65536 &redef;
}

module NFS3;

export {
	type createmode_t: enum { UNCHECKED = 0, GUARDED = 1, EXCLUSIVE = 2 };

	type file_type_t: enum {
		FTYPE_REG = 1,
		FTYPE_DIR = 2,
		FTYPE_BLK = 3,
		FTYPE_CHR = 4,
		FTYPE_LNK = 5,
		FTYPE_SOCK = 6,
		FTYPE_FIFO = 7,
	};

	type status_t: enum {
		NFS3ERR_OK = 0,
		NFS3ERR_PERM = 1,
		NFS3ERR_NOENT = 2,
		NFS3ERR_IO = 5,
		NFS3ERR_NXIO = 6,
		NFS3ERR_ACCES = 13,
		NFS3ERR_EXIST = 17,
		NFS3ERR_XDEV = 18,
		NFS3ERR_NODEV = 19,
		NFS3ERR_NOTDIR = 20,
		NFS3ERR_ISDIR = 21,
		NFS3ERR_INVAL = 22,
		NFS3ERR_FBIG = 27,
		NFS3ERR_NOSPC = 28,
		NFS3ERR_ROFS = 30,
		NFS3ERR_MLINK = 31,
		NFS3ERR_NAMETOOLONG = 63,
		NFS3ERR_NOTEMPTY = 66,
		NFS3ERR_DQUOT = 69,
		NFS3ERR_STALE = 70,
		NFS3ERR_REMOTE = 71,
		NFS3ERR_BADHANDLE = 10001,
		NFS3ERR_NOT_SYNC = 10002,
		NFS3ERR_BAD_COOKIE = 10003,
		NFS3ERR_NOTSUPP = 10004,
		NFS3ERR_TOOSMALL = 10005,
		NFS3ERR_SERVERFAULT = 10006,
		NFS3ERR_BADTYPE = 10007,
		NFS3ERR_JUKEBOX = 10008,
		NFS3ERR_UNKNOWN = 10009,
	};

	type proc_t: enum {
		PROC_NULL = 0,
		PROC_GETATTR = 1,
		PROC_SETATTR = 2,
		PROC_LOOKUP = 3,
		PROC_ACCESS = 4,
		PROC_READLINK = 5,
		PROC_READ = 6,
		PROC_WRITE = 7,
		PROC_CREATE = 8,
		PROC_MKDIR = 9,
		PROC_SYMLINK = 10,
		PROC_MKNOD = 11,
		PROC_REMOVE = 12,
		PROC_RMDIR = 13,
		PROC_RENAME = 14,
		PROC_LINK = 15,
		PROC_READDIR = 16,
		PROC_READDIRPLUS = 17,
		PROC_FSSTAT = 18,
		PROC_FSINFO = 19,
		PROC_PATHCONF = 20,
		PROC_COMMIT = 21,
		PROC_END_OF_PROCS = 22,
	};

	type time_how_t: enum { DONT_CHANGE = 0, SET_TO_SERVER_TIME = 1, SET_TO_CLIENT_TIME = 2 };

	type stable_how_t: enum { UNSTABLE = 0, DATA_SYNC = 1, FILE_SYNC = 2 };

	const return_data: bool = F &redef;
	const return_data_first_only: bool = T &redef;
	const return_data_max: count = 512 &redef;

	type wcc_attr_t: record {
		size: count;
		atime: time;
		mtime: time;
	};

	type fattr_t: record {
		ftype: file_type_t;
		mode: count;
		nlink: count;
		uid: count;
		gid: count;
		size: count;
		used: count;
		rdev1: count;
		rdev2: count;
		fsid: count;
		fileid: count;
		atime: time;
		mtime: time;
		ctime: time;
	};

	type delobj_reply_t: record {
		dir_pre_attr: wcc_attr_t &optional;
		dir_post_attr: fattr_t &optional;
	};

	type direntry_t: record {
		fileid: count;
		fname: string;
		cookie: count;
		attr: fattr_t &optional;
		fh: string &optional;
	};

	type diropargs_t: record {
		dirfh: string;
		fname: string;
	};

	type fsstat_t: record {
		attrs: fattr_t &optional;
		tbytes: double;
		fbytes: double;
		abytes: double;
		tfiles: double;
		ffiles: double;
		afiles: double;
		invarsec: interval;
	};

	type info_t: record {
		rpc_stat: rpc_status;
		nfs_stat: status_t;
		req_start: time;
		req_dur: interval;
		req_len: count;
		rep_start: time;
		rep_dur: interval;
		rep_len: count;
		rpc_uid: count;
		rpc_gid: count;
		rpc_stamp: count;
		rpc_machine_name: string;
		rpc_auxgids: vector of count;
	};

	type link_reply_t: record {
		post_attr: fattr_t &optional;
		preattr: wcc_attr_t &optional;
		postattr: fattr_t &optional;
	};

	type linkargs_t: record {
		fh: string;
		link: diropargs_t;
	};

	type lookup_reply_t: record {
		fh: string &optional;
		obj_attr: fattr_t &optional;
		dir_attr: fattr_t &optional;
	};

	type newobj_reply_t: record {
		fh: string &optional;
		obj_attr: fattr_t &optional;
		dir_pre_attr: wcc_attr_t &optional;
		dir_post_attr: fattr_t &optional;
	};

	type read_reply_t: record {
		attr: fattr_t &optional;
		size: count &optional;
		eof: bool &optional;
		data: string &optional;
	};

	type readargs_t: record {
		fh: string;
		offset: count;
		size: count;
	};

	type readdir_reply_t: record {
		isplus: bool;
		dir_attr: fattr_t &optional;
		cookieverf: count &optional;
		entries: vector of direntry_t &optional;
		eof: bool;
	};

	type readdirargs_t: record {
		isplus: bool;
		dirfh: string;
		cookie: count;
		cookieverf: count;
		dircount: count;
		maxcount: count &optional;
	};

	type readlink_reply_t: record {
		attr: fattr_t &optional;
		nfspath: string &optional;
	};

	type renameobj_reply_t: record {
		src_dir_pre_attr: wcc_attr_t;
		src_dir_post_attr: fattr_t;
		dst_dir_pre_attr: wcc_attr_t;
		dst_dir_post_attr: fattr_t;
	};

	type renameopargs_t: record {
		src_dirfh: string;
		src_fname: string;
		dst_dirfh: string;
		dst_fname: string;
	};

	type sattr_reply_t: record {
		dir_pre_attr: wcc_attr_t &optional;
		dir_post_attr: fattr_t &optional;
	};

	type sattr_t: record {
		mode: count &optional;
		uid: count &optional;
		gid: count &optional;
		size: count &optional;
		atime: time_how_t &optional;
		mtime: time_how_t &optional;
	};

	type sattrargs_t: record {
		fh: string;
		new_attributes: sattr_t;
	};

	type symlinkdata_t: record {
		symlink_attributes: sattr_t;
		nfspath: string &optional;
	};

	type symlinkargs_t: record {
		link: diropargs_t;
		symlinkdata: symlinkdata_t;
	};

	type write_reply_t: record {
		preattr: wcc_attr_t &optional;
		postattr: fattr_t &optional;
		size: count &optional;
		commited: stable_how_t &optional;
		verf: count &optional;
	};

	type writeargs_t: record {
		fh: string;
		offset: count;
		size: count;
		stable: stable_how_t;
		data: string &optional;
	};
}

module NTLM;

export {
	type AVs: record {
		nb_computer_name: string;
		nb_domain_name: string;
		dns_computer_name: string &optional;
		dns_domain_name: string &optional;
		dns_tree_name: string &optional;
		constrained_auth: bool &optional;
		timestamp: time &optional;
		single_host_id: count &optional;
		target_name: string &optional;
	};

	type NegotiateFlags: record {
		negotiate_56: bool;
		negotiate_key_exch: bool;
		negotiate_128: bool;
		negotiate_version: bool;
		negotiate_target_info: bool;
		request_non_nt_session_key: bool;
		negotiate_identify: bool;
		negotiate_extended_sessionsecurity: bool;
		target_type_server: bool;
		target_type_domain: bool;
		negotiate_always_sign: bool;
		negotiate_oem_workstation_supplied: bool;
		negotiate_oem_domain_supplied: bool;
		negotiate_anonymous_connection: bool;
		negotiate_ntlm: bool;
		negotiate_lm_key: bool;
		negotiate_datagram: bool;
		negotiate_seal: bool;
		negotiate_sign: bool;
		request_target: bool;
		negotiate_oem: bool;
		negotiate_unicode: bool;
	};

	type Version: record {
		major: count;
		minor: count;
		build: count;
		ntlmssp: count;
	};

	type Authenticate: record {
		flags: NegotiateFlags;
		domain_name: string &optional;
		user_name: string &optional;
		workstation: string &optional;
		session_key: string &optional;
		version: Version &optional;
		response: string &optional;
	};

	type Challenge: record {
		flags: NegotiateFlags;
		challenge: count;
		target_name: string &optional;
		version: Version &optional;
		target_info: AVs &optional;
	};

	type Negotiate: record {
		flags: NegotiateFlags;
		domain_name: string &optional;
		workstation: string &optional;
		version: Version &optional;
	};
}

module NTP;

export {
	type ControlMessage: record {
		op_code: count;
		resp_bit: bool;
		err_bit: bool;
		more_bit: bool;
		sequence: count;
		status: count;
		association_id: count;
		data: string &optional;
		key_id: count &optional;
		crypto_checksum: string &optional;
	};

	type StandardMessage: record {
		stratum: count;
		poll: interval;
		precision: interval;
		root_delay: interval;
		root_disp: interval;
		kiss_code: string &optional;
		ref_id: string &optional;
		ref_addr: addr &optional;
		ref_time: time;
		org_time: time;
		rec_time: time;
		xmt_time: time;
		key_id: count &optional;
		digest: string &optional;
		num_exts: count &default=0;
	};

	type Mode7Message: record {
		req_code: count;
		auth_bit: bool;
		sequence: count;
		implementation: count;
		err: count;
		data: string &optional;
	};

	type Message: record {
		version: count;
		mode: count;
		std_msg: StandardMessage &optional;
		control_msg: ControlMessage &optional;
		mode7_msg: Mode7Message &optional;
	};
}

module PE;

export {
	type DOSHeader: record {
		signature: string;
		used_bytes_in_last_page: count;
		file_in_pages: count;
		num_reloc_items: count;
		header_in_paragraphs: count;
		min_extra_paragraphs: count;
		max_extra_paragraphs: count;
		init_relative_ss: count;
		init_sp: count;
		checksum: count;
		init_ip: count;
		init_relative_cs: count;
		addr_of_reloc_table: count;
		overlay_num: count;
		oem_id: count;
		oem_info: count;
		addr_of_new_exe_header: count;
	};

	type FileHeader: record {
		machine: count;
		ts: time;
		sym_table_ptr: count;
		num_syms: count;
		optional_header_size: count;
		characteristics: set[count];
	};

	type OptionalHeader: record {
		magic: count;
		major_linker_version: count;
		minor_linker_version: count;
		size_of_code: count;
		size_of_init_data: count;
		size_of_uninit_data: count;
		addr_of_entry_point: count;
		base_of_code: count;
		base_of_data: count &optional;
		image_base: count;
		section_alignment: count;
		file_alignment: count;
		os_version_major: count;
		os_version_minor: count;
		major_image_version: count;
		minor_image_version: count;
		major_subsys_version: count;
		minor_subsys_version: count;
		size_of_image: count;
		size_of_headers: count;
		checksum: count;
		subsystem: count;
		dll_characteristics: set[count];
		table_sizes: vector of count;
	};

	type SectionHeader: record {
		name: string;
		virtual_size: count;
		virtual_addr: count;
		size_of_raw_data: count;
		ptr_to_raw_data: count;
		ptr_to_relocs: count;
		ptr_to_line_nums: count;
		num_of_relocs: count;
		num_of_line_nums: count;
		characteristics: set[count];
	};
}

module POP3;

export {
	const max_pending_commands: count = 10 &redef;
	const max_unknown_client_commands: count = 10 &redef;
}

module RADIUS;

export {
	type Message: record {
		code: count;
		trans_id: count;
		authenticator: string;
		attributes: table[count] of vector of string &optional;
	};
}

module RDP;

export {
	type ClientChannelDef: record {
		name: string;
		options: count;
		initialized: bool;
		encrypt_rdp: bool;
		encrypt_sc: bool;
		encrypt_cs: bool;
		pri_high: bool;
		pri_med: bool;
		pri_low: bool;
		compress_rdp: bool;
		compress: bool;
		show_protocol: bool;
		persistent: bool;
	};

	type ClientChannelList: vector of ClientChannelDef;

	type ClientClusterData: record {
		flags: count;
		redir_session_id: count;
		redir_supported: bool;
		svr_session_redir_version_mask: count;
		redir_sessionid_field_valid: bool;
		redir_smartcard: bool;
	};

	type EarlyCapabilityFlags: record {
		support_err_info_pdu: bool;
		want_32bpp_session: bool;
		support_statusinfo_pdu: bool;
		strong_asymmetric_keys: bool;
		support_monitor_layout_pdu: bool;
		support_netchar_autodetect: bool;
		support_dynvc_gfx_protocol: bool;
		support_dynamic_time_zone: bool;
		support_heartbeat_pdu: bool;
	};

	type ClientCoreData: record {
		version_major: count;
		version_minor: count;
		desktop_width: count;
		desktop_height: count;
		color_depth: count;
		sas_sequence: count;
		keyboard_layout: count;
		client_build: count;
		client_name: string;
		keyboard_type: count;
		keyboard_sub: count;
		keyboard_function_key: count;
		ime_file_name: string;
		post_beta2_color_depth: count &optional;
		client_product_id: count &optional;
		serial_number: count &optional;
		high_color_depth: count &optional;
		supported_color_depths: count &optional;
		ec_flags: EarlyCapabilityFlags &optional;
		dig_product_id: string &optional;
	};

	type ClientSecurityData: record {
		encryption_methods: count;
		ext_encryption_methods: count;
	};
}

module Redis;

export {
	## Longer values are cut in events.
	const max_value_size: count = 250 &redef;

	## Arrays and the like with more elements are taken as an error of the protocol.
	option max_aggregate_elements: count = 20000;

	type ReplyType: enum {
		ReplyType_Reply,
		ReplyType_Error,
		ReplyType_Push,
		ReplyType_Undef,
	};

	type RedisCommand: enum {
		RedisCommand_APPEND,
		RedisCommand_AUTH,
		RedisCommand_BITCOUNT,
		RedisCommand_BITFIELD,
		RedisCommand_BITFIELD_RO,
		RedisCommand_BITOP,
		RedisCommand_BITPOS,
		RedisCommand_BLMPOP,
		RedisCommand_BLPOP,
		RedisCommand_BRPOP,
		RedisCommand_CLIENT,
		RedisCommand_COPY,
		RedisCommand_DECR,
		RedisCommand_DECRBY,
		RedisCommand_DEL,
		RedisCommand_DUMP,
		RedisCommand_EXISTS,
		RedisCommand_EXPIRE,
		RedisCommand_EXPIREAT,
		RedisCommand_EXPIRETIME,
		RedisCommand_GET,
		RedisCommand_GETBIT,
		RedisCommand_GETDEL,
		RedisCommand_GETEX,
		RedisCommand_GETRANGE,
		RedisCommand_GETSET,
		RedisCommand_HDEL,
		RedisCommand_HELLO,
		RedisCommand_HGET,
		RedisCommand_HSET,
		RedisCommand_INCR,
		RedisCommand_INCRBY,
		RedisCommand_KEYS,
		RedisCommand_MGET,
		RedisCommand_MOVE,
		RedisCommand_MSET,
		RedisCommand_PERSIST,
		RedisCommand_PSUBSCRIBE,
		RedisCommand_PUNSUBSCRIBE,
		RedisCommand_QUIT,
		RedisCommand_RENAME,
		RedisCommand_RESET,
		RedisCommand_SET,
		RedisCommand_SSUBSCRIBE,
		RedisCommand_STRLEN,
		RedisCommand_SUBSCRIBE,
		RedisCommand_SUNSUBSCRIBE,
		RedisCommand_TTL,
		RedisCommand_TYPE,
		RedisCommand_UNSUBSCRIBE,
		RedisCommand_Undef,
	};

	type RESPVersion: enum { RESP2, RESP3 };

	type AuthCommand: record {
		username: string &optional;
		password: string;
	};

	type Command: record {
		raw: vector of string;
		name: string &log;
		key: string &optional &log;
		value: string &optional &log;
		known: RedisCommand &optional;
	};

	type HelloCommand: record {
		requested_resp_version: string &optional;
	};

	type ReplyData: record {
		attributes: string &optional;
		value: string &log;
		min_protocol_version: count;
	};

	type SetCommand: record {
		key: string &log;
		value: string &log;
		nx: bool;
		xx: bool;
		get: bool;
		ex: count &optional;
		px: count &optional;
		exat: count &optional;
		pxat: count &optional;
		keep_ttl: bool;
	};
}

module SMB;

export {
	const max_andx_depth: count = 10 &redef;
	const max_dce_rpc_analyzers: count = 1000 &redef;
	const max_pending_messages: count = 1000 &redef;
	const pipe_filenames: set[string] = { "MsFteWds", "lsarpc", "netdfs", "samr", "spoolss", "srvsvc", "winreg", "wkssvc" } &redef;

	type MACTimes: record {
		modified: time &log;
		modified_raw: count;
		accessed: time &log;
		accessed_raw: count;
		created: time &log;
		created_raw: count;
		changed: time &log;
		changed_raw: count;
	};
}

module SMB1;

export {
	type Find_First2_Response_Args: record {
		sid: count;
		search_count: count;
		end_of_search: bool;
		ext_attr_error: string &optional;
	};

	type Find_First2_Request_Args: record {
		search_attrs: count;
		search_count: count;
		flags: count;
		info_level: count;
		search_storage_type: count;
		file_name: string;
	};

	type Header: record {
		command: count;
		status: count;
		flags: count;
		flags2: count;
		tid: count;
		pid: count;
		uid: count;
		mid: count;
	};

	type NegotiateCapabilities: record {
		raw_mode: bool;
		mpx_mode: bool;
		unicode: bool;
		large_files: bool;
		nt_smbs: bool;
		rpc_remote_apis: bool;
		status32: bool;
		level_2_oplocks: bool;
		lock_and_read: bool;
		nt_find: bool;
		dfs: bool;
		infolevel_passthru: bool;
		large_readx: bool;
		large_writex: bool;
		unix: bool;
		bulk_transfer: bool;
		compressed_data: bool;
		extended_security: bool;
	};

	type NegotiateRawMode: record {
		read_raw: bool;
		write_raw: bool;
	};

	type NegotiateResponseCore: record {
		dialect_index: count;
	};

	type NegotiateResponseSecurity: record {
		user_level: bool;
		challenge_response: bool;
		signatures_enabled: bool &optional;
		signatures_required: bool &optional;
	};

	type NegotiateResponseLANMAN: record {
		word_count: count;
		dialect_index: count;
		security_mode: NegotiateResponseSecurity;
		max_buffer_size: count;
		max_mpx_count: count;
		max_number_vcs: count;
		raw_mode: NegotiateRawMode;
		session_key: count;
		server_time: time;
		encryption_key: string;
		primary_domain: string;
	};

	type NegotiateResponseNTLM: record {
		word_count: count;
		dialect_index: count;
		security_mode: NegotiateResponseSecurity;
		max_buffer_size: count;
		max_mpx_count: count;
		max_number_vcs: count;
		max_raw_size: count;
		session_key: count;
		capabilities: NegotiateCapabilities;
		server_time: time;
		encryption_key: string &optional;
		domain_name: string &optional;
		guid: string &optional;
		security_blob: string;
	};

	type NegotiateResponse: record {
		core: NegotiateResponseCore &optional;
		lanman: NegotiateResponseLANMAN &optional;
		ntlm: NegotiateResponseNTLM &optional;
	};

	type SessionSetupAndXCapabilities: record {
		unicode: bool;
		large_files: bool;
		nt_smbs: bool;
		status32: bool;
		level_2_oplocks: bool;
		nt_find: bool;
	};

	type SessionSetupAndXRequest: record {
		word_count: count;
		max_buffer_size: count;
		max_mpx_count: count;
		vc_number: count;
		session_key: count;
		native_os: string;
		native_lanman: string;
		account_name: string &optional;
		account_password: string &optional;
		primary_domain: string &optional;
		case_insensitive_password: string &optional;
		case_sensitive_password: string &optional;
		security_blob: string &optional;
		capabilities: SessionSetupAndXCapabilities &optional;
	};

	type SessionSetupAndXResponse: record {
		word_count: count;
		is_guest: bool &optional;
		native_os: string &optional;
		native_lanman: string &optional;
		primary_domain: string &optional;
		security_blob: string &optional;
	};

	type Trans2_Args: record {
		total_param_count: count;
		total_data_count: count;
		max_param_count: count;
		max_data_count: count;
		max_setup_count: count;
		flags: count;
		trans_timeout: count;
		param_count: count;
		param_offset: count;
		data_count: count;
		data_offset: count;
		setup_count: count;
	};

	type Trans2_Sec_Args: record {
		total_param_count: count;
		total_data_count: count;
		param_count: count;
		param_offset: count;
		param_displacement: count;
		data_count: count;
		data_offset: count;
		data_displacement: count;
		FID: count;
	};

	type Trans_Sec_Args: record {
		total_param_count: count;
		total_data_count: count;
		param_count: count;
		param_offset: count;
		param_displacement: count;
		data_count: count;
		data_offset: count;
		data_displacement: count;
	};
}

module SMB2;

export {
	type FileAttrs: record {
		read_only: bool;
		hidden: bool;
		system: bool;
		directory: bool;
		archive: bool;
		normal: bool;
		temporary: bool;
		sparse_file: bool;
		reparse_point: bool;
		compressed: bool;
		offline: bool;
		not_content_indexed: bool;
		encrypted: bool;
		integrity_stream: bool;
		no_scrub_data: bool;
	};

	type CloseResponse: record {
		alloc_size: count;
		eof: count;
		times: SMB::MACTimes;
		attrs: FileAttrs;
	};

	type CompressionCapabilities: record {
		alg_count: count;
		algs: vector of count;
	};

	type CreateRequest: record {
		filename: string;
		disposition: count;
		create_options: count;
	};

	type GUID: record {
		persistent: count;
		volatile: count;
	};

	type CreateResponse: record {
		file_id: GUID;
		size: count;
		times: SMB::MACTimes;
		attrs: FileAttrs;
		create_action: count;
	};

	type EncryptionCapabilities: record {
		cipher_count: count;
		ciphers: vector of count;
	};

	type FileEA: record {
		ea_name: string;
		ea_value: string;
	};

	type FileEAs: vector of FileEA;

	type Fscontrol: record {
		free_space_start_filtering: int;
		free_space_threshold: int;
		free_space_stop_filtering: int;
		delete_quota_threshold: count;
		default_quota_limit: count;
		fs_control_flags: count;
	};

	type Header: record {
		credit_charge: count;
		status: count;
		command: count;
		credits: count;
		flags: count;
		message_id: count;
		process_id: count;
		tree_id: count;
		session_id: count;
		signature: string;
	};

	type PreAuthIntegrityCapabilities: record {
		hash_alg_count: count;
		salt_length: count;
		hash_alg: vector of count;
		salt: string;
	};

	type NegotiateContextValue: record {
		context_type: count;
		data_length: count;
		preauth_info: PreAuthIntegrityCapabilities &optional;
		encryption_info: EncryptionCapabilities &optional;
		compression_info: CompressionCapabilities &optional;
		netname: string &optional;
	};

	type NegotiateResponse: record {
		dialect_revision: count;
		security_mode: count;
		server_guid: GUID;
		system_time: time;
		server_start_time: time;
		negotiate_context_count: count;
		negotiate_context_values: vector of NegotiateContextValue;
	};

	type SessionSetupFlags: record {
		guest: bool;
		anonymous: bool;
		encrypt: bool;
	};

	type SessionSetupRequest: record {
		security_mode: count;
	};

	type SessionSetupResponse: record {
		flags: SessionSetupFlags;
	};

	type Transform_header: record {
		signature: string;
		nonce: string;
		orig_msg_size: count;
		flags: count;
		session_id: count;
	};

	type TreeConnectResponse: record {
		share_type: count;
	};
}

module SMTP;

export {
	const bdat_max_line_length: count = 4096 &redef;
	const enable_rfc822_msg_file_analysis: bool = F &redef;
	const max_cc_addresses: count = 1000 &redef;
	const max_path_length: count = 1000 &redef;
	const max_rcptto_addresses: count = 1000 &redef;
	const max_to_addresses: count = 1000 &redef;
}

module SNMP;

export {
	const OBJ_COUNTER32_TAG: count = 65;
	const OBJ_COUNTER64_TAG: count = 70;
	const OBJ_ENDOFMIBVIEW_TAG: count = 130;
	const OBJ_INTEGER_TAG: count = 2;
	const OBJ_IPADDRESS_TAG: count = 64;
	const OBJ_NOSUCHINSTANCE_TAG: count = 129;
	const OBJ_NOSUCHOBJECT_TAG: count = 128;
	const OBJ_OCTETSTRING_TAG: count = 4;
	const OBJ_OID_TAG: count = 6;
	const OBJ_OPAQUE_TAG: count = 68;
	const OBJ_TIMETICKS_TAG: count = 67;
	const OBJ_UNSIGNED32_TAG: count = 66;
	const OBJ_UNSPECIFIED_TAG: count = 5;

	type ObjectValue: record {
		tag: count;
		oid: string &optional;
		signed: int &optional;
		unsigned: count &optional;
		address: addr &optional;
		octets: string &optional;
	};

	type Binding: record {
		oid: string;
		value: ObjectValue;
	};

	type BulkPDU: record {
		request_id: int;
		non_repeaters: count;
		max_repetitions: count;
		bindings: vector of Binding;
	};

	type HeaderV1: record {
		community: string;
	};

	type HeaderV2: record {
		community: string;
	};

	type ScopedPDU_Context: record {
		engine_id: string;
		name: string;
	};

	type UserSecurityParameters: record {
		AuthoritativeEngineID: string;
		AuthoritativeEngineBoots: int;
		AuthoritativeEngineTime: int;
		UserName: string;
		AuthenticationParameters: string;
		PrivacyParameters: string;
	};

	type HeaderV3: record {
		id: count;
		max_size: count;
		flags: count;
		auth_flag: bool;
		priv_flag: bool;
		reportable_flag: bool;
		security_model: count;
		security_params: string;
		pdu_context: ScopedPDU_Context &optional;
		user_security_parameters: UserSecurityParameters &optional;
	};

	type Header: record {
		version: count;
		v1: HeaderV1 &optional;
		v2: HeaderV2 &optional;
		v3: HeaderV3 &optional;
	};

	type PDU: record {
		request_id: int;
		error_status: int;
		error_index: int;
		bindings: vector of Binding;
	};

	type TrapPDU: record {
		enterprise: string;
		agent: addr;
		generic_trap: int;
		specific_trap: int;
		time_stamp: count;
		bindings: vector of Binding;
	};
}

module SOCKS;

export {
	type Address: record {
		host: addr &optional &log;
		name: string &optional &log;
	};
}

module SSH;

export {
	const max_kexinit_compression_algorithms: count = 100 &redef;
	const max_kexinit_encryption_algorithms: count = 100 &redef;
	const max_kexinit_hostkey_algorithms: count = 100 &redef;
	const max_kexinit_kex_algorithms: count = 100 &redef;
	const max_kexinit_languages: count = 100 &redef;
	const max_kexinit_mac_algorithms: count = 100 &redef;
	const max_packet_length: count = 8388608 &redef;
	const max_string_length: count = 2097152 &redef;

	type Algorithm_Prefs: record {
		client_to_server: vector of string &optional;
		server_to_client: vector of string &optional;
	};

	type Capabilities: record {
		kex_algorithms: vector of string;
		server_host_key_algorithms: vector of string;
		encryption_algorithms: Algorithm_Prefs;
		mac_algorithms: Algorithm_Prefs;
		compression_algorithms: Algorithm_Prefs;
		languages: Algorithm_Prefs &optional;
		is_server: bool;
	};
}

module WebSocket;

export {
	const HANDSHAKE_GUID: string = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	const OPCODE_BINARY: count = 2;
	const OPCODE_CLOSE: count = 8;
	const OPCODE_CONTINUATION: count = 0;
	const OPCODE_PING: count = 9;
	const OPCODE_PONG: count = 10;
	const OPCODE_TEXT: count = 1;
	const max_control_frame_size: count = 125 &redef;
	const payload_chunk_size: count = 8192 &redef;
	const use_dpd_default: bool = T &redef;
	## Has no effect here: Spicy analyzers are not built in.
	const use_spicy_analyzer: bool = F &redef;

	type AnalyzerConfig: record {
		analyzer: Analyzer::Tag &optional;
		use_dpd: bool &default=use_dpd_default;
		subprotocol: string &optional;
		server_extensions: vector of string &optional;
	};
}

module X509;

export {
	type BasicConstraints: record {
		ca: bool &log;
		path_len: count &optional &log;
	};

	type Certificate: record {
		version: count &log;
		serial: string &log;
		subject: string &log;
		issuer: string &log;
		cn: string &optional;
		not_valid_before: time &log;
		not_valid_after: time &log;
		key_alg: string &log;
		sig_alg: string &log;
		key_type: string &optional &log;
		key_length: count &optional &log;
		exponent: string &optional &log;
		curve: string &optional &log;
		tbs_sig_alg: string;
	};

	type Extension: record {
		name: string;
		short_name: string &optional;
		oid: string;
		critical: bool;
		value: string;
	};

	type Result: record {
		result: int;
		result_string: string;
		chain_certs: vector of opaque of x509 &optional;
	};

	type SubjectAlternativeName: record {
		dns: vector of string &optional &log;
		uri: vector of string &optional &log;
		email: vector of string &optional &log;
		ip: vector of addr &optional &log;
		other_fields: bool;
	};
}

module ZIP;

export {
	type CompressionMethod: enum {
		Uncompressed = 1000,
		Deflate = 1008,
		CompressionMethod_Uncompressed = 0,
		CompressionMethod_Deflate = 8,
		CompressionMethod_Undef = 4294967295,
	};

	type File: record {
		global_: bool;
		fid: string &optional;
		filename: string;
		time_: time;
		comment: string;
		compression: CompressionMethod;
		encrypted: bool;
	};
}
