//! Statistics of the node.

use tapir_builtins::dns;
use tapir_data::text::{Style, render};
use tapir_data::value::{Table, Value};
use tapir_interface::{records, types};
use tapir_vm::{CallCtx, Registry, RtError};

use crate::host::of;

type Out = Result<Value, RtError>;

fn net_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let n = &of(cx)?.node;
    let r = records::NetStats {
        pkts_recvd: Some(n.n_packets),
        pkts_dropped: Some(n.n_dropped),
        pkts_link: Some(if n.interface.is_some() {
            n.n_packets + n.n_dropped
        } else {
            0
        }),
        bytes_recvd: Some(n.n_bytes),
        pkts_filtered: n.installed.is_some().then_some(n.n_filtered),
    };
    Ok(r.build(cx.queue().bindings()))
}

/// Writes the figures of the process to `profiling_file`, if there is one, and tells scripts.
fn do_profiling(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    const PARTS: [(&str, &str); 9] = [
        ("Process", "get_proc_stats"),
        ("Packets", "get_net_stats"),
        ("Conns", "get_conn_stats"),
        ("Reassembly", "get_reassembler_stats"),
        ("Files", "get_file_analysis_stats"),
        ("Events", "get_event_stats"),
        ("Timers", "get_timer_stats"),
        ("DNS", "get_dns_stats"),
        ("Threads", "get_thread_stats"),
    ];
    let Some(Value::File(file)) = cx.vm.global_value("profiling_file") else {
        return Ok(Value::Unset);
    };
    let mut text = Vec::new();
    for (what, name) in PARTS {
        let Some(f) = crate::script::function(cx.vm, name) else {
            continue;
        };
        let v = cx.vm.call_value(cx.host, &f, &[])?;
        text.extend_from_slice(format!("{:.6} {what}: ", cx.vm.network_time()).as_bytes());
        text.extend_from_slice(&render(&*cx.vm, &v, Style::Message));
        text.push(b'\n');
    }
    if let Some(sink) = file.sink.borrow_mut().as_mut() {
        if let Err(e) = sink.write_all(&text) {
            cx.warning(format!("cannot write the profile: {e}"));
        }
    }
    tapir_interface::events::profiling_update(cx.queue(), Value::File(file), true);
    Ok(Value::Unset)
}

fn conn_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let host = of(cx)?;
    let s = host.net.as_ref().map_or(host.node.flow_stats, |n| n.flow.stats);
    let of_kind = |t: tapir_flow::Transport, list: &[u32; 4]| u64::from(list[t as usize]);
    let current = s.current.iter().map(|n| u64::from(*n)).sum();
    use tapir_flow::Transport::{Icmp, Tcp, Udp};
    let r = records::ConnStats {
        total_conns: s.tcp_conns + s.udp_conns + s.icmp_conns + s.other_conns,
        current_conns: current,
        sess_current_conns: current,
        num_packets: s.packets,
        num_fragments: host.net.as_ref().map_or(0, |n| n.flow.fragments().0 as u64),
        num_tcp_conns: of_kind(Tcp, &s.current),
        max_tcp_conns: of_kind(Tcp, &s.most),
        cumulative_tcp_conns: s.tcp_conns,
        num_udp_conns: of_kind(Udp, &s.current),
        max_udp_conns: of_kind(Udp, &s.most),
        cumulative_udp_conns: s.udp_conns,
        num_icmp_conns: of_kind(Icmp, &s.current),
        max_icmp_conns: of_kind(Icmp, &s.most),
        cumulative_icmp_conns: s.icmp_conns,
        ..Default::default()
    };
    Ok(r.build(cx.queue().bindings()))
}

/// Resident memory and processor times from the kernel's account of this process.
/// What the kernel says of this process.
pub(crate) struct ProcessFigures {
    /// Seconds of processor time, in user mode and in the kernel.
    pub user_time: f64,
    pub system_time: f64,
    /// Bytes of resident memory.
    pub memory: u64,
    minor_faults: u64,
    major_faults: u64,
}

/// The figures now.
pub(crate) fn process_figures() -> ProcessFigures {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields are counted behind the command name, which ends with the last parenthesis.
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0))
        .collect();
    let f = |i: usize| fields.get(i).copied().unwrap_or(0);
    const TICKS_PER_SECOND: f64 = 100.0;
    const PAGE: u64 = 4096;
    ProcessFigures {
        user_time: f(11) as f64 / TICKS_PER_SECOND,
        system_time: f(12) as f64 / TICKS_PER_SECOND,
        memory: f(21) * PAGE,
        minor_faults: f(7),
        major_faults: f(9),
    }
}

fn proc_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let (begun, begun_at) = (of(cx)?.node.begun, of(cx)?.node.begun_at);
    let p = process_figures();
    let r = records::ProcStats {
        debug: cfg!(debug_assertions),
        start_time: begun_at,
        real_time: begun.elapsed().as_secs_f64(),
        user_time: p.user_time,
        system_time: p.system_time,
        mem: p.memory,
        minor_faults: p.minor_faults,
        major_faults: p.major_faults,
        ..Default::default()
    };
    Ok(r.build(cx.queue().bindings()))
}

