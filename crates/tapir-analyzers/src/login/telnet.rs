//! Telnet: the login dialogue, and the options that tell something of it (RFC 1091, 1096, 1572, 2941, 2946).

use tapir_interface::events;

use super::{Dialogue, State};
use crate::core::{Analyzer, Cx};
use crate::util::nvt::{Nvt, Piece};
use crate::{raise, wants};

const WILL: u8 = 251;
const TERMINAL_TYPE: u8 = 24;
const X_DISPLAY: u8 = 35;
const OLD_ENVIRON: u8 = 36;
const AUTHENTICATION: u8 = 37;
const ENCRYPT: u8 = 38;
const NEW_ENVIRON: u8 = 39;

/// The analyzer.
#[derive(Default)]
pub struct Telnet {
    sides: [Nvt; 2],
    dialogue: Dialogue,
    /// The last line of the server without a begun one.
    shown: Vec<u8>,
    /// Options that either side said it will use.
    agreed: Vec<u8>,
    name: Vec<u8>,
    encrypted: bool,
}

impl Telnet {
    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        if is_orig {
            let begun = self.sides[0].begun();
            let prompt = if begun.is_empty() {
                self.shown.clone()
            } else {
                begun.to_vec()
            };
            self.dialogue.input(cx, line, &prompt);
        } else {
            self.dialogue.output(cx, line);
            self.shown.clear();
            self.shown.extend_from_slice(&line[..line.len().min(512)]);
        }
    }

    fn option(&mut self, cx: &mut Cx, verb: u8, option: u8) {
        cx.confirm();
        if verb == WILL && !self.agreed.contains(&option) {
            self.agreed.push(option);
        }
    }

    fn parameters(&mut self, cx: &mut Cx, is_orig: bool, p: &[u8]) {
        let Some((&option, rest)) = p.split_first() else {
            raise!(cx, bad_option);
            return;
        };
        if !self.agreed.contains(&option) {
            raise!(cx, inconsistent_option);
        }
        let done = match option {
            TERMINAL_TYPE => text(rest).map(|t| {
                if let Some(t) = t {
                    raise!(cx, login_terminal, t);
                }
            }),
            X_DISPLAY => text(rest).map(|t| {
                if let Some(t) = t {
                    raise!(cx, login_display, t);
                }
            }),
            OLD_ENVIRON | NEW_ENVIRON => self.environment(cx, rest),
            AUTHENTICATION => self.authentication(cx, rest),
            ENCRYPT => {
                // START of either side: nothing can be read after it.
                if rest.first() == Some(&3) && is_orig {
                    raise!(cx, activating_encryption);
                    self.encrypted = true;
                    self.dialogue.state = State::Skip;
                }
                Some(())
            }
            _ => Some(()),
        };
        if done.is_none() {
            raise!(cx, bad_option);
        }
    }

    fn environment(&mut self, cx: &mut Cx, p: &[u8]) -> Option<()> {
        let (&what, mut rest) = p.split_first()?;
        if what == 1 {
            // SEND: only names.
            return Some(());
        }
        while let Some((&kind, tail)) = rest.split_first() {
            if !matches!(kind, 0 | 3) {
                return None;
            }
            let n = tail.iter().position(|b| matches!(b, 0 | 1 | 3)).unwrap_or(tail.len());
            let (name, tail) = tail.split_at(n);
            let value = tail.strip_prefix(b"\x01").unwrap_or(b"");
            let n = value.iter().position(|b| matches!(b, 0 | 3)).unwrap_or(value.len());
            rest = if tail.first() == Some(&1) { &value[n..] } else { tail };
            let value = &value[..n];
            match name {
                b"USER" | b"LOGNAME" => self.dialogue.client_user = value.to_vec(),
                b"DISPLAY" => {
                    raise!(cx, login_display, value);
                }
                b"TTYPROMPT" => {
                    raise!(cx, login_prompt, value);
                }
                _ => {}
            }
        }
        Some(())
    }

    fn authentication(&mut self, cx: &mut Cx, p: &[u8]) -> Option<()> {
        let (&command, rest) = p.split_first()?;
        match command {
            // NAME
            3 => self.name = rest.to_vec(),
            // REPLY: type, modifier, then what the method says; nearly all reject with 1 and accept with 2.
            2 => {
                let code = *rest.get(2)?;
                let name = self.name.clone();
                // These two name the connection last.
                if code == 1 && wants!(cx, authentication_rejected) {
                    let c = cx.conn_value();
                    events::authentication_rejected(cx.q, name, c);
                } else if code == 2 && wants!(cx, authentication_accepted) {
                    let c = cx.conn_value();
                    events::authentication_accepted(cx.q, name, c);
                }
            }
            0 | 1 => {}
            _ => return None,
        }
        Some(())
    }
}

/// The text of an `IS`; nothing for a `SEND`.
fn text(p: &[u8]) -> Option<Option<&[u8]>> {
    match p.split_first()? {
        (0, t) => Some(Some(t)),
        (1, _) => Some(None),
        _ => None,
    }
}

impl Analyzer for Telnet {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        let mut at = 0;
        while !self.encrypted
            && let Some(p) = self.sides[d].next(data, &mut at)
        {
            match p {
                Piece::Line(l) => self.line(cx, is_orig, &l),
                Piece::Option(verb, option) => self.option(cx, verb, option),
                Piece::Sub(p) => self.parameters(cx, is_orig, &p),
                Piece::Unended => {
                    raise!(cx, bad_option_termination);
                }
                Piece::Weird(w) => cx.weird_from(w, "", "NVT"),
            }
        }
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, _seq: u64, _len: u64) {
        self.sides[is_orig as usize].clear();
        if self.dialogue.state == State::Authenticate {
            self.dialogue.state = State::Confused;
            raise!(cx, login_confused, "content_gap", "");
        }
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        if !self.encrypted
            && let Some(l) = self.sides[is_orig as usize].flush()
        {
            self.line(cx, is_orig, &l);
        }
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}
