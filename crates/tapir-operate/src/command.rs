//! `tapir cluster`: a whole cluster on this host under one supervisor.

use std::path::{Path, PathBuf};

use crate::layout::{Layout, Role, free_ports, quoted};
use crate::supervise::{Outcome, Spec, Supervisor};

/// The text of `tapir cluster --help`.
pub const HELP: &str = "\
usage: tapir cluster [OPTIONS] [NODE OPTIONS] [SCRIPT ...] [NAME=VALUE ...]

Runs a cluster on this host: a manager, and as many loggers, proxies and workers as asked for, each a process. What dies is
started again. Ctrl-C ends all in order. Log files of all nodes come together in one folder.

      --workers N     nodes that analyse packets (default 2)
      --proxies N     nodes that hold shared state (default 1)
      --loggers N     nodes that write the logs (default 1); with 0 the manager does, with several each writes its share
                      into files of its own, such as conn.logger-2.log
      --log-dir DIR   where the logs go (default: the current folder); nodes run in DIR/nodes
      --port PORT     the first of the TCP ports that the nodes use on 127.0.0.1 (default 27760, others if those are in use)
  -r, --readfile FILE share the packets of a capture among the workers, then end
  -i, --iface NAME    watch an interface; the system gives each worker some of the flows
  -h, --help          show this text

Other options, scripts and settings are given to all nodes. The packets of a capture are shared out by their pair of
addresses.
Exit status: 0 after a capture or a stop; 1 when a node could not start, or died while a capture was read, which is not
read again: what is missing then is said at the end.
";

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub workers: usize,
    pub proxies: usize,
    pub loggers: usize,
    pub log_dir: PathBuf,
    pub port: u16,
    pub capture: Option<PathBuf>,
    pub interface: Option<String>,
    /// For all nodes: options, scripts, settings.
    pub rest: Vec<String>,
    /// Which of those are no options and no values of such.
    pub scripts: Vec<usize>,
}

/// The file by which a worker shows that it has begun to read its capture.
const BEGUN: &str = ".begun";

/// The command line of the program that runs as a node, as far as `tapir cluster` needs to know it.
pub struct NodeCommand {
    /// Whether an option, named with its dashes, takes the next argument as its value; `None` where there is no such option.
    pub takes_value: fn(&str) -> Option<bool>,
    /// What to say of an option that there is not, given the names of others that were possible.
    pub unknown: fn(&str, &[&str]) -> String,
    /// Judges all arguments for nodes.
    pub check: fn(&[String]) -> Result<(), String>,
}

/// Options of `tapir cluster` itself.
const OWN: &[&str] = &[
    "--workers",
    "--proxies",
    "--loggers",
    "--log-dir",
    "--port",
    "--readfile",
    "--iface",
    "--help",
];

/// Reads the arguments behind `tapir cluster`; `None` when help was asked for.
///
/// # Errors
/// What is wrong with them.
pub fn parse(args: impl Iterator<Item = String>, node: &NodeCommand) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        workers: 2,
        proxies: 1,
        loggers: 1,
        log_dir: PathBuf::from("."),
        port: 27760,
        capture: None,
        interface: None,
        rest: Vec::new(),
        scripts: Vec::new(),
    };
    let mut args = args;
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((n, v)) if n.starts_with("--") => (n.to_string(), Some(v.to_string())),
            _ => (arg.clone(), None),
        };
        let mut value = || {
            let v = inline.clone().or_else(|| args.next());
            v.ok_or_else(|| format!("ERROR: Option {name} requires an argument."))
        };
        let number = |text: String, min: usize| {
            let n = text.parse::<usize>().ok().filter(|n| (min..=512).contains(n));
            n.ok_or_else(|| format!("ERROR: {name}: '{text}' is no number from {min} to 512"))
        };
        match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "--workers" => plan.workers = number(value()?, 1)?,
            "--proxies" => plan.proxies = number(value()?, 0)?,
            "--loggers" => plan.loggers = number(value()?, 0)?,
            "--log-dir" => plan.log_dir = value()?.into(),
            "--port" => {
                let text = value()?;
                let port = text.parse().ok().filter(|p| (1..=65_000).contains(p));
                plan.port = port.ok_or_else(|| format!("ERROR: --port: '{text}' is no port from 1 to 65000"))?;
            }
            "-r" | "--readfile" => plan.capture = Some(value()?.into()),
            "-i" | "--iface" => plan.interface = Some(value()?),
            "--" => {
                plan.rest.push(arg);
                plan.rest.extend(args.by_ref());
            }
            _ if arg.len() > 1 && arg.starts_with('-') => match (node.takes_value)(&name) {
                Some(true) if inline.is_none() => {
                    let v = value()?;
                    plan.rest.extend([arg, v]);
                }
                None if name.starts_with("--") => return Err((node.unknown)(&name, OWN)),
                // Letters that stand together are judged below.
                _ => plan.rest.push(arg),
            },
            _ => {
                plan.scripts.push(plan.rest.len());
                plan.rest.push(arg);
            }
        }
    }
    (node.check)(&plan.rest)?;
    if plan.capture.is_some() && plan.interface.is_some() {
        return Err("ERROR: only one of -r and -i can be given".into());
    }
    Ok(Some(plan))
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The arguments for nodes, with whole paths for scripts of this folder, as nodes run elsewhere.
fn absolute_scripts(plan: &Plan) -> Result<Vec<String>, String> {
    let mut out = plan.rest.clone();
    for i in &plan.scripts {
        let arg = &mut out[*i];
        if Path::new(arg).is_file() || Path::new(&format!("{arg}.zeek")).is_file() {
            *arg = absolute(Path::new(arg))?.to_string_lossy().into_owned();
        }
    }
    Ok(out)
}

