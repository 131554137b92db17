//! From flows to events and analyzers: implements what the flow layer calls.
//!
//! While a packet is processed the event queue and the state of analyzers are out of the machine and of the host, so
//! that handlers run in the middle of a packet (file analysis) find no half-changed connection.

mod headers;
mod icmp;
mod packets;
mod tcp;
mod tunnels;

pub use headers::{link_encap, raw_pkt_hdr};

use std::cell::RefCell;
use std::collections::HashMap;

use tapir_analyzers::core::{Begun, PatKind, Shared, pia};
use tapir_data::value::{Str, Value};
use tapir_flow::sink::{AppTimer, flag_letters};
use tapir_flow::{
    Conn, FlowSink, FlowTable, IcmpPacket, Ip, IpPacket, MultipleKind, Packet, RawPacket, SynPacket, TcpPacket,
    Transport, TunnelKind,
};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_interface::{enums, events, records, slots};
use tapir_packet::arp::ArpPacket;
use tapir_packet::link::Layer;
use tapir_packet::tunnel::{Gtp, Teredo};

use crate::contents::Contents;
use crate::lazy::{self, Fresh, Judgement};
use crate::net::{self, AppState, ConnExt, addr};
use crate::weirds::{self, Sampler};

/// Application timers by tag.
const TIMER_DNS: u8 = 1;
const TIMER_NETBIOS: u8 = 2;
const TIMER_UNANALYZED: u8 = 3;

/// Receives flow events for one packet or timer step.
pub struct Sink<'a> {
    pub q: &'a mut EventQueue,
    pub shared: &'a mut Shared,
    pub sampler: &'a RefCell<Sampler>,
    pub contents: &'a Contents,
    /// Enumerators of packet layers by name.
    pub packet_tags: &'a HashMap<String, Value>,
    /// Dynamic packet filters.
    pub drops: Vec<crate::node::DropEntry>,
    pub drops_by_default: bool,
    /// Asked by the `connection_timing_out` hook; `None` when the hook has no bodies.
    pub timing_out: Option<&'a mut dyn FnMut(&mut EventQueue, Value) -> bool>,
    /// What can go without a record.
    pub lazy: Judgement,
    /// Whether the handlers of an event about a connection without a record would do nothing.
    pub passes: &'a mut dyn FnMut(EventId, &C) -> bool,
    /// Connections that began without one.
    pub fresh: &'a mut Fresh,
    /// Runs a `discarder_check_*` function; `None` when there is none.
    pub discarders: Option<&'a mut dyn FnMut(&mut EventQueue, Discarder, Value, &[u8]) -> bool>,
    /// Where packets go that nothing takes.
    pub unprocessed: &'a mut Option<crate::dump::Dumper>,
}

/// Which `discarder_check_*` function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarder {
    Ip,
    Tcp,
    Udp,
    Icmp,
}

type Table = FlowTable<ConnExt>;
type C = Conn<ConnExt>;

