//! Ids of nodes, which are new for each start of a process.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

/// Random bits from the system; where it gives none, from clock, process and a counter, which is enough to be unique.
fn random96() -> u128 {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes[..12]));
    if read.is_err() {
        static SEQUENCE: AtomicU64 = AtomicU64::new(0);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        let n = SEQUENCE.fetch_add(1, Ordering::Relaxed) as u128;
        return now << 32 ^ (std::process::id() as u128) << 8 ^ n;
    }
    u128::from_le_bytes(bytes)
}

/// A random id of 96 bits in digits and letters.
fn uid() -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut n = random96();
    let mut out = String::new();
    while n > 0 || out.is_empty() {
        out.push(DIGITS[(n % 62) as usize] as char);
        n /= 62;
    }
    out
}

/// An id for a node: kind of backend, name, host, process and a random part.
pub fn node_id(backend: &str, name: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{backend}_{name}_{host}_{}_N{}", std::process::id(), uid())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ_and_have_the_form() {
        let (a, b) = (
            super::node_id("zeromq", "worker-1"),
            super::node_id("zeromq", "worker-1"),
        );
        assert_ne!(a, b);
        assert!(a.starts_with("zeromq_worker-1_"));
        assert!(a.rsplit('_').next().is_some_and(|t| t.starts_with('N') && t.len() > 8));
    }
}
