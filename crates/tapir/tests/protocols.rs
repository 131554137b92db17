//! Conversations that are legal but seldom, or wrong in a way that says something, each put into a small capture: what
//! the logs tell of them.

mod background;
#[path = "../../tapir-analyzers/tests/talks/rpc.rs"]
mod rpc;

use std::path::{Path, PathBuf};
use std::process::Command;

use background::{folder, rows};
use rpc::rpc;

/// A client's and a server's port, and what they say in turns.
struct Talk {
    tcp: bool,
    /// The capture began before the conversation.
    whole: bool,
    port: u16,
    turns: Vec<(bool, Vec<u8>)>,
}

fn udp(port: u16, turns: &[(bool, &[u8])]) -> Talk {
    talk(false, port, turns)
}

fn tcp(port: u16, turns: &[(bool, &[u8])]) -> Talk {
    talk(true, port, turns)
}

fn talk(tcp: bool, port: u16, turns: &[(bool, &[u8])]) -> Talk {
    Talk {
        tcp,
        whole: true,
        port,
        turns: turns.iter().map(|(o, b)| (*o, b.to_vec())).collect(),
    }
}

/// A capture of IP packets without a link layer, a tenth of a second apart.
struct Capture {
    bytes: Vec<u8>,
    packets: u32,
}

impl Capture {
    fn new() -> Self {
        let mut bytes = Vec::new();
        for n in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 101] {
            bytes.extend(n.to_le_bytes());
        }
        Capture { bytes, packets: 0 }
    }

    fn packet(&mut self, from_client: bool, protocol: u8, transport: &[u8]) {
        let len = 20 + transport.len();
        let mut ip = vec![0x45, 0];
        ip.extend((len as u16).to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (from, to) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        ip.extend(from);
        ip.extend(to);
        let at = self.packets;
        self.packets += 1;
        for n in [1_700_000_000 + at / 10, at % 10 * 100_000, len as u32, len as u32] {
            self.bytes.extend(n.to_le_bytes());
        }
        self.bytes.extend(&ip);
        self.bytes.extend(transport);
    }

    fn datagram(&mut self, from_client: bool, port: u16, data: &[u8]) {
        let mut u = ports(from_client, port);
        u.extend((8 + data.len() as u16).to_be_bytes());
        u.extend([0, 0]);
        u.extend(data);
        self.packet(from_client, 17, &u);
    }

    fn segment(&mut self, from_client: bool, port: u16, next: &mut [u32; 2], flags: u8, data: &[u8]) {
        let d = usize::from(from_client);
        let mut t = ports(from_client, port);
        t.extend(next[d].to_be_bytes());
        t.extend(if flags & 0x10 != 0 { next[1 - d] } else { 0 }.to_be_bytes());
        t.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        t.extend(data);
        self.packet(from_client, 6, &t);
        next[d] += data.len() as u32 + u32::from(flags & 3 != 0);
    }

    fn add(&mut self, t: &Talk) {
        if !t.tcp {
            for (o, data) in &t.turns {
                self.datagram(*o, t.port, data);
            }
            return;
        }
        let next = &mut [2000, 1000];
        if t.whole {
            self.segment(true, t.port, next, 0x02, &[]);
            self.segment(false, t.port, next, 0x12, &[]);
            self.segment(true, t.port, next, 0x10, &[]);
        }
        for (o, data) in &t.turns {
            self.segment(*o, t.port, next, 0x18, data);
            self.segment(!*o, t.port, next, 0x10, &[]);
        }
        self.segment(true, t.port, next, 0x11, &[]);
        self.segment(false, t.port, next, 0x11, &[]);
        self.segment(true, t.port, next, 0x10, &[]);
    }
}

fn ports(from_client: bool, port: u16) -> Vec<u8> {
    let (from, to) = if from_client { (40_000, port) } else { (port, 40_000) };
    [u16::to_be_bytes(from), u16::to_be_bytes(to)].concat()
}

/// Analyses a conversation; gives the folder with the logs.
fn logs_of(name: &str, t: &Talk) -> PathBuf {
    logs_with(name, t, &["local"])
}

