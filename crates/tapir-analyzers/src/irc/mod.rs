//! IRC (RFC 1459, 2812), DCC offers and STARTTLS.

use tapir_data::value::{Addr, Value};
use tapir_interface::{records, types};

use crate::core::Cx;
use crate::ssl::Ssl;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::lines::Lines;
use crate::util::text::{digits, trim_lws};
use crate::{raise, wants};

/// The analyzer.
pub type Irc = Dialogue<Session>;

/// What is known of a session.
#[derive(Default)]
pub struct Session {
    starttls: bool,
    next: Next,
}

/// Commands that make it IRC when a client sends them.
const CLIENTS: &[&[u8]] = &[
    b"ERROR",
    b"INVITE",
    b"JOIN",
    b"KICK",
    b"MODE",
    b"NICK",
    b"NJOIN",
    b"NOTICE",
    b"OPER",
    b"PART",
    b"PASS",
    b"PRIVMSG",
    b"QUIT",
    b"SQUERY",
    b"SQUIT",
    b"STARTTLS",
    b"USER",
    b"WHO",
    b"WHOIS",
];

/// No command is longer, in any dialect.
const MAX_COMMAND: usize = 32;

/// Cuts off the first word.
fn cut<'a>(s: &mut &'a [u8]) -> &'a [u8] {
    let t: &'a [u8] = s;
    let n = t.iter().position(|&b| b == b' ').unwrap_or(t.len());
    let (w, rest) = t.split_at(n);
    *s = crate::util::text::skip_lws(rest);
    w
}

/// The trailing parameter without its colon.
fn tail(s: &[u8]) -> &[u8] {
    s.strip_prefix(b":").unwrap_or(s)
}

/// The nick of a prefix.
fn nick(prefix: &[u8]) -> &[u8] {
    let n = prefix.iter().position(|&b| b == b'!').unwrap_or(prefix.len());
    &prefix[..n]
}

fn words(s: &[u8]) -> Vec<&[u8]> {
    s.split(|&b| b == b' ').filter(|w| !w.is_empty()).collect()
}

/// Whether there are parameters, but fewer than `n`. As recorded: a reply without any is not odd.
fn lacks(params: &[u8], n: usize) -> bool {
    (1..n).contains(&words(params).len())
}

/// The number before a word in a text like `I have 3 clients`.
fn numbers(s: &[u8]) -> Vec<u64> {
    words(s)
        .iter()
        .filter_map(|w| digits(w).filter(|d| d.1 == w.len()).map(|d| d.0))
        .collect()
}

impl Session {
    fn message(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        let max = cx.sh.opts.irc_max_line_length as usize;
        if line.len() > max {
            cx.weird("irc_line_size_exceeded", "");
            return;
        }
        let mut s = crate::util::text::skip_lws(line);
        if s.first() == Some(&b'@') {
            // Message tags (IRCv3).
            cut(&mut s);
        }
        if s.len() < 3 {
            if !s.is_empty() {
                cx.weird("irc_line_too_short", "");
            }
            return;
        }
        let mut prefix: &[u8] = &[];
        if s[0] == b':' {
            let Some(n) = s.iter().position(|&b| b == b' ') else {
                cx.weird("irc_invalid_line", "");
                return;
            };
            prefix = &s[1..n];
            s = &s[n + 1..];
        }
        if s.first().is_some_and(u8::is_ascii_digit) {
            let number = s
                .get(..3)
                .filter(|n| n.iter().all(u8::is_ascii_digit) && s.get(3) == Some(&b' '));
            let Some((code, _)) = number.and_then(digits) else {
                cx.violation_data("invalid reply number", line);
                return;
            };
            if !is_orig {
                cx.confirm();
            }
            self.reply(cx, is_orig, prefix, code, &s[4..]);
            return;
        }
        let cmd = cut(&mut s).to_ascii_uppercase();
        if cmd.is_empty() || cmd.len() > MAX_COMMAND {
            cx.weird("irc_invalid_command", "");
            return;
        }
        self.command(cx, is_orig, prefix, &cmd, s);
    }

