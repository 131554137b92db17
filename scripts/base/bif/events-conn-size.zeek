##! Events raised by native code: conn size.

global conn_bytes_threshold_crossed: event(c: connection, threshold: count, is_orig: bool);
global conn_packets_threshold_crossed: event(c: connection, threshold: count, is_orig: bool);
global conn_duration_threshold_crossed: event(c: connection, threshold: interval, is_orig: bool);
global conn_generic_packet_threshold_crossed: event(c: connection, threshold: count);
