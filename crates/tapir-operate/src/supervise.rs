//! Watching over processes: each is started again when it dies, after a pause that grows, until all are to end.
//!
//! What nodes print is passed on line by line, with their names.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::layout::Role;
use crate::process::{Process, pause};

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Spec {
    pub name: String,
    pub role: Role,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// The working directory; it exists.
    pub dir: PathBuf,
    /// Whether the node is done when it ends with success, as one that reads a capture.
    pub finite: bool,
    /// Of a finite node: the file in its folder that it makes when it begins. Before, it can be started again.
    pub mark: Option<String>,
}

impl Spec {
    fn has_begun(&self) -> bool {
        self.mark.as_ref().is_none_or(|m| self.dir.join(m).exists())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All finite nodes have done all that they were to do.
    Done,
    /// A stop was asked for.
    Stopped,
    /// A node did not start, or one died and left something undone.
    Failed,
}

struct Node {
    spec: Spec,
    process: Option<Process>,
    started: Instant,
    starts: u32,
    /// Failures since the last long run.
    failures: u32,
    due: Option<Instant>,
    done: bool,
}

/// Looks after nodes.
pub struct Supervisor {
    nodes: Vec<Node>,
    /// What is missing of what the finite nodes were to do.
    losses: Vec<String>,
    /// Tell about starts and ends on standard error.
    pub verbose: bool,
}

/// The longest pause before a node is started again.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A run of this length forgets earlier failures.
const LONG_RUN: Duration = Duration::from_secs(30);
/// A node that gives up by itself so soon after its first start never will do better.
const EARLY: Duration = Duration::from_secs(10);
/// How long a node may take to end in order.
const STOP_TIME: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);

/// Prints a line of a node with its name.
fn print(name: &str, errors: bool, line: &[u8]) {
    let mut out = format!("{name}: ").into_bytes();
    out.extend_from_slice(line);
    out.push(b'\n');
    // A closed terminal is no reason to stop the nodes.
    let _ = if errors {
        std::io::stderr().lock().write_all(&out)
    } else {
        std::io::stdout().lock().write_all(&out)
    };
}

impl Node {
    fn start(&mut self) -> Result<(), String> {
        self.starts += 1;
        self.started = Instant::now();
        self.due = None;
        if let Some(mark) = &self.spec.mark {
            // That of an earlier process; mostly there is none.
            let _ = std::fs::remove_file(self.spec.dir.join(mark));
        }
        let mut command = Command::new(&self.spec.program);
        command
            .args(&self.spec.args)
            .envs(self.spec.env.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.spec.dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let name = self.spec.name.clone();
        let line = move |errors, line: Vec<u8>| {
            print(&name, errors, &line);
            true
        };
        let process =
            Process::start(command, line).map_err(|e| format!("cannot start {}: {e}", self.spec.program.display()))?;
        // Who may not know otherwise which process is whose.
        let _ = std::fs::write(self.spec.dir.join(".pid"), format!("{}\n", process.id()));
        self.process = Some(process);
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// The end of the process, if it has ended.
    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        let status = self.process.as_mut()?.ended()?;
        for reader in self.process.take().map(Process::into_readers).into_iter().flatten() {
            let _ = reader.join();
        }
        Some(status)
    }
}

impl Supervisor {
    /// For nodes in the order in which they are to be started.
    pub fn new(specs: Vec<Spec>) -> Self {
        let now = Instant::now();
        let node = |spec| Node {
            spec,
            process: None,
            started: now,
            starts: 0,
            failures: 0,
            due: Some(now),
            done: false,
        };
        Supervisor {
            nodes: specs.into_iter().map(node).collect(),
            losses: Vec::new(),
            verbose: true,
        }
    }

    fn tell(&self, text: &str) {
        if self.verbose {
            tell!("{text}");
        }
    }

    /// Runs the nodes until the finite ones are done or `stop` says so, then ends the others: workers first, then
    /// proxies, the manager, and loggers last, so that nothing is lost that was on its way.
    pub fn run(&mut self, stop: impl Fn() -> bool) -> Outcome {
        let outcome = loop {
            if stop() {
                break Outcome::Stopped;
            }
            match self.turn() {
                Some(outcome) => break outcome,
                None => std::thread::sleep(TICK),
            }
        };
        self.end();
        outcome
    }

    fn turn(&mut self) -> Option<Outcome> {
        let mut failed = false;
        for i in 0..self.nodes.len() {
            if let Some(status) = self.nodes[i].ended() {
                failed |= !self.handle_end(i, status);
            }
            let node = &mut self.nodes[i];
            if node.due.is_some_and(|d| d <= Instant::now()) {
                if let Err(why) = node.start() {
                    tell!("error: {}: {why}", node.spec.name);
                    failed = true;
                }
            }
        }
        if failed {
            return Some(Outcome::Failed);
        }
        let mut finite = self.nodes.iter().filter(|n| n.spec.finite).peekable();
        if finite.peek().is_none() || !finite.all(|n| n.done) {
            return None;
        }
        if self.losses.is_empty() {
            return Some(Outcome::Done);
        }
        tell!("error: the logs are not complete: {}", self.losses.join("; "));
        Some(Outcome::Failed)
    }