/// The group in which the workers of one supervisor share an interface: another for each that runs.
fn fanout_group(process: u32) -> u16 {
    (process % u32::from(u16::MAX)) as u16 + 1
}

/// Settings of all nodes, loaded before the user's scripts.
fn settings(plan: &Plan, layout: &Layout, log_dir: &Path) -> String {
    let mut out = String::from("# Written by 'tapir cluster'; changes are lost.\n\n");
    out.push_str("@load frameworks/cluster/backend/zeromq\n@load frameworks/cluster/experimental\n\n");
    out.push_str(&layout.endpoints());
    out.push_str(&format!(
        "\nredef Log::default_logdir = {};\n",
        quoted(&log_dir.to_string_lossy())
    ));
    out.push_str(
        "redef Log::default_rotation_interval = 0sec;\nredef Log::default_rotation_postprocessor_cmd = \"\";\n",
    );
    if plan.capture.is_some() {
        out.push_str(
            "\n# Nobody waits for a capture, but no line of it may be lost.\n\
             redef Cluster::Backend::ZeroMQ::onloop_queue_hwm = 0;\n\
             redef Cluster::Backend::ZeroMQ::xpub_sndhwm = 0;\n\
             redef Cluster::Backend::ZeroMQ::xsub_rcvhwm = 0;\n\n\
             @if ( Cluster::local_node_type() == Cluster::WORKER )\n\n\
             redef Cluster::Backend::ZeroMQ::linger_ms = 60000;\n\n\
             event zeek_init()\n\t{\n\tsuspend_processing();\n\t}\n\n\
             event Cluster::Experimental::cluster_started()\n\t{\n\tclose(open(\"",
        );
        out.push_str(BEGUN);
        out.push_str(
            "\"));\n\tcontinue_processing();\n\t}\n\n\
             @endif\n\n\
             # A worker that had to be started again comes late to the beginning.\n\
             @if ( Cluster::local_node_type() == Cluster::MANAGER )\n\n\
             global has_begun = F;\n\n\
             event Cluster::Experimental::cluster_started()\n\t{\n\thas_begun = T;\n\t}\n\n\
             event Cluster::Experimental::node_fully_connected(name: string, id: string, resending: bool) &priority=-10\n\
             \t{\n\tif ( has_begun && ! resending )\n\
             \t\tCluster::publish(Cluster::node_topic(name), Cluster::Experimental::cluster_started);\n\t}\n\n\
             @endif\n",
        );
    }
    out
}

/// What to start, in order, and where things were written.
///
/// # Errors
/// What is in the way.
pub fn prepare(plan: &Plan, program: &Path) -> Result<(Layout, Vec<Spec>), String> {
    let needed = Layout::ports_needed(plan.loggers, plan.proxies, plan.workers);
    let base = free_ports(plan.port, needed).ok_or("no free TCP ports on 127.0.0.1")?;
    let layout = Layout::local(plan.loggers, plan.proxies, plan.workers, base);
    let log_dir = absolute(&plan.log_dir)?;
    let scripts = log_dir.join("nodes/scripts");
    let make = |dir: &Path| std::fs::create_dir_all(dir).map_err(|e| format!("cannot create {}: {e}", dir.display()));
    make(&scripts)?;
    let write = |name: &str, text: String| {
        let to = scripts.join(name);
        std::fs::write(&to, text).map_err(|e| format!("cannot write {}: {e}", to.display()))
    };
    write("cluster-layout.zeek", layout.script())?;
    write("tapir-cluster.zeek", settings(plan, &layout, &log_dir))?;
    let here = absolute(Path::new("."))?;
    let mut path = format!("{}:{}", scripts.display(), here.display());
    for var in ["TAPIRPATH", "ZEEKPATH"] {
        if let Some(more) = std::env::var(var).ok().filter(|v| !v.is_empty()) {
            path.push(':');
            path.push_str(&more);
        }
    }
    let rest = absolute_scripts(plan)?;
    let capture = plan.capture.as_deref().map(absolute).transpose()?;
    if let Some(c) = capture.as_deref().filter(|c| !c.is_file()) {
        return Err(format!("there is no capture {}", c.display()));
    }
    let mut specs = Vec::new();
    let mut order: Vec<_> = layout.members.iter().collect();
    order.sort_by_key(|m| m.role);
    for m in order {
        let dir = log_dir.join("nodes").join(&m.name);
        make(&dir)?;
        let mut args = Vec::new();
        if m.role == Role::Worker {
            let index: usize = m.name.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(1);
            match (&capture, &plan.interface) {
                (Some(c), _) => {
                    args.extend(["-r".into(), c.to_string_lossy().into_owned()]);
                    args.extend(["--share".into(), format!("{index}/{}", plan.workers)]);
                }
                (None, Some(i)) => {
                    args.extend(["-i".into(), i.clone()]);
                    args.extend(["--fanout".into(), fanout_group(std::process::id()).to_string()]);
                }
                (None, None) => {}
            }
        }
        args.push("tapir-cluster".into());
        args.extend(rest.iter().cloned());
        let writes = m.role == Role::Logger || (m.role == Role::Manager && layout.manager_is_logger());
        let suffix = match layout.count(Role::Logger) {
            n if n > 1 && writes => format!("{}.log", m.name),
            _ => "log".into(),
        };
        let finite = m.role == Role::Worker && capture.is_some();
        let spec = Spec {
            name: m.name.clone(),
            role: m.role,
            program: program.to_path_buf(),
            args,
            env: vec![
                ("CLUSTER_NODE".into(), m.name.clone()),
                ("ZEEKPATH".into(), path.clone()),
                ("TAPIRPATH".into(), String::new()),
                ("ZEEK_LOG_SUFFIX".into(), suffix),
            ],
            dir,
            finite,
            mark: finite.then(|| BEGUN.into()),
        };
        specs.push(spec);
    }
    Ok((layout, specs))
}

