//! The whole program on captures of our own whose segments are cut up, repeated and put in another order: what the
//! applications said stays the same. And on captures that break off: what was seen until there stays the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Prints what applications said, without times; `net_done` ends what depends on packets.
const SCRIPT: &str = r#"
event net_done(t: time) { print "END"; }
event http_request(c: connection, method: string, original: string, unescaped: string, version: string)
	{ print "http_request", method, original, version; }
event http_reply(c: connection, version: string, code: count, reason: string) { print "http_reply", version, code, reason; }
event http_header(c: connection, is_orig: bool, original: string, name: string, value: string)
	{ print "http_header", is_orig, name, value; }
event http_message_done(c: connection, is_orig: bool, stat: http_message_stat)
	{ print "http_message_done", is_orig, stat$body_length, stat$header_length; }
event file_hash(f: fa_file, kind: string, hash: string) { print "file_hash", kind, hash; }
event ftp_request(c: connection, command: string, arg: string) { print "ftp_request", command, arg; }
event ftp_reply(c: connection, code: count, msg: string, cont_resp: bool) { print "ftp_reply", code, msg, cont_resp; }
event smtp_request(c: connection, is_orig: bool, command: string, arg: string) { print "smtp_request", command, arg; }
event smtp_reply(c: connection, is_orig: bool, code: count, cmd: string, msg: string, cont_resp: bool)
	{ print "smtp_reply", code, cmd, msg; }
event ssl_client_hello(c: connection, version: count, record_version: count, possible_ts: time, client_random: string,
                       session_id: string, ciphers: index_vec, comp_methods: index_vec)
	{ print "ssl_client_hello", version, record_version, ciphers; }
event ssl_server_hello(c: connection, version: count, record_version: count, possible_ts: time, server_random: string,
                       session_id: string, cipher: count, comp_method: count)
	{ print "ssl_server_hello", version, record_version, cipher; }
event ssl_established(c: connection) { print "ssl_established"; }
event ssh_client_version(c: connection, version: string) { print "ssh_client_version", version; }
event ssh_server_version(c: connection, version: string) { print "ssh_server_version", version; }
event Redis::command(c: connection, cmd: Redis::Command) { print "redis", cmd$raw; }
event mqtt_publish(c: connection, is_orig: bool, msg_id: count, msg: MQTT::PublishMsg) { print "mqtt_publish", msg$topic; }
"#;

/// A generator of its own, so that failures repeat.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

#[derive(Clone)]
struct Frame {
    time: [u8; 8],
    data: Vec<u8>,
}

struct Capture {
    header: Vec<u8>,
    link: usize,
    frames: Vec<Frame>,
}

fn le32(b: &[u8], at: usize) -> usize {
    u32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes")) as usize
}

fn be16(b: &[u8], at: usize) -> usize {
    usize::from(b[at]) << 8 | usize::from(b[at + 1])
}

fn read(path: &Path) -> Capture {
    let bytes = std::fs::read(path).expect("the capture can be read");
    let link = match le32(&bytes, 20) {
        0 => 4,
        1 => 14,
        113 => 16,
        276 => 20,
        _ => 0,
    };
    let (mut at, mut frames) = (24, Vec::new());
    while at + 16 <= bytes.len() {
        let len = le32(&bytes, at + 8);
        frames.push(Frame {
            time: bytes[at..at + 8].try_into().expect("eight bytes"),
            data: bytes[at + 16..at + 16 + len].to_vec(),
        });
        at += 16 + len;
    }
    Capture {
        header: bytes[..24].to_vec(),
        link,
        frames,
    }
}

fn write(c: &Capture, frames: &[Frame]) -> Vec<u8> {
    let mut out = c.header.clone();
    for f in frames {
        out.extend_from_slice(&f.time);
        let len = (f.data.len() as u32).to_le_bytes();
        out.extend_from_slice(&len);
        out.extend_from_slice(&len);
        out.extend_from_slice(&f.data);
    }
    out
}

/// Where a plain TCP segment over IPv4 has its header and its payload; nothing for other packets and for flags that
/// open or close.
fn segment(f: &Frame, link: usize) -> Option<(usize, usize)> {
    let d = &f.data;
    if d.len() < link + 40 || d[link] >> 4 != 4 || d[link + 9] != 6 || d.len() != link + be16(d, link + 2) {
        return None;
    }
    let tcp = link + usize::from(d[link] & 15) * 4;
    let payload = tcp + usize::from(d[tcp + 12] >> 4) * 4;
    (d[tcp + 13] & 7 == 0 && payload < d.len()).then_some((tcp, payload))
}

/// Addresses and ports of a segment, source first.
fn flow(f: &Frame, link: usize, tcp: usize) -> Vec<u8> {
    [&f.data[link + 12..link + 20], &f.data[tcp..tcp + 4]].concat()
}

/// The part of a segment from `from` to `to` of its payload.
fn part(f: &Frame, link: usize, tcp: usize, payload: usize, from: usize, to: usize) -> Frame {
    let mut d = f.data[..payload].to_vec();
    d.extend_from_slice(&f.data[payload + from..payload + to]);
    let seq = u32::from_be_bytes(d[tcp + 4..tcp + 8].try_into().expect("four bytes")).wrapping_add(from as u32);
    d[tcp + 4..tcp + 8].copy_from_slice(&seq.to_be_bytes());
    let total = ((d.len() - link) as u16).to_be_bytes();
    d[link + 2..link + 4].copy_from_slice(&total);
    Frame { time: f.time, data: d }
}

