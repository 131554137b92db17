//! What a node and its cluster have counted, as metrics.

use crate::host::EngineHost;

/// Brings the counters of messages up to date.
pub fn count(h: &mut EngineHost) {
    let t = &mut h.telemetry;
    let Some(backend) = &h.cluster.backend else {
        return;
    };
    let c = backend.counters();
    for (name, help, n) in [
        ("cluster_core_outgoing_events", "Events published", c.events_out),
        ("cluster_core_incoming_events", "Events of other nodes", c.events_in),
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
    if let Some(servers) = &h.cluster.servers {
        for (app, n) in servers.traffic() {
            let app = [("app", &*app)];
            let help = "Events that WebSocket clients have published";
            t.set_counter("cluster_websocket_outgoing_events", help, &app, n.outgoing);
            let help = "Events sent to WebSocket clients";
            t.set_counter("cluster_websocket_incoming_events", help, &app, n.incoming);
        }
        for (tag, n) in servers.blocks() {
            let help = "Tenths of a second for which somebody waited for a place in a queue";
            t.set_counter("cluster_onloop_queue_blocks", help, &[("tag", &*tag)], n);
        }
    }
    let Some(f) = h
        .cluster
        .forwarder
        .as_ref()
        .map(tapir_cluster::zeromq::Forwarder::counters)
    else {
        return;
    };
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
}
