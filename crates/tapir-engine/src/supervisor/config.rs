//! How a supervised node is to run: the record `Supervisor::NodeConfig`, and its way from the supervisor to the process.

use std::path::{Path, PathBuf};

use tapir_data::broker::{Data, binary};

use crate::config::{Config, Input};

/// The variable by which a process learns that it is supervised, and how: the record's data in hexadecimal digits.
pub const VARIABLE: &str = "TAPIR_SUPERVISED_NODE";

/// What is asked of a node. Fields are those of the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeConfig {
    pub name: String,
    pub interface: Option<String>,
    pub pcap_file: Option<String>,
    pub directory: Option<String>,
    pub stdout_file: Option<String>,
    pub stderr_file: Option<String>,
    pub bare_mode: Option<bool>,
    pub addl_base_scripts: Vec<String>,
    pub addl_user_scripts: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cpu_affinity: Option<i64>,
    /// Whether it is part of a cluster, which only scripts look at.
    pub clustered: bool,
    /// All of it, as scripts see it.
    pub data: Data,
}

fn text(d: &Data) -> Option<String> {
    match d {
        Data::String(s) => Some(String::from_utf8_lossy(s).into_owned()),
        _ => None,
    }
}

fn texts(d: &Data) -> Vec<String> {
    match d {
        Data::Vector(all) => all.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

impl NodeConfig {
    /// From the record's data; `None` when it is that of another.
    pub fn from_data(data: Data) -> Option<Self> {
        let Data::Vector(fields) = &data else { return None };
        let [
            name,
            interface,
            pcap_file,
            directory,
            stdout_file,
            stderr_file,
            bare_mode,
            addl_base_scripts,
            addl_user_scripts,
            env,
            cpu_affinity,
            cluster,
            ..,
        ] = &fields[..]
        else {
            return None;
        };
        let env = match env {
            Data::Table(entries) => entries.iter().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect(),
            _ => Vec::new(),
        };
        Some(NodeConfig {
            name: text(name)?,
            interface: text(interface),
            pcap_file: text(pcap_file),
            directory: text(directory).filter(|d| !d.is_empty()),
            stdout_file: text(stdout_file).filter(|f| !f.is_empty()),
            stderr_file: text(stderr_file).filter(|f| !f.is_empty()),
            bare_mode: match bare_mode {
                Data::Bool(b) => Some(*b),
                _ => None,
            },
            addl_base_scripts: texts(addl_base_scripts),
            addl_user_scripts: texts(addl_user_scripts),
            env,
            cpu_affinity: match cpu_affinity {
                Data::Int(n) => Some(*n),
                _ => None,
            },
            clustered: matches!(cluster, Data::Table(nodes) if !nodes.is_empty()),
            data,
        })
    }

    /// What keeps a node from being run so, for the user.
    pub fn problem(&self) -> Option<String> {
        if self.name.is_empty() {
            return Some("a node needs a name".into());
        }
        if self.interface.is_some() && self.pcap_file.is_some() {
            return Some(format!("node '{}' has both an interface and a pcap_file", self.name));
        }
        if self.cpu_affinity.is_some_and(|n| !(0..1024).contains(&n)) {
            return Some(format!(
                "node '{}': cpu_affinity is no number of a processor",
                self.name
            ));
        }
        let bad = |(k, v): &&(String, String)| k.is_empty() || k.contains(['=', '\0']) || v.contains('\0');
        let bad = self.env.iter().find(bad);
        bad.map(|(k, _)| format!("node '{}': '{k}' cannot be a variable of the environment", self.name))
    }

    /// The form in which the process gets it.
    pub fn encode(&self) -> String {
        binary::to_bytes(&self.data)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// Takes it out of that form.
    pub fn decode(text: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
        let bytes: Vec<u8> = digits?.chunks_exact(2).map(|p| p[0] << 4 | p[1]).collect();
        Self::from_data(binary::decode(&bytes).ok()?)
    }

    /// Turns the configuration of the supervisor into that of the node.
    pub fn apply(self, config: &mut Config) {
        config.supervisor = false;
        config.input = match (&self.interface, &self.pcap_file) {
            (Some(i), _) => Some(Input::Interface(i.clone())),
            (None, Some(f)) => Some(Input::Capture(PathBuf::from(f))),
            (None, None) => None,
        };
        config.bare = self.bare_mode.unwrap_or(config.bare);
        let users = std::mem::take(&mut config.scripts);
        config.scripts = self.addl_base_scripts.clone();
        config.scripts.extend(users);
        // Values as on a command line may be among them; they are set after those of the supervisor's.
        self.addl_user_scripts
            .iter()
            .for_each(|arg| config.positional(arg.clone()));
        config.supervised = Some(self);
    }
}

/// A file's name as it has to be said from another folder.
pub fn absolute(name: &str) -> String {
    let path = std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name));
    path.to_string_lossy().into_owned()
}

/// Names of scripts as they have to be said from another folder: those of files that are here, in full.
pub fn absolute_script(name: &str) -> String {
    let here = Path::new(name).is_file() || Path::new(&format!("{name}.zeek")).is_file();
    if here { absolute(name) } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Data {
        let none = || Data::None;
        Data::Vector(vec![
            Data::str("w"),
            none(),
            Data::str("a.pcap"),
            Data::str("dir"),
            none(),
            none(),
            Data::Bool(true),
            Data::Vector(vec![Data::str("first")]),
            Data::Vector(vec![Data::str("last"), Data::str("A::b=T")]),
            Data::table(vec![(Data::str("K"), Data::str("V"))]),
            Data::Int(1),
            Data::table(Vec::new()),
        ])
    }

    #[test]
    fn a_configuration_reaches_its_process() {
        let c = NodeConfig::from_data(record()).unwrap();
        assert_eq!(NodeConfig::decode(&c.encode()).as_ref(), Some(&c));
        assert_eq!((&*c.env[0].0, &*c.env[0].1, c.clustered), ("K", "V", false));
        assert_eq!(c.problem(), None);
        assert!(NodeConfig::decode("0e00").is_none() && NodeConfig::decode("xy").is_none());
        let mut run = Config {
            supervisor: true,
            scripts: vec!["user".into()],
            ..Config::default()
        };
        c.apply(&mut run);
        assert!(run.bare && !run.supervisor);
        assert_eq!(run.scripts, ["first", "user", "last"]);
        assert_eq!(run.assignments, ["A::b=T"]);
        assert!(matches!(run.input, Some(Input::Capture(p)) if p.ends_with("a.pcap")));
    }

    #[test]
    fn what_cannot_be_run_is_said() {
        let mut c = NodeConfig::from_data(record()).unwrap();
        c.interface = Some("lo".into());
        assert!(c.problem().unwrap().contains("both"));
        c.interface = None;
        c.name.clear();
        assert!(c.problem().is_some());
    }
}
