//! XMPP up to STARTTLS (RFC 6120): tags outside and inside the stream element, without a full XML parser.

use std::any::Any;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::ssl::Ssl;

/// A tag is at most this long.
const MAX_TAG: usize = 65_536;

/// The analyzer.
#[derive(Default)]
pub struct Xmpp {
    buf: [Vec<u8>; 2],
    asked: bool,
    tls: bool,
    stopped: bool,
}

/// The local name of a tag's text.
fn local(tag: &[u8]) -> &[u8] {
    let n = tag
        .iter()
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>'))
        .unwrap_or(tag.len());
    let name = &tag[..n];
    match name.iter().position(|&b| b == b':') {
        Some(i) => &name[i + 1..],
        None => name,
    }
}

impl Xmpp {
    fn tag(&mut self, cx: &mut Cx, is_orig: bool, tag: &[u8]) {
        match local(tag) {
            b"stream" => cx.confirm(),
            b"starttls" if is_orig => self.asked = true,
            b"proceed" if !is_orig && self.asked => {
                self.tls = true;
                cx.add_child_boxed("SSL", Box::new(Ssl::default()));
                raise!(cx, xmpp_starttls);
            }
            _ => {}
        }
    }
}

impl Analyzer for Xmpp {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.tls {
            cx.forward(is_orig, data);
            return;
        }
        if self.stopped {
            return;
        }
        let d = is_orig as usize;
        let mut buf = std::mem::take(&mut self.buf[d]);
        buf.extend_from_slice(data);
        let mut at = 0;
        while let Some(open) = buf[at..].iter().position(|&b| b == b'<') {
            let from = at + open + 1;
            let Some(n) = buf[from..].iter().position(|&b| b == b'>') else {
                at += open;
                break;
            };
            let tag = buf[from..from + n].to_vec();
            at = from + n + 1;
            self.tag(cx, is_orig, &tag);
            if self.tls {
                cx.forward(is_orig, &buf[at..]);
                return;
            }
        }
        buf.drain(..at);
        if buf.len() > MAX_TAG {
            self.stopped = true;
            buf = Vec::new();
        }
        self.buf[d] = buf;
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        if self.tls {
            cx.forward_gap(is_orig, seq, len);
        } else {
            self.stopped = true;
            self.buf = Default::default();
        }
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
