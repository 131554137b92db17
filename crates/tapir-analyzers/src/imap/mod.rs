//! IMAP up to STARTTLS (RFC 3501): capabilities and the switch to TLS.

use crate::core::Cx;
use crate::ssl::Ssl;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::lines::Lines;
use crate::util::text::{ieq, istarts};
use crate::{raise, wants};

/// The analyzer.
pub type Imap = Dialogue<Session>;

/// What is known of a session.
#[derive(Default)]
pub struct Session {
    /// The tag of the client's STARTTLS.
    tag: Vec<u8>,
}

impl Session {
    fn client(&mut self, line: &[u8]) {
        let mut w = line.split(|&b| b == b' ').filter(|w| !w.is_empty());
        if let (Some(tag), Some(cmd)) = (w.next(), w.next()) {
            if ieq(cmd, b"STARTTLS") {
                self.tag = tag.to_vec();
            }
        }
    }

    fn server(&mut self, cx: &mut Cx, line: &[u8]) -> Next {
        if let Some(rest) = line.strip_prefix(b"* ") {
            if istarts(rest, b"OK") {
                cx.confirm();
            }
            if istarts(rest, b"CAPABILITY") {
                cx.confirm();
                if wants!(cx, imap_capabilities) {
                    let caps: Vec<&[u8]> = rest[10..].split(|&b| b == b' ').filter(|w| !w.is_empty()).collect();
                    let v = cx.strings(&caps);
                    raise!(cx, imap_capabilities, v);
                }
            }
            return Next::Line;
        }
        if !self.tag.is_empty() && line.starts_with(&self.tag) {
            let tag = std::mem::take(&mut self.tag);
            if istarts(line[tag.len()..].trim_ascii_start(), b"OK") {
                cx.confirm();
                Ssl::begin(cx);
                raise!(cx, imap_starttls);
                return Next::Children;
            }
        } else if line.contains(&0) {
            return Next::Nobody;
        }
        Next::Line
    }
}

impl LineProtocol for Session {
    type Lines = Lines;

    const UNENDED_COUNTS: bool = false;

    fn lines() -> Lines {
        Lines::default().quiet()
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        if is_orig {
            self.client(line);
            Next::Line
        } else {
            self.server(cx, line)
        }
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _len: u64) -> Next {
        Next::Nobody
    }
}
