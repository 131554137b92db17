//! Network virtual terminals (RFC 854): lines and what telnet says between them.
//!
//! FTP (RFC 959, section 5.3) and the login protocols speak it. A line ends at CR LF, LF or CR NUL; a CR before
//! anything else stays in the line. Anomalies are handed out as [`Piece::Weird`], so that it needs no connection.

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;
const IAC: u8 = 255;

/// The longest line and the longest subnegotiation that are kept; a longer line is cut.
const MAX_LINE: usize = 1 << 20;
const MAX_SUB: usize = 4096;

/// What the splitter hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A line without its terminator.
    Line(Vec<u8>),
    /// `WILL`, `WONT`, `DO` or `DONT` (251 to 254) with an option.
    Option(u8, u8),
    /// The parameters of an option between `SB` and `SE`, the option first.
    Sub(Vec<u8>),
    /// Such parameters did not end as they should.
    Unended,
    /// An anomaly by name.
    Weird(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    Cr,
    Iac,
    Option(u8),
    Sub,
    SubIac,
}

/// The state of one direction.
#[derive(Debug)]
pub struct Nvt {
    line: Vec<u8>,
    sub: Vec<u8>,
    state: State,
    told_cr: bool,
    told_nul: bool,
}

impl Default for Nvt {
    fn default() -> Self {
        Nvt {
            line: Vec::new(),
            sub: Vec::new(),
            state: State::Text,
            told_cr: false,
            told_nul: false,
        }
    }
}

impl Nvt {
    /// Drops what is begun, as after a gap.
    pub fn clear(&mut self) {
        self.line.clear();
        self.sub.clear();
        self.state = State::Text;
    }

    /// What stands in the line so far.
    pub fn begun(&self) -> &[u8] {
        &self.line
    }

    /// Takes a begun line out, as at the end of the stream.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        self.state = State::Text;
        (!self.line.is_empty()).then(|| std::mem::take(&mut self.line))
    }

    fn line(&mut self) -> Option<Piece> {
        Some(Piece::Line(std::mem::take(&mut self.line)))
    }

    fn weird(told: &mut bool, name: &'static str) -> Option<Piece> {
        (!std::mem::replace(told, true)).then_some(Piece::Weird(name))
    }

    /// The next piece of `data` from `*at` on; `None` when it is used up.
    pub fn next(&mut self, data: &[u8], at: &mut usize) -> Option<Piece> {
        while let Some(&b) = data.get(*at) {
            let piece = self.byte(b, at);
            if piece.is_some() {
                return piece;
            }
            if self.line.len() >= MAX_LINE {
                return self.line();
            }
        }
        None
    }

    fn byte(&mut self, b: u8, at: &mut usize) -> Option<Piece> {
        *at += 1;
        match self.state {
            State::Text => match b {
                b'\r' => self.state = State::Cr,
                b'\n' => return self.line(),
                IAC => self.state = State::Iac,
                _ => {
                    self.line.push(b);
                    if b == 0 {
                        return Self::weird(&mut self.told_nul, "NUL_in_line");
                    }
                }
            },
            State::Cr => {
                self.state = State::Text;
                if b == b'\n' || b == 0 {
                    return self.line();
                }
                // The byte is looked at again as text.
                *at -= 1;
                self.line.push(b'\r');
                return Self::weird(&mut self.told_cr, "line_terminated_with_single_CR");
            }
            State::Iac => {
                self.state = State::Text;
                match b {
                    IAC => self.line.push(IAC),
                    WILL..=DONT => self.state = State::Option(b),
                    SB => {
                        self.sub.clear();
                        self.state = State::Sub;
                    }
                    _ => {}
                }
            }
            State::Option(verb) => {
                self.state = State::Text;
                return Some(Piece::Option(verb, b));
            }
            State::Sub => {
                if b == IAC {
                    self.state = State::SubIac;
                } else if self.sub.len() < MAX_SUB {
                    self.sub.push(b);
                }
            }
            State::SubIac => {
                if b == SE {
                    self.state = State::Text;
                    return Some(Piece::Sub(std::mem::take(&mut self.sub)));
                }
                if b != IAC {
                    // A command within parameters: their end was forgotten.
                    self.sub.clear();
                    self.state = State::Text;
                    return Some(Piece::Unended);
                }
                self.state = State::Sub;
                if self.sub.len() < MAX_SUB {
                    self.sub.push(b);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(n: &mut Nvt, data: &[u8]) -> Vec<Piece> {
        let mut at = 0;
        std::iter::from_fn(|| n.next(data, &mut at)).collect()
    }

    #[test]
    fn lines_and_options_come_out_whatever_the_split() {
        let data = b"ab\xff\xffc\r\n\xff\xfb\x18lo\x00gin\r\0\xff\xfa\x18\0vt\xff\xf0x\ry\nz";
        let want = [
            Piece::Line(b"ab\xffc".to_vec()),
            Piece::Option(251, 24),
            Piece::Weird("NUL_in_line"),
            Piece::Line(b"lo\0gin".to_vec()),
            Piece::Sub(b"\x18\0vt".to_vec()),
            Piece::Weird("line_terminated_with_single_CR"),
            Piece::Line(b"x\ry".to_vec()),
        ];
        assert_eq!(all(&mut Nvt::default(), data), want);
        for cut in 0..data.len() {
            let mut n = Nvt::default();
            let mut got = all(&mut n, &data[..cut]);
            got.extend(all(&mut n, &data[cut..]));
            assert_eq!(got, want, "cut at {cut}");
            assert_eq!(n.flush(), Some(b"z".to_vec()));
        }
    }
}
