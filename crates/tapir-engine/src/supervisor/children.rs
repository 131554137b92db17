//! The processes of supervised nodes: starting them, reading what they print, starting again what dies, ending them.
//!
//! Nothing here waits but [`Children::end_all`]; the engine's loop calls [`Children::poll`] and hears what has happened.
//! Must not know: scripts.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tapir_operate::process::{Process, pause};

use super::config::{NodeConfig, VARIABLE, absolute, absolute_script};

/// The longest pause before a node is started again.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// A run of this length forgets earlier failures.
const LONG_RUN: Duration = Duration::from_secs(30);
/// How often a node that is to end is asked to, and when it is made to.
const ASK: Duration = Duration::from_secs(2);
const INSIST: Duration = Duration::from_secs(30);
/// How long it may take to read what a process has left: others that it has started may hold its output open.
const READING: Duration = Duration::from_secs(10);
/// Lines that wait to be shown; nodes that print more wait.
const LINES_MAX: usize = 1000;
/// Lines taken at a time.
const TURN: usize = 200;

/// What has happened to a node.
#[derive(Debug, PartialEq)]
pub enum Happening {
    Started {
        name: String,
        pid: u32,
    },
    Line {
        name: String,
        errors: bool,
        text: Vec<u8>,
    },
    /// Something to tell the user about.
    Trouble(String),
}

/// What becomes of a node that is ending.
#[derive(Clone, Debug, PartialEq)]
enum Then {
    Nothing,
    /// It starts again, perhaps in another way.
    Start(Box<NodeConfig>),
}

#[derive(Debug)]
struct Ending {
    since: Instant,
    asked: Instant,
    killed: bool,
    then: Then,
}

#[derive(Debug)]
struct Node {
    config: NodeConfig,
    process: Option<Process>,
    started: Instant,
    /// Starts so far, of this process or of its forerunners.
    starts: u32,
    failures: u32,
    due: Option<Instant>,
    ending: Option<Ending>,
}

/// All nodes of a supervisor, by name.
#[derive(Debug)]
pub struct Children {
    nodes: BTreeMap<String, Node>,
    lines: (SyncSender<Happening>, Receiver<Happening>),
    /// Threads that read what processes have left that are gone, and since when they are.
    reading: Vec<(JoinHandle<()>, Instant)>,
}

impl Default for Children {
    fn default() -> Self {
        Children {
            nodes: BTreeMap::new(),
            lines: sync_channel(LINES_MAX),
            reading: Vec::new(),
        }
    }
}

/// The file for what a node prints: below its folder, new at first, longer with each start after it.
fn output(config: &NodeConfig, file: &str, first: bool) -> Result<Stdio, String> {
    let path = Path::new(config.directory.as_deref().unwrap_or(".")).join(file);
    let mut how = File::options();
    how.create(true);
    if first {
        how.write(true).truncate(true);
    } else {
        how.append(true);
    }
    let opened = how.open(&path);
    opened
        .map(Stdio::from)
        .map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Folders of scripts as they have to be said from another folder.
fn script_path() -> String {
    let mut dirs: Vec<String> = Vec::new();
    for name in ["TAPIRPATH", "ZEEKPATH"] {
        let value = std::env::var(name).unwrap_or_default();
        dirs.extend(value.split(':').filter(|d| !d.is_empty()).map(absolute));
    }
    if dirs.is_empty() {
        dirs.push(absolute("."));
    }
    // Its own folder.
    dirs.push(".".into());
    dirs.join(":")
}

/// The supervisor's arguments, for another folder: values of options stay as they are.
fn arguments() -> Vec<String> {
    let args = std::env::args_os().skip(1);
    args.map(|a| a.to_string_lossy().into_owned())
        .map(|a| if a.starts_with('-') { a } else { absolute_script(&a) })
        .collect()
}

fn command(config: &NodeConfig) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|e| format!("cannot find the program's own file: {e}"))?;
    let mut c = Command::new(program);
    c.args(arguments());
    if let Some(dir) = &config.directory {
        std::fs::create_dir_all(dir).map_err(|e| format!("cannot create {dir}: {e}"))?;
        c.current_dir(dir).env("TAPIRPATH", "").env("ZEEKPATH", script_path());
    }
    c.envs(config.env.iter().map(|(k, v)| (k, v)));
    c.env("CLUSTER_NODE", if config.clustered { &*config.name } else { "" });
    c.env(VARIABLE, config.encode());
    Ok(c)
}

