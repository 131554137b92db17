//! Finger (RFC 1288).

use crate::core::{Analyzer, Cx, PatKind};
use crate::raise;
use crate::util::grammar;
use crate::util::lines::{Lines, Piece};
use crate::util::text::{istarts, skip_lws, trim};

/// The analyzer.
pub struct Finger {
    lines: [Lines; 2],
    asked: bool,
    stopped: bool,
}

impl Default for Finger {
    fn default() -> Self {
        Finger {
            lines: [Lines::default().quiet(), Lines::default().quiet()],
            asked: false,
            stopped: false,
        }
    }
}

impl Finger {
    fn request(&mut self, cx: &mut Cx, line: &[u8]) {
        if self.asked {
            return;
        }
        self.asked = true;
        cx.match_text(PatKind::Finger, true, line, true, true);
        let mut s = skip_lws(line);
        let full = istarts(s, b"/W");
        if full {
            s = skip_lws(&s[2..]);
        }
        let s = trim(s);
        let (user, host) = match s.iter().position(|&b| b == b'@') {
            Some(n) => (&s[..n], &s[n + 1..]),
            None => (s, &b""[..]),
        };
        cx.confirm();
        raise!(cx, finger_request, full, user, host);
    }
}

impl Analyzer for Finger {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.stopped {
            return;
        }
        let d = is_orig as usize;
        let max = cx.sh.opts.finger_max_line_length as usize;
        let mut lines = std::mem::take(&mut self.lines[d]);
        let mut at = 0;
        let mut too_long = false;
        while let Some(p) = lines.next(data, &mut at) {
            match p {
                Piece::Line(l) if l.len() > max => {
                    too_long = true;
                    break;
                }
                Piece::Line(l) if is_orig => self.request(cx, &l),
                Piece::Line(l) => {
                    raise!(cx, finger_reply, l);
                }
                _ => {}
            }
        }
        if too_long || lines.pending() > max {
            let place = if is_orig { "46:21-46:47" } else { "65:22-65:48" };
            let why = grammar::at(
                "parsing not done within &max-size bytes",
                &format!("finger/finger.spicy:{place}"),
            );
            cx.violation_data(&why, data);
            self.stopped = true;
            lines.clear();
        }
        self.lines[d] = lines;
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.stopped = true;
    }

    fn flip(&mut self) {
        self.lines.swap(0, 1);
    }
}
