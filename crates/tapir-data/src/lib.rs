//! The data model: the types of the script language and the values that scripts, analyzers and the cluster share.
//!
//! Owns: the type table ([`types`]), heap values ([`value`]), tables with expiry bookkeeping ([`table`]), the text
//! forms of values ([`text`]), and the broker binary and JSON encodings ([`broker`]).
//! Must not know: source text, bytecode, packets, files or sockets.
//! A heap value is reference-counted without atomics and belongs to one engine thread; what crosses threads is
//! [`broker::Data`] or a log row.

pub mod broker;
pub mod copy;
pub mod json;
pub mod jsonparse;
pub mod key;
pub mod localtime;
pub mod number;
mod release;
pub mod table;
pub mod text;
pub mod types;
pub mod value;
