//! IMAP up to STARTTLS (RFC 3501): capabilities and the switch to TLS.

use std::any::Any;

use crate::core::{Analyzer, Cx};
use crate::ssl::Ssl;
use crate::util::lines::{Lines, Piece};
use crate::util::text::{ieq, istarts};
use crate::{raise, wants};

/// The analyzer.
pub struct Imap {
    lines: [Lines; 2],
    tag: Vec<u8>,
    tls: bool,
    stopped: bool,
}

impl Default for Imap {
    fn default() -> Self {
        Imap {
            lines: [Lines::default().quiet(), Lines::default().quiet()],
            tag: Vec::new(),
            tls: false,
            stopped: false,
        }
    }
}

impl Imap {
    fn client(&mut self, line: &[u8]) {
        let mut w = line.split(|&b| b == b' ').filter(|w| !w.is_empty());
        if let (Some(tag), Some(cmd)) = (w.next(), w.next()) {
            if ieq(cmd, b"STARTTLS") {
                self.tag = tag.to_vec();
            }
        }
    }

    fn server(&mut self, cx: &mut Cx, line: &[u8]) {
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
            return;
        }
        if !self.tag.is_empty() && line.starts_with(&self.tag) {
            let rest = line[self.tag.len()..].trim_ascii_start();
            if istarts(rest, b"OK") {
                self.tls = true;
                cx.confirm();
                cx.add_child_boxed("SSL", Box::new(Ssl::default()));
                raise!(cx, imap_starttls);
            }
            self.tag.clear();
        } else if line.contains(&0) {
            self.stopped = true;
        }
    }
}

impl Analyzer for Imap {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.tls {
            cx.forward(is_orig, data);
            return;
        }
        if self.stopped {
            return;
        }
        let d = is_orig as usize;
        let mut lines = std::mem::take(&mut self.lines[d]);
        let mut at = 0;
        while let Some(p) = lines.next(data, &mut at) {
            match p {
                Piece::Line(l) if is_orig => self.client(&l),
                Piece::Line(l) => self.server(cx, &l),
                _ => {}
            }
            if self.tls {
                let rest = &data[at..];
                cx.forward(is_orig, rest.strip_prefix(b"\n").unwrap_or(rest));
                break;
            }
        }
        self.lines[d] = lines;
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        if self.tls {
            cx.forward_gap(is_orig, seq, len);
        } else {
            self.stopped = true;
        }
    }

    fn flip(&mut self) {
        self.lines.swap(0, 1);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
