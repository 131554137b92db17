//! Signed certificate timestamps (RFC 6962): lists as they stand in certificates, OCSP responses and TLS.

/// One timestamp.
#[derive(Clone, Copy, Debug)]
pub struct Sct<'a> {
    pub version: u8,
    pub log_id: &'a [u8],
    /// Milliseconds since the epoch.
    pub timestamp: u64,
    pub extensions: &'a [u8],
    pub hash_algorithm: u8,
    pub signature_algorithm: u8,
    pub signature: &'a [u8],
}

/// Reads a list with its two length bytes. Stops at the first entry that does not parse; the flag says whether all did.
pub fn parse_list(data: &[u8]) -> (Vec<Sct<'_>>, bool) {
    let mut out = Vec::new();
    let Some(mut rest) = vector(data).map(|(v, _)| v) else {
        return (out, false);
    };
    while !rest.is_empty() {
        let Some((entry, after)) = vector(rest) else {
            return (out, false);
        };
        match parse(entry) {
            Some(s) => out.push(s),
            None => return (out, false),
        }
        rest = after;
    }
    (out, true)
}

fn parse(e: &[u8]) -> Option<Sct<'_>> {
    let version = *e.first()?;
    let log_id = e.get(1..33)?;
    let timestamp = u64::from_be_bytes(e.get(33..41)?.try_into().ok()?);
    let (extensions, rest) = vector(e.get(41..)?)?;
    let (hash_algorithm, signature_algorithm) = (*rest.first()?, *rest.get(1)?);
    let (signature, _) = vector(rest.get(2..)?)?;
    Some(Sct {
        version,
        log_id,
        timestamp,
        extensions,
        hash_algorithm,
        signature_algorithm,
        signature,
    })
}

/// A vector with a two-byte length, and what follows.
fn vector(d: &[u8]) -> Option<(&[u8], &[u8])> {
    let n = usize::from(u16::from_be_bytes([*d.first()?, *d.get(1)?]));
    Some((d.get(2..2 + n)?, &d[2 + n..]))
}
