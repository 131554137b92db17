//! Hashes of whole files: `file_hash` at the end, if there was data and no gap.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use tapir_interface::events;

use crate::analyzer::{Cx, FileAnalyzer, Kind};

enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

/// A hash under way.
pub struct Hash {
    state: Option<State>,
    fed: bool,
    kind: &'static str,
}

impl Hash {
    /// A hash of the given kind; `None` when the kind is no hash.
    pub fn new(kind: Kind) -> Option<Hash> {
        let (state, kind) = match kind {
            Kind::Md5 => (State::Md5(Md5::new()), "md5"),
            Kind::Sha1 => (State::Sha1(Sha1::new()), "sha1"),
            Kind::Sha224 => (State::Sha224(Sha224::new()), "sha224"),
            Kind::Sha256 => (State::Sha256(Sha256::new()), "sha256"),
            Kind::Sha384 => (State::Sha384(Sha384::new()), "sha384"),
            Kind::Sha512 => (State::Sha512(Sha512::new()), "sha512"),
            _ => return None,
        };
        Some(Hash {
            state: Some(state),
            fed: false,
            kind,
        })
    }
}

impl FileAnalyzer for Hash {
    fn stream(&mut self, _: &mut Cx, data: &[u8]) -> bool {
        self.fed |= !data.is_empty();
        match &mut self.state {
            Some(State::Md5(h)) => h.update(data),
            Some(State::Sha1(h)) => h.update(data),
            Some(State::Sha224(h)) => h.update(data),
            Some(State::Sha256(h)) => h.update(data),
            Some(State::Sha384(h)) => h.update(data),
            Some(State::Sha512(h)) => h.update(data),
            None => return false,
        }
        true
    }

    fn gap(&mut self, _: &mut Cx, _: u64, _: u64) -> bool {
        self.state = None;
        false
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        let Some(state) = self.state.take().filter(|_| self.fed) else {
            return true;
        };
        let hex = match state {
            State::Md5(h) => hex(&h.finalize()),
            State::Sha1(h) => hex(&h.finalize()),
            State::Sha224(h) => hex(&h.finalize()),
            State::Sha256(h) => hex(&h.finalize()),
            State::Sha384(h) => hex(&h.finalize()),
            State::Sha512(h) => hex(&h.finalize()),
        };
        let f = cx.file_value();
        events::file_hash(cx.q, f, self.kind, hex);
        true
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// Upper-case hexadecimal digits.
pub fn hex_upper(bytes: &[u8]) -> String {
    hex(bytes).to_ascii_uppercase()
}
