//! SMTP (RFC 5321, 3030 for BDAT, 3207 for STARTTLS).

pub(crate) mod mail;

use std::collections::VecDeque;

use crate::core::{Command, Cx};
use crate::raise;
use crate::ssl::Ssl;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::lines::{Lines, Piece};
use crate::util::text::{ieq, skip_lws, trim, word};
use mail::Mail;

const COMMANDS: &[&str] = &[
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    "QUIT",
    "RSET",
    "VRFY",
    "EXPN",
    "HELP",
    "NOOP",
    "STARTTLS",
    "BDAT",
    "ETRN",
    "ERROR",
    "TURN",
    "SEND",
    "SOML",
    "SAML",
    "X-ANONYMOUSTLS",
    "AUTH",
];

const GREETING: &str = ">";
const END_OF_DATA: &str = ".";
const UNKNOWN: &str = "(UNKNOWN)";
const AUTH_ANSWER: &str = "**";
/// What replies to `AUTH_ANSWER` are told to answer.
const AUTH_ANSWERED: &str = "AUTH_ANSWER";

/// Replies may be outstanding for this many commands.
const MAX_PENDING: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Commands,
    Data,
    Auth,
    Tls,
}

/// The analyzer.
pub type Smtp = Dialogue<Session>;

/// What is known of a session.
pub struct Session {
    state: State,
    pending: VecDeque<&'static str>,
    mail: Option<Mail>,
    skip_data: bool,
    bdat: Option<Bdat>,
    multi: bool,
}

/// A chunk that is being transferred.
struct Bdat {
    left: u64,
    last: bool,
    lines: Lines,
}

impl Default for Session {
    fn default() -> Self {
        Session {
            state: State::Commands,
            pending: VecDeque::from([GREETING]),
            mail: None,
            skip_data: false,
            bdat: None,
            multi: false,
        }
    }
}

impl Session {
    fn begin_mail(&mut self, cx: &mut Cx) {
        if self.mail.is_none() {
            self.skip_data = false;
            self.mail = Some(Mail::new(cx, true));
        }
    }

    fn end_mail(&mut self, cx: &mut Cx) {
        if let Some(b) = self.bdat.take() {
            if b.left > 0 {
                cx.weird("smtp_bdat_remaining_at_end_data", "");
                cx.weird_from("smtp_bdat_undelivered_at_done", "", "SMTP_BDAT");
            }
        }
        if let Some(m) = self.mail.take() {
            m.end(cx);
        }
    }

