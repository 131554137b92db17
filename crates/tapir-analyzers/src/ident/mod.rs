//! Ident (RFC 1413).

use tapir_data::value::{Port, Proto};

use crate::core::Cx;
use crate::raise;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::lines::Lines;
use crate::util::text::{digits, ieq, skip_lws, trim};

/// The analyzer.
pub type Ident = Dialogue<Pairs>;

/// Requests and replies, of which each names the pair of ports that it is about.
#[derive(Default)]
pub struct Pairs;

fn port(s: &mut &[u8]) -> Option<Port> {
    let t = skip_lws(s);
    let (n, k) = digits(t)?;
    *s = skip_lws(&t[k..]);
    Some(Port {
        proto: Proto::Tcp,
        num: u16::try_from(n).ok()?,
    })
}

fn pair(s: &mut &[u8]) -> Option<(Port, Port)> {
    let a = port(s)?;
    *s = s.strip_prefix(b",")?;
    let b = port(s)?;
    Some((a, b))
}

impl LineProtocol for Pairs {
    type Lines = Lines;

    fn lines() -> Lines {
        Lines::default().quiet().with_max(4096)
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        let mut s = line;
        let Some((a, b)) = pair(&mut s) else {
            let text = String::from_utf8_lossy(line).into_owned();
            cx.weird(
                if is_orig {
                    "bad_ident_request"
                } else {
                    "bad_ident_reply"
                },
                &text,
            );
            return Next::Line;
        };
        if is_orig {
            if !s.is_empty() {
                let text = String::from_utf8_lossy(s).into_owned();
                cx.weird("ident_request_addendum", &text);
            }
            raise!(cx, ident_request, a, b);
            return Next::Line;
        }
        let mut parts = s.splitn(4, |&x| x == b':');
        let (Some(_), Some(kind), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            cx.weird("bad_ident_reply", "");
            return Next::Line;
        };
        cx.confirm();
        if ieq(trim(kind), b"ERROR") {
            raise!(cx, ident_error, a, b, trim(rest));
        } else {
            let user = parts.next().unwrap_or(b"");
            let system = rest.split(|&x| x == b',').next().unwrap_or(b"");
            raise!(cx, ident_reply, a, b, skip_lws(user), trim(system));
        }
        Next::Line
    }
}
