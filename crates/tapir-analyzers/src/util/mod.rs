//! Helpers that several protocols share: checked cursor, line splitter, MIME, BER, encodings.

pub mod ber;
pub mod cursor;
pub mod inflate;
pub mod lines;
pub mod mime;
pub mod nvt;
pub mod text;
