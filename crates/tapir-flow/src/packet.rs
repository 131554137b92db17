//! The way of a packet: link layers, IP, fragments, then the transport; and what all transports share.

use std::rc::Rc;

use smallvec::SmallVec;
use tapir_packet::arp::{self, ArpOutcome};
use tapir_packet::ip::{self, IpOptions, IpPacket, proto};
use tapir_packet::link::{self, L3, Layer, Link, LinkInfo};
use tapir_packet::{Ip, RawPacket, checksum};

use crate::conn::{Conn, EncapEntry, Endpoint, Seldom, Transport, letter};
use crate::icmp::checksums_wanted;
use crate::key::ConnTuple;
use crate::sink::{FlowSink, Packet};
use crate::table::FlowTable;
use crate::tcp::TcpFirst;
use crate::thresholds::Thresholds;
use crate::timers::TimerKind;

/// Unknown identifiers that are counted one by one at most.
const MAX_UNKNOWN: usize = 65_536;

/// Where an IP packet comes from.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub ts: f64,
    pub link: &'a LinkInfo,
    pub encap: &'a [EncapEntry],
    /// Directly inside Teredo, where packets without content are bubbles.
    pub in_teredo: bool,
}

impl<X: Default> FlowTable<X> {
    /// Takes a packet all the way. Call [`FlowTable::advance`] with its time before.
    ///
    /// Gives back whether a connection or an ARP packet came of it.
    pub fn process<S: FlowSink<X>>(&mut self, raw: &RawPacket<'_>, sink: &mut S) -> bool {
        self.stats.packets += 1;
        self.lengths = (raw.len, raw.data.len() as u32);
        self.stack.clear();
        self.notes.pppoe_session = None;
        self.notes.geneve_options.clear();
        self.notes.tcp_options.clear();
        self.notes.unrecorded = false;
        let root = self.options.dispatch.child(Layer::Root, raw.link_type);
        let Some(layer) = root.filter(|l| self.options.dispatch.is_enabled(*l)) else {
            return self.after_packet(raw, false, sink);
        };
        let done = self.link_in(layer, raw.data, raw.len as usize, raw.link_type, raw.ts(), &[], sink);
        self.after_packet(raw, done, sink)
    }

    fn after_packet<S: FlowSink<X>>(&mut self, raw: &RawPacket<'_>, done: bool, sink: &mut S) -> bool {
        if !done && self.wants.packet_not_processed {
            sink.on_packet_not_processed(self, raw);
        }
        if self.wants.raw_packet {
            sink.on_raw_packet(self, raw);
        }
        if self.timers_left {
            self.timers_left = self.run_timers(sink);
        }
        done
    }

    pub(crate) fn link_in<S: FlowSink<X>>(
        &mut self,
        layer: Layer,
        data: &[u8],
        wire: usize,
        link_type: u32,
        ts: f64,
        encap: &[EncapEntry],
        sink: &mut S,
    ) -> bool {
        let mut info = LinkInfo {
            link_type,
            ..LinkInfo::default()
        };
        self.weirds.flow = None;
        let table = &self.options.dispatch;
        let outcome = link::decode_with(table, layer, data, wire, &mut info, &mut self.stack, &mut self.weirds);
        if info.pppoe_session.is_some() {
            self.notes.pppoe_session = info.pppoe_session;
        }
        self.report_weirds(!encap.is_empty(), sink);
        match outcome {
            Link::Ip { data, wire } => self.ip_in(
                data,
                wire,
                Context {
                    ts,
                    link: &info,
                    encap,
                    in_teredo: false,
                },
                sink,
            ),
            Link::Arp { data } => self.arp_in(data, &info, encap, sink),
            Link::Unknown { layer, id, data } => {
                self.unknown(layer, id, data, sink);
                false
            }
            Link::Aggregate(frames) => {
                let mut any = false;
                let around = self.stack;
                for (ether_type, frame) in frames {
                    self.stack = around;
                    any |= match ether_type {
                        0x0800 | 0x86dd => {
                            self.stack.push(Layer::Ip);
                            info.l3 = if ether_type == 0x0800 { L3::V4 } else { L3::V6 };
                            self.ip_in(
                                frame,
                                frame.len(),
                                Context {
                                    ts,
                                    link: &info,
                                    encap,
                                    in_teredo: false,
                                },
                                sink,
                            )
                        }
                        0x0806 | 0x8035 => self.arp_in(frame, &info, encap, sink),
                        _ => false,
                    };
                }
                any
            }
            Link::Nothing => false,
        }
    }

