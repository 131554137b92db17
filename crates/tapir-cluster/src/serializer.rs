//! Event serializers: the forms in which events travel, by the name that goes with them.

use tapir_data::broker::event::EventMessage;
use tapir_data::broker::{binary, json};

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventSerializer {
    /// `broker-bin-v1`.
    #[default]
    BrokerBinV1,
    /// `broker-json-v1`.
    BrokerJsonV1,
}

impl EventSerializer {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            EventSerializer::BrokerBinV1 => "broker-bin-v1",
            EventSerializer::BrokerJsonV1 => "broker-json-v1",
        }
    }

    /// Appends an event in its envelope.
    pub fn encode(self, event: &EventMessage, out: &mut Vec<u8>) {
        match self {
            EventSerializer::BrokerBinV1 => binary::encode_event(event, out),
            EventSerializer::BrokerJsonV1 => json::encode(&event.to_data(), out),
        }
    }

    /// How many bytes an event takes in its envelope.
    pub fn size(self, event: &EventMessage) -> usize {
        let mut out = Vec::with_capacity(256);
        self.encode(event, &mut out);
        out.len()
    }

    /// Reads an event out of its envelope.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(self, bytes: &[u8]) -> Result<EventMessage, String> {
        let data = match self {
            EventSerializer::BrokerBinV1 => binary::decode(bytes),
            EventSerializer::BrokerJsonV1 => json::decode(bytes),
        };
        let data = data.map_err(|e| e.to_string())?;
        EventMessage::from_data(data).ok_or_else(|| "not the envelope of an event".into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use tapir_data::broker::Data;

    use super::*;

    /// The bytes of a text of hexadecimal digits.
    pub fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn known_envelopes() {
        let hello = EventMessage::new("Cluster::hello", vec![Data::str("w9"), Data::str("id-7")]);
        let mut seen = EventMessage::new("demo::seen", vec![Data::str("hi"), Data::Count(7)]);
        seen.metadata.push((1, Data::Timestamp(1_700_000_000_500_000_000)));
        let bin = EventSerializer::BrokerBinV1;
        for (event, bytes) in [
            (
                &hello,
                hex("0e 03  02 0000000000000001  02 0000000000000001
                     0e 02  05 0e 436c75737465723a3a68656c6c6f
                     0e 02  05 02 7739  05 04 69642d37"),
            ),
            (
                &seen,
                hex("0e 03  02 0000000000000001  02 0000000000000001
                     0e 03  05 0a 64656d6f3a3a7365656e
                     0e 02  05 02 6869  02 0000000000000007
                     0e 01  0e 02  02 0000000000000001  09 17979cfe53f76500"),
            ),
        ] {
            let mut out = Vec::new();
            bin.encode(event, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(bin.decode(&bytes).as_ref(), Ok(event));
        }
        let mut out = Vec::new();
        EventSerializer::BrokerJsonV1.encode(&seen, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"@data-type":"vector","data":[{"@data-type":"count","data":1},{"@data-type":"count","data":1},"#,
                r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"demo::seen"},"#,
                r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"hi"},{"@data-type":"count","data":7}]},"#,
                r#"{"@data-type":"vector","data":[{"@data-type":"vector","data":[{"@data-type":"count","data":1},"#,
                r#"{"@data-type":"timestamp","data":"2023-11-14T22:13:20.500"}]}]}]}]}"#
            )
        );
        // An empty vector of metadata, as older peers send it.
        let mut old = bin_of(&hello);
        old[21] = 3;
        old.extend([14, 0]);
        assert_eq!(bin.decode(&old).as_ref(), Ok(&hello));
    }

    fn bin_of(e: &EventMessage) -> Vec<u8> {
        let mut out = Vec::new();
        EventSerializer::BrokerBinV1.encode(e, &mut out);
        out
    }

    proptest! {
        #[test]
        fn both_writers_agree(name in "[a-z:]{0,200}", strings in prop::collection::vec(any::<Vec<u8>>(), 0..150), meta in any::<Option<i64>>()) {
            let mut event = EventMessage::new(name, strings.into_iter().map(Data::String).collect());
            event.metadata.extend(meta.map(|m| (1, Data::Timestamp(m))));
            prop_assert_eq!(bin_of(&event), binary::to_bytes(&event.to_data()));
            for s in [EventSerializer::BrokerBinV1, EventSerializer::BrokerJsonV1] {
                event.metadata.iter_mut().for_each(|m| m.1 = Data::Timestamp(1_000_000_000));
                let mut out = Vec::new();
                s.encode(&event, &mut out);
                prop_assert_eq!(s.decode(&out), Ok(event.clone()));
            }
        }

        #[test]
        fn damaged_events_never_panic(mut bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), b in any::<u8>()) {
            let _ = EventSerializer::BrokerBinV1.decode(&bytes);
            let _ = EventSerializer::BrokerJsonV1.decode(&bytes);
            bytes = bin_of(&EventMessage::new("x::y", vec![Data::set(vec![Data::Count(1), Data::str("k")])]));
            let i = at.index(bytes.len());
            bytes[i] = b;
            let _ = EventSerializer::BrokerBinV1.decode(&bytes);
        }
    }
}
