//! Commands that look at nodes and hosts, or ask nodes something.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Done, Seen, Tool};
use crate::archive;
use crate::control::Control;
use crate::hosts::Place;
use crate::nodes::{Kind, Node};

impl Tool {
    pub(super) fn status(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        let seen = self.seen(&chosen);
        let peers = match self.options.flag("StatusCmdShowAll") {
            true => Some(self.peers(&chosen, &seen)),
            false => None,
        };
        let host = chosen.iter().map(|n| n.host.len()).max().unwrap_or(0).max(4);
        println!(
            "{:<12} {:<10} {host_:<host$} {:<13} {:<6} {}Started",
            "Name",
            "Type",
            "Status",
            "Pid",
            if peers.is_some() { "Peers  " } else { "" },
            host_ = "Host"
        );
        let mut all = true;
        for n in &chosen {
            let s = &seen[&n.name];
            let word = s.word();
            all &= word == "running";
            let mut line = format!("{:<12} {:<10} {:<host$} {word:<13}", n.name, n.kind.name(), n.host);
            if let Some(pid) = s.running() {
                let at = s.started.and_then(|s| chrono::DateTime::from_timestamp(s, 0));
                let shown = at.map_or_else(String::new, |t| {
                    t.with_timezone(&chrono::Local)
                        .format(&self.options.get("TimeFmt"))
                        .to_string()
                });
                line.push_str(&format!(" {pid:<6}"));
                if let Some(peers) = &peers {
                    let n = peers.get(&n.name).map_or("???".into(), usize::to_string);
                    line.push_str(&format!(" {n:<6}"));
                }
                line.push_str(&format!(" {shown}"));
            }
            println!("{}", line.trim_end());
        }
        Ok(all)
    }

