##! Events raised by native code: quic.

module QUIC;

export {
	global initial_packet: event(c: connection, is_orig: bool, version: count, dcid: string, scid: string);
	global retry_packet: event(c: connection, is_orig: bool, version: count, dcid: string, scid: string, retry_token: string, retry_integrity_tag: string);
	global handshake_packet: event(c: connection, is_orig: bool, version: count, dcid: string, scid: string);
	global zero_rtt_packet: event(c: connection, is_orig: bool, version: count, dcid: string, scid: string);
	global connection_close_frame: event(c: connection, is_orig: bool, version: count, dcid: string, scid: string, error_code: count, reason_phrase: string);
	global unhandled_version: event(c: connection, is_orig: bool, version: count, dcid: string, scid: string);
	global discarded_packet: event(c: connection, is_orig: bool, total_decrypted: count);
	global short_header_packet_threshold_crossed: event(c: connection, is_orig: bool, threshold: count);
}
