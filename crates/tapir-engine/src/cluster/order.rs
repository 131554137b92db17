//! Events of other nodes that wait until this one has come to the packet at which they were sent.
//!
//! Only where several nodes of one process read a capture: there everybody counts the same packets, and who collects what
//! others see must do so in the order of the capture. Times would not do: many packets may have the same.

use std::collections::BTreeMap;

use tapir_data::broker::event::EventMessage;

/// When something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The packet that had come last; [`LAST_WORDS`] when the capture was over.
    pub packet: u64,
    /// When it was due, in nanoseconds since the epoch, if that was not the time of the packet. One node runs what is due in this
    /// order, and before it looks at the packet.
    pub due: u64,
}

/// The packet of what nodes say when the capture is over.
pub const LAST_WORDS: u64 = u64::MAX - 1;
/// For what comes from a packet itself.
pub const NOT_DUE: u64 = u64::MAX;

/// What waits, by its moment and in the order of arrival.
#[derive(Default)]
pub struct Order {
    waiting: BTreeMap<(Moment, u64), (Vec<u8>, EventMessage)>,
    n: u64,
}

impl Order {
    /// Keeps an event that was sent at a moment.
    pub fn keep(&mut self, sent: Moment, topic: Vec<u8>, event: EventMessage) {
        self.n += 1;
        self.waiting.insert((sent, self.n), (topic, event));
    }

    /// The packet of the first event.
    pub fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(k, _)| k.0.packet)
    }

    /// Takes the first event if it was sent at a packet or before it.
    pub fn take(&mut self, packet: u64) -> Option<(Vec<u8>, EventMessage)> {
        self.first().filter(|first| *first <= packet)?;
        self.waiting.pop_first().map(|(_, event)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_packet_by_when_they_were_due_and_by_arrival() {
        let mut order = Order::default();
        let all = [
            (5, NOT_DUE, "e"),
            (3, NOT_DUE, "a"),
            (5, 8, "d"),
            (5, NOT_DUE, "f"),
            (5, 7, "c"),
            (4, 9, "b"),
        ];
        for (packet, due, name) in all {
            order.keep(Moment { packet, due }, Vec::new(), EventMessage::new(name, Vec::new()));
        }
        let mut names = Vec::new();
        while let Some((_, event)) = order.take(4) {
            names.push(event.name);
        }
        assert_eq!((names.concat(), order.first()), ("ab".to_string(), Some(5)));
        while let Some((_, event)) = order.take(u64::MAX) {
            names.push(event.name);
        }
        assert_eq!(names.concat(), "abcdef");
    }
}