/// Has one node look at the scripts, so that a mistake in them is told once and not by every node.
fn check(specs: &[Spec]) -> Result<(), String> {
    let Some(spec) = specs.iter().find(|s| s.role == Role::Manager) else {
        return Ok(());
    };
    let ended = std::process::Command::new(&spec.program)
        .arg("-a")
        .args(&spec.args)
        .envs(spec.env.iter().map(|(k, v)| (k, v)))
        .current_dir(&spec.dir)
        .stdin(std::process::Stdio::null())
        .status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the scripts have errors; nothing was started".into()),
        Err(e) => Err(format!("cannot run {}: {e}", spec.program.display())),
    }
}

/// Runs the command; gives the exit status.
pub fn run(args: impl Iterator<Item = String>, node: &NodeCommand) -> u8 {
    let plan = match parse(args, node) {
        Ok(Some(plan)) => plan,
        Ok(None) => {
            print!("{HELP}");
            return 0;
        }
        Err(e) => {
            tell!("{e}\nTry 'tapir cluster --help' for more information.");
            return 1;
        }
    };
    let prepared = std::env::current_exe()
        .map_err(|e| format!("cannot find the program's own file: {e}"))
        .and_then(|program| prepare(&plan, &program))
        .and_then(|prepared| check(&prepared.1).map(|()| prepared));
    let (layout, specs) = match prepared {
        Ok(prepared) => prepared,
        Err(e) => {
            tell!("error: {e}");
            return 1;
        }
    };
    tapir_packet::signals::install();
    tell!(
        "{} nodes on 127.0.0.1, ports from {}; logs in {}",
        specs.len(),
        layout.xpub_port,
        plan.log_dir.display()
    );
    let mut supervisor = Supervisor::new(specs);
    match supervisor.run(tapir_packet::signals::stop_requested) {
        Outcome::Done | Outcome::Stopped => 0,
        Outcome::Failed => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that knows `-e CODE`, `--exec CODE` and `-C`.
    const NODE: NodeCommand = NodeCommand {
        takes_value: |name| match name {
            "-e" | "--exec" => Some(true),
            "-C" => Some(false),
            _ => None,
        },
        unknown: |name, more| format!("no {name}{}", crate::words::hint(name, more.iter().copied())),
        check: |args| match args.iter().find(|a| *a == "-Z") {
            Some(odd) => Err(format!("no {odd}")),
            None => Ok(()),
        },
    };

    fn read(args: &[&str]) -> Result<Plan, String> {
        parse(args.iter().map(|s| s.to_string()), &NODE).map(Option::unwrap)
    }

    #[test]
    fn own_options_are_taken_and_others_passed_on() {
        let p = read(&["--workers", "3", "--loggers=2", "-C", "-e", "local", "local", "A::b=5"]).unwrap();
        assert_eq!((p.workers, p.loggers, p.proxies), (3, 2, 1));
        assert_eq!(p.rest, ["-C", "-e", "local", "local", "A::b=5"]);
        assert_eq!(p.scripts, [3, 4]);
        let p = read(&["--exec=x", "y", "--", "-z", "--workers"]).unwrap();
        assert_eq!(p.rest, ["--exec=x", "y", "--", "-z", "--workers"]);
        assert_eq!(p.scripts, [1]);
        assert!(read(&["--workers", "0"]).is_err());
        assert!(read(&["-r", "a", "-i", "b"]).is_err());
    }

    #[test]
    fn unknown_options_are_named() {
        assert_eq!(
            read(&["--wrokers", "3"]),
            Err("no --wrokers; did you mean --workers?".into())
        );
        assert_eq!(read(&["--bogus"]), Err("no --bogus".into()));
        assert_eq!(read(&["-Z"]), Err("no -Z".into()));
    }
}
