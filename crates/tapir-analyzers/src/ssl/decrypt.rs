//! Decryption of TLS 1.2 records for sessions whose secrets scripts know (RFC 5246, 5288, 7905).

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

/// What a script has given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The master secret, of which the keys are derived.
    Master(Vec<u8>),
    /// Keys and the fixed parts of nonces: client's key, server's key, client's part, server's part.
    Keys(Vec<u8>),
}

/// The length of a master secret.
pub const MASTER_LEN: usize = 48;

/// How a cipher suite protects records.
struct Suite {
    aead: &'static Algorithm,
    prf: hmac::Algorithm,
    /// Bytes of the nonce that are derived; the rest is in the record.
    fixed: usize,
}

fn suite(number: u16) -> Option<Suite> {
    Some(match number {
        0x009c | 0x009e | 0xc02b | 0xc02f => Suite {
            aead: &AES_128_GCM,
            prf: hmac::HMAC_SHA256,
            fixed: 4,
        },
        0x009d | 0x009f | 0xc02c | 0xc030 => Suite {
            aead: &AES_256_GCM,
            prf: hmac::HMAC_SHA384,
            fixed: 4,
        },
        0xcca8..=0xccaa => Suite {
            aead: &CHACHA20_POLY1305,
            prf: hmac::HMAC_SHA256,
            fixed: 12,
        },
        _ => return None,
    })
}

/// The pseudo-random function (RFC 5246, section 5).
fn prf(how: hmac::Algorithm, secret: &[u8], label: &[u8], seed: &[&[u8]], len: usize) -> Vec<u8> {
    let key = hmac::Key::new(how, secret);
    let sign = |parts: &[&[u8]]| {
        let mut c = hmac::Context::with_key(&key);
        parts.iter().for_each(|p| c.update(p));
        c.sign()
    };
    let seed: Vec<u8> = [&[label], seed].concat().concat();
    let mut out = Vec::new();
    let mut a = sign(&[&seed]);
    while out.len() < len {
        out.extend_from_slice(sign(&[a.as_ref(), &seed]).as_ref());
        a = sign(&[a.as_ref()]);
    }
    out.truncate(len);
    out
}

struct Direction {
    key: LessSafeKey,
    fixed: Vec<u8>,
}

impl Direction {
    fn new(suite: &Suite, key: &[u8], fixed: &[u8]) -> Option<Self> {
        Some(Direction {
            key: LessSafeKey::new(UnboundKey::new(suite.aead, key).ok()?),
            fixed: fixed.to_vec(),
        })
    }
}

/// The keys of a session: the client's and the server's.
pub struct Keys([Direction; 2]);

/// What a record is beside its content.
pub struct Head {
    pub from_client: bool,
    /// How many protected records came before in its direction.
    pub number: u64,
    pub ty: u8,
    pub version: u16,
}

impl Keys {
    /// The keys of a session; `None` for suites and secrets that are of no use.
    pub fn new(number: u16, secret: &Secret, client_random: &[u8], server_random: &[u8]) -> Option<Keys> {
        let suite = suite(number)?;
        let (k, f) = (suite.aead.key_len(), suite.fixed);
        let block = match secret {
            Secret::Master(m) if m.len() == MASTER_LEN => {
                let seed = [server_random, client_random];
                prf(suite.prf, m, b"key expansion", &seed, 2 * (k + f))
            }
            Secret::Keys(block) if block.len() == 2 * (k + f) => block.clone(),
            _ => return None,
        };
        let (keys, fixed) = block.split_at(2 * k);
        Some(Keys([
            Direction::new(&suite, &keys[..k], &fixed[..f])?,
            Direction::new(&suite, &keys[k..], &fixed[f..])?,
        ]))
    }

    /// The content of a record; `None` when it is not what the keys belong to.
    pub fn open(&self, head: &Head, body: &[u8]) -> Option<Vec<u8>> {
        let d = &self.0[usize::from(!head.from_client)];
        let explicit = if d.fixed.len() == 4 { 8 } else { 0 };
        let mut nonce = [0; 12];
        nonce[..d.fixed.len()].copy_from_slice(&d.fixed);
        if explicit > 0 {
            nonce[4..].copy_from_slice(body.get(..8)?);
        } else {
            for (n, b) in nonce[4..].iter_mut().zip(head.number.to_be_bytes()) {
                *n ^= b;
            }
        }
        let mut data = body.get(explicit..)?.to_vec();
        let len = data.len().checked_sub(16)?;
        let mut aad = [0; 13];
        aad[..8].copy_from_slice(&head.number.to_be_bytes());
        aad[8] = head.ty;
        aad[9..11].copy_from_slice(&head.version.to_be_bytes());
        aad[11..].copy_from_slice(&u16::try_from(len).ok()?.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        d.key.open_in_place(nonce, Aad::from(aad), &mut data).ok()?;
        data.truncate(len);
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_opened() {
        for (number, key_len, fixed) in [(0xc02f, 16, 4), (0xc030, 32, 4), (0xcca8, 32, 12)] {
            let block: Vec<u8> = (0..2 * (key_len + fixed) as u8).collect();
            let keys = Keys::new(number, &Secret::Keys(block.clone()), &[], &[]).unwrap();
            let mut nonce = [0; 12];
            nonce[..fixed].copy_from_slice(&block[2 * key_len + fixed..]);
            let explicit: &[u8] = if fixed == 4 { &[7; 8] } else { &[] };
            if fixed == 4 {
                nonce[4..].copy_from_slice(explicit);
            } else {
                nonce[11] ^= 5;
            }
            let aad = [0, 0, 0, 0, 0, 0, 0, 5, 23, 3, 3, 0, 2];
            let mut sealed = b"hi".to_vec();
            keys.0[1]
                .key
                .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
                .unwrap();
            let body = [explicit, &sealed].concat();
            let mut head = Head {
                from_client: false,
                number: 5,
                ty: 23,
                version: 0x0303,
            };
            assert_eq!(keys.open(&head, &body).as_deref(), Some(&b"hi"[..]));
            head.number = 6;
            assert_eq!(keys.open(&head, &body), None);
            assert_eq!(keys.open(&head, &body[..4]), None);
        }
        assert!(Keys::new(0x0035, &Secret::Master(vec![0; 48]), &[0; 32], &[0; 32]).is_none());
        assert!(Keys::new(0xc030, &Secret::Master(b"x".to_vec()), &[0; 32], &[0; 32]).is_none());
        assert!(Keys::new(0xc030, &Secret::Master(vec![0; 48]), &[0; 32], &[0; 32]).is_some());
    }
}
