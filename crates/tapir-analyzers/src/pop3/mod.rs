//! POP3 (RFC 1939, 2595, 5034); the mails retrieved are parsed as MIME.

use std::collections::VecDeque;

use crate::core::Cx;
use crate::raise;
use crate::smtp::mail::Mail;
use crate::ssl::Ssl;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::lines::Lines;
use crate::util::mime::base64;
use crate::util::text::{ieq, word};

const COMMANDS: &[&str] = &[
    "USER", "PASS", "APOP", "AUTH", "STAT", "LIST", "RETR", "DELE", "RSET", "NOOP", "LAST", "QUIT", "TOP", "CAPA",
    "UIDL", "STLS", "XSND",
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Auth {
    #[default]
    None,
    Plain,
    LoginUser,
    LoginPass,
    Other,
}

/// The analyzer.
pub type Pop3 = Dialogue<Session>;

/// What is known of a session.
#[derive(Default)]
pub struct Session {
    /// Requests whose answers are awaited; only the first is looked at.
    pending: VecDeque<Vec<u8>>,
    current: Option<&'static str>,
    greeted: bool,
    multi: bool,
    mail: Option<Mail>,
    user: Vec<u8>,
    password: Vec<u8>,
    auth: Auth,
    unknown: u64,
    next: Next,
}

impl Session {
    fn request(&mut self, cx: &mut Cx, line: &[u8]) {
        if self.auth != Auth::None {
            self.auth_line(cx, line);
            return;
        }
        if self.pending.len() as u64 >= cx.sh.opts.pop3_max_pending_commands.max(1) {
            cx.weird("pop3_client_too_many_pending_commands", "");
            raise!(cx, pop3_unexpected, true, "too many pending commands", line);
            self.pending.pop_front();
        }
        self.pending.push_back(line.to_vec());
        if self.pending.len() == 1 {
            self.command(cx, line);
        }
    }

    /// The answer to the first request is complete.
    fn finish(&mut self, cx: &mut Cx) {
        self.pending.pop_front();
        self.current = None;
        if let Some(l) = self.pending.front().cloned() {
            self.command(cx, &l);
        }
    }

    fn command(&mut self, cx: &mut Cx, line: &[u8]) {
        self.current = None;
        let (w, arg) = word(line);
        let Some(&cmd) = COMMANDS.iter().find(|c| ieq(c.as_bytes(), w)) else {
            let shown = String::from_utf8_lossy(w).into_owned();
            cx.weird("pop3_client_command_unknown", &shown);
            raise!(cx, pop3_unexpected, true, "unknown command", line);
            self.unknown += 1;
            if self.unknown > cx.sh.opts.pop3_max_unknown_client_commands {
                cx.violation("too many unknown client commands");
                self.next = Next::Nobody;
            }
            return;
        };
        self.current = Some(cmd);
        raise!(cx, pop3_request, true, cmd, arg);
        match cmd {
            "USER" => self.user = arg.to_vec(),
            "PASS" => self.password = arg.to_vec(),
            "APOP" => self.user = word(arg).0.to_vec(),
            "AUTH" => {
                let (mech, initial) = word(arg);
                self.auth = if ieq(mech, b"PLAIN") {
                    Auth::Plain
                } else if ieq(mech, b"LOGIN") {
                    Auth::LoginUser
                } else {
                    // Only a challenge shows that the server knows the mechanism.
                    Auth::None
                };
                if !initial.is_empty() && self.auth != Auth::None {
                    self.auth_line(cx, initial);
                }
            }
            _ => {}
        }
    }

    fn auth_line(&mut self, cx: &mut Cx, line: &[u8]) {
        if line == b"*" {
            self.auth = Auth::None;
            return;
        }
        let text = base64(line);
        match self.auth {
            Auth::Plain => {
                // For whom, who, and the password (RFC 4616).
                if text.iter().filter(|b| **b == 0).count() < 2 {
                    cx.weird("pop3_malformed_auth_plain", "");
                }
                let mut parts = text.split(|&b| b == 0).skip(1);
                self.user = parts.next().unwrap_or(b"").to_vec();
                self.password = parts.next().unwrap_or(b"").to_vec();
                self.auth = Auth::None;
            }
            Auth::LoginUser => {
                self.user = text;
                self.auth = Auth::LoginPass;
            }
            Auth::LoginPass => {
                self.password = text;
                self.auth = Auth::None;
            }
            _ => {}
        }
    }

    fn reply(&mut self, cx: &mut Cx, line: &[u8]) {
        if self.multi {
            if line == b"." {
                self.multi = false;
                if let Some(m) = self.mail.take() {
                    m.end(cx);
                }
                self.finish(cx);
                return;
            }
            // As recorded: a doubled dot at the begin of a line stays.
            raise!(cx, pop3_data, false, line);
            if let Some(m) = self.mail.as_mut() {
                m.line(cx, line, true);
            }
            return;
        }
        let (w, msg) = word(line);
        let ok = ieq(w, b"+OK");
        if !ok && !ieq(w, b"-ERR") {
            if w == b"+" && self.current == Some("AUTH") {
                if self.auth == Auth::None {
                    self.auth = Auth::Other;
                }
                return;
            }
            let shown = if w.is_empty() {
                "???".into()
            } else {
                String::from_utf8_lossy(w).into_owned()
            };
            cx.violation_data(&format!("unknown server command ({shown})"), line);
            cx.weird("pop3_server_command_unknown", &shown);
            raise!(cx, pop3_unexpected, false, "unknown server response", line);
            return;
        }
        raise!(cx, pop3_reply, false, if ok { "OK" } else { "ERR" }, msg);
        if std::mem::replace(&mut self.greeted, true) {
            if ok && self.current.is_some() {
                cx.confirm();
            }
            self.answered(cx, ok);
        }
        // A greeting that comes late is an answer to the first request.
        if !self.multi && self.next != Next::Children {
            self.finish(cx);
        }
    }

    fn answered(&mut self, cx: &mut Cx, ok: bool) {
        let Some(cmd) = self.current else { return };
        let bare = self.pending.front().is_none_or(|l| word(l).1.is_empty());
        match (cmd, ok) {
            // Without a mechanism it asks for the list of them, as CAPA does (RFC 2449) since.
            ("AUTH", true) if bare => self.multi = true,
            ("PASS" | "APOP" | "AUTH", _) => {
                self.auth = Auth::None;
                let (u, p) = (self.user.clone(), self.password.clone());
                if ok {
                    raise!(cx, pop3_login_success, false, u, p);
                } else {
                    raise!(cx, pop3_login_failure, false, u, p);
                }
            }
            ("RETR" | "TOP", true) => {
                self.multi = true;
                self.mail = Some(Mail::new(cx, false));
            }
            ("LIST" | "UIDL" | "CAPA", true) => {
                // What is said of one message is a single line.
                self.multi = bare || cmd == "CAPA";
            }
            ("STLS", true) => {
                self.next = Next::Children;
                Ssl::begin(cx);
                raise!(cx, pop3_starttls);
            }
            _ => {}
        }
    }
}

impl LineProtocol for Session {
    type Lines = Lines;

    fn lines() -> Lines {
        Lines::default().quiet_lf()
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        if is_orig {
            self.request(cx, line);
        } else {
            self.reply(cx, line);
        }
        self.next
    }

    fn done(&mut self, cx: &mut Cx) {
        if let Some(m) = self.mail.take() {
            m.end(cx);
        }
    }
}
