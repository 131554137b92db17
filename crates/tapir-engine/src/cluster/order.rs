//! Events of other nodes that wait until this one has come to the packet at which they were sent.
//!
//! Only where several nodes of one process read a capture: there everybody counts the same packets, and who collects what
//! others see must do so in the order of the capture. Times would not do: many packets may have the same.

use std::collections::BTreeMap;

use tapir_data::broker::event::EventMessage;

/// What waits, by packet and in the order of arrival.
#[derive(Default)]
pub struct Order {
    waiting: BTreeMap<(u64, u64), (Vec<u8>, EventMessage)>,
    n: u64,
}

impl Order {
    /// Keeps an event that was sent at a packet.
    pub fn keep(&mut self, packet: u64, topic: Vec<u8>, event: EventMessage) {
        self.n += 1;
        self.waiting.insert((packet, self.n), (topic, event));
    }

    /// The packet of the first event.
    pub fn first(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(k, _)| k.0)
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
    fn events_come_by_packet_and_by_arrival() {
        let mut order = Order::default();
        for (packet, name) in [(5, "c"), (3, "a"), (5, "d"), (4, "b")] {
            order.keep(packet, Vec::new(), EventMessage::new(name, Vec::new()));
        }
        let mut names = Vec::new();
        while let Some((_, event)) = order.take(4) {
            names.push(event.name);
        }
        assert_eq!((names.concat(), order.first()), ("ab".to_string(), Some(5)));
        while let Some((_, event)) = order.take(u64::MAX) {
            names.push(event.name);
        }
        assert_eq!(names.concat(), "abcd");
    }
}
