//! DNP3 over TCP and UDP (IEEE 1815): link frames with their CRC blocks, transport segments, application objects.

mod objects;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

/// Start bytes, length, control, addresses and CRC.
const LINK_HEADER: usize = 10;

/// An application fragment is at most this long.
const MAX_FRAGMENT: usize = 1 << 16;

#[derive(Default)]
struct Side {
    buf: Vec<u8>,
    app: Vec<u8>,
    open: bool,
    frames: u32,
}

/// The analyzer.
#[derive(Default)]
pub struct Dnp3 {
    sides: [Side; 2],
    stopped: bool,
}

/// The CRC of DNP3 (reflected polynomial 0xA6BC, inverted).
fn crc(b: &[u8]) -> u16 {
    let mut c: u16 = 0;
    for &x in b {
        c ^= x as u16;
        for _ in 0..8 {
            c = if c & 1 != 0 { c >> 1 ^ 0xa6bc } else { c >> 1 };
        }
    }
    !c
}

impl Dnp3 {
    /// Handles one link frame at the start of `b`; gives its length.
    fn frame(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<usize> {
        if b[0] != 5 || b.get(1).is_some_and(|x| *x != 0x64) {
            cx.weird("dnp3_header_lacks_magic", "");
            self.stopped = true;
            return None;
        }
        let head = b.get(..LINK_HEADER)?;
        if crc(&head[..8]) != u16::from_le_bytes([head[8], head[9]]) {
            cx.weird("dnp3_corrupt_header_checksum", "");
            self.stopped = true;
            return None;
        }
        let len = head[2] as usize;
        if len < 5 {
            cx.weird("dnp3_negative_or_zero_length_link_layer_segment", "");
            self.stopped = true;
            return None;
        }
        let user = len - 5;
        let total = LINK_HEADER + user + 2 * user.div_ceil(16);
        let body = b.get(LINK_HEADER..total)?;
        let mut data = Vec::with_capacity(user);
        let mut rest = body;
        let mut left = user;
        while left > 0 {
            let n = left.min(16);
            let (block, sum) = rest.split_at_checked(n)?;
            let (sum, after) = sum.split_at_checked(2)?;
            if crc(block) != u16::from_le_bytes([sum[0], sum[1]]) {
                cx.weird("dnp3_corrupt_checksum", "");
                self.stopped = true;
                return None;
            }
            data.extend_from_slice(block);
            rest = after;
            left -= n;
        }
        let ctrl = head[3] as u64;
        let dest = u16::from_le_bytes([head[4], head[5]]) as u64;
        let src = u16::from_le_bytes([head[6], head[7]]) as u64;
        // Frames of the link alone say it only when there are more of them.
        let s = &mut self.sides[is_orig as usize];
        s.frames = s.frames.saturating_add(1);
        if !data.is_empty() || s.frames > 1 {
            cx.confirm();
        }
        if !data.is_empty() {
            raise!(cx, dnp3_header_block, is_orig, len as u64, ctrl, dest, src);
            self.segment(cx, is_orig, &data);
        }
        Some(total)
    }

    fn segment(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let s = &mut self.sides[is_orig as usize];
        let (fin, fir) = (data[0] & 0x80 != 0, data[0] & 0x40 != 0);
        if fir {
            s.app.clear();
            s.open = true;
        } else if !s.open {
            cx.weird("dnp3_first_transport_sequence_missing", "");
            return;
        }
        if s.app.len() + data.len() > MAX_FRAGMENT {
            s.open = false;
            s.app.clear();
            return;
        }
        s.app.extend_from_slice(&data[1..]);
        if fin {
            s.open = false;
            let app = std::mem::take(&mut s.app);
            // Objects of unknown form end the fragment quietly.
            let _ = application(cx, is_orig, &app);
        }
    }

    fn run(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.stopped {
            return;
        }
        let d = is_orig as usize;
        let mut buf = std::mem::take(&mut self.sides[d].buf);
        buf.extend_from_slice(data);
        let mut at = 0;
        while at < buf.len() && !self.stopped {
            match self.frame(cx, is_orig, &buf[at..]) {
                Some(n) => at += n,
                None => break,
            }
        }
        buf.drain(..at);
        if !self.stopped {
            self.sides[d].buf = buf;
        }
    }
}

fn application(cx: &mut Cx, is_orig: bool, app: &[u8]) -> Option<()> {
    let mut c = Cursor::new(app);
    let control = c.n8()?;
    let fc = c.u8()?;
    let response = matches!(fc, 129..=131);
    if response {
        let iin = c.n16()?;
        raise!(cx, dnp3_application_response_header, is_orig, control, fc as u64, iin);
    } else {
        raise!(cx, dnp3_application_request_header, is_orig, control, fc as u64);
    }
    objects::all(cx, is_orig, fc, response, &mut c)
}

impl Analyzer for Dnp3 {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.run(cx, is_orig, data);
    }

    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.sides[is_orig as usize].buf.clear();
        self.run(cx, is_orig, data);
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.stopped = true;
        self.sides = Default::default();
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksum_of_a_known_block() {
        // A link header from the standard's example: 05 64 05 C0 01 00 00 04, CRC E9 21.
        assert_eq!(
            super::crc(&[0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04]),
            u16::from_le_bytes([0xe9, 0x21])
        );
    }
}
