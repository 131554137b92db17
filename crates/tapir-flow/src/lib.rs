//! Flows: from packets to connections, and from segments to streams.
//!
//! Owns the connection table with keys, timers and timeouts, the TCP state machine and reassembly, UDP and ICMP
//! sessions, and the tunnels between packets. Everything observable goes out through [`FlowSink`]; options come in as
//! the plain [`Options`]. Knows nothing of scripts, events or application protocols.

#![forbid(unsafe_code)]

pub mod conn;
pub mod icmp;
pub mod icmp6;
pub mod key;
pub mod options;
mod packet;
mod reassembly;
pub mod sink;
pub mod table;
mod tcp;
mod tcp_close;
mod tcp_state;
mod thresholds;
mod timers;
mod tunnels;
mod udp;
pub mod uid;

pub use conn::{Conn, ConnId, EncapEntry, Endpoint, SegmentStats, TcpState, Transport, TunnelKind};
pub use key::{ConnTuple, Key};
pub use options::{Options, Wants};
pub use sink::{FlowSink, IcmpPacket, MultipleKind, Packet, SynPacket, TcpPacket};
pub use table::{FlowStats, FlowTable, PacketNotes};
pub use tapir_packet as packet_crate;
pub use tapir_packet::{Ip, IpPacket, RawPacket};
pub use thresholds::Thresholds;
pub use uid::{Uid, UidGenerator};