impl Node {
    /// Starts the process.
    fn start(&mut self, program: Command, to: &SyncSender<Happening>) -> Result<u32, String> {
        let mut c = program;
        let first = self.starts == 0;
        self.starts += 1;
        self.started = Instant::now();
        self.due = None;
        c.stdout(match &self.config.stdout_file {
            Some(file) => output(&self.config, file, first)?,
            None => Stdio::piped(),
        });
        c.stderr(match &self.config.stderr_file {
            Some(file) => output(&self.config, file, first)?,
            None => Stdio::piped(),
        });
        let (name, to) = (self.config.name.clone(), to.clone());
        let line = move |errors, text| {
            let name = name.clone();
            to.send(Happening::Line { name, errors, text }).is_ok()
        };
        let process = Process::start(c, line).map_err(|e| format!("cannot start a process: {e}"))?;
        let pid = process.id();
        self.process = Some(process);
        if let Some(cpu) = self.config.cpu_affinity {
            pin(pid, cpu)?;
        }
        Ok(pid)
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    fn ended(&mut self, reading: &mut Vec<(JoinHandle<()>, Instant)>) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.ended()?;
        let now = Instant::now();
        let readers = self.process.take().map(Process::into_readers);
        reading.extend(readers.into_iter().flatten().map(|r| (r, now)));
        Some(status)
    }

