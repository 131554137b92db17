//! Answers that are remembered for as long as they hold, within a bound on their number.
//!
//! Must not know: where answers come from.

use std::time::{Duration, Instant};

use super::generations::Generations;
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

/// Answers, each with the time until which it holds.
pub struct Cache {
    kept: Generations<(Answer, Instant)>,
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
            kept: Generations::of_size(entries),
            counts: Counts::default(),
        }
    }

    pub fn get(&mut self, q: &Question, now: Instant) -> Option<Answer> {
        let (answer, until) = self.kept.remove(q)?;
        if now >= until {
            return None;
        }
        self.kept.insert(q.clone(), (answer.clone(), until));
        Some(answer)
    }

    pub fn put(&mut self, q: &Question, answer: &Answer, holds: Holds, now: Instant) {
        if let Some(time) = holds.time() {
            self.kept.insert(q.clone(), (answer.clone(), now + time));
        }
    }

    /// How many answers there are that hold still.
    pub fn remembered(&self, now: Instant) -> Remembered {
        let mut n = Remembered::default();
        for (q, _) in self.kept.iter().filter(|(_, (_, until))| now < *until) {
            match q {
                Question::Record(_, Kind::Ptr) => n.addresses += 1,
                Question::Record(_, Kind::Txt) => n.texts += 1,
                Question::Record(..) | Question::Host(_) => n.hosts += 1,
            }
        }
        n
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
            assert!(c.kept.len() <= 100);
            assert!(c.get(&question(0), now).is_some(), "{n}");
        }
        assert!(c.get(&question(5000), now).is_none());
    }
}
