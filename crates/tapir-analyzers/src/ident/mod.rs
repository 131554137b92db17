//! Ident (RFC 1413).

use std::any::Any;

use tapir_data::value::{Port, Proto};

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::lines::{Lines, Piece};
use crate::util::text::{digits, ieq, skip_lws, trim};

/// The analyzer.
pub struct Ident {
    lines: [Lines; 2],
    asked: bool,
}

impl Default for Ident {
    fn default() -> Self {
        Ident {
            lines: [Lines::default().quiet(), Lines::default().quiet()],
            asked: false,
        }
    }
}

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

impl Ident {
    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
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
            return;
        };
        if is_orig {
            if !s.is_empty() {
                let text = String::from_utf8_lossy(s).into_owned();
                cx.weird("ident_request_addendum", &text);
            }
            self.asked = true;
            raise!(cx, ident_request, a, b);
            return;
        }
        let mut parts = s.splitn(4, |&x| x == b':');
        let (Some(_), Some(kind), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            cx.weird("bad_ident_reply", "");
            return;
        };
        cx.confirm();
        if ieq(trim(kind), b"ERROR") {
            raise!(cx, ident_error, a, b, trim(rest));
        } else {
            let user = parts.next().unwrap_or(b"");
            let system = rest.split(|&x| x == b',').next().unwrap_or(b"");
            raise!(cx, ident_reply, a, b, skip_lws(user), trim(system));
        }
    }
}

impl Analyzer for Ident {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let mut lines = std::mem::take(&mut self.lines[d]).with_max(4096);
        let mut at = 0;
        while let Some(p) = lines.next(data, &mut at) {
            match p {
                Piece::Line(l) => self.line(cx, is_orig, &l),
                Piece::Weird(w) => cx.line_weird(w),
                Piece::Plain(..) => {}
            }
        }
        self.lines[d] = lines;
    }

    fn gap(&mut self, _cx: &mut Cx, is_orig: bool, _seq: u64, _len: u64) {
        self.lines[is_orig as usize].clear();
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        if let Some(l) = self.lines[is_orig as usize].flush() {
            self.line(cx, is_orig, &l);
        }
    }

    fn flip(&mut self) {
        self.lines.swap(0, 1);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
