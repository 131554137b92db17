//! Which nodes a cluster has, where they listen, and the script `cluster-layout.zeek` that tells it to them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Logger,
    Manager,
    Proxy,
    Worker,
}

impl Role {
    /// The enumerator of `Cluster::NodeType`.
    pub fn enumerator(self) -> &'static str {
        match self {
            Role::Logger => "Cluster::LOGGER",
            Role::Manager => "Cluster::MANAGER",
            Role::Proxy => "Cluster::PROXY",
            Role::Worker => "Cluster::WORKER",
        }
    }

    /// The role's name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Role::Logger => "logger",
            Role::Manager => "manager",
            Role::Proxy => "proxy",
            Role::Worker => "worker",
        }
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub role: Role,
    pub host: IpAddr,
    /// The zone of an IPv6 address; empty for none.
    pub zone: String,
    /// 0 when the node does not listen.
    pub port: u16,
    pub metrics_port: Option<u16>,
}

/// All nodes, and where the central forwarder listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub members: Vec<Member>,
    /// An entry of kind `CONTROL` that old tools expect: address and port.
    pub control: Option<(IpAddr, u16)>,
    pub forwarder: IpAddr,
    pub xpub_port: u16,
    pub xsub_port: u16,
}

/// A script's text for a string.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

impl Layout {
    /// A cluster on this host: `loggers` may be 0, then the manager writes the logs. Ports count up from `base` in the
    /// order forwarder, control, manager, loggers, proxies, workers.
    pub fn local(loggers: usize, proxies: usize, workers: usize, base: u16) -> Layout {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut next = base.saturating_add(2);
        let mut port = || {
            next = next.saturating_add(1);
            next
        };
        let mut members = Vec::new();
        let mut add = |name: String, role, port| {
            members.push(Member {
                name,
                role,
                host,
                zone: String::new(),
                port,
                metrics_port: None,
            });
        };
        add("manager".into(), Role::Manager, port());
        for (role, n) in [(Role::Logger, loggers), (Role::Proxy, proxies), (Role::Worker, workers)] {
            for i in 1..=n {
                add(format!("{}-{i}", role.name()), role, port());
            }
        }
        Layout {
            members,
            control: None,
            forwarder: host,
            xpub_port: base,
            xsub_port: base.saturating_add(1),
        }
    }

    /// How many ports from the base on [`Layout::local`] uses.
    pub fn ports_needed(loggers: usize, proxies: usize, workers: usize) -> u16 {
        (4 + loggers + proxies + workers) as u16
    }

    /// The node of a name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// The number of nodes with a role.
    pub fn count(&self, role: Role) -> usize {
        self.members.iter().filter(|m| m.role == role).count()
    }

    /// Whether the manager writes the logs.
    pub fn manager_is_logger(&self) -> bool {
        self.count(Role::Logger) == 0
    }

    /// The text of `cluster-layout.zeek`.
    pub fn script(&self) -> String {
        let mut out = String::from("# Written by the program that started the cluster; changes are lost.\n\n");
        let flag = if self.manager_is_logger() { "T" } else { "F" };
        let _ = writeln!(out, "redef Cluster::manager_is_logger = {flag};\n");
        out.push_str("redef Cluster::nodes = {\n");
        if let Some((host, port)) = self.control {
            let _ = writeln!(
                out,
                "\t[\"control\"] = [$node_type=Cluster::CONTROL, $ip={}, $p={port}/tcp],",
                address(host)
            );
        }
        let manager = self.members.iter().find(|m| m.role == Role::Manager);
        for m in &self.members {
            let _ = write!(
                out,
                "\t[{}] = [$node_type={}, $ip={}",
                quoted(&m.name),
                m.role.enumerator(),
                address(m.host)
            );
            if !m.zone.is_empty() {
                let _ = write!(out, ", $zone_id={}", quoted(&m.zone));
            }
            if m.port > 0 {
                let _ = write!(out, ", $p={}/tcp", m.port);
            }
            if let Some(manager) = manager.filter(|_| matches!(m.role, Role::Proxy | Role::Worker)) {
                let _ = write!(out, ", $manager={}", quoted(&manager.name));
            }
            if let Some(port) = m.metrics_port {
                let _ = write!(out, ", $metrics_port={port}/tcp");
            }
            out.push_str("],\n");
        }
        out.push_str("};\n");
        out
    }

    /// Settings of the ZeroMQ backend for this layout, as script text.
    pub fn endpoints(&self) -> String {
        let at = |port: u16| quoted(&format!("tcp://{}:{port}", address(self.forwarder)));
        let module = "Cluster::Backend::ZeroMQ::";
        let mut out = String::new();
        for (name, port) in [
            ("connect_xsub_endpoint", self.xpub_port),
            ("listen_xpub_endpoint", self.xpub_port),
            ("connect_xpub_endpoint", self.xsub_port),
            ("listen_xsub_endpoint", self.xsub_port),
        ] {
            let _ = writeln!(out, "redef {module}{name} = {};", at(port));
        }
        if self.forwarder.is_ipv6() || self.members.iter().any(|m| m.host.is_ipv6()) {
            let _ = writeln!(out, "redef {module}ipv6 = T;");
        }
        out
    }
}

/// A base from which on `n` ports are free on this host: the wanted one, or one that the system chooses.
pub fn free_ports(wanted: u16, n: u16) -> Option<u16> {
    let free = |base: u16| {
        let last = base.checked_add(n)?;
        let all = (base..last).map(|p| TcpListener::bind((Ipv4Addr::LOCALHOST, p)));
        all.collect::<Result<Vec<_>, _>>().ok().map(|_| base)
    };
    free(wanted).or_else(|| {
        (0..50).find_map(|_| {
            let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let base = probe.local_addr().ok()?.port();
            drop(probe);
            free(base)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_lists_its_nodes_in_order() {
        let l = Layout::local(2, 1, 2, 27760);
        assert_eq!(
            l.members.iter().map(|m| m.port).collect::<Vec<_>>(),
            [27763, 27764, 27765, 27766, 27767, 27768]
        );
        assert_eq!(l.members.len(), Layout::ports_needed(2, 1, 2) as usize - 3);
        let text = l.script();
        assert!(text.contains("manager_is_logger = F"));
        assert!(text.contains(
            "[\"worker-2\"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1, $p=27768/tcp, $manager=\"manager\"]"
        ));
        assert!(Layout::local(0, 0, 1, 1).script().contains("manager_is_logger = T"));
        assert!(
            l.endpoints()
                .contains("connect_xpub_endpoint = \"tcp://127.0.0.1:27761\"")
        );
    }

    #[test]
    fn texts_are_quoted_for_scripts() {
        assert_eq!(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