    /// How many nodes each running node is connected to, as far as they answer.
    fn peers(&self, chosen: &[Node], seen: &BTreeMap<String, Seen>) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        let Ok(mut control) = Control::connect(&self.options) else {
            return out;
        };
        for n in chosen.iter().filter(|n| seen[&n.name].running().is_some()) {
            if let Ok(Some(answer)) = control.ask(&n.name, n.kind == Kind::Standalone, "peer_status", &[]) {
                let text = answer.first().and_then(|v| v["data"].as_str()).unwrap_or_default();
                out.insert(n.name.clone(), text.lines().filter(|l| l.contains("peer=")).count());
            }
        }
        out
    }

    /// Memory and processor seconds of running nodes, by name: a first look, and one a second later.
    pub(super) fn usage(&self, chosen: &[Node]) -> BTreeMap<String, (i32, u64, u64, f64)> {
        let seen = self.seen(chosen);
        let look = || {
            let mut all = BTreeMap::new();
            for (place, nodes) in self.places(chosen) {
                let running: Vec<_> = nodes
                    .iter()
                    .filter_map(|n| Some((n, seen[&n.name].running()?)))
                    .collect();
                let pids: Vec<i32> = running.iter().map(|r| r.1).collect();
                let Ok(figures) = self.hosts().call(&place, &json!({"op": "usage", "pids": pids})) else {
                    continue;
                };
                for (i, (n, pid)) in running.iter().enumerate() {
                    let f = &figures[i];
                    if let (Some(size), Some(rss), Some(cpu)) = (f[0].as_u64(), f[1].as_u64(), f[2].as_f64()) {
                        all.insert(n.name.clone(), (*pid, size, rss, cpu));
                    }
                }
            }
            all
        };
        let before = look();
        let begun = std::time::Instant::now();
        std::thread::sleep(Duration::from_secs(1));
        let mut after = look();
        let took = begun.elapsed().as_secs_f64();
        after.retain(|name, (_, _, _, cpu)| match before.get(name) {
            Some(was) => {
                *cpu = (*cpu - was.3) / took * 100.0;
                true
            }
            None => false,
        });
        after
    }

    pub(super) fn top(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        let usage = self.usage(&chosen);
        println!(
            "{:<12} {:<10} {:<12} {:<7} {:>6} {:>6} {:>5}  Cmd",
            "Name", "Type", "Host", "Pid", "VSize", "Rss", "Cpu"
        );
        for n in &chosen {
            match usage.get(&n.name) {
                Some((pid, size, rss, cpu)) => println!(
                    "{:<12} {:<10} {:<12} {pid:<7} {:>5}M {:>5}M {cpu:>4.0}%  tapir",
                    n.name,
                    n.kind.name(),
                    n.host,
                    size >> 20,
                    rss >> 20,
                ),
                None => println!("{:<12} {:<10} {:<12} <not running>", n.name, n.kind.name(), n.host),
            }
        }
        Ok(chosen.iter().all(|n| usage.contains_key(&n.name)))
    }

    pub(super) fn diag(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        let seen = self.seen(&chosen);
        let mut ok = true;
        for n in &chosen {
            println!("[{}]\n\n{}\n", n.name, seen[&n.name].word());
            match self.at(n, &json!({"op": "diag", "node": n.name})) {
                Ok(text) => print!("{}", text.as_str().unwrap_or_default()),
                Err(e) => {
                    println!("{e}\n");
                    ok = false;
                }
            }
        }
        Ok(ok)
    }

    // ---- asking nodes ----

    pub(super) fn print(&mut self, args: &[String]) -> Done {
        let (id, args) = args.split_first().ok_or("print needs the name of a variable")?;
        self.each(args, "id_value", &[id], |node, answer| {
            println!(
                "{node:>12}   {id} = {}",
                answer.get(1).and_then(|v| v["data"].as_str()).unwrap_or_default()
            );
        })
    }

    pub(super) fn ask_all(&mut self, request: &str, args: &[String]) -> Done {
        self.each(args, request, &[], |node, answer| {
            let text = answer.first().and_then(|v| v["data"].as_str()).unwrap_or_default();
            text.trim_end()
                .split('\n')
                .for_each(|line| println!("{node:>12}: {line}"));
        })
    }

    fn each(&mut self, args: &[String], request: &str, values: &[&str], show: impl Fn(&str, &[Value])) -> Done {
        let chosen = self.chosen(args)?;
        let seen = self.seen(&chosen);
        if chosen.iter().all(|n| seen[&n.name].running().is_none()) {
            return Err("no node runs".into());
        }
        let mut control = Control::connect(&self.options)?;
        let mut ok = true;
        for n in &chosen {
            if seen[&n.name].running().is_none() {
                ok = false;
                println!("{:>12}: <{}>", n.name, seen[&n.name].word());
                continue;
            }
            match control.ask(&n.name, n.kind == Kind::Standalone, request, values)? {
                Some(answer) => show(&n.name, &answer),
                None => {
                    ok = false;
                    println!("{:>12}: <no answer>", n.name);
                }
            }
        }
        Ok(ok)
    }

    // ---- hosts ----

    /// Packets and megabits per second, by place and interface; without figures where there is no such interface.
    pub(super) fn rates(&self, chosen: &[Node], seconds: u64) -> Vec<(Place, String, Option<(f64, f64)>)> {
        let mut out = Vec::new();
        for (place, nodes) in self.places(chosen) {
            let mut names: Vec<String> = nodes.iter().map(|n| n.interface.clone()).collect();
            names.retain(|n| !n.is_empty());
            names.sort();
            names.dedup();
            if names.is_empty() {
                continue;
            }
            let request = json!({"op": "capstats", "interfaces": names, "seconds": seconds});
            match self.hosts().call(&place, &request) {
                Ok(rates) => out.extend(names.into_iter().enumerate().map(|(i, name)| {
                    let rate = rates[i][0].as_f64().zip(rates[i][1].as_f64());
                    (place.clone(), name, rate.map(|(p, b)| (p, b * 8.0 / 1e6)))
                })),
                Err(e) => eprintln!("warning: {e}"),
            }
        }
        out
    }

    pub(super) fn capstats(&mut self, args: &[String]) -> Done {
        // The last argument may be the seconds to watch.
        let (args, seconds) = match args.split_last() {
            Some((last, rest)) if self.nodes.iter().all(|n| n.name != *last) => match last.parse::<u64>() {
                Ok(n) if n >= 1 => (rest, n),
                _ => (args, 10),
            },
            _ => (args, 10),
        };
        let chosen = self.chosen(args)?;
        let rates = self.rates(&chosen, seconds);
        if rates.is_empty() {
            return Err("none of these nodes watches an interface".into());
        }
        println!(
            "{:<32} {:>10} {:>10}   ({seconds}s average)",
            "Interface", "kpps", "mbps"
        );
        let mut ok = true;
        for (place, name, rate) in rates {
            let name = format!("{}/{name}", place.name());
            match rate {
                Some((packets, megabits)) => println!("{name:<32} {:>10.1} {megabits:>10.1}", packets / 1e3),
                None => {
                    ok = false;
                    println!("{name:<32} there is no such interface");
                }
            }
        }
        Ok(ok)
    }

    pub(super) fn exec(&mut self, args: &[String]) -> Done {
        if args.is_empty() {
            return Err("exec needs a command".into());
        }
        let request = json!({"op": "exec", "command": args.join(" ")});
        let mut ok = true;
        for place in self.places(&self.nodes).keys() {
            match self.hosts().call(place, &request) {
                Ok(answer) => {
                    ok &= answer["ok"] == true;
                    let word = if answer["ok"] == true { "ok" } else { "failed" };
                    println!("[{}] {word}", place.name());
                    let said = answer["said"].as_str().unwrap_or_default();
                    said.lines().for_each(|l| println!("  {l}"));
                }
                Err(e) => {
                    ok = false;
                    println!("[{}] failed\n  {e}", place.name());
                }
            }
        }
        Ok(ok)
    }

    pub(super) fn ps(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        let mut ok = true;
        for (place, _) in self.places(&chosen) {
            println!(">>> {}", place.name());
            match self.hosts().call(&place, &json!({"op": "ps"})) {
                Ok(all) => {
                    for p in all.as_array().into_iter().flatten() {
                        let pid = p[0].as_i64().unwrap_or(0);
                        let managed = self.nodes.iter().any(|n| {
                            Place::of(n, &self.options) == place && self.state.pid(&n.name).map(i64::from) == Some(pid)
                        });
                        let mark = if managed { '+' } else { '-' };
                        println!("({mark}) {pid:<8} {}", p[1].as_str().unwrap_or_default());
                    }
                }
                Err(e) => {
                    ok = false;
                    println!("{e}");
                }
            }
        }
        Ok(ok)
    }

    pub(super) fn df(&self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        println!("{:<16} {:<40} {:>8} {:>8}", "Host", "Folder", "Total", "Free");
        let mut ok = true;
        for place in self.places(&chosen).keys() {
            match self.hosts().call(place, &json!({"op": "df"})) {
                Ok(all) => {
                    for d in all.as_array().into_iter().flatten() {
                        let path = d[0].as_str().unwrap_or_default();
                        match d[1].as_u64().zip(d[2].as_u64()) {
                            Some((all, free)) => {
                                println!("{:<16} {path:<40} {:>7}M {:>7}M", place.name(), all >> 20, free >> 20);
                            }
                            None => println!("{:<16} {path:<40} <not there>", place.name()),
                        }
                    }
                }
                Err(e) => {
                    ok = false;
                    println!("{e}");
                }
            }
        }
        Ok(ok)
    }

    // ---- the rest ----

    pub(super) fn list(&self) -> Done {
        for n in &self.nodes {
            let mut line = format!("{:<12} type={} host={}", n.name, n.kind.name(), n.host);
            if !n.interface.is_empty() {
                line.push_str(&format!(" interface={}", n.interface));
            }
            if let Some(cpu) = n.cpu {
                line.push_str(&format!(" pin_cpus={cpu}"));
            }
            if let Some((k, of)) = n.share {
                line.push_str(&format!(" share={k}/{of}"));
            }
            println!("{line}");
        }
        Ok(true)
    }

    pub(super) fn archive_log(&self, args: &[String]) -> Done {
        let [file, name, open, close, _terminating, _writer] = args else {
            return Err("archive-log needs FILE NAME OPEN CLOSE TERMINATING WRITER".into());
        };
        let suffix = std::env::var("ZEEK_ARG_LOG_SUFFIX").unwrap_or_default();
        let dir = std::path::absolute(file)
            .ok()
            .and_then(|f| Some(f.parent()?.to_path_buf()));
        let _running = dir.as_deref().map(archive::Running::in_folder);
        if let Some(dir) = &dir {
            archive::note_rotation(dir, name);
        }
        if let Err(e) = archive::postprocess(&self.options, args) {
            eprintln!("warning: {e}");
        }
        if !Path::new(file).exists() {
            return Ok(true);
        }
        let file = std::path::absolute(file).map_err(|e| e.to_string())?;
        let suffix = match suffix.is_empty() {
            // Rotation runs in the folder of the node that writes the log.
            true => {
                let node = file
                    .parent()
                    .and_then(Path::file_name)
                    .map(|n| n.to_string_lossy().into_owned());
                let found = self.nodes.iter().find(|n| Some(&n.name) == node.as_ref());
                found.map(|n| self.log_suffix(n)).unwrap_or_default()
            }
            false => suffix,
        };
        let done = archive::archive(&self.options, &file, name, open, close, &suffix);
        if let (Err(e), true) = (&done, self.options.flag("MailArchiveLogFail")) {
            crate::mail::try_send(&self.options, &format!("archive log failure of {name}"), e);
        }
        done.map(|_| true)
    }
}
