//! Digests under way, as they travel between nodes: in the form of OpenSSL's contexts.
//!
//! Spec: cluster protocol, "Zeek type ↔ encoding", opaque data; the public structures of OpenSSL's headers for machines with
//! their low bytes first: the words of the state, the number of bits in two words, the bytes that fill no block yet, their
//! number, and for SHA-2 the length of the result.

use sha2::digest::common::hazmat::{SerializableState, SerializedState};

/// What there is to know about a context.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Bytes of the state.
    state: usize,
    /// Bytes of a block.
    block: usize,
    /// Bytes of the result, where the context says it.
    result: Option<u32>,
}

pub const MD5: Layout = Layout::new(16, 64, None);
pub const SHA1: Layout = Layout::new(20, 64, None);
pub const SHA224: Layout = Layout::new(32, 64, Some(28));
pub const SHA256: Layout = Layout::new(32, 64, Some(32));
pub const SHA384: Layout = Layout::new(64, 128, Some(48));
pub const SHA512: Layout = Layout::new(64, 128, Some(64));

impl Layout {
    const fn new(state: usize, block: usize, result: Option<u32>) -> Self {
        Layout { state, block, result }
    }

    /// Bytes of a number of blocks or bits.
    fn counter(self) -> usize {
        self.block / 8
    }

    fn size(self) -> usize {
        self.state + self.counter() + self.block + 4 + if self.result.is_some() { 4 } else { 0 }
    }
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u128::from(*b))
}

/// The context of a digest.
pub fn context<D: SerializableState>(digest: &D, layout: Layout) -> Vec<u8> {
    // The state's words, the number of blocks, how many bytes wait and a block with them.
    let own = digest.serialize();
    let (state, rest) = own.split_at(layout.state);
    let (blocks, rest) = rest.split_at(layout.counter());
    let waiting = rest.first().copied().unwrap_or(0);
    let bytes = number(blocks).wrapping_mul(layout.block as u128) + u128::from(waiting);
    let mut out = state.to_vec();
    out.extend_from_slice(&(bytes.wrapping_mul(8)).to_le_bytes()[..layout.counter()]);
    out.extend_from_slice(&rest[1..]);
    out.resize(layout.state + layout.counter() + layout.block, 0);
    out.extend(u32::from(waiting).to_le_bytes());
    out.extend(layout.result.into_iter().flat_map(u32::to_le_bytes));
    out
}

/// The digest of a context; `None` when it is none of its kind.
pub fn digest<D: SerializableState>(context: &[u8], layout: Layout) -> Option<D> {
    if context.len() != layout.size() {
        return None;
    }
    let (state, rest) = context.split_at(layout.state);
    let (bits, rest) = rest.split_at(layout.counter());
    let (block, rest) = rest.split_at(layout.block);
    let waiting = number(&rest[..4]) as usize;
    let bytes = number(bits) / 8;
    let result = layout.result.map(u128::from);
    if waiting >= layout.block
        || bytes % layout.block as u128 != waiting as u128
        || result.is_some_and(|r| number(&rest[4..]) != r)
    {
        return None;
    }
    let mut own = SerializedState::<D>::default();
    let blocks = bytes / layout.block as u128;
    let mut text = state.to_vec();
    text.extend_from_slice(&blocks.to_le_bytes()[..layout.counter()]);
    text.push(waiting as u8);
    text.extend_from_slice(&block[..waiting]);
    own.get_mut(..text.len())?.copy_from_slice(&text);
    D::deserialize(&own).ok()
}

#[cfg(test)]
mod tests {
    use md5::Md5;
    use sha1::Sha1;
    use sha2::digest::Digest;
    use sha2::{Sha224, Sha256, Sha384, Sha512};

    use super::*;

    fn there_and_back<D: Digest + SerializableState + Clone>(layout: Layout) {
        for n in [0, 1, 63, 64, 65, 127, 128, 1000] {
            let text: Vec<u8> = (0..n).map(|i| i as u8).collect();
            let mut d = D::new();
            d.update(&text);
            let bytes = context(&d, layout);
            assert_eq!(bytes.len(), layout.size());
            let mut back: D = digest(&bytes, layout).expect("a context");
            d.update(b"more");
            back.update(b"more");
            assert!(d.finalize() == back.finalize(), "{n}");
            assert!(digest::<D>(&bytes[1..], layout).is_none());
        }
    }

    #[test]
    fn contexts_are_those_of_openssl() {
        there_and_back::<Md5>(MD5);
        there_and_back::<Sha1>(SHA1);
        there_and_back::<Sha224>(SHA224);
        there_and_back::<Sha256>(SHA256);
        there_and_back::<Sha384>(SHA384);
        there_and_back::<Sha512>(SHA512);
        // MD5_CTX after "abc": the first state, 24 bits, the text, three bytes that wait.
        let mut d = Md5::new();
        d.update(b"abc");
        let mut known = vec![
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 24, 0, 0,
            0, 0, 0, 0, 0, b'a', b'b', b'c',
        ];
        known.resize(16 + 8 + 64, 0);
        known.extend([3, 0, 0, 0]);
        assert_eq!(context(&d, MD5), known);
        assert_eq!([MD5, SHA1, SHA256, SHA512].map(Layout::size), [92, 96, 112, 216]);
        // One byte waits, but 24 bits were taken in.
        known[88] = 1;
        assert!(digest::<Md5>(&known, MD5).is_none());
        known[88] = 200;
        assert!(digest::<Md5>(&known, MD5).is_none());
    }
}
