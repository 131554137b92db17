//! Packets within packets: IP in IP, GRE, and the tunnels over UDP.

use std::rc::Rc;

use smallvec::SmallVec;
use tapir_packet::Ip;
use tapir_packet::bytes::be16;
use tapir_packet::ip::proto;
use tapir_packet::link::{self, Layer};
use tapir_packet::tunnel::{self, GeneveError, UdpTunnel};

use crate::conn::{Conn, EncapEntry, Transport, TunnelKind};
use crate::packet::{Context, peek_ip};
use crate::sink::{FlowSink, Packet};
use crate::table::FlowTable;
use crate::uid::Uid;

/// A tunnel between two addresses.
pub(crate) struct IpTunnel {
    uid: Uid,
    src: Ip,
    dst: Ip,
    last: f64,
}

type Stack = SmallVec<[EncapEntry; 2]>;

fn stacked(outer: &[EncapEntry], entry: EncapEntry) -> Stack {
    let mut s = Stack::from_slice_copy(outer);
    s.push(entry);
    s
}

trait FromCopy {
    fn from_slice_copy(s: &[EncapEntry]) -> Self;
}

impl FromCopy for Stack {
    fn from_slice_copy(s: &[EncapEntry]) -> Self {
        s.iter().copied().collect()
    }
}

impl<X: Default> FlowTable<X> {
    /// Whether one more encapsulation is allowed; raises the weird if not.
    fn depth_ok<S: FlowSink<X>>(&mut self, p: &Packet<'_>, source: &str, sink: &mut S) -> bool {
        if p.encap.len() >= self.options.tunnel_max_depth {
            self.flow_weird(p, "exceeded_tunnel_max_depth", "", source, sink);
            return false;
        }
        true
    }

    /// The tunnel between the packet's addresses, in whichever direction it was first seen.
    fn ip_tunnel_entry(&mut self, p: &Packet<'_>, kind: TunnelKind) -> EncapEntry {
        let (src, dst) = (p.ip.src, p.ip.dst);
        let pair = if src < dst { (src, dst) } else { (dst, src) };
        let now = self.now;
        let timeout = self.options.tunnel_ip_tunnel_timeout;
        if self.ip_tunnels.len() >= self.options.max_ip_tunnels && !self.ip_tunnels.contains_key(&pair) {
            // Expired ones first; if that does not help, start anew.
            self.ip_tunnels.retain(|_, t| now - t.last < timeout);
            if self.ip_tunnels.len() >= self.options.max_ip_tunnels {
                self.ip_tunnels.clear();
            }
        }
        let uids = &mut self.uids;
        let t = self.ip_tunnels.entry(pair).or_insert_with(|| IpTunnel {
            uid: uids.next_uid(b'C'),
            src,
            dst,
            last: now,
        });
        if timeout > 0.0 && now - t.last >= timeout {
            *t = IpTunnel {
                uid: uids.next_uid(b'C'),
                src,
                dst,
                last: now,
            };
        }
        t.last = now;
        EncapEntry {
            src: t.src,
            dst: t.dst,
            sport: 0,
            dport: 0,
            transport: Transport::Unknown,
            ip_proto: p.ip.proto,
            kind,
            uid: t.uid,
        }
    }