/// Analyses a conversation with these scripts; gives the folder with the logs.
fn logs_with(name: &str, t: &Talk, scripts: &[&str]) -> PathBuf {
    run(name, t, scripts).0
}

/// What a script prints about a conversation.
fn printed(name: &str, t: &Talk, script: &str) -> Vec<String> {
    let file = folder(Path::new("protocols-scripts").join(name)).join("script.zeek");
    std::fs::write(&file, script).expect("the script can be written");
    let text = run(name, t, &[&file.to_string_lossy()]).1;
    text.lines().map(str::to_string).collect()
}

/// Analyses a conversation; gives the folder with the logs and what was printed.
fn run(name: &str, t: &Talk, scripts: &[&str]) -> (PathBuf, String) {
    let dir = folder(Path::new("protocols").join(name));
    let mut c = Capture::new();
    c.add(t);
    std::fs::write(dir.join("talk.pcap"), &c.bytes).expect("the capture can be written");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-C", "-r", "talk.pcap"])
        .args(scripts)
        .current_dir(&dir)
        .env("TZ", "UTC")
        .env_remove("ZEEKPATH")
        .output()
        .expect("tapir runs");
    assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    (dir, String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A BER element.
fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    assert!(body.len() < 128, "a short element");
    [&[tag, body.len() as u8], &body[..]].concat()
}

/// The message `id` of LDAP around an operation.
fn ldap(id: u8, op: &[u8]) -> Vec<u8> {
    ber(0x30, &[&[2, 1, id], op])
}

/// The result of an LDAP operation.
fn ldap_result(tag: u8, code: u8) -> Vec<u8> {
    ber(tag, &[&[0x0a, 1, code], &[4, 0], &[4, 0]])
}

/// Servers can be named whose further sections are of no interest.
#[test]
fn further_sections_of_a_name_server_can_be_skipped() {
    let name = b"\x01a\x04test\x00";
    let question = [
        &b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..],
        name,
        b"\x00\x01\x00\x01",
    ]
    .concat();
    let record = |kind: u8, data: &[u8]| {
        let len = data.len() as u8;
        [&b"\xc0\x0c"[..], &[0, kind, 0, 1, 0, 0, 0, 9, 0, len], data].concat()
    };
    let answer = [
        &b"\x00\x07\x84\x00\x00\x01\x00\x01\x00\x01\x00\x01"[..],
        name,
        b"\x00\x01\x00\x01",
        &record(1, &[192, 0, 2, 1]),
        &record(2, b"\x02ns\xc0\x0e"),
        &record(1, &[192, 0, 2, 53]),
    ]
    .concat();
    let talk = udp(53, &[(true, &question), (false, &answer)]);
    let wanted = ["id.resp_h", "answers", "auth", "addl"];
    let all = rows(
        &logs_with("dns-sections", &talk, &["protocols/dns/auth-addl"]),
        "dns",
        &wanted,
    );
    let server = all[0].split(' ').next().expect("an address");
    assert_eq!(all, [format!("{server} 192.0.2.1 ns.test 192.0.2.53")]);
    let without = |option: &str| {
        let redef = format!("redef {option} += {{ {server} }};");
        let scripts = ["protocols/dns/auth-addl", "-e", &redef];
        rows(&logs_with(option, &talk, &scripts), "dns", &wanted)
    };
    assert_eq!(without("dns_skip_auth"), [format!("{server} 192.0.2.1 - 192.0.2.53")]);
    assert_eq!(without("dns_skip_addl"), [format!("{server} 192.0.2.1 ns.test -")]);
}

#[test]
fn an_ldap_datagram_holds_an_entry_and_the_end_of_the_search() {
    let filter = ber(0x87, &[b"objectClass"]);
    let search = ber(
        0x63,
        &[
            &[4, 0, 0x0a, 1, 0, 0x0a, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0],
            &filter,
            &[0x30, 0],
        ],
    );
    let entry = ber(0x64, &[&[4, 0], &[0x30, 0]]);
    let answer = [ldap(7, &entry), ldap(7, &ldap_result(0x65, 0))].concat();
    let dir = logs_of("cldap", &udp(389, &[(true, &ldap(7, &search)), (false, &answer)]));
    let got = rows(&dir, "ldap_search", &["message_id", "scope", "result_count", "result"]);
    assert_eq!(got, ["7 base 1 success"]);
}

