//! What a node and its cluster have counted, as metrics, as far as `Cluster::Telemetry` asks for it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tapir_cluster::{EventSerializer, Flow, Meter, Sizes};
use tapir_data::broker::event::EventMessage;
use tapir_data::value::{PatternObject, Value};
use tapir_vm::{CallCtx, RtError, Vm};

use crate::globals;
use crate::host::of;
use crate::telemetry::{Kind, Telemetry};

/// Where the settings are.
const MODULE: &str = "Cluster::Telemetry::";

/// What is counted about events of one kind, those of nodes or of WebSocket clients.
#[derive(Default)]
struct Counting {
    /// How many there are.
    info: bool,
    /// By topic and handler.
    verbose: bool,
    /// Sizes.
    debug: bool,
    meter: Option<Arc<Meter>>,
}

/// What is counted about events, as scripts have set it.
#[derive(Default)]
pub struct Counted {
    known: bool,
    core: Counting,
    websocket: Counting,
    bounds: Vec<f64>,
    /// Topics that are shown under one name.
    normal: Vec<(Rc<dyn PatternObject>, String)>,
}

impl Counting {
    fn new(vm: &Vm, option: &str, bounds: &[f64]) -> Self {
        let mut c = Counting::default();
        for level in globals::keys(vm, &format!("{MODULE}{option}")) {
            let Value::Enum(ty, n) = level else { continue };
            match tapir_data::text::enum_text(vm.types(), ty, n) {
                "Cluster::Telemetry::INFO" => c.info = true,
                "Cluster::Telemetry::VERBOSE" => c.verbose = true,
                "Cluster::Telemetry::DEBUG" => c.debug = true,
                _ => {}
            }
        }
        let bounds = if c.debug { bounds.to_vec() } else { Vec::new() };
        c.meter = (c.verbose || c.debug).then(|| Arc::new(Meter::new(bounds)));
        c
    }
}

impl Counted {
    fn new(vm: &Vm) -> Self {
        let mut bounds = Vec::new();
        if let Some(Value::Vector(v)) = vm.global_value(&format!("{MODULE}message_size_bounds")) {
            bounds.extend(v.to_vec().iter().filter_map(|b| match b {
                Value::Double(d) => Some(*d),
                _ => None,
            }));
        }
        bounds.sort_by(f64::total_cmp);
        if bounds.is_empty() {
            // Sizes in one bucket still have a sum.
            bounds.push(f64::MAX);
        }
        let mut normal = Vec::new();
        if let Some(Value::Table(t)) = vm.global_value(&format!("{MODULE}topic_normalizations")) {
            for (k, v) in t.entries() {
                let k = tapir_data::table::as_parts(&k).first().cloned();
                if let (Some(Value::Pattern(p)), Value::Str(s)) = (k, v) {
                    normal.push((p, String::from_utf8_lossy(&s).into_owned()));
                }
            }
        }
        Counted {
            known: true,
            core: Counting::new(vm, "core_metrics", &bounds),
            websocket: Counting::new(vm, "websocket_metrics", &bounds),
            bounds,
            normal,
        }
    }

    /// The name under which a topic is shown.
    fn topic(&self, topic: &[u8]) -> String {
        let found = self.normal.iter().find(|(p, _)| p.matches_exactly(topic));
        found.map_or_else(|| String::from_utf8_lossy(topic).into_owned(), |f| f.1.clone())
    }

    /// Puts what a meter has counted into metrics whose names begin with `prefix`.
    fn show(&self, counting: &Counting, prefix: &str, t: &mut Telemetry) {
        let Some(meter) = &counting.meter else { return };
        let mut all: BTreeMap<(bool, Vec<(&str, String)>), Sizes> = BTreeMap::new();
        for (flow, sizes) in meter.read() {
            let mut labels: Vec<(&str, String)> = flow.app.map(|a| ("app", a)).into_iter().collect();
            labels.extend([
                ("topic", self.topic(&flow.topic)),
                ("handler", flow.handler.to_string()),
            ]);
            if counting.verbose {
                all.entry((flow.outgoing, labels.clone())).or_default().merge(&sizes);
            }
            if counting.debug {
                // The third label keeps these apart from the others.
                let location = flow.location.unwrap_or_else(|| "none".into());
                labels.push(("script_location", location));
                all.entry((flow.outgoing, labels)).or_default().merge(&sizes);
            }
        }
        for ((outgoing, labels), sizes) in all {
            let way = if outgoing { "outgoing" } else { "incoming" };
            let mut labels: Vec<(&str, &str)> = labels.iter().map(|l| (l.0, &*l.1)).collect();
            if labels.last().is_some_and(|l| l.0 == "script_location") {
                if !outgoing {
                    labels.pop();
                }
                let name = format!("{prefix}_debug_{way}_event_sizes");
                let help = "Sizes of events by topic and handler";
                t.set_histogram(&name, help, &self.bounds, &labels, &sizes.buckets, sizes.bytes as f64);
            } else {
                let name = format!("{prefix}_verbose_{way}_events");
                t.set_counter(&name, "Events by topic and handler", &labels, sizes.events);
            }
        }
    }
}

/// What is counted, read from the scripts' settings at first.
fn counted<'a>(cx: &'a mut CallCtx<'_>) -> Result<&'a mut Counted, RtError> {
    if !of(cx)?.cluster.counted.known {
        let read = Counted::new(cx.vm);
        of(cx)?.cluster.counted = read;
    }
    Ok(&mut of(cx)?.cluster.counted)
}

