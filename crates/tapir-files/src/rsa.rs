//! Verification of RSA signatures (RFC 8017, PKCS #1 v1.5) that the TLS library refuses: with MD5 or SHA-224, or with
//! short keys. Old certificates have them, and a monitor says whether they hold, not whether they are wise.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::der::{Der, strip_zeros, tag};

/// Keys are at most this long; longer ones cost more than they are worth.
const MAX_BYTES: usize = 1024;

/// Public exponents are small.
const MAX_EXPONENT: usize = 8;

/// The digest of a message as a signature algorithm has it, with the DER prefix that names it in the signature.
fn digest_info(sig_oid: &str, message: &[u8]) -> Option<Vec<u8>> {
    let (oid, digest): (&[u8], Vec<u8>) = match sig_oid {
        "1.2.840.113549.1.1.4" => (
            &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5],
            md5::Md5::digest(message).to_vec(),
        ),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => (&[0x2b, 0x0e, 3, 2, 0x1a], sha1::Sha1::digest(message).to_vec()),
        "1.2.840.113549.1.1.14" => (&SHA2, Sha224::digest(message).to_vec()),
        "1.2.840.113549.1.1.11" => (&SHA2, Sha256::digest(message).to_vec()),
        "1.2.840.113549.1.1.12" => (&SHA2, Sha384::digest(message).to_vec()),
        "1.2.840.113549.1.1.13" => (&SHA2, Sha512::digest(message).to_vec()),
        _ => return None,
    };
    let mut oid = oid.to_vec();
    if oid == SHA2 {
        oid.push(match digest.len() {
            28 => 4,
            32 => 1,
            48 => 2,
            _ => 3,
        });
    }
    let mut out = vec![0x30, 0, 0x30, (oid.len() + 4) as u8, 6, oid.len() as u8];
    out.extend_from_slice(&oid);
    out.extend_from_slice(&[5, 0, 4, digest.len() as u8]);
    out.extend_from_slice(&digest);
    out[1] = (out.len() - 2) as u8;
    Some(out)
}

/// The arc of the SHA-2 family; its last number names the member.
const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];

/// Whether a signature holds under an `RSAPublicKey`. False for what is malformed or out of bounds.
pub fn verify(key: &[u8], sig_oid: &str, message: &[u8], sig: &[u8]) -> bool {
    let Some(info) = digest_info(sig_oid, message) else {
        return false;
    };
    let Some(em) = recover(key, sig) else { return false };
    // 00 01 FF … FF 00, then the digest.
    let Some(pad) = em.len().checked_sub(info.len() + 3).filter(|n| *n >= 8) else {
        return false;
    };
    em[..2] == [0, 1] && em[2..2 + pad].iter().all(|b| *b == 0xff) && em[2 + pad] == 0 && em[3 + pad..] == info[..]
}

/// The signature raised to the public exponent.
fn recover(key: &[u8], sig: &[u8]) -> Option<Vec<u8>> {
    let mut d = Der::new(key).enter(tag::SEQUENCE)?;
    let n = strip_zeros(d.expect(tag::INTEGER)?);
    let e = strip_zeros(d.expect(tag::INTEGER)?);
    if n.len() > MAX_BYTES || n.len() < 8 || e.is_empty() || e.len() > MAX_EXPONENT || sig.len() != n.len() {
        return None;
    }
    let m = Modulus::new(limbs(n))?;
    let base = limbs(sig);
    if !m.above(&base) {
        return None;
    }
    let e = e.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
    let r2 = m.r_squared();
    let base = m.multiply(&base, &r2);
    let mut one = vec![0; m.n.len()];
    one[0] = 1;
    let mut acc = m.multiply(&one, &r2);
    for i in (0..64 - e.leading_zeros()).rev() {
        acc = m.multiply(&acc, &acc);
        if e >> i & 1 == 1 {
            acc = m.multiply(&acc, &base);
        }
    }
    let out = m.multiply(&acc, &one);
    let bytes: Vec<u8> = out.iter().rev().flat_map(|w| w.to_be_bytes()).collect();
    Some(bytes[bytes.len() - n.len()..].to_vec())
}