#[test]
fn ldap_results_of_extensions_have_names() {
    let delete = ber(0x4a, &[b"cn=x"]);
    let turns: Vec<(bool, Vec<u8>)> = [60, 76, 118, 123, 200]
        .iter()
        .enumerate()
        .flat_map(|(i, code)| {
            let id = i as u8 + 1;
            [(true, ldap(id, &delete)), (false, ldap(id, &ldap_result(0x6b, *code)))]
        })
        .collect();
    let t = Talk {
        tcp: true,
        whole: true,
        port: 389,
        turns,
    };
    let got = rows(&logs_of("ldap-results", &t), "ldap", &["opcode", "result"]);
    let want = [
        "sort control missing",
        "control error",
        "canceled",
        "authorization denied",
        "-",
    ];
    assert_eq!(got, want.map(|w| format!("delete {w}")));
}

#[test]
fn an_ntp_message_of_the_reserved_mode_is_ntp() {
    let mut m = vec![0x20];
    m.extend([0; 47]);
    let dir = logs_of("ntp-mode-0", &udp(123, &[(true, &m)]));
    assert_eq!(rows(&dir, "conn", &["service"]), ["ntp"]);
    assert!(rows(&dir, "ntp", &["mode"]).is_empty());
}

/// A DHCP request with options.
fn dhcp(options: &[u8]) -> Vec<u8> {
    let mut m = vec![1, 1, 6, 0, 1, 2, 3, 4];
    m.extend([0; 20]);
    m.extend([2, 0, 0, 0, 0, 1]);
    m.extend([0; 10 + 64 + 128]);
    m.extend([0x63, 0x82, 0x53, 0x63]);
    m.extend(options);
    m
}

#[test]
fn a_list_of_dhcp_options_goes_on_to_its_end_mark() {
    let whole = dhcp(&[53, 1, 1, 0, 0, 12, 2, b'h', b'i', 255, 0, 0]);
    let dir = logs_of("dhcp-whole", &udp(67, &[(true, &whole)]));
    assert_eq!(rows(&dir, "dhcp", &["host_name", "msg_types"]), ["hi DISCOVER"]);
    for (name, options) in [
        ("dhcp-no-end", &[53, 1, 1, 12, 2, b'h', b'i'][..]),
        ("dhcp-cut", &[53, 1, 1, 12, 9, b'h', b'i'][..]),
    ] {
        let dir = logs_of(name, &udp(67, &[(true, &dhcp(options))]));
        assert!(rows(&dir, "dhcp", &["mac"]).is_empty(), "{name}");
        assert_eq!(rows(&dir, "conn", &["service"]), ["-"], "{name}");
    }
}

#[test]
fn a_dhcp_client_is_known_by_the_hardware_address_that_it_names() {
    for (name, id, mac) in [
        ("dhcp-other", &[61, 7, 1, 2, 0, 0, 0, 0, 9][..], "02:00:00:00:00:09"),
        ("dhcp-text", &[61, 3, 0, b'm', b'e'][..], "02:00:00:00:00:01"),
    ] {
        let request = dhcp(&[&[53, 1, 1], id, &[255]].concat());
        let dir = logs_of(name, &udp(67, &[(true, &request)]));
        assert_eq!(rows(&dir, "dhcp", &["mac"]), [mac]);
    }
}

#[test]
fn a_radius_answer_without_its_request_has_neither_time_nor_challenge() {
    let mut m = vec![2, 9, 0, 25];
    m.extend([7; 16]);
    m.extend([18, 5, b'h', b'e', b'y']);
    let dir = logs_of("radius", &udp(1812, &[(false, &m)]));
    assert_eq!(rows(&dir, "radius", &["result", "reply_msg", "ttl"]), ["success - -"]);
}

