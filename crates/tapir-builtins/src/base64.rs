//! Base64 (RFC 4648) with the reference's tolerance, also with other alphabets.

use tapir_data::value::Value;
use tapir_vm::CallCtx;

use crate::util::*;

pub const FAMILY: Family = &[
    ("encode_base64", encode_base64),
    ("decode_base64", decode_base64),
    ("is_valid_base64", is_valid_base64),
];

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes with padding.
pub fn encode(s: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len().div_ceil(3) * 4);
    for group in s.chunks(3) {
        let n = group.iter().fold(0u32, |n, b| n << 8 | *b as u32) << (8 * (3 - group.len()));
        for i in 0..4 {
            if i <= group.len() {
                out.push(alphabet[(n >> (18 - 6 * i) & 63) as usize]);
            } else {
                out.push(b'=');
            }
        }
    }
    out
}

/// Encodes with the standard alphabet.
pub fn encode_standard(s: &[u8]) -> Vec<u8> {
    encode(s, STANDARD)
}

/// What decoding found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The result is usable all the same.
    Tolerable(String),
    Fatal(String),
}

/// Decodes. Missing or superfluous padding is tolerable, other characters and data behind padding are not.
pub fn decode(s: &[u8], alphabet: &[u8; 64]) -> (Vec<u8>, Option<Problem>) {
    let mut table = [None; 256];
    for (i, &b) in alphabet.iter().enumerate() {
        table[b as usize] = Some(i as u32);
    }
    let mut out = Vec::with_capacity(s.len() / 4 * 3);
    let (mut n, mut n_chars, mut n_pads) = (0u32, 0, 0);
    let mut ended = false;
    let mut problem = None;
    for (at, &b) in s.iter().enumerate() {
        if ended {
            let extra = format!("extra base64 groups after '=' padding are ignored ({at})");
            if b != b'=' {
                return (Vec::new(), Some(Problem::Fatal(extra)));
            }
            problem = Some(Problem::Tolerable(extra));
            continue;
        }
        // Padding inside a group counts as zeros.
        let v = if b == b'=' {
            n_pads += 1;
            0
        } else {
            match table[b as usize] {
                Some(v) => v,
                None => {
                    let text = format!("character {b} ignored by Base64 decoding");
                    return (Vec::new(), Some(Problem::Fatal(text)));
                }
            }
        };
        n = n << 6 | v;
        n_chars += 1;
        if n_chars == 4 {
            let bytes = n.to_be_bytes();
            out.extend_from_slice(&bytes[1..4 - n_pads.min(3)]);
            ended = n_pads > 0;
            (n, n_chars, n_pads) = (0, 0, 0);
        }
    }
    if n_chars > 0 {
        let missing = 4 - n_chars;
        let text = format!("incomplete base64 group, padding with {} bits of 0", 6 * missing);
        let bytes = (n << (6 * missing)).to_be_bytes();
        let keep = (n_chars * 6 / 8_usize).saturating_sub(n_pads);
        out.extend_from_slice(&bytes[1..1 + keep]);
        problem = Some(Problem::Tolerable(text));
    }
    (out, problem)
}

/// The alphabet of an argument; reports one of the wrong length.
fn alphabet(ctx: &mut CallCtx<'_>, a: &[Value]) -> Result<Option<[u8; 64]>, tapir_vm::RtError> {
    let given = a.str(1)?;
    if given.is_empty() {
        return Ok(Some(*STANDARD));
    }
    match <[u8; 64]>::try_from(&given[..]) {
        Ok(a) => Ok(Some(a)),
        Err(_) => {
            let text = format!("base64 alphabet is not 64 characters: {}", lossy(given));
            plain_error(ctx, text);
            Ok(None)
        }
    }
}

fn encode_base64(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(alphabet) = alphabet(ctx, a)? else {
        // The text is the reference's, although nothing here is a query.
        ctx.error("Broker query has an invalid data store");
        return Ok(string(""));
    };
    room(a.str(0)?.len().saturating_mul(2))?;
    Ok(string(encode(a.str(0)?, &alphabet)))
}

/// Decodes with the alphabet of an argument (empty for the standard one). `None` for one of the wrong length.
pub fn decode_with(s: &[u8], alphabet: &[u8]) -> Option<(Vec<u8>, Option<Problem>)> {
    let alphabet = if alphabet.is_empty() {
        *STANDARD
    } else {
        alphabet.try_into().ok()?
    };
    Some(decode(s, &alphabet))
}

fn decode_base64(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(alphabet) = alphabet(ctx, a)? else {
        ctx.error("error in decoding string");
        return Ok(string(""));
    };
    let (out, problem) = decode(a.str(0)?, &alphabet);
    match problem {
        None => {}
        Some(Problem::Tolerable(text)) => plain_error(ctx, text),
        Some(Problem::Fatal(text)) => {
            plain_error(ctx, text);
            ctx.error("error in decoding string");
        }
    }
    Ok(string(out))
}

fn is_valid_base64(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(alphabet) = alphabet(ctx, a)? else {
        return Ok(Value::Bool(false));
    };
    let (_, problem) = decode(a.str(0)?, &alphabet);
    Ok(Value::Bool(!matches!(problem, Some(Problem::Fatal(_)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_tolerance() {
        for s in [&b""[..], b"a", b"ab", b"abc", b"\xfb\xff\xbf"] {
            assert_eq!(decode(&encode(s, STANDARD), STANDARD), (s.to_vec(), None));
        }
        let d = |s: &[u8]| decode(s, STANDARD).0;
        assert_eq!(d(b"aGk"), b"hi");
        assert_eq!(d(b"a"), b"");
        assert_eq!(d(b"aGk=="), b"hi");
        assert_eq!(d(b"aG*k="), b"");
        assert_eq!(d(b"aGk=aGk="), b"");
        assert_eq!(d(b"=aGk"), b"\x01\xa1");
    }
}
