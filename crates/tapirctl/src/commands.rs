//! The commands: configuration and processes. What only looks or asks is in [`more`], what is done regularly in [`regular`].

mod more;
mod regular;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tapir_operate::words;

use crate::config::Options;
use crate::hosts::{Hosts, Place};
use crate::nodes::{self, Kind, Node, select};
use crate::offline::Trial;
use crate::state::{Lock, State};
use crate::{curve, install, mail};

/// An installation, as its files describe it.
pub struct Tool {
    _lock: Option<Lock>,
    options: Options,
    nodes: Vec<Node>,
    state: State,
    /// A fingerprint of the configuration files.
    fingerprint: String,
    /// Hosts that cannot be reached were told of, or will be.
    quiet_about_hosts: bool,
}

/// Whether all went well; errors are for what keeps a command from running at all.
type Done = Result<bool, String>;

const HINT: &str = "Hint: Run the tapirctl \"deploy\" command to get started.";

/// The commands, and the options of each; `None` where it has words of its own.
const COMMANDS: &[(&str, Option<&[&str]>)] = &[
    ("archiver", None),
    ("capstats", Some(&[])),
    ("check", Some(&[])),
    ("cleanup", Some(&["--all"])),
    ("config", Some(&[])),
    ("cron", None),
    ("deploy", Some(&[])),
    ("df", Some(&[])),
    ("diag", Some(&[])),
    ("exec", None),
    ("help", Some(&[])),
    ("install", Some(&["--local"])),
    ("layout", None),
    ("netstats", Some(&[])),
    ("nodes", Some(&[])),
    ("peerstatus", Some(&[])),
    ("print", Some(&[])),
    ("process", None),
    ("ps.zeek", Some(&[])),
    ("restart", Some(&["--clean"])),
    ("scripts", Some(&["-c"])),
    ("start", Some(&[])),
    ("status", Some(&[])),
    ("stop", Some(&[])),
    ("top", Some(&[])),
];

/// Commands that other programs give, and another name of one.
const NOT_TYPED: &[&str] = &["archive-log", "ps.tapir"];

fn unknown(command: &str) -> String {
    let hint = match command.starts_with('-') {
        true => words::hint(command, ["--base", "--help", "--version"]),
        false => words::hint(command, COMMANDS.iter().map(|(name, _)| *name)),
    };
    let kind = if command.starts_with('-') { "option" } else { "command" };
    format!("there is no {kind} '{command}'{hint}\n'tapirctl help' lists them")
}

/// Whether there is such a command and it has such options, which needs no installation to be known.
///
/// # Errors
/// What there is not.
pub fn check_words(args: &[String]) -> Result<(), String> {
    let Some((command, args)) = args.split_first() else {
        return Ok(());
    };
    if NOT_TYPED.contains(&command.as_str()) {
        return Ok(());
    }
    let found = COMMANDS.iter().find(|(name, _)| name == command);
    let &(_, known) = found.ok_or_else(|| unknown(command))?;
    let Some(known) = known else {
        return Ok(());
    };
    let odd = args.iter().find(|a| a.starts_with('-') && !known.contains(&a.as_str()));
    odd.map_or(Ok(()), |odd| {
        let hint = match (words::hint(odd, known.iter().copied()), known) {
            (near, [one, ..]) if near.is_empty() => format!("; it knows {one}"),
            (near, _) => near,
        };
        Err(format!("{command} does not know {odd}{hint}"))
    })
}

/// What is known of a node's process.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The one that was started.
    pid: Option<i32>,
    alive: bool,
    /// What it says of itself.
    status: String,
    /// Seconds since the epoch.
    started: Option<i64>,
    /// Why nothing is known.
    lost: Option<String>,
}

impl Seen {
    fn running(&self) -> Option<i32> {
        self.pid.filter(|_| self.alive)
    }

    fn crashed(&self) -> bool {
        self.pid.is_some() && !self.alive && self.lost.is_none()
    }

    fn word(&self) -> &'static str {
        match (self.pid, self.alive) {
            _ if self.lost.is_some() => "unknown",
            (_, true) => match &*self.status {
                "running" => "running",
                "initializing" => "initializing",
                "terminating" => "terminating",
                _ => "???",
            },
            (Some(_), false) => "crashed",
            (None, false) => "stopped",
        }
    }
}

/// The files of the configuration, read.
struct Files {
    options: Options,
    text: String,
    nodes_text: String,
}

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

