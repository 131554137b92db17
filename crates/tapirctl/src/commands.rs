//! The commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::config::Options;
use crate::control::Control;
use crate::nodes::{self, Kind, Node, select};
use crate::process::{self, Started, alive};
use crate::state::State;
use crate::{archive, install};

/// An installation, as its files describe it.
pub struct Tool {
    options: Options,
    nodes: Vec<Node>,
    state: State,
    /// A fingerprint of the configuration files.
    fingerprint: String,
}

/// Whether all went well; errors are for what keeps a command from running at all.
type Done = Result<bool, String>;

const HINT: &str = "Hint: Run the tapirctl \"deploy\" command to get started.";

fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let beside = own.with_file_name("tapir");
    if beside.is_file() { beside } else { "tapir".into() }
}

/// FNV-1a: only to notice that files have changed.
fn fingerprint(texts: &[&str]) -> String {
    let bytes = texts.iter().flat_map(|t| t.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

impl Tool {
    /// Reads the configuration below a folder.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(base: &Path) -> Result<Self, String> {
        let etc = base.join("etc");
        let own = etc.join("tapirctl.cfg");
        let file = if own.is_file() { own } else { etc.join("zeekctl.cfg") };
        let mut options = Options::new(base, &program());
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        options.read(&text, &file.display().to_string())?;
        options.warnings.iter().for_each(|w| eprintln!("warning: {w}"));
        let node_cfg = options.path("CfgDir").join("node.cfg");
        let nodes_text =
            std::fs::read_to_string(&node_cfg).map_err(|e| format!("cannot read {}: {e}", node_cfg.display()))?;
        let nodes = nodes::read(&nodes_text)?;
        let spool = options.path("SpoolDir");
        install::make_dir(&spool)?;
        Ok(Tool {
            state: State::open(&spool),
            fingerprint: fingerprint(&[&text, &nodes_text]),
            options,
            nodes,
        })
    }

    /// Runs one command.
    ///
    /// # Errors
    /// What keeps it from running.
    pub fn run(&mut self, args: &[String]) -> Done {
        let (command, args) = args.split_first().ok_or("no command is given")?;
        let flag = |name: &str| args.iter().any(|a| a == name);
        let rest: Vec<String> = args.iter().filter(|a| !a.starts_with("--")).cloned().collect();
        if matches!(command.as_str(), "start" | "restart" | "status" | "check") {
            self.warn_of_changes();
        }
        match command.as_str() {
            "deploy" => self.deploy(),
            "check" => self.check(&rest),
            "install" => self.install().map(|()| true),
            "start" => self.start(&rest),
            "stop" => self.stop(&rest),
            "restart" => self.restart(&rest, flag("--clean")),
            "status" => self.status(&rest),
            "top" => self.top(&rest),
            "diag" => self.diag(&rest),
            "print" => self.print(&rest),
            "netstats" => self.ask_all("net_stats", &rest),
            "peerstatus" => self.ask_all("peer_status", &rest),
            "cron" => self.cron(args),
            "nodes" => self.list(),
            "config" => {
                self.options.all().iter().for_each(|(k, v)| println!("{k} = {v}"));
                Ok(true)
            }
            "cleanup" => self.cleanup(&rest, flag("--all")),
            "df" => self.df(),
            "archive-log" => self.archive_log(args),
            other => Err(format!("there is no command '{other}'; 'tapirctl help' lists them")),
        }
    }

    fn warn_of_changes(&self) {
        match self.state.text("hash-config") {
            None => eprintln!("warning: nothing is installed\n{HINT}"),
            Some(h) if h != self.fingerprint => {
                eprintln!("warning: the configuration has changed since it was installed (use deploy)");
            }
            Some(_) => {}
        }
    }

    fn chosen(&self, args: &[String]) -> Result<Vec<Node>, String> {
        let chosen: Vec<Node> = select(&self.nodes, args)?.into_iter().cloned().collect();
        match chosen.iter().find(|n| !n.is_local()) {
            Some(n) => Err(format!(
                "{} is to run on {}; only nodes on this host are supported",
                n.name, n.host
            )),
            None => Ok(chosen),
        }
    }

    fn pid(&self, node: &Node) -> Option<i32> {
        self.state.pid(&node.name).filter(|p| alive(*p))
    }

    fn seed(&mut self) -> String {
        if let Some(s) = self.state.text("global-hash-seed") {
            return s.to_string();
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let text = format!("{:?}{}", now, std::process::id());
        let seed = fingerprint(&[&text])[..8].to_string();
        self.state.set("global-hash-seed", seed.clone());
        seed
    }

    // ---- configuration ----

    fn check(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        self.check_nodes(&chosen)
    }

    fn check_nodes(&mut self, chosen: &[Node]) -> Done {
        let seed = self.seed();
        let mut ok = true;
        for node in chosen {
            let dir = self
                .options
                .path("SpoolDir")
                .join("tmp")
                .join(format!("check-config-{}", node.name));
            let _ = std::fs::remove_dir_all(&dir);
            install::generate(&self.options, &self.nodes, &seed, &dir)?;
            let site = self.options.get("SitePolicyPath");
            let env = process::variables(&self.options, node, Path::new(&site), &dir)?;
            let out = std::process::Command::new(self.options.get("Zeek"))
                .args(process::arguments(&self.options, node, true))
                .envs(env)
                .env("ZEEKCTL_CHECK_CONFIG", "1")
                .env("ZEEKCTL_DISABLE_LISTEN", "1")
                .current_dir(&dir)
                .output()
                .map_err(|e| format!("cannot run {}: {e}", self.options.get("Zeek")))?;
            let good = out.status.success();
            ok &= good;
            println!("{} scripts {}.", node.name, if good { "are ok" } else { "failed" });
            if !good {
                print!(
                    "{}{}",
                    String::from_utf8_lossy(&out.stdout),
                    String::from_utf8_lossy(&out.stderr)
                );
            }
            let _ = std::fs::remove_dir_all(&dir);
        }
        Ok(ok)
    }

    fn install(&mut self) -> Result<(), String> {
        let seed = self.seed();
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        install::install(&self.options, &self.nodes, &seed, &own)?;
        self.state.set("hash-config", self.fingerprint.clone());
        self.state.set("zeekversion", env!("CARGO_PKG_VERSION"));
        self.state.save()
    }

    fn deploy(&mut self) -> Done {
        self.chosen(&[])?;
        println!("checking configurations ...");
        let mut one_of_each: Vec<Node> = Vec::new();
        for n in &self.nodes {
            if one_of_each.iter().all(|o| o.kind != n.kind) {
                one_of_each.push(n.clone());
            }
        }
        if !self.check_nodes(&one_of_each)? {
            return Ok(false);
        }
        println!("installing ...");
        self.install()?;
        println!("stopping ...");
        if !self.stop(&[])? {
            return Ok(false);
        }
        println!("starting ...");
        self.start(&[])
    }

    // ---- processes ----

    fn start(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        self.report_crashes(&chosen);
        let mut ok = true;
        for node in &chosen {
            if self.pid(node).is_some() {
                println!("{} still running", node.name);
                continue;
            }
            println!("starting {} ...", node.name);
            self.state.expect(&node.name, true);
            match process::start(&self.options, node)? {
                Started::Running(pid) => self.state.set_pid(&node.name, Some(pid)),
                Started::Slow(pid) => {
                    self.state.set_pid(&node.name, Some(pid));
                    println!("({} still initializing)", node.name);
                }
                Started::Dead(why) => {
                    self.state.set_pid(&node.name, None);
                    println!(
                        "{} terminated immediately after starting; check output with \"diag\"\n{why}",
                        node.name
                    );
                    ok = false;
                }
            }
            self.state.save()?;
        }
        Ok(ok)
    }

    fn log_suffix(&self, node: &Node) -> String {
        let several = self.nodes.iter().filter(|n| n.kind == Kind::Logger).count() > 1;
        if several && node.kind == Kind::Logger {
            node.name.clone()
        } else {
            String::new()
        }
    }

    /// Archives what a node has left.
    fn tidy(&self, node: &Node, crashed: bool) -> bool {
        let dir = process::folder(&self.options, node);
        let suffix = self.log_suffix(node);
        match archive::post_terminate(&self.options, node.kind.name(), &dir, &suffix, crashed) {
            Ok(failures) if failures.is_empty() => true,
            Ok(failures) => {
                failures.iter().for_each(|f| eprintln!("warning: {f}"));
                false
            }
            Err(e) => {
                eprintln!("warning: {e}");
                false
            }
        }
    }

    fn stop(&mut self, args: &[String]) -> Done {
        let mut chosen = self.chosen(args)?;
        chosen.sort_by_key(|n| std::cmp::Reverse(n.kind));
        self.report_crashes(&chosen);
        let at_most = Duration::from_secs(self.options.number("StopTimeout").max(1));
        for kind in [Kind::Worker, Kind::Proxy, Kind::Standalone, Kind::Manager, Kind::Logger] {
            let of_kind: Vec<&Node> = chosen.iter().filter(|n| n.kind == kind).collect();
            let running: Vec<(&Node, i32)> = of_kind.iter().filter_map(|n| Some((*n, self.pid(n)?))).collect();
            for n in &of_kind {
                self.state.expect(&n.name, false);
                match running.iter().any(|r| r.0.name == n.name) {
                    true => println!("stopping {} ...", n.name),
                    false => println!("{} not running", n.name),
                }
            }
            let pids: Vec<i32> = running.iter().map(|r| r.1).collect();
            let killed = process::stop(&pids, at_most);
            for (node, pid) in running {
                if killed.contains(&pid) {
                    println!("{} did not terminate ... killed", node.name);
                }
                self.state.set_pid(&node.name, None);
                self.tidy(node, false);
            }
            self.state.save()?;
        }
        Ok(chosen.iter().all(|n| self.pid(n).is_none()))
    }

    fn restart(&mut self, args: &[String], clean: bool) -> Done {
        let ok = self.stop(args)?;
        if clean {
            self.cleanup(args, false)?;
            self.install()?;
        }
        Ok(ok && self.start(args)?)
    }

    /// Keeps what crashed nodes have left, and says so. Gives their names.
    fn report_crashes(&mut self, chosen: &[Node]) -> Vec<String> {
        let gone = |n: &&Node| self.state.pid(&n.name).is_some_and(|p| !alive(p));
        let crashed: Vec<Node> = chosen.iter().filter(gone).cloned().collect();
        if !crashed.is_empty() {
            let names: Vec<_> = crashed.iter().map(|n| n.name.as_str()).collect();
            println!(
                "creating crash report for previously crashed nodes: {}",
                names.join(", ")
            );
        }
        for node in &crashed {
            self.state.set_pid(&node.name, None);
            self.tidy(node, true);
        }
        crashed.into_iter().map(|n| n.name).collect()
    }

    fn word(&self, node: &Node) -> &'static str {
        match (self.state.pid(&node.name), self.pid(node)) {
            (_, Some(_)) => match process::status(&self.options, node).as_str() {
                "running" => "running",
                "initializing" => "initializing",
                "terminating" => "terminating",
                _ => "???",
            },
            (Some(_), None) => "crashed",
            (None, None) => "stopped",
        }
    }

    fn status(&mut self, args: &[String]) -> Done {
        let chosen: Vec<Node> = select(&self.nodes, args)?.into_iter().cloned().collect();
        let host = chosen.iter().map(|n| n.host.len()).max().unwrap_or(0).max(4);
        println!(
            "{:<12} {:<10} {host_:<host$} {:<13} {:<6} Started",
            "Name",
            "Type",
            "Status",
            "Pid",
            host_ = "Host"
        );
        let mut all = true;
        for n in &chosen {
            let word = self.word(n);
            all &= word == "running";
            let mut line = format!("{:<12} {:<10} {:<host$} {word:<13}", n.name, n.kind.name(), n.host);
            if let Some(pid) = self.pid(n) {
                let file = process::folder(&self.options, n).join(".startup");
                let text = std::fs::read_to_string(file).unwrap_or_default();
                let at = text.lines().next().and_then(|l| l.parse().ok());
                let at = at.and_then(|s| chrono::DateTime::from_timestamp(s, 0));
                let shown = at.map_or_else(String::new, |t| {
                    t.with_timezone(&chrono::Local)
                        .format(&self.options.get("TimeFmt"))
                        .to_string()
                });
                line.push_str(&format!(" {pid:<6} {shown}"));
            }
            println!("{}", line.trim_end());
        }
        Ok(all)
    }

    fn top(&mut self, args: &[String]) -> Done {
        let chosen = self.chosen(args)?;
        let look = |t: &Tool| -> Vec<_> {
            chosen
                .iter()
                .map(|n| t.pid(n).and_then(|p| Some((p, process::usage(p)?))))
                .collect()
        };
        let before = look(self);
        std::thread::sleep(Duration::from_secs(1));
        println!(
            "{:<12} {:<10} {:<12} {:<7} {:>6} {:>6} {:>5}  Cmd",
            "Name", "Type", "Host", "Pid", "VSize", "Rss", "Cpu"
        );
        let mut ok = true;
        for ((n, a), b) in chosen.iter().zip(before).zip(look(self)) {
            match (a, b) {
                (Some((_, (_, _, was))), Some((pid, (size, rss, is)))) => println!(
                    "{:<12} {:<10} {:<12} {pid:<7} {:>5}M {:>5}M {:>4.0}%  tapir",
                    n.name,
                    n.kind.name(),
                    n.host,
                    size >> 20,
                    rss >> 20,
                    (is - was) * 100.0
                ),
                _ => {
                    ok = false;
                    println!("{:<12} {:<10} {:<12} <not running>", n.name, n.kind.name(), n.host);
                }
            }
        }
        Ok(ok)
    }

    fn diag(&mut self, args: &[String]) -> Done {
        for n in self.chosen(args)? {
            println!("[{}]\n\n{}\n", n.name, self.word(&n));
            let mut dir = process::folder(&self.options, &n);
            if !dir.join(".cmdline").is_file() {
                // What a crash left stands in a folder of its own.
                let tmp = self.options.path("SpoolDir").join("tmp");
                let mut left: Vec<PathBuf> = std::fs::read_dir(tmp)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| e.path())
                    .collect();
                left.sort_by_key(|p| p.metadata().and_then(|m| m.modified()).ok());
                let part = format!("post-terminate-{}", n.kind.name());
                let found = left.into_iter().rev().find(|p| p.to_string_lossy().contains(&part));
                dir = found.unwrap_or(dir);
            }
            for name in ["stderr.log", "stdout.log", ".cmdline", ".env_vars", ".status"] {
                let text = std::fs::read_to_string(dir.join(name)).unwrap_or_else(|_| "<not there>".into());
                let lines: Vec<_> = text.lines().collect();
                let tail = &lines[lines.len().saturating_sub(30)..];
                println!("==== {name}\n{}\n", tail.join("\n"));
            }
        }
        Ok(true)
    }

    // ---- asking nodes ----

    fn running(&self, args: &[String]) -> Result<Vec<Node>, String> {
        let chosen = self.chosen(args)?;
        Ok(chosen.into_iter().filter(|n| self.pid(n).is_some()).collect())
    }

    fn print(&mut self, args: &[String]) -> Done {
        let (id, args) = args.split_first().ok_or("print needs the name of a variable")?;
        self.each(args, "id_value", &[id], |node, answer| {
            println!(
                "{node:>12}   {id} = {}",
                answer.get(1).and_then(|v| v["data"].as_str()).unwrap_or_default()
            );
        })
    }

    fn ask_all(&mut self, request: &str, args: &[String]) -> Done {
        self.each(args, request, &[], |node, answer| {
            let text = answer.first().and_then(|v| v["data"].as_str()).unwrap_or_default();
            println!("{node:>12}: {}", text.trim_end());
        })
    }

    fn each(&mut self, args: &[String], request: &str, values: &[&str], show: impl Fn(&str, &[Value])) -> Done {
        let nodes = self.running(args)?;
        if nodes.is_empty() {
            return Err("no node runs".into());
        }
        let mut control = Control::connect(&self.options)?;
        let mut ok = true;
        for n in &nodes {
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

    // ---- the rest ----

    fn list(&self) -> Done {
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

    fn cleanup(&mut self, args: &[String], all: bool) -> Done {
        for n in self.chosen(args)? {
            if self.pid(&n).is_some() {
                println!("{} is running; its folder stays", n.name);
                continue;
            }
            println!("cleaning up {} ...", n.name);
            let dir = process::folder(&self.options, &n);
            let _ = std::fs::remove_dir_all(&dir);
            install::make_dir(&dir)?;
            if all {
                self.state.set_pid(&n.name, None);
            }
        }
        if all {
            let tmp = self.options.path("SpoolDir").join("tmp");
            let _ = std::fs::remove_dir_all(&tmp);
            install::make_dir(&tmp)?;
        }
        self.state.save()?;
        Ok(true)
    }

    fn free(path: &Path) -> Option<(u64, u64)> {
        let s = rustix::fs::statvfs(path).ok()?;
        Some((s.f_blocks * s.f_frsize, s.f_bavail * s.f_frsize))
    }

    fn df(&self) -> Done {
        println!("{:<40} {:>8} {:>8}", "Folder", "Total", "Free");
        for name in ["LogDir", "SpoolDir"] {
            let path = self.options.path(name);
            match Self::free(&path) {
                Some((all, free)) => println!("{:<40} {:>7}M {:>7}M", path.display(), all >> 20, free >> 20),
                None => println!("{:<40} <not there>", path.display()),
            }
        }
        Ok(true)
    }

    fn archive_log(&self, args: &[String]) -> Done {
        let [file, name, open, close, _terminating, _writer] = args else {
            return Err("archive-log needs FILE NAME OPEN CLOSE TERMINATING WRITER".into());
        };
        let suffix = std::env::var("ZEEK_ARG_LOG_SUFFIX").unwrap_or_default();
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
        archive::archive(&self.options, &file, name, open, close, &suffix)?;
        Ok(true)
    }

    fn cron(&mut self, args: &[String]) -> Done {
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
        if word.is_none() {
            let names = |t: &Tool, wanted: bool| -> Vec<String> {
                let differs = |n: &&Node| t.state.expected(&n.name) == wanted && t.pid(n).is_some() != wanted;
                t.nodes.iter().filter(differs).map(|n| n.name.clone()).collect()
            };
            let dead = names(self, true);
            if !dead.is_empty() {
                ok &= self.start(&dead)?;
            }
            let unwanted = names(self, false);
            if !unwanted.is_empty() {
                ok &= self.stop(&unwanted)?;
            }
        }
        let least = self.options.number("MinDiskSpace");
        for name in ["LogDir", "SpoolDir"] {
            let path = self.options.path(name);
            if let Some((all, free)) = Self::free(&path).filter(|(all, _)| *all > 0) {
                let percent = free * 100 / all;
                if least > 0 && percent < least {
                    println!("warning: only {percent} percent are free where {} is", path.display());
                }
            }
        }
        archive::expire(&self.options);
        let command = self.options.get("CronCmd");
        if !command.is_empty() {
            let ended = std::process::Command::new("/bin/sh").args(["-c", &command]).status();
            ok &= ended.is_ok_and(|s| s.success());
        }
        Ok(ok)
    }
}
