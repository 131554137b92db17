//! The text form of search filters (RFC 4515).

use crate::util::ber::{self, Tlv};

/// Why a filter has no text.
#[derive(Debug, PartialEq)]
pub enum Bad {
    Form,
    Depth,
}

/// The text of a filter.
pub fn text(f: &Tlv, max_depth: usize) -> Result<Vec<u8>, Bad> {
    let mut out = Vec::new();
    put(f, max_depth, &mut out)?;
    Ok(out)
}

fn escaped(s: &[u8], out: &mut Vec<u8>) {
    for &b in s {
        if matches!(b, b'(' | b')' | b'*' | b'\\' | 0) {
            out.extend(format!("\\{b:02x}").bytes());
        } else {
            out.push(b);
        }
    }
}

fn put(f: &Tlv, depth: usize, out: &mut Vec<u8>) -> Result<(), Bad> {
    if depth == 0 {
        return Err(Bad::Depth);
    }
    let op: &[u8] = match f.context().ok_or(Bad::Form)? {
        n @ 0..=2 => {
            // Parts join two by two from the left.
            let start = out.len();
            let sign = b"&|!"[n as usize];
            for (i, c) in f.children().enumerate() {
                if i > 1 {
                    out.splice(start..start, [b'(', sign]);
                    out.push(b')');
                }
                put(&c, depth - 1, out)?;
            }
            out.splice(start..start, [b'(', sign]);
            out.push(b')');
            return Ok(());
        }
        3 => b"=",
        4 => {
            let mut c = f.cursor();
            let name = ber::read(&mut c).ok_or(Bad::Form)?;
            let list = ber::read(&mut c).ok_or(Bad::Form)?;
            out.push(b'(');
            out.extend_from_slice(name.body);
            out.push(b'=');
            let mut last = 0;
            for (i, s) in list.children().enumerate() {
                last = s.context().unwrap_or(0);
                if i > 0 || last != 0 {
                    out.push(b'*');
                }
                escaped(s.body, out);
            }
            if last != 2 {
                out.push(b'*');
            }
            out.push(b')');
            return Ok(());
        }
        5 => b">=",
        6 => b"<=",
        7 => {
            out.push(b'(');
            out.extend_from_slice(f.body);
            out.extend_from_slice(b"=*)");
            return Ok(());
        }
        8 => b"~=",
        9 => {
            let (mut rule, mut name, mut value, mut dn): (&[u8], &[u8], &[u8], bool) = (&[], &[], &[], false);
            for c in f.children() {
                match c.context() {
                    Some(1) => rule = c.body,
                    Some(2) => name = c.body,
                    Some(3) => value = c.body,
                    Some(4) => dn = c.body.first().is_some_and(|b| *b != 0),
                    _ => {}
                }
            }
            out.push(b'(');
            out.extend_from_slice(name);
            if dn {
                out.extend_from_slice(b":dn");
            }
            if !rule.is_empty() {
                out.push(b':');
                out.extend_from_slice(rule);
            }
            out.extend_from_slice(b":=");
            escaped(value, out);
            out.push(b')');
            return Ok(());
        }
        _ => return Err(Bad::Form),
    };
    let mut c = f.cursor();
    let name = ber::read(&mut c).ok_or(Bad::Form)?;
    let value = ber::read(&mut c).ok_or(Bad::Form)?;
    out.push(b'(');
    out.extend_from_slice(name.body);
    out.extend_from_slice(op);
    escaped(value.body, out);
    out.push(b')');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::cursor::Cursor;

    #[test]
    fn and_of_presence_and_substring() {
        let b = [
            0xa0, 0x12, 0x87, 0x02, b'o', b'c', 0xa4, 0x0c, 0x04, 0x01, b'm', 0x30, 0x07, 0x80, 0x01, b'a', 0x82, 0x02,
            b'(', b'b',
        ];
        let t = ber::read(&mut Cursor::new(&b)).unwrap();
        assert_eq!(text(&t, 10).unwrap(), b"(&(oc=*)(m=a*\\28b))");
        assert_eq!(text(&t, 1), Err(Bad::Depth));
    }
}
