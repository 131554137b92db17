//! Name look-ups for scripts: asynchronous inside `when`, one thread per query, answers collected by [`poll`].
//!
//! Host names are resolved as the system does; addresses and texts are asked of the first name server (RFC 1035).
//! With `ZEEK_DNS_FAKE` every query is answered at once without a network.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tapir_data::table::Table;
use tapir_data::types::TypeId;
use tapir_data::value::{Addr, Value};
use tapir_vm::{AsyncToken, CallCtx, RtError, Vm};

use crate::util::*;

pub const FAMILY: Family = &[
    ("lookup_addr", lookup_addr),
    ("lookup_hostname", lookup_hostname),
    ("lookup_hostname_txt", lookup_hostname_txt),
    ("blocking_lookup_hostname", blocking_lookup_hostname),
];

/// So many queries are under way at most; further ones fail at once, as after a timeout.
const PENDING_MAX: usize = 256;
const TRIES: usize = 3;
const TRY_TIMEOUT: Duration = Duration::from_secs(2);

enum Query {
    Name(Addr),
    Host(String),
    Text(String),
}

enum Answer {
    Text(Vec<u8>),
    Addrs(Vec<Addr>),
    Failed,
}

struct Waiting {
    token: AsyncToken,
    /// The type of the set for host names.
    ty: TypeId,
    is_set: bool,
}

struct Dns {
    next: u64,
    waiting: HashMap<u64, Waiting>,
    sender: Sender<(u64, Answer)>,
    answers: Receiver<(u64, Answer)>,
}

impl Default for Dns {
    fn default() -> Self {
        let (sender, answers) = channel();
        Dns {
            next: 0,
            waiting: HashMap::new(),
            sender,
            answers,
        }
    }
}

/// Delivers the answers that have arrived and gives the number of queries still under way.
pub fn poll(vm: &mut Vm) -> usize {
    loop {
        let dns = vm.state::<Dns>();
        if dns.waiting.is_empty() {
            return 0;
        }
        let Ok((id, answer)) = dns.answers.try_recv() else {
            return dns.waiting.len();
        };
        if let Some(w) = dns.waiting.remove(&id) {
            let v = value(answer, w.ty, w.is_set);
            vm.finish_async(w.token, v);
        }
    }
}

fn addr_set(ty: TypeId, addrs: impl IntoIterator<Item = Addr>) -> Value {
    let t = Table::new(ty);
    for a in addrs {
        t.insert(&[Value::Addr(a)], Value::Unset, 0.0);
    }
    Value::Table(t)
}

fn value(answer: Answer, ty: TypeId, is_set: bool) -> Value {
    match answer {
        Answer::Addrs(all) => addr_set(ty, all),
        Answer::Text(s) => string(s),
        Answer::Failed if is_set => addr_set(ty, [Addr::v4([0; 4])]),
        Answer::Failed => string("<???>"),
    }
}

fn fake() -> bool {
    std::env::var_os("ZEEK_DNS_FAKE").is_some_and(|v| !v.is_empty())
}

fn fake_answer(q: &Query) -> Answer {
    match q {
        Query::Name(a) => Answer::Text(format!("fake_addr_lookup_result_{a}").into_bytes()),
        Query::Text(host) => Answer::Text(format!("fake_lookup_result_16_{host}").into_bytes()),
        Query::Host(host) => {
            let h = crate::hash::fnv1a64(host.as_bytes()).to_be_bytes();
            let mut b = [0; 16];
            b[..8].copy_from_slice(&h);
            b[8..].copy_from_slice(&crate::hash::fnv1a64(&h).to_be_bytes());
            Answer::Addrs(vec![Addr(b)])
        }
    }
}

fn start(ctx: &mut CallCtx<'_>, q: Query, name: &str) -> Res {
    let (ty, is_set) = (ctx.result_type, matches!(q, Query::Host(_)));
    let Some(token) = ctx.begin_async() else {
        ctx.error(format!("{name}() can only be called inside a when-condition"));
        return Ok(if is_set { Value::Unset } else { string("<error>") });
    };
    let busy = ctx.vm.state::<Dns>().waiting.len() >= PENDING_MAX;
    if busy || fake() {
        let answer = if busy { Answer::Failed } else { fake_answer(&q) };
        ctx.vm.finish_async(token, value(answer, ty, is_set));
        return Err(RtError::Pending);
    }
    let dns = ctx.vm.state::<Dns>();
    dns.next += 1;
    let id = dns.next;
    let sender = dns.sender.clone();
    let started = std::thread::Builder::new().name("dns".into()).spawn(move || {
        // The receiver is gone only when the machine is.
        let _ = sender.send((id, resolve(&q)));
    });
    match started {
        Ok(_) => {
            dns.waiting.insert(id, Waiting { token, ty, is_set });
        }
        Err(_) => ctx.vm.finish_async(token, value(Answer::Failed, ty, is_set)),
    }
    Err(RtError::Pending)
}

fn lookup_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    start(ctx, Query::Name(a.addr(0)?), "lookup_addr")
}

fn lookup_hostname(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    start(ctx, Query::Host(lossy(a.str(0)?)), "lookup_hostname")
}