impl Sink<'_> {
    /// The script's `connection` record, made on first use and brought up to date.
    fn value(&mut self, t: &mut Table, c: &mut C) -> Value {
        let uid = t.uid(c);
        let encap = match &c.ext.app {
            Some(app) if app.info.value.is_some() => None,
            _ => tunnel_value(self.q, c),
        };
        let app = net::attach(c, self.shared);
        if app.info.uid.is_empty() {
            app.info.uid = uid.as_str().into();
        }
        if let Some(encap) = encap {
            app.info.tunnel = Some(Box::new(encap));
        }
        app.info.value_now(self.q, self.shared)
    }

    /// Raises an event whose only argument is the connection.
    fn raise(&mut self, t: &mut Table, c: &mut C, id: EventId) {
        if self.q.wants(id) && !self.passes(c, id) {
            let v = self.value(t, c);
            self.q.push(id, vec![v]);
        }
    }

    /// Whether an event can go without being queued: nothing is to happen before it, nor because of it.
    fn passes(&mut self, c: &mut C, id: EventId) -> bool {
        let has_record = c.ext.app.as_ref().is_some_and(|app| app.info.value.is_some());
        !has_record && self.q.is_empty() && (self.passes)(id, c)
    }

    /// Writes to the contents file of one direction, if there is one.
    fn write_contents(&mut self, t: &mut Table, c: &mut C, is_orig: bool, data: &[u8], what: &str) {
        let Some(app) = &c.ext.app else { return };
        let Some(file) = app.rare().and_then(|r| r.contents[usize::from(!is_orig)].as_ref()) else {
            return;
        };
        if !packets::write_contents(file, data) {
            self.raise_with(t, c, events::CONTENTS_FILE_WRITE_FAILURE, |_| {
                let msg = format!("TCP reassembler {what} write failure");
                vec![Value::Bool(is_orig), text(&msg)]
            });
        }
    }

    fn raise_with(&mut self, t: &mut Table, c: &mut C, id: EventId, more: impl FnOnce(&EventQueue) -> Vec<Value>) {
        if self.q.wants(id) {
            let mut args = vec![self.value(t, c)];
            args.extend(more(self.q));
            self.q.push(id, args);
        }
    }

    /// Runs something on the analyzers of a connection and carries out what they ask for.
    fn analyzers(&mut self, t: &mut Table, c: &mut C, run: impl FnOnce(&mut EventQueue, &mut AppState, &mut Shared)) {
        net::sync(c);
        let Some(mut app) = c.ext.app.take() else { return };
        run(self.q, &mut app, self.shared);
        c.ext.app = Some(app);
        for (name, addl, source) in std::mem::take(&mut self.shared.net_weirds) {
            weirds::raise_net(&mut self.sampler.borrow_mut(), self.q, name, &addl, source);
        }
        self.asks(t, c);
    }

    /// The same for data, which every connection has a detector for.
    fn data(&mut self, t: &mut Table, c: &mut C, run: impl FnOnce(&mut EventQueue, &mut AppState, &mut Shared)) {
        if c.ext.app.is_none() && self.shared.detects && matches!(c.transport, Transport::Tcp | Transport::Udp) {
            net::attach(c, self.shared);
        }
        self.analyzers(t, c, run);
    }

    /// Raises `new_connection`, or notes that there is nothing that it would do by now.
    fn begin(&mut self, t: &mut Table, c: &mut C) {
        let has_record = c.ext.app.as_ref().is_some_and(|app| app.info.value.is_some());
        if self.lazy.begin.is_none() || has_record || c.encap().is_some() || !self.q.wants(events::NEW_CONNECTION) {
            self.raise(t, c, events::NEW_CONNECTION);
            return;
        }
        c.mark = net::FRESH;
        if let Some(app) = &mut c.ext.app {
            app.info.begun = Begun::Fresh;
        }
        self.fresh.ids.push(c.id);
    }

    /// Raises `connection_state_remove`; the record is left to be made when the event is handled, if it can be.
    fn end(&mut self, t: &mut Table, c: &mut C) {
        if !self.lazy.end || !self.q.wants(events::CONNECTION_STATE_REMOVE) {
            self.raise(t, c, events::CONNECTION_STATE_REMOVE);
            return;
        }
        let begun = c.ext.app.as_ref().map(|app| (app.info.value.is_some(), app.info.begun));
        let (has_record, is_fresh) = match begun {
            Some((has, begun)) => (has, begun == Begun::Fresh),
            None => (false, c.mark == net::FRESH),
        };
        if has_record || is_fresh {
            self.raise(t, c, events::CONNECTION_STATE_REMOVE);
            return;
        }
        t.uid(c);
        let mut info = net::info(c);
        info.tunnel = tunnel_value(self.q, c).map(Box::new);
        self.q
            .push(events::CONNECTION_STATE_REMOVE, vec![lazy::Ended::wrap(c.id, info)]);
    }

    /// Whether anything knows the application of a connection.
    fn is_analyzed(&self, c: &C) -> bool {
        c.ext
            .app
            .as_ref()
            .is_some_and(|app| app.tree.has_analyzers(self.shared))
    }

    /// Raises `conn_stats`.
    fn segment_stats(&mut self, t: &mut Table, c: &mut C) {
        if c.transport != Transport::Tcp || !self.q.wants(events::CONN_STATS) {
            return;
        }
        let (orig, resp) = (endpoint_stats(&c.orig), endpoint_stats(&c.resp));
        self.raise_with(t, c, events::CONN_STATS, |q| {
            vec![orig.build(q.bindings()), resp.build(q.bindings())]
        });
    }

    fn asks(&mut self, t: &mut Table, c: &mut C) {
        let asks = net::take_asks(c);
        if asks.history_x {
            c.note_limit();
        }
        if asks.flip {
            t.flip(c, self);
        }
        if asks.dns_session {
            let at = t.now() + self.shared.opts.dns_session_timeout;
            t.schedule_app_timer(c, at, TIMER_DNS);
        }
        if asks.netbios_session {
            let at = t.now() + self.shared.opts.netbios_ssn_session_timeout;
            t.schedule_app_timer(c, at, TIMER_NETBIOS);
        }
    }
}

