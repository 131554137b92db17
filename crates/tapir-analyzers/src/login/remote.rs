//! rlogin (RFC 1282) and rsh: names that end with NUL first, then lines.

use std::any::Any;

use super::Dialogue;
use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::lines::{Lines, Piece};

/// No name or command is longer.
const MAX_NAME: usize = 4096;

/// The strings that a client begins with, each ended by NUL.
#[derive(Default)]
struct Names {
    buf: Vec<u8>,
    got: Vec<Vec<u8>>,
    bad: bool,
}

impl Names {
    /// Takes strings until there are `n`; gives what is left of the data.
    fn take<'a>(&mut self, n: usize, data: &'a [u8]) -> &'a [u8] {
        for (i, &b) in data.iter().enumerate() {
            if self.got.len() == n {
                return &data[i..];
            }
            if b == 0 {
                self.got.push(std::mem::take(&mut self.buf));
            } else if self.buf.len() < MAX_NAME {
                self.buf.push(b);
            } else {
                self.bad = true;
                return &[];
            }
        }
        &[]
    }

    fn get(&self, i: usize) -> Vec<u8> {
        self.got.get(i).cloned().unwrap_or_default()
    }
}

fn sides() -> [Lines; 2] {
    [Lines::default().quiet(), Lines::default().quiet()]
}

/// The analyzer of rlogin.
pub struct Rlogin {
    names: Names,
    told: bool,
    /// The server has answered the names.
    answered: bool,
    lines: [Lines; 2],
    shown: Vec<u8>,
    dialogue: Dialogue,
}

impl Default for Rlogin {
    fn default() -> Self {
        Rlogin {
            names: Names::default(),
            told: false,
            answered: false,
            lines: sides(),
            shown: Vec::new(),
            dialogue: Dialogue::default(),
        }
    }
}

impl Rlogin {
    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        if is_orig {
            let prompt = std::mem::take(&mut self.shown);
            self.dialogue.input(cx, line, &prompt);
        } else {
            self.dialogue.output(cx, line);
            self.shown = line[..line.len().min(512)].to_vec();
        }
    }
}

impl Analyzer for Rlogin {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let mut data = data;
        if self.names.bad {
            return;
        }
        if is_orig {
            // An empty string, both names, terminal and speed.
            data = self.names.take(4, data);
            if self.names.bad || self.names.got.first().is_some_and(|s| !s.is_empty()) {
                self.names.bad = true;
                cx.weird("malformed_rlogin_data", "");
                return;
            }
            if self.names.got.len() == 4 && !std::mem::replace(&mut self.told, true) {
                self.dialogue.client_user = self.names.get(1);
                // The name on the server is what would be typed first.
                self.dialogue.typed.push_back(self.names.get(2));
                let terminal = self.names.get(3);
                let n = terminal.iter().position(|&b| b == b'/').unwrap_or(terminal.len());
                cx.confirm();
                raise!(cx, login_terminal, &terminal[..n]);
            }
        } else if !self.answered && !data.is_empty() {
            self.answered = true;
            match data.strip_prefix(b"\0") {
                Some(rest) => data = rest,
                None => cx.weird("rlogin_server_answer_missing", ""),
            }
        }
        let d = is_orig as usize;
        let mut lines = std::mem::replace(&mut self.lines[d], Lines::default().quiet());
        let mut at = 0;
        while let Some(p) = lines.next(data, &mut at) {
            if let Piece::Line(l) = p {
                self.line(cx, is_orig, &l);
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

/// The analyzer of rsh.
pub struct Rsh {
    names: Names,
    told: bool,
    answered: bool,
    lines: [Lines; 2],
}

impl Default for Rsh {
    fn default() -> Self {
        Rsh {
            names: Names::default(),
            told: false,
            answered: false,
            lines: sides(),
        }
    }
}

impl Rsh {
    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) {
        let (client, server) = (self.names.get(1), self.names.get(2));
        if is_orig {
            raise!(cx, rsh_request, client, server, line, false);
        } else {
            raise!(cx, rsh_reply, client, server, line);
        }
    }
}

impl Analyzer for Rsh {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let mut data = data;
        if self.names.bad {
            return;
        }
        if is_orig {
            // The port for errors, both names, the command.
            data = self.names.take(4, data);
            let port = self.names.got.first().unwrap_or(&self.names.buf);
            if self.names.bad || !port.iter().all(u8::is_ascii_digit) {
                self.names.bad = true;
                cx.weird("malformed_rsh_prompt", "");
                return;
            }
            if self.names.got.len() == 4 && !std::mem::replace(&mut self.told, true) {
                cx.confirm();
                let (client, server, command) = (self.names.get(1), self.names.get(2), self.names.get(3));
                raise!(cx, rsh_request, client, server, command, true);
            }
        } else if !self.answered && !data.is_empty() {
            self.answered = true;
            data = data.strip_prefix(b"\0").unwrap_or(data);
        }
        let d = is_orig as usize;
        let mut lines = std::mem::replace(&mut self.lines[d], Lines::default().quiet());
        let mut at = 0;
        while let Some(p) = lines.next(data, &mut at) {
            if let Piece::Line(l) = p {
                self.line(cx, is_orig, &l);
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