    pub(crate) fn ip_tunnel_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) -> bool {
        if !self.depth_ok(p, "IPTUNNEL", sink) {
            return false;
        }
        if !self.enter(Layer::IpTunnel, p.encap, sink) {
            return false;
        }
        let version = if p.ip.proto == proto::IPIP { 4 } else { 6 };
        self.inner_ip(p, p.ip.payload(), p.ip.payload_len(), version, TunnelKind::Ip, sink)
    }

    /// An IP packet of a given version that fills the payload exactly.
    fn inner_ip<S: FlowSink<X>>(
        &mut self,
        p: &Packet<'_>,
        data: &[u8],
        wire: usize,
        version: u8,
        kind: TunnelKind,
        sink: &mut S,
    ) -> bool {
        match check_inner_ip(data, wire, version) {
            Err(name) => {
                self.flow_weird(p, name, "", "IPTUNNEL", sink);
                false
            }
            Ok(()) => {
                if !self.enter(Layer::Ip, p.encap, sink) {
                    return false;
                }
                let encap = stacked(p.encap, self.ip_tunnel_entry(p, kind));
                self.ip_in(
                    data,
                    wire,
                    Context {
                        ts: p.ts,
                        link: p.link,
                        encap: &encap,
                        in_teredo: false,
                    },
                    sink,
                )
            }
        }
    }

    pub(crate) fn gre_in<S: FlowSink<X>>(&mut self, p: &Packet<'_>, sink: &mut S) -> bool {
        if !self.depth_ok(p, "GRE", sink) || !self.enter(Layer::Gre, p.encap, sink) {
            return false;
        }
        let data = p.ip.payload();
        let gre = match tunnel::gre(data) {
            Ok(g) => g,
            Err((name, addl)) => {
                self.flow_weird(p, name, &addl, "GRE", sink);
                return false;
            }
        };
        let wire = p.ip.payload_len().saturating_sub(gre.skipped);
        if gre.version == 1 {
            let version = gre.data.first().map_or(0, |b| b >> 4);
            let version = if version == 6 { 6 } else { 4 };
            return self.inner_ip(p, gre.data, wire, version, TunnelKind::Gre, sink);
        }
        let encap = stacked(p.encap, self.ip_tunnel_entry(p, TunnelKind::Gre));
        self.gre_inner(p, &gre, wire, &encap, sink)
    }

    fn gre_inner<S: FlowSink<X>>(
        &mut self,
        p: &Packet<'_>,
        gre: &tunnel::Gre<'_>,
        wire: usize,
        encap: &[EncapEntry],
        sink: &mut S,
    ) -> bool {
        if gre.inner == Layer::Ip {
            if !self.enter(Layer::Ip, p.encap, sink) {
                return false;
            }
            return self.ip_in(
                gre.data,
                wire,
                Context {
                    ts: p.ts,
                    link: p.link,
                    encap,
                    in_teredo: false,
                },
                sink,
            );
        }
        let link_type = if gre.inner == Layer::Ethernet { 1 } else { 105 };
        self.link_in(gre.inner, gre.data, wire, link_type, p.ts, encap, sink)
    }

    /// What is registered for datagrams to a port.
    pub(crate) fn udp_layer_of_port(&self, port: u16) -> Option<Layer> {
        let table = &self.options.dispatch;
        table
            .by_id(Layer::Udp, u32::from(port))
            .filter(|layer| table.is_enabled(*layer))
    }

    /// Who takes a datagram: by port, or else by its content.
    fn udp_child(&self, port: u16, payload: &[u8]) -> Option<Layer> {
        let table = &self.options.dispatch;
        self.udp_layer_of_port(port).or_else(|| {
            let is_its = |l: &Layer| match l {
                Layer::Ayiya => tunnel::detect_ayiya(payload),
                Layer::Teredo => tunnel::detect_teredo(payload),
                _ => false,
            };
            let mut all = table.detecting(Layer::Udp).iter().copied();
            all.find(|l| table.is_enabled(*l) && is_its(l))
        })
    }

    /// Looks for a tunnel in a datagram. The connection comes back unless inner packets made it go.
    pub(crate) fn udp_tunnel<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        is_orig: bool,
        payload: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        let Some(layer) = self.udp_child(c.resp.port, payload) else {
            return Some(c);
        };
        if !self.enter(Layer::Udp, p.encap, sink) {
            c.note_limit();
            return Some(c);
        }
        let Some(kind) = UdpTunnel::of_layer(layer) else {
            // Scripts put another layer there: what it carries has no encapsulation of its own.
            let wire = wire_len(p, payload, payload);
            let link_type = p.link.link_type;
            return self.inner(
                c,
                |t, sink| t.link_in(layer, payload, wire, link_type, p.ts, p.encap, sink),
                sink,
            );
        };
        if c.tunnel_violated(kind) && kind != UdpTunnel::Gtpv1 {
            return Some(c);
        }
        if p.encap.len() >= self.options.tunnel_max_depth {
            let source = kind.layer().name();
            if kind == UdpTunnel::Gtpv1 {
                sink.on_net_weird(self, "tunnel_depth", "", source);
            } else {
                self.flow_weird(p, "exceeded_tunnel_max_depth", "", source, sink);
            }
            c.note_limit();
            return Some(c);
        }
        if !self.enter(layer, p.encap, sink) {
            c.note_limit();
            return Some(c);
        }
        match kind {
            UdpTunnel::Vxlan => self.vxlan_in(c, payload, p, sink),
            UdpTunnel::Geneve => self.geneve_in(c, payload, p, sink),
            UdpTunnel::Ayiya => self.ayiya_in(c, payload, p, sink),
            UdpTunnel::Teredo => self.teredo_in(c, is_orig, payload, p, sink),
            UdpTunnel::Gtpv1 => self.gtp_in(c, is_orig, payload, p, sink),
            UdpTunnel::Gre => match tunnel::gre(payload) {
                Ok(gre) => {
                    let encap = stacked(p.encap, self.ip_tunnel_entry(p, TunnelKind::Gre));
                    shared_stack(&mut c, p, &encap);
                    let wire = wire_len(p, payload, gre.data);
                    self.inner(c, |t, sink| t.gre_inner(p, &gre, wire, &encap, sink), sink)
                }
                Err((name, addl)) => {
                    self.flow_weird(p, name, &addl, "GRE", sink);
                    Some(c)
                }
            },
        }
    }

    /// The stack of packets within a tunnel over UDP.
    fn udp_stack(&mut self, c: &mut Conn<X>, p: &Packet<'_>, kind: TunnelKind) -> Stack {
        let encap = stacked(p.encap, self.udp_entry(c, kind));
        shared_stack(c, p, &encap);
        encap
    }

    fn udp_entry(&mut self, c: &mut Conn<X>, kind: TunnelKind) -> EncapEntry {
        EncapEntry {
            src: c.orig.addr,
            dst: c.resp.addr,
            sport: c.orig.port,
            dport: c.resp.port,
            transport: Transport::Udp,
            ip_proto: proto::UDP,
            kind,
            uid: self.uid(c),
        }
    }

    /// Works on an inner packet while the outer connection is in the table, then takes it out again.
    fn inner<S: FlowSink<X>>(
        &mut self,
        c: Box<Conn<X>>,
        work: impl FnOnce(&mut Self, &mut S) -> bool,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        let id = c.id;
        self.put(c);
        work(self, sink);
        self.take(id)
    }

    fn violation<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, kind: UdpTunnel, reason: &str, data: &[u8], sink: &mut S) {
        let bit = 1 << (kind as u8);
        let marks = &mut c.seldom_mut().tunnel_violated;
        if *marks & bit == 0 {
            *marks |= bit;
            sink.on_tunnel_violation(self, c, kind.layer(), reason, data);
        }
    }

    fn new_state<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, kind: UdpTunnel, sink: &mut S) {
        let bit = 1 << (kind as u8);
        let marks = &mut c.seldom_mut().tunnel_state;
        if *marks & bit == 0 {
            *marks |= bit;
            sink.on_tunnel_state(self, c, kind.layer());
        }
    }

    fn confirmation<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, kind: UdpTunnel, sink: &mut S) {
        let bit = 1 << (kind as u8);
        let marks = &mut c.seldom_mut().tunnel_confirmed;
        if *marks & bit == 0 {
            *marks |= bit;
            sink.on_tunnel_confirmed(self, c, kind.layer());
        }
    }

    fn vxlan_in<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        payload: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        let v = match tunnel::vxlan(payload) {
            Ok(v) => v,
            Err(reason) => {
                self.violation(&mut c, UdpTunnel::Vxlan, reason, payload, sink);
                return Some(c);
            }
        };
        self.confirmation(&mut c, UdpTunnel::Vxlan, sink);
        if v.inner.is_empty() {
            self.flow_weird(p, "vxlan_empty_packet", "", "VXLAN", sink);
            return Some(c);
        }
        let encap = self.udp_stack(&mut c, p, TunnelKind::Vxlan);
        let mut c = self.inner(
            c,
            |t, sink| {
                t.link_in(
                    Layer::Ethernet,
                    v.inner,
                    wire_len(p, payload, v.inner),
                    1,
                    p.ts,
                    &encap,
                    sink,
                )
            },
            sink,
        )?;
        if let Some(inner) = self.peek_ethernet(v.inner) {
            sink.on_vxlan(self, &mut c, &inner, v.vni);
        }
        Some(c)
    }

    /// The IP packet within an Ethernet frame, if there is a sound one.
    fn peek_ethernet<'a>(&self, frame: &'a [u8]) -> Option<tapir_packet::IpPacket<'a>> {
        let mut info = tapir_packet::LinkInfo::default();
        let mut stack = tapir_packet::LayerStack::new(self.options.max_analyzer_depth);
        let mut unheard = tapir_packet::Weirds::default();
        let table = &self.options.dispatch;
        match link::decode_with(
            table,
            Layer::Ethernet,
            frame,
            frame.len(),
            &mut info,
            &mut stack,
            &mut unheard,
        ) {
            link::Link::Ip { data, .. } => peek_ip(data, self.ip_options()),
            _ => None,
        }
    }

    fn geneve_in<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        payload: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        let g = match tunnel::geneve(payload) {
            Ok(g) => g,
            Err(GeneveError::Violation(reason)) => {
                self.violation(&mut c, UdpTunnel::Geneve, reason, payload, sink);
                return Some(c);
            }
            Err(GeneveError::BadVersion(version)) => {
                self.flow_weird(p, "geneve_invalid_version", &version.to_string(), "GENEVE", sink);
                return Some(c);
            }
        };
        self.confirmation(&mut c, UdpTunnel::Geneve, sink);
        self.notes.geneve_options.push(g.options.to_vec());
        if g.inner.is_empty() {
            self.flow_weird(p, "geneve_empty_packet", "", "GENEVE", sink);
            return Some(c);
        }
        let encap = self.udp_stack(&mut c, p, TunnelKind::Geneve);
        let id = u32::from(g.proto);
        let Some(layer) = self.options.dispatch.child(Layer::Geneve, id) else {
            self.unknown(Layer::Geneve, id, g.inner, sink);
            return Some(c);
        };
        if !self.options.dispatch.is_enabled(layer) {
            return Some(c);
        }
        let link_type = if layer == Layer::Ethernet { 1 } else { 101 };
        let mut c = self.inner(
            c,
            |t, sink| {
                t.link_in(
                    layer,
                    g.inner,
                    wire_len(p, payload, g.inner),
                    link_type,
                    p.ts,
                    &encap,
                    sink,
                )
            },
            sink,
        )?;
        let inner = if layer == Layer::Ethernet {
            self.peek_ethernet(g.inner)
        } else {
            peek_ip(g.inner, self.ip_options())
        };
        if let Some(inner) = inner {
            sink.on_geneve(self, &mut c, &inner, g.vni, g.options);
        }
        Some(c)
    }

    fn ayiya_in<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        payload: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        match tunnel::ayiya(payload) {
            Ok(None) => Some(c),
            Ok(Some((_, []))) => {
                self.flow_weird(p, "ayiya_empty_packet", "", "AYIYA", sink);
                Some(c)
            }
            Ok(Some((next, inner))) => {
                let version = if next == proto::IPIP { 4 } else { 6 };
                if inner[0] >> 4 != version {
                    self.violation(&mut c, UdpTunnel::Ayiya, "AYIYA payload protocol", payload, sink);
                    return Some(c);
                }
                if !self.enter(Layer::Ip, p.encap, sink) {
                    c.note_limit();
                    return Some(c);
                }
                let encap = self.udp_stack(&mut c, p, TunnelKind::Ayiya);
                let cx = Context {
                    ts: p.ts,
                    link: p.link,
                    encap: &encap,
                    in_teredo: false,
                };
                self.confirmation(&mut c, UdpTunnel::Ayiya, sink);
                self.inner(c, |t, sink| t.ip_in(inner, wire_len(p, payload, inner), cx, sink), sink)
            }
            Err(reason) => {
                self.violation(&mut c, UdpTunnel::Ayiya, reason, payload, sink);
                Some(c)
            }
        }
    }

    fn teredo_in<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        is_orig: bool,
        payload: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        const KIND: UdpTunnel = UdpTunnel::Teredo;
        let header = match tunnel::teredo(payload) {
            Ok(h) => h,
            Err(weird) => {
                if c.tunnel_confirmed(KIND) && !weird.is_empty() {
                    self.conn_weird(&mut c, weird, "", "TEREDO", sink);
                }
                self.violation(&mut c, KIND, "Bad Teredo encapsulation", payload, sink);
                return Some(c);
            }
        };
        let inner = header.inner;
        let total = 40 + usize::from(be16(inner, 4).unwrap_or(0));
        if inner.len() < total {
            self.violation(&mut c, KIND, "Teredo payload length", payload, sink);
            return Some(c);
        }
        if inner.len() > total {
            // Only a packet without content may be followed by something.
            if total == 40 && inner[6] == proto::NONE {
                self.conn_weird(&mut c, "Teredo_bubble_with_payload", "", "TEREDO", sink);
            } else {
                self.violation(&mut c, KIND, "Teredo payload length", payload, sink);
                return Some(c);
            }
        }
        self.new_state(&mut c, KIND, sink);
        let seen = &mut c.seldom_mut().teredo_seen;
        *seen |= if is_orig { 1 } else { 2 };
        if *seen == 3 || !self.options.tunnel_delay_teredo_confirmation {
            self.confirmation(&mut c, KIND, sink);
        }
        if let Some(ip) = peek_ip(inner, self.ip_options()) {
            sink.on_teredo(self, &mut c, &header, &ip);
        }
        self.carried(c, TunnelKind::Teredo, payload, inner, p, sink)
    }

    fn gtp_in<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        is_orig: bool,
        payload: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        const KIND: UdpTunnel = UdpTunnel::Gtpv1;
        self.new_state(&mut c, KIND, sink);
        if p.encap.iter().any(|e| e.kind == TunnelKind::Gtpv1) {
            self.violation(&mut c, KIND, "GTP-in-GTP", &[], sink);
            return Some(c);
        }
        let g = match tunnel::gtp(payload) {
            Ok(g) => g,
            Err("") => return Some(c),
            Err(reason) => {
                self.violation(&mut c, KIND, reason, &[], sink);
                return Some(c);
            }
        };
        sink.on_gtp(self, &mut c, is_orig, &g);
        if g.msg_type != 255 {
            return Some(c);
        }
        let inner = g.body;
        let total = match inner.first().map(|b| b >> 4) {
            None => {
                self.violation(&mut c, KIND, "Truncated GTPv1", &[], sink);
                return Some(c);
            }
            Some(4) => be16(inner, 2).map(usize::from),
            Some(6) => be16(inner, 4).map(|n| 40 + usize::from(n)),
            Some(_) => {
                self.violation(&mut c, KIND, "non-IP packet in GTPv1", &[], sink);
                return Some(c);
            }
        };
        let min = if inner[0] >> 4 == 4 { 20 } else { 40 };
        if inner.len() < min || total.is_some_and(|t| t > inner.len()) {
            self.violation(&mut c, KIND, "Truncated GTPv1", &[], sink);
            return Some(c);
        }
        if total != Some(inner.len()) {
            self.violation(&mut c, KIND, "GTPv1 payload length", &[], sink);
            return Some(c);
        }
        let Some(ip) = peek_ip(inner, self.ip_options()) else {
            self.violation(&mut c, KIND, "Truncated GTPv1", &[], sink);
            return Some(c);
        };
        if !c.tunnel_violated(KIND) {
            self.confirmation(&mut c, KIND, sink);
        }
        sink.on_gtp_packet(self, &mut c, &g, &ip);
        self.carried(c, TunnelKind::Gtpv1, payload, inner, p, sink)
    }

    /// Goes on with the packet that a tunnel over UDP carries.
    fn carried<S: FlowSink<X>>(
        &mut self,
        mut c: Box<Conn<X>>,
        kind: TunnelKind,
        payload: &[u8],
        inner: &[u8],
        p: &Packet<'_>,
        sink: &mut S,
    ) -> Option<Box<Conn<X>>> {
        if !self.enter(Layer::Ip, p.encap, sink) {
            c.note_limit();
            return Some(c);
        }
        let encap = self.udp_stack(&mut c, p, kind);
        let cx = Context {
            ts: p.ts,
            link: p.link,
            encap: &encap,
            in_teredo: kind == TunnelKind::Teredo,
        };
        self.inner(c, |t, sink| t.ip_in(inner, wire_len(p, payload, inner), cx, sink), sink)
    }
}

