//! `cron`: what is to be done every few minutes.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{Done, HINT, Tool};
use crate::hosts::Place;
use crate::install::make_dir;
use crate::nodes::Node;

/// For how long packets are counted.
const SAMPLE: u64 = 5;

fn epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Tool {
    pub(super) fn cron(&mut self, args: &[String]) -> Done {
        let word = args.first().map(String::as_str);
        match word {
            Some("enable" | "disable") => {
                self.state.set("cronenabled", word == Some("enable"));
                self.state.save()?;
                println!("cron {}d", word.unwrap_or_default());
                return Ok(true);
            }
            Some("?") => {
                println!(
                    "cron {}",
                    if self.state.flag("cronenabled", true) {
                        "enabled"
                    } else {
                        "disabled"
                    }
                );
                return Ok(true);
            }
            None | Some("--no-watch") => {}
            Some(other) => return Err(format!("cron knows enable, disable, ? and --no-watch, not '{other}'")),
        }
        if !self.state.flag("cronenabled", true) {
            return Ok(true);
        }
        if self.state.text("hash-config").is_none() {
            println!("warning: nothing is installed\n{HINT}");
            return Ok(false);
        }
        let mut ok = true;
        // Those that are down are told of when that changes, not every few minutes.
        self.quiet_about_hosts = true;
        if word.is_none() {
            let names = |t: &Tool, wanted: bool| -> Vec<String> {
                let seen = t.seen(&t.nodes);
                let differs = |n: &&Node| {
                    let s = &seen[&n.name];
                    s.lost.is_none() && t.state.expected(&n.name) == wanted && s.running().is_some() != wanted
                };
                t.nodes.iter().filter(differs).map(|n| n.name.clone()).collect()
            };
            let dead = names(self, true);
            if !dead.is_empty() {
                ok &= self.start(&dead)?;
                self.note_actions(&dead, "started")?;
            }
            let unwanted = names(self, false);
            if !unwanted.is_empty() {
                ok &= self.stop(&unwanted)?;
                self.note_actions(&unwanted, "stopped")?;
            }
        }
        self.disks();
        if self.options.flag("StatsLogEnable") {
            self.statistics()?;
        }
        for (place, nodes) in self.places(&self.nodes) {
            let asked: Vec<_> = nodes.iter().map(|n| json!([n.name, self.log_suffix(n)])).collect();
            match self.hosts().call(&place, &json!({"op": "retry", "nodes": asked})) {
                Ok(failures) => {
                    let failures = failures.as_array().into_iter().flatten().filter_map(|f| f.as_str());
                    failures.for_each(|f| println!("warning: {f}"));
                }
                Err(e) => self.tell_of_host(&place, &e),
            }
            if let Err(e) = self.hosts().call(&place, &json!({"op": "expire"})) {
                self.tell_of_host(&place, &e);
            }
        }
        self.expire_crashes();
        self.expire_statistics()?;
        self.state.save()?;
        let command = self.options.get("CronCmd");
        if !command.is_empty() {
            let ended = std::process::Command::new("/bin/sh").args(["-c", &command]).status();
            ok &= ended.is_ok_and(|s| s.success());
        }
        Ok(ok)
    }

    /// Tells what went wrong on a host, unless that was told of as one that is down.
    fn tell_of_host(&self, place: &Place, why: &str) {
        if self.state.flag(&format!("alive-{}", place.name()), true) {
            println!("warning: {why}");
        }
    }

    /// Tells of hosts that come and go, and of disks that are nearly full.
    fn disks(&mut self) {
        let least = self.options.number("MinDiskSpace");
        for place in self.places(&self.nodes.clone()).keys() {
            let answer = self.hosts().call(place, &json!({"op": "df"}));
            let key = format!("alive-{}", place.name());
            let was = self.state.flag(&key, true);
            if was != answer.is_ok() {
                self.state.set(&key, !was);
            }
            if was != answer.is_ok() && self.options.flag("MailHostUpDown") {
                match &answer {
                    Ok(_) => println!("host {} is up again", place.name()),
                    Err(why) => println!("host {} is down ({why})", place.name()),
                }
            }
            for d in answer.iter().flat_map(|a| a.as_array()).flatten() {
                let (path, figures) = (d[0].as_str().unwrap_or_default(), d[1].as_u64().zip(d[2].as_u64()));
                if let Some((all, free)) = figures.filter(|f| f.0 > 0) {
                    let percent = free * 100 / all;
                    if least > 0 && percent < least {
                        println!(
                            "warning: only {percent} percent are free where {path} is on {}",
                            place.name()
                        );
                    }
                }
            }
        }
    }

    fn write_statistics(&self, lines: &[String]) -> Result<(), String> {
        let dir = self.options.path("LogDir").join("stats");
        make_dir(&dir)?;
        let file = dir.join("stats.log");
        let fail = |e: std::io::Error| format!("cannot write {}: {e}", file.display());
        let mut f = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(fail)?;
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        f.write_all(text.as_bytes()).map_err(fail)
    }

    fn note_actions(&self, names: &[String], what: &str) -> Result<(), String> {
        if !self.options.flag("StatsLogEnable") {
            return Ok(());
        }
        let now = epoch();
        let lines: Vec<_> = names.iter().map(|n| format!("{now} {n} action {what}")).collect();
        self.write_statistics(&lines)
    }

    /// Adds what nodes use, and what their interfaces see, to the statistics; tells of interfaces that see no packets any
    /// more, or again.
    fn statistics(&mut self) -> Result<(), String> {
        let seen = self.seen(&self.nodes);
        let running: Vec<Node> = self
            .nodes
            .iter()
            .filter(|n| seen[&n.name].running().is_some())
            .cloned()
            .collect();
        if running.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        let now = epoch();
        for (name, (pid, size, rss, cpu)) in self.usage(&running) {
            for (key, value) in [
                ("pid", pid.to_string()),
                ("vsize", (size >> 20).to_string()),
                ("rss", (rss >> 20).to_string()),
                ("cpu", format!("{cpu:.0}")),
            ] {
                lines.push(format!("{now} {name} parent {key} {value}"));
            }
        }
        let mut total = (0.0, 0.0);
        for (place, interface, rate) in self.rates(&running, SAMPLE) {
            let Some((packets, megabits)) = rate else {
                lines.push(format!("{now} {} error error no interface {interface}", place.name()));
                continue;
            };
            total = (total.0 + packets, total.1 + megabits);
            let on_it = |n: &&Node| n.interface == interface && crate::hosts::Place::of(n, &self.options) == place;
            for n in running.iter().filter(on_it) {
                lines.push(format!("{now} {} interface mbps {megabits:.1}", n.name));
                lines.push(format!("{now} {} interface pkts {packets:.0}", n.name));
            }
            let key = format!("lastpkts-{}-{interface}", place.name());
            let (was, is) = (self.state.flag(&key, true), packets > 0.0);
            if was != is {
                let what = if is {
                    "sees packets again"
                } else {
                    "does not see any packets"
                };
                if self.options.flag("MailReceivingPackets") {
                    println!("{}/{interface} {what}", place.name());
                }
                self.state.set(&key, is);
            }
        }
        lines.push(format!("{now} $total interface mbps {:.1}", total.1));
        lines.push(format!("{now} $total interface pkts {:.0}", total.0));
        self.write_statistics(&lines)
    }

    /// Removes old lines from the statistics.
    fn expire_statistics(&self) -> Result<(), String> {
        let days = self.options.number("StatsLogExpireInterval");
        let file = self.options.path("LogDir").join("stats").join("stats.log");
        let Ok(text) = std::fs::read_to_string(&file) else {
            return Ok(());
        };
        let first = epoch().saturating_sub(days.saturating_mul(86_400));
        let time = |l: &str| l.split(' ').next().and_then(|t| t.parse::<u64>().ok());
        let is_old = |l: &&str| time(l).is_some_and(|t| t < first);
        if days == 0 || !text.lines().any(|l| is_old(&l)) {
            return Ok(());
        }
        let kept: String = text.lines().filter(|l| !is_old(l)).map(|l| format!("{l}\n")).collect();
        crate::install::write(&file, &kept)
    }

    /// Removes what crashes have left long ago, on this host.
    fn expire_crashes(&self) {
        let days = self.options.number("CrashExpireInterval");
        if days == 0 {
            return;
        }
        let tmp = self.options.path("SpoolDir").join("tmp");
        for entry in std::fs::read_dir(tmp).into_iter().flatten().flatten() {
            let age = entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| t.elapsed().ok());
            let crash = entry.file_name().to_string_lossy().ends_with("-crash");
            if crash && age.is_some_and(|a| a >= Duration::from_secs(days * 86_400)) {
                // It is tried again the next time.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}