/// Cuts segments up, repeats some, and shuffles those that follow each other in one direction.
fn disturb(c: &Capture, r: &mut Random) -> Vec<Frame> {
    let mut pieces: Vec<Frame> = Vec::new();
    for f in &c.frames {
        match segment(f, c.link) {
            Some((tcp, payload)) => {
                let len = f.data.len() - payload;
                let mut from = 0;
                while from < len {
                    let to = if r.below(3) == 0 {
                        len
                    } else {
                        from + 1 + r.below(len - from)
                    };
                    let piece = part(f, c.link, tcp, payload, from, to);
                    if r.below(8) == 0 {
                        pieces.push(piece.clone());
                    }
                    pieces.push(piece);
                    from = to;
                }
            }
            None => pieces.push(f.clone()),
        }
    }
    let kind = |f: &Frame| segment(f, c.link).map(|(tcp, _)| flow(f, c.link, tcp));
    let mut at = 0;
    while at < pieces.len() {
        let this = kind(&pieces[at]);
        let mut end = at + 1;
        while this.is_some() && end < pieces.len() && end - at < 12 && kind(&pieces[end]) == this {
            end += 1;
        }
        for i in (at + 1..end).rev() {
            let j = at + r.below(i - at + 1);
            let (a, b) = (pieces[i].data.clone(), pieces[j].data.clone());
            // Times stay where they are.
            (pieces[i].data, pieces[j].data) = (b, a);
        }
        at = end;
    }
    pieces
}

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    std::fs::write(dir.join("said.zeek"), SCRIPT).expect("the script can be written");
    dir
}

/// What is printed until the input ends.
fn said(dir: &Path, capture: &[u8]) -> Vec<String> {
    std::fs::write(dir.join("in.pcap"), capture).expect("the capture can be written");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-D", "-C", "-r", "in.pcap", "said.zeek"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("tapir runs");
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(!err.contains("panicked"), "{err}");
    assert!(out.status.code().is_some_and(|c| c <= 1), "{:?}: {err}", out.status);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().take_while(|l| *l != "END").map(str::to_string).collect()
}

fn captures() -> Vec<(String, Capture)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let named = |name: &str| (name.to_string(), read(&root.join(format!("{name}.pcap"))));
    ["http", "ftp", "smtp", "ssh", "tls", "redis", "mqtt"].map(named).into()
}

#[test]
fn order_size_and_number_of_segments_do_not_matter() {
    let dir = folder("order");
    let mut spoke = 0;
    for (name, c) in captures() {
        let plain = said(&dir, &write(&c, &c.frames));
        spoke += usize::from(!plain.is_empty());
        for seed in 0..4 {
            let mut r = Random(seed);
            let disturbed = said(&dir, &write(&c, &disturb(&c, &mut r)));
            assert_eq!(plain, disturbed, "{name} with seed {seed}");
        }
    }
    assert!(spoke >= 6, "only {spoke} of the captures say something");
}

/// Prints every event of the default scripts up to the end of the input, with what identifies connections and files.
const EVERYTHING: &str = r#"
redef Log::default_writer = Log::WRITER_NONE;
event new_event(name: string, args: call_argument_vector)
	{
	if ( name == "net_done" )
		print "END";
	local line = name;
	for ( _, a in args )
		{
		if ( ! a?$value )
			next;
		local v = a$value;
		if ( v is connection )
			line += fmt(" %s", (v as connection)$uid);
		else if ( v is fa_file )
			line += fmt(" %s", (v as fa_file)$id);
		else if ( v is AnalyzerConfirmationInfo || v is AnalyzerViolationInfo )
			next;
		else
			line += fmt(" %s=%s", a$name, v);
		}
	print line;
	}
"#;

/// All captures below a folder.
fn below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let extension = path.extension().and_then(|e| e.to_str());
        if path.is_dir() {
            below(&path, found);
        } else if extension.is_some_and(|e| ["pcap", "pcapng", "trace", "cap"].contains(&e)) {
            found.push(path);
        }
    }
    found.sort();
}

/// Every event until a capture breaks off is one that the whole capture gives as well. For a long run, `ORDER_CAPTURES`
/// names a folder of captures and `ORDER_CUTS` says how often each is cut.
#[test]
fn captures_that_break_off_say_the_same_until_there() {
    let dir = folder("broken");
    std::fs::write(dir.join("said.zeek"), EVERYTHING).expect("the script can be written");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let from = std::env::var_os("ORDER_CAPTURES").map_or(own, PathBuf::from);
    let cuts = std::env::var("ORDER_CUTS").map_or(1, |n| n.parse().expect("a number"));
    let mut all = Vec::new();
    below(&from, &mut all);
    assert!(!all.is_empty(), "no captures in {}", from.display());
    let (mut r, mut wrong, mut events) = (Random(1), Vec::new(), 0);
    for path in &all {
        let bytes = std::fs::read(path).expect("the capture can be read");
        let plain = said(&dir, &bytes);
        events += plain.len();
        for _ in 0..cuts {
            let cut = 24 + r.below(bytes.len() - 24);
            let mut until = said(&dir, &bytes[..cut]);
            // The end is told as an error.
            until.retain(|l| !l.starts_with("reporter_"));
            let plain = plain.iter().filter(|l| !l.starts_with("reporter_"));
            if let Some((a, b)) = until.iter().zip(plain).find(|(a, b)| a != b) {
                wrong.push(format!("{} cut at {cut}: {a} instead of {b}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(events > 10 * all.len(), "only {events} events");
}
