##! Events raised by native code: vxlan.

global vxlan_packet: event(outer: connection, inner: pkt_hdr, vni: count);
