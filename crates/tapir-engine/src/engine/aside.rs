//! What scripts have done with packets beside their analysis: filters that raise an event for each packet that they match
//! (`secondary_filters`), and lines about how processing goes on (`pkt_profile_mode`, `pkt_profile_freq`, `pkt_profile_file`).
//!
//! What they have set is read at the first packet. Must not know: flows, analyzers.

use std::rc::Rc;

use tapir_data::value::{File, FuncId, Str, Value};
use tapir_interface::records;
use tapir_packet::{Filter, RawPacket};
use tapir_vm::{Severity, Vm};

use crate::core::Core;
use crate::globals;
use crate::sink::raw_pkt_hdr;

/// The table of filters and their events.
const FILTERS: &str = "secondary_filters";

/// What is done with each packet; nothing where scripts ask for nothing.
#[derive(Default)]
pub struct Aside {
    known: bool,
    filters: Vec<(Filter, Str, FuncId)>,
    profile: Option<Profile>,
}

/// Lines about the progress of packet processing.
struct Profile {
    file: Rc<File>,
    every: Every,
    packets: u64,
    bytes: u64,
    /// Which number of packets or bytes, or which network time, the next line waits for.
    next: f64,
    begun: std::time::Instant,
}

/// The distance of two lines.
#[derive(Clone, Copy)]
enum Every {
    Seconds(f64),
    Packets(f64),
    Bytes(f64),
}

impl Aside {
    /// Looks at a packet before it is analysed.
    pub fn packet(&mut self, core: &mut Core, raw: &RawPacket<'_>) {
        if !self.known {
            self.known = true;
            self.filters = filters(core);
            self.profile = Profile::of(core);
        }
        for (filter, text, event) in &self.filters {
            if filter.matches(raw) {
                let header = header(&mut core.vm, raw);
                core.vm.raise_func(*event, vec![Value::Str(text.clone()), header]);
            }
        }
        if let Some(profile) = &mut self.profile
            && let Err(e) = profile.packet(core.vm.network_time(), raw.len)
        {
            self.profile = None;
            complain(core, format!("cannot write to pkt_profile_file: {e}"));
        }
    }
}

fn complain(core: &mut Core, text: String) {
    core.vm.report(&mut core.host, Severity::Error, text, None);
}

/// The headers of a packet as `pkt_hdr`.
fn header(vm: &mut Vm, raw: &RawPacket<'_>) -> Value {
    let q = vm.queue();
    let all = raw_pkt_hdr(q, raw);
    records::PktHdr {
        ip: all.ip,
        ip6: all.ip6,
        tcp: all.tcp,
        udp: all.udp,
        icmp: all.icmp,
    }
    .build(q.bindings())
}

/// The filters that can be used; what is wrong with the others is told.
fn filters(core: &mut Core) -> Vec<(Filter, Str, FuncId)> {
    let Some(Value::Table(table)) = core.vm.global_value(FILTERS) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, event) in table.entries() {
        let Some(Value::Str(text)) = tapir_data::table::as_parts(&key).first().cloned() else {
            continue;
        };
        let Value::Func(event) = event else { continue };
        match Filter::compile(&String::from_utf8_lossy(&text)) {
            Ok(filter) => found.push((filter, text, event.id)),
            Err(e) => complain(
                core,
                format!("{FILTERS}: filter '{}': {e}", String::from_utf8_lossy(&text)),
            ),
        }
    }
    found
}

impl Profile {
    fn of(core: &mut Core) -> Option<Self> {
        let mode = globals::string(&core.vm, "pkt_profile_mode")?;
        let freq = globals::seconds(&core.vm, "pkt_profile_freq").unwrap_or(0.0);
        let every = match &*mode {
            "PKT_PROFILE_MODE_SECS" => Every::Seconds(freq),
            "PKT_PROFILE_MODE_PKTS" => Every::Packets(freq),
            "PKT_PROFILE_MODE_BYTES" => Every::Bytes(freq),
            _ => return None,
        };
        if freq.is_nan() || freq <= 0.0 {
            complain(core, format!("{mode} needs a pkt_profile_freq above 0"));
            return None;
        }
        let Some(Value::File(file)) = core.vm.global_value("pkt_profile_file") else {
            complain(core, format!("{mode} needs an open pkt_profile_file"));
            return None;
        };
        let mut profile = Profile {
            file,
            every,
            packets: 0,
            bytes: 0,
            next: freq,
            begun: std::time::Instant::now(),
        };
        let head = "#time\treal_time\tuser_time\tsystem_time\tmemory\tpackets\tbytes\n";
        if let Err(e) = profile.write(head) {
            complain(core, format!("cannot write to pkt_profile_file: {e}"));
            return None;
        }
        if let Every::Seconds(_) = every {
            profile.next = core.vm.network_time() + freq;
        }
        Some(profile)
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        match self.file.sink.borrow_mut().as_mut() {
            Some(sink) => sink.write_all(text.as_bytes()),
            None => Err(std::io::Error::other("it is closed")),
        }
    }

    fn packet(&mut self, now: f64, len: u32) -> std::io::Result<()> {
        self.packets += 1;
        self.bytes += u64::from(len);
        let (at, step) = match self.every {
            Every::Seconds(s) => (now, s),
            Every::Packets(n) => (self.packets as f64, n),
            Every::Bytes(n) => (self.bytes as f64, n),
        };
        if at < self.next {
            return Ok(());
        }
        // Where a packet passes several marks, one line says so.
        self.next += ((at - self.next) / step).floor().mul_add(step, step);
        let p = crate::bif::process_figures();
        let line = format!(
            "{now:.6}\t{:.6}\t{:.2}\t{:.2}\t{}\t{}\t{}\n",
            self.begun.elapsed().as_secs_f64(),
            p.user_time,
            p.system_time,
            p.memory,
            self.packets,
            self.bytes
        );
        self.write(&line)
    }
}
