//! Redis: commands, replies and pushed messages.

mod resp;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use crate::core::Cx;
use crate::raise;
use crate::util::grammar;
use crate::util::text::{find, ieq};
use crate::util::units::{Step, Stream, Units};
use resp::{Parsed, Pending, Resp, parse};

/// Commands that have an enumerator, in its order.
const KNOWN: &[&str] = &[
    "APPEND",
    "AUTH",
    "BITCOUNT",
    "BITFIELD",
    "BITFIELD_RO",
    "BITOP",
    "BITPOS",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "CLIENT",
    "COPY",
    "DECR",
    "DECRBY",
    "DEL",
    "DUMP",
    "EXISTS",
    "EXPIRE",
    "EXPIREAT",
    "EXPIRETIME",
    "GET",
    "GETBIT",
    "GETDEL",
    "GETEX",
    "GETRANGE",
    "GETSET",
    "HDEL",
    "HELLO",
    "HGET",
    "HSET",
    "INCR",
    "INCRBY",
    "KEYS",
    "MGET",
    "MOVE",
    "MSET",
    "PERSIST",
    "PSUBSCRIBE",
    "PUNSUBSCRIBE",
    "QUIT",
    "RENAME",
    "RESET",
    "SET",
    "SSUBSCRIBE",
    "STRLEN",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "TTL",
    "TYPE",
    "UNSUBSCRIBE",
];

/// The analyzer.
pub type Redis = Stream<Conversation>;

/// Whether the server's side is understood. After an error, replies are looked for behind the next end of a line.
#[derive(Default)]
enum Sync {
    #[default]
    Held,
    /// No end of a line has come since this error.
    Lost(String),
    /// There was one, but no reply has followed yet.
    Tried(String),
}

/// What is known of a connection.
#[derive(Default)]
pub struct Conversation {
    seen_client: bool,
    sync: Sync,
    pending: [Pending; 2],
}

/// A client's command without a word.
fn refuse_empty(cx: &mut Cx) -> Step {
    let why = grammar::at("failed expression '|raw| >= 1'", "redis/redis.spicy:175:5-175:22");
    Step::refuse(cx, &why)
}

impl Units for Conversation {
    const MAX: usize = 16 << 20;

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Step {
        if !is_orig && !self.seen_client {
            let why = grammar::at(
                "Server responses must come after a client request is seen",
                "redis/resp.spicy:65:13-65:78",
            );
            return Step::refuse(cx, &why);
        }
        if let (Sync::Lost(why), false) = (&mut self.sync, is_orig) {
            let Some(n) = find(b, b"\r\n") else {
                // The second half of an end of line may come yet.
                return match b.len() - usize::from(b.ends_with(b"\r")) {
                    0 => Step::More,
                    n => Step::Used(n),
                };
            };
            self.sync = Sync::Tried(std::mem::take(why));
            return Step::Used(n + 2);
        }
        let max = cx.sh.opts.redis_max_aggregate_elements;
        let pending = &mut self.pending[is_orig as usize];
        if is_orig && b[0] != b'*' {
            // An inline command.
            let Some(line) = pending.line(b) else {
                return Step::More;
            };
            let words = inline_words(line.strip_suffix(b"\r").unwrap_or(line));
            if words.is_empty() {
                return refuse_empty(cx);
            }
            self.seen_client = true;
            command(cx, words);
            return Step::Used(line.len() + 1);
        }
        match parse(b, max, pending) {
            Parsed::More => Step::More,
            Parsed::Limit => Step::refuse(cx, "too many elements in aggregate"),
            Parsed::Bad(t) => {
                let why = grammar::at(
                    &format!("no matching case in switch statement for value 'DataType::<unknown-{t}>'"),
                    "redis/resp.spicy:140:5-160:6",
                );
                if is_orig {
                    return Step::refuse(cx, &why);
                }
                self.sync = Sync::Lost(why);
                Step::Used(0)
            }
            Parsed::Done(v, attrs, n) => {
                if is_orig {
                    self.seen_client = true;
                    let words: Vec<Vec<u8>> = match v {
                        Resp::Array(v) => v.iter().map(Resp::text).collect(),
                        other => vec![other.text()],
                    };
                    if words.is_empty() {
                        return refuse_empty(cx);
                    }
                    command(cx, words);
                } else {
                    self.sync = Sync::Held;
                    reply(cx, v, attrs);
                }
                Step::Used(n)
            }
        }
    }

    fn flip(&mut self) {
        self.pending.swap(0, 1);
    }

    fn ended(&mut self, cx: &mut Cx, is_orig: bool) {
        if is_orig {
            return;
        }
        // An error that nothing was understood after is one of the protocol.
        match std::mem::take(&mut self.sync) {
            Sync::Held => {}
            Sync::Lost(why) => cx.violation(&format!("failed to synchronize: {why}")),
            Sync::Tried(why) => cx.violation(&format!("successful synchronization never confirmed: {why}")),
        }
    }
}

