//! Unusual forms of messages, legal and not, and what is told of them.

#[allow(dead_code)]
mod bench;
#[path = "talks/rpc.rs"]
mod rpc;

use bench::Bench;
use rpc::rpc;
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

/// A message of SMB 1 in its session frame: a command with words and no bytes.
fn smb1(command: u8, words: &[u8]) -> Vec<u8> {
    let mut m = b"\xffSMB".to_vec();
    m.push(command);
    m.extend([0; 27]);
    m.push(words.len() as u8 / 2);
    m.extend(words);
    m.extend([0, 0]);
    let mut frame = (m.len() as u32).to_be_bytes().to_vec();
    frame.extend(m);
    frame
}

#[test]
fn smb_goes_on_behind_a_message_that_cannot_be_read() {
    // A close without the words for its file, and what came with it, are let go.
    let mut bad = smb1(0x04, &[]);
    bad.extend([0, 0, 0, 9, b'x']);
    let good = smb1(0x04, &[7, 0, 0, 0, 0, 0]);
    let mut b = Bench::new("SMB", Transport::Tcp);
    b.stream(true, &bad);
    let got = b.events();
    assert!(raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
    assert!(!raised(&got, events::ANALYZER_CONFIRMATION_INFO, ""), "{got:?}");
    for _ in 0..3 {
        b.stream(true, &good);
    }
    let got = b.events();
    assert!(raised(&got, events::SMB1_CLOSE_REQUEST, ""), "{got:?}");
    assert!(raised(&got, events::ANALYZER_CONFIRMATION_INFO, ""), "{got:?}");
}

#[test]
fn an_smb_message_of_a_command_that_is_not_read_may_be_a_header_alone() {
    let mut m = vec![0, 0, 0, 32];
    m.extend(b"\xffSMB\x41");
    m.extend([0; 27]);
    let got = talk("SMB", &[(true, &m)]);
    assert!(raised(&got, events::SMB1_MESSAGE, ""), "{got:?}");
    assert!(!raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
}

#[test]
fn mysql_goes_on_behind_a_packet_that_cannot_be_read() {
    let mut b = Bench::new("MYSQL", Transport::Tcp);
    b.stream(false, b"\x05\0\0\0\x07what");
    let got = b.events();
    assert!(raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
    b.stream(false, b"\x08\0\0\0\x0a8.0.1\0\0");
    let got = b.events();
    assert!(raised(&got, events::MYSQL_SERVER_VERSION, ""), "{got:?}");
}

#[test]
fn an_rdp_confirmation_of_an_unknown_kind_is_named() {
    let odd: &[u8] = b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x31\0\x08\0\0\0\0\0";
    let good: &[u8] = b"\x03\0\0\x13\x0e\xd0\0\0\0\0\0\x03\0\x08\0\x05\0\0\0";
    let got = talk("RDP", &[(false, odd), (false, good)]);
    assert!(raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
    assert!(raised(&got, events::RDP_NEGOTIATION_FAILURE, "5"), "{got:?}");
}

#[test]
fn a_modbus_message_goes_on_behind_a_gap() {
    let mut b = Bench::new("MODBUS", Transport::Tcp);
    b.stream(true, b"\0\x01\0\0\0\x06\x01\x03\0");
    b.gap(true, 10, 12);
    b.stream(true, b"\0\0\x02\0\x02\0\0\0\x06\x01\x04\0\0\0\x01");
    let got = b.events();
    assert!(
        raised(&got, events::MODBUS_READ_HOLDING_REGISTERS_REQUEST, "2"),
        "{got:?}"
    );
    assert!(
        raised(&got, events::MODBUS_READ_INPUT_REGISTERS_REQUEST, "1"),
        "{got:?}"
    );
}

#[test]
fn a_response_belongs_to_what_was_called_last_in_its_context() {
    let ask = |call: u8, context: u8, op: u8| rpc(0, call, &[0, 0, 0, 0, context, 0, op, 0]);
    let answer = |call: u8, context: u8| rpc(2, call, &[0, 0, 0, 0, context, 0, 0, 0]);
    let mut b = Bench::new("DCE_RPC", Transport::Tcp);
    for p in [ask(1, 0, 5), ask(2, 1, 9)] {
        b.stream(true, &p);
    }
    b.events();
    b.stream(false, &answer(2, 1));
    b.stream(false, &answer(1, 0));
    // One whose request was lost.
    b.stream(false, &answer(3, 0));
    let got = b.events();
    let head = format!("{:?} ", events::DCE_RPC_RESPONSE);
    let of: Vec<&String> = got.iter().filter(|e| e.starts_with(&head)).collect();
    assert_eq!(of.len(), 3, "{got:?}");
    for (e, op) in of.iter().zip(["1 9", "0 5", "0 5"]) {
        assert!(e.contains(op), "{e} for {op}");
    }
}