    fn end(&mut self, then: Then) {
        let now = Instant::now();
        self.due = None;
        match &mut self.ending {
            Some(e) => e.then = then,
            None => {
                self.ending = Some(Ending {
                    since: now,
                    asked: now,
                    killed: false,
                    then,
                });
                self.signal(Signal::TERM);
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn pin(pid: u32, cpu: i64) -> Result<(), String> {
    let mut cpus = rustix::thread::CpuSet::new();
    cpus.set(cpu as usize);
    rustix::thread::sched_setaffinity(rustix::process::Pid::from_raw(pid as i32), &cpus)
        .map_err(|e| format!("cannot pin it to processor {cpu}: {e}"))
}

#[cfg(not(target_os = "linux"))]
fn pin(_: u32, _: i64) -> Result<(), String> {
    Err("processes cannot be pinned to processors on this system".into())
}

impl Children {
    /// Takes a node up; it is started at the next turn. The error is for the user.
    ///
    /// # Errors
    /// What keeps it from being run.
    pub fn create(&mut self, config: NodeConfig) -> Result<(), String> {
        if let Some(problem) = config.problem() {
            return Err(problem);
        }
        match self.nodes.get_mut(&config.name) {
            // The old one of that name has to end first.
            Some(node) if matches!(&node.ending, Some(e) if e.then == Then::Nothing) => {
                node.end(Then::Start(Box::new(config)));
            }
            Some(_) => return Err(format!("there is a node '{}' already", config.name)),
            None => {
                self.insert(config);
            }
        }
        Ok(())
    }

    fn insert(&mut self, config: NodeConfig) {
        let now = Instant::now();
        let node = Node {
            process: None,
            started: now,
            starts: 0,
            failures: 0,
            due: Some(now),
            ending: None,
            config,
        };
        self.nodes.insert(node.config.name.clone(), node);
    }

    /// Names of nodes that are not about to go, one or with an empty name all.
    fn names(&self, wanted: &str) -> Vec<String> {
        self.all()
            .filter(|(c, _)| wanted.is_empty() || c.name == wanted)
            .map(|(c, _)| c.name.clone())
            .collect()
    }

    /// All nodes that are not about to go, with their processes.
    pub fn all(&self) -> impl Iterator<Item = (&NodeConfig, Option<u32>)> {
        self.nodes.values().filter_map(|n| match &n.ending {
            Some(Ending {
                then: Then::Nothing, ..
            }) => None,
            Some(Ending {
                then: Then::Start(next),
                ..
            }) => Some((&**next, None)),
            None => Some((&n.config, n.process.as_ref().map(Process::id))),
        })
    }

    /// Ends a node, or with an empty name all. Gives whether there was one.
    pub fn destroy(&mut self, name: &str) -> bool {
        let names = self.names(name);
        for name in &names {
            if let Some(node) = self.nodes.get_mut(name) {
                node.end(Then::Nothing);
            }
        }
        !names.is_empty() || name.is_empty()
    }

    /// Ends a node, or with an empty name all, and starts it again. Gives whether there was one.
    pub fn restart(&mut self, name: &str) -> bool {
        let names = self.names(name);
        for name in &names {
            if let Some(node) = self.nodes.get_mut(name) {
                let next = match &node.ending {
                    Some(Ending {
                        then: Then::Start(next),
                        ..
                    }) => (**next).clone(),
                    _ => node.config.clone(),
                };
                node.end(Then::Start(Box::new(next)));
            }
        }
        !names.is_empty() || name.is_empty()
    }

    /// Gives nodes their turn, and what has happened to them.
    pub fn poll(&mut self) -> Vec<Happening> {
        self.poll_with(command)
    }

    fn poll_with(&mut self, program: impl Fn(&NodeConfig) -> Result<Command, String>) -> Vec<Happening> {
        let now = Instant::now();
        // Before lines are taken: what a thread has read that is at its end is among them then.
        self.reading
            .retain(|(thread, since)| !thread.is_finished() && now.duration_since(*since) < READING);
        let mut out: Vec<Happening> = self.lines.1.try_iter().take(TURN).collect();
        let mut gone = Vec::new();
        let mut next = Vec::new();
        for node in self.nodes.values_mut() {
            let ended = node.ended(&mut self.reading);
            if let Some(ending) = &mut node.ending {
                if node.process.is_none() {
                    gone.push(node.config.name.clone());
                    if let Then::Start(config) = &ending.then {
                        next.push((**config).clone());
                    }
                } else if !ending.killed && now - ending.since >= INSIST {
                    ending.killed = true;
                    node.signal(Signal::KILL);
                    let text = format!("supervised node '{}' does not end; it is killed", node.config.name);
                    out.push(Happening::Trouble(text));
                } else if !ending.killed && now - ending.asked >= ASK {
                    ending.asked = now;
                    node.signal(Signal::TERM);
                }
                continue;
            }
            if let Some(status) = ended {
                if status.success() && node.config.pcap_file.is_some() {
                    // A capture is not read twice.
                    continue;
                }
                let long = now - node.started >= LONG_RUN;
                node.failures = if long { 1 } else { node.failures + 1 };
                let wait = pause(node.failures, PAUSE_MAX);
                node.due = Some(now + wait);
                out.push(Happening::Trouble(format!(
                    "supervised node '{}' ended with {status}; it is started again in {} s",
                    node.config.name,
                    wait.as_secs()
                )));
            }
            if node.due.is_some_and(|d| d <= now) {
                match program(&node.config).and_then(|c| node.start(c, &self.lines.0)) {
                    Ok(pid) => out.push(Happening::Started {
                        name: node.config.name.clone(),
                        pid,
                    }),
                    Err(why) => {
                        node.failures += 1;
                        node.due = Some(now + pause(node.failures, PAUSE_MAX));
                        node.signal(Signal::KILL);
                        out.push(Happening::Trouble(format!(
                            "supervised node '{}': {why}",
                            node.config.name
                        )));
                    }
                }
            }
        }
        for name in gone {
            self.nodes.remove(&name);
        }
        next.into_iter().for_each(|config| self.insert(config));
        out
    }

    /// Whether there are processes, or something that such have left.
    pub fn any(&self) -> bool {
        !self.reading.is_empty() || self.nodes.values().any(|n| n.process.is_some())
    }

    /// Asks all nodes to end, for good.
    pub fn end_all(&mut self) {
        self.nodes.values_mut().for_each(|n| n.end(Then::Nothing));
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            if let Some(process) = &mut node.process {
                // Nothing is to outlive its supervisor.
                process.kill();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> NodeConfig {
        NodeConfig {
            name: name.into(),
            ..NodeConfig::default()
        }
    }

    fn shell(script: &'static str) -> impl Fn(&NodeConfig) -> Result<Command, String> {
        move |_| {
            let mut c = Command::new("/bin/sh");
            c.args(["-c", script]);
            Ok(c)
        }
    }

    /// Takes turns until something has happened.
    fn until(c: &mut Children, script: &'static str, test: impl Fn(&[Happening]) -> bool) -> Vec<Happening> {
        let end = Instant::now() + Duration::from_secs(60);
        let mut all = Vec::new();
        while !test(&all) {
            assert!(Instant::now() < end, "{all:?}");
            all.extend(c.poll_with(shell(script)));
            std::thread::sleep(Duration::from_millis(10));
        }
        all
    }

    fn starts(all: &[Happening]) -> usize {
        all.iter().filter(|h| matches!(h, Happening::Started { .. })).count()
    }

    #[test]
    fn nodes_print_die_and_come_back() {
        let mut c = Children::default();
        c.create(config("a")).unwrap();
        assert!(c.create(config("a")).is_err());
        assert!(c.create(config("")).is_err());
        let all = until(&mut c, "echo out; echo err >&2; exit 3", |all| starts(all) == 2);
        for (errors, text) in [(false, "out"), (true, "err")] {
            let line = Happening::Line {
                name: "a".into(),
                errors,
                text: text.into(),
            };
            assert!(all.contains(&line), "{all:?}");
        }
        assert!(
            all.iter()
                .any(|h| matches!(h, Happening::Trouble(t) if t.contains("exit status: 3")))
        );
    }

    #[test]
    fn nodes_are_restarted_and_destroyed() {
        let mut c = Children::default();
        c.create(config("a")).unwrap();
        until(&mut c, "exec sleep 600", |all| starts(all) == 1);
        let first = c.all().next().unwrap().1.unwrap();
        assert!(c.restart("a") && !c.restart("b"));
        until(&mut c, "exec sleep 600", |all| starts(all) == 1);
        assert_ne!(c.all().next().unwrap().1, Some(first));
        assert!(c.destroy("a") && !c.destroy("a"));
        // The name is free at once; the process comes when the old one is gone.
        c.create(config("a")).unwrap();
        until(&mut c, "exec sleep 600", |all| starts(all) == 1);
        c.end_all();
        let end = Instant::now() + Duration::from_secs(60);
        while c.any() && Instant::now() < end {
            c.poll_with(shell(""));
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!c.any() && c.all().next().is_none());
    }

    #[test]
    fn a_capture_is_read_once() {
        let mut c = Children::default();
        let mut a = config("a");
        a.pcap_file = Some("x.pcap".into());
        c.create(a).unwrap();
        until(&mut c, "exit 0", |all| starts(all) == 1);
        let end = Instant::now() + Duration::from_secs(60);
        while c.any() && Instant::now() < end {
            assert_eq!(starts(&c.poll_with(shell("exit 0"))), 0);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(c.nodes["a"].due.is_none());
    }
}
