//! External data representation (RFC 4506): four-byte units, big-endian.

use std::rc::Rc;

use crate::util::cursor::Cursor;

/// An unsigned integer.
pub(super) fn word(c: &mut Cursor) -> Option<u64> {
    c.n32()
}

/// A hyper integer.
pub(super) fn long(c: &mut Cursor) -> Option<u64> {
    c.u64()
}

/// A boolean; anything but zero is true.
pub(super) fn flag(c: &mut Cursor) -> Option<bool> {
    word(c).map(|w| w != 0)
}

/// Opaque data with a length, padded to whole units.
pub(super) fn opaque<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = c.u32()? as usize;
    let s = c.take(n)?;
    c.skip((4 - n % 4) % 4)?;
    Some(s)
}

/// As [`opaque`], as scripts see it.
pub(super) fn string(c: &mut Cursor) -> Option<Rc<[u8]>> {
    opaque(c).map(Rc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_part_of_a_string() {
        let mut c = Cursor::new(b"\0\0\0\x05hello\0\0\0\0\0\0\x07");
        assert_eq!(opaque(&mut c), Some(&b"hello"[..]));
        assert_eq!(word(&mut c), Some(7));
        assert_eq!(opaque(&mut Cursor::new(b"\0\0\0\x05hello")), None);
        assert_eq!(opaque(&mut Cursor::new(b"\xff\xff\xff\xff")), None);
    }
}