#[test]
fn messages_of_the_messenger_service_have_names() {
    // 5a7b91f8-ff00-11d0-a9b2-00c04fb6e6fc takes messages, 17fdd703-1827-4e34-79d4-24a55c53bb37 who gets them.
    let ids = [
        b"\xf8\x91\x7b\x5a\0\xff\xd0\x11\xa9\xb2\0\xc0\x4f\xb6\xe6\xfc",
        b"\x03\xd7\xfd\x17\x27\x18\x34\x4e\x79\xd4\x24\xa5\x5c\x53\xbb\x37",
    ];
    let mut bind = b"\xd0\x16\xd0\x16\0\0\0\0\x02\0\0\0".to_vec();
    for (i, id) in ids.iter().enumerate() {
        bind.extend([i as u8, 0, 1, 0]);
        bind.extend(*id);
        bind.extend([1, 0, 0, 0]);
        bind.extend([9; 20]);
    }
    let ack = b"\xd0\x16\xd0\x16\x01\0\0\0\x04\x00135\0\0\0";
    let ask = |context: u8| rpc(0, 2 + context, &[4, 0, 0, 0, context, 0, 0, 0, 1, 2, 3, 4]);
    let answer = |context: u8| rpc(2, 2 + context, &[4, 0, 0, 0, context, 0, 0, 0, 1, 2, 3, 4]);
    let t = tcp(
        135,
        &[
            (true, &rpc(11, 1, &bind)),
            (false, &rpc(12, 1, ack)),
            (true, &ask(0)),
            (false, &answer(0)),
            (true, &ask(1)),
            (false, &answer(1)),
        ],
    );
    let got = rows(&logs_of("messenger", &t), "dce_rpc", &["endpoint", "operation"]);
    assert_eq!(got, ["msgsvcsend NetrSendMessage", "msgsvc NetrMessageNameAdd"]);
}

#[test]
fn a_pipe_tells_what_is_called_where_the_binding_was_not_seen() {
    let ack = b"\xd0\x16\xd0\x16\x01\0\0\0\x0d\0\\PIPE\\srvsvc\0\0";
    let t = tcp(
        135,
        &[
            (false, &rpc(12, 1, ack)),
            (true, &rpc(0, 2, &[4, 0, 0, 0, 0, 0, 15, 0, 1, 2, 3, 4])),
            (false, &rpc(2, 2, &[4, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])),
        ],
    );
    let got = rows(
        &logs_of("pipe", &t),
        "dce_rpc",
        &["named_pipe", "endpoint", "operation"],
    );
    assert_eq!(got, ["\\\\PIPE\\\\srvsvc srvsvc NetrShareEnum"]);
}

#[test]
fn mysql_is_only_followed_from_the_beginning() {
    let mut hello = b"\x0a8.0.1\0\x01\0\0\0saltsalt\0\xff\xf7\x08\x02\0\x0f\x80\0".to_vec();
    hello.extend([0; 10]);
    hello.extend(b"saltsaltsalt\0");
    let mut login = vec![0x05, 0xa2, 0, 0, 0, 0, 0, 1, 8];
    login.extend([0; 23]);
    login.extend(b"anna\0\0");
    let packet = |n: u8, body: &[u8]| [&[body.len() as u8, 0, 0, n], body].concat();
    let (hello, login) = (packet(0, &hello), packet(1, &login));
    let (ok, query) = (packet(2, &[0, 0, 0, 2, 0, 0, 0]), packet(0, b"\x03SELECT 1"));
    let turns = [
        (false, &hello[..]),
        (true, &login),
        (false, &ok),
        (true, &query),
        (false, &ok),
    ];
    let mut t = tcp(3306, &turns);
    let columns = ["cmd", "arg", "success"];
    let got = rows(&logs_of("mysql", &t), "mysql", &columns);
    assert_eq!(got, ["login anna T", "query SELECT 1 T"]);
    t.whole = false;
    let dir = logs_of("mysql-midway", &t);
    assert!(rows(&dir, "mysql", &columns).is_empty());
    assert_eq!(rows(&dir, "conn", &["service"]), ["-"]);
}

