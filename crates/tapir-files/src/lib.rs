//! File analysis: what a transferred file is, what it hashes to, what is inside.
//!
//! [`FileManager`] follows files by id from the first byte to removal, runs the analyzers that scripts attach
//! ([`hash`], [`extract`], [`entropy`], [`pe`], [`zip`], [`x509`], [`ocsp`]) and raises their events. Certificates are
//! read leniently ([`der`], [`cert`], [`ext`]) and verified in [`verify`]. Must not know connections or protocols: who
//! transports a file is behind [`manager::Carrier`], what is above behind [`manager::FileHost`].

#![forbid(unsafe_code)]

pub mod analyzer;
pub mod cert;
pub mod der;
pub mod entropy;
pub mod ext;
pub mod extract;
pub mod hash;
pub mod manager;
pub mod ocsp;
pub mod oid;
pub mod pe;
pub mod reassembly;
pub mod rsa;
pub mod sct;
pub mod verify;
pub mod x509;
pub mod zip;

pub use analyzer::{FileAnalyzer, Kind};
pub use manager::{Carrier, Chunk, FileHost, FileManager, Options};
