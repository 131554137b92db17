//! FTP control connections (RFC 959, 2228).

use crate::core::{Cx, PatKind};
use crate::raise;
use crate::ssl::Ssl;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::mime::base64;
use crate::util::nvt::Nvt;
use crate::util::text::{ieq, istarts, skip_lws};

/// The analyzer.
pub type Ftp = Dialogue<Session>;

/// What is known of a session.
#[derive(Default)]
pub struct Session {
    /// The code of a reply that continues.
    pending: Option<u64>,
    auth: Vec<u8>,
    next: Next,
    /// The GSSAPI exchange holds TLS records.
    adat: bool,
    adat_bad: bool,
}

impl Session {
    fn request(&mut self, cx: &mut Cx, line: &[u8]) {
        // Commands are alphabetic codes (RFC 959, section 5.3).
        let n = line.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (cmd, arg) = (&line[..n], skip_lws(&line[n..]));
        cx.match_text(PatKind::Ftp, true, line, true, true);
        if cmd.is_empty() {
            return;
        }
        let max = cx.sh.opts.ftp_max_command_length;
        if cmd.len() as u64 > max {
            let addl = format!("{} > {max}", cmd.len());
            cx.limit_weird("FTP_max_command_length_exceeded", &addl);
            return;
        }
        let token = self.adat && ieq(cmd, b"ADAT");
        let cmd = cmd.to_ascii_uppercase();
        // As recorded: what only a server says is not enough.
        cx.confirm();
        raise!(cx, ftp_request, &cmd, arg);
        if token {
            self.token(cx, true, arg);
        }
        if cmd == b"AUTH" {
            self.auth = arg.to_ascii_uppercase();
        }
    }

    fn reply(&mut self, cx: &mut Cx, line: &[u8]) {
        let code = match line {
            [a, b, c, ..] if [a, b, c].iter().all(|x| x.is_ascii_digit()) => {
                Some((a - b'0') as u64 * 100 + (b - b'0') as u64 * 10 + (c - b'0') as u64)
            }
            _ => None,
        };
        let (code, msg, more) = match self.pending {
            Some(p) if code == Some(p) && line.get(3) == Some(&b' ') => {
                self.pending = None;
                (p, skip_lws(&line[4..]), false)
            }
            Some(_) => (0, line, true),
            None => {
                let Some(n) = code else {
                    cx.violation_data("non-numeric reply code", line);
                    return;
                };
                match line.get(3) {
                    Some(b'-') => {
                        self.pending = Some(n);
                        (n, skip_lws(&line[4..]), true)
                    }
                    Some(b' ') => (n, skip_lws(&line[4..]), false),
                    None => (n, &line[3..], false),
                    Some(_) => {
                        cx.violation_data("invalid reply line", line);
                        return;
                    }
                }
            }
        };
        raise!(cx, ftp_reply, code, msg, more);
        match code {
            234 if !more && matches!(&self.auth[..], b"TLS" | b"SSL" | b"TLS-C" | b"TLS-P") => {
                if Ssl::begin(cx) {
                    self.next = Next::Children;
                    raise!(cx, ftp_starttls);
                }
            }
            334 if istarts(&self.auth, b"GSSAPI") => self.adat = true,
            335 | 235 if self.adat => {
                if let Some(t) = msg.strip_prefix(b"ADAT=") {
                    self.token(cx, false, t);
                }
                if code == 235 {
                    self.adat = false;
                }
            }
            _ => {}
        }
    }

    /// A base64 token of the security exchange (RFC 2228, section 8.2), which in practice holds TLS.
    fn token(&mut self, cx: &mut Cx, is_orig: bool, t: &[u8]) {
        if self.adat_bad {
            return;
        }
        if let Some(b) = t.iter().find(|b| !(b.is_ascii_alphanumeric() || b"+/=".contains(b))) {
            let addl = format!("character {b} ignored by Base64 decoding");
            cx.weird_from("base64_illegal_encoding", &addl, "");
            cx.weird_from("ftp_adat_bad_first_token_encoding", "", "FTP_ADAT");
            self.adat_bad = true;
            return;
        }
        let data = base64(t);
        if cx.child("SSL").is_none() {
            if data.first() != Some(&0x16) {
                return;
            }
            Ssl::begin(cx);
        }
        cx.forward(is_orig, &data);
    }
}

impl LineProtocol for Session {
    type Lines = Nvt;

    fn lines() -> Nvt {
        Nvt::default()
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        if is_orig {
            self.request(cx, line);
        } else {
            self.reply(cx, line);
        }
        self.next
    }
}