    fn reply(&mut self, cx: &mut Cx, is_orig: bool, prefix: &[u8], code: u64, params: &[u8]) {
        let mut p = params;
        // The first parameter is the client itself.
        let mut after = params;
        cut(&mut after);
        match code {
            251 => {
                let n = numbers(after);
                if n.len() >= 3 {
                    raise!(cx, irc_network_info, is_orig, n[0], n[1], n[2]);
                }
            }
            254 => {
                if let Some(n) = numbers(after).first() {
                    raise!(cx, irc_channel_info, is_orig, *n);
                }
            }
            255 => {
                let n = numbers(after);
                if n.len() >= 2 {
                    raise!(cx, irc_server_info, is_orig, n[0], 0, *n.last().unwrap_or(&0));
                }
            }
            265 | 266 => {
                if !after.is_empty() && !after.contains(&b':') {
                    return cx.weird("invalid_irc_global_users_reply", "");
                }
                raise!(cx, irc_global_users, is_orig, prefix, tail(after));
            }
            311 => {
                if lacks(after, 5) {
                    return cx.weird("irc_invalid_whois_user_line", "");
                }
                let n = cut(&mut after);
                let (user, host) = (cut(&mut after), cut(&mut after));
                cut(&mut after);
                raise!(cx, irc_whois_user_line, is_orig, n, user, host, tail(after));
            }
            313 => {
                raise!(cx, irc_whois_operator_line, is_orig, cut(&mut after));
            }
            319 => {
                if lacks(after, 2) {
                    return cx.weird("irc_invalid_whois_channel_line", "");
                }
                let n = cut(&mut after);
                if wants!(cx, irc_whois_channel_line) {
                    let set = cx.string_set(&words(tail(after)));
                    raise!(cx, irc_whois_channel_line, is_orig, n, set);
                }
            }
            332 => {
                if lacks(after, 2) {
                    return cx.weird("irc_invalid_topic_reply", "");
                }
                let ch = cut(&mut after);
                raise!(cx, irc_channel_topic, is_orig, ch, tail(after));
            }
            352 => {
                if lacks(after, 7) {
                    return cx.weird("irc_invalid_who_line", "");
                }
                let target = cut(&mut p);
                let f = [
                    cut(&mut p),
                    cut(&mut p),
                    cut(&mut p),
                    cut(&mut p),
                    cut(&mut p),
                    cut(&mut p),
                ];
                let t = tail(p);
                let (hops, n) = digits(t).unwrap_or((0, 0));
                let real = trim_lws(&t[n..]);
                raise!(
                    cx,
                    irc_who_line,
                    is_orig,
                    target,
                    f[0],
                    f[1],
                    f[2],
                    f[3],
                    f[4],
                    f[5],
                    hops,
                    real
                );
            }
            353 => {
                if lacks(after, 3) {
                    return cx.weird("irc_invalid_names_line", "");
                }
                let ty = cut(&mut after);
                let ch = cut(&mut after);
                if wants!(cx, irc_names_info) {
                    let users: Vec<&[u8]> = words(tail(after))
                        .into_iter()
                        .map(|u| match u.first() {
                            Some(b'@' | b'+') => &u[1..],
                            _ => u,
                        })
                        .collect();
                    let set = cx.string_set(&users);
                    raise!(cx, irc_names_info, is_orig, ty, ch, set);
                }
            }
            381 => {
                raise!(cx, irc_oper_response, is_orig, true);
            }
            464 | 491 => {
                raise!(cx, irc_oper_response, is_orig, false);
            }
            432 | 433 | 436 => {
                raise!(cx, irc_invalid_nick, is_orig);
            }
            670 if self.starttls => {
                self.next = Next::Children;
                Ssl::begin(cx);
                raise!(cx, irc_starttls);
            }
            _ => {}
        }
        raise!(cx, irc_reply, is_orig, prefix, code, params);
    }

