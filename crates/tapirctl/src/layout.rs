//! `tapirctl layout`: writes `cluster-layout.zeek` for nodes that somebody else starts, such as systemd, with the arguments of
//! zeek-cluster-layout-generator.
//!
//! Ports, and those of metrics, count up over manager, loggers and proxies of a host; workers have only the latter. Must not
//! know: node.cfg. Spec: operations, "systemd operation".

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use tapir_operate::layout::{Layout, Member, Role, quoted};

const USAGE: &str = "usage: tapirctl layout [-M 0|1] [-L LOGGERS] [-P PROXIES] [-W WORKERS|NAME:WORKERS,...] [-a ADDRESS] \
                     [-p PORT] [-m METRICS_PORT] [-b METRICS_ADDRESS] [-x PREFIX] [-o FILE]\n       \
                     tapirctl layout -C zeek.conf|FOLDER [-b METRICS_ADDRESS] [-o FILE]";

/// Nodes of a kind on one host at most.
const NODES_MAX: usize = 512;

/// What runs on one host.
#[derive(Clone, Debug, PartialEq)]
struct Host {
    manager: bool,
    loggers: usize,
    proxies: usize,
    /// Names, which may be empty, and numbers.
    workers: Vec<(String, usize)>,
    address: IpAddr,
    port: u16,
    metrics_port: u16,
    prefix: String,
}

impl Default for Host {
    fn default() -> Self {
        Host {
            manager: false,
            loggers: 0,
            proxies: 0,
            workers: Vec::new(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 27760,
            metrics_port: 9991,
            prefix: String::new(),
        }
    }
}

fn number(what: &str, text: &str) -> Result<usize, String> {
    let n = text.parse().ok().filter(|n| *n <= NODES_MAX);
    n.ok_or_else(|| format!("{what}: '{text}' is no number from 0 to {NODES_MAX}"))
}

fn port(what: &str, text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{what}: '{text}' is no port"))
}

fn flag(what: &str, text: &str) -> Result<bool, String> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("{what}: '{text}' is not 0 or 1")),
    }
}

fn address(what: &str, text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{what}: '{text}' is no address"))
}

fn worker_name(what: &str, name: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    match !name.is_empty() && name.chars().all(good) {
        true => Ok(name.into()),
        false => Err(format!(
            "{what}: '{name}' is no name: it has small letters, digits, - and _"
        )),
    }
}

fn workers(text: &str) -> Result<Vec<(String, usize)>, String> {
    if !text.contains(':') {
        return Ok(vec![(String::new(), number("-W", text)?)]);
    }
    let one = |part: &str| {
        let (name, n) = part
            .split_once(':')
            .ok_or_else(|| format!("-W: '{part}' is no NAME:NUMBER"))?;
        Ok((worker_name("-W", name)?, number("-W", n)?))
    };
    text.split(',').map(one).collect()
}