/// The `tunnel` field of a connection that came in tunnels.
fn tunnel_value(q: &EventQueue, c: &C) -> Option<Value> {
    let encap = c.encap()?;
    let b = q.bindings();
    let items = encap
        .iter()
        .map(|e| {
            let port = |num: u16| tapir_data::value::Port {
                proto: proto(e.transport),
                num,
            };
            let cid = records::ConnId {
                orig_h: addr(e.src),
                orig_p: port(e.sport),
                resp_h: addr(e.dst),
                resp_p: port(e.dport),
                proto: Some(e.ip_proto.into()),
                ctx: records::ConnIdCtx {}.build(b),
            };
            let kind = tunnel_kind(e.kind);
            records::TunnelEncapsulatingConn {
                cid: cid.build(b),
                tunnel_type: kind,
                uid: Some(Str::from(e.uid.as_bytes())),
            }
            .build(b)
        })
        .collect();
    Some(b.vector(tapir_interface::types::ENCAPSULATINGCONNVECTOR, items))
}

/// What was counted of an endpoint's segments. The order of bytes of an endpoint is never told: sequence numbers, from which
/// it could be guessed, are random today.
fn endpoint_stats(e: &tapir_flow::Endpoint) -> records::EndpointStats {
    let s = e.segments();
    records::EndpointStats {
        num_pkts: e.pkts,
        num_rxmit: s.retransmitted.into(),
        num_rxmit_bytes: s.retransmitted_bytes,
        num_in_order: s.in_order.into(),
        num_OO: s.out_of_order.into(),
        num_repl: s.replicated.into(),
        endian_type: 0,
    }
}

/// The script's idea of a transport.
pub(crate) fn proto(t: Transport) -> tapir_data::value::Proto {
    use tapir_data::value::Proto;
    match t {
        Transport::Tcp => Proto::Tcp,
        Transport::Udp => Proto::Udp,
        Transport::Icmp => Proto::Icmp,
        Transport::Unknown => Proto::Unknown,
    }
}

fn tunnel_kind(k: TunnelKind) -> i64 {
    use enums::tunnel_type as e;
    match k {
        TunnelKind::None => e::NONE,
        TunnelKind::Ip => e::IP,
        TunnelKind::Ayiya => e::AYIYA,
        TunnelKind::Teredo => e::TEREDO,
        TunnelKind::Socks => e::SOCKS,
        TunnelKind::Gtpv1 => e::GTPV1,
        TunnelKind::Http => e::HTTP,
        TunnelKind::Gre => e::GRE,
        TunnelKind::Vxlan => e::VXLAN,
        TunnelKind::Geneve => e::GENEVE,
    }
}

fn bytes(s: &[u8]) -> Value {
    Value::Str(s.into())
}

fn text(s: &str) -> Value {
    bytes(s.as_bytes())
}

