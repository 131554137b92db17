//! What is done on the host on which a node runs: by this process for its own host, by `tapirctl helper` for others, which
//! takes a request as JSON on standard input and answers on standard output.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::Options;
use crate::nodes::Node;
use crate::process::{self, Started, alive};
use crate::{archive, install};

/// The installation on this host.
pub struct Here<'a> {
    pub options: &'a Options,
    pub nodes: &'a [Node],
}

/// Lines of a file that are shown.
const TAIL: usize = 30;
/// What shows that a process is one of ours or of the program whose place it takes.
const PROGRAMS: &[&str] = &["tapir", "zeek"];

fn number(v: &Value) -> u64 {
    v.as_u64().unwrap_or(0)
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

fn pids(v: &Value) -> Vec<i32> {
    let all = v.as_array().into_iter().flatten();
    all.filter_map(|p| i32::try_from(p.as_i64()?).ok())
        .filter(|p| *p > 0)
        .collect()
}

impl Here<'_> {
    fn node(&self, request: &Value) -> Result<&Node, String> {
        let name = text(&request["node"]);
        let found = self.nodes.iter().find(|n| n.name == name);
        found.ok_or_else(|| format!("node.cfg on this host has no node '{name}'"))
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// What keeps it from being done.
    pub fn handle(&self, request: &Value) -> Result<Value, String> {
        match text(&request["op"]) {
            "install" => self.install(request),
            "start" => self.start(request),
            "stop" => {
                let at_most = Duration::from_secs(number(&request["seconds"]).max(1));
                Ok(json!(process::stop(&pids(&request["pids"]), at_most)))
            }
            "look" => self.look(request),
            "tidy" => {
                let node = self.node(request)?;
                let dir = process::folder(self.options, node);
                let (suffix, crashed) = (text(&request["suffix"]), request["crashed"] == true);
                archive::post_terminate(self.options, node.kind.name(), &dir, suffix, crashed).map(|f| json!(f))
            }
            "usage" => Ok(Value::Array(
                pids(&request["pids"])
                    .into_iter()
                    .map(|p| process::usage(p).map_or(Value::Null, |u| json!([u.0, u.1, u.2])))
                    .collect(),
            )),
            "diag" => Ok(json!(self.diag(self.node(request)?))),
            "clean" => self.clean(request),
            "df" => Ok(Value::Array(self.df())),
            "exec" => exec(text(&request["command"]), &self.options.path("ZeekBase")),
            "capstats" => capstats(&request["interfaces"], number(&request["seconds"])),
            "ps" => Ok(Value::Array(ps())),
            "expire" => Ok(json!(archive::expire(self.options))),
            "retry" => self.retry(request),
            other => Err(format!("the tapirctl on this host does not know how to '{other}'")),
        }
    }

    /// Takes generated files over, and makes way for the site's scripts.
    fn install(&self, request: &Value) -> Result<Value, String> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let files: Vec<(&str, &str)> = request["files"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, t)| (&**name, text(t)))
            .collect();
        install::settle(self.options, &files, &own)?;
        Ok(Value::Null)
    }

    fn start(&self, request: &Value) -> Result<Value, String> {
        let node = self.node(request)?;
        let dir = process::folder(self.options, node);
        // What a node has left that ended right after its start: the next one would write over it.
        let left = match archive::has_logs(&dir) {
            true => archive::post_terminate(self.options, node.kind.name(), &dir, text(&request["suffix"]), false)?,
            false => Vec::new(),
        };
        let mut answer = match process::start(self.options, node)? {
            Started::Running(pid) => json!({"state": "running", "pid": pid}),
            Started::Slow(pid) => json!({"state": "slow", "pid": pid}),
            Started::Dead(why) => json!({"state": "dead", "why": why}),
        };
        answer["left"] = json!(left);
        Ok(answer)
    }

    /// Archives what could not be archived when it was to be. Each node is named with what its logs have in their names.
    fn retry(&self, request: &Value) -> Result<Value, String> {
        let mut folders = Vec::new();
        for one in request["nodes"].as_array().into_iter().flatten() {
            let node = self.node(&json!({"node": one[0]}))?;
            folders.push((process::folder(self.options, node), text(&one[1]).to_string()));
        }
        Ok(json!(archive::retry(self.options, &folders)))
    }

    /// For each node its state, and when it was started.
    fn look(&self, request: &Value) -> Result<Value, String> {
        let mut out = Vec::new();
        for one in request["nodes"].as_array().into_iter().flatten() {
            let node = self.node(&json!({"node": one[0]}))?;
            let pid = one[1].as_i64().and_then(|p| i32::try_from(p).ok());
            let file = process::folder(self.options, node).join(".startup");
            let startup = std::fs::read_to_string(file).unwrap_or_default();
            out.push(json!({
                "alive": pid.is_some_and(|p| process::is_node(p, &process::folder(self.options, node))),
                "status": process::status(self.options, node),
                "started": startup.lines().next().and_then(|l| l.parse::<i64>().ok()),
            }));
        }
        Ok(Value::Array(out))
    }

    fn diag(&self, node: &Node) -> String {
        let mut dir = process::folder(self.options, node);
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
            let part = format!("post-terminate-{}", node.kind.name());
            let found = left.into_iter().rev().find(|p| p.to_string_lossy().contains(&part));
            dir = found.unwrap_or(dir);
        }
        let mut out = String::new();
        for name in ["stderr.log", "stdout.log", ".cmdline", ".env_vars", ".status"] {
            let text = std::fs::read(dir.join(name));
            let text = text.map_or_else(|_| "<not there>".into(), |t| String::from_utf8_lossy(&t).into_owned());
            let lines: Vec<_> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            out.push_str(&format!("==== {name}\n{}\n\n", tail.join("\n")));
        }
        out
    }

    /// Empties the folders of nodes, and of what crashes have left.
    fn clean(&self, request: &Value) -> Result<Value, String> {
        for name in request["nodes"].as_array().into_iter().flatten() {
            let dir = process::folder(self.options, self.node(&json!({"node": name}))?);
            let _ = std::fs::remove_dir_all(&dir);
            install::make_dir(&dir)?;
        }
        if request["all"] == true {
            let tmp = self.options.path("SpoolDir").join("tmp");
            let _ = std::fs::remove_dir_all(&tmp);
            install::make_dir(&tmp)?;
        }
        Ok(Value::Null)
    }

    /// Name, size and free space of the folders of logs and of nodes; without figures where one is not there.
    pub fn df(&self) -> Vec<Value> {
        let one = |name: &str| {
            let path = self.options.path(name);
            match free(&path) {
                Some((all, free)) => json!([path.display().to_string(), all, free]),
                None => json!([path.display().to_string()]),
            }
        };
        ["LogDir", "SpoolDir"].into_iter().map(one).collect()
    }
}

