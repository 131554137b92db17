//! The metrics that native code keeps: the process, sessions, timers, events, logs and storage; and what is renewed before
//! metrics are collected or served.

use tapir_builtins::dns;
use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError};

use crate::host::of;
use crate::telemetry::Kind;

/// Brings all metrics up to date: scripts' own by `Telemetry::sync`, then those of native code.
///
/// # Errors
/// What the scripts' hook gives.
pub fn refresh(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    if let Some(hook) = crate::script::function(cx.vm, "Telemetry::sync") {
        if crate::script::has_bodies(cx.vm, &hook) {
            cx.call(&hook, &[])?;
        }
    }
    version(cx)?;
    process(cx)?;
    sessions(cx)?;
    events(cx)?;
    logs(cx)?;
    names(cx)?;
    crate::cluster::count(cx)?;
    Ok(())
}

/// What scripts have looked up (`lookup_addr` and its siblings); nothing before the first look-up.
fn names(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let (asked, remembered) = dns::stats();
    if asked == dns::Counts::default() {
        return Ok(());
    }
    let t = &mut of(cx)?.telemetry;
    for (name, help, n) in [
        ("dnsmgr_requests", "Names and addresses looked up", asked.asked),
        ("dnsmgr_successful_requests", "Look-ups with an answer", asked.found),
        ("dnsmgr_failed_requests", "Look-ups without an answer", asked.failed),
    ] {
        t.set_counter(name, help, &[], n);
    }
    let pending = asked.asked.saturating_sub(asked.found + asked.failed);
    let name = ["zeek", "dnsmgr_pending_requests", ""];
    t.set(Kind::Gauge, name, "Look-ups under way", &[], pending as f64);
    for (kind, n) in [
        ("host", remembered.hosts),
        ("address", remembered.addresses),
        ("text", remembered.texts),
    ] {
        let name = ["zeek", "dnsmgr_cache_entries", ""];
        let help = "Answers that are remembered";
        t.set(Kind::Gauge, name, help, &[("type", kind)], n as f64);
    }
    Ok(())
}

/// Renews the text that is served.
///
/// # Errors
/// As [`refresh`].
pub fn renew(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    refresh(cx)?;
    of(cx)?.telemetry.renew();
    Ok(())
}

fn version(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let text = crate::bif::ZEEK_VERSION;
    let part = |i: usize| text.split('.').nth(i).unwrap_or("0");
    let (major, minor, patch) = (part(0), part(1), part(2));
    let number = |s: &str| s.parse::<u64>().unwrap_or(0);
    let whole = number(major) * 10_000 + number(minor) * 100 + number(patch);
    let labels = [
        ("version_number", &*whole.to_string()),
        ("major", major),
        ("minor", minor),
        ("patch", patch),
        ("commit", "0"),
        ("beta", "false"),
        ("debug", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("version_string", text),
    ];
    let name = ["zeek", "version_info", ""];
    of(cx)?
        .telemetry
        .set(Kind::Gauge, name, "The version of the program", &labels, 1.0);
    Ok(())
}

/// What the kernel says about this process.
fn process(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields are counted behind the command name, which ends with the last parenthesis.
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    let f = |i: usize| fields.get(i).copied().unwrap_or(0.0);
    const TICKS_PER_SECOND: f64 = 100.0;
    const PAGE: f64 = 4096.0;
    let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count().saturating_sub(1));
    let host = of(cx)?;
    let begun = host.node.begun_at;
    let t = &mut host.telemetry;
    let bytes = "bytes";
    t.set(
        Kind::Gauge,
        ["process", "resident_memory", bytes],
        "Resident memory size",
        &[],
        f(21) * PAGE,
    );
    t.set(
        Kind::Gauge,
        ["process", "virtual_memory", bytes],
        "Virtual memory size",
        &[],
        f(20),
    );
    for (name, ticks, help) in [
        ("cpu_user", f(11), "Processor time spent in user mode"),
        ("cpu_system", f(12), "Processor time spent in the kernel"),
    ] {
        t.set(
            Kind::Counter,
            ["process", name, "seconds"],
            help,
            &[],
            ticks / TICKS_PER_SECOND,
        );
    }
    t.set(
        Kind::Gauge,
        ["process", "open_fds", ""],
        "Number of open file descriptors",
        &[],
        open_files as f64,
    );
    t.set(
        Kind::Gauge,
        ["process", "start_time", "seconds"],
        "Start of the process, in seconds since the epoch",
        &[],
        begun,
    );
    Ok(())
}

