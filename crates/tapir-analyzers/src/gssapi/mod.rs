//! GSSAPI and SPNEGO tokens (RFC 2743, 4178): finds the NTLM and Kerberos messages within.

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::ber;
use crate::util::cursor::Cursor;
use crate::util::grammar;

const SPNEGO: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
const KRB5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02];
const KRB5_MS: &[u8] = &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02];

/// The analyzer: each delivery is one token.
#[derive(Default)]
pub struct Gssapi;

impl Gssapi {
    fn token(cx: &mut Cx, is_orig: bool, data: &[u8], depth: usize) -> Option<()> {
        if depth > 4 {
            return None;
        }
        if data.starts_with(b"NTLMSSP\0") {
            Self::to(cx, "NTLM", is_orig, data);
            return Some(());
        }
        let t = ber::read(&mut Cursor::new(data))?;
        match t.id {
            0x60 => {
                let mut c = t.cursor();
                let oid = ber::expect(&mut c, ber::OID)?.body;
                if oid == SPNEGO {
                    return Self::token(cx, is_orig, c.rest(), depth + 1);
                }
                // User-to-user tokens carry a longer identifier.
                if oid.starts_with(KRB5) || oid.starts_with(KRB5_MS) {
                    // The token id tells request, reply and error apart, and so does the message itself.
                    c.skip(2)?;
                    Self::to(cx, "KRB", is_orig, c.rest());
                }
            }
            0xa0 => {
                // NegTokenInit
                for f in t.inner()?.children() {
                    if f.context() == Some(2) {
                        let token = f.inner()?.body;
                        let _ = Self::token(cx, is_orig, token, depth + 1);
                    }
                }
                // What is inside comes first.
                cx.confirm();
            }
            0xa1 => {
                // NegTokenResp
                for f in t.inner()?.children() {
                    match f.context() {
                        Some(0) => {
                            if let Some(state) = f.inner().and_then(|e| e.uint()) {
                                raise!(cx, gssapi_neg_result, state);
                            }
                        }
                        Some(2) => {
                            let token = f.inner()?.body;
                            let _ = Self::token(cx, is_orig, token, depth + 1);
                        }
                        _ => {}
                    }
                }
                cx.confirm();
            }
            // A bare Kerberos message.
            0x6e | 0x6f | 0x7e => Self::to(cx, "KRB", is_orig, data),
            // As recorded: a plain sequence in a negotiation is taken for it too.
            0x30 if depth > 0 => Self::to(cx, "KRB", is_orig, data),
            _ => return None,
        }
        Some(())
    }

    fn to(cx: &mut Cx, name: &str, is_orig: bool, data: &[u8]) {
        let ix = match cx.child(name) {
            Some(ix) => Some(ix),
            None => cx.add_child(name),
        };
        if let Some(ix) = ix {
            cx.packet_to(ix, is_orig, data);
        }
    }
}

impl Analyzer for Gssapi {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if !data.is_empty() && Self::token(cx, is_orig, data, 0).is_none() {
            cx.violation(&grammar::exception("out_of_bound: GSSAPI_NEG_TOKEN"));
        }
    }
}
