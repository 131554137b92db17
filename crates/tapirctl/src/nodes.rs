//! `node.cfg`: which nodes there are, where they run and what they watch.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};

use tapir_operate::{Layout, Member, Role};

use crate::config::Options;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Logger,
    Manager,
    Standalone,
    Proxy,
    Worker,
}

impl Kind {
    /// The kind's name in `node.cfg`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Logger => "logger",
            Kind::Manager => "manager",
            Kind::Standalone => "standalone",
            Kind::Proxy => "proxy",
            Kind::Worker => "worker",
        }
    }

    fn role(self) -> Role {
        match self {
            Kind::Logger => Role::Logger,
            Kind::Manager | Kind::Standalone => Role::Manager,
            Kind::Proxy => Role::Proxy,
            Kind::Worker => Role::Worker,
        }
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub kind: Kind,
    pub host: String,
    /// The folder of the installation there, if it is another than here.
    pub base: Option<String>,
    /// The zone of its IPv6 address.
    pub zone: String,
    pub interface: String,
    pub aux_scripts: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cpu: Option<u32>,
    /// Which of the nodes that watch the same interface this is, and how many there are.
    pub share: Option<(usize, usize)>,
    /// The group of those that share an interface by AF_PACKET's fanout.
    pub fanout: Option<u16>,
    /// What scripts are told of how its interface is watched, as `NAME=VALUE`.
    pub settings: Vec<String>,
}

impl Node {
    /// Whether it runs on this host.
    pub fn is_local(&self) -> bool {
        if matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1") {
            return true;
        }
        let own = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // Only addresses of this host can be bound.
        self.host == own
            || self
                .address()
                .is_some_and(|a| a.is_loopback() || std::net::UdpSocket::bind((a, 0)).is_ok())
    }

    /// Its host's address.
    pub fn address(&self) -> Option<IpAddr> {
        if self.host == "localhost" {
            return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let mut found = (self.host.as_str(), 0).to_socket_addrs().ok()?;
        found.next().map(|a| a.ip())
    }
}

/// Keys that are accepted; those of capture methods that this program does not have mean nothing here.
const KEYS: &[&str] = &[
    "type",
    "host",
    "interface",
    "aux_scripts",
    "zeekbase",
    "zone_id",
    "ether",
    "env_vars",
    "lb_procs",
    "lb_method",
    "lb_interfaces",
    "pin_cpus",
    "count",
];

/// Settings of AF_PACKET, behind `af_packet_`.
const AF_PACKET: &[&str] = &[
    "buffer_size",
    "block_size",
    "block_timeout",
    "fanout_id",
    "fanout_mode",
    "enable_fanout",
    "enable_defrag",
    "enable_hw_timestamping",
    "checksum_validation_mode",
    "link_type",
];

/// What in `node.cfg` has no effect here, for warnings.
pub fn without_effect(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let none = match key {
            "af_packet_enable_hw_timestamping" => is_on(key, Some(value.to_string())) == Ok(true),
            "af_packet_checksum_validation_mode" => value.ends_with("CHECKSUM_KERNEL"),
            _ => false,
        };
        if none {
            out.push(format!("node.cfg, line {}: {key} = {value} has no effect here", i + 1));
        }
    }
    out
}

