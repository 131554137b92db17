//! Digests, keyed and incremental, and the small hashes.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use tapir_data::broker::Data;
use tapir_data::number::interval_text;
use tapir_data::text::{RenderHost, enum_text, subnet_text, type_text};
use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::{Opaque, Value};
use tapir_vm::{CallCtx, RtError};

use crate::convert::hex;
use crate::hash_state;
use crate::random::Random;
use crate::util::*;

pub const FAMILY: Family = &[
    ("md5_hash", |ctx, a| digest_all::<Md5>(ctx, a)),
    ("sha1_hash", |ctx, a| digest_all::<Sha1>(ctx, a)),
    ("sha224_hash", |ctx, a| digest_all::<Sha224>(ctx, a)),
    ("sha256_hash", |ctx, a| digest_all::<Sha256>(ctx, a)),
    ("sha384_hash", |ctx, a| digest_all::<Sha384>(ctx, a)),
    ("sha512_hash", |ctx, a| digest_all::<Sha512>(ctx, a)),
    ("md5_hash_init", |_, _| handle(State::Md5(Md5::new()), "md5")),
    ("sha1_hash_init", |_, _| handle(State::Sha1(Sha1::new()), "sha1")),
    ("sha224_hash_init", |_, _| {
        handle(State::Sha224(Sha224::new()), "sha224")
    }),
    ("sha256_hash_init", |_, _| {
        handle(State::Sha256(Sha256::new()), "sha256")
    }),
    ("sha384_hash_init", |_, _| {
        handle(State::Sha384(Sha384::new()), "sha384")
    }),
    ("sha512_hash_init", |_, _| {
        handle(State::Sha512(Sha512::new()), "sha512")
    }),
    ("md5_hash_update", update),
    ("sha1_hash_update", update),
    ("sha224_hash_update", update),
    ("sha256_hash_update", update),
    ("sha384_hash_update", update),
    ("sha512_hash_update", update),
    ("md5_hash_finish", finish),
    ("sha1_hash_finish", finish),
    ("sha224_hash_finish", finish),
    ("sha256_hash_finish", finish),
    ("sha384_hash_finish", finish),
    ("sha512_hash_finish", finish),
    ("md5_hmac", |ctx, a| keyed::<Md5>(ctx, a)),
    ("sha256_hmac", |ctx, a| keyed::<Sha256>(ctx, a)),
    ("fnv1a32", |ctx, a| {
        let mut h = 0x811c_9dc5u32;
        for b in bytes(ctx, a.any(0)?)? {
            h = (h ^ b as u32).wrapping_mul(0x0100_0193);
        }
        Ok(Value::Count(h as u64))
    }),
    ("fnv1a64", |ctx, a| {
        let b = bytes(ctx, a.any(0)?)?;
        Ok(Value::Count(fnv1a64(&b)))
    }),
    ("hrw_weight", |_, a| {
        Ok(Value::Count(hrw_weight(a.count(0)?, a.count(1)?)))
    }),
];

/// FNV-1a of 64 bits.
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    let step = |h: u64, b: &u8| (h ^ *b as u64).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The weight of a site for a key in rendezvous hashing: a linear congruential generator of 31 bits.
pub fn hrw_weight(key: u64, site: u64) -> u64 {
    const MASK: u64 = (1 << 31) - 1;
    let step = |x: u64| 1103515245u64.wrapping_mul(x).wrapping_add(12345) & MASK;
    step(step(site & MASK) ^ (key & MASK))
}

/// The bytes that are hashed: those of a string, of other values the binary form with the type's number in front.
pub fn bytes(ctx: &mut CallCtx<'_>, v: &Value) -> Result<Vec<u8>, RtError> {
    if let Value::Str(s) = v {
        return Ok(s.to_vec());
    }
    let mut out = Vec::new();
    binary(ctx, v, &mut out, &mut Vec::new())?;
    Ok(out)
}

/// Types within types are followed this far, for records may hold themselves, and this many bytes long.
const TYPE_DEPTH: usize = 64;
const TYPE_BYTES: usize = 1 << 20;

fn describe_type(types: &Types, ty: TypeId, depth: usize, limit: usize, out: &mut Vec<u8>) {
    let kind = types.kind(ty);
    out.extend(kind.number().to_le_bytes());
    if depth >= TYPE_DEPTH || out.len() > limit {
        return;
    }
    let inner = |ty: TypeId, out: &mut Vec<u8>| describe_type(types, ty, depth + 1, limit, out);
    match kind {
        Kind::Enum(_) => out.extend(type_text(types, ty).as_bytes()),
        Kind::Vector(of) => inner(*of, out),
        Kind::Table { index, yields } => index.iter().chain(yields).for_each(|t| inner(*t, out)),
        // A zero, the number of fields, then each with its name and type; the record's own name does not count.
        Kind::Record(_) => {
            if let Some(layout) = types.record(ty) {
                out.extend(0u64.to_le_bytes());
                out.extend((layout.fields.len() as u64).to_le_bytes());
                for f in layout.fields.iter() {
                    name_bytes(&f.name, out);
                    inner(f.ty, out);
                }
            }
        }
        _ => {}
    }
}

