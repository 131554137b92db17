//! UDP sessions: header checks, counters, and the order in which tunnels and applications get a datagram.

use tapir_packet::bytes::be16;
use tapir_packet::checksum::transport_valid;

use crate::conn::{Transport, cased, letter};
use crate::key::ConnTuple;
use crate::sink::{FlowSink, MultipleKind, Packet};
use crate::table::FlowTable;

impl<X: Default> FlowTable<X> {
    pub(crate) fn udp_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) -> bool {
        let data = p.ip.payload();
        let ip_len = p.ip.payload_len();
        if ip_len < 8 {
            self.flow_weird(p, "truncated_header", "", "UDP", sink);
            return false;
        }
        let (Some(sport), Some(dport), Some(ulen), Some(sum)) =
            (be16(data, 0), be16(data, 2), be16(data, 4), be16(data, 6))
        else {
            self.flow_weird(p, "internally_truncated_header", "", "UDP", sink);
            return false;
        };
        let tuple = ConnTuple {
            src: p.ip.src,
            dst: p.ip.dst,
            sport,
            dport,
            transport: Transport::Udp,
            ip_proto: p.ip.proto,
            one_way: false,
            vlans: self.key_vlans(p),
        };
        let Some((mut c, is_orig)) = self.conn_for(&tuple, None, p, sink) else {
            return false;
        };
        self.common_events(&mut c, is_orig, p, 8, sink);
        if c.skip {
            self.put(c);
            return true;
        }
        if self.verify_checksums(p) && p.ip.is_complete() && !self.sum_may_be_zero(sum, p, &c) {
            let valid = sum != 0 && transport_valid(&p.ip.src, &p.ip.dst, 17, data);
            if !valid {
                self.conn_weird(&mut c, "bad_UDP_checksum", "", "UDP", sink);
                let e = c.end_mut(is_orig).rare_mut();
                e.checksum_errors += 1;
                let n = e.checksum_errors;
                self.scaled(&mut c, is_orig, n, b'C', MultipleKind::ChecksumErrors, sink);
                self.put(c);
                return true;
            }
        }
        let ulen = usize::from(ulen);
        if ulen != ip_len {
            let addl = format!("{ulen} != {ip_len}");
            self.conn_weird(&mut c, "UDP_datagram_length_mismatch", &addl, "UDP", sink);
        }
        c.last_time = p.ts;
        let e = c.end_mut(is_orig);
        e.active = true;
        e.payload_bytes += ulen.saturating_sub(8) as u64;
        c.note_once(is_orig, letter::DATA, b'D');
        let payload = &data[8..];
        sink.on_udp_packet(self, &mut c, is_orig, payload);
        // Inner packets are worked on while the outer connection is in the table.
        let Some(mut c) = self.udp_tunnel(c, is_orig, payload, p, sink) else {
            return true;
        };
        // Signatures look at the header before they get the data.
        self.first_packet(&mut c, is_orig, p, sink);
        sink.on_udp_data(self, &mut c, is_orig, payload, (ip_len - 8) as u64);
        self.count_packet(&mut c, is_orig, p, sink);
        sink.on_packet_done(self, &mut c, is_orig, p);
        self.put(c);
        true
    }

    /// A sum of zero means that there is none, over IPv4 and for VXLAN.
    fn sum_may_be_zero(&self, sum: u16, p: &Packet<'_>, c: &crate::conn::Conn<X>) -> bool {
        let vxlan = self.udp_layer_of_port(c.resp.port) == Some(tapir_packet::Layer::Vxlan);
        if vxlan && !self.options.tunnel_validate_vxlan_checksums {
            return true;
        }
        sum == 0 && (p.ip.version == 4 || vxlan)
    }

    /// Appends a letter at the first, tenth, hundredth… time and reports all but the first.
    pub(crate) fn scaled<S: FlowSink<X>>(
        &mut self,
        c: &mut crate::conn::Conn<X>,
        is_orig: bool,
        n: u32,
        upper: u8,
        kind: MultipleKind,
        sink: &mut S,
    ) {
        let mut power = 1u32;
        while power < n && power <= u32::MAX / 10 {
            power *= 10;
        }
        if n != power {
            return;
        }
        c.note(cased(upper, is_orig));
        if n > 1 {
            sink.on_multiple(self, c, kind, is_orig, u64::from(n));
        }
    }
}