/// A setting of AF_PACKET as scripts are told; `None` for what they need not know.
///
/// # Errors
/// When it is no value of that setting.
fn af_packet(key: &str, value: &str) -> Result<Option<String>, String> {
    let wrong = |what: &str| Err(format!("af_packet_{key}: '{value}' is {what}"));
    let one_of = |names: &[&str]| {
        let name = value.strip_prefix("AF_Packet::").unwrap_or(value);
        names.contains(&name).then(|| format!("AF_Packet::{name}"))
    };
    let text = match key {
        "buffer_size" | "block_size" | "link_type" => match value.parse::<u32>() {
            Ok(n) => n.to_string(),
            Err(_) => return wrong("no number"),
        },
        "block_timeout" => {
            let digits = value.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let (number, unit) = value.split_at(digits);
            let unit = unit.trim();
            if number.parse::<f64>().is_err() || !["usec", "msec", "sec"].contains(&unit.trim_end_matches('s')) {
                return wrong("no time such as 10msec");
            }
            format!("{number}{unit}")
        }
        "fanout_mode" => match one_of(&["FANOUT_HASH", "FANOUT_CPU", "FANOUT_QM"]) {
            Some(mode) => mode,
            None => return wrong("not FANOUT_HASH, FANOUT_CPU or FANOUT_QM"),
        },
        "checksum_validation_mode" => match one_of(&["CHECKSUM_OFF", "CHECKSUM_KERNEL", "CHECKSUM_ON"]) {
            Some(mode) => mode,
            None => return wrong("not CHECKSUM_OFF, CHECKSUM_KERNEL or CHECKSUM_ON"),
        },
        "enable_defrag" | "enable_hw_timestamping" => {
            let on = is_on(&format!("af_packet_{key}"), Some(value.to_string()))?;
            if on { "T".into() } else { "F".into() }
        }
        _ => return Ok(None),
    };
    Ok(Some(format!("AF_Packet::{key}={text}")))
}

/// `K=V,K=V` as pairs.
pub fn environment(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts
        .map(|p| match p.split_once('=') {
            Some((k, v)) if !k.trim().is_empty() => Ok((k.trim().to_string(), v.trim().to_string())),
            _ => Err(format!("'{p}' is no KEY=VALUE")),
        })
        .collect()
}

/// Reads the nodes.
///
/// # Errors
/// What is wrong, with the section it is in.
pub fn read(text: &str) -> Result<Vec<Node>, String> {
    let nodes = parse(text)?;
    check(&nodes)?;
    Ok(nodes)
}

/// Reads the nodes, whatever host this is.
///
/// # Errors
/// What is wrong, with the section it is in.
pub fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            if sections.iter().any(|s| s.0.eq_ignore_ascii_case(name)) {
                return Err(format!("node.cfg, line {}: there is a node {name} already", i + 1));
            }
            sections.push((name.to_string(), Vec::new()));
            continue;
        }
        let pair = line
            .split_once('=')
            .map(|(k, v)| (k.trim().to_string(), v.trim().to_string()));
        match (sections.last_mut(), pair) {
            (Some(s), Some(pair)) => s.1.push(pair),
            _ => return Err(format!("node.cfg, line {}: expected [NODE] or key = value", i + 1)),
        }
    }
    let mut nodes = Vec::new();
    for (name, keys) in &sections {
        section(name, keys, &mut nodes).map_err(|e| format!("node.cfg, node {name}: {e}"))?;
    }
    nodes.sort_by_key(|n| n.kind);
    Ok(nodes)
}