/// A name as a C string.
fn name_bytes(name: &str, out: &mut Vec<u8>) {
    out.extend(name.as_bytes());
    out.push(0);
}

/// Containers within containers that are hashed.
const DEPTH_MAX: usize = 500;

/// Enters a container; `false` if it lies within itself or too deep.
fn enter(at: *const u8, path: &mut Vec<*const u8>, out: &mut Vec<u8>) -> bool {
    if path.len() > DEPTH_MAX || path.contains(&at) {
        name_bytes("<cycle>", out);
        return false;
    }
    path.push(at);
    true
}

fn binary(ctx: &mut CallCtx<'_>, v: &Value, out: &mut Vec<u8>, path: &mut Vec<*const u8>) -> Result<(), RtError> {
    let ty = ctx.type_of(v);
    describe_type(ctx.types(), ty, 0, out.len().saturating_add(TYPE_BYTES), out);
    room(out.len())?;
    match v {
        Value::Bool(b) => out.extend((*b as i64).to_le_bytes()),
        Value::Int(n) => out.extend(n.to_le_bytes()),
        Value::Count(n) => out.extend(n.to_le_bytes()),
        Value::Double(d) | Value::Time(d) => out.extend(d.to_le_bytes()),
        Value::Interval(d) => {
            // The words of the text, with each amount as eight bytes.
            let text = interval_text(*d);
            if text == "0 secs" {
                out.extend(b"0 secs\0");
                return Ok(());
            }
            let words: Vec<&str> = text.split(' ').collect();
            for pair in words.chunks(2) {
                if let [amount, unit] = pair {
                    out.extend(amount.parse::<f64>().unwrap_or(0.0).to_le_bytes());
                    match unit.strip_suffix('s') {
                        Some(one) => out.extend([one.as_bytes(), b"\0s\0"].concat()),
                        None => out.extend([unit.as_bytes(), b"\0"].concat()),
                    }
                }
            }
        }
        Value::Str(s) => {
            out.extend((s.len() as u32).to_le_bytes());
            out.extend_from_slice(s);
        }
        Value::Enum(t, n) => {
            out.extend(enum_text(ctx.types(), *t, *n).as_bytes());
            out.push(0);
        }
        Value::Port(p) => {
            out.extend((p.num as u32).to_le_bytes());
            out.extend(b"/\0");
            out.extend(tapir_data::text::proto_name(p.proto).as_bytes());
        }
        Value::Addr(a) => {
            out.extend(a.to_string().as_bytes());
            out.push(0);
        }
        Value::Subnet(s) => {
            out.extend(subnet_text(s).as_bytes());
            out.push(0);
        }
        Value::Vector(items) => {
            if !enter(std::rc::Rc::as_ptr(items).cast(), path, out) {
                return Ok(());
            }
            out.extend(b"[\0");
            for (i, item) in items.to_vec().iter().enumerate() {
                if i > 0 {
                    out.extend(b", \0");
                }
                if !matches!(item, Value::Unset) {
                    binary(ctx, item, out, path)?;
                }
            }
            out.extend(b"]\0");
            path.pop();
        }
        Value::Record(r) => {
            ctx.materialize(v)?;
            if !enter(std::rc::Rc::as_ptr(r).cast(), path, out) {
                return Ok(());
            }
            let names: Vec<String> = match ctx.types().record(ty) {
                Some(layout) => layout.fields.iter().map(|f| f.name.to_string()).collect(),
                None => Vec::new(),
            };
            out.extend((names.len() as u64).to_le_bytes());
            for (slot, name) in names.iter().enumerate() {
                name_bytes(name, out);
                match ctx.field(v, slot)? {
                    Value::Unset => name_bytes("<uninitialized>", out),
                    field => binary(ctx, &field, out, path)?,
                }
            }
            path.pop();
        }
        v => {
            out.extend(text(ctx, v)?);
            out.push(0);
        }
    }
    Ok(())
}

fn digest_all<D: Digest>(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut d = D::new();
    for v in a {
        d.update(bytes(ctx, v)?);
    }
    Ok(string(hex(&d.finalize())))
}

/// HMAC (RFC 2104) with the machine's key.
fn keyed<D: Digest>(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let key = ctx.vm.state::<Random>().key;
    let pad = |x: u8| {
        let mut block = [x; 64];
        for (b, k) in block.iter_mut().zip(key) {
            *b ^= k;
        }
        block
    };
    let mut inner = D::new();
    inner.update(pad(0x36));
    for v in a {
        inner.update(bytes(ctx, v)?);
    }
    let mut outer = D::new();
    outer.update(pad(0x5c));
    outer.update(inner.finalize());
    Ok(string(hex(&outer.finalize())))
}

