//! Packets of a network interface: the loop that takes them, keeps time while there are none, and lets scripts' other
//! inputs have their turn.

use std::io::Write;
use std::time::{Duration, Instant};

use tapir_packet::Source;
use tapir_packet::live::{Fanout, LiveOptions, LiveSource};
use tapir_vm::{Host, Severity};

use super::{Engine, tell_status};
use crate::config::{Config, Input, Watch, interface};
use crate::globals::{count, flag, seconds, string};

/// Defaults of scripts for this kind of source, which other settings or the interface itself say better.
const AF_BUFFER: u64 = 128 << 20;
const AF_BLOCK: u64 = 32 << 10;
const ETHERNET: u64 = 1;
/// Who looks after checksums.
pub(super) const CHECKSUM_MODE: &str = "AF_Packet::checksum_validation_mode";

/// Packets taken before other inputs have their turn.
const BATCH: usize = 512;
/// How long to wait for packets before looking at other inputs again.
const WAIT: Duration = Duration::from_millis(10);

impl Engine {
    /// How scripts want an interface to be watched.
    ///
    /// # Errors
    /// When that cannot be done here.
    pub(super) fn live_options(&self, config: &Config) -> Result<LiveOptions, String> {
        let core = &mut *self.core.borrow_mut();
        let defaults = LiveOptions::default();
        // Two have one meaning, so the one that somebody has set counts; and what has a default of another kind of source
        // counts when it was set.
        let set = |name: &str, default: u64| count(&core.vm, &format!("AF_Packet::{name}")).filter(|n| *n != default);
        let buffer_len = match set("buffer_size", AF_BUFFER) {
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            None => count(&core.vm, "Pcap::bufsize").map_or(defaults.buffer_len, |mb| (mb as usize) << 20),
        };
        let fanout_mode = match string(&core.vm, "AF_Packet::fanout_mode").as_deref() {
            None | Some("AF_Packet::FANOUT_HASH") => Fanout::Hash,
            Some("AF_Packet::FANOUT_CPU") => Fanout::Cpu,
            Some("AF_Packet::FANOUT_QM") => Fanout::Queue,
            Some(other) => return Err(format!("AF_Packet::fanout_mode: there is no {other} here")),
        };
        let fanout_group = match &config.input {
            Some(Input::Interface(name)) if config.fanout.is_none() => match interface(name)?.1 {
                Watch::Together if flag(&core.vm, "AF_Packet::enable_fanout") == Some(true) => {
                    let id = count(&core.vm, "AF_Packet::fanout_id").unwrap_or_default();
                    let id = u16::try_from(id).map_err(|_| format!("AF_Packet::fanout_id: {id} is more than 65535"))?;
                    Some(id)
                }
                Watch::Together | Watch::Alone => None,
            },
            _ => config.fanout,
        };
        let mut idle = Vec::new();
        if flag(&core.vm, "AF_Packet::enable_hw_timestamping") == Some(true) {
            idle.push("AF_Packet::enable_hw_timestamping has no effect: packets have the times of the kernel");
        }
        if string(&core.vm, CHECKSUM_MODE).as_deref() == Some("AF_Packet::CHECKSUM_KERNEL") {
            idle.push("AF_Packet::CHECKSUM_KERNEL has no effect: checksums are computed here");
        }
        let options = LiveOptions {
            snaplen: count(&core.vm, "Pcap::snaplen").map_or(defaults.snaplen, |n| n as u32),
            buffer_len,
            fanout_group,
            fanout_mode,
            defragment: flag(&core.vm, "AF_Packet::enable_defrag") == Some(true),
            block_len: set("block_size", AF_BLOCK).map_or(defaults.block_len, |n| n as usize),
            block_timeout: seconds(&core.vm, "AF_Packet::block_timeout")
                .and_then(|s| Duration::try_from_secs_f64(s).ok())
                .unwrap_or(defaults.block_timeout),
            link_type: set("link_type", ETHERNET).map(|n| n as u32),
            ..defaults
        };
        for text in idle {
            if core.host.says_first(text) {
                core.vm.report(&mut core.host, Severity::Warning, text.into(), None);
            }
        }
        Ok(options)
    }

    /// How long there must be no packets before the clock on the wall tells the time.
    pub(super) fn inactivity_timeout(&self) -> Duration {
        let wait = seconds(&self.core.borrow().vm, "packet_source_inactivity_timeout").unwrap_or(0.1);
        Duration::from_secs_f64(wait.clamp(0.0, 3600.0))
    }

    /// Watches an interface until the node is to stop.
    pub(super) fn live(&mut self, config: &Config, name: &str) -> Result<(), String> {
        let options = self.live_options(config)?;
        let (name, _) = interface(name)?;
        let idle_after = self.inactivity_timeout();
        let mut source = LiveSource::open(name, &options).map_err(|e| e.to_string())?;
        // Not before: who waits for this sends packets next.
        tell_status(config, "RUNNING");
        let mut last_packet = Instant::now();
        let mut last_count = Instant::now();
        while !self.stopping() && !self.is_orphan() {
            let suspended = self.core.borrow().host.node.suspended;
            let mut any = false;
            for _ in 0..if suspended { 0 } else { BATCH } {
                let Some(raw) = source.next_packet(&mut self.weirds).map_err(|e| e.to_string())? else {
                    break;
                };
                any = true;
                if !self.is_wanted(&raw)? {
                    continue;
                }
                self.take(&raw)?;
            }
            if any {
                last_packet = Instant::now();
            } else if last_packet.elapsed() >= idle_after {
                // Without packets the clock on the wall tells the time.
                self.advance(super::logs_wall_clock());
            }
            if last_count.elapsed() >= Duration::from_secs(1) {
                last_count = Instant::now();
                let stats = source.statistics();
                self.core.borrow_mut().host.node.n_dropped = stats.dropped;
            }
            let (busy, _) = self.poll_inputs();
            let busy = self.poll_cluster() || busy;
            self.drain();
            if !any && !busy {
                let _ = self.core.borrow_mut().host.stdout.flush();
                source.wait(WAIT);
            }
        }
        Ok(())
    }
}
