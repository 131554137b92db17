//! Packets: where they come from and what their lower layers say.
//!
//! Owns capture readers (pcap, pcapng, live), link layers, IP with extension headers, fragment reassembly, the
//! headers of tunnels, checksums, ARP and the packet filter language. Knows nothing of flows or scripts: what is
//! odd about a packet is put into a [`Weirds`] list by name, and the layer above decides what becomes of it.

#![deny(unsafe_code)]

pub mod arp;
pub mod batch;
pub mod bytes;
pub mod checksum;
pub mod dispatch;
pub mod filter;
pub mod frag;
pub mod ip;
pub mod link;
#[cfg(target_os = "linux")]
pub mod live;
pub mod pcap;
pub mod pcapng;
pub mod share;
#[cfg(unix)]
pub mod signals;
pub mod source;
pub mod together;
pub mod tunnel;
pub mod types;

pub use batch::Batch;
pub use dispatch::Dispatch;
pub use filter::{Filter, FilterError};
pub use ip::{ExtHeader, IpPacket};
pub use link::{Layer, LayerStack, LinkInfo, VlanTag};
pub use share::Sharer;
pub use source::{RawPacket, Source, SourceError, open_capture};
pub use types::{Ip, Weird, Weirds};

#[cfg(test)]
mod tests;
