##! Built-in functions: packets.

global is_tcp_port: function(p: port): bool;
global is_udp_port: function(p: port): bool;
global is_icmp_port: function(p: port): bool;
global get_conn_transport_proto: function(cid: conn_id): transport_proto;
global get_port_transport_proto: function(p: port): transport_proto;
global connection_exists: function(c: conn_id): bool;
global lookup_connection: function(cid: conn_id): connection;
global dump_current_packet: function(file_name: string): bool;
global get_current_packet: function(): pcap_packet;
global get_current_packet_header: function(): raw_pkt_hdr;
global get_current_packet_ts: function(): time;
global dump_packet: function(pkt: pcap_packet, file_name: string): bool;
