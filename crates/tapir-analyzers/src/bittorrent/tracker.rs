//! What peers ask trackers over HTTP (BEP 3, compact lists of peers of BEP 23). Requests of HTTP that are no business of
//! trackers are told of as odd.

use std::net::IpAddr;

use tapir_data::value::{Addr, Port, Proto, Value};
use tapir_interface::{records, types};

use super::benc::{self, Benc};
use crate::core::Cx;
use crate::raise;
use crate::util::dialogue::{Dialogue, LineProtocol, Next};
use crate::util::inflate::Inflate;
use crate::util::lines::Lines;
use crate::util::text::{digits, ieq, istarts, trim};

/// The analyzer.
pub type Tracker = Dialogue<Exchange>;

/// Headers of one message beyond this are not told of.
const MAX_HEADERS: usize = 100;
/// A body is at most so long.
const MAX_BODY: u64 = 1 << 20;

/// A message while its parts come.
#[derive(Default)]
struct Message {
    /// The request's URI.
    uri: Vec<u8>,
    status: u64,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of the body that are still to come; nothing before the headers are over.
    left: Option<u64>,
    body: Vec<u8>,
}

/// The messages of a connection.
#[derive(Default)]
pub struct Exchange {
    /// By direction; the request is the client's.
    messages: [Option<Message>; 2],
}

impl Exchange {
    fn odd(&mut self, cx: &mut Cx, is_orig: bool, msg: &str) -> Next {
        raise!(cx, bt_tracker_weird, is_orig, msg);
        cx.violation(msg);
        self.messages = Default::default();
        Next::Nobody
    }

    fn first_line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        let mut words = line.split(|&b| b == b' ').filter(|w| !w.is_empty());
        let mut m = Message::default();
        if is_orig {
            if words.next() != Some(b"GET") {
                return self.odd(cx, true, "request is no GET");
            }
            m.uri = words.next().unwrap_or(b"").to_vec();
        } else {
            let code = words.nth(1).and_then(digits);
            let (Some((status, 3)), true) = (code, istarts(line, b"HTTP/")) else {
                return self.odd(cx, false, "reply is not HTTP");
            };
            m.status = status;
        }
        self.messages[is_orig as usize] = Some(m);
        Next::Line
    }

    /// The headers of a message are over.
    fn headers_over(&mut self, cx: &mut Cx, is_orig: bool, mut m: Message) -> Next {
        if is_orig {
            cx.confirm();
            let headers = headers(cx, &m);
            raise!(cx, bt_tracker_request, m.uri, headers);
            return Next::Line;
        }
        let told = m.headers.iter().find(|h| ieq(&h.0, b"Content-Length"));
        let length = told.and_then(|h| digits(&h.1)).map_or(u64::MAX, |d| d.0);
        m.left = Some(length);
        if length == 0 {
            return self.reply_over(cx, m);
        }
        self.messages[0] = Some(m);
        Next::Line
    }

    fn reply_over(&mut self, cx: &mut Cx, mut m: Message) -> Next {
        unpack(&mut m);
        let table = headers(cx, &m);
        if m.status != 200 {
            raise!(cx, bt_tracker_response_not_ok, m.status, table);
            return Next::Line;
        }
        let Some((Benc::Dict(d), _)) = benc::read(&m.body) else {
            return self.odd(cx, false, "reply is no dictionary");
        };
        let peers = cx.q.bindings().table(types::BITTORRENT_PEER_SET);
        let values = cx.q.bindings().table(types::BITTORRENT_BENC_DIR);
        for (key, v) in benc::pairs(d) {
            if key == b"peers" {
                for (h, num) in listed(v) {
                    let p = Port { proto: Proto::Tcp, num };
                    let peer = records::BittorrentPeer { h, p }.build(cx.q.bindings());
                    peers.insert(&[peer], Value::Unset, cx.sh.now);
                }
                continue;
            }
            let mut r = records::BittorrentBencValue::default();
            match v {
                Benc::Int(n) => r.i = Some(n),
                Benc::Str(s) => r.s = Some(s.into()),
                Benc::Dict(d) => r.d = Some(d.into()),
                Benc::List(l) => r.l = Some(l.into()),
            }
            let r = r.build(cx.q.bindings());
            values.insert(&[Value::Str(key.into())], r, cx.sh.now);
        }
        let (peers, values) = (Value::Table(peers), Value::Table(values));
        raise!(cx, bt_tracker_response, m.status, table, peers, values);
        Next::Line
    }
}