/// Little-endian 32-bit digits of a big-endian number.
fn limbs(b: &[u8]) -> Vec<u32> {
    b.rchunks(4)
        .map(|c| c.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
        .collect()
}

/// An odd modulus, with what Montgomery multiplication needs.
struct Modulus {
    n: Vec<u32>,
    /// The negated inverse of the lowest digit.
    inverse: u32,
}

impl Modulus {
    fn new(n: Vec<u32>) -> Option<Modulus> {
        if n[0] & 1 == 0 {
            return None;
        }
        // Each step doubles the number of right bits.
        let mut x: u32 = 1;
        for _ in 0..5 {
            x = x.wrapping_mul(2u32.wrapping_sub(n[0].wrapping_mul(x)));
        }
        Some(Modulus {
            n,
            inverse: x.wrapping_neg(),
        })
    }

    /// Whether a number of as many digits is smaller than the modulus.
    fn above(&self, a: &[u32]) -> bool {
        a.iter().rev().lt(self.n.iter().rev())
    }

    fn subtract(&self, a: &mut [u32]) {
        let mut borrow = 0;
        for (x, y) in a.iter_mut().zip(&self.n) {
            let v = i64::from(*x) - i64::from(*y) - borrow;
            *x = v as u32;
            borrow = i64::from(v < 0);
        }
    }

    /// The square of R, the power of two beyond the modulus, reduced.
    fn r_squared(&self) -> Vec<u32> {
        let mut a = vec![0u32; self.n.len()];
        a[0] = 1;
        for _ in 0..self.n.len() * 64 {
            let mut carry = 0;
            for x in &mut a {
                let top = *x >> 31;
                *x = *x << 1 | carry;
                carry = top;
            }
            if carry == 1 || !self.above(&a) {
                self.subtract(&mut a);
            }
        }
        a
    }

    /// `a · b / R`, reduced.
    fn multiply(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let k = self.n.len();
        let mut t = vec![0u32; k + 2];
        for &x in a {
            let mut carry = 0u64;
            for j in 0..k {
                let v = u64::from(t[j]) + u64::from(x) * u64::from(b[j]) + carry;
                t[j] = v as u32;
                carry = v >> 32;
            }
            let v = u64::from(t[k]) + carry;
            t[k] = v as u32;
            t[k + 1] = (v >> 32) as u32;
            let q = t[0].wrapping_mul(self.inverse);
            let mut carry = (u64::from(t[0]) + u64::from(q) * u64::from(self.n[0])) >> 32;
            for j in 1..k {
                let v = u64::from(t[j]) + u64::from(q) * u64::from(self.n[j]) + carry;
                t[j - 1] = v as u32;
                carry = v >> 32;
            }
            let v = u64::from(t[k]) + carry;
            t[k - 1] = v as u32;
            t[k] = t[k + 1].wrapping_add((v >> 32) as u32);
        }
        let over = t[k] != 0;
        t.truncate(k);
        if over || !self.above(&t) {
            self.subtract(&mut t);
        }
        t
    }
}

#[cfg(test)]
mod tests {
    use crate::cert::Cert;
    use crate::verify::verify_signature;

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len() / 2)
            .map(|i| u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    /// Self-signed certificates with MD5, made for this test: keys of 512 and 1024 bits.
    const MADE: [&str; 2] = [
        "308201713082011ba003020102021441fb12882ee1612ba966f9a5d1f3ddd49a846920300d06092a864886f70d0101040500\
         300c310a300806035504030c016d3020170d3236313132353232343130385a180f32313039303131343232343130385a300c\
         310a300806035504030c016d305c300d06092a864886f70d0101010500034b003048024100b9b60c6f0e0e4c22359a572873\
         963d9c13616b919d6103bd55e9bd88f81998690aa4218201cab355fe69de491638bdde7fe5c5000725972fc62742efa14612\
         6d0203010001a3533051301d0603551d0e041604144142e4d30120171381fe364b24fac964174830eb301f0603551d230418\
         301680144142e4d30120171381fe364b24fac964174830eb300f0603551d130101ff040530030101ff300d06092a864886f7\
         0d01010405000341008a1cb2d19923894f93f06001dc9e258dc1959c233bae81bc8112361e71e7ca7d4722d7acb1e61b03aa\
         55644e61c70e60e31406321f6a041284928f0a59a23e24",
        "308201f63082015fa003020102021401d4329dc35218896ab35a3b0526103d67b65513300d06092a864886f70d0101040500\
         300c310a300806035504030c016d3020170d3236313132353232343130385a180f32313039303131343232343130385a300c\
         310a300806035504030c016d30819f300d06092a864886f70d010101050003818d0030818902818100dd90c9c6dd143f0c16\
         157b604ccddac36b785847d830652f0e095558d11bafd28fd3407f0887bb043b95839278077bdd8c97e55fa5f88958f7f54c\
         6ee9b36f197ced9b02412601e7f764db760f5ebc196c23488d1741748484415c122d03be40ce58e029d455158ee4100fb297\
         5eee6979bbcfe7db5aecb64da276286e37efb90203010001a3533051301d0603551d0e041604144fb166f4fc32da60dea423\
         11e6f50c94fdb61cc1301f0603551d230418301680144fb166f4fc32da60dea42311e6f50c94fdb61cc1300f0603551d1301\
         01ff040530030101ff300d06092a864886f70d01010405000381810063b5e841b55484e380785e5a6f2b6905679c8a730ac5\
         753e40f4480cf96e1453a827d8cb84f74caa5f32db728d51963cb403508797122bc0725a2e3ad63b8092b6e8141103d7a65d\
         a74a914e0ad2b4d98a983da9bcb016dd68b24dca0420c958d34e86df291937f9e84c8bbf6b8b62eed7fcfa0657ad03486df2\
         e491d7cbfa05",
    ];

    #[test]
    fn old_signatures() {
        for text in MADE {
            let der = hex(text);
            let cert = Cert::parse(&der).unwrap();
            assert!(verify_signature(cert.spki, &cert.sig_oid, cert.tbs, cert.signature));
            let mut other = cert.tbs.to_vec();
            other[20] ^= 1;
            assert!(!verify_signature(cert.spki, &cert.sig_oid, &other, cert.signature));
            let mut forged = cert.signature.to_vec();
            forged[3] ^= 1;
            assert!(!verify_signature(cert.spki, &cert.sig_oid, cert.tbs, &forged));
            assert!(!verify_signature(
                cert.spki,
                "1.2.840.113549.1.1.11",
                cert.tbs,
                cert.signature
            ));
        }
    }

    #[test]
    fn malformed_keys() {
        assert!(!super::verify(&[], "1.2.840.113549.1.1.4", b"", b""));
        assert!(!super::verify(
            &[0x30, 6, 2, 1, 0, 2, 1, 3],
            "1.2.840.113549.1.1.4",
            b"",
            b"x"
        ));
    }
}
