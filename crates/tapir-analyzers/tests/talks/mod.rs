//! A conversation for each protocol of a stream: small, complete, and written by hand from the specifications. That of
//! TLS comes from a capture of ours.

mod rpc;

use rpc::rpc;

/// What the sides say in turns.
#[derive(Clone)]
pub struct Talk {
    pub name: &'static str,
    pub turns: Vec<(bool, Vec<u8>)>,
    /// A turn's first delivery holds at least so many bytes, where the protocol is told by them.
    pub whole: usize,
}

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

/// A client's and a server's words.
fn pair(name: &'static str, up: &[u8], down: &[u8]) -> Talk {
    turns(name, &[(true, up), (false, down)])
}

fn turns(name: &'static str, turns: &[(bool, &[u8])]) -> Talk {
    Talk {
        name,
        turns: turns.iter().map(|(o, b)| (*o, b.to_vec())).collect(),
        whole: 0,
    }
}

fn dce_rpc() -> Talk {
    let mut bind = b"\xd0\x16\xd0\x16\0\0\0\0\x01\0\0\0\0\0\x01\0".to_vec();
    bind.extend([7; 16]);
    bind.extend([1, 0, 0, 0]);
    bind.extend([9; 16]);
    bind.extend([2, 0, 0, 0]);
    let ack = b"\xd0\x16\xd0\x16\x01\0\0\0\x04\x00135\0\0\0";
    let ask = b"\x04\0\0\0\0\0\x05\0stub";
    let answer = b"\x04\0\0\0\0\0\0\0back";
    turns(
        "DCE_RPC",
        &[
            (true, &rpc(11, 1, &bind)),
            (false, &rpc(12, 1, ack)),
            (true, &rpc(0, 2, ask)),
            (false, &rpc(2, 2, answer)),
        ],
    )
}

/// An SMB 2 message with its NetBIOS header.
fn smb2(command: u8, response: bool, id: u8, body: &[u8]) -> Vec<u8> {
    let mut p = vec![0, 0, 0, 64 + body.len() as u8];
    p.extend(b"\xfeSMB\x40\0\0\0\0\0\0\0");
    p.extend([command, 0, 1, 0, response as u8, 0, 0, 0, 0, 0, 0, 0, id]);
    p.extend([0; 35]);
    p.extend(body);
    p
}