fn lookup_hostname_txt(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    start(ctx, Query::Text(lossy(a.str(0)?)), "lookup_hostname_txt")
}

fn blocking_lookup_hostname(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let q = Query::Host(lossy(a.str(0)?));
    let answer = if fake() { fake_answer(&q) } else { resolve(&q) };
    Ok(value(answer, ctx.result_type, true))
}

fn resolve(q: &Query) -> Answer {
    match q {
        Query::Host(host) => match (host.as_str(), 0u16).to_socket_addrs() {
            Ok(found) => {
                let mut all: Vec<Addr> = found.map(|s| Addr::from(s.ip())).collect();
                all.sort();
                all.dedup();
                Answer::Addrs(all)
            }
            Err(_) => Answer::Failed,
        },
        Query::Name(a) => {
            let name = match a.as_v4() {
                Some([p, q, r, s]) => format!("{s}.{r}.{q}.{p}.in-addr.arpa"),
                None => {
                    let nibbles = a.0.iter().rev().flat_map(|b| [b & 15, b >> 4]);
                    nibbles.map(|n| format!("{n:x}.")).collect::<String>() + "ip6.arpa"
                }
            };
            ask(&name, PTR).map_or(Answer::Failed, Answer::Text)
        }
        Query::Text(host) => ask(host, TXT).map_or(Answer::Failed, Answer::Text),
    }
}

const PTR: u16 = 12;
const TXT: u16 = 16;

fn server() -> Option<SocketAddr> {
    let given = std::env::var("ZEEK_DNS_RESOLVER").ok().filter(|v| !v.is_empty());
    let text = match given {
        Some(s) => s,
        None => {
            let conf = std::fs::read_to_string("/etc/resolv.conf").ok()?;
            let mut servers = conf.lines().filter_map(|l| l.trim().strip_prefix("nameserver"));
            servers.next()?.trim().to_string()
        }
    };
    Some(SocketAddr::new(text.parse().ok()?, 53))
}

/// Asks the name server and gives the first record of the type, as text.
fn ask(name: &str, kind: u16) -> Option<Vec<u8>> {
    let server = server()?;
    let local: SocketAddr = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().ok()?;
    let socket = UdpSocket::bind(local).ok()?;
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(TRY_TIMEOUT)).ok()?;
    let id = {
        use std::hash::BuildHasher;
        std::hash::RandomState::new().hash_one(name) as u16
    };
    let query = encode_query(id, name, kind)?;
    let mut buffer = [0u8; 4096];
    for _ in 0..TRIES {
        socket.send(&query).ok()?;
        if let Ok(n) = socket.recv(&mut buffer)
            && buffer[..n].starts_with(&id.to_be_bytes())
        {
            return decode_reply(&buffer[..n], kind);
        }
    }
    None
}

fn encode_query(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut q = id.to_be_bytes().to_vec();
    q.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        q.push(u8::try_from(label.len()).ok().filter(|n| (1..64).contains(n))?);
        q.extend(label.as_bytes());
    }
    q.push(0);
    q.extend(kind.to_be_bytes());
    q.extend([0, 1]);
    (q.len() <= 512).then_some(q)
}

/// Reads a name and gives it with the position behind it.
fn read_name(s: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let mut end = None;
    for _ in 0..128 {
        let n = *s.get(at)? as usize;
        match n {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            1..=63 => {
                labels.push(lossy(s.get(at + 1..at + 1 + n)?));
                at += 1 + n;
            }
            0xc0.. => {
                end.get_or_insert(at + 2);
                at = (n & 0x3f) << 8 | *s.get(at + 1)? as usize;
            }
            _ => return None,
        }
    }
    None
}

fn u16_at(s: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*s.get(at)?, *s.get(at + 1)?]))
}

fn decode_reply(s: &[u8], kind: u16) -> Option<Vec<u8>> {
    let mut at = 12;
    for _ in 0..u16_at(s, 4)? {
        at = read_name(s, at)?.1 + 4;
    }
    for _ in 0..u16_at(s, 6)? {
        at = read_name(s, at)?.1;
        let found = u16_at(s, at)?;
        let len = u16_at(s, at + 8)? as usize;
        let data = at + 10;
        let body = s.get(data..data + len)?;
        if found == kind {
            if kind == PTR {
                return read_name(s, data).map(|n| n.0.into_bytes());
            }
            let n = *body.first()? as usize;
            return Some(body.get(1..1 + n)?.to_vec());
        }
        at = data + len;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_replies() {
        let q = encode_query(7, "a.example", PTR).unwrap();
        assert_eq!(&q[..2], [0, 7]);
        let mut reply = q.clone();
        reply[7] = 1;
        reply.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'b', 0xc0, 14]);
        assert_eq!(decode_reply(&reply, PTR).unwrap(), b"b.example");
        for cut in 0..reply.len() {
            assert_eq!(decode_reply(&reply[..cut], PTR), None);
        }
        // A pointer to itself ends.
        assert_eq!(read_name(&[0xc0, 0], 0), None);
        assert!(encode_query(1, "a..b", TXT).is_none());
    }
}