fn section(name: &str, keys: &[(String, String)], nodes: &mut Vec<Node>) -> Result<(), String> {
    for (key, _) in keys {
        let packets = key.strip_prefix("af_packet_").is_some_and(|k| AF_PACKET.contains(&k));
        if !KEYS.contains(&key.as_str()) && !packets {
            return Err(format!("unknown key {key}"));
        }
    }
    let get = |key: &str| {
        keys.iter()
            .rfind(|k| k.0 == key)
            .map(|k| k.1.clone())
            .filter(|v| !v.is_empty())
    };
    let kind = match get("type").ok_or("no type is given")?.as_str() {
        "standalone" => Kind::Standalone,
        "logger" => Kind::Logger,
        "manager" => Kind::Manager,
        "proxy" => Kind::Proxy,
        "worker" => Kind::Worker,
        other => {
            return Err(format!(
                "'{other}' is no type of node; there are standalone, logger, manager, proxy and worker"
            ));
        }
    };
    let host = get("host").ok_or("no host is given")?;
    // Methods are written in front of the interface; here there is one.
    let plain = |i: &str| i.rsplit("::").next().unwrap_or(i).to_string();
    let interface = get("interface").map(|i| plain(&i)).unwrap_or_default();
    let cpus: Vec<u32> = match get("pin_cpus") {
        None => Vec::new(),
        Some(text) => text
            .split(',')
            .map(|c| c.trim().parse().map_err(|_| format!("pin_cpus: '{c}' is no number")))
            .collect::<Result<_, _>>()?,
    };
    let procs = match (get("lb_procs"), get("lb_method")) {
        (None, None) => 0,
        (Some(n), Some(method)) => {
            if kind != Kind::Worker {
                return Err("only workers have lb_procs".into());
            }
            let known = ["af_packet", "pf_ring", "myricom", "custom", "interfaces"];
            if !known.contains(&method.as_str()) {
                return Err(format!("'{method}' is no lb_method"));
            }
            n.parse::<usize>()
                .ok()
                .filter(|n| (1..=512).contains(n))
                .ok_or_else(|| format!("lb_procs: '{n}' is no number from 1 to 512"))?
        }
        _ => return Err("lb_procs and lb_method go together".into()),
    };
    let interfaces: Vec<String> =
        get("lb_interfaces").map_or_else(Vec::new, |t| t.split(',').map(|i| plain(i.trim())).collect());
    if get("lb_method").as_deref() == Some("interfaces") && interfaces.len() != procs {
        return Err(format!(
            "lb_interfaces names {} interfaces for {procs} processes",
            interfaces.len()
        ));
    }
    let shares = procs > 1 && interfaces.is_empty();
    let fanout = match get("lb_method").as_deref() {
        Some("af_packet") if shares && is_on("af_packet_enable_fanout", get("af_packet_enable_fanout"))? => {
            Some(match get("af_packet_fanout_id") {
                Some(text) => {
                    let id = text.parse().ok().filter(|id| *id > 0);
                    id.ok_or_else(|| format!("af_packet_fanout_id: '{text}' is no number from 1 to 65535"))?
                }
                // One for each group of workers.
                None => nodes
                    .iter()
                    .filter_map(|n| n.fanout)
                    .max()
                    .unwrap_or(FANOUT_ID - 1)
                    .saturating_add(1),
            })
        }
        _ => None,
    };
    let env = environment(&get("env_vars").unwrap_or_default())?;
    let mut settings = Vec::new();
    for key in AF_PACKET {
        if let Some(value) = get(&format!("af_packet_{key}")) {
            settings.extend(af_packet(key, &value)?);
        }
    }
    for i in 0..procs.max(1) {
        nodes.push(Node {
            name: if procs > 0 {
                format!("{name}-{}", i + 1)
            } else {
                name.to_string()
            },
            kind,
            host: host.clone(),
            base: get("zeekbase"),
            zone: get("zone_id").unwrap_or_default(),
            interface: interfaces.get(i).cloned().unwrap_or_else(|| interface.clone()),
            aux_scripts: get("aux_scripts")
                .map_or_else(Vec::new, |t| t.split_whitespace().map(str::to_string).collect()),
            env: env.clone(),
            cpu: (!cpus.is_empty()).then(|| cpus[i % cpus.len()]),
            share: (shares && fanout.is_none()).then_some((i + 1, procs)),
            fanout,
            settings: settings.clone(),
        });
    }
    Ok(())
}

/// The fanout group of the first workers that share an interface.
const FANOUT_ID: u16 = 23;

/// Whether a switch that is on by default is on.
fn is_on(key: &str, text: Option<String>) -> Result<bool, String> {
    match text.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("1" | "t" | "true" | "yes") => Ok(true),
        Some("0" | "f" | "false" | "no") => Ok(false),
        Some(other) => Err(format!("{key}: '{other}' is neither 1 nor 0")),
    }
}

