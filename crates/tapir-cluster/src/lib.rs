//! Clusters: topics, serializers, transports. Nothing of it is built yet; nodes run alone.
//!
//! Must not know: the VM, flows, packets.
#![forbid(unsafe_code)]