    fn command(&mut self, cx: &mut Cx, is_orig: bool, prefix: &[u8], cmd: &[u8], params: &[u8]) {
        let mut p = params;
        if is_orig && CLIENTS.contains(&cmd) {
            cx.confirm();
        }
        match cmd {
            b"PRIVMSG" | b"NOTICE" | b"SQUERY" => {
                let target = cut(&mut p);
                if target.is_empty() || p.is_empty() {
                    return cx.weird(
                        match cmd {
                            b"PRIVMSG" => "irc_invalid_privmsg_message_format",
                            b"NOTICE" => "irc_invalid_notice_message_format",
                            _ => "irc_invalid_squery_message_format",
                        },
                        "",
                    );
                }
                let msg = tail(p);
                // The marks around the text are not asked for.
                let text = msg.strip_prefix(b"\x01").unwrap_or(msg);
                if let (b"PRIVMSG", Some(dcc)) = (cmd, text.strip_prefix(b"DCC ")) {
                    let dcc = dcc.strip_suffix(b"\x01").unwrap_or(dcc);
                    self.dcc(cx, is_orig, prefix, target, dcc);
                    return;
                }
                match cmd {
                    b"PRIVMSG" => {
                        raise!(cx, irc_privmsg_message, is_orig, prefix, target, msg);
                    }
                    b"NOTICE" => {
                        raise!(cx, irc_notice_message, is_orig, prefix, target, msg);
                    }
                    _ => {
                        raise!(cx, irc_squery_message, is_orig, prefix, target, msg);
                    }
                }
            }
            b"USER" => {
                let (user, host, server) = (cut(&mut p), cut(&mut p), cut(&mut p));
                // As recorded: the words of the name come with a space behind each but the first.
                let mut name = Vec::new();
                for (i, w) in words(tail(p)).iter().enumerate() {
                    name.extend_from_slice(w);
                    if i > 0 {
                        name.push(b' ');
                    }
                }
                raise!(cx, irc_user_message, is_orig, user, host, server, name);
            }
            b"OPER" => {
                let (name, pw) = (cut(&mut p), cut(&mut p));
                if pw.is_empty() {
                    return cx.weird("irc_invalid_oper_message_format", "");
                }
                raise!(cx, irc_oper_message, is_orig, name, pw);
            }
            b"KICK" => {
                let (chans, users) = (cut(&mut p), cut(&mut p));
                if users.is_empty() {
                    return cx.weird("irc_invalid_kick_message_format", "");
                }
                raise!(cx, irc_kick_message, is_orig, prefix, chans, users, tail(p));
            }
            b"JOIN" => self.join(cx, is_orig, prefix, params),
            b"NJOIN" => self.njoin(cx, is_orig, params),
            b"PART" => {
                let chans = cut(&mut p);
                if wants!(cx, irc_part_message) {
                    let list: Vec<&[u8]> = chans.split(|&b| b == b',').collect();
                    let set = cx.string_set(&list);
                    raise!(cx, irc_part_message, is_orig, nick(prefix), set, tail(p));
                }
            }
            b"QUIT" => {
                raise!(cx, irc_quit_message, is_orig, nick(prefix), tail(p));
            }
            b"NICK" => {
                let new = words(tail(p)).first().copied().unwrap_or(b"");
                raise!(cx, irc_nick_message, is_orig, nick(prefix), new);
            }
            b"WHO" => {
                if p.is_empty() {
                    return cx.weird("irc_invalid_who_message_format", "");
                }
                let mask = cut(&mut p);
                raise!(cx, irc_who_message, is_orig, tail(mask), p == b"o");
            }
            b"WHOIS" => {
                let w = words(p);
                let (server, users) = match w[..] {
                    [s, u, ..] => (s, u),
                    [u] => (&b""[..], u),
                    _ => return cx.weird("irc_invalid_whois_message_format", ""),
                };
                raise!(cx, irc_whois_message, is_orig, server, users);
            }
            b"ERROR" => {
                raise!(cx, irc_error_message, is_orig, prefix, tail(p));
            }
            b"INVITE" => {
                let n = cut(&mut p);
                if p.is_empty() {
                    return cx.weird("irc_invalid_invite_message_format", "");
                }
                raise!(cx, irc_invite_message, is_orig, prefix, n, tail(p));
            }
            b"MODE" => {
                if p.is_empty() {
                    return cx.weird("irc_invalid_mode_message_format", "");
                }
                raise!(cx, irc_mode_message, is_orig, prefix, p);
            }
            b"PASS" => {
                raise!(cx, irc_password_message, is_orig, p);
            }
            b"SQUIT" => {
                let server = cut(&mut p);
                raise!(cx, irc_squit_message, is_orig, prefix, server, tail(p));
            }
            b"STARTTLS" if is_orig => {
                self.starttls = true;
            }
            _ => {
                if is_orig {
                    raise!(cx, irc_request, is_orig, prefix, cmd, params);
                } else {
                    raise!(cx, irc_message, is_orig, prefix, cmd, params);
                }
            }
        }
    }