    fn arp_in<S: FlowSink<X>>(&mut self, data: &[u8], info: &LinkInfo, encap: &[EncapEntry], sink: &mut S) -> bool {
        match arp::decode(data, info.src, info.dst) {
            ArpOutcome::Ok(packet) => {
                sink.on_arp(self, &packet);
                true
            }
            ArpOutcome::Truncated => {
                self.weirds.push("truncated_ARP", "ARP");
                self.report_weirds(!encap.is_empty(), sink);
                false
            }
            ArpOutcome::Bad { packet, explanation } => {
                sink.on_bad_arp(self, &packet, &explanation);
                false
            }
            ArpOutcome::Ignored => true,
        }
    }

    /// Notes that the packet got into a layer; tells if there are too many around it already.
    pub(crate) fn enter<S: FlowSink<X>>(&mut self, layer: Layer, encap: &[EncapEntry], sink: &mut S) -> bool {
        let fits = self.stack.push(layer);
        if !fits {
            let top = self.stack.top().name();
            self.weirds.flow = None;
            self.weirds.push("max_packet_analyzer_depth_exceeded", top);
            self.report_weirds(!encap.is_empty(), sink);
        }
        fits
    }

    /// Reports an identifier that leads nowhere, unless it did so too often lately.
    pub(crate) fn unknown<S: FlowSink<X>>(&mut self, layer: Layer, id: u32, data: &[u8], sink: &mut S) {
        let o = &self.options.unknown_protocols;
        if self.unknown_seen.len() >= MAX_UNKNOWN && !self.unknown_seen.contains_key(&(layer, id)) {
            self.unknown_seen.clear();
        }
        let (count, since) = self.unknown_seen.entry((layer, id)).or_insert((0, self.now));
        if self.now > *since + o.duration {
            (*count, *since) = (0, self.now);
        }
        *count += 1;
        let passes = match count.checked_sub(o.threshold) {
            None => true,
            Some(above) => o.rate > 0 && above % o.rate == 0,
        };
        if passes {
            let (stack, first) = (self.stack, &data[..data.len().min(o.first_bytes)]);
            sink.on_unknown_protocol(self, layer, id, first, stack.layers());
        }
    }

    /// Hands over what the decoders found odd.
    pub(crate) fn report_weirds<S: FlowSink<X>>(&mut self, in_tunnel: bool, sink: &mut S) {
        if self.weirds.is_empty() {
            return;
        }
        let list: Vec<_> = self.weirds.drain().collect();
        for w in list {
            let suffixed;
            let name = if in_tunnel {
                suffixed = format!("{}_in_tunnel", w.name);
                suffixed.as_str()
            } else {
                w.name
            };
            match w.flow {
                Some((src, dst)) => sink.on_flow_weird(self, name, src, dst, &w.addl, w.source),
                None => sink.on_net_weird(self, name, &w.addl, w.source),
            }
        }
    }

    /// Reports something odd about a packet that has an IP header but no connection.
    pub(crate) fn flow_weird<S: FlowSink<X>>(
        &mut self,
        p: &Packet<'_>,
        name: &str,
        addl: &str,
        source: &str,
        sink: &mut S,
    ) {
        if p.encap.is_empty() {
            sink.on_flow_weird(self, name, p.ip.src, p.ip.dst, addl, source);
        } else {
            sink.on_flow_weird(self, &format!("{name}_in_tunnel"), p.ip.src, p.ip.dst, addl, source);
        }
    }

