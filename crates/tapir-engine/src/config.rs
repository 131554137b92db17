//! What a run is asked to do, independent of how the command line spells it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A capture file; `-` is standard input.
    Capture(PathBuf),
    /// An interface as users name it, see [`interface`].
    Interface(String),
}

/// How an interface is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// By each process for itself.
    Alone,
    /// With others, as far as scripts do not say otherwise: all who name it in this way get some of the flows each.
    Together,
}

/// The name of an interface, and how it is to be watched, of what users say: the plain name, as `eth0`, or one of the names of
/// Zeek's packet sources in front, as `pcap::eth0` or `af_packet::eth0`.
///
/// # Errors
/// When there is no such source here.
pub fn interface(text: &str) -> Result<(&str, Watch), String> {
    match text.split_once("::") {
        None => Ok((text, Watch::Alone)),
        Some(("pcap", name)) => Ok((name, Watch::Alone)),
        Some(("af_packet", name)) => Ok((name, Watch::Together)),
        Some((other, name)) => Err(format!(
            "there is no packet source {other} here; say {name}, or af_packet::{name} to share its flows with other processes"
        )),
    }
}

/// All settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    pub input: Option<Input>,
    pub scripts: Vec<String>,
    /// `NAME=VALUE` arguments.
    pub assignments: Vec<String>,
    /// Arguments for the script behind `--`.
    pub script_args: Vec<String>,
    /// Code given with `-e`.
    pub code: Vec<String>,
    pub signatures: Vec<String>,
    pub prefixes: Vec<String>,
    pub bare: bool,
    pub parse_only: bool,
    pub filter: Option<String>,
    pub ignore_checksums: bool,
    /// Where packets go that nothing takes.
    pub unprocessed_file: Option<PathBuf>,
    /// Names of the loaded signatures are listed.
    pub list_rules: bool,
    pub deterministic: bool,
    pub load_seeds: Option<PathBuf>,
    pub save_seeds: Option<PathBuf>,
    pub print_id: Option<String>,
    /// List what the program is made of: 1 briefly, 2 with what each part provides.
    pub list_plugins: u8,
    pub print_times: bool,
    pub status_file: Option<PathBuf>,
    pub trace_file: Option<PathBuf>,
    pub write_file: Option<PathBuf>,
    pub usage_issues: bool,
    pub unused_warnings: bool,
    /// Speed factor of a replay in real time.
    pub pseudo_realtime: Option<f64>,
    pub profile: Option<PathBuf>,
    /// A function's name, or everything when empty.
    pub disassemble: Option<String>,
    /// Workers that share the packets of a capture; above 1 the process runs a whole cluster.
    pub workers: usize,
    /// Variables of the environment for this node alone; they hide the process's own.
    pub environment: Vec<(String, String)>,
    /// Scripts that stand in no file, by name: found before all others.
    pub texts: Vec<(String, String)>,
    /// Which node of several with the same seeds this is, so that their identifiers differ; 0 for the first or only one.
    pub node_index: u32,
    /// Analyse only one share of the packets: which, from 0, and of how many.
    pub share: Option<(usize, usize)>,
    /// Watch an interface together with others that name the same number: the system gives each some of the flows. Counts
    /// before what scripts say.
    pub fanout: Option<u16>,
    /// The process that looks after this one: when it is gone the run ends in order.
    pub parent: Option<u32>,
    /// Whether the process only looks after others, which its scripts create.
    pub supervisor: bool,
    /// How this process is to run as one of those.
    pub supervised: Option<crate::supervisor::NodeConfig>,
    /// Messages of loading that another node of this process has printed already.
    pub said: Option<Said>,
    /// What the nodes of this process add their profiles to; whoever starts them writes it.
    pub shared_profile: Option<Arc<crate::watch::Profile>>,
    /// Whether packets are written to parts of files, which whoever starts the nodes joins.
    pub writes_parts: bool,
    /// Programs that this node shares with others of this process, those of most nodes first; a node alone reads its own.
    pub programs: Vec<crate::load::SharedProgram>,
    /// The link type of the capture, for nodes of one process, which do not open it themselves; if it has one for all packets.
    pub link_type: Option<u32>,
    /// Data stores that the nodes of this process share; a node alone has its own.
    pub stores: Option<crate::stores::Shelf>,
}

impl Config {
    /// Takes what stands on a command line without an option: a script, or a value for something that scripts declare
    /// (`NAME=VALUE`).
    pub fn positional(&mut self, arg: String) {
        let is_assignment = arg.split_once('=').is_some_and(|(name, _)| {
            let name = name.trim_end();
            let name = name.strip_suffix(['+', '-']).unwrap_or(name).trim_end();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        });
        match is_assignment {
            true => self.assignments.push(arg),
            false => self.scripts.push(arg),
        }
    }
}

/// What the nodes of one process have said, so that none repeats it.
pub type Said = Arc<Mutex<HashSet<String>>>;

/// Whether something is said for the first time, among the nodes of one process if there are several.
pub(crate) fn is_first(said: Option<&Said>, text: &str) -> bool {
    let said = said.and_then(|s| s.lock().ok());
    said.is_none_or(|mut said| said.insert(text.to_string()))
}

impl Default for Config {
    fn default() -> Self {
        Config {
            input: None,
            scripts: Vec::new(),
            assignments: Vec::new(),
            script_args: Vec::new(),
            code: Vec::new(),
            signatures: Vec::new(),
            prefixes: Vec::new(),
            bare: false,
            parse_only: false,
            filter: None,
            ignore_checksums: false,
            unprocessed_file: None,
            list_rules: false,
            deterministic: false,
            load_seeds: None,
            save_seeds: None,
            print_id: None,
            list_plugins: 0,
            print_times: false,
            status_file: None,
            trace_file: None,
            write_file: None,
            usage_issues: false,
            unused_warnings: true,
            pseudo_realtime: None,
            profile: None,
            disassemble: None,
            workers: 1,
            environment: Vec::new(),
            texts: Vec::new(),
            node_index: 0,
            share: None,
            fanout: None,
            parent: None,
            supervisor: false,
            supervised: None,
            said: None,
            shared_profile: None,
            writes_parts: false,
            programs: Vec::new(),
            link_type: None,
            stores: None,
        }
    }
}
