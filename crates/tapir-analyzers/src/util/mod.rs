//! Helpers that several protocols share: checked cursor, line splitter, MIME, BER, encodings, texts of errors; analyzers of
//! lines and of units, which protocols fill in.

pub mod ber;
pub mod cursor;
pub mod dialogue;
pub mod grammar;
pub mod inflate;
pub mod lines;
pub mod mime;
pub mod nvt;
pub mod text;
pub mod units;
