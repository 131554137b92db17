//! The JSON texts of the WebSocket API v1.

use tapir_data::broker::event::EventMessage;
use tapir_data::broker::{Data, json};
use tapir_data::json::json_quote;
use tapir_data::jsonparse::{Json, parse_lenient};

/// Codes and contexts of errors.
pub const INVALID_URI: (&str, &str) = ("invalid_uri", "Invalid URI - use /v1/messages/json");
pub const INVALID_NAME: (&str, &str) = ("invalid_application_name", "Invalid X-Application-Name");
pub const NO_ARRAY: (&str, &str) = ("deserialization_failed", "subscriptions not an array");
pub const NO_STRING: (&str, &str) = ("deserialization_failed", "individual subscription not a string");
pub const NO_JSON: (&str, &str) = ("deserialization_failed", "failed to decode JSON object");
pub const NO_TOPIC: (&str, &str) = ("deserialization_failed", "no topic in top-level JSON object");
pub const NO_EVENT: (&str, &str) = ("deserialization_failed", "failed to create Zeek event");

type Problem = (&'static str, &'static str);

/// The subscriptions in a client's first message, sorted and without repetitions.
///
/// # Errors
/// What to answer.
pub fn subscriptions(text: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let Ok(Json::Array(items)) = parse_lenient(text) else {
        return Err(NO_ARRAY);
    };
    let topic = |j: Json| match j {
        Json::String(s) => Ok(s),
        _ => Err(NO_STRING),
    };
    let mut topics = items.into_iter().map(topic).collect::<Result<Vec<_>, _>>()?;
    topics.sort();
    topics.dedup();
    Ok(topics)
}

/// Topic and event of a client's message.
///
/// # Errors
/// What to answer.
pub fn event(text: &[u8]) -> Result<(Vec<u8>, EventMessage), Problem> {
    let parsed = parse_lenient(text).map_err(|_| NO_JSON)?;
    let Json::Object(_) = parsed else {
        return Err(NO_JSON);
    };
    let data = json::from_json(&parsed);
    let topic = match json::member(&parsed, "topic") {
        Some(Json::String(topic)) => Some(topic.clone()),
        _ => None,
    };
    let data: Data = data.map_err(|_| NO_JSON)?;
    let topic = topic.ok_or(NO_TOPIC)?;
    Ok((topic, EventMessage::from_data(data).ok_or(NO_EVENT)?))
}

/// The text that acknowledges a client's subscriptions.
pub fn ack(endpoint: &str, version: &str) -> String {
    object(&[("type", "ack"), ("endpoint", endpoint), ("version", version)])
}

/// The text of an error.
pub fn error(code: &str, context: &str) -> String {
    object(&[("type", "error"), ("code", code), ("context", context)])
}

fn object(members: &[(&str, &str)]) -> String {
    let mut out = Vec::new();
    for (name, value) in members {
        out.push(if out.is_empty() { b'{' } else { b',' });
        json_quote(name.as_bytes(), &mut out);
        out.push(b':');
        json_quote(value.as_bytes(), &mut out);
    }
    out.push(b'}');
    utf8(out)
}

/// The text of an event that a client subscribes to.
pub fn data_message(topic: &[u8], event: &EventMessage) -> String {
    let mut out = b"{\"type\":\"data-message\",\"topic\":".to_vec();
    json_quote(topic, &mut out);
    out.push(b',');
    json::members(&event.to_data(), &mut out);
    out.push(b'}');
    utf8(out)
}

/// Text frames are UTF-8. What is not can only be bytes within strings; each becomes the character of its number.
fn utf8(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|e| {
        let mut out = String::new();
        for chunk in e.as_bytes().utf8_chunks() {
            out.push_str(chunk.valid());
            for b in chunk.invalid() {
                out.push_str(&format!("\\u{b:04x}"));
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_in_and_out() {
        let mut e = EventMessage::new("demo::seen", vec![Data::str("hi"), Data::Count(7)]);
        e.metadata.push((1, Data::Timestamp(1_700_000_000_500_000_000)));
        let text = data_message(b"zeek.cluster.worker", &e);
        assert_eq!(
            text,
            concat!(
                r#"{"type":"data-message","topic":"zeek.cluster.worker","@data-type":"vector","data":["#,
                r#"{"@data-type":"count","data":1},{"@data-type":"count","data":1},{"@data-type":"vector","data":["#,
                r#"{"@data-type":"string","data":"demo::seen"},"#,
                r#"{"@data-type":"vector","data":[{"@data-type":"string","data":"hi"},{"@data-type":"count","data":7}]},"#,
                r#"{"@data-type":"vector","data":[{"@data-type":"vector","data":[{"@data-type":"count","data":1},"#,
                r#"{"@data-type":"timestamp","data":"2023-11-14T22:13:20.500"}]}]}]}]}"#
            )
        );
        assert_eq!(event(text.as_bytes()), Ok((b"zeek.cluster.worker".to_vec(), e)));
        assert_eq!(ack("id", "8.0"), r#"{"type":"ack","endpoint":"id","version":"8.0"}"#);
        let odd = data_message(b"t", &EventMessage::new("x", vec![Data::str(b"a\xff\x01\xc3\xa9")]));
        assert!(odd.contains("a\\u00ff\\u0001\u{e9}"), "{odd}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            subscriptions(br#"["b", "a", "b"]"#),
            Ok(vec![b"a".to_vec(), b"b".to_vec()])
        );
        assert_eq!(subscriptions(b"[]"), Ok(vec![]));
        assert_eq!(subscriptions(b"{}"), Err(NO_ARRAY));
        assert_eq!(subscriptions(b"nonsense"), Err(NO_ARRAY));
        assert_eq!(subscriptions(b"[1]"), Err(NO_STRING));
        assert_eq!(event(b"nonsense"), Err(NO_JSON));
        assert_eq!(event(b"[]"), Err(NO_JSON));
        assert_eq!(event(br#"{"topic":"t","@data-type":"odd","data":1}"#), Err(NO_JSON));
        assert_eq!(event(br#"{"@data-type":"count","data":1}"#), Err(NO_TOPIC));
        assert_eq!(event(br#"{"topic":1,"@data-type":"count","data":1}"#), Err(NO_TOPIC));
        assert_eq!(event(br#"{"topic":"t","@data-type":"count","data":1}"#), Err(NO_EVENT));
    }
    proptest! {
        #[test]
        fn damaged_messages_never_panic(noise in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), b in any::<u8>()) {
            let _ = subscriptions(&noise).is_ok() || event(&noise).is_ok();
            let args = vec![Data::set(vec![Data::Count(1), Data::str(noise)]), Data::Timestamp(7)];
            let mut text = data_message(b"t", &EventMessage::new("x", args)).into_bytes();
            prop_assert!(event(&text).is_ok());
            let i = at.index(text.len());
            text[i] = b;
            let _ = event(&text);
        }
    }
}
