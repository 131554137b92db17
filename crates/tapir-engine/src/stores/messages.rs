//! What the master of a store and its clones in other processes tell each other, as events that scripts never see.
//!
//! A clone joins, and the master answers with all entries. Whatever changes a clone wants to make it sends to the master, who
//! makes them and tells all clones of them; what the same changes make of the same entries is the same.

use tapir_data::broker::Data;
use tapir_data::broker::event::EventMessage;

use super::Change;

/// The name of the events.
pub(crate) const EVENT: &str = "Broker::__store_message";

/// A change of a store.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Put(Data, Data),
    Erase(Data),
    Clear,
    Change(Data, Change),
}

/// One message. Times are seconds for which an entry lasts from now on.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// To the master: a clone wants all entries.
    Join,
    /// To the master, and then to all clones.
    Deed(Deed, Option<f64>),
    /// To the master: put this if there is nothing, and say so to who asks.
    Unique(String, u64, Data, Data, Option<f64>),
    /// To a clone: whether something was put.
    Answer(String, u64, bool),
    /// To all clones: all entries.
    State(Vec<(Data, Data, Option<f64>)>),
}

/// The topic on which the master of a store hears its clones.
pub(crate) fn master_topic(store: &str) -> Vec<u8> {
    format!("zeek/broker/store/master/{store}").into_bytes()
}

/// The topic on which clones hear the master.
pub(crate) fn clone_topic(store: &str) -> Vec<u8> {
    format!("zeek/broker/store/clone/{store}").into_bytes()
}

/// The store whose master hears a topic.
pub(crate) fn store_of(topic: &[u8]) -> Option<&str> {
    std::str::from_utf8(topic)
        .ok()?
        .strip_prefix("zeek/broker/store/master/")
}

fn lasts(seconds: Option<f64>) -> Data {
    seconds.map_or(Data::None, Data::Real)
}

fn seconds(d: &Data) -> Option<Option<f64>> {
    match d {
        Data::None => Some(None),
        // What is over at once, or at no time, nobody here would send.
        Data::Real(s) if *s > 0.0 => Some(Some(*s)),
        _ => None,
    }
}

impl Deed {
    fn encode(&self) -> Vec<Data> {
        let (name, args): (&str, Vec<&Data>) = match self {
            Deed::Put(k, v) => ("put", vec![k, v]),
            Deed::Erase(k) => ("erase", vec![k]),
            Deed::Clear => ("clear", vec![]),
            Deed::Change(k, Change::Add(d)) => ("add", vec![k, d]),
            Deed::Change(k, Change::Subtract(d)) => ("subtract", vec![k, d]),
            Deed::Change(k, Change::Append(d)) => ("append", vec![k, d]),
            Deed::Change(k, Change::Insert(d)) => ("insert", vec![k, d]),
            Deed::Change(k, Change::InsertEntry(i, v)) => ("insert-entry", vec![k, i, v]),
            Deed::Change(k, Change::Remove(d)) => ("remove", vec![k, d]),
            Deed::Change(k, Change::Push(d)) => ("push", vec![k, d]),
            Deed::Change(k, Change::Pop) => ("pop", vec![k]),
        };
        std::iter::once(Data::str(name))
            .chain(args.into_iter().cloned())
            .collect()
    }

    fn decode(parts: &[Data]) -> Option<Deed> {
        let (Data::String(name), args) = parts.split_first()? else {
            return None;
        };
        Some(match (name.as_slice(), args) {
            (b"put", [k, v]) => Deed::Put(k.clone(), v.clone()),
            (b"erase", [k]) => Deed::Erase(k.clone()),
            (b"clear", []) => Deed::Clear,
            (b"insert-entry", [k, i, v]) => Deed::Change(k.clone(), Change::InsertEntry(i.clone(), v.clone())),
            (b"pop", [k]) => Deed::Change(k.clone(), Change::Pop),
            (name, [k, d]) => {
                let how: fn(Data) -> Change = match name {
                    b"add" => Change::Add,
                    b"subtract" => Change::Subtract,
                    b"append" => Change::Append,
                    b"insert" => Change::Insert,
                    b"remove" => Change::Remove,
                    b"push" => Change::Push,
                    _ => return None,
                };
                Deed::Change(k.clone(), how(d.clone()))
            }
            _ => return None,
        })
    }
}

