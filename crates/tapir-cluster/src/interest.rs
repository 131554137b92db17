//! How much others may subscribe to.
//!
//! Who takes part in a cluster says what it wants to hear, and everybody remembers it. A peer that never ends saying so must not
//! fill the memory of all: its subscriptions are limited in number and in bytes, and those beyond are refused and counted.

use std::collections::HashMap;

/// Prefixes that one peer, or all that are seen through one connection, may subscribe to.
pub const SUBSCRIPTIONS_MAX: usize = 100_000;
/// What these may take together.
pub const SUBSCRIPTION_BYTES_MAX: usize = 64 << 20;
/// Bytes of one prefix: topics are names.
pub const PREFIX_MAX: usize = 64 << 10;

/// Room for subscriptions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    n: usize,
    bytes: usize,
}

impl Room {
    /// Takes room for one more.
    ///
    /// # Errors
    /// Why there is none.
    pub fn take(&mut self, prefix: &[u8]) -> Result<(), &'static str> {
        if prefix.len() > PREFIX_MAX {
            return Err("it is too long for a topic");
        }
        if self.n >= SUBSCRIPTIONS_MAX || self.bytes + prefix.len() > SUBSCRIPTION_BYTES_MAX {
            return Err("there are too many");
        }
        self.n += 1;
        self.bytes += prefix.len();
        Ok(())
    }

    /// Gives back what one took.
    pub fn give_back(&mut self, prefix: &[u8]) {
        self.n = self.n.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(prefix.len());
    }
}

/// Prefixes that are subscribed to, and how often.
#[derive(Debug, Default)]
pub struct Prefixes {
    all: HashMap<Vec<u8>, u64>,
    room: Room,
}

impl Prefixes {
    /// Whether somebody subscribes to a prefix.
    pub fn contains(&self, prefix: &[u8]) -> bool {
        self.all.contains_key(prefix)
    }

    /// Somebody subscribes, once more perhaps.
    ///
    /// # Errors
    /// Why that is too much.
    pub fn add(&mut self, prefix: &[u8]) -> Result<(), &'static str> {
        if let Some(n) = self.all.get_mut(prefix) {
            *n += 1;
            return Ok(());
        }
        self.room.take(prefix)?;
        self.all.insert(prefix.to_vec(), 1);
        Ok(())
    }

    /// One of those who subscribe does so no more. Gives whether there was one.
    pub fn remove(&mut self, prefix: &[u8]) -> bool {
        let Some(n) = self.all.get_mut(prefix) else {
            return false;
        };
        *n -= 1;
        if *n == 0 {
            self.forget(prefix);
        }
        true
    }

    /// Nobody subscribes any more. Gives whether somebody did.
    pub fn forget(&mut self, prefix: &[u8]) -> bool {
        let found = self.all.remove(prefix).is_some();
        if found {
            self.room.give_back(prefix);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_numbers_and_sizes() {
        let mut p = Prefixes::default();
        for i in 0..SUBSCRIPTIONS_MAX {
            assert_eq!(p.add(i.to_string().as_bytes()), Ok(()));
        }
        assert!(p.add(b"one more").is_err());
        // What is there may be said again, and as often be taken back.
        assert_eq!(p.add(b"7"), Ok(()));
        assert!(p.remove(b"7") && p.contains(b"7"));
        assert!(p.remove(b"7") && !p.contains(b"7") && !p.remove(b"7"));
        assert_eq!(p.add(b"one more"), Ok(()));
        assert!(p.add(b"two more").is_err() && !p.forget(b"two more"));

        let mut p = Prefixes::default();
        assert!(p.add(&vec![0; PREFIX_MAX + 1]).is_err());
        let long = |i: usize| [&i.to_be_bytes()[..], &vec![0; PREFIX_MAX - 8]].concat();
        let fit = SUBSCRIPTION_BYTES_MAX / PREFIX_MAX;
        assert!((0..fit).all(|i| p.add(&long(i)).is_ok()));
        assert!(p.add(b"x").is_err());
        assert!(p.forget(&long(3)) && p.add(b"x").is_ok());
    }
}
