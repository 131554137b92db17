//! Syslog over UDP and TCP (RFC 3164, 6587).

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::text::digits;

/// What stands for a facility or severity that a message does not give.
const NONE: u64 = 999;

fn message(cx: &mut Cx, m: &[u8]) {
    let pri = m
        .strip_prefix(b"<")
        .and_then(|r| digits(r).filter(|(_, n)| *n <= 3 && r.get(*n) == Some(&b'>')));
    cx.confirm();
    match pri {
        Some((v, n)) => {
            raise!(cx, syslog_message, v >> 3, v & 7, &m[n + 2..]);
        }
        None => {
            raise!(cx, syslog_message, NONE, NONE, m);
        }
    }
}

/// Syslog datagrams.
#[derive(Default)]
pub struct Syslog;

impl Analyzer for Syslog {
    fn deliver(&mut self, cx: &mut Cx, _is_orig: bool, data: &[u8]) {
        if !data.is_empty() {
            message(cx, data);
        }
    }
}

/// Syslog in a stream, with octet counting or line ends.
#[derive(Default)]
pub struct SyslogTcp {
    buf: Vec<u8>,
    stopped: bool,
}

const MAX_MESSAGE: usize = 65_536;

impl SyslogTcp {
    /// A message that ends with a line is told of once something follows it, be it the end.
    fn messages(&mut self, cx: &mut Cx, end: bool) {
        if self.stopped {
            return;
        }
        let mut buf = std::mem::take(&mut self.buf);
        let mut at = 0;
        while at < buf.len() {
            let rest = &buf[at..];
            if rest[0].is_ascii_digit() {
                let Some((n, k)) = digits(rest) else {
                    self.stopped = true;
                    return;
                };
                if k == rest.len() && k < 6 {
                    break;
                }
                if rest.get(k) != Some(&b' ') || n as usize > MAX_MESSAGE {
                    cx.violation("invalid octet count in syslog stream");
                    self.stopped = true;
                    return;
                }
                let Some(m) = rest.get(k + 1..k + 1 + n as usize) else {
                    break;
                };
                message(cx, m);
                at += k + 1 + n as usize;
            } else {
                let Some(n) = rest.iter().position(|&b| b == b'\n') else {
                    if rest.len() > MAX_MESSAGE {
                        cx.violation("syslog message too long");
                        self.stopped = true;
                        return;
                    }
                    break;
                };
                if n + 1 == rest.len() && !end {
                    break;
                }
                message(cx, &rest[..n]);
                at += n + 1;
            }
        }
        buf.drain(..at);
        self.buf = buf;
    }
}

impl Analyzer for SyslogTcp {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if is_orig && !self.stopped {
            self.buf.extend_from_slice(data);
            self.messages(cx, false);
        }
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        if is_orig {
            self.messages(cx, true);
        }
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.buf.clear();
        self.stopped = true;
    }
}
