##! Built-in functions: analyzers.

global set_current_conn_bytes_threshold: function(cid: conn_id, threshold: count, is_orig: bool): bool;
global set_current_conn_packets_threshold: function(cid: conn_id, threshold: count, is_orig: bool): bool;
global set_current_conn_duration_threshold: function(cid: conn_id, threshold: interval): bool;
global get_current_conn_bytes_threshold: function(cid: conn_id, is_orig: bool): count;
global get_current_conn_packets_threshold: function(cid: conn_id, is_orig: bool): count;
global get_current_conn_duration_threshold: function(cid: conn_id): interval;
global parse_ftp_port: function(s: string): ftp_port;
global parse_eftp_port: function(s: string): ftp_port;
global parse_ftp_pasv: function(str: string): ftp_port;
global parse_ftp_epsv: function(str: string): ftp_port;
global fmt_ftp_port: function(a: addr, p: port): string;
global skip_http_entity_data: function(c: connection, is_orig: bool): any;
global unescape_URI: function(URI: string): string;
global get_login_state: function(cid: conn_id): count;
global set_login_state: function(cid: conn_id, new_state: count): bool;
global decode_netbios_name: function(name: string): string;
global decode_netbios_name_type: function(name: string): count;
global skip_smtp_data: function(c: connection): any;
global set_ssl_established: function(c: connection): bool;
global set_secret: function(c: connection, secret: string): bool;
global set_keys: function(c: connection, keys: string): bool;
global parse_distinguished_name: function(dn: string): string;
global get_orig_seq: function(cid: conn_id): count;
global get_resp_seq: function(cid: conn_id): count;
global set_contents_file: function(cid: conn_id, direction: count, f: file): bool;
global get_contents_file: function(cid: conn_id, direction: count): file;
global community_id_v1: function(cid: conn_id, seed: count &default=0, do_base64: bool &default=T): string;
global is_protocol_analyzer: function(atype: AllAnalyzers::Tag): bool;
global is_file_analyzer: function(atype: AllAnalyzers::Tag): bool;
global is_packet_analyzer: function(atype: AllAnalyzers::Tag): bool;

module Analyzer;

export {
	global __enable_analyzer: function(id: Analyzer::Tag): bool;
	global __disable_analyzer: function(id: Analyzer::Tag): bool;
	global __disable_all_analyzers: function(): any;
	global __register_for_port: function(id: Analyzer::Tag, p: port): bool;
	global __schedule_analyzer: function(orig: addr, resp: addr, resp_p: port, analyzer: Analyzer::Tag, tout: interval): bool;
	global __name: function(atype: AllAnalyzers::Tag): string;
	global __tag: function(name: string): AllAnalyzers::Tag;
	global __has_tag: function(name: string): bool;
}

module TCP;

export {
	global raw_options: function(stop_at_eol: bool &default=T): TCP::RawOptionList;
}

module WebSocket;

export {
	global __configure_analyzer: function(c: connection, aid: count, config: WebSocket::AnalyzerConfig): bool;
}
