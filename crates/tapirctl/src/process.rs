//! Processes of nodes: starting them so that they stay, looking at them, ending them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::config::Options;
use crate::install::{self, make_dir, write};
use crate::nodes::{Kind, Node, environment};

/// Whether a process runs.
pub fn alive(pid: i32) -> bool {
    // What has ended and waits to be noticed is not alive.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|s| s != "Z" && s != "X")
}

/// Whether a process runs and is a node's: after a restart of the host its number may be that of any other.
pub fn is_node(pid: i32, folder: &Path) -> bool {
    if !alive(pid) {
        return false;
    }
    match std::fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(cwd) => folder.canonicalize().is_ok_and(|f| f == cwd),
        // It is somebody else's, or there is no such file on this system.
        Err(e) => e.kind() != std::io::ErrorKind::NotFound || !Path::new("/proc/self/cwd").exists(),
    }
}

/// Sends a signal.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// The working folder of a node.
pub fn folder(options: &Options, node: &Node) -> PathBuf {
    options.path("SpoolDir").join(&node.name)
}

/// What the node says of itself in `.status`, in small letters.
pub fn status(options: &Options, node: &Node) -> String {
    let text = std::fs::read_to_string(folder(options, node).join(".status")).unwrap_or_default();
    let word = text.split_whitespace().next().unwrap_or("???");
    word.to_ascii_lowercase()
}

/// Arguments of a node's program. `auto` is the folder of generated scripts, `site` that of the site's.
pub fn arguments(options: &Options, node: &Node, checks: bool) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    if checks {
        args.push("-a".into());
    } else {
        if !node.interface.is_empty() {
            args.extend(["-i".into(), node.interface.clone()]);
        }
        if let Some((k, n)) = node.share {
            args.extend(["--share".into(), format!("{k}/{n}")]);
        }
        if let Some(group) = node.fanout {
            args.extend(["--fanout".into(), group.to_string()]);
        }
        args.extend(node.settings.iter().cloned());
        if options.flag("SaveTraces") && !node.interface.is_empty() {
            args.extend(["-w".into(), "trace.pcap".into()]);
        }
        args.extend(["-U".into(), ".status".into()]);
    }
    // Scripts whose file names begin with one of these are loaded beside those that they are named after.
    let mut prefixes = vec!["zeekctl".to_string()];
    prefixes.extend((!checks).then(|| "zeekctl-live".to_string()));
    prefixes.extend((node.kind == Kind::Standalone).then(|| "standalone".to_string()));
    prefixes.extend(options.get("Prefixes").split(':').map(str::to_string));
    prefixes.push(node.name.clone());
    for prefix in prefixes.into_iter().filter(|p| !p.is_empty()) {
        args.extend(["-p".into(), prefix]);
    }
    args.push("policy/frameworks/cluster/backend/zeromq".into());
    args.extend(options.get("SitePolicyScripts").split_whitespace().map(str::to_string));
    args.push("tapirctl-config".into());
    args.extend(node.aux_scripts.iter().cloned());
    args.extend(options.get("ZeekArgs").split_whitespace().map(str::to_string));
    args
}

/// The environment of a node's program.
///
/// # Errors
/// Variables that are not written as `K=V`.
pub fn variables(options: &Options, node: &Node, site: &Path, auto: &Path) -> Result<Vec<(String, String)>, String> {
    let mut env = environment(&options.get("Env_Vars")).map_err(|e| format!("Env_Vars: {e}"))?;
    env.extend(node.env.iter().cloned());
    if node.kind != Kind::Standalone {
        env.push(("CLUSTER_NODE".into(), node.name.clone()));
    }
    env.push(("ZEEKPATH".into(), format!("{}:{}", site.display(), auto.display())));
    Ok(env)
}

/// How a start went.
pub enum Started {
    /// It runs.
    Running(u32),
    /// It lives but has not said that it runs.
    Slow(u32),
    /// It has ended; why stands in its files.
    Dead(String),
}