impl Message {
    /// The event that carries the message about a store.
    pub(crate) fn event(&self, store: &str) -> EventMessage {
        let (kind, more) = match self {
            Message::Join => ("join", vec![]),
            Message::Deed(deed, t) => ("deed", vec![lasts(*t), Data::Vector(deed.encode())]),
            Message::Unique(who, n, k, v, t) => (
                "unique",
                vec![Data::str(who), Data::Count(*n), k.clone(), v.clone(), lasts(*t)],
            ),
            Message::Answer(who, n, done) => ("answer", vec![Data::str(who), Data::Count(*n), Data::Bool(*done)]),
            Message::State(entries) => {
                let entry = |(k, v, t): &(Data, Data, Option<f64>)| Data::Vector(vec![k.clone(), v.clone(), lasts(*t)]);
                ("state", vec![Data::Vector(entries.iter().map(entry).collect())])
            }
        };
        let mut args = vec![Data::str(store), Data::str(kind)];
        args.extend(more);
        EventMessage::new(EVENT, args)
    }

    /// The store that an event is about, and what it says; `None` for what nobody here would send.
    pub(crate) fn of(event: &EventMessage) -> Option<(String, Message)> {
        let [Data::String(store), Data::String(kind), more @ ..] = &*event.args else {
            return None;
        };
        let text = |s: &[u8]| std::str::from_utf8(s).ok().map(str::to_string);
        let message = match (kind.as_slice(), more) {
            (b"join", []) => Message::Join,
            (b"deed", [t, Data::Vector(deed)]) => Message::Deed(Deed::decode(deed)?, seconds(t)?),
            (b"unique", [Data::String(who), Data::Count(n), k, v, t]) => {
                Message::Unique(text(who)?, *n, k.clone(), v.clone(), seconds(t)?)
            }
            (b"answer", [Data::String(who), Data::Count(n), Data::Bool(done)]) => {
                Message::Answer(text(who)?, *n, *done)
            }
            (b"state", [Data::Vector(entries)]) => {
                let entry = |d: &Data| match d {
                    Data::Vector(parts) => match parts.as_slice() {
                        [k, v, t] => Some((k.clone(), v.clone(), seconds(t)?)),
                        _ => None,
                    },
                    _ => None,
                };
                Message::State(entries.iter().map(entry).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some((text(store)?, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        let (k, v) = (Data::str("k"), Data::Count(3));
        let changes = [
            Change::Add(v.clone()),
            Change::Subtract(v.clone()),
            Change::Append(k.clone()),
            Change::Insert(v.clone()),
            Change::InsertEntry(k.clone(), v.clone()),
            Change::Remove(v.clone()),
            Change::Push(v.clone()),
            Change::Pop,
        ];
        let deeds = changes.map(|c| Deed::Change(k.clone(), c)).into_iter().chain([
            Deed::Put(k.clone(), v.clone()),
            Deed::Erase(k.clone()),
            Deed::Clear,
        ]);
        let others = [
            Message::Join,
            Message::Unique("me".into(), 7, k.clone(), v.clone(), None),
            Message::Answer("me".into(), 7, true),
            Message::State(vec![(k, v, Some(1.5))]),
        ];
        for m in deeds.map(|d| Message::Deed(d, Some(2.0))).chain(others) {
            let (store, again) = Message::of(&m.event("s")).expect("a message");
            assert_eq!((store.as_str(), format!("{again:?}")), ("s", format!("{m:?}")));
        }
    }

    #[test]
    fn other_events_are_none() {
        for args in [
            vec![],
            vec![Data::str("s"), Data::str("sing")],
            vec![Data::str("s"), Data::str("deed"), Data::None, Data::Vector(vec![])],
            vec![
                Data::str("s"),
                Data::str("deed"),
                Data::Real(f64::NAN),
                Data::Vector(vec![Data::str("clear")]),
            ],
            vec![
                Data::str("s"),
                Data::str("deed"),
                Data::Real(-1.0),
                Data::Vector(vec![Data::str("clear")]),
            ],
            vec![Data::str("s"), Data::str("state"), Data::Vector(vec![Data::None])],
        ] {
            assert!(Message::of(&EventMessage::new(EVENT, args)).is_none());
        }
    }
}
