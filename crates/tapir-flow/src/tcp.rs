//! TCP segments: header checks, numbering, history, and the order in which a segment takes effect.

use tapir_packet::bytes::{be16, be32};
use tapir_packet::checksum::transport_valid;

use crate::conn::{Conn, Endpoint, Rare, TcpState, Transport, letter};
use crate::key::ConnTuple;
use crate::sink::{FlowSink, MultipleKind, Packet, SynPacket, TcpPacket, flag};
use crate::table::FlowTable;

/// The fields of a TCP header that matter before there is a connection.
pub(crate) struct TcpFirst {
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
}

impl TcpFirst {
    pub(crate) fn is_syn(&self) -> bool {
        self.flags & flag::SYN != 0
    }

    pub(crate) fn is_ack(&self) -> bool {
        self.flags & flag::ACK != 0
    }
}

/// A segment with everything that the state machine asks for.
pub(crate) struct Segment<'a> {
    pub is_orig: bool,
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub window: u16,
    pub header: &'a [u8],
    pub payload: &'a [u8],
    /// Payload according to the IP header.
    pub len: u32,
}

impl Segment<'_> {
    pub(crate) fn has(&self, bit: u8) -> bool {
        self.flags & bit != 0
    }

    /// How many sequence numbers the segment takes; resets take none.
    fn own_len(&self) -> u32 {
        if self.has(flag::RST) {
            0
        } else {
            self.len + u32::from(self.has(flag::SYN)) + u32::from(self.has(flag::FIN))
        }
    }
}

/// Jumps of more than this are not believed in some places.
const TOO_LARGE_JUMP: i32 = 1 << 20;

impl Endpoint {
    /// Starts the numbering over.
    pub(crate) fn init_seq(&mut self, seq: u32) {
        self.start_seq = seq;
        self.last_seq = seq;
        self.ack_seq = seq;
        self.last_wraps = 0;
        self.ack_wraps = 0;
    }

    /// Starts the numbering over with a SYN that takes `len` numbers with its data.
    fn init_syn(&mut self, seq: u32, len: u32) {
        self.init_seq(seq);
        self.last_seq = seq.wrapping_add(len);
        self.last_wraps = u32::from(self.last_seq < seq);
    }

    fn move_last(&mut self, seq: u32) {
        if seq < self.last_seq && seq.wrapping_sub(self.last_seq) as i32 > 0 {
            self.last_wraps = self.last_wraps.wrapping_add(1);
        }
        self.last_seq = seq;
    }

    fn move_ack(&mut self, seq: u32) {
        if seq < self.ack_seq && seq.wrapping_sub(self.ack_seq) as i32 > 0 {
            self.ack_wraps = self.ack_wraps.wrapping_add(1);
        }
        self.ack_seq = seq;
    }

    /// A sequence number of this side relative to its first.
    pub(crate) fn relative(&self, seq: u32) -> i64 {
        (self.last_rel() as i64).wrapping_add(i64::from(seq.wrapping_sub(self.last_seq) as i32))
    }

    /// A number that acknowledges this side's data, relative to its first.
    pub(crate) fn relative_ack(&self, ack: u32) -> i64 {
        (self.ack_rel() as i64).wrapping_add(i64::from(ack.wrapping_sub(self.ack_seq) as i32))
    }
}

