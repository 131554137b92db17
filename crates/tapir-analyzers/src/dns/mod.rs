//! DNS over UDP and TCP, multicast DNS, LLMNR and NetBIOS names (RFC 1035, 2136, 6762, 1002).
//!
//! Each message is parsed as a whole; only the names and records whose events somebody wants are built.

mod rr;
mod wire;

use tapir_data::value::{Addr, Str, Value};

use crate::core::conn::Transport;
use crate::core::{Analyzer, Cx};
use crate::util::cursor::Cursor;
use crate::{raise, wants};
use tapir_interface::records;
use wire::Header;

const OP_QUERY: u8 = 0;
const OP_NOTIFY: u8 = 4;
const OP_UPDATE: u8 = 5;

/// The section that a record stands in, with the number that scripts see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
    Prerequisite = 4,
    Update = 5,
}

/// A message while it is parsed.
pub(crate) struct Msg {
    pub head: Header,
    pub netbios: bool,
    value: Option<Value>,
    /// The section's events are not raised, its records only passed over.
    pub skip: bool,
}

impl Msg {
    /// The `dns_msg` record, made once per message.
    pub fn value(&mut self, cx: &mut Cx) -> Value {
        if let Some(v) = &self.value {
            return v.clone();
        }
        let h = &self.head;
        let v = records::DnsMsg {
            id: h.id as u64,
            opcode: h.opcode() as u64,
            rcode: (h.flags & 15) as u64,
            QR: h.qr(),
            AA: h.bit(0x0400),
            TC: h.bit(0x0200),
            RD: h.bit(0x0100),
            RA: h.bit(0x0080),
            Z: (h.flags >> 4 & 7) as u64,
            AD: h.bit(0x0020),
            CD: h.bit(0x0010),
            num_queries: h.qd as u64,
            num_answers: h.an as u64,
            num_auth: h.ns as u64,
            num_addl: h.ar as u64,
            is_netbios: self.netbios,
        }
        .build(cx.q.bindings());
        self.value = Some(v.clone());
        v
    }
}

/// The analyzer.
#[derive(Default)]
pub struct Dns {
    not_first: bool,
    timer: bool,
    /// Incomplete messages of a TCP stream.
    buf: [Vec<u8>; 2],
    broken: [bool; 2],
}

impl Dns {
    fn message(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let mut c = Cursor::new(data);
        let Some(head) = Header::parse(&mut c) else {
            cx.weird("DNS_truncated_len_lt_hdr_len", "");
            return;
        };
        let mut is_orig = is_orig;
        if !self.not_first && head.qr() && is_orig {
            // What begins with an answer came from the other side; a group cannot have asked.
            cx.conn.asks.flip = !multicast(cx);
            is_orig = false;
        }
        self.not_first = true;
        let netbios = cx.conn.resp_p == 137 && cx.conn.transport == Transport::Udp;
        let op = head.opcode();
        if !netbios && !matches!(op, OP_QUERY | OP_NOTIFY | OP_UPDATE) {
            cx.limit_weird("DNS_unknown_opcode", &op.to_string());
            return;
        }
        let mut msg = Msg {
            head,
            netbios,
            value: None,
            skip: false,
        };
        if wants!(cx, dns_message) {
            let m = msg.value(cx);
            raise!(cx, dns_message, is_orig, m, data.len() as u64);
        }
        self.body(cx, &mut msg, &mut c);
        if wants!(cx, dns_end) {
            let m = msg.value(cx);
            raise!(cx, dns_end, m);
        }
    }

    fn body(&mut self, cx: &mut Cx, msg: &mut Msg, c: &mut Cursor) -> Option<()> {
        let head = msg.head;
        let max = cx.sh.opts.dns_max_queries;
        if max > 0 && head.qd as u64 > max {
            cx.violation("DNS_Conn_count_too_large");
            cx.weird("DNS_Conn_count_too_large", "");
            return None;
        }
        for _ in 0..head.qd {
            question(cx, msg, c)?;
        }
        let update = head.opcode() == OP_UPDATE && !msg.netbios;
        let first = if update { Section::Prerequisite } else { Section::Answer };
        for _ in 0..head.an {
            rr::record(cx, msg, c, first)?;
        }
        if update {
            for _ in 0..head.ns {
                rr::record(cx, msg, c, Section::Update)?;
            }
        }
        cx.confirm();
        let opts = &cx.sh.opts;
        let of = |servers: &[Addr]| head.an > 0 && servers.contains(&cx.conn.resp_h);
        let skip_auth = opts.dns_skip_all_auth || update || of(&opts.dns_skip_auth);
        let skip_addl = opts.dns_skip_all_addl || of(&opts.dns_skip_addl);
        if skip_auth && skip_addl {
            return Some(());
        }
        if !update {
            msg.skip = skip_auth;
            for _ in 0..head.ns {
                rr::record(cx, msg, c, Section::Authority)?;
            }
        }
        if skip_addl {
            return Some(());
        }
        msg.skip = false;
        for _ in 0..head.ar {
            rr::record(cx, msg, c, Section::Additional)?;
        }
        Some(())
    }