#[test]
fn a_draft_of_quic_is_named_and_left_alone() {
    let mut initial = b"\xc0\xff\0\0\x1d\x04abcd\x02ef\0\x44\x9e".to_vec();
    initial.extend([7; 1200]);
    let dir = logs_of("quic-draft", &udp(443, &[(true, &initial)]));
    assert_eq!(rows(&dir, "quic", &["version", "history"]), ["draft-29 U"]);
    assert_eq!(rows(&dir, "conn", &["service"]), ["-"]);
}

#[test]
fn software_is_told_by_what_it_says_of_itself() {
    let cases = [
        ("Wget/1.21 (linux-gnu)", "Wget 1 21 - - linux-gnu"),
        (
            "Opera/9.80 (X11; Linux x86_64) Presto/2.12.388 Version/12.16",
            "Opera 12 16 - - -",
        ),
        (
            "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709) Presto/2.8.119",
            "Opera Mini 7 1 32052 - -",
        ),
        ("Opera/8.51 (Windows NT 5.1; U; en)", "Opera 8 51 - - -"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246",
            "Edge 12 246 - - -",
        ),
        (
            "Mozilla/5.0 (compatible; Konqueror/3.5; Linux)",
            "<unknown browser> - - - - -",
        ),
    ];
    let mut turns = Vec::new();
    for (agent, _) in cases {
        let ask = format!("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n\r\n");
        turns.push((true, ask.into_bytes()));
        turns.push((false, b"HTTP/1.1 204 No\r\n\r\n".to_vec()));
    }
    let t = Talk {
        tcp: true,
        whole: true,
        port: 80,
        turns,
    };
    let columns = [
        "name",
        "version.major",
        "version.minor",
        "version.minor2",
        "version.minor3",
        "version.addl",
    ];
    let got = rows(&logs_of("software", &t), "software", &columns);
    assert_eq!(got, cases.map(|c| c.1));
}

#[test]
fn names_of_files_are_taken_from_headers() {
    let cases = [
        ("attachment; filename=\"a b.txt\"; size=3", "a b.txt"),
        ("attachment; filename*=UTF-8'en'na%20me.txt", "na me.txt"),
        ("attachment; filename=plain.txt", "plain.txt"),
        ("attachment; filename=\"it's bob's.txt\"", "it's bob's.txt"),
    ];
    let mut turns = Vec::new();
    for (header, _) in cases {
        turns.push((true, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Disposition: {header}\r\nContent-Length: 4\r\n\r\nfile");
        turns.push((false, answer.into_bytes()));
    }
    let t = Talk {
        tcp: true,
        whole: true,
        port: 80,
        turns,
    };
    let mut got = rows(&logs_of("filenames", &t), "files", &["ts", "filename"]);
    got.sort();
    let got: Vec<&str> = got.iter().map(|r| r.split_once(' ').map_or("", |x| x.1)).collect();
    assert_eq!(got, cases.map(|c| c.1));
}

/// A message of GTP version 1 without a sequence number.
fn gtp(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0x30, kind, 0, body.len() as u8, 0, 0, 0, 5], body].concat()
}

#[test]
fn elements_of_gtp_have_the_numbers_of_their_specification() {
    const SCRIPT: &str = r#"
event gtpv1_create_pdp_ctx_request(c: connection, hdr: gtpv1_hdr, e: gtp_create_pdp_ctx_request_elements)
	{
	print e$nsapi, e$ap_name, e$trigger_id, e$omc_id;
	}
event net_weird(name: string, addl: string, source: string)
	{
	print name, addl;
	}
"#;
    let elements = b"\x14\x05\x83\0\x02ap\x8d\0\x01x\x8e\0\x04trig\x8f\0\x03omc";
    // The last one of the second message is cut.
    let cut = [&elements[..], b"\x89\0\x09tf"].concat();
    let t = udp(2123, &[(true, &gtp(16, elements)), (true, &gtp(16, &cut))]);
    let told = "5, ap, trig, omc";
    let got = printed("gtp-elements", &t, SCRIPT);
    assert_eq!(got, [told, told, "gtp_invalid_info_element, 137"]);
}

