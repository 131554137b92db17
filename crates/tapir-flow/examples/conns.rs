//! Prints a line per connection of a capture, shaped like conn.log, and a line per weird and tunnel.
//!
//! Usage: `conns [-C] CAPTURE`. With `--quiet` only counters and the time taken are printed.

use std::path::Path;
use std::time::Instant;

use tapir_flow::packet_crate::link::Layer;
use tapir_flow::{Conn, FlowSink, FlowTable, Ip, Options, Transport, UidGenerator};
use tapir_packet::types::Weirds;

#[derive(Default)]
struct Ext {
    missed: u64,
    parents: Vec<String>,
}

#[derive(Default)]
struct Printer {
    quiet: bool,
    bytes: u64,
}

fn conn_state(c: &Conn<Ext>) -> &'static str {
    use tapir_flow::TcpState::*;
    let (o, r) = (c.orig.state, c.resp.state);
    let (active_o, active_r) = (c.orig.active, c.resp.active);
    let inactive = |s| matches!(s, Inactive | Partial);
    match c.transport {
        Transport::Udp => match (active_o, active_r) {
            (true, true) => "SF",
            (true, false) => "S0",
            (false, true) => "SHR",
            _ => "OTH",
        },
        Transport::Tcp => {
            if r == Reset {
                if matches!(o, SynSent | SynAckSent) || (o == Reset && c.size(true) == 0 && c.size(false) == 0) {
                    "REJ"
                } else if inactive(o) {
                    "RSTRH"
                } else {
                    "RSTR"
                }
            } else if o == Reset {
                if inactive(r) {
                    let h = c.history().strip_prefix(b"^").unwrap_or(c.history());
                    let rest = h.strip_prefix(b"S").map(|h| {
                        let n = h.iter().take_while(|b| !b"HAFGIQR".contains(b)).count();
                        h.get(n) == Some(&b'R')
                    });
                    if rest == Some(true) { "RSTOS0" } else { "OTH" }
                } else {
                    "RSTO"
                }
            } else if o == Closed && r == Closed {
                "SF"
            } else if o == Closed {
                if inactive(r) { "SH" } else { "S2" }
            } else if r == Closed {
                if inactive(o) { "SHR" } else { "S3" }
            } else if o == SynSent && r == Inactive {
                "S0"
            } else if o == Established && r == Established {
                "S1"
            } else {
                "OTH"
            }
        }
        _ => "OTH",
    }
}

impl Printer {
    fn event(&self, t: &FlowTable<Ext>, c: &Conn<Ext>, name: &str, more: &str) {
        if !self.quiet {
            let (o, r) = (&c.orig, &c.resp);
            println!(
                "event\t{:.6} {name} {}:{}>{}:{}{more}",
                t.now(),
                o.addr,
                o.port,
                r.addr,
                r.port
            );
        }
    }

    fn tunnels(&self, c: &mut Conn<Ext>) {
        let Some(encap) = c.encap().map(<[_]>::to_vec) else {
            return;
        };
        for e in encap.iter() {
            if !self.quiet {
                println!(
                    "tunnel\t{}\t{}\t{}\t{}\t{}\t{:?}",
                    e.uid, e.src, e.sport, e.dst, e.dport, e.kind
                );
            }
        }
        if let Some(e) = encap.last() {
            let uid = e.uid.to_string();
            if !c.ext.parents.contains(&uid) {
                c.ext.parents.push(uid);
            }
        }
    }
}

impl FlowSink<Ext> for Printer {
    fn on_net_weird(&mut self, _: &mut FlowTable<Ext>, name: &str, addl: &str, source: &str) {
        if !self.quiet {
            println!("weird\t-\t-\t-\t-\t-\t{name}\t{addl}\t{source}");
        }
    }

    fn on_flow_weird(&mut self, _: &mut FlowTable<Ext>, name: &str, src: Ip, dst: Ip, addl: &str, source: &str) {
        if !self.quiet {
            println!("weird\tF\t{src}\t0\t{dst}\t0\t{name}\t{addl}\t{source}");
        }
    }

    fn on_conn_weird(&mut self, _: &mut FlowTable<Ext>, c: &mut Conn<Ext>, name: &str, addl: &str, source: &str) {
        if !self.quiet {
            let (o, r) = (&c.orig, &c.resp);
            println!(
                "weird\tC\t{}\t{}\t{}\t{}\t{name}\t{addl}\t{source}",
                o.addr, o.port, r.addr, r.port
            );
        }
    }

    fn on_new_connection(&mut self, t: &mut FlowTable<Ext>, c: &mut Conn<Ext>, _: &tapir_flow::Packet<'_>) {
        if !self.quiet {
            t.uid(c);
            self.event(t, c, "new_connection", "");
            self.tunnels(c);
        }
    }

    fn on_tunnel_changed(&mut self, _: &mut FlowTable<Ext>, c: &mut Conn<Ext>) {
        if !self.quiet {
            println!("changed\t{}\t{}", c.orig.addr, c.resp.addr);
        }
        self.tunnels(c);
    }

    fn on_content_gap(&mut self, t: &mut FlowTable<Ext>, c: &mut Conn<Ext>, is_orig: bool, seq: u64, len: u64) {
        c.ext.missed += len;
        self.event(
            t,
            c,
            "content_gap",
            &format!(" is_orig={} seq={seq} length={len}", if is_orig { 'T' } else { 'F' }),
        );
    }