/// Where a tunnel runs within a tunnel, its connection counts as coming in what it carries: the next packet then
/// reports a change back, as the reference does.
fn shared_stack<X>(c: &mut Conn<X>, p: &Packet<'_>, encap: &[EncapEntry]) {
    if !p.encap.is_empty() {
        c.seldom_mut().encap = Some(Rc::from(encap));
    }
}

/// How much of what starts at `inner` was on the wire, when `payload` is what was captured of the datagram.
fn wire_len(p: &Packet<'_>, payload: &[u8], inner: &[u8]) -> usize {
    p.ip.payload_len().saturating_sub(8 + payload.len() - inner.len())
}

/// Whether an inner packet has the version and exactly the length that its tunnel gives it.
fn check_inner_ip(data: &[u8], wire: usize, version: u8) -> Result<(), &'static str> {
    let min = if version == 4 { 20 } else { 40 };
    if data.len() < min {
        return Err("truncated_inner_IP");
    }
    if data[0] >> 4 != version {
        return Err("invalid_inner_IP_version");
    }
    let total = if version == 4 {
        usize::from(be16(data, 2).unwrap_or(0))
    } else {
        40 + usize::from(be16(data, 4).unwrap_or(0))
    };
    match total.cmp(&wire) {
        std::cmp::Ordering::Greater => Err("truncated_inner_IP"),
        std::cmp::Ordering::Less => Err("inner_IP_payload_length_mismatch"),
        std::cmp::Ordering::Equal => Ok(()),
    }
}
