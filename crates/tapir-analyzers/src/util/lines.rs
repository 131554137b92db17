//! Splits a stream into lines, with stretches of plain bytes between them where a protocol asks for it.
//!
//! A line ends at CR LF, and depending on the protocol at a lone CR or LF. The splitter holds at most `max` bytes of
//! an unfinished line. Its anomalies are handed out as [`Piece::Weird`] so that it needs no connection.

/// Which lone characters end a line beside CR LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eol {
    pub cr: bool,
    pub lf: bool,
}

/// What the splitter hands out.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A line without its terminator.
    Line(Vec<u8>),
    /// A range of the input, to be delivered as is.
    Plain(usize, usize),
    /// An anomaly by name.
    Weird(&'static str),
}

/// The state of one direction.
#[derive(Debug)]
pub struct Lines {
    buf: Vec<u8>,
    last: u8,
    plain: u64,
    eol: Eol,
    max: usize,
    told_cr: bool,
    told_lf: bool,
    told_nul: bool,
    flag_nul: bool,
    told_size: bool,
    weirds: bool,
}

/// The largest line that is kept when a protocol sets no limit of its own.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

impl Default for Lines {
    fn default() -> Self {
        Lines::new(Eol { cr: true, lf: true })
    }
}

impl Lines {
    /// A splitter for the given line ends.
    pub fn new(eol: Eol) -> Self {
        Lines {
            buf: Vec::new(),
            last: 0,
            plain: 0,
            eol,
            max: MAX_LINE,
            told_cr: false,
            told_lf: false,
            told_nul: false,
            flag_nul: false,
            told_size: false,
            weirds: true,
        }
    }

    /// Sets the longest line.
    pub fn with_max(mut self, max: usize) -> Self {
        self.set_max(max);
        self
    }

    /// Sets the longest line from here on.
    pub fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Drops NUL bytes from lines, with a weird.
    pub fn flag_nuls(mut self) -> Self {
        self.flag_nul = true;
        self
    }

    /// Says nothing about lone CR or LF.
    pub fn quiet(mut self) -> Self {
        self.weirds = false;
        self
    }

    /// Says nothing about lone LF, where it ends lines by right.
    pub fn quiet_lf(mut self) -> Self {
        self.told_lf = true;
        self
    }

    /// Delivers the next `n` bytes as they are.
    pub fn set_plain(&mut self, n: u64) {
        self.plain = n;
    }

    /// Bytes still to be delivered plainly.
    pub fn plain_left(&self) -> u64 {
        self.plain
    }

    /// Whether a line is begun.
    pub fn pending(&self) -> usize {
        self.buf.len()
    }

    /// Drops a begun line.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.last = 0;
    }

    /// Passes over the LF of a line that ended with CR, where lines are over; says how many bytes it was.
    pub fn skip_lf(&mut self, data: &[u8]) -> usize {
        let n = (self.last == b'\r' && data.first() == Some(&b'\n')) as usize;
        if !data.is_empty() {
            self.last = 0;
        }
        n
    }

    /// Takes a begun line out, as at the end of the stream.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        (!self.buf.is_empty()).then(|| std::mem::take(&mut self.buf))
    }

    /// Passes over `n` bytes of a gap that fall into a plain stretch; says how many did.
    pub fn skip_plain(&mut self, n: u64) -> u64 {
        let k = n.min(self.plain);
        self.plain -= k;
        k
    }

    fn line(&mut self) -> Piece {
        Piece::Line(std::mem::take(&mut self.buf))
    }

    /// The next piece of `data` from `*at` on; `None` when it is used up.
    pub fn next(&mut self, data: &[u8], at: &mut usize) -> Option<Piece> {
        loop {
            if *at >= data.len() {
                return None;
            }
            if self.eol.cr && self.last == b'\r' && data[*at] == b'\n' {
                *at += 1;
                self.last = b'\n';
                continue;
            }
            if self.plain > 0 {
                let n = ((data.len() - *at) as u64).min(self.plain) as usize;
                self.plain -= n as u64;
                self.last = 0;
                let from = *at;
                *at += n;
                return Some(Piece::Plain(from, *at));
            }
            // The common case: a run without special characters.
            let run = data[*at..]
                .iter()
                .position(|&b| b == b'\r' || b == b'\n' || (b == 0 && self.flag_nul))
                .unwrap_or(data.len() - *at);
            if run > 0 {
                if self.buf.len() >= self.max {
                    // The line is cut here: what came so far goes out as a line of its own.
                    self.told_size = !self.told_size;
                    if self.told_size {
                        return Some(Piece::Weird("contentline_size_exceeded"));
                    }
                    return Some(self.line());
                }
                let lone_cr = self.last == b'\r';
                let n = run.min(self.max - self.buf.len());
                self.buf.extend_from_slice(&data[*at..*at + n]);
                self.last = data[*at + n - 1];
                *at += n;
                if lone_cr && self.weirds && !self.told_cr {
                    self.told_cr = true;
                    return Some(Piece::Weird("line_terminated_with_single_CR"));
                }
                continue;
            }
            let c = data[*at];
            match c {
                b'\r' => {
                    if data.get(*at + 1) == Some(&b'\n') {
                        *at += 2;
                        self.last = b'\n';
                        return Some(self.line());
                    }
                    let lone = self.last == b'\r';
                    *at += 1;
                    self.last = b'\r';
                    if self.eol.cr {
                        return Some(self.line());
                    }
                    self.buf.push(c);
                    if lone && self.weirds && !self.told_cr {
                        self.told_cr = true;
                        return Some(Piece::Weird("line_terminated_with_single_CR"));
                    }
                }
                b'\n' => {
                    *at += 1;
                    if self.last == b'\r' {
                        self.last = b'\n';
                        self.buf.pop();
                        return Some(self.line());
                    }
                    self.last = b'\n';
                    if self.eol.lf {
                        if self.weirds && !self.told_lf {
                            self.told_lf = true;
                            self.last = 0;
                            *at -= 1;
                            return Some(Piece::Weird("line_terminated_with_single_LF"));
                        }
                        return Some(self.line());
                    }
                    self.buf.push(c);
                }
                _ => {
                    *at += 1;
                    self.last = 0;
                    if !self.told_nul {
                        self.told_nul = true;
                        return Some(Piece::Weird("NUL_in_line"));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]], l: &mut Lines) -> Vec<String> {
        let mut out = vec![];
        for p in parts {
            let mut at = 0;
            while let Some(x) = l.next(p, &mut at) {
                match x {
                    Piece::Line(b) => out.push(String::from_utf8_lossy(&b).into_owned()),
                    Piece::Plain(a, b) => out.push(format!("={}", String::from_utf8_lossy(&p[a..b]))),
                    Piece::Weird(w) => out.push(format!("!{w}")),
                }
            }
        }
        out
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        let text = b"GET / HTTP/1.0\r\nA: b\r\n\r\nxx\rz\r\n";
        let whole = lines(&[text], &mut Lines::default());
        for cut in 1..text.len() {
            let got = lines(&[&text[..cut], &text[cut..]], &mut Lines::default());
            assert_eq!(got, whole, "cut at {cut}");
        }
    }

    #[test]
    fn plain_stretches_and_limits() {
        let mut l = Lines::default();
        l.set_plain(3);
        assert_eq!(
            lines(&[b"abcdef\n"], &mut l),
            ["=abc", "!line_terminated_with_single_LF", "def"]
        );
        let mut l = Lines::default().with_max(4);
        assert_eq!(
            lines(&[b"abcdefgh\r\n"], &mut l),
            ["!contentline_size_exceeded", "abcd", "efgh"]
        );
    }
}
