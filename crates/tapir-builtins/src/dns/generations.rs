//! A bounded memory of what was asked, in two generations: when the younger is full it becomes the older, whose entries are
//! gone unless they come up again.

use std::collections::HashMap;

use super::queries::Question;

/// What is kept for each question.
pub struct Generations<V> {
    young: HashMap<Question, V>,
    old: HashMap<Question, V>,
    half: usize,
}

impl<V> Generations<V> {
    /// For so many entries; an odd number allows for one more.
    pub fn of_size(entries: usize) -> Self {
        Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            half: entries.div_ceil(2),
        }
    }

    /// Takes out what is kept for a question.
    pub fn remove(&mut self, q: &Question) -> Option<V> {
        self.young.remove(q).or_else(|| self.old.remove(q))
    }

    /// Keeps something for a question, in the place of what was there.
    pub fn insert(&mut self, q: Question, v: V) {
        self.remove(&q);
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(q, v);
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// All that there is, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Question, &V)> {
        self.young.iter().chain(&self.old)
    }
}
