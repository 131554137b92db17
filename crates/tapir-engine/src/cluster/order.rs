//! Events of other nodes that wait until this one's clock has come to the moment at which they were sent.
//!
//! Only where several nodes of one process read a capture: there everybody has the same clock, and who collects what others
//! see must do so in the order of the capture.

use std::collections::BTreeMap;

use tapir_data::broker::event::EventMessage;

/// What waits, by time in nanoseconds and in the order of arrival.
#[derive(Default)]
pub struct Order {
    waiting: BTreeMap<(i64, u64), (Vec<u8>, EventMessage)>,
    n: u64,
}

impl Order {
    /// Keeps an event that was sent at a time.
    pub fn keep(&mut self, time: i64, topic: Vec<u8>, event: EventMessage) {
        self.n += 1;
        self.waiting.insert((time, self.n), (topic, event));
    }

    /// The time of the first event.
    pub fn first(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|(k, _)| k.0)
    }

    /// Takes the first event if it was sent at a time or before it.
    pub fn take(&mut self, time: i64) -> Option<(Vec<u8>, EventMessage)> {
        self.first().filter(|first| *first <= time)?;
        self.waiting.pop_first().map(|(_, event)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_by_arrival() {
        let mut order = Order::default();
        for (time, name) in [(5, "c"), (3, "a"), (5, "d"), (4, "b")] {
            order.keep(time, Vec::new(), EventMessage::new(name, Vec::new()));
        }
        let mut names = Vec::new();
        while let Some((_, event)) = order.take(4) {
            names.push(event.name);
        }
        assert_eq!((names.concat(), order.first()), ("ab".to_string(), Some(5)));
        while let Some((_, event)) = order.take(i64::MAX) {
            names.push(event.name);
        }
        assert_eq!(names.concat(), "abcd");
    }
}
