//! The same events, whatever the segmentation; nothing panics on bytes that were changed.

use proptest::prelude::*;
use tapir_analyzers::core::{ConnInfo, Shared, Transport, Tree, pia};
use tapir_analyzers::registry;
use tapir_data::value::{Addr, Value};
use tapir_interface::events;
use tapir_interface::queue::EventQueue;

const HTTP_UP: &[u8] = b"GET /a?b=%41 HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\nPOST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const HTTP_DOWN: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x\r\ndefg\r\n0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno";
const SMTP_UP: &[u8] = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n";
const SMTP_DOWN: &[u8] = b"220 hi\r\n250-a\r\n250 SIZE\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n";
const FTP_UP: &[u8] = b"USER u\r\nPASS p\r\nPORT 1,2,3,4,5,6\r\nRETR f\r\nQUIT\r\n";
const FTP_DOWN: &[u8] = b"220-a\r\n220 b\r\n331 ok\r\n230 in\r\n200 port\r\n150 data\r\n226 done\r\n221 bye\r\n";
const REDIS_UP: &[u8] = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n";
const REDIS_DOWN: &[u8] = b"$5\r\nhello\r\n+PONG\r\n";
const IRC_UP: &[u8] = b"NICK n\r\nUSER u h s :real\r\nJOIN #c\r\nPRIVMSG #c :hi\r\n";
const IRC_DOWN: &[u8] = b":s 001 n :Welcome\r\n:s 353 n = #c :a b\r\n";
const POP_UP: &[u8] = b"USER u\r\nPASS p\r\nLIST\r\nQUIT\r\n";
const POP_DOWN: &[u8] = b"+OK hi\r\n+OK\r\n+OK in\r\n+OK list\r\n1 20\r\n.\r\n+OK bye\r\n";
const SSH_UP: &[u8] = b"SSH-2.0-client\r\n";
const SSH_DOWN: &[u8] = b"SSH-2.0-server\r\n";
const DNS_UP: &[u8] =
    b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01\0\x11\x12\x35\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
const LDAP_UP: &[u8] = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0\x30\x05\x02\x01\x02\x42\0";
const LDAP_DOWN: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0";
const MODBUS_UP: &[u8] = b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x02\0\x02\0\0\0\x06\x01\x01\0\0\0\x08";
const MODBUS_DOWN: &[u8] = b"\0\x01\0\0\0\x07\x01\x03\x04\0\x01\0\x02\0\x02\0\0\0\x04\x01\x01\x01\xff";

const TALKS: &[(&str, &[u8], &[u8])] = &[
    ("HTTP", HTTP_UP, HTTP_DOWN),
    ("SMTP", SMTP_UP, SMTP_DOWN),
    ("FTP", FTP_UP, FTP_DOWN),
    ("Redis", REDIS_UP, REDIS_DOWN),
    ("IRC", IRC_UP, IRC_DOWN),
    ("POP3", POP_UP, POP_DOWN),
    ("SSH", SSH_UP, SSH_DOWN),
    ("DNS", DNS_UP, b""),
    ("LDAP_TCP", LDAP_UP, LDAP_DOWN),
    ("MODBUS", MODBUS_UP, MODBUS_DOWN),
];

/// What a conversation raises when each side's bytes are cut at the places given. The client speaks first.
fn events_of(name: &str, up: &[u8], down: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut q = EventQueue::new();
    q.want_all();
    let mut sh = Shared::new();
    let tag = registry::tag_ignore_case(name).expect("a known protocol");
    sh.register_port(tag, 4000, true);
    let ends = ((Addr::v4([10, 0, 0, 1]), 1024), (Addr::v4([10, 0, 0, 2]), 4000));
    let mut conn = ConnInfo::new(ends.0, ends.1, Transport::Tcp, 6, 1.0);
    conn.value = Some(Value::Count(1));
    let mut tree = Tree::default();
    pia::attach(&mut tree, &conn, &mut sh);
    for (is_orig, bytes) in [(true, up), (false, down)] {
        let mut at = 0;
        for &cut in cuts.iter().chain(std::iter::once(&bytes.len())) {
            if cut > at && cut <= bytes.len() {
                tree.deliver(&mut q, &mut conn, &mut sh, is_orig, &bytes[at..cut]);
                at = cut;
            }
        }
    }
    for is_orig in [true, false] {
        tree.eof(&mut q, &mut conn, &mut sh, is_orig);
    }
    let of_segments = [events::HTTP_ENTITY_DATA];
    q.take_all()
        .into_iter()
        .filter(|e| !of_segments.contains(&e.id))
        .map(|e| format!("{:?} {}", e.id, e.args.iter().map(show).collect::<Vec<_>>().join(" ")))
        .collect()
}

/// A value as text, deep.
fn show(v: &Value) -> String {
    let list = |i: Vec<String>| format!("[{}]", i.join(", "));
    match v {
        Value::Unset => "-".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) | Value::Enum(_, n) => n.to_string(),
        Value::Count(n) => n.to_string(),
        Value::Double(d) | Value::Time(d) | Value::Interval(d) => d.to_string(),
        Value::Str(s) => String::from_utf8_lossy(s).into_owned(),
        Value::List(l) => list(l.iter().map(show).collect()),
        Value::Vector(v) => list((0..v.len()).map(|i| show(&v.get(i))).collect()),
        _ => "?".into(),
    }
}

#[test]
fn each_conversation_raises_something() {
    for (name, up, down) in TALKS {
        assert!(!events_of(name, up, down, &[]).is_empty(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn segmentation_does_not_matter(mut cuts in prop::collection::vec(0usize..200, 0..20)) {
        cuts.sort_unstable();
        for (name, up, down) in TALKS {
            prop_assert_eq!(events_of(name, up, down, &[]), events_of(name, up, down, &cuts), "{}", name);
        }
    }

    #[test]
    fn changed_bytes_do_no_harm(
        mut cuts in prop::collection::vec(0usize..200, 0..6),
        changes in prop::collection::vec((0usize..200, any::<u8>()), 1..8),
    ) {
        cuts.sort_unstable();
        for (name, up, down) in TALKS {
            let (mut up, mut down) = (up.to_vec(), down.to_vec());
            for (i, b) in &changes {
                if let Some(x) = up.get_mut(*i) { *x = *b; }
                if let Some(x) = down.get_mut(*i) { *x = *b; }
            }
            events_of(name, &up, &down, &cuts);
        }
    }

    #[test]
    fn noise_does_no_harm(data in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
        for p in registry::PROTOCOLS {
            events_of(p.name, &data, &data, &[cut]);
        }
    }
}