    fn join_info(cx: &Cx, nick: &[u8], channel: &[u8], password: &[u8], mode: &[u8]) -> Value {
        records::IrcJoinInfo {
            nick: nick.into(),
            channel: channel.into(),
            password: password.into(),
            usermode: mode.into(),
        }
        .build(cx.q.bindings())
    }

    fn join(&mut self, cx: &mut Cx, is_orig: bool, prefix: &[u8], params: &[u8]) {
        let w = words(params);
        if w.first().is_none_or(|c| tail(c).is_empty()) {
            cx.weird("irc_invalid_join_line", "");
            return;
        }
        if !wants!(cx, irc_join_message) {
            return;
        }
        let chans: Vec<&[u8]> = tail(w[0]).split(|&b| b == b',').collect();
        let keys: Vec<&[u8]> = w.get(1).map_or(Vec::new(), |k| k.split(|&b| b == b',').collect());
        let t = cx.q.bindings().table(types::IRC_JOIN_LIST);
        for (i, c) in chans.iter().enumerate() {
            let v = Self::join_info(cx, nick(prefix), c, keys.get(i).copied().unwrap_or(b""), b"");
            t.insert(&[v], Value::Unset, cx.sh.now);
        }
        raise!(cx, irc_join_message, is_orig, Value::Table(t));
    }

    fn njoin(&mut self, cx: &mut Cx, is_orig: bool, params: &[u8]) {
        let mut p = params;
        let chan = cut(&mut p);
        if tail(p).is_empty() {
            return cx.weird("irc_invalid_njoin_line", "");
        }
        let t = cx.q.bindings().table(types::IRC_JOIN_LIST);
        for u in tail(p).split(|&b| b == b',') {
            let (mode, name): (&[u8], &[u8]) = match u {
                [b'@', b'@', rest @ ..] => (b"creator", rest),
                [b'@', rest @ ..] => (b"operator", rest),
                [b'+', rest @ ..] => (b"voice", rest),
                rest => (b"none", rest),
            };
            let v = Self::join_info(cx, name, chan, b"", mode);
            t.insert(&[v], Value::Unset, cx.sh.now);
        }
        raise!(cx, irc_join_message, is_orig, Value::Table(t));
    }

    fn dcc(&mut self, cx: &mut Cx, is_orig: bool, prefix: &[u8], target: &[u8], text: &[u8]) {
        let w = words(text);
        if w.len() < 4 {
            cx.weird("irc_invalid_dcc_message_format", "");
            return;
        }
        let n = w.len();
        // File names may hold blanks: the numbers stand at the end.
        let (kind, has_size) = (w[0], n >= 5);
        let (addr, port, size) = if has_size {
            (w[n - 3], w[n - 2], w[n - 1])
        } else {
            (w[n - 2], w[n - 1], &b"0"[..])
        };
        let arg = w[1..n - if has_size { 3 } else { 2 }].join(&b' ');
        let Some((host, k)) = digits(addr) else {
            cx.weird("irc_invalid_dcc_host", "");
            return;
        };
        if k != addr.len() || host > u32::MAX as u64 {
            cx.weird("irc_invalid_dcc_host", "");
            return;
        }
        let port_n = digits(port).map_or(0, |d| d.0);
        if port_n == 0 || port_n > 65_535 {
            cx.weird("irc_invalid_dcc_port", &port_n.to_string());
            return;
        }
        let a = Addr::v4((host as u32).to_be_bytes());
        let size = digits(size).map_or(0, |d| d.0);
        raise!(cx, irc_dcc_message, is_orig, prefix, target, kind, arg, a, port_n, size);
    }
}

impl LineProtocol for Session {
    type Lines = Lines;

    fn lines() -> Lines {
        Lines::default().quiet_lf()
    }

    fn before(&mut self, cx: &Cx, _is_orig: bool, lines: &mut Lines) {
        // Lines are cut at twice what is allowed, so that a cut one is always too long.
        let max = cx.sh.opts.irc_max_line_length as usize;
        lines.set_max(max.saturating_mul(2).max(2));
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        self.message(cx, is_orig, line);
        self.next
    }
}