fn files(base: &Path) -> Result<Files, String> {
    let etc = base.join("etc");
    let own = etc.join("tapirctl.cfg");
    let file = if own.is_file() { own } else { etc.join("zeekctl.cfg") };
    let mut options = Options::new(base, &program());
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    options.read(&text, &file.display().to_string())?;
    let node_cfg = options.path("CfgDir").join("node.cfg");
    let nodes_text =
        std::fs::read_to_string(&node_cfg).map_err(|e| format!("cannot read {}: {e}", node_cfg.display()))?;
    Ok(Files {
        options,
        text,
        nodes_text,
    })
}

/// Set while `cron` runs whose output is mailed.
pub const CRON_OUTPUT: &str = "TAPIRCTL_CRON_OUTPUT";

/// `cron`: what it says is mailed, or printed where there is no mail.
///
/// # Errors
/// What keeps it from running.
pub fn cron(base: &Path, args: &[String]) -> Done {
    let options = files(base)?.options;
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let out = std::process::Command::new(own)
        .arg("--base")
        .arg(base)
        .args(args)
        .env(CRON_OUTPUT, "1")
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| format!("cannot run cron: {e}"))?;
    let mut said = String::from_utf8_lossy(&out.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&out.stderr));
    // Words such as 'enable' are answered to whoever gave them.
    let asked = args.get(1).is_some_and(|a| !a.starts_with('-'));
    let subject = format!("cron: {}", said.lines().next().unwrap_or_default());
    let mailed = !said.is_empty() && !asked && mail::send(&options, &subject, &said)?;
    if !mailed {
        print!("{said}");
    }
    Ok(out.status.success())
}

/// Options and nodes of an installation, on whichever host it is.
///
/// # Errors
/// What is wrong with its files.
pub fn configuration(base: &Path) -> Result<(Options, Vec<Node>), String> {
    let f = files(base)?;
    let nodes = nodes::parse(&f.nodes_text)?;
    Ok((f.options, nodes))
}