    /// Decides what becomes of a node that has ended; false when there is no point in going on.
    fn handle_end(&mut self, i: usize, status: std::process::ExitStatus) -> bool {
        let node = &mut self.nodes[i];
        let name = node.spec.name.clone();
        if node.spec.finite && status.success() {
            node.done = true;
            return true;
        }
        let ran = node.started.elapsed();
        let bounded = self.nodes.iter().any(|n| n.spec.finite);
        let node = &mut self.nodes[i];
        if node.spec.finite && node.spec.has_begun() {
            // Its share of the capture would be counted twice if it began again.
            node.done = true;
            tell!(
                "error: {name} ended with {status} while it worked; it is not started again, as what it has logged would be \
                 logged twice"
            );
            self.losses.push(format!(
                "{name} ended with {status}, and what it had not logged by then is missing"
            ));
            return true;
        }
        if node.starts == 1 && ran < EARLY && status.code().is_some() {
            tell!("error: {name} ended with {status} right after its start");
            return false;
        }
        if bounded && !node.spec.finite {
            self.losses.push(format!(
                "{name} ended with {status} and was started again; what was on its way to it may be missing"
            ));
        }
        node.failures = if ran >= LONG_RUN { 1 } else { node.failures + 1 };
        let wait = pause(node.failures, PAUSE_MAX);
        node.due = Some(Instant::now() + wait);
        self.tell(&format!(
            "{name} ended with {status}; it is started again in {} s",
            wait.as_secs()
        ));
        true
    }

    fn end(&mut self) {
        for role in [Role::Worker, Role::Proxy, Role::Manager, Role::Logger] {
            let of_role = |n: &&mut Node| n.spec.role == role && n.process.is_some();
            self.nodes
                .iter_mut()
                .filter(of_role)
                .for_each(|n| n.signal(Signal::TERM));
            let until = Instant::now() + STOP_TIME;
            let mut killed = false;
            loop {
                let mut any = false;
                for node in self.nodes.iter_mut().filter(|n| n.spec.role == role) {
                    any |= node.process.is_some() && node.ended().is_none();
                }
                if !any {
                    break;
                }
                if !killed && Instant::now() >= until {
                    killed = true;
                    for node in self.nodes.iter().filter(|n| n.spec.role == role && n.process.is_some()) {
                        tell!("warning: {} does not end; it is killed", node.spec.name);
                        node.signal(Signal::KILL);
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for node in &mut self.nodes {
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

    fn spec(name: &str, script: &str, finite: bool) -> Spec {
        Spec {
            name: name.into(),
            role: Role::Worker,
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
            dir: std::env::temp_dir(),
            finite,
            mark: None,
        }
    }

    #[test]
    fn the_run_ends_with_its_finite_nodes() {
        let mut s = Supervisor::new(vec![spec("a", "exec sleep 600", false), spec("b", "exit 0", true)]);
        assert_eq!(s.run(|| false), Outcome::Done);
        assert!(s.nodes.iter().all(|n| n.process.is_none()));
    }

    #[test]
    fn what_died_in_the_middle_of_its_work_is_not_started_again() {
        let mut s = Supervisor::new(vec![
            spec("a", "exec sleep 600", false),
            spec("b", "kill -9 $$", true),
            spec("c", "exit 0", true),
        ]);
        assert_eq!(s.run(|| false), Outcome::Failed);
        assert!(
            s.losses.len() == 1 && s.losses[0].starts_with("b ended with signal: 9"),
            "{:?}",
            s.losses
        );
        assert_eq!(s.nodes[1].starts, 1);
    }

    #[test]
    fn what_died_before_its_work_is_started_again() {
        let dir = std::env::temp_dir().join(format!("tapir-supervise-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        // The second time it gets to its work.
        let script = "if [ -e tried ]; then touch begun; exit 0; fi; touch tried; kill -9 $$";
        let mut b = spec("b", script, true);
        b.dir = dir.clone();
        b.mark = Some("begun".into());
        let mut s = Supervisor::new(vec![b]);
        assert_eq!(s.run(|| false), Outcome::Done);
        assert_eq!(s.nodes[0].starts, 2);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_node_that_cannot_start_ends_the_run() {
        let mut s = Supervisor::new(vec![spec("a", "exec sleep 600", false), spec("b", "exit 3", false)]);
        assert_eq!(s.run(|| false), Outcome::Failed);
    }

    #[test]
    fn what_is_killed_is_started_again() {
        let mut s = Supervisor::new(vec![spec("a", "exec sleep 600", false)]);
        s.turn();
        s.nodes[0].signal(Signal::KILL);
        let until = Instant::now() + Duration::from_secs(20);
        while s.nodes[0].starts < 2 && Instant::now() < until {
            assert_eq!(s.turn(), None);
            std::thread::sleep(TICK);
        }
        assert_eq!(s.nodes[0].starts, 2);
    }
}