fn reply(cx: &mut Cx, v: Resp, attrs: Option<Resp>) {
    cx.confirm();
    let max = cx.sh.opts.redis_max_value_size as usize;
    let mut text = v.text();
    text.truncate(max);
    let v3 = v.is_v3() || attrs.is_some();
    let data = records::RedisReplyData {
        attributes: attrs.map(|a| {
            let mut t = a.text();
            t.truncate(max);
            t.into()
        }),
        value: text.into(),
        min_protocol_version: if v3 { 3 } else { 2 },
    }
    .build(cx.q.bindings());
    match v {
        Resp::Error(_) => {
            raise!(cx, redis_error, data);
        }
        Resp::Push(_) => {
            raise!(cx, redis_server_push, data);
        }
        _ => {
            raise!(cx, redis_reply, data);
        }
    }
}

fn command(cx: &mut Cx, raw: Vec<Vec<u8>>) {
    let max = cx.sh.opts.redis_max_value_size as usize;
    let cut = |w: &[u8]| w[..w.len().min(max)].to_vec();
    let name = raw[0].to_ascii_uppercase();
    let known = KNOWN.iter().position(|k| k.as_bytes() == name);
    let arg = |i: usize| raw.get(i).map(|w| cut(w));
    let mut key = None;
    let mut value = None;
    if known.is_some() {
        match &name[..] {
            b"AUTH" | b"CLIENT" | b"HELLO" | b"QUIT" | b"RESET" | b"PSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUBSCRIBE"
            | b"UNSUBSCRIBE" | b"SSUBSCRIBE" | b"SUNSUBSCRIBE" => {}
            b"BITOP" | b"BLMPOP" => key = arg(2),
            b"APPEND" | b"DECRBY" | b"INCRBY" | b"GETSET" | b"SET" | b"MOVE" | b"COPY" | b"RENAME" | b"HGET"
            | b"MSET" => {
                key = arg(1);
                value = arg(2);
            }
            b"HSET" => {
                key = arg(1);
                value = arg(3);
            }
            _ => key = arg(1),
        }
    }
    let list: Vec<Vec<u8>> = raw.iter().map(|w| cut(w)).collect();
    let raw_value = {
        let v = list.iter().map(|s| Value::Str(s[..].into())).collect();
        cx.vector(types::VECTOR_OF_STRING, v)
    };
    let mut cmd = records::RedisCommand {
        raw: raw_value,
        name: name[..].into(),
        key: key.map(Into::into),
        value: value.map(Into::into),
        ..Default::default()
    };
    cmd.known = known.map(|k| k as i64);
    let cmd = cmd.build(cx.q.bindings());
    raise!(cx, redis_command, cmd);
    typed(cx, &name, &raw);
}

fn typed(cx: &mut Cx, name: &[u8], raw: &[Vec<u8>]) {
    match name {
        b"GET" if raw.len() == 2 => {
            raise!(cx, redis_get_command, &raw[1]);
        }
        b"AUTH" if raw.len() >= 2 => {
            let c = records::RedisAuthCommand {
                username: (raw.len() > 2).then(|| raw[1][..].into()),
                password: raw[raw.len().min(3) - 1][..].into(),
            }
            .build(cx.q.bindings());
            raise!(cx, redis_auth_command, c);
        }
        b"HELLO" => {
            let c = records::RedisHelloCommand {
                requested_resp_version: raw.get(1).map(|v| v[..].into()),
            }
            .build(cx.q.bindings());
            raise!(cx, redis_hello_command, c);
        }
        b"SET" if raw.len() >= 3 => {
            let mut c = records::RedisSetCommand {
                key: raw[1][..].into(),
                value: raw[2][..].into(),
                ..Default::default()
            };
            let mut i = 3;
            let num = |i: usize| {
                raw.get(i)
                    .and_then(|w| std::str::from_utf8(w).ok())
                    .and_then(|s| s.parse::<u64>().ok())
            };
            while i < raw.len() {
                let w = &raw[i];
                if ieq(w, b"NX") {
                    c.nx = true;
                } else if ieq(w, b"XX") {
                    c.xx = true;
                } else if ieq(w, b"GET") {
                    c.get = true;
                } else if ieq(w, b"KEEPTTL") {
                    c.keep_ttl = true;
                } else {
                    let v = num(i + 1);
                    if ieq(w, b"EX") {
                        c.ex = v;
                    } else if ieq(w, b"PX") {
                        c.px = v;
                    } else if ieq(w, b"EXAT") {
                        c.exat = v;
                    } else if ieq(w, b"PXAT") {
                        c.pxat = v;
                    }
                    i += 1;
                }
                i += 1;
            }
            let c = c.build(cx.q.bindings());
            raise!(cx, redis_set_command, c);
        }
        _ => {}
    }
}

/// The words of an inline command; quoted stretches stay as they are.
fn inline_words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut cur = Vec::new();
    let mut quote = 0;
    for &b in line {
        if quote != 0 {
            cur.push(b);
            if b == quote {
                quote = 0;
            }
        } else if matches!(b, 0 | b' ' | b'\t'..=b'\r') {
            if !cur.is_empty() {
                out.push(std::mem::take(&mut cur));
            }
        } else {
            if b == b'"' || b == b'\'' {
                quote = b;
            }
            cur.push(b);
        }
    }
    if !cur.is_empty() {
        out.push(cur);
    }
    out
}
