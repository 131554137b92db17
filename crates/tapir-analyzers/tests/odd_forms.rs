//! Unusual forms of messages, legal and not, and what is told of them.

#[allow(dead_code)]
mod bench;
#[path = "talks/dnp3.rs"]
mod dnp3;
#[path = "talks/rpc.rs"]
mod rpc;

use bench::{Bench, talk};
use dnp3::dnp3;
use rpc::rpc;
use tapir_analyzers::core::Transport;
use tapir_interface::events;

/// Whether an event of a kind with a word in it is among those raised.
fn raised(got: &[String], id: tapir_interface::queue::EventId, word: &str) -> bool {
    let head = format!("{id:?} ");
    got.iter().any(|e| e.starts_with(&head) && e.contains(word))
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
    let got = talk("HTTP", Transport::Tcp, &[(true, old)]);
    assert!(raised(&got, events::CONN_WEIRD, weird), "{got:?}");
    let kept: &[u8] = b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let got = talk("HTTP", Transport::Tcp, &[(true, kept)]);
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
    let got = talk("SMB", Transport::Tcp, &[(true, &m)]);
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
    let got = talk("RDP", Transport::Tcp, &[(false, odd), (false, good)]);
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

/// A call of ONC RPC without credentials, with a record mark before it.
fn onc_call(program: u32, version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    let words = [7, 0, 2, program, version, procedure, 0, 0, 0, 0];
    let mut m = (0x8000_0000 | (4 * words.len() + args.len()) as u32)
        .to_be_bytes()
        .to_vec();
    m.extend(words.iter().flat_map(|w: &u32| w.to_be_bytes()));
    m.extend(args);
    m
}

/// The reply to such a call that says that it was done.
fn onc_reply(results: &[u8]) -> Vec<u8> {
    let mut m = (0x8000_0000 | (24 + results.len()) as u32).to_be_bytes().to_vec();
    m.extend([7u32, 1, 0, 0, 0, 0].iter().flat_map(|w| w.to_be_bytes()));
    m.extend(results);
    m
}

#[test]
fn records_of_rpc_are_found_again_behind_a_gap() {
    let call = onc_call(100_003, 3, 0, &[]);
    let mut b = Bench::new("NFS", Transport::Tcp);
    b.stream(true, &call);
    b.stream(false, &onc_reply(&[]));
    assert!(raised(&b.events(), events::NFS_PROC_NULL, ""));
    for is_orig in [true, false] {
        b.gap(is_orig, 45, 100);
        // The rest of what was lost begins in the middle.
        b.stream(is_orig, &[1, 2, 3, 4].repeat(20));
    }
    assert!(b.events().is_empty());
    b.stream(true, &call);
    b.stream(false, &onc_reply(&[]));
    let got = b.events();
    assert!(raised(&got, events::NFS_PROC_NULL, ""), "{got:?}");
    assert!(!raised(&got, events::CONN_WEIRD, ""), "{got:?}");
}

#[test]
fn contents_of_a_megabyte_are_a_record() {
    let mut b = Bench::new("NFS", Transport::Tcp);
    let args = [&b"\0\0\0\x04hndl\0\0\0\0\0\0\0\0\0\x10\0\0"[..]].concat();
    b.stream(true, &onc_call(100_003, 3, 6, &args));
    let mut results = b"\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\x01\0\x10\0\0".to_vec();
    results.resize(results.len() + (1 << 20), 0);
    for part in onc_reply(&results).chunks(60_000) {
        b.stream(false, part);
    }
    let got = b.events();
    assert!(raised(&got, events::NFS_PROC_READ, ""), "{got:?}");
    assert!(!raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
}

#[test]
fn later_versions_of_the_port_mapper_have_no_mappings() {
    let mapping = [[0, 0, 0, 3], [0, 0, 0, 1], [0, 0, 0, 6], [0, 0, 0, 9]].concat();
    for (version, told) in [(2, true), (3, false), (4, false)] {
        let mut b = Bench::new("PORTMAPPER", Transport::Udp);
        b.packet(true, &onc_call(100_000, version, 3, &mapping)[4..]);
        b.packet(false, &onc_reply(&[0, 0, 8, 1])[4..]);
        let got = b.events();
        assert!(raised(&got, events::RPC_DIALOGUE, ""), "{got:?}");
        assert_eq!(raised(&got, events::PM_REQUEST_GETPORT, ""), told, "{got:?}");
        assert!(!raised(&got, events::CONN_WEIRD, ""), "{got:?}");
    }
}

#[test]
fn gnutella_is_established_when_both_have_agreed() {
    let mut message = [b'G'; 23];
    message[16..].copy_from_slice(&[0, 4, 3, 0, 0, 0, 0]);
    let asks: &[u8] = b"GNUTELLA CONNECT/0.4\n\n";
    let got = talk(
        "GNUTELLA",
        Transport::Tcp,
        &[(true, asks), (false, b"GNUTELLA OK\n\n"), (false, &message)],
    );
    assert!(raised(&got, events::GNUTELLA_TEXT_MSG, "OK"), "{got:?}");
    assert!(raised(&got, events::GNUTELLA_ESTABLISH, ""), "{got:?}");
    assert!(raised(&got, events::GNUTELLA_BINARY_MSG, "false 0 4 3 0"), "{got:?}");

    let mut b = Bench::new("GNUTELLA", Transport::Tcp);
    b.stream(true, b"GNUTELLA CONNECT/0.6\r\nA: b\r\n\r\n");
    b.stream(false, b"GNUTELLA/0.6 503 Full\r\nA: b\r\n\r\n");
    b.done();
    let got = b.events();
    assert!(!raised(&got, events::GNUTELLA_ESTABLISH, ""), "{got:?}");
    assert!(raised(&got, events::GNUTELLA_NOT_ESTABLISH, ""), "{got:?}");
}

#[test]
fn objects_of_dnp3_that_no_event_takes_are_passed_over() {
    // A counter's event, a binary input's with its time, a text; an analog input behind all of them.
    let app = [
        &[0xc0, 0x81, 0, 0][..],
        &[22, 2, 7, 1, 0x81, 9, 0],
        &[2, 2, 7, 1, 0x82, 1, 2, 3, 4, 5, 6],
        &[110, 2, 7, 1, b'h', b'i'],
        &[30, 4, 7, 1, 77, 0],
    ]
    .concat();
    let got = talk("DNP3_TCP", Transport::Tcp, &[(false, &dnp3(&app))]);
    assert!(raised(&got, events::DNP3_RESPONSE_DATA_OBJECT, "130"), "{got:?}");
    assert!(raised(&got, events::DNP3_ANALOG_INPUT_16WOFLAG, "77"), "{got:?}");
    assert!(!raised(&got, events::DNP3_DEBUG_BYTE, ""), "{got:?}");
}

#[test]
fn objects_of_dnp3_with_a_size_are_there_whatever_the_function() {
    let file = |size: u8, data: &[u8]| [&[70, 5, 0x5b, 1, size, 0, 0x78, 0x56, 0x34, 0x12, 3, 0, 0, 0], data].concat();
    // What a master asks for and what it gets.
    let ask = [&[0xc0, 1], &file(8, b"")[..]].concat();
    let answer = [&[0xc0, 0x81, 0, 0], &file(12, b"text")[..], &[30, 4, 7, 1, 77, 0]].concat();
    for (app, told) in [(ask, "305419896 3 "), (answer, "305419896 3 text")] {
        let got = talk("DNP3_TCP", Transport::Tcp, &[(false, &dnp3(&app))]);
        assert!(raised(&got, events::DNP3_FILE_TRANSPORT, told), "{got:?}");
        let more = raised(&got, events::DNP3_ANALOG_INPUT_16WOFLAG, "77");
        assert_eq!(more, told.ends_with("text"), "{got:?}");
    }
    // One that says that it is longer than all there is.
    let got = talk(
        "DNP3_TCP",
        Transport::Tcp,
        &[(false, &dnp3(&[&[0xc0, 1], &file(9, b"")[..]].concat()))],
    );
    assert!(!raised(&got, events::DNP3_FILE_TRANSPORT, ""), "{got:?}");
}

/// A message of SMB 2 in its session frame.
fn smb2(command: u8, response: bool, status: u32, id: u8, body: &[u8]) -> Vec<u8> {
    let mut m = b"\xfeSMB\x40\0\x01\0".to_vec();
    m.extend(status.to_le_bytes());
    m.extend([command, 0, 1, 0, response as u8]);
    m.extend([0; 7]);
    m.push(id);
    m.extend([0; 39]);
    m.extend(body);
    [&(m.len() as u32).to_be_bytes()[..], &m].concat()
}

#[test]
fn what_a_pipe_gives_in_parts_is_read_whole() {
    let answer = rpc(2, 1, &[0, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4]);
    let (first, rest) = answer.split_at(10);
    let read = [&[49, 0, 0, 0, 64, 0, 0, 0][..], &[0; 40]].concat();
    let data = |d: &[u8]| [&[17, 0, 80, 0, d.len() as u8, 0, 0, 0], &[0; 8][..], d].concat();
    let turns = [
        // The share is one of pipes.
        (
            false,
            smb2(3, true, 0, 1, &[16, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (true, smb2(8, false, 0, 2, &read)),
        // There is more of it.
        (false, smb2(8, true, 0x8000_0005, 2, &data(first))),
        (true, smb2(8, false, 0, 3, &read)),
        (false, smb2(8, true, 0, 3, &data(rest))),
    ];
    let mut b = Bench::new("SMB", Transport::Tcp);
    for (is_orig, m) in turns {
        b.stream(is_orig, &m);
    }
    let got = b.events();
    assert!(raised(&got, events::DCE_RPC_RESPONSE, " 5 "), "{got:?}");
    assert!(!raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
}

#[test]
fn leaving_a_session_of_smb_1_is_told_of_from_both_sides() {
    let leave = smb1(0x74, &[0xff, 0, 0, 0]);
    let got = talk("SMB", Transport::Tcp, &[(true, &leave), (false, &leave)]);
    for side in ["true", "false"] {
        assert!(raised(&got, events::SMB1_LOGOFF_ANDX, side), "{got:?}");
    }
}

/// A packet of MySQL.
fn mysql_packet(seq: u8, body: &[u8]) -> Vec<u8> {
    [&[body.len() as u8, 0, 0, seq][..], body].concat()
}

/// A MySQL session whose user is known; what led there has been told.
fn mysql_session() -> Bench {
    let mut b = Bench::new("MYSQL", Transport::Tcp);
    let greeting =
        b"\x0a8.0\0\x01\0\0\0saltsalt\0\x00\x82\x21\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0native\0";
    b.stream(false, &mysql_packet(0, greeting));
    let login = [&[0, 0x82, 8, 0, 0, 0, 0, 1, 33][..], &[0; 23], b"me\0\x02pwnative\0"].concat();
    b.stream(true, &mysql_packet(1, &login));
    b.stream(false, &mysql_packet(2, b"\0\0\0\x02\0\0\0"));
    b.events();
    b
}

#[test]
fn a_file_that_a_mysql_server_asks_for_holds_no_commands() {
    let mut b = mysql_session();
    b.stream(true, &mysql_packet(0, b"\x03LOAD DATA LOCAL INFILE 'a' INTO TABLE t"));
    b.stream(false, &mysql_packet(1, b"\xfba"));
    b.events();
    b.stream(true, &mysql_packet(2, b"\x01\x0a\x02\x0a"));
    b.stream(true, &mysql_packet(3, b""));
    b.stream(false, &mysql_packet(4, b"\xff\xff\xff\x01\x01\x01\0\0\0\x04copy"));
    assert_eq!(b.events(), [""; 0]);
    b.stream(false, &mysql_packet(5, b"\0\x02\0\x02\0\0\0"));
    b.stream(true, &mysql_packet(0, b"\x0e"));
    let got = b.events();
    assert!(raised(&got, events::MYSQL_OK, "2"), "{got:?}");
    assert!(raised(&got, events::MYSQL_COMMAND_REQUEST, "14"), "{got:?}");
}

#[test]
fn methods_of_sip_are_letters() {
    let got = talk(
        "SIP",
        Transport::Udp,
        &[(true, b"X-ASK sip:a@b SIP/2.0\r\nTo: a\r\n\r\n")],
    );
    assert!(!raised(&got, events::SIP_REQUEST, ""), "{got:?}");
    assert!(raised(&got, events::ANALYZER_VIOLATION_INFO, ""), "{got:?}");
    let got = talk(
        "SIP",
        Transport::Udp,
        &[(true, b"ASK sip:a@b SIP/2.0\r\nTo: a\r\n\r\n")],
    );
    assert!(raised(&got, events::SIP_REQUEST, "ASK"), "{got:?}");
}

#[test]
fn versions_that_a_quic_server_lists_are_not_its_version() {
    let got = talk(
        "QUIC",
        Transport::Udp,
        &[(false, b"\xc0\0\0\0\0\x01d\x01s\x6b\x33\x43\xcf")],
    );
    assert!(raised(&got, events::QUIC_UNHANDLED_VERSION, "d"), "{got:?}");
}

#[test]
fn messages_of_irc_that_lack_something_are_odd() {
    let lines: [(bool, &[u8], &str); 12] = [
        (true, b"PRIVMSG #c", "irc_invalid_privmsg_message_format"),
        (true, b"NOTICE n", "irc_invalid_notice_message_format"),
        (true, b"SQUERY s", "irc_invalid_squery_message_format"),
        (true, b"OPER n", "irc_invalid_oper_message_format"),
        (true, b"KICK #c", "irc_invalid_kick_message_format"),
        (true, b"INVITE n", "irc_invalid_invite_message_format"),
        (true, b"WHOIS", "irc_invalid_whois_message_format"),
        (false, b":s NJOIN #c :", "irc_invalid_njoin_line"),
        (false, b":s 311 me n u", "irc_invalid_whois_user_line"),
        (false, b":s 332 me #c", "irc_invalid_topic_reply"),
        (false, b":s 352 me #c u h", "irc_invalid_who_line"),
        (false, b":s 353 me =", "irc_invalid_names_line"),
    ];
    for (is_orig, line, weird) in lines {
        let line = [line, b"\r\n"].concat();
        let got = talk("IRC", Transport::Tcp, &[(is_orig, &line)]);
        assert!(raised(&got, events::CONN_WEIRD, weird), "{weird}: {got:?}");
    }
    let whole: &[u8] =
        b":s 353 \r\n:s 353 me = #c :\r\n:s 352 me #c u h s n H :0\r\n:s 332 me #c :\r\n:s 311 me n u h * :\r\n";
    let got = talk("IRC", Transport::Tcp, &[(false, whole)]);
    assert!(!raised(&got, events::CONN_WEIRD, ""), "{got:?}");
}

#[test]
fn a_plain_login_to_pop3_without_its_parts_is_odd() {
    let turns = |answer| {
        [
            (false, &b"+OK\r\n"[..]),
            (true, b"AUTH PLAIN\r\n"),
            (false, b"+ \r\n"),
            (true, answer),
        ]
    };
    // `me`, then `\0me\0pw`.
    let got = talk("POP3", Transport::Tcp, &turns(b"bWU=\r\n"));
    assert!(raised(&got, events::CONN_WEIRD, "pop3_malformed_auth_plain"), "{got:?}");
    let got = talk("POP3", Transport::Tcp, &turns(b"AG1lAHB3\r\n"));
    assert!(!raised(&got, events::CONN_WEIRD, ""), "{got:?}");
}

#[test]
fn ways_to_log_in_to_pop3_are_listed_in_lines() {
    let turns: [(bool, &[u8]); 5] = [
        (false, b"+OK\r\n"),
        (true, b"AUTH\r\n"),
        (false, b"+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"),
        (true, b"NOOP\r\n"),
        (false, b"+OK\r\n"),
    ];
    let got = talk("POP3", Transport::Tcp, &turns);
    assert!(raised(&got, events::POP3_DATA, "LOGIN"), "{got:?}");
    assert!(raised(&got, events::POP3_REQUEST, "NOOP"), "{got:?}");
    for id in [
        events::CONN_WEIRD,
        events::POP3_LOGIN_SUCCESS,
        events::ANALYZER_VIOLATION_INFO,
    ] {
        assert!(!raised(&got, id, ""), "{got:?}");
    }
}
