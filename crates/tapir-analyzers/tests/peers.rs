//! What peers that share files and terminals say to each other: conversations that captures seldom hold, and all that is
//! told of them.

#[allow(dead_code)]
mod bench;

use bench::{Bench, tells};
use tapir_analyzers::core::Transport;
use tapir_interface::events;

#[test]
fn peers_of_bittorrent() {
    let hello = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb";
    let answer = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05aaaaaaaaaaaaaaaaaaaacccccccccccccccccccc";
    let numbers = b"\0\0\0\x01\0\0\x40\0\0\0\x20\0";
    let asks = [&b"\0\0\0\x0d\x06"[..], numbers, b"\0\0\0\x0d\x08", numbers].concat();
    tells(
        "BITTORRENT",
        Transport::Tcp,
        &[
            (true, hello),
            (false, answer),
            (
                false,
                b"\0\0\0\x03\x05\xff\x80\0\0\0\x01\x00\0\0\0\x01\x01\0\0\0\x05\x04\0\0\0\x07",
            ),
            (true, b"\0\0\0\0\0\0\0\x01\x02\0\0\0\x01\x03\0\0\0\x03\x09\x1a\xe1"),
            (true, &asks),
            (false, b"\0\0\0\x0d\x07\0\0\0\x01\0\0\x40\0data\0\0\0\x04\x14\0ab"),
            (true, b"\0\0\0\x02\x04\0"),
        ],
        &[
            (
                events::BITTORRENT_PEER_HANDSHAKE,
                "true \0\0\0\0\0\u{10}\0\u{5} aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbb",
            ),
            (
                events::BITTORRENT_PEER_HANDSHAKE,
                "false \0\0\0\0\0\u{10}\0\u{5} aaaaaaaaaaaaaaaaaaaa cccccccccccccccccccc",
            ),
            (events::BITTORRENT_PEER_BITFIELD, "false \u{fffd}\u{fffd}"),
            (events::BITTORRENT_PEER_CHOKE, "false"),
            (events::BITTORRENT_PEER_UNCHOKE, "false"),
            (events::BITTORRENT_PEER_HAVE, "false 7"),
            (events::BITTORRENT_PEER_KEEP_ALIVE, "true"),
            (events::BITTORRENT_PEER_INTERESTED, "true"),
            (events::BITTORRENT_PEER_NOT_INTERESTED, "true"),
            (events::BITTORRENT_PEER_PORT, "true ?"),
            (events::BITTORRENT_PEER_REQUEST, "true 1 16384 8192"),
            (events::BITTORRENT_PEER_CANCEL, "true 1 16384 8192"),
            (events::BITTORRENT_PEER_PIECE, "false 1 16384 4"),
            (events::BITTORRENT_PEER_UNKNOWN, "false 20 \0ab"),
            (events::BITTORRENT_PEER_WEIRD, "true BitTorrent message 4 is malformed"),
        ],
    );
}