/// Starts a node.
///
/// # Errors
/// When there is nothing to start.
pub fn start(options: &Options, node: &Node) -> Result<Started, String> {
    let dir = folder(options, node);
    make_dir(&dir)?;
    let (site, auto) = install::folders(&options.path("SpoolDir"));
    if !auto.join(install::CONFIG).is_file() {
        return Err("nothing is installed\nHint: Run the tapirctl \"deploy\" command to get started.".into());
    }
    let _ = std::fs::remove_file(dir.join(".status"));
    let program = options.get("Zeek");
    let args = arguments(options, node, false);
    let env = variables(options, node, &site, &auto)?;
    write(&dir.join(".cmdline"), &format!("{program} {}\n", args.join(" ")))?;
    let lines: Vec<_> = env.iter().map(|(k, v)| format!("{k}={v}\n")).collect();
    write(&dir.join(".env_vars"), &lines.concat())?;
    let now = chrono::Local::now();
    let startup = format!(
        "{}\n{}\n{}\n",
        now.timestamp(),
        now.format("%a %b %e %H:%M:%S %Z %Y"),
        now.format("%y-%m-%d_%H.%M.%S")
    );
    write(&dir.join(".startup"), &startup)?;
    let open =
        |name: &str| File::create(dir.join(name)).map_err(|e| format!("cannot write {name} in {}: {e}", dir.display()));
    // A session of its own keeps the node when this terminal is closed.
    let mut words: Vec<String> = Vec::new();
    if Path::new("/usr/bin/setsid").exists() {
        words.push("setsid".into());
    }
    if let Some(cpu) = node.cpu {
        words.extend(["taskset".into(), "-c".into(), cpu.to_string()]);
    }
    let limit = options.get("MemLimit");
    if limit != "unlimited" {
        let script = format!("ulimit -c unlimited 2>/dev/null; ulimit -v {limit} && exec \"$@\"");
        words.extend(["/bin/sh".into(), "-c".into(), script, "sh".into()]);
    }
    words.push(program);
    words.extend(args);
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .envs(env)
        .current_dir(&dir)
        .stdin(Stdio::null())
        .stdout(open("stdout.log")?)
        .stderr(open("stderr.log")?)
        .spawn()
        .map_err(|e| format!("cannot start {}: {e}", words.join(" ")))?;
    write(&dir.join(".pid"), &format!("{}\n", child.id()))?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(options.number("CommandTimeout").max(1)) {
        if let Ok(Some(how)) = child.try_wait() {
            let said = std::fs::read_to_string(dir.join("stderr.log")).unwrap_or_default();
            return Ok(Started::Dead(format!("ended with {how}\n{said}")));
        }
        if status(options, node) == "running" {
            return Ok(Started::Running(child.id()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Started::Slow(child.id()))
}

/// Ends processes together; gives those that had to be killed.
pub fn stop(pids: &[i32], at_most: Duration) -> Vec<i32> {
    pids.iter().for_each(|p| signal(*p, Signal::TERM));
    let begun = Instant::now();
    while begun.elapsed() < at_most && pids.iter().any(|p| alive(*p)) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let left: Vec<i32> = pids.iter().copied().filter(|p| alive(*p)).collect();
    left.iter().for_each(|p| signal(*p, Signal::KILL));
    while left.iter().any(|p| alive(*p)) && begun.elapsed() < at_most + Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
    }
    left
}

/// Ticks in which the kernel tells programs of processor time.
const USER_HZ: f64 = 100.0;

/// Size of the address space and of what is in memory, in bytes, and processor seconds.
pub fn usage(pid: i32) -> Option<(u64, u64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let n = |i: usize| fields.get(i)?.parse::<u64>().ok();
    let seconds = (n(11)? + n(12)?) as f64 / USER_HZ;
    Some((kilobytes("VmSize:")? << 10, kilobytes("VmRSS:")? << 10, seconds))
}
