//! Random numbers, unique ids and the keys of keyed hashes; seeded per machine.

use std::hash::{BuildHasher, Hasher};

use tapir_data::value::Value;
use tapir_vm::{CallCtx, Vm};

use crate::util::*;

pub const FAMILY: Family = &[
    ("rand", rand),
    ("srand", srand),
    ("unique_id", unique_id),
    ("unique_id_from", unique_id_from),
];

/// The random state of a machine. Unseeded, it starts from the operating system's randomness.
pub struct Random {
    numbers: u64,
    ids: u64,
    /// Key of the HMAC functions.
    pub key: [u8; 32],
}

impl Default for Random {
    fn default() -> Self {
        let mut h = std::hash::RandomState::new().build_hasher();
        h.write_u64(0);
        Random::seeded(h.finish())
    }
}

impl Random {
    /// A state that repeats for the same seed.
    pub fn seeded(seed: u64) -> Self {
        let mut s = seed;
        let mut key = [0; 32];
        for part in key.as_chunks_mut::<8>().0 {
            *part = next(&mut s).to_le_bytes();
        }
        Random {
            numbers: next(&mut s),
            ids: next(&mut s),
            key,
        }
    }

    /// A random number of 64 bits.
    pub fn number(&mut self) -> u64 {
        next(&mut self.numbers)
    }
}

/// Makes a machine's random numbers, ids and keyed hashes repeatable.
pub fn seed(vm: &mut Vm, seed: u64) {
    *vm.state::<Random>() = Random::seeded(seed);
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn rand(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let max = a.count(0)?;
    let n = ctx.vm.state::<Random>().number();
    // The high half of the product is uniform enough over any range.
    Ok(Value::Count(((n as u128 * max as u128) >> 64) as u64))
}

fn srand(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let seed = a.count(0)?;
    ctx.vm.state::<Random>().numbers = seed;
    Ok(Value::Unset)
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A number in base 62, least significant digit first.
pub fn base62(mut n: u64, out: &mut Vec<u8>) {
    loop {
        out.push(DIGITS[(n % 62) as usize]);
        n /= 62;
        if n == 0 {
            break;
        }
    }
}

fn unique(ctx: &mut CallCtx<'_>, prefix: &[u8], pool: i64) -> Value {
    let bits = match ctx.vm.global_value("bits_per_uid") {
        Some(Value::Count(n)) => n.clamp(1, 128),
        _ => 96,
    };
    let random = ctx.vm.state::<Random>();
    let mut out = prefix.to_vec();
    let mut left = bits;
    while left > 0 {
        let take = left.min(64);
        let n = next(&mut random.ids) ^ (pool as u64).rotate_left(17);
        base62(if take == 64 { n } else { n & ((1 << take) - 1) }, &mut out);
        left -= take;
    }
    string(out)
}

fn unique_id(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let prefix = a.str(0)?.clone();
    Ok(unique(ctx, &prefix, 0))
}

fn unique_id_from(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (pool, prefix) = (a.int(0)?, a.str(1)?.clone());
    Ok(unique(ctx, &prefix, pool))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_repeat() {
        let (mut a, mut b) = (Random::seeded(7), Random::seeded(7));
        assert_eq!((a.key, a.number()), (b.key, b.number()));
        assert_ne!(Random::seeded(8).key, a.key);
    }
}