    fn on_flipped(&mut self, t: &mut FlowTable<Ext>, c: &mut Conn<Ext>) {
        self.event(t, c, "connection_flipped", "");
    }

    fn on_reused(&mut self, t: &mut FlowTable<Ext>, c: &mut Conn<Ext>) {
        self.event(t, c, "connection_reused", "");
    }

    fn on_established(&mut self, t: &mut FlowTable<Ext>, c: &mut Conn<Ext>) {
        self.event(t, c, "connection_established", "");
    }

    fn on_stream_data(&mut self, _: &mut FlowTable<Ext>, _: &mut Conn<Ext>, _: bool, _: u64, data: &[u8]) {
        self.bytes += data.len() as u64;
    }

    fn on_tunnel_violation(&mut self, _: &mut FlowTable<Ext>, c: &mut Conn<Ext>, layer: Layer, reason: &str, _: &[u8]) {
        if !self.quiet {
            println!("violation\t{}\t{}\t{reason}", c.orig.addr, layer.name());
        }
    }

    fn on_remove(&mut self, t: &mut FlowTable<Ext>, c: &mut Conn<Ext>) {
        if self.quiet {
            return;
        }
        let uid = t.uid(c);
        self.event(t, c, "connection_state_remove", "");
        let (o, r) = (&c.orig, &c.resp);
        let proto = match c.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Icmp => "icmp",
            Transport::Unknown => "unknown_transport",
        };
        let duration = c.duration();
        let sized = if duration <= 0.0 {
            "-\t-\t-".to_owned()
        } else {
            format!("{duration:.6}\t{}\t{}", c.size(true), c.size(false))
        };
        let history = if c.history().is_empty() {
            "-"
        } else {
            std::str::from_utf8(c.history()).unwrap_or("?")
        };
        let mut parents = c.ext.parents.clone();
        parents.sort();
        let parents = if parents.is_empty() {
            "-".to_owned()
        } else {
            parents.join(",")
        };
        println!(
            "conn\t{:.6}\t{uid}\t{}\t{}\t{}\t{}\t{proto}\t{sized}\t{}\t{}\t{history}\t{}\t{}\t{}\t{}\t{parents}\t{}",
            c.start_time,
            o.addr,
            o.port,
            r.addr,
            r.port,
            conn_state(c),
            c.ext.missed,
            o.pkts,
            o.ip_bytes,
            r.pkts,
            r.ip_bytes,
            c.ip_proto
        );
    }
}

const TCP_PORTS: &[u16] = &[
    21, 2811, 22, 25, 587, 53, 79, 80, 81, 631, 1080, 3128, 8000, 8080, 8888, 88, 135, 139, 445, 143, 389, 3268, 443,
    465, 563, 585, 614, 636, 989, 990, 992, 993, 995, 5223, 502, 514, 1434, 3306, 1883, 3389, 5222, 5269, 5432, 6379,
    6666, 6667, 6668, 6669, 20000,
];
const UDP_PORTS: &[u16] = &[
    53, 137, 5353, 5355, 67, 4011, 88, 123, 161, 162, 389, 443, 514, 1812, 2123, 2152, 3389, 3544, 4754, 4789, 5060,
    5072, 6081, 20000,
];

fn main() {
    let mut options = Options::default();
    let mut sink = Printer::default();
    let mut path = None;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "-C" => options.ignore_checksums = true,
            "--quiet" => sink.quiet = true,
            _ => path = Some(arg),
        }
    }
    let Some(path) = path else {
        eprintln!("usage: conns [-C] [--quiet] CAPTURE");
        std::process::exit(2);
    };
    options.likely_server_ports = TCP_PORTS
        .iter()
        .map(|p| (*p, true))
        .chain(UDP_PORTS.iter().map(|p| (*p, false)))
        .collect();
    let mut key = [0; 16];
    for (i, w) in [1_462_428_821u32, 0, 2_278_350_848, 32_767].into_iter().enumerate() {
        key[i * 4..i * 4 + 4].copy_from_slice(&w.to_le_bytes());
    }
    let mut table: FlowTable<Ext> = FlowTable::new(options, UidGenerator::new(key, 1));
    table.wants.rexmit_inconsistency = true;
    let mut source = match tapir_packet::open_capture(Path::new(&path)) {
        Ok(s) => s,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    };
    let mut weirds = Weirds::default();
    let start = Instant::now();
    loop {
        match source.next_packet(&mut weirds) {
            Ok(Some(raw)) => {
                table.advance(raw.ts(), &mut sink);
                table.process(&raw, &mut sink);
            }
            Ok(None) => break,
            Err(e) => {
                eprintln!("{e}");
                break;
            }
        }
        for w in weirds.drain() {
            sink.on_net_weird(&mut table, w.name, &w.addl, w.source);
        }
    }
    table.finish_timers(&mut sink);
    table.finish_conns(&mut sink);
    if sink.quiet {
        let s = table.stats;
        let secs = start.elapsed().as_secs_f64();
        println!(
            "{} packets, {} tcp, {} udp, {} icmp, {} stream bytes, {:.3} s, {:.2} million packets/s",
            s.packets,
            s.tcp_conns,
            s.udp_conns,
            s.icmp_conns,
            sink.bytes,
            secs,
            s.packets as f64 / secs / 1e6
        );
    }
}