fn check(nodes: &[Node]) -> Result<(), String> {
    let count = |k: Kind| nodes.iter().filter(|n| n.kind == k).count();
    if nodes.is_empty() {
        return Err("node.cfg names no nodes".into());
    }
    if count(Kind::Standalone) > 0 {
        if nodes.len() > 1 {
            return Err("node.cfg: a standalone node must be the only one".into());
        }
    } else if count(Kind::Manager) != 1 {
        return Err("node.cfg: a cluster has exactly one manager".into());
    } else if count(Kind::Proxy) == 0 {
        return Err("node.cfg: a cluster has at least one proxy".into());
    }
    let head = nodes
        .iter()
        .find(|n| matches!(n.kind, Kind::Manager | Kind::Standalone));
    if let Some(head) = head {
        if !head.is_local() {
            return Err(format!("node.cfg: {} must run on this host", head.name));
        }
        if head.host == "localhost" && nodes.iter().any(|n| n.host != "localhost") {
            return Err("node.cfg: with the manager on localhost all nodes must be there".into());
        }
    }
    Ok(())
}

/// The layout of the cluster, with ports counted up from `ZeekPort`.
///
/// # Errors
/// A host without an address.
pub fn layout(nodes: &[Node], options: &Options) -> Result<Layout, String> {
    let base = options.number("ZeekPort") as u16;
    let metrics = options.number("MetricsPort") as u16;
    let head = nodes.iter().find(|n| n.kind.role() == Role::Manager);
    let forwarder = head.and_then(Node::address).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut members = Vec::new();
    for role in [Role::Manager, Role::Logger, Role::Proxy, Role::Worker] {
        for n in nodes.iter().filter(|n| n.kind.role() == role) {
            let host = n.address();
            let i = members.len() as u16;
            members.push(Member {
                name: n.name.clone(),
                role,
                host: host.ok_or_else(|| format!("{}: host {} has no address", n.name, n.host))?,
                zone: n.zone.clone(),
                port: base.saturating_add(3 + i),
                metrics_port: (metrics > 0).then(|| metrics.saturating_add(i)),
            });
        }
    }
    Ok(Layout {
        members,
        control: Some((forwarder, base.saturating_add(2))),
        forwarder,
        xpub_port: base,
        xsub_port: base.saturating_add(1),
    })
}

