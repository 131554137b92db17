##! Events raised by native code: geneve.

global geneve_packet: event(outer: connection, inner: pkt_hdr, vni: count);