impl<X: Default> FlowTable<X> {
    pub(crate) fn tcp_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) -> bool {
        let data = p.ip.payload();
        let ip_len = p.ip.payload_len();
        if ip_len < 20 {
            self.flow_weird(p, "truncated_header", "", "TCP", sink);
            return false;
        }
        let Some(fixed) = data.get(..20) else {
            self.flow_weird(p, "internally_truncated_header", "", "TCP", sink);
            return false;
        };
        let first = TcpFirst {
            flags: fixed[13],
            seq: be32(fixed, 4).unwrap_or(0),
            ack: be32(fixed, 8).unwrap_or(0),
        };
        let tuple = ConnTuple {
            src: p.ip.src,
            dst: p.ip.dst,
            sport: be16(fixed, 0).unwrap_or(0),
            dport: be16(fixed, 2).unwrap_or(0),
            transport: Transport::Tcp,
            ip_proto: p.ip.proto,
            one_way: false,
            vlans: self.key_vlans(p),
        };
        let Some((mut c, is_orig)) = self.conn_for(&tuple, Some(&first), p, sink) else {
            return false;
        };
        let header_len = usize::from(fixed[12] >> 4) * 4;
        self.common_events(&mut c, is_orig, p, header_len, sink);
        if c.skip {
            self.put(c);
            return true;
        }
        let weird = if header_len < 20 {
            Some("bad_TCP_header_len")
        } else if header_len > ip_len || header_len > data.len() {
            Some("truncated_header")
        } else {
            None
        };
        if let Some(name) = weird {
            self.conn_weird(&mut c, name, "", "TCP", sink);
            self.put(c);
            return true;
        }
        if self.verify_checksums(p) && p.ip.is_complete() && !transport_valid(&p.ip.src, &p.ip.dst, 6, data) {
            self.conn_weird(&mut c, "bad_TCP_checksum", "", "TCP", sink);
            let e = c.end_mut(is_orig).rare_mut();
            e.checksum_errors += 1;
            let n = e.checksum_errors;
            self.scaled(&mut c, is_orig, n, b'C', MultipleKind::ChecksumErrors, sink);
            self.put(c);
            return true;
        }
        self.notes.tcp_options.clear();
        self.notes.tcp_options.extend_from_slice(&data[20..header_len]);
        let segment = Segment {
            is_orig,
            flags: first.flags,
            seq: first.seq,
            ack: first.ack,
            window: be16(fixed, 14).unwrap_or(0),
            header: &data[..header_len],
            payload: &data[header_len..],
            len: (ip_len - header_len) as u32,
        };
        self.valid_segment(&mut c, &segment, p, sink);
        self.put(c);
        true
    }

    fn valid_segment<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, p: &Packet<'_>, sink: &mut S) {
        let mut is_orig = s.is_orig;
        let (syn, fin, rst, ack) = (s.has(flag::SYN), s.has(flag::FIN), s.has(flag::RST), s.has(flag::ACK));
        if !(c.orig.closed && c.resp.closed) {
            c.last_time = p.ts;
        }
        self.storms(c, s, p.ts, sink);
        if !syn && self.handshake_seen_backwards(c, s) {
            self.flip(c, sink);
            // The letter for the first segment goes behind the mark of the flip.
            c.history.clear();
            c.history.extend_from_slice(b"^h");
            is_orig = !is_orig;
        }
        let s = &Segment { is_orig, ..*s };

        self.init_numbers(c, s, sink);
        if syn {
            self.syn_weirds(c, s, sink);
            let packet = self.read_syn(c, s, p, sink);
            sink.on_syn_packet(self, c, &packet);
        }
        let mut seq = c.end(is_orig).relative(s.seq);
        let mut underflow = false;
        if seq < 0 {
            if !rst {
                self.conn_weird(c, "TCP_seq_underflow_or_misorder", "", "TCP", sink);
            }
            underflow = true;
            seq = 0;
        }
        let seq = seq as u64;
        let mut rel_ack = 0;
        if ack {
            let a = c.end(!is_orig).relative_ack(s.ack);
            if a < 0 {
                if !rst {
                    self.conn_weird(c, "TCP_ack_underflow_or_misorder", "", "TCP", sink);
                }
            } else {
                rel_ack = a as u64;
            }
        }
        self.window(c, s, sink);
        self.flag_letters(c, s, seq);
        self.zero_window(c, s, sink);

        let own_len = if rst {
            0
        } else {
            s.len + u32::from(syn) + u32::from(fin)
        };
        if ack && is_orig && !c.first_ack_told && matches!(c.orig.state, TcpState::SynSent | TcpState::Established) {
            c.first_ack_told = true;
            sink.on_first_ack(self, c);
        }
        let before = c.end(is_orig).last_rel();
        let last_seq = c.end(is_orig).last_seq;
        let retransmission = self.advance_last(c, s, own_len);
        if self.wants.segment_stats && own_len > 0 {
            self.count_segment(c, s, own_len, last_seq);
        }
        if fin {
            let e = c.end_mut(is_orig);
            e.rare_mut().fin_seq = seq + u64::from(s.len) + u64::from(syn);
        }
        if retransmission {
            let e = c.end_mut(is_orig).rare_mut();
            e.retransmissions += 1;
            let n = e.retransmissions;
            self.scaled(c, is_orig, n, b'T', MultipleKind::Retransmissions, sink);
        }
        let outcome = self.transition(c, s, before, seq + u64::from(own_len), sink);
        // A SYN that came after its answer turns the connection round.
        let is_orig = if outcome.flipped { !is_orig } else { is_orig };
        if ack && !rst {
            self.take_ack(c, is_orig, s.ack, rel_ack, sink);
        }
        if self.wants.tcp_packet {
            let packet = TcpPacket {
                is_orig,
                flags: s.flags,
                seq,
                ack: rel_ack,
                len: u64::from(s.len),
                payload: s.payload,
                header: s.header,
            };
            sink.on_tcp_packet(self, c, &packet);
        }
        if self.wants.tcp_options && s.header.len() > 20 {
            self.option_weirds(c, &s.header[20..], sink);
            sink.on_tcp_options(self, c, is_orig, &s.header[20..]);
        }
        if s.len > 0 || !self.wants.first_packet_has_data {
            self.first_packet(c, is_orig, p, sink);
        }
        if s.len > 0 && !rst && !underflow && !c.skip {
            if s.payload.len() < s.len as usize {
                self.conn_weird(c, "truncated_tcp_payload", "", "TCP", sink);
            } else {
                let (at, data) = (seq + u64::from(syn), &s.payload[..s.len as usize]);
                if !c.reassembling && sink.reassembles(self, c) {
                    self.begin_reassembly(c, is_orig, at);
                }
                if c.reassembling {
                    self.segment(c, is_orig, at, data, s.flags, sink);
                } else {
                    sink.on_stream_data(self, c, is_orig, at, data);
                }
            }
        }
        if let Some(report) = outcome.close {
            self.close(c, is_orig, report, sink);
        }
        self.deferred_closes(c, sink);
        if self.wants.tcp_rexmit && retransmission {
            let e = c.end(is_orig);
            let in_flight = e.last_rel().saturating_sub(e.ack_rel());
            let window = u64::from(c.end(!is_orig).window);
            sink.on_rexmit(self, c, is_orig, seq, u64::from(s.len), in_flight, window);
        }
        c.seen_packets = c.seen_packets.saturating_add(1);
        c.end_mut(is_orig).last_packet_time = p.ts;
        self.count_packet(c, is_orig, p, sink);
        sink.on_packet_done(self, c, is_orig, p);
    }

    fn storms<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, ts: f64, sink: &mut S) {
        let (fin, rst) = (s.has(flag::FIN), s.has(flag::RST));
        if !fin && !rst {
            return;
        }
        // More than can be counted is as much as can be.
        let max = self.options.tcp_storm_thresh.min(u16::MAX.into()) as u16;
        let e = c.end_mut(s.is_orig);
        let close = ts < e.last_packet_time + self.options.tcp_storm_interarrival_thresh;
        let e = e.rare_mut();
        e.fin_count = e.fin_count.saturating_add(u16::from(fin));
        e.rst_count = e.rst_count.saturating_add(u16::from(rst));
        let (fin_storm, rst_storm) = (fin && e.fin_count >= max && close, rst && e.rst_count >= max && close);
        if fin_storm {
            self.conn_weird(c, "FIN_storm", "", "TCP", sink);
        }
        if rst_storm {
            self.conn_weird(c, "RST_storm", "", "TCP", sink);
        }
    }

    /// A SYN-ACK opened the connection and now something other than a SYN comes: it was the responder's.
    fn handshake_seen_backwards(&self, c: &Conn<X>, s: &Segment<'_>) -> bool {
        c.history.as_slice() == b"H" && !s.has(flag::FIN) && !s.has(flag::RST) && (s.has(flag::ACK) || s.len > 0)
    }

    /// Sets the first sequence numbers of both sides as far as this segment tells them.
    fn init_numbers<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, sink: &mut S) {
        let (syn, plain) = (s.has(flag::SYN), !s.has(flag::SYN | flag::FIN | flag::RST));
        let own_len = s.own_len();
        let size = c.size(s.is_orig);
        let e = c.end_mut(s.is_orig);
        match e.state {
            TcpState::Inactive if syn => e.init_syn(s.seq, own_len),
            // One number is left for the SYN that was not seen.
            TcpState::Inactive => e.init_seq(s.seq.wrapping_sub(1)),
            TcpState::SynSent | TcpState::SynAckSent if syn && e.start_seq != s.seq => {
                e.init_syn(s.seq, own_len);
                self.conn_weird(c, "SYN_seq_jump", "", "", sink);
            }
            TcpState::Established | TcpState::Partial if syn => {
                let jump = e.start_seq != s.seq;
                if size > 0 {
                    self.conn_weird(c, "SYN_inside_connection", "", "", sink);
                }
                if jump {
                    self.conn_weird(c, "SYN_seq_jump", "", "", sink);
                }
                if jump || size > 0 {
                    c.end_mut(s.is_orig).init_syn(s.seq, own_len);
                }
            }
            // A reset may have been a lie; here the true numbers come.
            TcpState::Reset if syn && e.start_seq != s.seq => e.init_syn(s.seq, own_len),
            _ => {}
        }
        if s.has(flag::ACK)
            && c.end(!s.is_orig).state == TcpState::Inactive
            && !c.end(!s.is_orig).once(letter::SYN_SEEN)
        {
            let own = c.end(s.is_orig).state;
            let sent_syn = matches!(own, TcpState::SynSent | TcpState::SynAckSent | TcpState::Established);
            if plain && sent_syn && !c.weird_seen {
                self.conn_weird(c, "possible_split_routing", "", "", sink);
            }
            let peer = c.end_mut(!s.is_orig);
            if !syn && !s.has(flag::RST) || (peer.start_seq == 0 && peer.last_seq == 0) {
                peer.init_seq(s.ack.wrapping_sub(1));
            }
        }
        if syn {
            c.end_mut(s.is_orig).letters |= letter::SYN_SEEN;
        }
    }

    fn syn_weirds<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, sink: &mut S) {
        if s.has(flag::RST) {
            self.conn_weird(c, "TCP_christmas", "", "TCP", sink);
        }
        if s.has(flag::URG) {
            self.conn_weird(c, "baroque_SYN", "", "TCP", sink);
        }
        if s.len > 0 {
            self.conn_weird(c, "SYN_with_data", "", "TCP", sink);
        }
    }

    fn read_syn<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        s: &Segment<'_>,
        p: &Packet<'_>,
        sink: &mut S,
    ) -> SynPacket {
        let mut packet = SynPacket {
            is_orig: s.is_orig,
            dont_fragment: p.ip.dont_fragment,
            ttl: p.ip.ttl,
            size: p.ip.total_len as u64,
            window: u32::from(s.window),
            window_scale: None,
            mss: 0,
            sack_ok: false,
            ts_val: 0,
            ts_echo: 0,
        };
        let mut too_large = None;
        for (kind, value) in TcpOptions(s.header.get(20..).unwrap_or(&[])) {
            match (kind, value.len()) {
                (2, 2) => packet.mss = u32::from(be16(value, 0).unwrap_or(0)),
                (3, 1) => {
                    let scale = value[0];
                    if scale > 14 {
                        too_large = Some(scale);
                    }
                    packet.window_scale = Some(scale.min(14));
                }
                (4, 0) => packet.sack_ok = true,
                (8, 8) => {
                    packet.ts_val = be32(value, 0).unwrap_or(0);
                    packet.ts_echo = be32(value, 4).unwrap_or(0);
                }
                _ => {}
            }
        }
        if let Some(scale) = too_large.filter(|_| !c.weird_seen) {
            self.conn_weird(c, "TCP_scale_range", &scale.to_string(), "TCP", sink);
        }
        c.end_mut(s.is_orig).window_scale = packet.window_scale;
        packet
    }

    /// Follows the advertised window; a right edge that moves back is odd.
    fn window<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, sink: &mut S) {
        // The window of a SYN is not scaled and says little.
        if s.has(flag::SYN | flag::RST) {
            return;
        }
        let both_scale = c.orig.window_scale.is_some() && c.resp.window_scale.is_some();
        let e = c.end_mut(s.is_orig);
        let scale = if both_scale { e.window_scale.unwrap_or(0) } else { 0 };
        let window = u32::from(s.window) << scale;
        let mut recision = false;
        if s.has(flag::ACK) {
            if e.once(letter::WINDOW) {
                if (s.seq.wrapping_sub(e.window_seq) as i32) < 0 || (s.ack.wrapping_sub(e.window_ack) as i32) < 0 {
                    return;
                }
                let old_edge = e.window_ack.wrapping_add(e.window);
                let new_edge = s.ack.wrapping_add(window);
                let back = old_edge.wrapping_sub(new_edge) as i32;
                // With data of its own or after its end, a side may well take less.
                recision = back >= 1 << scale
                    && !s.has(flag::FIN)
                    && s.payload.is_empty()
                    && s.seq == e.window_seq
                    && e.state != TcpState::Closed;
            }
            e.letters |= letter::WINDOW;
            e.window_ack = s.ack;
            e.window_seq = s.seq;
        }
        e.window = window;
        if recision {
            self.conn_weird(c, "window_recision", "", "", sink);
        }
    }

    fn flag_letters(&mut self, c: &mut Conn<X>, s: &Segment<'_>, seq: u64) {
        let o = s.is_orig;
        let (syn, fin, rst) = (s.has(flag::SYN), s.has(flag::FIN), s.has(flag::RST));
        let end = seq + u64::from(s.len);
        // A letter that may come again does so when its number is another.
        fn again<X>(c: &mut Conn<X>, o: bool, bit: u16, upper: u8, value: u64, last: fn(&mut Rare) -> &mut u32) {
            let value = value as u32;
            let e = c.end_mut(o);
            let before = *last(&mut e.rare());
            if e.letters & bit != 0 && before == value {
                return;
            }
            e.letters |= bit;
            if before != value {
                *last(e.rare_mut()) = value;
            }
            c.note(crate::conn::cased(upper, o));
        }
        match (syn, fin, rst) {
            (false, true, true) => {
                c.note_once(o, letter::INCONSISTENT, b'I');
            }
            (true, true, _) | (true, _, true) => {
                c.note_once(o, letter::MULTI, b'Q');
            }
            (true, false, false) => {
                let upper = if s.has(flag::ACK) { b'H' } else { b'S' };
                again(c, o, letter::SYN, upper, seq, |e| &mut e.last_syn);
            }
            (false, true, false) => again(c, o, letter::FIN, b'F', end, |e| &mut e.last_fin),
            (false, false, true) => again(c, o, letter::RST, b'R', seq, |e| &mut e.last_rst),
            (false, false, false) if s.len > 0 => {
                c.note_once(o, letter::DATA, b'D');
            }
            (false, false, false) if s.has(flag::ACK) => {
                c.note_once(o, letter::ACK, b'A');
            }
            _ => {}
        }
    }

    fn zero_window<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, s: &Segment<'_>, sink: &mut S) {
        if s.window != 0
            || s.has(flag::RST)
            || c.end(s.is_orig).state == TcpState::Reset
            || c.end(!s.is_orig).state == TcpState::Closed
        {
            return;
        }
        let e = c.end_mut(s.is_orig).rare_mut();
        e.zero_windows += 1;
        let n = e.zero_windows;
        self.scaled(c, s.is_orig, n, b'W', MultipleKind::ZeroWindows, sink);
    }

    /// Moves the highest sequence number; says whether the segment is a retransmission.
    fn advance_last(&mut self, c: &mut Conn<X>, s: &Segment<'_>, own_len: u32) -> bool {
        let e = c.end_mut(s.is_orig);
        let end = s.seq.wrapping_add(own_len);
        let delta = end.wrapping_sub(e.last_seq) as i32;
        if s.has(flag::SYN | flag::RST) && !(-TOO_LARGE_JUMP..=TOO_LARGE_JUMP).contains(&delta) {
            // Not believed.
        } else if s.has(flag::FIN) && e.last_seq == e.start_seq.wrapping_add(1) {
            e.move_last(end);
        } else if e.state == TcpState::Reset {
            // Nothing more counts.
        } else if delta > 0 {
            e.move_last(end);
        } else if s.len > 0 {
            return true;
        }
        false
    }

    /// Counts a segment by where it stands; `last_seq` is the end of what was sent before it.
    fn count_segment(&self, c: &mut Conn<X>, s: &Segment<'_>, own_len: u32, last_seq: u32) {
        let first = c.end(s.is_orig).pkts == 0;
        let acked = c.end(s.is_orig).ack_seq;
        let segments = &mut c.end_mut(s.is_orig).rare_mut().segments;
        let this = (s.seq, own_len);
        let beyond = s.seq.wrapping_add(own_len).wrapping_sub(last_seq) as i32;
        // Keep-alives repeat the last byte that was acknowledged, or have a byte of their own there (RFC 9293, 3.8.4).
        let keep_alive = s.len == 1 && own_len == 1 && beyond == 0 && acked.wrapping_sub(last_seq) as i32 >= 0;
        if first || s.seq == last_seq {
            segments.in_order += 1;
        } else if beyond > 0 {
            segments.out_of_order += 1;
        } else if !(keep_alive && self.options.ignore_keep_alive_rexmit) {
            segments.retransmitted += 1;
            segments.retransmitted_bytes += u64::from(s.len);
            segments.replicated += u32::from(segments.before == Some(this));
        }
        segments.before = Some(this);
    }

    fn take_ack<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, ack: u32, rel_ack: u64, sink: &mut S) {
        let peer = c.end_mut(!is_orig);
        let delta = ack.wrapping_sub(peer.ack_seq) as i32;
        if ack == 0 && delta > TOO_LARGE_JUMP {
            return;
        }
        if delta > 0 {
            peer.move_ack(ack);
        }
        if c.reassembling {
            self.acked(c, !is_orig, rel_ack, sink);
        }
    }

    fn option_weirds<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, options: &[u8], sink: &mut S) {
        for (kind, value) in TcpOptions(options) {
            let len = value.len() + 2;
            let name = match kind {
                2 if len != 4 => "tcp_option_mss_invalid_len",
                3 if len != 3 => "tcp_option_window_scale_invalid_len",
                4 if len != 2 => "tcp_option_sack_invalid_len",
                5 if len < 10 || (len - 2) % 8 != 0 => "tcp_option_sack_blocks_invalid_len",
                8 if len != 10 => "tcp_option_timestamps_invalid_len",
                27 if len != 8 => "tcp_option_qsresponse_invalid_len",
                28 if len != 4 => "tcp_option_uto_invalid_len",
                29 if len < 4 => "tcp_option_ao_invalid_len",
                34 if len != 2 && (!(6..=18).contains(&len) || len % 2 != 0) => "tcp_option_tfo_invalid_len",
                _ => continue,
            };
            self.conn_weird(c, name, &len.to_string(), "TCP", sink);
        }
    }
}

/// Iterates over TCP options: kind and value; those without a length give an empty value. Stops at the end-of-list
/// option and where an option does not fit.
#[derive(Clone, Copy, Debug)]
pub struct TcpOptions<'a>(pub &'a [u8]);

impl<'a> Iterator for TcpOptions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = *self.0.first()?;
        match kind {
            0 => {
                self.0 = &[];
                None
            }
            1 => {
                self.0 = &self.0[1..];
                Some((1, &[]))
            }
            _ => {
                let len = usize::from(*self.0.get(1)?);
                let value = self.0.get(2..len)?;
                self.0 = &self.0[len..];
                Some((kind, value))
            }
        }
    }
}