/// The nodes that arguments name: by name or by group; all where there are none.
///
/// # Errors
/// A name that means nothing.
pub fn select<'a>(nodes: &'a [Node], args: &[String]) -> Result<Vec<&'a Node>, String> {
    if args.is_empty() {
        return Ok(nodes.iter().collect());
    }
    let mut names: Vec<&str> = Vec::new();
    for arg in args {
        let kind = match arg.as_str() {
            "all" => None,
            "manager" => Some(Kind::Manager),
            "loggers" => Some(Kind::Logger),
            "proxies" => Some(Kind::Proxy),
            "workers" => Some(Kind::Worker),
            name if nodes.iter().any(|n| n.name == name) => {
                names.push(name);
                continue;
            }
            other => return Err(format!("unknown node '{other}'")),
        };
        let of_kind = nodes.iter().filter(|n| kind.is_none_or(|k| n.kind == k));
        names.extend(of_kind.map(|n| n.name.as_str()));
    }
    Ok(nodes.iter().filter(|n| names.contains(&n.name.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "[manager]\ntype=manager\nhost=localhost\n[proxy-1]\ntype=proxy\nhost=localhost\n\
        [worker]\ntype=worker\nhost=localhost\ninterface=af_packet::eth0\nlb_method=af_packet\nlb_procs=2\npin_cpus=1,3\n";

    #[test]
    fn each_group_of_workers_shares_by_itself() {
        let more = "[other]\ntype=worker\nhost=localhost\ninterface=eth1\nlb_method=af_packet\nlb_procs=2\n";
        let shares = |text: &str| -> Vec<_> {
            let nodes = read(&format!("{CLUSTER}{text}")).unwrap();
            nodes[2..].iter().map(|n| (n.fanout, n.share)).collect()
        };
        assert_eq!(shares(more)[1..3], [(Some(23), None), (Some(24), None)]);
        assert_eq!(shares(&format!("{more}af_packet_fanout_id=7\n"))[2], (Some(7), None));
        assert_eq!(
            shares(&format!("{more}af_packet_enable_fanout=0\n"))[2],
            (None, Some((1, 2)))
        );
        assert_eq!(shares(&more.replace("=af_packet", "=custom"))[2], (None, Some((1, 2))));
        assert!(read(&format!("{CLUSTER}{more}af_packet_fanout_id=x\n")).is_err());
        // What scripts are told of it.
        let settings = |text: &str| read(&format!("{CLUSTER}{more}{text}")).map(|n| n.last().unwrap().settings.clone());
        let all = "af_packet_buffer_size=1048576\naf_packet_block_timeout=5 msecs\naf_packet_fanout_mode=FANOUT_CPU\n\
                   af_packet_enable_defrag=1\naf_packet_checksum_validation_mode=AF_Packet::CHECKSUM_OFF\n";
        let told = [
            "AF_Packet::buffer_size=1048576",
            "AF_Packet::block_timeout=5msecs",
            "AF_Packet::fanout_mode=AF_Packet::FANOUT_CPU",
            "AF_Packet::enable_defrag=T",
            "AF_Packet::checksum_validation_mode=AF_Packet::CHECKSUM_OFF",
        ];
        assert_eq!(settings(all).unwrap(), told);
        for wrong in [
            "buffer_size=much",
            "block_timeout=5",
            "fanout_mode=FANOUT_EBPF",
            "enable_defrag=2",
        ] {
            assert!(settings(&format!("af_packet_{wrong}\n")).is_err(), "{wrong}");
        }
        assert!(without_effect(all).is_empty());
        assert_eq!(without_effect("af_packet_enable_hw_timestamping = 1 # x\n").len(), 1);
    }

    #[test]
    fn workers_multiply_and_ports_count_up() {
        let nodes = read(CLUSTER).unwrap();
        let names: Vec<_> = nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["manager", "proxy-1", "worker-1", "worker-2"]);
        assert_eq!(
            (nodes[3].interface.as_str(), nodes[3].cpu, nodes[3].fanout),
            ("eth0", Some(3), Some(23))
        );
        let o = Options::new(std::path::Path::new("/t"), std::path::Path::new("/t/bin/tapir"));
        let l = layout(&nodes, &o).unwrap();
        assert_eq!(
            (l.xpub_port, l.members[0].port, l.members[3].port),
            (27760, 27763, 27766)
        );
        assert_eq!(l.members[3].metrics_port, Some(9994));
        assert_eq!(select(&nodes, &["workers".into()]).unwrap().len(), 2);
        assert!(select(&nodes, &["nobody".into()]).is_err());
    }

    #[test]
    fn mistakes_are_told() {
        for (text, part) in [
            ("[a]\ntype=worker\n", "no host"),
            ("[a]\nhost=localhost\n", "no type"),
            ("[a]\ntype=standalone\nhost=localhost\nnonsense=1\n", "unknown key"),
            ("[a]\ntype=worker\nhost=localhost\n", "exactly one manager"),
            ("[a]\ntype=manager\nhost=localhost\n", "at least one proxy"),
            (
                "[a]\ntype=manager\nhost=localhost\n[A]\ntype=proxy\nhost=localhost\n",
                "already",
            ),
            ("[w]\ntype=worker\nhost=localhost\nlb_procs=2\n", "go together"),
            (
                "[w]\ntype=worker\nhost=localhost\naf_packet_bufer_size=2\n",
                "unknown key",
            ),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.contains(part), "{e}");
        }
    }
}
