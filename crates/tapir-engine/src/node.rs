//! Facts about the running node that built-ins tell scripts, and the counters behind the statistics functions.

use std::rc::Rc;
use std::time::Instant;

/// The packet that is being processed, kept only when scripts ask for it.
#[derive(Clone, Debug, Default)]
pub struct KeptPacket {
    pub ts_sec: i64,
    pub ts_usec: u32,
    pub len: u32,
    pub link_type: u32,
    pub data: Rc<[u8]>,
}

/// A dynamic packet filter entry.
#[derive(Clone, Debug, PartialEq)]
pub struct DropEntry {
    /// Address as 16 bytes and prefix length of 128.
    pub net: ([u8; 16], u8),
    pub source: bool,
    pub tcp_flags: u64,
    /// Chance of dropping, up to 1.
    pub chance: f64,
}

/// What the node is and has counted.
pub struct Node {
    pub begun: Instant,
    pub begun_at: f64,
    pub args: Vec<String>,
    pub bare: bool,
    pub trace: Option<String>,
    pub interface: Option<String>,
    /// Whether this is a node of a cluster.
    pub in_cluster: bool,
    pub link_type: u32,
    /// The link type of the capture that is about to be read, if it has one for all packets.
    pub source_link_type: Option<u32>,
    pub keeps_packets: bool,
    pub packet: Option<KeptPacket>,
    pub n_packets: u64,
    pub n_bytes: u64,
    pub n_filtered: u64,
    /// Packets that the system lost because nobody took them in time.
    pub n_dropped: u64,
    pub drops: Vec<DropEntry>,
    /// Whether packets are dropped that no filter is about.
    pub drops_by_default: bool,
    /// Packet extraction is suspended.
    pub suspended: bool,
    /// Packet filters by their script number: text and whether it compiled.
    pub filters: std::collections::HashMap<u64, (String, Result<(), String>)>,
    /// The filter that is in force.
    pub installed: Option<String>,
    pub filter_error: String,
    /// The main loop has to take a new filter into use.
    pub filter_changed: bool,
    pub network_time: f64,
    /// Counters of the flow table before the packet at hand, for when it is in use.
    pub flow_stats: tapir_flow::FlowStats,
    /// The most timers that were asked about.
    pub timers_max: u64,
}

impl Default for Node {
    fn default() -> Self {
        Node {
            begun: Instant::now(),
            begun_at: tapir_logging::ascii::wall_clock(),
            args: Vec::new(),
            bare: false,
            trace: None,
            interface: None,
            in_cluster: false,
            link_type: 1,
            source_link_type: None,
            keeps_packets: false,
            packet: None,
            n_packets: 0,
            n_bytes: 0,
            n_filtered: 0,
            n_dropped: 0,
            drops: Vec::new(),
            drops_by_default: false,
            suspended: false,
            filters: std::collections::HashMap::new(),
            installed: None,
            filter_error: String::new(),
            filter_changed: false,
            network_time: 0.0,
            flow_stats: tapir_flow::FlowStats::default(),
            timers_max: 0,
        }
    }
}