    fn push(&mut self, cmd: &'static str) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(cmd);
        }
    }

    fn unexpected(&self, cx: &mut Cx, sender: bool, msg: &str, detail: &[u8]) {
        raise!(cx, smtp_unexpected, sender, msg, detail);
    }

    fn sender_line(&mut self, cx: &mut Cx, line: &[u8]) {
        if self.bdat.as_ref().is_some_and(|b| b.left == 0 && b.last) {
            self.finish_bdat(cx);
        }
        match self.state {
            State::Data if line == b"." => {
                self.end_mail(cx);
                self.state = State::Commands;
                raise!(cx, smtp_request, true, END_OF_DATA, ".");
                self.push(END_OF_DATA);
            }
            State::Data => {
                let line = line.strip_prefix(b".").unwrap_or(line);
                // Handlers that run while a file begins may ask for the rest to be skipped.
                if let Some(m) = self.mail.as_mut() {
                    m.line(cx, line, true);
                    while let Some(cmd) = cx.take_command() {
                        LineProtocol::command(self, &cmd);
                    }
                }
                if !self.skip_data {
                    raise!(cx, smtp_data, true, line);
                }
            }
            State::Auth => {
                raise!(cx, smtp_request, true, AUTH_ANSWER, line);
                self.push(AUTH_ANSWER);
            }
            State::Commands => self.request(cx, line),
            State::Tls => {}
        }
    }

    fn request(&mut self, cx: &mut Cx, line: &[u8]) {
        let (w, arg) = word(line);
        let Some(&cmd) = COMMANDS.iter().find(|c| ieq(c.as_bytes(), w)) else {
            self.unexpected(cx, true, "unknown command", w);
            self.push(UNKNOWN);
            return;
        };
        cx.confirm();
        raise!(cx, smtp_request, true, cmd, arg);
        self.push(cmd);
        match cmd {
            "RSET" => self.end_mail(cx),
            "DATA" => {
                self.begin_mail(cx);
                self.state = State::Data;
            }
            "BDAT" => self.begin_bdat(cx, arg),
            _ => {}
        }
    }

    fn begin_bdat(&mut self, cx: &mut Cx, arg: &[u8]) {
        const WEIRD: &str = "smtp_invalid_bdat_command";
        let arg = trim(arg);
        if arg.is_empty() || arg.len() > 25 {
            cx.weird(WEIRD, "BDAT argument bad length");
            return;
        }
        let digits = arg.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            cx.weird(WEIRD, "BDAT not followed by a valid chunk-size");
            return;
        }
        let n = arg[..digits]
            .iter()
            .try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add((b - b'0') as u64));
        let rest = trim(&arg[digits..]);
        let last = ieq(rest, b"LAST");
        if !rest.is_empty() && (!last || !arg[digits].is_ascii_whitespace()) {
            cx.weird(WEIRD, "BDAT chunk-size followed by junk");
            return;
        }
        let n = n.unwrap_or(u64::MAX);
        if n > i64::MAX as u64 {
            // Nobody sends that much: the server will refuse it.
            cx.weird("smtp_huge_bdat_chunk", &n.to_string());
            return;
        }
        self.begin_mail(cx);
        match self.bdat.as_mut() {
            Some(b) => {
                b.left = n;
                b.last = last;
            }
            None => {
                let max = cx.sh.opts.smtp_bdat_max_line_length as usize;
                self.bdat = Some(Bdat {
                    left: n,
                    last,
                    lines: Lines::default().quiet().with_max(max.max(1)),
                });
            }
        }
        // The mail of an empty last chunk ends with what the client sends next.
    }

    fn sender_gap(&mut self, cx: &mut Cx, len: u64) {
        self.unexpected(cx, true, "content gap", b"");
        if let Some(b) = self.bdat.as_mut()
            && b.left > 0
        {
            let inside = len <= b.left;
            if let Some(m) = self.mail.as_mut() {
                m.gap(cx, len);
            }
            if inside {
                b.left -= len;
                return;
            }
            // Where the chunk ended is not known any more, and with it the command after it.
            self.end_mail(cx);
            raise!(cx, smtp_request, true, UNKNOWN, "");
            self.push(UNKNOWN);
        } else if self.state == State::Data {
            if let Some(m) = self.mail.as_mut() {
                m.gap(cx, len);
            }
        }
    }

    fn finish_bdat(&mut self, cx: &mut Cx) {
        if let Some(mut b) = self.bdat.take() {
            if let (Some(l), Some(m)) = (b.lines.flush(), self.mail.as_mut()) {
                m.line(cx, &l, false);
            }
        }
        self.end_mail(cx);
    }

    fn bdat_data(&mut self, cx: &mut Cx, data: &[u8]) {
        let Some(mut b) = self.bdat.take() else { return };
        b.left = b.left.saturating_sub(data.len() as u64);
        let mut at = 0;
        while let Some(p) = b.lines.next(data, &mut at) {
            if let (Piece::Line(l), Some(m)) = (p, self.mail.as_mut()) {
                m.line(cx, &l, true);
            }
        }
        let over = b.left == 0 && b.last;
        self.bdat = Some(b);
        if over {
            self.finish_bdat(cx);
        }
    }

    fn reply_line(&mut self, cx: &mut Cx, line: &[u8]) {
        let code = match line {
            [a, b, c, ..] if [a, b, c].iter().all(|x| x.is_ascii_digit()) => {
                (a - b'0') as u64 * 100 + (b - b'0') as u64 * 10 + (c - b'0') as u64
            }
            _ => {
                self.unexpected(cx, false, "reply code not numeric", line);
                return;
            }
        };
        let more = line.get(3) == Some(&b'-');
        let msg = if line.len() > 3 {
            skip_lws(&line[4.min(line.len())..])
        } else {
            &[]
        };
        let cmd = self.pending.front().copied().unwrap_or(UNKNOWN);
        if !more {
            self.pending.pop_front();
        }
        if code == 220 && matches!(cmd, "STARTTLS" | "X-ANONYMOUSTLS") && !more {
            self.state = State::Tls;
            Ssl::begin(cx);
            raise!(cx, smtp_starttls);
        }
        if cmd == "DATA" && code != 354 && !self.multi && self.state == State::Data {
            self.end_mail(cx);
            self.state = State::Commands;
        }
        let told = if cmd == AUTH_ANSWER { AUTH_ANSWERED } else { cmd };
        raise!(cx, smtp_reply, false, code, told, msg, more);
        self.multi = more;
        if more {
            return;
        }
        match (cmd, code) {
            ("AUTH" | AUTH_ANSWER, 334) => self.state = State::Auth,
            ("AUTH" | AUTH_ANSWER, _) if self.state == State::Auth => self.state = State::Commands,
            _ => {}
        }
    }
}

impl LineProtocol for Session {
    type Lines = Lines;

    fn lines() -> Lines {
        Lines::default().quiet()
    }

    fn before(&mut self, _cx: &Cx, is_orig: bool, lines: &mut Lines) {
        if is_orig {
            lines.set_plain(self.bdat.as_ref().map_or(0, |b| b.left));
        }
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        if is_orig {
            self.sender_line(cx, line);
        } else {
            self.reply_line(cx, line);
        }
        match self.state {
            State::Tls => Next::Children,
            _ => Next::Line,
        }
    }

    fn plain(&mut self, cx: &mut Cx, data: &[u8]) {
        self.bdat_data(cx, data);
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, len: u64) -> Next {
        if is_orig {
            self.sender_gap(cx, len);
        }
        Next::Line
    }

    fn done(&mut self, cx: &mut Cx) {
        self.end_mail(cx);
    }

    fn command(&mut self, cmd: &Command) {
        if *cmd == Command::SkipSmtpData {
            self.skip_data = true;
            self.mail = None;
        }
    }
}