/// The meter of events of WebSocket clients, if they are counted in detail.
pub(super) fn of_clients(cx: &mut CallCtx<'_>) -> Result<Option<Arc<Meter>>, RtError> {
    Ok(counted(cx)?.websocket.meter.clone())
}

/// Counts an event of this node or for it.
pub(super) fn event(cx: &mut CallCtx<'_>, outgoing: bool, topic: &[u8], event: &EventMessage) -> Result<(), RtError> {
    let Some(meter) = counted(cx)?.core.meter.clone() else {
        return Ok(());
    };
    let location = cx.location().filter(|_| outgoing);
    let flow = Flow {
        outgoing,
        app: None,
        topic: topic.into(),
        handler: event.name.clone(),
        location: location.map(|l| format!("{}:{}", l.file, l.line)),
    };
    meter.add(flow, || EventSerializer::default().size(event));
    Ok(())
}

/// Brings the counters of messages up to date.
///
/// # Errors
/// When this runs without an engine.
pub fn count(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let core_info = counted(cx)?.core.info;
    let h = of(cx)?;
    let t = &mut h.telemetry;
    let Some(backend) = &h.cluster.backend else {
        return Ok(());
    };
    let c = backend.counters();
    if core_info {
        t.set_counter("cluster_core_outgoing_events", "Events published", &[], c.events_out);
        t.set_counter(
            "cluster_core_incoming_events",
            "Events of other nodes",
            &[],
            c.events_in,
        );
    }
    for (name, help, n) in [
        (
            "cluster_zeromq_xpub_drops",
            "Events not sent because the queue was full",
            c.event_drops,
        ),
        (
            "cluster_zeromq_onloop_drops",
            "Events of others dropped because the node was behind",
            c.incoming_drops,
        ),
        ("cluster_zeromq_msg_errors", "Malformed messages", c.malformed),
        (
            "cluster_refused_subscriptions",
            "Subscriptions of others that were too many or too long",
            c.refused_subscriptions,
        ),
        ("cluster_log_rows_sent", "Log rows sent to loggers", c.log_rows_out),
        ("cluster_log_rows_received", "Log rows of other nodes", c.log_rows_in),
        (
            "cluster_log_rows_dropped",
            "Log rows lost because no logger took them",
            c.log_row_drops,
        ),
    ] {
        t.set_counter(name, help, &[], n);
    }
    if let Some(peers) = &h.cluster.peers {
        let up = peers.all().iter().filter(|p| p.up).count();
        t.set(Kind::Gauge, ["zeek", "broker_peers", ""], "Peers", &[], up as f64);
        for (name, help, n) in [
            ("broker_incoming_events", "Events of peers", c.events_in),
            ("broker_outgoing_events", "Events published to peers", c.events_out),
            ("broker_incoming_logs", "Log rows of peers", c.log_rows_in),
            ("broker_outgoing_logs", "Log rows sent to peers", c.log_rows_out),
        ] {
            t.set_counter(name, help, &[], n);
        }
        for (id, b) in peers.buffers() {
            let peer = [("peer", &*id)];
            for (name, help, n) in [
                ("broker_peer_buffer_messages", "Events that wait for a peer", b.waiting),
                (
                    "broker_peer_buffer_recent_max_messages",
                    "The most events that waited for a peer lately",
                    b.most_recently,
                ),
            ] {
                t.set(Kind::Gauge, ["zeek", name, ""], help, &peer, n as f64);
            }
            let help = "How often there was no room for an event for a peer";
            t.set_counter("broker_peer_buffer_overflows", help, &peer, b.overflows);
        }
        for (id, n) in peers.given_up() {
            let help = "How often a peer was given up because it was behind";
            t.set_counter("broker_backpressure_disconnects", help, &[("peer", &*id)], n);
        }
    }
    let counted = &h.cluster.counted;
    counted.show(&counted.core, "cluster_core", t);
    if let Some(servers) = &h.cluster.servers {
        for (app, n) in servers.traffic().iter().filter(|_| counted.websocket.info) {
            let app = [("app", &**app)];
            let help = "Events that WebSocket clients have published";
            t.set_counter("cluster_websocket_outgoing_events", help, &app, n.outgoing);
            let help = "Events sent to WebSocket clients";
            t.set_counter("cluster_websocket_incoming_events", help, &app, n.incoming);
        }
        counted.show(&counted.websocket, "cluster_websocket", t);
        for (tag, n) in servers.blocks() {
            let help = "Tenths of a second for which somebody waited for a place in a queue";
            t.set_counter("cluster_onloop_queue_blocks", help, &[("tag", &*tag)], n);
        }
    }
    let forwarder = h.cluster.forwarder.as_ref();
    let Some(f) = forwarder.map(tapir_cluster::zeromq::Forwarder::counters) else {
        return Ok(());
    };
    let help = "Subscriptions that the central forwarder has not passed on: too many or too long";
    t.set_counter(
        "cluster_zeromq_proxy_refused_subscriptions",
        help,
        &[],
        f.refused_subscriptions,
    );
    let help = "Connections that the central forwarder has cut: there were too many, or they subscribed to too much";
    t.set_counter("cluster_zeromq_proxy_cut_connections", help, &[], f.cut_connections);
    for (side, s) in [("frontend", f.frontend), ("backend", f.backend)] {
        for (what, n) in [
            ("messages_received", s.messages_received),
            ("bytes_received", s.bytes_received),
            ("messages_sent", s.messages_sent),
            ("bytes_sent", s.bytes_sent),
        ] {
            let name = format!("cluster_zeromq_proxy_{side}_{what}");
            t.set_counter(&name, "What the central forwarder has passed on", &[], n);
        }
    }
    Ok(())
}
