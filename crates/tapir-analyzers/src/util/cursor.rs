//! A checked reader over bytes from the wire.
//!
//! Every read says whether the bytes were there; no method panics whatever the input.

/// A position in a byte slice.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    data: &'a [u8],
    pos: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `data`.
    #[inline]
    pub fn new(data: &'a [u8]) -> Self {
        Cursor { data, pos: 0 }
    }

    /// Bytes consumed so far.
    #[inline]
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// Bytes left.
    #[inline]
    pub fn left(&self) -> usize {
        self.data.len() - self.pos
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// What is left, without consuming it.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.data[self.pos..]
    }

    /// The whole slice.
    #[inline]
    pub fn whole(&self) -> &'a [u8] {
        self.data
    }

    /// Consumes and returns what is left.
    #[inline]
    pub fn take_rest(&mut self) -> &'a [u8] {
        let r = self.rest();
        self.pos = self.data.len();
        r
    }

    /// Moves to an absolute offset.
    #[inline]
    pub fn seek(&mut self, pos: usize) -> Option<()> {
        if pos > self.data.len() {
            return None;
        }
        self.pos = pos;
        Some(())
    }

    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let end = self.pos.checked_add(n)?;
        let s = self.data.get(self.pos..end)?;
        self.pos = end;
        Some(s)
    }

    /// A cursor over the next `n` bytes.
    #[inline]
    pub fn sub(&mut self, n: usize) -> Option<Cursor<'a>> {
        self.take(n).map(Cursor::new)
    }

    /// Passes over `n` bytes.
    #[inline]
    pub fn skip(&mut self, n: usize) -> Option<()> {
        self.take(n).map(|_| ())
    }

    /// The next byte without consuming it.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.data.get(self.pos).copied()
    }

    /// A fixed number of bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N).and_then(|s| s.try_into().ok())
    }

    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        let b = self.peek()?;
        self.pos += 1;
        Some(b)
    }

    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn u24(&mut self) -> Option<u32> {
        self.array::<3>().map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]]))
    }

    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    #[inline]
    pub fn u16le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub fn u32le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub fn u64le(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// One byte as a script count.
    #[inline]
    pub fn n8(&mut self) -> Option<u64> {
        self.u8().map(u64::from)
    }

    /// Two bytes, big-endian, as a script count.
    #[inline]
    pub fn n16(&mut self) -> Option<u64> {
        self.u16().map(u64::from)
    }

    /// Three bytes, big-endian, as a script count.
    #[inline]
    pub fn n24(&mut self) -> Option<u64> {
        self.u24().map(u64::from)
    }

    /// Four bytes, big-endian, as a script count.
    #[inline]
    pub fn n32(&mut self) -> Option<u64> {
        self.u32().map(u64::from)
    }

    /// Two bytes, little-endian, as a script count.
    #[inline]
    pub fn n16le(&mut self) -> Option<u64> {
        self.u16le().map(u64::from)
    }

    /// Four bytes, little-endian, as a script count.
    #[inline]
    pub fn n32le(&mut self) -> Option<u64> {
        self.u32le().map(u64::from)
    }

    /// Bytes up to a NUL, which is consumed but not returned.
    #[inline]
    pub fn cstr(&mut self) -> Option<&'a [u8]> {
        let n = self.rest().iter().position(|&b| b == 0)?;
        let s = self.take(n)?;
        self.pos += 1;
        Some(s)
    }

    /// A vector with a one-byte length.
    #[inline]
    pub fn vec8(&mut self) -> Option<&'a [u8]> {
        let n = self.u8()?;
        self.take(n as usize)
    }

    /// A vector with a two-byte length.
    #[inline]
    pub fn vec16(&mut self) -> Option<&'a [u8]> {
        let n = self.u16()?;
        self.take(n as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stop_at_the_end() {
        let mut c = Cursor::new(&[1, 2, 3, 4, 5]);
        assert_eq!(c.u16(), Some(0x0102));
        assert_eq!(c.u32(), None);
        assert_eq!(c.u24(), Some(0x030405));
        assert_eq!(c.u8(), None);
        assert_eq!(c.take(usize::MAX), None);
    }
}