#[test]
fn trackers_that_refuse() {
    tells(
        "BITTORRENTTRACKER",
        Transport::Tcp,
        &[
            (true, b"GET /announce?info_hash=x HTTP/1.1\r\nHost: t\r\n\r\n"),
            (false, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
            (true, b"POST /announce HTTP/1.1\r\n\r\n"),
        ],
        &[
            (events::BT_TRACKER_REQUEST, "/announce?info_hash=x ?"),
            (events::BT_TRACKER_RESPONSE_NOT_OK, "404 ?"),
            (events::BT_TRACKER_WEIRD, "true request is no GET"),
        ],
    );
}

#[test]
fn hosts_of_gnutella() {
    let agreed: &[(bool, &[u8])] = &[
        (true, b"GNUTELLA CONNECT/0.6\r\nUser-Agent: a\r\n\r\n"),
        (false, b"GNUTELLA/0.6 200 OK\r\nUser-Agent: b\r\n\r\n"),
        (true, b"GNUTELLA/0.6 200 OK\r\n\r\n"),
    ];
    let mut turns = agreed.to_vec();
    turns.extend([
        (true, &b"0123456789abcdef\x80\x07\x01\x03\0\0\0abc"[..]),
        (false, b"0123456789abcdef\x01\x05\x02\x09\0\0\0four"),
        (true, b"0123456789"),
    ]);
    tells(
        "GNUTELLA",
        Transport::Tcp,
        &turns,
        &[
            (
                events::GNUTELLA_TEXT_MSG,
                "true GNUTELLA CONNECT/0.6\r\nUser-Agent: a\r\n",
            ),
            (events::GNUTELLA_ESTABLISH, ""),
            (events::GNUTELLA_BINARY_MSG, "true 128 7 1 3 abc 3 false true"),
            (events::GNUTELLA_BINARY_MSG, "false 1 5 2 9 four 4 false false"),
            (events::GNUTELLA_PARTIAL_BINARY_MSG, "true 0123456789 10"),
        ],
    );
    tells(
        "GNUTELLA",
        Transport::Tcp,
        &agreed[..1],
        &[(events::GNUTELLA_NOT_ESTABLISH, "")],
    );
    tells(
        "GNUTELLA",
        Transport::Tcp,
        &[(true, b"GET /get/1/file HTTP/1.1\r\n\r\n")],
        &[(events::GNUTELLA_HTTP_NOTIFY, "")],
    );
}

#[test]
fn options_of_telnet() {
    tells(
        "TELNET",
        Transport::Tcp,
        &[
            (false, b"\xff\xfd\x18\xff\xfd\x23\xff\xfd\x25\xff\xfd\x26\xff\xfd\x27"),
            (true, b"\xff\xfb\x18\xff\xfb\x23\xff\xfb\x25\xff\xfb\x26\xff\xfb\x27"),
            (true, b"\xff\xfa\x18\0xterm\xff\xf0\xff\xfa\x23\0host:0.0\xff\xf0"),
            (true, b"\xff\xfa\x27\0\0USER\x01me\x03TTYPROMPT\x01login:\xff\xf0"),
            // The name, then what the server makes of the credentials for Kerberos 5.
            (true, b"\xff\xfa\x25\x03me\xff\xf0"),
            (
                false,
                b"\xff\xfa\x25\x02\x02\0\x02\xff\xf0\xff\xfa\x25\x02\x02\0\x01\xff\xf0",
            ),
            (true, b"\xff\xfa\x27\x09\xff\xf0\xff\xfa\x17\0\xff\xf0"),
            (true, b"\xff\xfa\x26\x03\0\xff\xf0"),
        ],
        &[
            (events::LOGIN_TERMINAL, "xterm"),
            (events::LOGIN_DISPLAY, "host:0.0"),
            (events::LOGIN_PROMPT, "login:"),
            (events::INCONSISTENT_OPTION, ""),
            (events::ACTIVATING_ENCRYPTION, ""),
        ],
    );
    // These two name the method before the connection.
    let mut b = Bench::new("TELNET", Transport::Tcp);
    b.stream(true, b"\xff\xfb\x25\xff\xfa\x25\x03me\xff\xf0");
    b.stream(
        false,
        b"\xff\xfa\x25\x02\x02\0\x02\xff\xf0\xff\xfa\x25\x02\x02\0\x01\xff\xf0\xff\xfa\xff\xf0",
    );
    let got = b.events();
    for (id, args) in [
        (events::AUTHENTICATION_ACCEPTED, "me ?"),
        (events::AUTHENTICATION_REJECTED, "me ?"),
        (events::BAD_OPTION, "?"),
    ] {
        assert!(got.contains(&format!("{id:?} {args}")), "no {id:?} in {got:#?}");
    }
}

#[test]
fn commands_of_rsh() {
    tells(
        "RSH",
        Transport::Tcp,
        &[
            (true, b"1022\0me\0you\0ls -l\0"),
            (false, b"\0total 0\n"),
            (true, b"input\n"),
        ],
        &[
            (events::RSH_REQUEST, "me you ls -l true"),
            (events::RSH_REPLY, "me you total 0"),
            (events::RSH_REQUEST, "me you input false"),
        ],
    );
}
