//! Unusual forms of messages, legal and not, and what is told of them.

#[allow(dead_code)]
mod bench;

use bench::Bench;
use tapir_analyzers::core::Transport;
use tapir_interface::events;

/// Whether an event of a kind with a word in it is among those raised.
fn raised(got: &[String], id: tapir_interface::queue::EventId, word: &str) -> bool {
    let head = format!("{id:?} ");
    got.iter().any(|e| e.starts_with(&head) && e.contains(word))
}

/// The events of a conversation over TCP.
fn talk(name: &str, turns: &[(bool, &[u8])]) -> Vec<String> {
    let mut b = Bench::new(name, Transport::Tcp);
    for (is_orig, data) in turns {
        b.stream(*is_orig, data);
    }
    b.events()
}

/// The events of one DNS answer to `x.`, of a type with data.
fn answer(kind: u16, data: &[u8]) -> Vec<String> {
    let mut m = vec![0, 1, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, 1, b'x', 0];
    m.extend_from_slice(&kind.to_be_bytes());
    m.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    m.extend_from_slice(&(data.len() as u16).to_be_bytes());
    m.extend_from_slice(data);
    let mut b = Bench::new("DNS", Transport::Udp);
    b.packet(false, &m);
    b.events()
}

#[test]
fn records_of_unknown_types_and_texts_that_leave_their_record() {
    let got = answer(62347, b"data");
    assert!(raised(&got, events::DNS_UNKNOWN_REPLY, ""), "{got:?}");
    assert!(raised(&got, events::CONN_WEIRD, "DNS_RR_unknown_type"), "{got:?}");
    let got = answer(16, b"\x02ok\x09short");
    assert!(raised(&got, events::DNS_TXT_REPLY, "ok"), "{got:?}");
    assert!(
        raised(&got, events::CONN_WEIRD, "DNS_TXT_char_str_past_rdlen"),
        "{got:?}"
    );
    let got = answer(257, b"\x00\x20issue");
    assert!(
        raised(&got, events::CONN_WEIRD, "DNS_CAA_char_str_past_rdlen"),
        "{got:?}"
    );
    assert!(!raised(&got, events::DNS_CAA_REPLY, ""), "{got:?}");
}

#[test]
fn a_second_request_where_the_connection_should_have_ended() {
    let weird = "unexpected_multiple_HTTP_requests";
    let old: &[u8] = b"GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let got = talk("HTTP", &[(true, old)]);
    assert!(raised(&got, events::CONN_WEIRD, weird), "{got:?}");
    let kept: &[u8] = b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let got = talk("HTTP", &[(true, kept)]);
    assert!(!raised(&got, events::CONN_WEIRD, weird), "{got:?}");
}

#[test]
fn a_user_to_user_ticket_request_is_given_to_kerberos() {
    // NegTokenInit with the mechanism's token: identifier 1.2.840.113554.1.2.2.3, token id 04 00, KERB-TGT-REQUEST.
    let token = [
        0x60, 0x2a, 0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02, 0xa0, 0x20, 0x30, 0x1e, 0xa2, 0x1c, 0x04, 0x1a,
        0x60, 0x18, 0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x03, 0x04, 0x00, 0x30, 0x08,
        0xa0, 0x06, 0x02, 0x01, 0x05, 0x02, 0x01, 0x10,
    ];
    let mut b = Bench::new("GSSAPI", Transport::Tcp);
    // What a carrier hands over is whole, whatever is missing of the connection.
    b.gap(false, 1, 100);
    b.stream(true, &token);
    let got = b.events();
    assert!(raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
}