fn event_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let (queued, waiting) = (cx.queue().n_raised(), cx.queue().len() as u64);
    let r = records::EventStats {
        queued,
        dispatched: queued - waiting,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn reassembler_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let frag_size = of(cx)?.net.as_ref().map_or(0, |n| n.flow.fragments().1 as u64);
    Ok(records::ReassemblerStats {
        frag_size,
        ..Default::default()
    }
    .build(cx.queue().bindings()))
}

fn dns_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let (asked, remembered) = dns::stats();
    let r = records::DNSStats {
        requests: asked.asked,
        successful: asked.found,
        failed: asked.failed,
        pending: asked.asked.saturating_sub(asked.found + asked.failed),
        cached_hosts: remembered.hosts,
        cached_addresses: remembered.addresses,
        cached_texts: remembered.texts,
        cached_total: remembered.hosts + remembered.addresses + remembered.texts,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn timer_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let flows = of(cx)?.net.as_ref().map_or(0, |n| n.flow.timer_count() as u64);
    let current = flows + cx.vm.n_timers() as u64;
    let node = &mut of(cx)?.node;
    node.timers_max = node.timers_max.max(current);
    let max = node.timers_max;
    Ok(records::TimerStats {
        current,
        max,
        cumulative: max,
    }
    .build(cx.queue().bindings()))
}

fn file_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let manager = &of(cx)?.files.manager;
    let (max, cumulative) = manager.totals();
    Ok(records::FileAnalysisStats {
        current: manager.len() as u64,
        max,
        cumulative,
    }
    .build(cx.queue().bindings()))
}

/// The threads of the process beside the one that asks: writers of logs, look-ups, peers, other nodes.
fn thread_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    // The kernel has an entry for each.
    let all = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    let r = records::ThreadStats {
        num_threads: all.saturating_sub(1) as u64,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn gap_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let host = of(cx)?;
    let s = host.net.as_ref().map_or(host.node.flow_stats, |n| n.flow.stats);
    let r = records::GapStats {
        ack_events: s.acks,
        // Recorded runs never count bytes here, only events.
        ack_bytes: 0,
        gap_events: s.gaps,
        gap_bytes: s.gap_bytes,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn matcher_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let mut r = records::MatcherStats::default();
    if let Some(rules) = &of(cx)?.files.rules {
        let s = rules.rules.stats();
        r.matchers = s.matchers;
        r.nfa_states = s.nfa_states;
        r.dfa_states = s.dfa_states;
        r.mem = s.memory;
        r.misses = s.misses;
    }
    Ok(r.build(cx.queue().bindings()))
}

fn broker_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let h = of(cx)?;
    let peers = h.cluster.peers.as_ref().map(|p| p.all()).unwrap_or_default();
    let counted = h.cluster.counters().unwrap_or_default();
    let stats = records::BrokerStats {
        num_peers: peers.iter().filter(|p| p.up).count() as u64,
        num_stores: crate::stores::lock(&h.stores).len() as u64,
        num_pending_queries: h.remote_stores.pending_queries() as u64,
        num_events_incoming: counted.events_in,
        num_events_outgoing: counted.events_out,
        num_logs_incoming: counted.log_rows_in,
        num_logs_outgoing: counted.log_rows_out,
        // Identifiers are not sent.
        num_ids_incoming: 0,
        num_ids_outgoing: 0,
    };
    Ok(stats.build(cx.queue().bindings()))
}

fn reporter_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let (total, mut by_name) = {
        let s = of(cx)?.sampler.borrow();
        (
            s.total,
            s.by_name.iter().map(|(k, v)| (k.clone(), *v)).collect::<Vec<_>>(),
        )
    };
    by_name.sort();
    let b = cx.queue().shared_bindings();
    let t: std::rc::Rc<Table> = b.table(types::TABLE_STRING_OF_COUNT);
    for (k, n) in by_name {
        t.insert(&[Value::Str(k.into())], Value::Count(n), 0.0);
    }
    Ok(records::ReporterStats {
        weirds: total,
        weirds_by_type: Value::Table(t),
    }
    .build(&b))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("do_profiling", do_profiling),
        ("get_net_stats", net_stats),
        ("get_conn_stats", conn_stats),
        ("get_proc_stats", proc_stats),
        ("get_event_stats", event_stats),
        ("get_reassembler_stats", reassembler_stats),
        ("get_dns_stats", dns_stats),
        ("get_timer_stats", timer_stats),
        ("get_file_analysis_stats", file_stats),
        ("get_thread_stats", thread_stats),
        ("get_gap_stats", gap_stats),
        ("get_matcher_stats", matcher_stats),
        ("get_broker_stats", broker_stats),
        ("get_reporter_stats", reporter_stats),
    ]);
}