impl FlowSink<ConnExt> for Sink<'_> {
    fn on_net_weird(&mut self, _: &mut Table, name: &str, addl: &str, source: &str) {
        weirds::raise_net(&mut self.sampler.borrow_mut(), self.q, name, addl, source);
    }

    fn on_flow_weird(&mut self, _: &mut Table, name: &str, src: Ip, dst: Ip, addl: &str, source: &str) {
        weirds::raise_flow(
            &mut self.sampler.borrow_mut(),
            self.q,
            name,
            (addr(src), addr(dst)),
            addl,
            source,
        );
    }

    fn on_conn_weird(&mut self, t: &mut Table, c: &mut C, name: &str, addl: &str, source: &str) {
        let now = self.q.now();
        let app = net::attach(c, self.shared);
        if !self
            .sampler
            .borrow_mut()
            .scoped(name.as_bytes(), &mut app.rare_mut().weirds, now)
        {
            return;
        }
        self.raise_conn_weird(t, c, name, addl, source);
    }

    fn on_raw_packet(&mut self, _: &mut Table, raw: &RawPacket<'_>) {
        packets::raw_packet(self.q, raw);
    }

    fn on_packet_not_processed(&mut self, _: &mut Table, raw: &RawPacket<'_>) {
        packets::not_processed(self.q, raw);
        let Some(file) = self.unprocessed.as_mut() else { return };
        if let Err(e) = file.write(raw) {
            // Said once: the file is not tried again.
            eprintln!("warning: {e}");
            *self.unprocessed = None;
        }
    }

    fn drop_packet(&mut self, _: &mut Table, ip: &IpPacket<'_>) -> bool {
        packets::dropped(&self.drops, self.drops_by_default, ip)
    }

    fn discard(&mut self, _: &mut Table, ip: &IpPacket<'_>) -> bool {
        let Some(ask) = &mut self.discarders else {
            return false;
        };
        packets::discarded(self.q, ip, *ask)
    }

    fn on_unknown_protocol(&mut self, _: &mut Table, layer: Layer, id: u32, data: &[u8], layers: &[Layer]) {
        packets::unknown_protocol(self.q, layer, id, data, layers);
    }

    fn on_arp(&mut self, _: &mut Table, arp: &ArpPacket) {
        packets::arp(self.q, arp);
    }

    fn on_bad_arp(&mut self, _: &mut Table, arp: &ArpPacket, explanation: &str) {
        packets::bad_arp(self.q, arp, explanation);
    }

    fn on_esp(&mut self, _: &mut Table, ip: &IpPacket<'_>) {
        self.header_weirds(events::ESP_PACKET, ip);
        packets::esp(self.q, ip);
    }

    fn on_mobile_ipv6(&mut self, _: &mut Table, ip: &IpPacket<'_>) {
        self.header_weirds(events::MOBILE_IPV6_MESSAGE, ip);
        packets::mobile_ipv6(self.q, ip);
    }

    fn on_flipped(&mut self, t: &mut Table, c: &mut C) {
        net::wake(c, self.shared);
        if let Some(mut app) = c.ext.app.take() {
            // An analyzer that asked for it has turned the identity already, for its own events.
            if (app.info.orig_h, app.info.orig_p) != (addr(c.orig.addr), c.orig.port) {
                app.info.flip();
            }
            app.tree.flip(self.q, &mut app.info, self.shared);
            if app.rare().is_some() {
                app.rare_mut().contents.swap(0, 1);
            }
            c.ext.app = Some(app);
        }
        self.raise(t, c, events::CONNECTION_FLIPPED);
        self.attach_scheduled(t, c);
    }

    fn on_new_connection(&mut self, t: &mut Table, c: &mut C, _: &Packet<'_>) {
        t.uid(c);
        let ends = (addr(c.orig.addr), addr(c.resp.addr));
        let transport = net::app_transport(c.transport);
        let applied = if self.shared.attaches_nothing() {
            Vec::new()
        } else if self.shared.attaches(ends.0, ends.1, c.resp.port, transport) {
            let app = net::attach(c, self.shared);
            pia::attach(&mut app.tree, &app.info, self.shared)
        } else {
            // As `pia::attach` does.
            self.shared.skip_id();
            self.shared.skip_id();
            Vec::new()
        };
        for tag in applied {
            let tag = self.shared.tag_values[tag.0 as usize].clone();
            self.raise_with(t, c, events::SCHEDULED_ANALYZER_APPLIED, |_| vec![tag]);
        }
        if c.transport == Transport::Tcp {
            self.raise(t, c, events::NEW_CONNECTION_CONTENTS);
        }
        self.begin(t, c);
        self.asks(t, c);
        let lifetime = self.shared.opts.non_analyzed_lifetime;
        if lifetime > 0.0 && matches!(c.transport, Transport::Tcp | Transport::Udp) {
            t.schedule_app_timer(c, c.start_time + lifetime, TIMER_UNANALYZED);
        }
    }

    fn on_flow_label_changed(&mut self, t: &mut Table, c: &mut C, is_orig: bool, old: u32, new: u32) {
        self.raise_with(t, c, events::CONNECTION_FLOW_LABEL_CHANGED, |_| {
            vec![Value::Bool(is_orig), Value::Count(old.into()), Value::Count(new.into())]
        });
    }

    fn on_ipv6_ext_headers(&mut self, t: &mut Table, c: &mut C, p: &Packet<'_>) {
        self.header_weirds(events::IPV6_EXT_HEADERS, p.ip);
        self.raise_with(t, c, events::IPV6_EXT_HEADERS, |q| vec![packets::pkt_hdr(q, p.ip)]);
    }

    fn on_new_packet(&mut self, t: &mut Table, c: &mut C, _: bool, p: &Packet<'_>) {
        self.header_weirds(events::NEW_PACKET, p.ip);
        self.raise_with(t, c, events::NEW_PACKET, |q| vec![packets::pkt_hdr(q, p.ip)]);
    }

    fn on_packet_contents(&mut self, t: &mut Table, c: &mut C, contents: &[u8]) {
        self.raise_with(t, c, events::PACKET_CONTENTS, |_| vec![bytes(contents)]);
    }

    fn on_first_packet(&mut self, t: &mut Table, c: &mut C, is_orig: bool, p: &Packet<'_>) {
        if self.shared.sigs.is_none() {
            return;
        }
        net::sync(c);
        let uid = t.uid(c);
        let app = net::attach(c, self.shared);
        if app.info.uid.is_empty() {
            app.info.uid = uid.as_str().into();
        }
        let made = || self.shared.sigs.as_mut().map(|s| s.matcher());
        if let Some(mut m) = app.info.matcher.take().or_else(made) {
            m.begin(self.q, &mut app.info, self.shared, is_orig, p.ip.data);
            app.info.matcher = Some(m);
        }
    }

    fn connection_timing_out(&mut self, t: &mut Table, c: &mut C) -> bool {
        if self.timing_out.is_none() {
            return true;
        }
        let v = self.value(t, c);
        match &mut self.timing_out {
            Some(ask) => ask(self.q, v),
            None => true,
        }
    }

    fn on_timeout(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_TIMEOUT);
    }

    fn on_status_update(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_STATUS_UPDATE);
    }

    fn on_reused(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_REUSED);
    }

    fn on_remove(&mut self, t: &mut Table, c: &mut C) {
        self.analyzers(t, c, |q, app, sh| {
            app.tree.done(q, &mut app.info, sh);
            if let Some(mut m) = app.info.matcher.take() {
                m.end(q, &mut app.info, sh);
            }
        });
        if c.transport == Transport::Udp {
            self.raise(t, c, events::UDP_SESSION_DONE);
        }
        self.segment_stats(t, c);
        self.end(t, c);
    }

    fn on_app_timer(&mut self, t: &mut Table, c: &mut C, tag: u8, at_end: bool) -> AppTimer {
        match tag {
            TIMER_DNS | TIMER_NETBIOS => {
                let timeout = match tag {
                    TIMER_DNS => self.shared.opts.dns_session_timeout,
                    _ => self.shared.opts.netbios_ssn_session_timeout,
                };
                if at_end || c.last_time + timeout - 1.0 <= t.now() {
                    AppTimer::TimeOut
                } else {
                    AppTimer::Again(t.now() + timeout)
                }
            }
            TIMER_UNANALYZED if !at_end && !self.is_analyzed(c) => AppTimer::TimeOut,
            _ => AppTimer::Keep,
        }
    }

    fn on_syn_packet(&mut self, t: &mut Table, c: &mut C, syn: &SynPacket) {
        self.raise_with(t, c, events::CONNECTION_SYN_PACKET, |q| {
            let r = records::SYNPacket {
                is_orig: syn.is_orig,
                DF: syn.dont_fragment,
                ttl: syn.ttl.into(),
                size: syn.size,
                win_size: syn.window.into(),
                win_scale: syn.window_scale.map_or(-1, i64::from),
                MSS: syn.mss.into(),
                SACK_OK: syn.sack_ok,
                TSval: Some(syn.ts_val.into()),
                TSecr: Some(syn.ts_echo.into()),
            };
            vec![r.build(q.bindings())]
        });
    }

    fn on_first_ack(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_FIRST_ACK);
    }

    fn on_attempt(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_ATTEMPT);
    }

    fn on_established(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_ESTABLISHED);
    }

    fn on_partial(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::PARTIAL_CONNECTION);
    }

    fn on_rejected(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_REJECTED);
    }

    fn on_reset(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_RESET);
        self.on_late_reset(t, c);
    }

    fn on_late_reset(&mut self, t: &mut Table, c: &mut C) {
        self.analyzers(t, c, |q, app, sh| app.tree.reset(q, &mut app.info, sh));
    }

    fn on_finished(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_FINISHED);
    }

    fn on_half_finished(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_HALF_FINISHED);
    }

    fn on_partial_close(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_PARTIAL_CLOSE);
    }

    fn on_pending(&mut self, t: &mut Table, c: &mut C) {
        self.raise(t, c, events::CONNECTION_PENDING);
    }

    fn on_eof(&mut self, t: &mut Table, c: &mut C, is_orig: bool) {
        self.raise_with(t, c, events::CONNECTION_EOF, |_| vec![Value::Bool(is_orig)]);
        self.analyzers(t, c, |q, app, sh| app.tree.eof(q, &mut app.info, sh, is_orig));
    }

    fn on_tcp_packet(&mut self, t: &mut Table, c: &mut C, p: &TcpPacket<'_>) {
        self.raise_with(t, c, events::TCP_PACKET, |_| {
            vec![
                Value::Bool(p.is_orig),
                text(&flag_letters(p.flags)),
                Value::Count(p.seq),
                Value::Count(p.ack),
                Value::Count(p.len),
                bytes(p.payload),
            ]
        });
    }

    fn reassembles(&mut self, _: &mut Table, c: &mut C) -> bool {
        let contents = &self.contents.tcp;
        if [true, false].iter().any(|o| contents.wants(c.resp.port, *o)) {
            return true;
        }
        let Some(app) = &c.ext.app else { return false };
        let file = app.rare().is_some_and(|r| r.contents.iter().any(Option::is_some));
        file || app.tree.has_analyzers(self.shared)
    }

    fn on_stream_data(&mut self, t: &mut Table, c: &mut C, is_orig: bool, seq: u64, data: &[u8]) {
        self.write_contents(t, c, is_orig, data, "content");
        if self.q.wants(events::TCP_CONTENTS) && packets::delivers_contents(self, c, is_orig) {
            self.raise_with(t, c, events::TCP_CONTENTS, |_| {
                vec![Value::Bool(is_orig), Value::Count(seq), bytes(data)]
            });
        }
        self.data(t, c, |q, app, sh| app.tree.deliver(q, &mut app.info, sh, is_orig, data));
    }

    fn on_gap(&mut self, t: &mut Table, c: &mut C, is_orig: bool, seq: u64, len: u64) {
        if c.ext.app.as_ref().is_some_and(|a| a.rare().is_some()) {
            self.write_contents(t, c, is_orig, format!("\n<<gap {len}>>\n").as_bytes(), "gap");
        }
        self.data(t, c, |q, app, sh| app.tree.gap(q, &mut app.info, sh, is_orig, seq, len));
    }

    fn on_undelivered(&mut self, t: &mut Table, c: &mut C, is_orig: bool, _: u64, data: &[u8]) {
        self.analyzers(t, c, |q, app, sh| {
            if let Some(mut m) = app.info.matcher.take() {
                // Nothing can be attached any more: what signatures would enable is of no use.
                let mut enables = Vec::new();
                m.feed(
                    q,
                    &mut app.info,
                    sh,
                    PatKind::Payload,
                    is_orig,
                    data,
                    false,
                    false,
                    &mut enables,
                );
                app.info.matcher = Some(m);
            }
        });
    }

    fn on_content_gap(&mut self, t: &mut Table, c: &mut C, is_orig: bool, seq: u64, len: u64) {
        self.raise_with(t, c, events::CONTENT_GAP, |_| {
            vec![Value::Bool(is_orig), Value::Count(seq), Value::Count(len)]
        });
    }

    fn on_rexmit_inconsistency(&mut self, t: &mut Table, c: &mut C, old: &[u8], new: &[u8], flags: u8) {
        self.raise_with(t, c, events::REXMIT_INCONSISTENCY, |_| {
            vec![bytes(old), bytes(new), text(&flag_letters(flags))]
        });
    }

    fn on_rexmit(&mut self, t: &mut Table, c: &mut C, is_orig: bool, seq: u64, len: u64, in_flight: u64, window: u64) {
        self.raise_with(t, c, events::TCP_REXMIT, |_| {
            vec![
                Value::Bool(is_orig),
                Value::Count(seq),
                Value::Count(len),
                Value::Count(in_flight),
                Value::Count(window),
            ]
        });
    }

    fn on_multiple(&mut self, t: &mut Table, c: &mut C, kind: MultipleKind, is_orig: bool, n: u64) {
        let id = match (kind, c.transport) {
            (MultipleKind::ChecksumErrors, Transport::Udp) => events::UDP_MULTIPLE_CHECKSUM_ERRORS,
            (MultipleKind::ChecksumErrors, _) => events::TCP_MULTIPLE_CHECKSUM_ERRORS,
            (MultipleKind::Retransmissions, _) => events::TCP_MULTIPLE_RETRANSMISSIONS,
            (MultipleKind::ZeroWindows, _) => events::TCP_MULTIPLE_ZERO_WINDOWS,
            (MultipleKind::Gaps, _) => events::TCP_MULTIPLE_GAP,
        };
        self.raise_with(t, c, id, |_| vec![Value::Bool(is_orig), Value::Count(n)]);
    }

    fn on_udp_packet(&mut self, t: &mut Table, c: &mut C, is_orig: bool, payload: &[u8]) {
        self.raise(
            t,
            c,
            if is_orig {
                events::UDP_REQUEST
            } else {
                events::UDP_REPLY
            },
        );
        if self.q.wants(events::UDP_CONTENTS) && packets::delivers_contents(self, c, is_orig) {
            self.raise_with(t, c, events::UDP_CONTENTS, |_| {
                vec![Value::Bool(is_orig), bytes(payload)]
            });
        }
    }

    fn on_udp_data(&mut self, t: &mut Table, c: &mut C, is_orig: bool, payload: &[u8], _: u64) {
        self.data(t, c, |q, app, sh| {
            app.tree.packet(q, &mut app.info, sh, is_orig, payload)
        });
        if c.orig.pkts + c.resp.pkts == 0 {
            net::doze(c, self.shared);
        }
    }

    fn on_igmp(&mut self, t: &mut Table, p: &Packet<'_>, valid: bool) {
        icmp::igmp(self.q, p, valid, t.packet_lengths());
    }

    fn on_tcp_options(&mut self, t: &mut Table, c: &mut C, is_orig: bool, options: &[u8]) {
        tcp::options(self, t, c, is_orig, options);
    }

    fn on_tunnel_state(&mut self, t: &mut Table, c: &mut C, layer: Layer) {
        match layer {
            Layer::Gtpv1 => self.raise(t, c, events::NEW_GTPV1_STATE),
            _ => self.raise(t, c, events::NEW_TEREDO_STATE),
        }
    }

    fn on_teredo(&mut self, t: &mut Table, outer: &mut C, header: &Teredo<'_>, inner: &IpPacket<'_>) {
        tunnels::teredo(self, t, outer, header, inner);
    }

    fn on_gtp(&mut self, t: &mut Table, c: &mut C, _: bool, gtp: &Gtp<'_>) {
        tunnels::gtp(self, t, c, gtp);
    }

    fn on_gtp_packet(&mut self, t: &mut Table, outer: &mut C, gtp: &Gtp<'_>, inner: &IpPacket<'_>) {
        self.raise_with(t, outer, events::GTPV1_G_PDU_PACKET, |q| {
            vec![tunnels::gtp_header(q, gtp), packets::pkt_hdr(q, inner)]
        });
    }

    fn on_icmp(&mut self, t: &mut Table, c: &mut C, icmp: &IcmpPacket<'_>, _: &Packet<'_>) {
        icmp::events(self, t, c, icmp);
        if !icmp.data.is_empty() {
            let payload = icmp.data.get(8..).unwrap_or(&[]);
            let is_orig = icmp.is_orig;
            self.analyzers(t, c, |q, app, sh| {
                app.tree.packet(q, &mut app.info, sh, is_orig, payload);
                // Each message is looked at by itself, and as if it had begun before.
                if let Some(mut m) = app.info.matcher.take() {
                    m.reset(PatKind::Payload, is_orig);
                    let mut enables = Vec::new();
                    m.feed(
                        q,
                        &mut app.info,
                        sh,
                        PatKind::Payload,
                        is_orig,
                        payload,
                        false,
                        false,
                        &mut enables,
                    );
                    app.info.matcher = Some(m);
                }
            });
        }
    }

    fn on_bytes_threshold(&mut self, t: &mut Table, c: &mut C, threshold: u64, is_orig: bool) {
        self.raise_with(t, c, events::CONN_BYTES_THRESHOLD_CROSSED, |_| {
            vec![Value::Count(threshold), Value::Bool(is_orig)]
        });
    }

    fn on_packets_threshold(&mut self, t: &mut Table, c: &mut C, threshold: u64, is_orig: bool) {
        self.raise_with(t, c, events::CONN_PACKETS_THRESHOLD_CROSSED, |_| {
            vec![Value::Count(threshold), Value::Bool(is_orig)]
        });
    }

    fn on_duration_threshold(&mut self, t: &mut Table, c: &mut C, threshold: f64, is_orig: bool) {
        self.raise_with(t, c, events::CONN_DURATION_THRESHOLD_CROSSED, |_| {
            vec![Value::Interval(threshold), Value::Bool(is_orig)]
        });
    }

    fn on_generic_packet_threshold(&mut self, t: &mut Table, c: &mut C, threshold: u64) {
        self.raise_with(t, c, events::CONN_GENERIC_PACKET_THRESHOLD_CROSSED, |_| {
            vec![Value::Count(threshold)]
        });
    }

    fn on_tunnel_changed(&mut self, t: &mut Table, c: &mut C) {
        let tunnel = tunnel_value(self.q, c).unwrap_or_else(|| {
            let b = self.q.bindings();
            b.vector(tapir_interface::types::ENCAPSULATINGCONNVECTOR, Vec::new())
        });
        self.raise_with(t, c, events::TUNNEL_CHANGED, |_| vec![tunnel.clone()]);
        if let Some(app) = &mut c.ext.app {
            if let Some(Value::Record(r)) = &app.info.value {
                r.set(slots::connection::TUNNEL, tunnel);
            }
        }
    }

    fn on_tunnel_confirmed(&mut self, t: &mut Table, c: &mut C, layer: Layer) {
        packets::tunnel_confirmed(self, t, c, layer);
    }

    fn on_tunnel_violation(&mut self, t: &mut Table, c: &mut C, layer: Layer, reason: &str, data: &[u8]) {
        packets::tunnel_violation(self, t, c, layer, reason, data);
    }

    fn on_vxlan(&mut self, t: &mut Table, outer: &mut C, inner: &IpPacket<'_>, vni: u32) {
        self.raise_with(t, outer, events::VXLAN_PACKET, |q| {
            vec![packets::pkt_hdr(q, inner), Value::Count(vni.into())]
        });
    }

    fn on_geneve(&mut self, t: &mut Table, outer: &mut C, inner: &IpPacket<'_>, vni: u32, _options: &[u8]) {
        self.raise_with(t, outer, events::GENEVE_PACKET, |q| {
            vec![packets::pkt_hdr(q, inner), Value::Count(vni.into())]
        });
    }
}

