//! What the master of a store and its clones in other processes tell each other, as events that scripts never see.
//!
//! A clone joins: it asks for entries, part by part, and the master sends them on the topic of the clone's process, so nobody
//! else hears of it. Whatever changes a clone wants to make it sends to the master, who makes them and tells all clones of them;
//! what the same changes make of the same entries is the same. The master numbers what it tells: who misses a number, for
//! messages do get lost, asks for the entries anew.

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

/// A key, its value, and the seconds for which they last.
pub(crate) type Item = (Data, Data, Option<f64>);

/// Up to where a clone has heard of changes: the node id of the master, and how many it has told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub master: String,
    pub n: u64,
}

/// One message. Times are seconds for which an entry lasts from now on; clones are named by the ids of their nodes.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// To the master: this clone wants the entries behind a key, or from the first one.
    Join(String, Option<Data>),
    /// To the master: do this.
    Deed(Deed, Option<f64>),
    /// To the master: put this if there is nothing, and say so to who asks.
    Unique(String, u64, Data, Data, Option<f64>),
    /// To the master: this clone has heard of so much.
    Check(String, Heard),
    /// To all clones: this was done, as the last of what was told.
    Done(Heard, Deed, Option<f64>),
    /// To a clone: whether something was put.
    Answer(u64, bool),
    /// To a clone: entries behind a key, and whether they are the last.
    Part(Heard, Option<Data>, Vec<Item>, bool),
    /// To a clone that has missed something: so much was told.
    Told(Heard),
}

/// The topic on which the master of a store hears its clones.
pub(crate) fn master_topic(store: &str) -> Vec<u8> {
    format!("zeek/broker/store/master/{store}").into_bytes()
}

/// The topic on which clones hear the master.
pub(crate) fn clone_topic(store: &str) -> Vec<u8> {
    format!("zeek/broker/store/clone/{store}").into_bytes()
}

/// The topic on which the clones of one node hear what is for them alone. It ends so that no id is the beginning of another.
pub(crate) fn own_topic(node_id: &str) -> Vec<u8> {
    format!("{OWN}{node_id}/").into_bytes()
}

const OWN: &str = "zeek/broker/store/node/";

/// The node whose clones hear a topic.
pub(crate) fn node_of(topic: &[u8]) -> Option<&str> {
    std::str::from_utf8(topic).ok()?.strip_prefix(OWN)?.strip_suffix('/')
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

impl Heard {
    fn encode(&self) -> Data {
        Data::Vector(vec![Data::str(&self.master), Data::Count(self.n)])
    }

    fn decode(d: &Data) -> Option<Heard> {
        match d {
            Data::Vector(parts) => match parts.as_slice() {
                [Data::String(master), Data::Count(n)] => Some(Heard {
                    master: text(master)?,
                    n: *n,
                }),
                _ => None,
            },
            _ => None,
        }
    }
}

fn text(s: &[u8]) -> Option<String> {
    std::str::from_utf8(s).ok().map(str::to_string)
}

/// What need not be there, as any data may be a key.
fn perhaps(d: Option<&Data>) -> Data {
    Data::Vector(d.cloned().into_iter().collect())
}

fn is_there(d: &Data) -> Option<Option<Data>> {
    match d {
        Data::Vector(parts) => match parts.as_slice() {
            [] => Some(None),
            [one] => Some(Some(one.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn item((k, v, t): &Item) -> Data {
    Data::Vector(vec![k.clone(), v.clone(), lasts(*t)])
}

fn item_of(d: &Data) -> Option<Item> {
    match d {
        Data::Vector(parts) => match parts.as_slice() {
            [k, v, t] => Some((k.clone(), v.clone(), seconds(t)?)),
            _ => None,
        },
        _ => None,
    }
}

impl Message {
    /// The event that carries the message about a store.
    pub(crate) fn event(&self, store: &str) -> EventMessage {
        let (kind, more) = match self {
            Message::Join(who, after) => ("join", vec![Data::str(who), perhaps(after.as_ref())]),
            Message::Deed(deed, t) => ("deed", vec![lasts(*t), Data::Vector(deed.encode())]),
            Message::Unique(who, n, k, v, t) => (
                "unique",
                vec![Data::str(who), Data::Count(*n), k.clone(), v.clone(), lasts(*t)],
            ),
            Message::Check(who, heard) => ("check", vec![Data::str(who), heard.encode()]),
            Message::Done(heard, deed, t) => ("done", vec![heard.encode(), lasts(*t), Data::Vector(deed.encode())]),
            Message::Answer(n, done) => ("answer", vec![Data::Count(*n), Data::Bool(*done)]),
            Message::Part(heard, after, items, last) => {
                let items = Data::Vector(items.iter().map(item).collect());
                (
                    "part",
                    vec![heard.encode(), perhaps(after.as_ref()), items, Data::Bool(*last)],
                )
            }
            Message::Told(heard) => ("told", vec![heard.encode()]),
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
        let message = match (kind.as_slice(), more) {
            (b"join", [Data::String(who), after]) => Message::Join(text(who)?, is_there(after)?),
            (b"deed", [t, Data::Vector(deed)]) => Message::Deed(Deed::decode(deed)?, seconds(t)?),
            (b"unique", [Data::String(who), Data::Count(n), k, v, t]) => {
                Message::Unique(text(who)?, *n, k.clone(), v.clone(), seconds(t)?)
            }
            (b"check", [Data::String(who), heard]) => Message::Check(text(who)?, Heard::decode(heard)?),
            (b"done", [heard, t, Data::Vector(deed)]) => {
                Message::Done(Heard::decode(heard)?, Deed::decode(deed)?, seconds(t)?)
            }
            (b"answer", [Data::Count(n), Data::Bool(done)]) => Message::Answer(*n, *done),
            (b"part", [heard, after, Data::Vector(items), Data::Bool(last)]) => {
                let items = items.iter().map(item_of).collect::<Option<_>>()?;
                Message::Part(Heard::decode(heard)?, is_there(after)?, items, *last)
            }
            (b"told", [heard]) => Message::Told(Heard::decode(heard)?),
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
        let heard = Heard {
            master: "it".into(),
            n: 4,
        };
        let others = [
            Message::Join("me".into(), None),
            Message::Join("me".into(), Some(Data::None)),
            Message::Unique("me".into(), 7, k.clone(), v.clone(), None),
            Message::Check("me".into(), heard.clone()),
            Message::Done(heard.clone(), Deed::Clear, Some(2.5)),
            Message::Answer(7, true),
            Message::Part(heard.clone(), Some(k.clone()), vec![(k, v, Some(1.5))], false),
            Message::Told(heard),
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
            vec![Data::str("s"), Data::str("told"), Data::Vector(vec![Data::None])],
            vec![
                Data::str("s"),
                Data::str("join"),
                Data::str("me"),
                Data::Vector(vec![Data::None; 2]),
            ],
        ] {
            assert!(Message::of(&EventMessage::new(EVENT, args)).is_none());
        }
    }

    #[test]
    fn topics_name_a_node_or_a_store() {
        assert_eq!(node_of(&own_topic("a/b")), Some("a/b"));
        assert!(!own_topic("a1").starts_with(&own_topic("a")));
        assert_eq!(node_of(&clone_topic("a/")), None);
        assert_eq!(store_of(&master_topic("s")), Some("s"));
        assert_eq!(store_of(&own_topic("s")), None);
    }
}