impl Host {
    /// Adds the nodes of a `zeek.conf`: settings of all in the first section or one called `zeek`, workers in sections
    /// `interface NAME`. What is of no concern to the layout is passed over.
    fn read(mut self, text: &str, file: &str) -> Result<(Self, bool), String> {
        let mut section: Option<String> = None;
        let mut has_address = false;
        for (i, line) in text.lines().enumerate() {
            let line = line.split(['#', ';']).next().unwrap_or_default().trim();
            let at = |e: String| format!("{file}, line {}: {e}", i + 1);
            if let Some(name) = line.strip_prefix('[') {
                let name = name
                    .strip_suffix(']')
                    .ok_or_else(|| at("a section ends with ]".into()))?;
                section = match name.trim().split_once(char::is_whitespace) {
                    None if name.trim() == "zeek" => None,
                    // One without a name.
                    None if name.trim() == "interface" => Some(String::new()),
                    Some(("interface", name)) => Some(worker_name("interface", name.trim()).map_err(at)?),
                    _ => {
                        return Err(at(format!(
                            "[{name}] is no section; there are [zeek] and [interface NAME]"
                        )));
                    }
                };
                continue;
            }
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| at("expected key = value".into()))?;
            let (key, value) = (key.trim(), value.trim());
            match (&section, key) {
                (Some(name), "workers") => self.workers.push((name.clone(), number(key, value).map_err(at)?)),
                (Some(_), _) => {}
                (None, "manager") => self.manager = flag(key, value).map_err(at)?,
                (None, "loggers") => self.loggers = number(key, value).map_err(at)?,
                (None, "proxies") => self.proxies = number(key, value).map_err(at)?,
                (None, "port" | "cluster_port") => self.port = port(key, value).map_err(at)?,
                (None, "metrics_port") => self.metrics_port = port(key, value).map_err(at)?,
                (None, "cluster_node_prefix") => self.prefix = value.into(),
                (None, "address" | "cluster_address") => {
                    self.address = address(key, value).map_err(at)?;
                    has_address = true;
                }
                (None, _) => {}
            }
        }
        Ok((self, has_address))
    }

    fn members(&self) -> Result<Vec<Member>, String> {
        let mut out = Vec::new();
        let (mut port, mut metrics_port) = (self.port, self.metrics_port);
        let mut add = |name: String, role: Role| {
            let listens = role != Role::Worker;
            out.push(Member {
                name,
                role,
                host: self.address,
                zone: String::new(),
                port: if listens { port } else { 0 },
                metrics_port: (self.metrics_port > 0).then_some(metrics_port),
            });
            let full = || String::from("there are not enough ports");
            port = port.checked_add(listens.into()).ok_or_else(full)?;
            metrics_port = metrics_port.checked_add(1).ok_or_else(full)?;
            Ok::<(), String>(())
        };
        if self.manager {
            add("manager".into(), Role::Manager)?;
        }
        let prefix = &self.prefix;
        (1..=self.loggers).try_for_each(|i| add(format!("{prefix}logger-{i}"), Role::Logger))?;
        (1..=self.proxies).try_for_each(|i| add(format!("{prefix}proxy-{i}"), Role::Proxy))?;
        for (name, n) in &self.workers {
            let dash = if name.is_empty() { "" } else { "-" };
            (1..=*n).try_for_each(|i| add(format!("{prefix}worker-{name}{dash}{i}"), Role::Worker))?;
        }
        Ok(out)
    }
}

/// The nodes that files describe: one, or all `HOST.zeek.conf` of a folder.
fn from_files(path: &Path) -> Result<Vec<Host>, String> {
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()));
    if !path.is_dir() {
        let (host, _) = Host::default().read(&read(path)?, &path.display().to_string())?;
        return Ok(vec![host]);
    }
    let entries = std::fs::read_dir(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| n.ends_with(".zeek.conf"))
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(format!("there is no HOST.zeek.conf in {}", path.display()));
    }
    let one = |name: &String| {
        let file = path.join(name);
        let (mut host, has_address) = Host::default().read(&read(&file)?, &file.display().to_string())?;
        if !has_address {
            let host_name = name.trim_end_matches(".zeek.conf");
            let found = (host_name, 0).to_socket_addrs().ok().and_then(|mut a| a.next());
            let found = found.ok_or_else(|| {
                format!(
                    "{}: no cluster_address is given, and host {host_name} has no address",
                    file.display()
                )
            })?;
            host.address = found.ip();
        }
        Ok(host)
    };
    names.iter().map(one).collect()
}

fn script(hosts: &[Host], metrics_address: &str) -> Result<String, String> {
    let managers = hosts.iter().filter(|h| h.manager).count();
    if managers > 1 {
        return Err("more than one host has the manager".into());
    }
    let members: Vec<Vec<Member>> = hosts.iter().map(Host::members).collect::<Result<_, _>>()?;
    let members = members.concat();
    let mut names = BTreeSet::new();
    if let Some(twice) = members.iter().find(|m| !names.insert(&m.name)) {
        let name = &twice.name;
        return Err(format!(
            "several hosts have a node {name}; set another cluster_node_prefix on each"
        ));
    }
    let manager = hosts.iter().find(|h| h.manager).or(hosts.first());
    let layout = Layout {
        members,
        control: None,
        forwarder: manager.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |h| h.address),
        xpub_port: 0,
        xsub_port: 0,
    };
    let mut out = layout.script();
    if !metrics_address.is_empty() {
        out.push_str(&format!(
            "\nredef Telemetry::metrics_address = {};\n",
            quoted(metrics_address)
        ));
    }
    Ok(out)
}