impl Sink<'_> {
    fn raise_conn_weird(&mut self, t: &mut Table, c: &mut C, name: &str, addl: &str, source: &str) {
        if self.q.wants(events::CONN_WEIRD) {
            let v = self.value(t, c);
            self.q
                .push(events::CONN_WEIRD, vec![text(name), v, text(addl), text(source)]);
        }
    }

    /// What the headers of a packet, made into a record for an event, have that is odd.
    fn header_weirds(&mut self, event: EventId, ip: &IpPacket<'_>) {
        if ip.exts.is_empty() || !self.q.wants(event) {
            return;
        }
        for (name, addl) in headers::weirds(ip) {
            weirds::raise_net(&mut self.sampler.borrow_mut(), self.q, name, &addl, "");
        }
    }

    /// After a flip, analyzers expected for the new responder are attached.
    fn attach_scheduled(&mut self, t: &mut Table, c: &mut C) {
        let transport = net::app_transport(c.transport);
        let expected = self
            .shared
            .expected(addr(c.orig.addr), addr(c.resp.addr), c.resp.port, transport);
        if expected.is_empty() {
            return;
        }
        let app = net::attach(c, self.shared);
        for tag in expected {
            if app.tree.attach_root(self.shared, tag) {
                let tag = self.shared.tag_values[tag.0 as usize].clone();
                self.raise_with(t, c, events::SCHEDULED_ANALYZER_APPLIED, |_| vec![tag]);
                break;
            }
        }
    }
}