fn sessions(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let timers = cx.vm.n_timers();
    let host = of(cx)?;
    let s = host.net.as_ref().map_or(host.node.flow_stats, |n| n.flow.stats);
    let flow_timers = host.net.as_ref().map_or(0, |n| n.flow.timer_count());
    let t = &mut host.telemetry;
    use tapir_flow::Transport::{Icmp, Tcp, Udp};
    for (label, kind, total) in [
        ("tcp", Tcp, s.tcp_conns),
        ("udp", Udp, s.udp_conns),
        ("icmp", Icmp, s.icmp_conns),
    ] {
        let labels = [("protocol", label)];
        let now = f64::from(s.current[kind as usize]);
        let name = ["zeek", "active_sessions", ""];
        t.set(Kind::Gauge, name, "Active connections", &labels, now);
        let name = ["zeek", "total_sessions", ""];
        t.set(Kind::Counter, name, "Connections in all", &labels, total as f64);
    }
    for (label, n) in [("script", timers), ("connection", flow_timers)] {
        let name = ["zeek", "timers_pending", ""];
        t.set(Kind::Gauge, name, "Timers that wait", &[("type", label)], n as f64);
    }
    Ok(())
}

fn events(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let counts: Vec<(String, u64)> = cx.vm.event_counts().map(|(name, n)| (name.to_string(), n)).collect();
    let t = &mut of(cx)?.telemetry;
    for (event, n) in counts {
        let name = ["zeek", "event_handler_invocations", ""];
        let help = "Number of times an event was handed to its handlers";
        t.set(Kind::Counter, name, help, &[("name", &event)], n as f64);
    }
    Ok(())
}

fn logs(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let host = of(cx)?;
    let t = &mut host.telemetry;
    for (stream, n) in host.logs.n_writes.iter().filter(|(_, n)| n.get() > 0) {
        let (module, stream) = stream.split_once("::").unwrap_or(("", stream));
        let labels = [("module", module), ("stream", stream)];
        let name = ["zeek", "log_stream_writes", ""];
        t.set(
            Kind::Counter,
            name,
            "Records written to a log stream",
            &labels,
            n.get() as f64,
        );
    }
    for c in host.logs.writer_counts() {
        let keys = ["writer", "module", "stream", "filter_name", "path"];
        let labels: Vec<_> = keys.into_iter().zip(c.labels.iter().map(String::as_str)).collect();
        for (name, n, help) in [
            ("log_writer_writes", c.writes, "Records written by a log writer"),
            (
                "log_writer_discarded_writes",
                c.discarded,
                "Records that were too large to be written",
            ),
            (
                "log_writer_truncated_string_fields",
                c.cut_strings,
                "Strings that were cut to their limit",
            ),
            (
                "log_writer_truncated_containers",
                c.cut_containers,
                "Containers that were cut to their limit",
            ),
        ] {
            t.set(Kind::Counter, ["zeek", name, ""], help, &labels, n as f64);
        }
    }
    Ok(())
}

/// The label that names this node in every exposed metric.
pub fn endpoint(cx: &mut CallCtx<'_>) -> Option<(String, String)> {
    let text = |v: Value| match v {
        Value::Str(s) => String::from_utf8_lossy(&s).into_owned(),
        _ => String::new(),
    };
    let label = text(crate::globals::get(cx, "Telemetry::metrics_endpoint_label"));
    let mut name = text(crate::globals::get(cx, "Telemetry::metrics_endpoint_name"));
    if name.is_empty() {
        name = text(crate::globals::get(cx, "Cluster::node"));
    }
    (!label.is_empty() && !name.is_empty()).then_some((label, name))
}

/// The list of all nodes' endpoints, as a scraper's service discovery wants it.
pub fn services(cx: &mut CallCtx<'_>, addr: &str, port: u16) -> String {
    let mut targets = Vec::new();
    if let Value::Table(nodes) = crate::globals::get(cx, "Cluster::nodes") {
        for (_, node) in nodes.entries() {
            let ip = crate::logs::field(cx, &node, "ip");
            let p = crate::logs::field(cx, &node, "metrics_port");
            if let (Ok(Value::Addr(ip)), Ok(Value::Port(p))) = (ip, p) {
                targets.push(if ip.is_v4() {
                    format!("\"{ip}:{}\"", p.num)
                } else {
                    format!("\"[{ip}]:{}\"", p.num)
                });
            }
        }
    }
    targets.sort();
    if targets.is_empty() {
        targets.push(format!("\"{}:{port}\"", if addr.is_empty() { "0.0.0.0" } else { addr }));
    }
    format!("[{{\"targets\":[{}],\"labels\":{{}}}}]", targets.join(","))
}