fn free(path: &Path) -> Option<(u64, u64)> {
    let s = rustix::fs::statvfs(path).ok()?;
    Some((s.f_blocks * s.f_frsize, s.f_bavail * s.f_frsize))
}

fn exec(command: &str, dir: &Path) -> Result<Value, String> {
    let mut c = Command::new("/bin/sh");
    c.args(["-c", command]).stdin(std::process::Stdio::null());
    if dir.is_dir() {
        c.current_dir(dir);
    }
    let out = c.output().map_err(|e| format!("cannot run /bin/sh: {e}"))?;
    let said = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    Ok(json!({"ok": out.status.success(), "said": said(&out.stdout) + &said(&out.stderr)}))
}

/// Packets and bytes that an interface has received since it is up.
fn received(interface: &str) -> Option<(u64, u64)> {
    let dir = Path::new("/sys/class/net").join(interface).join("statistics");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok();
    Some((read("rx_packets")?, read("rx_bytes")?))
}

/// For each interface its packets and bytes per second, or nothing when there is no such interface.
fn capstats(interfaces: &Value, seconds: u64) -> Result<Value, String> {
    let names: Vec<&str> = interfaces.as_array().into_iter().flatten().map(text).collect();
    let look = || -> Vec<_> { names.iter().map(|n| received(n)).collect() };
    let before = look();
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds.clamp(1, 3600)));
    let took = begun.elapsed().as_secs_f64();
    let rates = before.into_iter().zip(look()).map(|pair| match pair {
        (Some(a), Some(b)) => {
            let rate = |a: u64, b: u64| b.saturating_sub(a) as f64 / took;
            json!([rate(a.0, b.0), rate(a.1, b.1)])
        }
        _ => Value::Null,
    });
    Ok(Value::Array(rates.collect()))
}

/// Sensors that run on this host: process id, user id, start of the command line.
fn ps() -> Vec<Value> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
        let program = words
            .first()
            .map(|w| Path::new(&**w).file_name().unwrap_or_default().to_os_string());
        if program.is_some_and(|p| PROGRAMS.iter().any(|known| p == *known)) && alive(pid) {
            let shown: String = words.join(" ").trim().chars().take(100).collect();
            out.push(json!([pid, shown]));
        }
    }
    out
}

/// `tapirctl helper`: answers one request.
pub fn answer(here: &Here<'_>, request: &str) -> String {
    let result = serde_json::from_str(request)
        .map_err(|e| format!("the request cannot be read: {e}"))
        .and_then(|r| here.handle(&r));
    match result {
        Ok(v) => json!({ "ok": v }).to_string(),
        Err(e) => json!({ "error": e }).to_string(),
    }
}