    pub(crate) fn ip_options(&self) -> IpOptions {
        IpOptions {
            ignore_checksums: self.options.ignore_checksums,
            reassembled: false,
        }
    }

    /// Takes an IP packet; `wire` of its bytes were on the wire.
    pub(crate) fn ip_in<S: FlowSink<X>>(&mut self, data: &[u8], wire: usize, cx: Context<'_>, sink: &mut S) -> bool {
        let packet = ip::decode(data, wire, self.ip_options(), &mut self.weirds);
        self.report_weirds(!cx.encap.is_empty(), sink);
        let Some(packet) = packet else {
            return false;
        };
        let p = Packet {
            ts: cx.ts,
            ip: &packet,
            link: cx.link,
            encap: cx.encap,
        };
        if self.wants.packet_filter && sink.drop_packet(self, &packet) {
            return false;
        }
        let header_src = if packet.exts.is_empty() {
            packet.src
        } else {
            packet.header_addresses().0
        };
        if packet.version == 4 && checksums_wanted(&self.options, &header_src) && !ip::header_checksum_valid(&packet) {
            self.flow_weird(&p, "bad_IP_checksum", "", "IP", sink);
            return false;
        }
        if self.wants.discarders && sink.discard(self, &packet) {
            return false;
        }
        if packet.is_fragment() {
            if !packet.is_complete() {
                self.flow_weird(&p, "incompletely_captured_fragment", "", "IP", sink);
                if packet.frag_offset != 0 {
                    return false;
                }
                return self.above_ip(&p, cx, sink);
            }
            self.stats.fragments += 1;
            self.weirds.flow = Some((packet.src, packet.dst));
            let whole = self.frags.add(self.now, &packet, &mut self.weirds);
            self.report_weirds(!cx.encap.is_empty(), sink);
            let Some(whole) = whole else {
                // A fragment is no failure, although nothing came of it yet.
                return true;
            };
            return self.reassembled_in(&whole, cx, sink);
        }
        self.above_ip(&p, cx, sink)
    }

    fn reassembled_in<S: FlowSink<X>>(&mut self, whole: &[u8], cx: Context<'_>, sink: &mut S) -> bool {
        let packet = ip::decode(
            whole,
            whole.len(),
            IpOptions {
                reassembled: true,
                ..self.ip_options()
            },
            &mut self.weirds,
        );
        self.report_weirds(!cx.encap.is_empty(), sink);
        let Some(packet) = packet else {
            return false;
        };
        let p = Packet {
            ts: cx.ts,
            ip: &packet,
            link: cx.link,
            encap: cx.encap,
        };
        if packet.total_len < packet.hdr_len {
            self.flow_weird(&p, "bogus_IP_header_lengths", "", "IP", sink);
            return false;
        }
        self.above_ip(&p, cx, sink)
    }

    /// Dispatches by what the last IP header names.
    fn above_ip<S: FlowSink<X>>(&mut self, p: &Packet<'_>, cx: Context<'_>, sink: &mut S) -> bool {
        match p.ip.proto {
            proto::ESP if p.ip.version == 6 => {
                sink.on_esp(self, p.ip);
                return true;
            }
            proto::MOBILITY if p.ip.version == 6 => return self.mobility_in(p, sink),
            proto::NONE => {
                if !cx.in_teredo {
                    self.flow_weird(p, "ipv6_no_next", "", "IP", sink);
                }
                return cx.in_teredo;
            }
            _ => {}
        }
        let id = u32::from(p.ip.proto);
        let child = self.options.dispatch.child(Layer::Ip, id);
        if child.is_some_and(|l| !self.options.dispatch.is_enabled(l)) {
            return false;
        }
        match child {
            Some(Layer::Tcp) => self.tcp_in(p, sink),
            Some(Layer::Udp) => self.udp_in(p, sink),
            Some(Layer::Icmp) => self.icmp_in(p, sink),
            Some(Layer::IpTunnel) => self.ip_tunnel_in(p, sink),
            Some(Layer::Gre) => self.gre_in(p, sink),
            Some(Layer::Igmp) => {
                let valid = checksum::Sum::default().add_bytes(p.ip.payload()).is_valid();
                if !valid {
                    self.flow_weird(p, "igmp_invalid_checksum", "", "IGMP", sink);
                }
                sink.on_igmp(self, p, valid);
                false
            }
            Some(Layer::UnknownIpTransport) => {
                if !self.enter(Layer::UnknownIpTransport, cx.encap, sink) {
                    return false;
                }
                self.unknown(Layer::UnknownIpTransport, id, p.ip.payload(), sink);
                self.other_ip_in(p, sink);
                false
            }
            Some(other) => {
                // Scripts put a layer there that needs no IP header, such as Ethernet over IP.
                let (data, wire) = (p.ip.payload(), p.ip.payload_len());
                self.link_in(other, data, wire, p.link.link_type, cx.ts, cx.encap, sink)
            }
            None => {
                self.unknown(Layer::Ip, id, p.ip.payload(), sink);
                false
            }
        }
    }