    fn stream(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let dir = is_orig as usize;
        if self.broken[dir] {
            return;
        }
        let mut buf = std::mem::take(&mut self.buf[dir]);
        buf.extend_from_slice(data);
        let mut at = 0;
        while let Some(n) = buf.get(at..at + 2) {
            let n = u16::from_be_bytes([n[0], n[1]]) as usize;
            let Some(m) = buf.get(at + 2..at + 2 + n) else {
                break;
            };
            if n > 0 {
                self.message(cx, is_orig, m);
            }
            at += 2 + n;
        }
        buf.drain(..at);
        // A message is at most 65535 bytes, so the rest is bounded.
        self.buf[dir] = buf;
    }
}

fn multicast(cx: &Cx) -> bool {
    match cx.conn.resp_h.as_v4() {
        Some(a) => a[0] & 0xf0 == 0xe0,
        None => cx.conn.resp_h.0[0] == 0xff,
    }
}

/// Reads a name and raises its weird when it is broken.
pub(crate) fn read_name(cx: &mut Cx, c: &mut Cursor) -> Option<Vec<u8>> {
    match wire::name(c, cx.sh.opts.dns_max_compression_chain_depth) {
        Ok(n) => {
            if n.len() >= 255 {
                cx.weird("DNS_NAME_too_long", "");
            }
            Some(n)
        }
        Err(w) => {
            cx.weird(w, "");
            None
        }
    }
}

/// A name in lower case, as scripts see it.
pub(crate) fn lower(mut n: Vec<u8>) -> Str {
    n.make_ascii_lowercase();
    n.into()
}

fn question(cx: &mut Cx, msg: &mut Msg, c: &mut Cursor) -> Option<()> {
    let original = read_name(cx, c)?;
    if c.left() < 4 {
        cx.weird("DNS_truncated_quest_too_short", "");
        return None;
    }
    let qtype = c.n16()?;
    let qclass = c.n16()?;
    let h = &msg.head;
    if h.opcode() == OP_UPDATE && !msg.netbios {
        if wants!(cx, dns_dynamic_update) {
            let m = msg.value(cx);
            raise!(cx, dns_dynamic_update, m, lower(original), qclass);
        }
        return Some(());
    }
    macro_rules! asked {
        ($ev:ident) => {
            if wants!(cx, $ev) {
                let m = msg.value(cx);
                let name = lower(original.clone());
                raise!(cx, $ev, m, name, qtype, qclass, original);
            }
        };
    }
    if !h.qr() {
        asked!(dns_request);
    } else if h.an == 0 && h.ns == 0 && h.ar == 0 {
        asked!(dns_rejected);
    } else {
        asked!(dns_query_reply);
    }
    Some(())
}

impl Analyzer for Dns {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if cx.conn.transport == Transport::Udp {
            self.packet(cx, is_orig, data);
        } else {
            self.stream(cx, is_orig, data);
        }
    }

    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if !self.timer {
            self.timer = true;
            cx.conn.asks.dns_session = true;
        }
        self.message(cx, is_orig, data);
    }

    fn gap(&mut self, _cx: &mut Cx, is_orig: bool, _seq: u64, _len: u64) {
        // Message boundaries are lost for good.
        self.broken[is_orig as usize] = true;
        self.buf[is_orig as usize] = Vec::new();
    }

    fn done(&mut self, cx: &mut Cx) {
        if cx.conn.transport == Transport::Udp {
            raise!(cx, udp_session_done);
        }
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
        self.broken.swap(0, 1);
    }
}