impl Tool {
    /// Reads the configuration below a folder, for a command of which only the name matters.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(base: &Path, command: &str) -> Result<Self, String> {
        let Files {
            options,
            text,
            nodes_text,
        } = files(base)?;
        // Called by nodes, on whichever host they are.
        if command == "archive-log" {
            let nodes = nodes::parse(&nodes_text)?;
            return Ok(Tool {
                _lock: None,
                state: State::open(&options.path("SpoolDir")),
                fingerprint: String::new(),
                quiet_about_hosts: false,
                options,
                nodes,
            });
        }
        // Those that change something do so one after the other, and see what others have changed.
        let spool = options.path("SpoolDir");
        install::make_dir(&spool)?;
        let changes = ["deploy", "install", "start", "stop", "restart", "cron", "cleanup"];
        let lock = match changes.contains(&command) {
            true => Some(Lock::take(&spool)?),
            false => None,
        };
        options.warnings.iter().for_each(|w| eprintln!("warning: {w}"));
        if !matches!(&*options.get("ClusterBackend").to_ascii_lowercase(), "zeromq") {
            eprintln!(
                "warning: ClusterBackend = {}: there is only ZeroMQ, which is used",
                options.get("ClusterBackend")
            );
        }
        nodes::without_effect(&nodes_text)
            .iter()
            .for_each(|w| eprintln!("warning: {w}"));
        let nodes = nodes::read(&nodes_text)?;
        Ok(Tool {
            _lock: lock,
            state: State::open(&spool),
            fingerprint: fingerprint(&[&text, &nodes_text]),
            quiet_about_hosts: false,
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
        let rest: Vec<String> = args.iter().filter(|a| !a.starts_with('-')).cloned().collect();
        if matches!(command.as_str(), "start" | "restart" | "status" | "check") {
            self.warn_of_changes();
        }
        match command.as_str() {
            "deploy" if !args.is_empty() => Err("deploy takes no arguments".into()),
            "deploy" => self.deploy(),
            "check" => self.check(&rest),
            "scripts" => self.scripts(&rest, !flag("-c")),
            "install" => self.install(flag("--local")).map(|()| true),
            "start" => self.start(&rest),
            "stop" => self.stop(&rest),
            "restart" => self.restart(&rest, flag("--clean")),
            "status" => self.status(&rest),
            "top" => self.top(&rest),
            "diag" => self.diag(&rest),
            "print" => self.print(&rest),
            "netstats" => self.ask_all("net_stats", &rest),
            "peerstatus" => self.ask_all("peer_status", &rest),
            "capstats" => self.capstats(&rest),
            "exec" => self.exec(args),
            "process" => self.process(args),
            "ps.zeek" | "ps.tapir" => self.ps(&rest),
            "cron" => self.cron(args),
            "nodes" => self.list(),
            "config" => {
                self.options.all().iter().for_each(|(k, v)| println!("{k} = {v}"));
                Ok(true)
            }
            "cleanup" => self.cleanup(&rest, flag("--all")),
            "df" => self.df(&rest),
            "archive-log" => self.archive_log(args),
            other => Err(unknown(other)),
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
        Ok(select(&self.nodes, args)?.into_iter().cloned().collect())
    }

    // ---- hosts ----

    fn hosts(&self) -> Hosts<'_> {
        Hosts {
            options: &self.options,
            nodes: &self.nodes,
        }
    }

    /// Nodes by the places where they run.
    fn places<'n>(&self, chosen: &'n [Node]) -> BTreeMap<Place, Vec<&'n Node>> {
        let mut all: BTreeMap<Place, Vec<&Node>> = BTreeMap::new();
        for n in chosen {
            all.entry(Place::of(n, &self.options)).or_default().push(n);
        }
        all
    }

    /// Has something done for one node where it runs.
    fn at(&self, node: &Node, request: &Value) -> Result<Value, String> {
        self.hosts().call(&Place::of(node, &self.options), request)
    }

    /// What the processes of nodes do, by name.
    fn seen(&self, chosen: &[Node]) -> BTreeMap<String, Seen> {
        let mut all = BTreeMap::new();
        for (place, nodes) in self.places(chosen) {
            let asked: Vec<Value> = nodes.iter().map(|n| json!([n.name, self.state.pid(&n.name)])).collect();
            let answer = self.hosts().call(&place, &json!({"op": "look", "nodes": asked}));
            if let (Err(e), false) = (&answer, self.quiet_about_hosts) {
                eprintln!("warning: {e}");
            }
            for (i, n) in nodes.iter().enumerate() {
                let mut seen = Seen {
                    pid: self.state.pid(&n.name),
                    ..Seen::default()
                };
                match &answer {
                    Ok(v) => {
                        seen.alive = v[i]["alive"] == true;
                        seen.status = v[i]["status"].as_str().unwrap_or_default().into();
                        seen.started = v[i]["started"].as_i64();
                    }
                    Err(e) => seen.lost = Some(e.clone()),
                }
                all.insert(n.name.clone(), seen);
            }
        }
        all
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
            let trial = Trial::new(
                &self.options,
                &self.nodes,
                &seed,
                &format!("check-config-{}", node.name),
            )?;
            let out = trial.check(node)?;
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
        }
        Ok(ok)
    }

    fn scripts(&mut self, args: &[String], installed: bool) -> Done {
        let chosen = self.chosen(args)?;
        if installed && self.state.text("hash-config").is_none() {
            return Err(format!("nothing is installed; -c lists what would be\n{HINT}"));
        }
        let seed = self.seed();
        let mut ok = true;
        for node in &chosen {
            let trial = Trial::new(&self.options, &self.nodes, &seed, &format!("scripts-{}", node.name))?;
            let (out, list) = trial.scripts(node, installed)?;
            let good = out.status.success();
            ok &= good;
            println!("{} scripts {}.", node.name, if good { "are ok" } else { "failed" });
            if good {
                list.lines().for_each(|l| println!("  {l}"));
            } else {
                print!(
                    "{}{}",
                    String::from_utf8_lossy(&out.stdout),
                    String::from_utf8_lossy(&out.stderr)
                );
            }
        }
        Ok(ok)
    }

    fn process(&mut self, args: &[String]) -> Done {
        let (trace, args) = args
            .split_first()
            .filter(|(t, _)| !t.starts_with('-'))
            .ok_or("process needs a capture file: process TRACE [OPTIONS] [-- SCRIPTS]")?;
        let trace = std::path::absolute(trace).map_err(|e| format!("{trace}: {e}"))?;
        if !trace.is_file() {
            return Err(format!("there is no capture {}", trace.display()));
        }
        let end = args.iter().position(|a| a == "--").unwrap_or(args.len());
        let (options, scripts) = (&args[..end], args.get(end + 1..).unwrap_or_default());
        let scripts: Vec<String> = scripts
            .iter()
            .map(|s| match Path::new(s).is_file() {
                true => std::path::absolute(s).map_or(s.clone(), |p| p.display().to_string()),
                false => s.clone(),
            })
            .collect();
        let seed = self.seed();
        // What manager and workers load in addition is loaded together.
        let mut node = self.nodes.first().cloned().ok_or("node.cfg names no nodes")?;
        let mut aux: Vec<String> = self.nodes.iter().flat_map(|n| n.aux_scripts.clone()).collect();
        aux.sort();
        aux.dedup();
        node.aux_scripts = aux;
        let name = format!("process-{}", chrono::Local::now().format("%Y-%m-%d-%H-%M-%S"));
        let name = format!("{name}-{}", std::process::id());
        let mut trial = Trial::new(&self.options, &self.nodes, &seed, &name)?;
        trial.keep();
        let ok = trial.process(&node, &trace, options, &scripts)?;
        println!("### Zeek output in {}", trial.dir().display());
        Ok(ok)
    }

    fn install(&mut self, only_here: bool) -> Result<(), String> {
        let seed = self.seed();
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        curve::prepare(&self.options, &self.nodes)?;
        install::install(&self.options, &self.nodes, &seed, &own)?;
        for place in self
            .places(&self.nodes)
            .keys()
            .filter(|p| p.host.is_some() && !only_here)
        {
            println!("installing on {} ...", place.name());
            let there = self.options.at(&place.base);
            let scripts = install::scripts(&there, &self.nodes, &seed)?;
            // What is configured here is read here: addresses are resolved, networks are those of this host's file.
            let here = install::scripts(&self.options, &self.nodes, &seed)?;
            let files: Vec<_> = scripts
                .into_iter()
                .map(
                    |(name, text)| match here.iter().find(|h| h.0 == name && name != install::CONFIG) {
                        Some(h) => h.clone(),
                        None => (name, text),
                    },
                )
                .collect();
            self.hosts().install(place, &there, &files)?;
        }
        self.state.set("hash-config", self.fingerprint.clone());
        self.state.set("zeekversion", env!("CARGO_PKG_VERSION"));
        self.state.save()
    }

    fn deploy(&mut self) -> Done {
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
        self.install(false)?;
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
        let seen = self.seen(&chosen);
        self.report_crashes(&chosen, &seen);
        let mut ok = true;
        for node in &chosen {
            let before = &seen[&node.name];
            if let Some(e) = &before.lost {
                println!("{} cannot be started: {e}", node.name);
                ok = false;
                continue;
            }
            if before.running().is_some() {
                println!("{} still running", node.name);
                continue;
            }
            println!("starting {} ...", node.name);
            self.state.expect(&node.name, true);
            let suffix = self.log_suffix(node);
            let answer = self.at(node, &json!({"op": "start", "node": node.name, "suffix": suffix}));
            let answer = match answer {
                Ok(answer) => answer,
                // Without scripts no node can start.
                Err(e) if e.contains(HINT) => return Err(e),
                Err(e) => {
                    println!("{} cannot be started: {e}", node.name);
                    ok = false;
                    self.state.save()?;
                    continue;
                }
            };
            self.tell_failures(node, &answer["left"]);
            let pid = answer["pid"].as_u64().and_then(|p| u32::try_from(p).ok());
            self.state.set_pid(&node.name, pid);
            match answer["state"].as_str() {
                Some("running") => {}
                Some("slow") => println!("({} still initializing)", node.name),
                _ => {
                    println!(
                        "{} terminated immediately after starting; check output with \"diag\"\n{}",
                        node.name,
                        answer["why"].as_str().unwrap_or_default()
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
    fn tidy(&self, node: &Node, crashed: bool) {
        let suffix = self.log_suffix(node);
        let request = json!({"op": "tidy", "node": node.name, "suffix": suffix, "crashed": crashed});
        match self.at(node, &request) {
            Ok(failures) => self.tell_failures(node, &failures),
            Err(e) => eprintln!("warning: {e}"),
        }
    }

    /// Tells of logs of a node that could not be archived.
    fn tell_failures(&self, node: &Node, failures: &Value) {
        let failures = failures.as_array().into_iter().flatten();
        let failures: Vec<_> = failures.filter_map(|f| f.as_str()).collect();
        failures.iter().for_each(|f| eprintln!("warning: {f}"));
        if failures.is_empty() {
            return;
        }
        let tmp = self.options.path("SpoolDir").join("tmp");
        eprintln!(
            "warning: what {} has left is kept in {}; cron tries again to archive it",
            node.name,
            tmp.display()
        );
        if self.options.flag("MailArchiveLogFail") {
            let subject = format!("archive log failure on node {}", node.name);
            mail::try_send(&self.options, &subject, &failures.join("\n"));
        }
    }

    fn stop(&mut self, args: &[String]) -> Done {
        let mut chosen = self.chosen(args)?;
        chosen.sort_by_key(|n| std::cmp::Reverse(n.kind));
        let seen = self.seen(&chosen);
        self.report_crashes(&chosen, &seen);
        let seconds = self.options.number("StopTimeout").max(1);
        let mut ok = true;
        for kind in [Kind::Worker, Kind::Proxy, Kind::Standalone, Kind::Manager, Kind::Logger] {
            let of_kind: Vec<Node> = chosen.iter().filter(|n| n.kind == kind).cloned().collect();
            for n in &of_kind {
                self.state.expect(&n.name, false);
                match &seen[&n.name] {
                    Seen { lost: Some(e), .. } => {
                        println!("{} cannot be stopped: {e}", n.name);
                        ok = false;
                    }
                    s if s.running().is_some() => println!("stopping {} ...", n.name),
                    _ => println!("{} not running", n.name),
                }
            }
            for (place, nodes) in self.places(&of_kind) {
                let running: Vec<(&Node, i32)> = nodes
                    .into_iter()
                    .filter_map(|n| Some((n, seen[&n.name].running()?)))
                    .collect();
                if running.is_empty() {
                    continue;
                }
                let pids: Vec<i32> = running.iter().map(|r| r.1).collect();
                let request = json!({"op": "stop", "pids": pids, "seconds": seconds});
                let killed = match self.hosts().call(&place, &request) {
                    Ok(killed) => killed,
                    Err(e) => {
                        for (node, _) in running {
                            println!("{} cannot be stopped: {e}", node.name);
                        }
                        ok = false;
                        continue;
                    }
                };
                for (node, pid) in running {
                    if killed.as_array().is_some_and(|k| k.contains(&json!(pid))) {
                        println!("{} did not terminate ... killed", node.name);
                    }
                    self.state.set_pid(&node.name, None);
                    self.tidy(node, false);
                }
            }
            self.state.save()?;
        }
        Ok(ok)
    }

    fn restart(&mut self, args: &[String], clean: bool) -> Done {
        let ok = self.stop(args)?;
        if clean {
            self.cleanup(args, false)?;
            self.install(false)?;
        }
        Ok(ok && self.start(args)?)
    }

    /// Keeps what crashed nodes have left, and says so. Gives their names.
    fn report_crashes(&mut self, chosen: &[Node], seen: &BTreeMap<String, Seen>) {
        let gone = |n: &&Node| seen[&n.name].crashed();
        let crashed: Vec<Node> = chosen.iter().filter(gone).cloned().collect();
        if !crashed.is_empty() {
            let names: Vec<_> = crashed.iter().map(|n| n.name.as_str()).collect();
            println!(
                "creating crash report for previously crashed nodes: {}",
                names.join(", ")
            );
        }
        for node in &crashed {
            // Before its folder is emptied.
            let left = self.at(node, &json!({"op": "diag", "node": node.name}));
            let left = left.map_or_else(|e| e, |t| t.as_str().unwrap_or_default().to_string());
            let body = format!(
                "The node {} on host {} has crashed. It left:\n\n{left}",
                node.name, node.host
            );
            mail::try_send(&self.options, &format!("Crash report from {}", node.name), &body);
            self.state.set_pid(&node.name, None);
            self.tidy(node, true);
        }
    }

    fn cleanup(&mut self, args: &[String], all: bool) -> Done {
        let chosen = self.chosen(args)?;
        let seen = self.seen(&chosen);
        for (place, nodes) in self.places(&chosen) {
            let mut names = Vec::new();
            for n in nodes {
                if seen[&n.name].running().is_some() {
                    println!("{} is running; its folder stays", n.name);
                    continue;
                }
                println!("cleaning up {} ...", n.name);
                names.push(n.name.clone());
                if all {
                    self.state.set_pid(&n.name, None);
                }
            }
            self.hosts()
                .call(&place, &json!({"op": "clean", "nodes": names, "all": all}))?;
        }
        self.state.save()?;
        Ok(true)
    }
}
