//! Packets of a network interface: the loop that takes them, keeps time while there are none, and lets scripts' other
//! inputs have their turn.

use std::io::Write;
use std::time::{Duration, Instant};

use tapir_packet::Source;
use tapir_packet::live::{LiveOptions, LiveSource};

use super::{Engine, tell_status};
use crate::config::Config;
use crate::globals::{count, seconds};

/// Packets taken before other inputs have their turn.
const BATCH: usize = 512;
/// How long to wait for packets before looking at other inputs again.
const WAIT: Duration = Duration::from_millis(10);

impl Engine {
    /// How scripts want an interface to be watched.
    pub(super) fn live_options(&self, config: &Config) -> LiveOptions {
        let vm = &self.core.borrow().vm;
        let defaults = LiveOptions::default();
        LiveOptions {
            snaplen: count(vm, "Pcap::snaplen").map_or(defaults.snaplen, |n| n as u32),
            buffer_len: count(vm, "Pcap::bufsize").map_or(defaults.buffer_len, |mb| (mb as usize) << 20),
            fanout_group: config.fanout,
            ..defaults
        }
    }

    /// How long there must be no packets before the clock on the wall tells the time.
    pub(super) fn inactivity_timeout(&self) -> Duration {
        let wait = seconds(&self.core.borrow().vm, "packet_source_inactivity_timeout").unwrap_or(0.1);
        Duration::from_secs_f64(wait.clamp(0.0, 3600.0))
    }

    /// Watches an interface until the node is to stop.
    pub(super) fn live(&mut self, config: &Config, name: &str) -> Result<(), String> {
        let options = self.live_options(config);
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
                self.keep(&raw)?;
                self.packet(&raw);
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