#[derive(Clone)]
enum State {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

/// A digest under way; `None` once it is finished.
struct Handle {
    name: &'static str,
    state: RefCell<Option<State>>,
}

impl Opaque for Handle {
    fn type_name(&self) -> &str {
        self.name
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Handle {
            name: self.name,
            state: self.state.clone(),
        }))
    }
    fn wire(&self, _: &dyn RenderHost) -> Option<(&'static str, Data)> {
        let name = KINDS.iter().find(|k| k.0 == self.name)?.1;
        let context = self.state.borrow().as_ref().map(State::context);
        let mut parts = vec![Data::Bool(context.is_some())];
        parts.extend(context.map(Data::String));
        Some((name, Data::Vector(parts)))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Names of opaque types, and of their kinds among nodes.
const KINDS: [(&str, &str); 6] = [
    ("md5", "MD5Val"),
    ("sha1", "SHA1Val"),
    ("sha224", "SHA224Val"),
    ("sha256", "SHA256Val"),
    ("sha384", "SHA384Val"),
    ("sha512", "SHA512Val"),
];

impl State {
    fn context(&self) -> Vec<u8> {
        use hash_state::{MD5, SHA1, SHA224, SHA256, SHA384, SHA512, context};
        match self {
            State::Md5(d) => context(d, MD5),
            State::Sha1(d) => context(d, SHA1),
            State::Sha224(d) => context(d, SHA224),
            State::Sha256(d) => context(d, SHA256),
            State::Sha384(d) => context(d, SHA384),
            State::Sha512(d) => context(d, SHA512),
        }
    }

    fn from_context(name: &str, bytes: &[u8]) -> Option<Self> {
        use hash_state::{MD5, SHA1, SHA224, SHA256, SHA384, SHA512, digest};
        Some(match name {
            "md5" => State::Md5(digest(bytes, MD5)?),
            "sha1" => State::Sha1(digest(bytes, SHA1)?),
            "sha224" => State::Sha224(digest(bytes, SHA224)?),
            "sha256" => State::Sha256(digest(bytes, SHA256)?),
            "sha384" => State::Sha384(digest(bytes, SHA384)?),
            "sha512" => State::Sha512(digest(bytes, SHA512)?),
            _ => return None,
        })
    }
}

/// A digest under way, or one that is finished, that another node has sent.
pub fn from_data(kind: &str, d: &Data) -> Option<Value> {
    let name = KINDS.iter().find(|k| k.1 == kind)?.0;
    let Data::Vector(parts) = d else { return None };
    let state = match &parts[..] {
        [Data::Bool(false)] => None,
        [Data::Bool(true), Data::String(bytes)] => Some(State::from_context(name, bytes)?),
        _ => return None,
    };
    Some(Value::Opaque(Rc::new(Handle {
        name,
        state: RefCell::new(state),
    })))
}

fn handle(state: State, name: &'static str) -> Res {
    Ok(Value::Opaque(Rc::new(Handle {
        name,
        state: RefCell::new(Some(state)),
    })))
}

fn handle_of(a: &[Value]) -> Result<&Handle, RtError> {
    match a.first() {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<Handle>(),
        _ => None,
    }
    .ok_or_else(|| RtError::new("built-in called with wrong argument: digest handle expected"))
}

fn update(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let data = a.str(1)?;
    let h = handle_of(a)?;
    match &mut *h.state.borrow_mut() {
        Some(State::Md5(d)) => d.update(data),
        Some(State::Sha1(d)) => d.update(data),
        Some(State::Sha224(d)) => d.update(data),
        Some(State::Sha256(d)) => d.update(data),
        Some(State::Sha384(d)) => d.update(data),
        Some(State::Sha512(d)) => d.update(data),
        None => {
            plain_error(ctx, "attempt to update an invalid opaque hash value");
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn finish(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let state = handle_of(a)?.state.take();
    Ok(string(match state {
        Some(State::Md5(d)) => hex(&d.finalize()),
        Some(State::Sha1(d)) => hex(&d.finalize()),
        Some(State::Sha224(d)) => hex(&d.finalize()),
        Some(State::Sha256(d)) => hex(&d.finalize()),
        Some(State::Sha384(d)) => hex(&d.finalize()),
        Some(State::Sha512(d)) => hex(&d.finalize()),
        None => Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        assert_eq!(hrw_weight(0, 0), 1406932606);
        assert_eq!(hrw_weight(1000, 77), 663770075);
        assert_eq!(hrw_weight(u64::MAX, 1), 666591518);
        // Keys "key1", 10.1.2.3 and 5 among the first three proxies: nodes of all makers must choose the same.
        let sites = [2719221839, 1703397214, 1271239173];
        for (key, weights) in [
            (927623783, [760547032, 440876721, 324716594]),
            (2713813651, [1129806044, 272659061, 2059117518]),
            (2644817283, [1765404844, 992780869, 323335582]),
        ] {
            assert_eq!(sites.map(|s| hrw_weight(key, s)), weights);
        }
        assert_eq!(fnv1a64(b"foobar"), 9625390261332436968);
    }
}
