//! XMPP up to STARTTLS (RFC 6120): tags outside and inside the stream element, without a full XML parser.

use crate::core::Cx;
use crate::raise;
use crate::ssl::Ssl;
use crate::util::units::{Step, Stream, Units};

/// A tag is at most this long.
const MAX_TAG: usize = 65_536;

/// The analyzer.
pub type Xmpp = Stream<Tags>;

/// What the tags so far have said.
#[derive(Default)]
pub struct Tags {
    asked: bool,
    tls: bool,
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

impl Tags {
    fn tag(&mut self, cx: &mut Cx, is_orig: bool, tag: &[u8]) {
        match local(tag) {
            b"stream" => cx.confirm(),
            b"starttls" if is_orig => self.asked = true,
            b"proceed" if !is_orig && self.asked => {
                self.tls = true;
                Ssl::begin(cx);
                raise!(cx, xmpp_starttls);
            }
            _ => {}
        }
    }
}

impl Units for Tags {
    const MAX: usize = MAX_TAG;

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let text = data.iter().position(|&b| b == b'<').unwrap_or(data.len());
        if text > 0 {
            return Step::Used(text);
        }
        let Some(n) = data.iter().position(|&b| b == b'>') else {
            return Step::More;
        };
        self.tag(cx, is_orig, &data[1..n]);
        if self.tls {
            Step::HandOver(n + 1)
        } else {
            Step::Used(n + 1)
        }
    }
}