fn smb() -> Talk {
    let mut negotiate = vec![36, 0, 1, 0];
    negotiate.extend([0; 32]);
    negotiate.extend([2, 2]);
    let mut answer = vec![65, 0, 1, 0, 2, 2, 0, 0];
    answer.extend([0; 56]);
    let mut connect = vec![9, 0, 0, 0, 72, 0, 6, 0];
    connect.extend(b"\\\0a\0b\0");
    let connected = [16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    Talk {
        whole: 8,
        ..turns(
            "SMB",
            &[
                (true, &smb2(0, false, 0, &negotiate)),
                (false, &smb2(0, true, 0, &answer)),
                (true, &smb2(3, false, 1, &connect)),
                (false, &smb2(3, true, 1, &connected)),
            ],
        )
    }
}

fn mysql() -> Talk {
    let mut greeting = b"\x0a5.7\0\x01\0\0\0saltsalt\0\x00\x82\x21\x02\0\x08\0\x15".to_vec();
    greeting.extend([0; 10]);
    greeting.extend(b"saltsaltsalt\0mysql_native_password\0");
    let mut login = vec![0, 0x82, 8, 0, 0, 0, 0, 1, 33];
    login.extend([0; 23]);
    login.extend(b"me\0\x02pwmysql_native_password\0");
    let packet = |seq: u8, body: &[u8]| {
        let mut p = vec![body.len() as u8, 0, 0, seq];
        p.extend(body);
        p
    };
    turns(
        "MYSQL",
        &[
            (false, &packet(0, &greeting)),
            (true, &packet(1, &login)),
            (false, &packet(2, b"\0\0\0\x02\0\0\0")),
            (true, &packet(0, b"\x03SELECT 1")),
            (false, &packet(1, b"\0\x01\0\x02\0\0\0")),
            (true, &packet(0, b"\x01")),
        ],
    )
}

/// Calls and their replies over TCP, each a record of its own: of no credentials, accepted, successful.
fn onc_rpc(name: &'static str, program: u32, version: u32, turns_: &[(u32, &[u8], &[u8])]) -> Talk {
    let record = |words: &[u32], body: &[u8]| {
        let mut m: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        m.extend(body);
        let mut r = (0x8000_0000 | m.len() as u32).to_be_bytes().to_vec();
        r.extend(m);
        r
    };
    let mut out = Vec::new();
    for (i, (proc, args, result)) in turns_.iter().enumerate() {
        let xid = i as u32 + 1;
        out.push((true, record(&[xid, 0, 2, program, version, *proc, 0, 0, 0, 0], args)));
        out.push((false, record(&[xid, 1, 0, 0, 0, 0], result)));
    }
    Talk {
        name,
        turns: out,
        whole: 0,
    }
}

/// The first connection of a capture, as its packets' payloads.
fn recorded(name: &'static str, capture: &[u8]) -> Talk {
    let n32 = |at: usize| u32::from_le_bytes([capture[at], capture[at + 1], capture[at + 2], capture[at + 3]]);
    let link = n32(20);
    let mut at = 24;
    let mut client = None;
    let mut next = [None; 2];
    let mut out = Vec::new();
    while at + 16 <= capture.len() {
        let len = n32(at + 8) as usize;
        let p = &capture[at + 16..at + 16 + len];
        at += 16 + len;
        let ip = match link {
            1 => &p[14..],
            101 => p,
            113 => &p[16..],
            276 => &p[20..],
            other => panic!("link type {other}"),
        };
        if ip[0] >> 4 != 4 || ip[9] != 6 {
            continue;
        }
        let total = u16::from_be_bytes([ip[2], ip[3]]) as usize;
        let tcp = &ip[(ip[0] & 15) as usize * 4..total];
        let (from, to) = (
            u16::from_be_bytes([tcp[0], tcp[1]]),
            u16::from_be_bytes([tcp[2], tcp[3]]),
        );
        let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let body = &tcp[(tcp[12] >> 4) as usize * 4..];
        let ends = *client.get_or_insert((from, to));
        let is_orig = if (from, to) == ends {
            true
        } else if (to, from) == ends {
            false
        } else {
            continue;
        };
        let expected = &mut next[is_orig as usize];
        if body.is_empty() || expected.is_some_and(|e| seq != e) {
            continue;
        }
        *expected = Some(seq.wrapping_add(body.len() as u32));
        out.push((is_orig, body.to_vec()));
    }
    Talk {
        name,
        turns: out,
        whole: 0,
    }
}

/// All of them.
pub fn all() -> Vec<Talk> {
    vec![
        pair("HTTP", HTTP_UP, HTTP_DOWN),
        pair("SMTP", SMTP_UP, SMTP_DOWN),
        pair("FTP", FTP_UP, FTP_DOWN),
        pair("REDIS", REDIS_UP, REDIS_DOWN),
        pair("IRC", IRC_UP, IRC_DOWN),
        turns("POP3", &[(false, b"+OK hi\r\n"), (true, POP_UP), (false, POP_DOWN)]),
        pair("SSH", SSH_UP, SSH_DOWN),
        pair("DNS", DNS_UP, b""),
        pair("LDAP_TCP", LDAP_UP, LDAP_DOWN),
        pair("MODBUS", MODBUS_UP, MODBUS_DOWN),
        pair("FINGER", b"/W user@host\r\n", b"Login: user\r\nNo plan.\r\n"),
        pair("IDENT", b"6191, 23\r\n", b"6191, 23 : USERID : UNIX : me\r\n"),
        pair("KRB_TCP", b"\0\0\0\x02\x75\0\0\0\0\x02\x75\0", b"\0\0\0\x02\x6f\0"),
        turns(
            "IMAP",
            &[
                (false, b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
                (true, b"a CAPABILITY\r\n"),
                (false, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK done\r\n"),
                (true, b"b STARTTLS\r\n"),
                (false, b"b OK begin\r\n"),
            ],
        ),
        turns(
            "SOCKS",
            &[
                (true, b"\x05\x01\x00"),
                (false, b"\x05\0"),
                (true, b"\x05\x01\0\x03\x0bexample.com\0\x50"),
                (false, b"\x05\0\0\x01\x7f\0\0\x01\0\x50"),
                (true, b"GET / HTTP/1.0\r\n\r\n"),
            ],
        ),
        turns(
            "RFB",
            &[
                (false, b"RFB 003.008\n"),
                (true, b"RFB 003.008\n"),
                (false, b"\x01\x01"),
                (true, b"\x01"),
                (false, b"\0\0\0\0"),
                (true, b"\x01"),
                (
                    false,
                    b"\x04\0\x03\0\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04desk",
                ),
            ],
        ),
        turns(
            "XMPP",
            &[
                (
                    true,
                    b"<?xml version='1.0'?><stream:stream to='a' xmlns='jabber:client'>",
                ),
                (
                    false,
                    b"<stream:stream from='a'><stream:features><starttls/></stream:features>",
                ),
                (true, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                (false, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ],
        ),
        pair("SYSLOG_TCP", b"<13>by line\n11 <14>counted<15>again\n", b""),
        turns(
            "MQTT",
            &[
                (true, b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"),
                (false, b"\x20\x02\0\0"),
                (true, b"\x30\x07\0\x03a/bhi\xc0\0"),
                (false, b"\xd0\0"),
            ],
        ),
        turns(
            "POSTGRESQL",
            &[
                (true, b"\0\0\0\x11\0\x03\0\0user\0me\0\0"),
                (false, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"),
                (true, b"Q\0\0\0\x0dSELECT 1\0"),
                (false, b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I"),
            ],
        ),
        turns(
            "RDP",
            &[
                (true, b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
                (false, b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\0\0\0\0"),
            ],
        ),
        pair(
            "DNP3_TCP",
            b"\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21",
            b"",
        ),
        turns(
            "WEBSOCKET",
            &[
                (true, b"\x81\x85\x01\x02\x03\x04igohn\x89\x80\0\0\0\0"),
                (false, b"\x81\x05hello\x8a\0\x88\x02\x03\xe8"),
            ],
        ),
        onc_rpc(
            "PORTMAPPER",
            100_000,
            2,
            &[
                (0, b"", b""),
                (3, b"\0\x01\x86\xa3\0\0\0\x03\0\0\0\x06\0\0\0\0", b"\0\0\x08\x01"),
                (
                    4,
                    b"",
                    b"\0\0\0\x01\0\x01\x86\xa0\0\0\0\x02\0\0\0\x11\0\0\0\x6f\0\0\0\0",
                ),
            ],
        ),
        onc_rpc(
            "MOUNT",
            100_005,
            3,
            &[
                (1, b"\0\0\0\x02/a\0\0", b"\0\0\0\0\0\0\0\x04hndl\0\0\0\x01\0\0\0\x01"),
                (3, b"\0\0\0\x02/a\0\0", b""),
                (5, b"", b""),
            ],
        ),
        onc_rpc(
            "NFS",
            100_003,
            3,
            &[
                (0, b"", b""),
                (3, b"\0\0\0\x04hndl\0\0\0\x01f\0\0\0", b"\0\0\0\x02\0\0\0\0"),
                (
                    6,
                    b"\0\0\0\x04hndl\0\0\0\0\0\0\0\0\0\0\0\x04",
                    b"\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\x01\0\0\0\x04data",
                ),
                (
                    16,
                    b"\0\0\0\x04hndl\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0",
                    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\x01\0\0\0\0\0\0\0\x07\0\0\0\x01f\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01",
                ),
            ],
        ),
        turns(
            "TELNET",
            &[
                (false, b"\xff\xfd\x18\xff\xfd\x27login: "),
                (
                    true,
                    b"\xff\xfb\x18\xff\xfb\x27\xff\xfa\x18\0vt100\xff\xf0\xff\xfa\x27\0\x03DISPLAY\x01h:0\0USER\x01me\xff\xf0",
                ),
                (true, b"me\r\0"),
                (false, b"Password: "),
                (true, b"secret\r\0"),
                (false, b"\r\nLast login: now\r\n$ "),
            ],
        ),
        turns(
            "RLOGIN",
            &[
                (true, b"\0me\0you\0vt100/9600\0"),
                (false, b"\0Password: "),
                (true, b"secret\r"),
                (false, b"\r\nLast login: now\r\n$ "),
            ],
        ),
        turns(
            "RSH",
            &[
                (true, b"1022\0me\0you\0ls -l\0"),
                (false, b"\0a\nb\n"),
                (true, b"input\n"),
            ],
        ),
        turns(
            "NETBIOSSSN",
            &[
                (
                    true,
                    b"\x81\0\0\x44\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0\x20CKFDENECFDEFFCFGEFFCCACACACACACA\0",
                ),
                (false, b"\x82\0\0\0"),
                (true, b"\0\0\0\x05hello\x85\0\0\0"),
            ],
        ),
        turns(
            "NCP",
            &[
                (
                    true,
                    b"DmdT\0\0\0\x17\0\0\0\x01\0\0\0\x40\x22\x22\x01\x02\x03\0\x48",
                ),
                (false, b"tNcP\0\0\0\x10\x33\x33\x01\x02\x03\0\0\0"),
            ],
        ),
        turns(
            "GNUTELLA",
            &[
                (true, b"GNUTELLA CONNECT/0.6\r\nUser-Agent: a\r\n\r\n"),
                (false, b"GNUTELLA/0.6 200 OK\r\nUser-Agent: b\r\n\r\n"),
                (true, b"GNUTELLA/0.6 200 OK\r\n\r\n"),
                (true, b"0123456789abcdef\0\x07\0\0\0\0\x000123456789abcdef\x80\x07\0\x03\0\0\0abc"),
                (false, b"0123456789abcdef\x01\x07\0\x09"),
            ],
        ),
        pair(
            "BITTORRENTTRACKER",
            b"GET /announce?info_hash=x HTTP/1.1\r\nHost: t\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\nd8:intervali60e5:peers6:\x0a\0\0\x01\x1a\xe11:xi1eeHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        ),
        turns(
            "BITTORRENT",
            &[
                (true, b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb"),
                (false, b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaacccccccccccccccccccc"),
                (
                    false,
                    b"\0\0\0\x02\x05\xff\0\0\0\x01\x01\0\0\0\0\0\0\0\x05\x04\0\0\0\x03\0\0\0\x03\x09\x1a\xe1",
                ),
                (true, b"\0\0\0\x01\x02\0\0\0\x0d\x06\0\0\0\0\0\0\0\0\0\0\0\x08"),
                (
                    false,
                    b"\0\0\0\x11\x07\0\0\0\0\0\0\0\0datadata\0\0\0\x03\x63xy",
                ),
            ],
        ),
        dce_rpc(),
        smb(),
        mysql(),
        recorded("SSL", include_bytes!("../../../../tests/captures/tls.pcap")),
    ]
}
