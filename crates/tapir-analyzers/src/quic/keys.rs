//! Initial packet protection (RFC 9001 and 9369): the keys that anybody on the path can derive.

use ring::aead::quic::{AES_128, HeaderProtectionKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f,
    0x0a,
];
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e,
    0xd9,
];
/// Version 2 of QUIC.
pub const V2: u32 = 0x6b33_43cf;

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(prk: &Prk, label: &str, len: usize) -> Option<Vec<u8>> {
    let full = format!("tls13 {label}");
    let mut info = vec![0, len as u8, full.len() as u8];
    info.extend_from_slice(full.as_bytes());
    info.push(0);
    let mut out = vec![0; len];
    prk.expand(&[&info], Len(len)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// The keys of one direction.
pub struct Keys {
    key: LessSafeKey,
    iv: [u8; 12],
    hp: HeaderProtectionKey,
}

impl Keys {
    fn new(secret: &[u8], v2: bool) -> Option<Keys> {
        let prk = Prk::new_less_safe(HKDF_SHA256, secret);
        let p = if v2 { "quicv2" } else { "quic" };
        let key = expand(&prk, &format!("{p} key"), 16)?;
        let iv = expand(&prk, &format!("{p} iv"), 12)?;
        let hp = expand(&prk, &format!("{p} hp"), 16)?;
        Some(Keys {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?),
            iv: iv.try_into().ok()?,
            hp: HeaderProtectionKey::new(&AES_128, &hp).ok()?,
        })
    }

    /// Decrypts a packet whose packet number starts at `pn_at`; `packet` ends where its payload does.
    pub fn open(&self, packet: &[u8], pn_at: usize) -> Option<Vec<u8>> {
        let sample = packet.get(pn_at + 4..pn_at + 20)?;
        let mask = self.hp.new_mask(sample).ok()?;
        let mut header = packet.get(..pn_at + 4)?.to_vec();
        header[0] ^= mask[0] & 0x0f;
        let pn_len = (header[0] & 3) as usize + 1;
        let mut pn: u64 = 0;
        for i in 0..pn_len {
            header[pn_at + i] ^= mask[1 + i];
            pn = pn << 8 | header[pn_at + i] as u64;
        }
        header.truncate(pn_at + pn_len);
        let mut nonce = self.iv;
        for (i, b) in pn.to_be_bytes().iter().enumerate() {
            nonce[4 + i] ^= b;
        }
        let mut body = packet.get(pn_at + pn_len..)?.to_vec();
        let n = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(&header), &mut body)
            .ok()?
            .len();
        body.truncate(n);
        Some(body)
    }
}

/// The keys of both directions (server, client) from the connection id that the client chose.
pub fn initial(version: u32, dcid: &[u8]) -> Option<[Keys; 2]> {
    let v2 = version == V2;
    let salt = if v2 { SALT_V2 } else { SALT_V1 };
    let prk = Salt::new(HKDF_SHA256, &salt).extract(dcid);
    let server = expand(&prk, "server in", 32)?;
    let client = expand(&prk, "client in", 32)?;
    Some([Keys::new(&server, v2)?, Keys::new(&client, v2)?])
}