/// Undoes the compression that the headers name.
fn unpack(m: &mut Message) {
    let coding = m.headers.iter().find(|h| ieq(&h.0, b"Content-Encoding"));
    if !coding.is_some_and(|h| ieq(&h.1, b"gzip") || ieq(&h.1, b"x-gzip") || ieq(&h.1, b"deflate")) {
        return;
    }
    let mut body = Vec::new();
    let mut z = Inflate::default();
    for part in m.body.chunks(4096) {
        z.feed(part, |d| {
            let room = (MAX_BODY as usize).saturating_sub(body.len());
            body.extend_from_slice(&d[..d.len().min(room)]);
        });
        if body.len() as u64 == MAX_BODY {
            break;
        }
    }
    m.body = body;
}

fn headers(cx: &Cx, m: &Message) -> Value {
    let t = cx.q.bindings().table(types::BT_TRACKER_HEADERS);
    for (name, value) in &m.headers {
        t.insert(&[Value::Str(name[..].into())], Value::Str(value[..].into()), cx.sh.now);
    }
    Value::Table(t)
}

/// Addresses and ports of the peers that a tracker lists, in either form.
fn listed(v: Benc) -> Vec<(Addr, u16)> {
    match v {
        Benc::Str(s) => s
            .chunks_exact(6)
            .map(|p| (Addr::v4([p[0], p[1], p[2], p[3]]), u16::from_be_bytes([p[4], p[5]])))
            .collect(),
        Benc::List(l) => benc::elements(l).filter_map(peer).collect(),
        _ => Vec::new(),
    }
}

fn peer(v: Benc) -> Option<(Addr, u16)> {
    let Benc::Dict(d) = v else { return None };
    let (mut host, mut port) = (None, None);
    for (key, v) in benc::pairs(d) {
        match (key, v) {
            // Names of hosts say nothing to scripts, which want addresses.
            (b"ip", Benc::Str(s)) => host = std::str::from_utf8(s).ok().and_then(|s| s.parse().ok()),
            (b"port", Benc::Int(n)) => port = u16::try_from(n).ok(),
            _ => {}
        }
    }
    let host = match host? {
        IpAddr::V4(a) => Addr::v4(a.octets()),
        IpAddr::V6(a) => Addr::v6(a.octets()),
    };
    Some((host, port?))
}

impl LineProtocol for Exchange {
    type Lines = Lines;

    const UNENDED_COUNTS: bool = false;

    fn lines() -> Lines {
        Lines::default().quiet().with_max(1 << 16)
    }

    fn before(&mut self, _cx: &Cx, is_orig: bool, lines: &mut Lines) {
        if !is_orig {
            lines.set_plain(self.messages[0].as_ref().and_then(|m| m.left).unwrap_or(0));
        }
    }

    fn line(&mut self, cx: &mut Cx, is_orig: bool, line: &[u8]) -> Next {
        let Some(mut m) = self.messages[is_orig as usize].take() else {
            return match line {
                b"" => Next::Line,
                _ => self.first_line(cx, is_orig, line),
            };
        };
        if line.is_empty() {
            return self.headers_over(cx, is_orig, m);
        }
        let Some(n) = line.iter().position(|&b| b == b':') else {
            return self.odd(cx, is_orig, "header without a colon");
        };
        if m.headers.len() < MAX_HEADERS {
            m.headers
                .push((trim(&line[..n]).to_vec(), trim(&line[n + 1..]).to_vec()));
        }
        self.messages[is_orig as usize] = Some(m);
        Next::Line
    }

    fn plain(&mut self, cx: &mut Cx, data: &[u8]) {
        let Some(m) = &mut self.messages[0] else { return };
        let room = MAX_BODY.saturating_sub(m.body.len() as u64);
        m.body.extend_from_slice(&data[..data.len().min(room as usize)]);
        if let Some(left) = &mut m.left {
            *left = left.saturating_sub(data.len() as u64);
        }
        if m.left == Some(0)
            && let Some(m) = self.messages[0].take()
        {
            self.reply_over(cx, m);
        }
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, _len: u64) -> Next {
        self.odd(cx, is_orig, "a part of the messages was lost")
    }

    fn done(&mut self, cx: &mut Cx) {
        // A body without a length ends with the connection.
        if let Some(m) = self.messages[0].take().filter(|m| m.left.is_some()) {
            self.reply_over(cx, m);
        }
    }

    fn flip(&mut self) {
        self.messages.swap(0, 1);
    }
}
