//! Answers that are remembered for as long as they hold, within a bound on their number.
//!
//! Must not know: where answers come from.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::queries::Question;
use super::wire::{Answer, Kind};

/// Answers that are kept; each takes some hundred bytes.
const ENTRIES: usize = 20_000;

/// The bounds of how long an answer is kept. Scripts ask for the same again and again, which a server that gives no
/// time need not hear each time; and no server binds us for longer than a day.
const FOUND: [u64; 2] = [10, 86_400];
/// RFC 2308 5 wants one to three hours at most; 7.1 five minutes for failures.
const NOTHING: [u64; 2] = [10, 3600];
const FAILED: u64 = 30;
/// The system does not say for how long its answers hold.
const HOST_FOUND: u64 = 60;
const HOST_NOTHING: u64 = 10;

/// How long an answer holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// It was found, and the server says how many seconds.
    Found(u32),
    /// It does not exist; the server may have said for how many seconds that is so.
    Nothing(Option<u32>),
    /// Servers that answer other questions do not answer this one.
    Failed,
    /// The system says so.
    Host { found: bool },
    /// Nobody could be reached: next time may be different.
    Not,
}

impl Holds {
    fn time(self) -> Option<Duration> {
        let within = |n: u64, [least, most]: [u64; 2]| n.clamp(least, most);
        Some(Duration::from_secs(match self {
            Holds::Found(ttl) => within(ttl.into(), FOUND),
            Holds::Nothing(ttl) => within(ttl.unwrap_or(0).into(), NOTHING),
            Holds::Failed => FAILED,
            Holds::Host { found: true } => HOST_FOUND,
            Holds::Host { found: false } => HOST_NOTHING,
            Holds::Not => return None,
        }))
    }
}

/// What became of questions that were not answered from memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub asked: u64,
    pub found: u64,
    /// Nobody could be reached, or servers said no.
    pub failed: u64,
}

/// Answers that are remembered, by what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Addresses of hosts.
    pub hosts: u64,
    /// Names of addresses.
    pub addresses: u64,
    pub texts: u64,
}

/// Answers in two generations: when the younger is full it becomes the older, whose entries are gone unless they are
/// asked for.
pub struct Cache {
    young: HashMap<Question, (Answer, Instant)>,
    old: HashMap<Question, (Answer, Instant)>,
    half: usize,
    pub counts: Counts,
}

impl Default for Cache {
    fn default() -> Self {
        Cache::of_size(ENTRIES)
    }
}

impl Cache {
    fn of_size(entries: usize) -> Self {
        Cache {
            young: HashMap::new(),
            old: HashMap::new(),
            half: entries.div_ceil(2),
            counts: Counts::default(),
        }
    }

    pub fn get(&mut self, q: &Question, now: Instant) -> Option<Answer> {
        if let Some((answer, until)) = self.young.get(q) {
            return (now < *until).then(|| answer.clone());
        }
        let (answer, until) = self.old.remove(q)?;
        if now >= until {
            return None;
        }
        self.insert(q.clone(), answer.clone(), until);
        Some(answer)
    }

    pub fn put(&mut self, q: &Question, answer: &Answer, holds: Holds, now: Instant) {
        if let Some(time) = holds.time() {
            self.insert(q.clone(), answer.clone(), now + time);
        }
    }

    /// How many answers there are that hold still.
    pub fn remembered(&self, now: Instant) -> Remembered {
        let mut n = Remembered::default();
        let both = self.young.iter().chain(&self.old);
        for (q, _) in both.filter(|(_, (_, until))| now < *until) {
            match q {
                Question::Record(_, Kind::Ptr) => n.addresses += 1,
                Question::Record(_, Kind::Txt) => n.texts += 1,
                Question::Record(..) | Question::Host(_) => n.hosts += 1,
            }
        }
        n
    }

    fn insert(&mut self, q: Question, answer: Answer, until: Instant) {
        if self.young.len() >= self.half && !self.young.contains_key(&q) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(q, (answer, until));
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Name;
    use super::*;

    fn question(n: usize) -> Question {
        Question::Record(Name::parse(format!("n{n}.example").as_bytes()).unwrap(), Kind::Txt)
    }

    #[test]
    fn answers_hold_for_their_time() {
        let (mut c, now) = (Cache::default(), Instant::now());
        let later = |s| now + Duration::from_secs(s);
        let mut check = |holds, seconds: u64| {
            c.put(&question(1), &Answer::Failed, holds, now);
            assert_eq!(
                c.get(&question(1), later(seconds - 1)),
                Some(Answer::Failed),
                "{holds:?}"
            );
            assert_eq!(c.get(&question(1), later(seconds)), None, "{holds:?}");
        };
        check(Holds::Found(0), 10);
        check(Holds::Found(300), 300);
        check(Holds::Found(u32::MAX), 86_400);
        check(Holds::Nothing(None), 10);
        check(Holds::Nothing(Some(900)), 900);
        check(Holds::Nothing(Some(90_000)), 3600);
        check(Holds::Failed, 30);
        c.put(&question(2), &Answer::Failed, Holds::Not, now);
        assert_eq!(c.get(&question(2), now), None);
    }

    #[test]
    fn their_number_is_bounded_and_the_used_stay() {
        let (mut c, now) = (Cache::of_size(100), Instant::now());
        for n in 0..10_000 {
            c.put(&question(n), &Answer::Failed, Holds::Found(300), now);
            assert!(c.young.len() + c.old.len() <= 100);
            assert!(c.get(&question(0), now).is_some(), "{n}");
        }
        assert!(c.get(&question(5000), now).is_none());
    }
}