/// Runs the command.
///
/// # Errors
/// What is wrong with its arguments or with the files that they name.
pub fn run(args: &[String]) -> Result<(), String> {
    let mut host = Host {
        manager: true,
        ..Host::default()
    };
    let mut files: Option<PathBuf> = None;
    let mut to: Option<PathBuf> = None;
    let mut metrics_address = std::env::var("ZEEK_TELEMETRY_LISTEN_ADDRESS").unwrap_or_default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "-h" | "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            "-M" => host.manager = flag(arg, value()?)?,
            "-L" => host.loggers = number(arg, value()?)?,
            "-P" => host.proxies = number(arg, value()?)?,
            "-W" => host.workers = workers(value()?)?,
            "-a" => host.address = address(arg, value()?)?,
            "-p" => host.port = port(arg, value()?)?,
            "-m" => host.metrics_port = port(arg, value()?)?,
            "-b" => metrics_address = address(arg, value()?)?.to_string(),
            "-x" => host.prefix = value()?.clone(),
            "-o" => to = Some(value()?.into()),
            "-C" => files = Some(value()?.into()),
            other => return Err(format!("there is no option {other}\n{USAGE}")),
        }
    }
    let hosts = match &files {
        Some(path) => from_files(path)?,
        None => vec![host],
    };
    let text = script(&hosts, &metrics_address)?;
    match to {
        Some(file) => crate::install::write(&file, &text),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_count_up_and_workers_have_names() {
        let host = Host {
            manager: true,
            loggers: 1,
            proxies: 2,
            workers: workers("eth0:2,lo:1").unwrap(),
            prefix: "a-".into(),
            ..Host::default()
        };
        let text = script(&[host], "127.0.0.1").unwrap();
        for line in [
            "redef Cluster::manager_is_logger = F;",
            "[\"manager\"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1, $p=27760/tcp, $metrics_port=9991/tcp],",
            "[\"a-logger-1\"] = [$node_type=Cluster::LOGGER, $ip=127.0.0.1, $p=27761/tcp, $metrics_port=9992/tcp],",
            "[\"a-proxy-2\"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $p=27763/tcp, $manager=\"manager\", \
             $metrics_port=9994/tcp],",
            "[\"a-worker-lo-1\"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1, $manager=\"manager\", \
             $metrics_port=9997/tcp],",
            "redef Telemetry::metrics_address = \"127.0.0.1\";",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(workers("3"), Ok(vec![(String::new(), 3)]));
        for wrong in ["x", "a:b", "A:1", "a:1,2", "513"] {
            assert!(workers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_describe_hosts() {
        let dir = std::env::temp_dir().join(format!("tapirctl-layout-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        let all = |dir: &Path| from_files(dir).and_then(|h| script(&h, ""));
        assert!(all(&dir).is_err_and(|e| e.contains("there is no HOST.zeek.conf")));
        write(
            "one.zeek.conf",
            "manager = 1\nloggers = 1\ncluster_address = 10.0.0.1 # here\nargs = local\nport = 100\n",
        );
        write(
            "two.zeek.conf",
            "[zeek]\naddress = 10.0.0.2\nuser = zeek\n\n[interface eth0]\ninterface = eth0\nworkers = 2\n",
        );
        let text = all(&dir).unwrap();
        assert!(text.contains("[\"manager\"] = [$node_type=Cluster::MANAGER, $ip=10.0.0.1, $p=100/tcp"));
        assert!(text.contains("[\"worker-eth0-2\"] = [$node_type=Cluster::WORKER, $ip=10.0.0.2, $manager=\"manager\""));
        // One of them alone.
        assert!(!all(&dir.join("two.zeek.conf")).unwrap().contains("manager\"]"));
        for (text, wrong) in [
            ("manager = 1\naddress = 10.0.0.3", "more than one host has the manager"),
            ("loggers = 1\naddress = 10.0.0.3", "several hosts have a node logger-1"),
            ("loggers = 1", "no cluster_address is given"),
            ("loggers = many", "line 1: loggers: 'many' is no number"),
            ("[worker x]", "line 1: [worker x] is no section"),
            ("[interface A]", "'A' is no name"),
            ("loggers", "expected key = value"),
        ] {
            write("x.invalid.zeek.conf", text);
            let e = all(&dir).unwrap_err();
            assert!(e.contains(wrong), "{wrong}: {e}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
