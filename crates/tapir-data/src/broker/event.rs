//! The envelope in which events travel.

use std::sync::Arc;

use super::Data;

/// The metadata id of the network timestamp.
pub const NETWORK_TIMESTAMP: u64 = 1;

/// An event on its way: name, arguments, metadata by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    pub name: Arc<str>,
    /// Shared: an event for several nodes of one process is one.
    pub args: Arc<[Data]>,
    pub metadata: Vec<(u64, Data)>,
}

impl EventMessage {
    /// An event without metadata.
    pub fn new(name: impl Into<Arc<str>>, args: Vec<Data>) -> Self {
        EventMessage {
            name: name.into(),
            args: args.into(),
            metadata: Vec::new(),
        }
    }

    /// The envelope.
    pub fn to_data(&self) -> Data {
        let mut content = vec![Data::str(&*self.name), Data::Vector(self.args.to_vec())];
        if !self.metadata.is_empty() {
            let pair = |(id, v): &(u64, Data)| Data::Vector(vec![Data::Count(*id), v.clone()]);
            content.push(Data::Vector(self.metadata.iter().map(pair).collect()));
        }
        Data::Vector(vec![Data::Count(1), Data::Count(1), Data::Vector(content)])
    }

    /// An event out of its envelope; `None` when the shape is another.
    pub fn from_data(d: Data) -> Option<Self> {
        let Data::Vector(parts) = d else {
            return None;
        };
        let [Data::Count(1), Data::Count(1), Data::Vector(content)] = <[Data; 3]>::try_from(parts).ok()? else {
            return None;
        };
        let mut content = content.into_iter();
        let (Some(Data::String(name)), Some(Data::Vector(args))) = (content.next(), content.next()) else {
            return None;
        };
        let mut metadata = Vec::new();
        match content.next() {
            None => {}
            Some(Data::Vector(pairs)) => {
                for pair in pairs {
                    let Data::Vector(pair) = pair else {
                        return None;
                    };
                    match <[Data; 2]>::try_from(pair).ok()? {
                        [Data::Count(id), v] => metadata.push((id, v)),
                        _ => return None,
                    }
                }
            }
            Some(_) => return None,
        }
        Some(EventMessage {
            name: std::str::from_utf8(&name).ok()?.into(),
            args: args.into(),
            metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::binary;
    use super::*;

    #[test]
    fn known_event() {
        let e = EventMessage::new("Cluster::hello", vec![Data::str("w9"), Data::str("id-7")]);
        let bytes = binary::to_bytes(&e.to_data());
        assert_eq!(bytes.len(), 50);
        assert_eq!(&bytes[20..23], [0x0e, 2, 5]);
        assert_eq!(EventMessage::from_data(e.to_data()), Some(e.clone()));
        let mut timed = e;
        timed.metadata.push((NETWORK_TIMESTAMP, Data::Timestamp(5)));
        assert_eq!(EventMessage::from_data(timed.to_data()), Some(timed));
        assert_eq!(EventMessage::from_data(Data::Vector(vec![Data::Count(1)])), None);
    }
}