#[test]
fn changes_and_ends_of_gtp_contexts() {
    const SCRIPT: &str = r#"
event gtpv1_update_pdp_ctx_request(c: connection, hdr: gtpv1_hdr, e: gtp_update_pdp_ctx_request_elements)
	{
	print "update", e$imsi, e$rai, e$recovery, e$data1, e$cp, e$nsapi, e$trace_ref, e$trace_type, e$cp_addr$ip,
	      e$user_addr$ip, e$qos_prof, e$tft, e$end_user_addr$pdp_ip, e$ext;
	}
event gtpv1_update_pdp_ctx_response(c: connection, hdr: gtpv1_hdr, e: gtp_update_pdp_ctx_response_elements)
	{
	print "updated", e$cause, e$recovery, e$data1, e$cp, e$charging_id, e$cp_addr$ip, e$user_addr$ip, e$qos_prof$data,
	      e$charge_gateway;
	}
event gtpv1_delete_pdp_ctx_request(c: connection, hdr: gtpv1_hdr, e: gtp_delete_pdp_ctx_request_elements)
	{
	print "delete", e$teardown_ind, e$nsapi;
	}
event gtpv1_delete_pdp_ctx_response(c: connection, hdr: gtpv1_hdr, e: gtp_delete_pdp_ctx_response_elements)
	{
	print "deleted", e$cause;
	}
"#;
    // Numbers of elements as in 3GPP TS 29.060, table 37, in their order.
    let addresses = b"\x85\0\x04\x0a\0\0\x01\x85\0\x04\x0a\0\0\x02";
    let quality = b"\x87\0\x03\x02qq";
    let update = [
        &b"\x02\x21\x43\x65\x87\x09\x21\x43\xf5\x03\x12\xf3\x45\0\x07\x08\x0e\x09"[..],
        b"\x10\0\0\0\x0b\x11\0\0\0\x0c\x14\x05\x1b\0\x0d\x1c\0\x0e\x80\0\x06\xf1\x21\xc0\0\x02\x01",
        addresses,
        quality,
        b"\x89\0\x02tf\xff\0\x05\0\x01ext",
    ]
    .concat();
    let updated = [
        &b"\x01\x80\x0e\x09\x10\0\0\0\x0b\x11\0\0\0\x0c\x7f\0\0\0\x0f"[..],
        addresses,
        quality,
        b"\xfb\0\x04\x0a\0\0\x03",
    ]
    .concat();
    let t = udp(
        2123,
        &[
            (true, &gtp(18, &update)),
            (false, &gtp(19, &updated)),
            (true, &gtp(20, b"\x13\xff\x14\x05")),
            (false, &gtp(21, b"\x01\x80")),
        ],
    );
    assert_eq!(
        printed("gtp-changes", &t, SCRIPT),
        [
            "update, 123456789012345, [mcc=213, mnc=54, lac=7, rac=8], 9, 11, 12, 5, 13, 14, 10.0.0.1, 10.0.0.2, \
             [priority=2, data=qq], tf, 192.0.2.1, [id=1, value=ext]",
            "updated, 128, 9, 11, 12, 15, 10.0.0.1, 10.0.0.2, qq, 10.0.0.3",
            "delete, T, 5",
            "deleted, 128",
        ]
    );
}

#[test]
fn an_unknown_protocol_is_told_of_with_all_around_it() {
    const SCRIPT: &str = r#"
event unknown_protocol(name: string, protocol: count, first: string, history: string_vec)
	{
	print name, protocol, join_string_vec(history, " ");
	}
"#;
    let inner = b"\0\0\x12\x34\0\0\x07\0something of its own";
    let got = printed("unknown-in-geneve", &udp(6081, &[(true, inner)]), SCRIPT);
    assert_eq!(got, ["GENEVE, 4660, IP UDP GENEVE"]);
}