    fn mobility_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) -> bool {
        let Some(ext) = p.ip.exts.last().copied() else {
            return false;
        };
        let start = ext.offset as usize;
        let body = &p.ip.data[start..(start + ext.len as usize).min(p.ip.data.len())];
        if self.verify_checksums(p) {
            if !body.len().is_multiple_of(2) {
                sink.on_flow_weird(self, "odd_mobility_hdr_len", p.ip.src, p.ip.dst, "", "");
            }
            if !checksum::transport_valid(&p.ip.src, &p.ip.dst, proto::MOBILITY, body) {
                self.flow_weird(p, "bad_MH_checksum", "", "IP", sink);
                return false;
            }
        }
        sink.on_mobile_ipv6(self, p.ip);
        if body.first().is_some_and(|next| *next != proto::NONE) {
            self.flow_weird(p, "mobility_piggyback", "", "IP", sink);
        }
        true
    }

    fn other_ip_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) {
        let tuple = ConnTuple {
            src: p.ip.src,
            dst: p.ip.dst,
            sport: 0,
            dport: 0,
            transport: Transport::Unknown,
            ip_proto: p.ip.proto,
            one_way: false,
            vlans: self.key_vlans(p),
        };
        let Some((mut c, is_orig)) = self.conn_for(&tuple, None, p, sink) else {
            return;
        };
        self.common_events(&mut c, is_orig, p, 0, sink);
        if !c.skip {
            c.last_time = p.ts;
            c.end_mut(is_orig).active = true;
            self.count_packet(&mut c, is_orig, p, sink);
            self.first_packet(&mut c, is_orig, p, sink);
            sink.on_packet_done(self, &mut c, is_orig, p);
        }
        self.put(c);
    }

    pub(crate) fn verify_checksums(&self, p: &Packet<'_>) -> bool {
        let src = if p.ip.exts.is_empty() {
            p.ip.src
        } else {
            p.ip.header_addresses().0
        };
        checksums_wanted(&self.options, &src)
    }

    pub(crate) fn key_vlans(&self, p: &Packet<'_>) -> Option<(u16, u16)> {
        if !self.options.key_with_vlan {
            return None;
        }
        let id = |t: Option<tapir_packet::VlanTag>| t.map_or(0, |t| t.id);
        Some((id(p.link.vlan), id(p.link.inner_vlan)))
    }

    fn is_likely_server(&self, port: u16, transport: Transport) -> bool {
        self.options
            .likely_server_ports
            .contains(&(port, transport == Transport::Tcp))
    }

    /// Finds or makes the connection of a packet and takes it out; says whether the packet is the originator's.
    ///
    /// Nothing if the options say that such a packet opens no connection.
    pub(crate) fn conn_for<S: FlowSink<X>>(
        &mut self,
        tuple: &ConnTuple,
        tcp: Option<&TcpFirst>,
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<(Box<Conn<X>>, bool)> {
        let key = tuple.key();
        if let Some(id) = self.find_key(&key) {
            let mut c = self.take(id)?;
            let is_orig = tuple.src == c.orig.addr && tuple.sport == c.orig.port;
            match tcp {
                Some(tcp) if tcp.is_syn() && self.is_reuse(&mut c, is_orig, tcp, p.ts, sink) => {
                    sink.on_reused(self, &mut c);
                    self.remove(c, sink);
                }
                _ => {
                    self.notes.unrecorded |= c.unrecorded;
                    self.encapsulation(&mut c, p.encap, sink);
                    return Some((c, is_orig));
                }
            }
        }
        let flip = match (tuple.transport, tcp) {
            (Transport::Tcp, Some(tcp)) => self.flip_first_tcp(tuple, tcp)?,
            (Transport::Udp, _) => {
                self.is_likely_server(tuple.sport, Transport::Udp)
                    && !self.is_likely_server(tuple.dport, Transport::Udp)
            }
            _ => false,
        };
        let flip = flip && tuple.dst != Ip::v4([255; 4]);
        let timeout = match tuple.transport {
            Transport::Tcp | Transport::Udp => self.options.udp_inactivity_timeout,
            Transport::Icmp => self.options.icmp_inactivity_timeout,
            Transport::Unknown => self.options.unknown_ip_inactivity_timeout,
        };
        let reassembling = self.options.reassemble;
        let plain = p.encap.is_empty() && p.link.vlan.is_none() && p.link.inner_vlan.is_none() && tuple.vlans.is_none();
        let seldom = || {
            Box::new(Seldom {
                vlan: p.link.vlan,
                inner_vlan: p.link.inner_vlan,
                key_vlans: tuple.vlans,
                encap: (!p.encap.is_empty()).then(|| Rc::from(p.encap)),
                ..Seldom::default()
            })
        };
        let make = |id| Conn {
            id,
            orig: Endpoint {
                addr: tuple.src,
                port: tuple.sport,
                l2: p.link.src,
                ..Endpoint::default()
            },
            resp: Endpoint {
                addr: tuple.dst,
                port: tuple.dport,
                l2: p.link.dst,
                ..Endpoint::default()
            },
            transport: tuple.transport,
            ip_proto: tuple.ip_proto,
            start_time: p.ts,
            last_time: p.ts,
            inactivity_timeout: timeout,
            inactivity_due: 0.0,
            history: SmallVec::new(),
            limit_noted: false,
            weird_seen: false,
            skip: false,
            unrecorded: false,
            uid: None,
            timer_generation: 0,
            serial: 0,
            app_timers: 0,
            first_ack_told: false,
            finish_told: false,
            outcome_told: false,
            is_partial: false,
            reassembling,
            seen_packets: 0,
            flipped_once: false,
            mark: 0,
            thresholds: None,
            seldom: (!plain).then(seldom),
            ext: X::default(),
        };
        let mut c = self.insert(make, sink);
        if !self.options.generic_packet_thresholds.is_empty() {
            c.thresholds = Some(Box::new(Thresholds {
                generic_packets: self.options.generic_packet_thresholds.clone(),
                ..Thresholds::default()
            }));
        }
        c.orig.flow_label = p.ip.flow_label;
        c.orig.letters |= LABEL_KNOWN;
        if timeout > 0.0 {
            self.arm_inactivity(&mut c, p.ts + timeout);
        }
        if tuple.transport == Transport::Tcp {
            self.timers
                .add(p.ts + self.options.tcp_syn_timeout, c.id, 0, TimerKind::Expire);
        }
        if self.options.connection_status_update_interval > 0.0 {
            let due = p.ts + self.options.connection_status_update_interval;
            self.timers.add(due, c.id, 0, TimerKind::Status);
        }
        if flip {
            self.flip(&mut c, sink);
        }
        sink.on_new_connection(self, &mut c, p);
        Some((c, !flip))
    }

    /// Whether the first packet of a TCP connection is the responder's; nothing if it must not open one.
    fn flip_first_tcp(&self, tuple: &ConnTuple, tcp: &TcpFirst) -> Option<bool> {
        if tcp.is_syn() && !tcp.is_ack() {
            return Some(false);
        }
        if tcp.is_syn() {
            if !self.options.tcp_syn_ack_ok {
                return None;
            }
        } else if !self.options.partial_connection_ok {
            return None;
        }
        let src = self.is_likely_server(tuple.sport, Transport::Tcp);
        let dst = self.is_likely_server(tuple.dport, Transport::Tcp);
        Some(src && (!dst || (!tcp.is_syn() && tuple.sport < tuple.dport)))
    }

    /// What every packet of a connection raises before its protocol looks at it.
    pub(crate) fn common_events<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        is_orig: bool,
        p: &Packet<'_>,
        transport_header: usize,
        sink: &mut S,
    ) {
        if p.ip.version == 6 {
            let label = p.ip.flow_label;
            let e = c.end_mut(is_orig);
            let (old, known) = (e.flow_label, e.letters & LABEL_KNOWN != 0);
            e.flow_label = label;
            e.letters |= LABEL_KNOWN;
            if known && old != label {
                sink.on_flow_label_changed(self, c, is_orig, old, label);
            }
            if self.wants.ipv6_ext_headers && !p.ip.exts.is_empty() {
                sink.on_ipv6_ext_headers(self, c, p);
            }
        }
        if self.wants.new_packet {
            sink.on_new_packet(self, c, is_orig, p);
        }
        if self.wants.packet_contents {
            let data = p.ip.payload();
            if data.len() > transport_header {
                sink.on_packet_contents(self, c, &data[transport_header..]);
            }
        }
    }

    /// Counts a valid packet and compares with thresholds.
    pub(crate) fn count_packet<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        is_orig: bool,
        p: &Packet<'_>,
        sink: &mut S,
    ) {
        let e = c.end_mut(is_orig);
        e.pkts += 1;
        e.ip_bytes += p.ip.stated_len as u64;
        if c.thresholds.is_some() {
            self.check_thresholds(c, is_orig, sink);
        }
    }

    /// Tells about the first packet of a direction.
    pub(crate) fn first_packet<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        is_orig: bool,
        p: &Packet<'_>,
        sink: &mut S,
    ) {
        if self.wants.first_packet && !c.end(is_orig).once(letter::FIRST_TOLD) {
            c.end_mut(is_orig).letters |= letter::FIRST_TOLD;
            sink.on_first_packet(self, c, is_orig, p);
        }
    }

    /// Follows changes of the tunnels that a connection comes in.
    fn encapsulation<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, encap: &[EncapEntry], sink: &mut S) {
        let old = c.encap().unwrap_or(&[]);
        if old.len() == encap.len() && old.iter().zip(encap).all(|(a, b)| a.same(b)) {
            return;
        }
        let max = self.options.tunnel_max_changes_per_connection;
        let new: Option<Rc<[EncapEntry]>> = (!encap.is_empty()).then(|| Rc::from(encap));
        let seldom = c.seldom_mut();
        seldom.tunnel_changes += 1;
        if max > 0 && seldom.tunnel_changes > max {
            // The counter must not wrap.
            seldom.tunnel_changes = max + 1;
            let addl = max.to_string();
            self.conn_weird(c, "tunnel_max_changes_per_connection_exceeded", &addl, "", sink);
            c.note_limit();
            c.seldom_mut().encap = new;
            return;
        }
        seldom.encap = new;
        sink.on_tunnel_changed(self, c);
    }
}

/// The flow label of this side is known.
pub(crate) const LABEL_KNOWN: u16 = 0x8000;

/// Reads an IP packet only to show its headers.
pub(crate) fn peek_ip<'a>(data: &'a [u8], options: IpOptions) -> Option<IpPacket<'a>> {
    let mut unheard = tapir_packet::Weirds::default();
    ip::decode(data, usize::MAX, options, &mut unheard)
}
