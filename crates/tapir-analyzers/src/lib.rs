//! Protocol analyzers: one folder per protocol, dynamic protocol detection, the stream helpers that they share.
//!
//! Owns: the analyzer tree of a connection ([`core`]), the registry of protocols, every protocol's parser, the
//! script-visible `connection` record. Must not know: the VM, log streams, how packets arrive.
#![forbid(unsafe_code)]

pub mod bittorrent;
pub mod core;
pub mod dce_rpc;
pub mod dhcp;
pub mod dnp3;
pub mod dns;
pub mod file;
pub mod finger;
pub mod ftp;
pub mod gnutella;
pub mod gssapi;
pub mod http;
pub mod ident;
pub mod imap;
pub mod irc;
pub mod krb;
pub mod ldap;
pub mod login;
pub mod modbus;
pub mod mqtt;
pub mod mysql;
pub mod ncp;
pub mod netbios;
pub mod ntlm;
pub mod ntp;
pub mod pop3;
pub mod postgresql;
pub mod quic;
pub mod radius;
pub mod rdp;
pub mod redis;
pub mod registry;
pub mod rfb;
pub mod rpc;
pub mod sip;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod socks;
pub mod ssh;
pub mod ssl;
pub mod stream;
pub mod syslog;
pub mod util;
pub mod websocket;
pub mod xmpp;

#[doc(hidden)]
pub use tapir_interface as iface;
