//! What look-ups said the last time they were done, long after that holds no more: so it can be told what has changed.
//!
//! Must not know: where answers come from, and what is told to scripts.

use std::sync::Arc;
use std::time::Instant;

use tapir_data::value::Addr;

use super::cache::Holds;
use super::generations::Generations;
use super::queries::Question;
use super::wire::{Answer, Kind};

/// Look-ups that are remembered, each with some hundred bytes.
const ENTRIES: usize = 20_000;

/// What a look-up gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// The name of an address.
    Name(Arc<[u8]>),
    /// The addresses of a host, in order.
    Addrs(Arc<[Addr]>),
    /// An answer, which says that there is none.
    Nothing,
    /// No answer.
    Silence,
}

impl Said {
    pub fn of(answer: &Answer, holds: Holds) -> Said {
        match (answer, holds) {
            (Answer::Text(name), _) => Said::Name(name.clone()),
            (Answer::Addrs(all), _) => Said::Addrs(all.clone()),
            (Answer::Failed, Holds::Nothing(_) | Holds::Host { found: false }) => Said::Nothing,
            (Answer::Failed, _) => Said::Silence,
        }
    }

    pub fn is_found(&self) -> bool {
        matches!(self, Said::Name(_) | Said::Addrs(_))
    }
}

/// A look-up of what was looked up before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    /// When the one before was done, and what it said.
    pub before: (Instant, Said),
    pub now: (Instant, Said),
}

/// The last look-ups of hosts and addresses.
pub struct Past(Generations<(Instant, Said)>);

impl Default for Past {
    fn default() -> Self {
        Past(Generations::of_size(ENTRIES))
    }
}

impl Past {
    /// Notes what a look-up has said. Gives what is to be told of it: nothing the first time.
    pub fn note(&mut self, q: &Question, said: Said, now: Instant) -> Option<News> {
        if !matches!(q, Question::Host(_) | Question::Record(_, Kind::Ptr)) {
            return None;
        }
        let before = self.0.remove(q);
        self.0.insert(q.clone(), (now, said.clone()));
        before.map(|before| News {
            before,
            now: (now, said),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_is_remembered_within_bounds() {
        let (mut past, now) = (Past::default(), Instant::now());
        let host = |n: usize| Question::Host(format!("h{n}.example").into());
        let found = Said::Addrs([Addr::v4([192, 0, 2, 1])].into());
        assert_eq!(past.note(&host(0), found.clone(), now), None);
        let news = past.note(&host(0), Said::Nothing, now).unwrap();
        assert_eq!((news.before.1, news.now.1), (found.clone(), Said::Nothing));
        for n in 0..3 * ENTRIES {
            past.note(&host(n), found.clone(), now);
            assert!(past.0.len() <= ENTRIES);
        }
        assert_eq!(past.note(&host(0), found.clone(), now), None);
        assert!(past.note(&host(3 * ENTRIES - 1), found, now).is_some());
    }
}
