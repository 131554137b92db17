//! rlogin (RFC 1282) and rsh: names that end with NUL first, then lines.

use super::Dialogue;
use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::lines::{Lines, Piece};

/// No name or command is longer.
const MAX_NAME: usize = 4096;

/// The strings that a client begins with, each ended by NUL.
#[derive(Default)]
pub struct Names {
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

/// What rlogin and rsh do not share.
pub trait Kind: Default + 'static {
    /// The weird for a beginning that is none.
    const MALFORMED: &'static str;

    /// Whether the strings so far may be those of a client.
    fn is_good(names: &Names) -> bool;

    /// All strings are there.
    fn begin(&mut self, cx: &mut Cx, names: &Names);

    /// The server's first byte is not the NUL that says yes.
    fn unanswered(_cx: &mut Cx) {}

    /// A line behind the strings.
    fn line(&mut self, cx: &mut Cx, names: &Names, is_orig: bool, line: &[u8]);
}

/// The analyzer of either protocol.
pub struct Remote<K> {
    kind: K,
    names: Names,
    told: bool,
    /// The server has answered the strings.
    answered: bool,
    lines: [Lines; 2],
}

impl<K: Kind> Default for Remote<K> {
    fn default() -> Self {
        Remote {
            kind: K::default(),
            names: Names::default(),
            told: false,
            answered: false,
            lines: [Lines::default().quiet(), Lines::default().quiet()],
        }
    }
}

impl<K: Kind> Analyzer for Remote<K> {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let mut data = data;
        if self.names.bad {
            return;
        }
        if is_orig {
            data = self.names.take(4, data);
            if self.names.bad || !K::is_good(&self.names) {
                self.names.bad = true;
                cx.weird(K::MALFORMED, "");
                return;
            }
            if self.names.got.len() == 4 && !std::mem::replace(&mut self.told, true) {
                self.kind.begin(cx, &self.names);
            }
        } else if !self.answered && !data.is_empty() {
            self.answered = true;
            match data.strip_prefix(b"\0") {
                Some(rest) => data = rest,
                None => K::unanswered(cx),
            }
        }
        let mut at = 0;
        while let Some(p) = self.lines[is_orig as usize].next(data, &mut at) {
            if let Piece::Line(l) = p {
                self.kind.line(cx, &self.names, is_orig, &l);
            }
        }
    }

    fn gap(&mut self, _cx: &mut Cx, is_orig: bool, _seq: u64, _len: u64) {
        self.lines[is_orig as usize].clear();
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        if let Some(l) = self.lines[is_orig as usize].flush() {
            self.kind.line(cx, &self.names, is_orig, &l);
        }
    }

    fn flip(&mut self) {
        self.lines.swap(0, 1);
    }
}

/// The analyzer of rlogin: an empty string, both names, terminal and speed; then what is typed and shown.
pub type Rlogin = Remote<RloginKind>;

#[derive(Default)]
pub struct RloginKind {
    shown: Vec<u8>,
    dialogue: Dialogue,
}

impl Kind for RloginKind {
    const MALFORMED: &'static str = "malformed_rlogin_data";

    fn is_good(names: &Names) -> bool {
        names.got.first().is_none_or(Vec::is_empty)
    }

    fn begin(&mut self, cx: &mut Cx, names: &Names) {
        self.dialogue.client_user = names.get(1);
        // The name on the server is what would be typed first.
        self.dialogue.typed.push_back(names.get(2));
        let terminal = names.get(3);
        let n = terminal.iter().position(|&b| b == b'/').unwrap_or(terminal.len());
        cx.confirm();
        raise!(cx, login_terminal, &terminal[..n]);
    }

    fn unanswered(cx: &mut Cx) {
        cx.weird("rlogin_server_answer_missing", "");
    }

    fn line(&mut self, cx: &mut Cx, _names: &Names, is_orig: bool, line: &[u8]) {
        if is_orig {
            let prompt = std::mem::take(&mut self.shown);
            self.dialogue.input(cx, line, &prompt);
        } else {
            self.dialogue.output(cx, line);
            self.shown = line[..line.len().min(512)].to_vec();
        }
    }
}

/// The analyzer of rsh: the port for errors, both names, the command; then input and output.
pub type Rsh = Remote<RshKind>;

#[derive(Default)]
pub struct RshKind;

impl Kind for RshKind {
    const MALFORMED: &'static str = "malformed_rsh_prompt";

    fn is_good(names: &Names) -> bool {
        let port = names.got.first().unwrap_or(&names.buf);
        port.iter().all(u8::is_ascii_digit)
    }

    fn begin(&mut self, cx: &mut Cx, names: &Names) {
        cx.confirm();
        let (client, server, command) = (names.get(1), names.get(2), names.get(3));
        raise!(cx, rsh_request, client, server, command, true);
    }

    fn line(&mut self, cx: &mut Cx, names: &Names, is_orig: bool, line: &[u8]) {
        let (client, server) = (names.get(1), names.get(2));
        if is_orig {
            raise!(cx, rsh_request, client, server, line, false);
        } else {
            raise!(cx, rsh_reply, client, server, line);
        }
    }
}
