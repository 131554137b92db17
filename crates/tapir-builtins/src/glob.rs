//! Sets of glob patterns: `*`, `?`, character classes.

use std::any::Any;
use std::rc::Rc;

use tapir_data::broker::Data;
use tapir_data::text::RenderHost;
use tapir_data::types::Kind;
use tapir_data::value::{Opaque, Value};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("paraglob_init", paraglob_init),
    ("paraglob_match", paraglob_match),
    ("paraglob_equals", paraglob_equals),
];

struct Globs(Vec<Vec<u8>>);

impl Opaque for Globs {
    fn type_name(&self) -> &str {
        "paraglob"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Globs(self.0.clone())))
    }
    fn wire(&self, _: &dyn RenderHost) -> Option<(&'static str, Data)> {
        let mut bytes = Vec::new();
        for glob in &self.0 {
            bytes.extend((glob.len() as u32).to_be_bytes());
            bytes.extend_from_slice(glob);
        }
        let count = |b: &u8| Data::Count((*b).into());
        Some((WIRE, Data::Vector(bytes.iter().map(count).collect())))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The name of the kind among nodes.
pub const WIRE: &str = "ParaglobVal";

/// Globs that another node has sent, a number for each byte. What the bytes mean is this program's own: each glob after its
/// length in four bytes.
pub fn from_data(d: &Data) -> Option<Value> {
    let Data::Vector(parts) = d else { return None };
    let byte = |d: &Data| match d {
        Data::Count(n) => u8::try_from(*n).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = parts.iter().map(byte).collect::<Option<_>>()?;
    let mut rest = &bytes[..];
    let mut globs = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (glob, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        globs.push(glob.to_vec());
        rest = after;
    }
    Some(Value::Opaque(Rc::new(Globs(globs))))
}

/// Whether a glob matches the whole text. Takes at most time proportional to the product of the lengths.
pub fn glob_matches(glob: &[u8], s: &[u8]) -> bool {
    let (mut g, mut i) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while i < s.len() {
        if glob.get(g) == Some(&b'*') {
            star = Some((g + 1, i));
            g += 1;
            continue;
        }
        if let Some(next) = one(glob, g, s[i]) {
            g = next;
            i += 1;
            continue;
        }
        match star {
            Some((after, at)) => {
                star = Some((after, at + 1));
                g = after;
                i = at + 1;
            }
            None => return false,
        }
    }
    glob[g..].iter().all(|&b| b == b'*')
}

/// Matches one byte against the glob element at `g` and gives the position behind the element.
fn one(glob: &[u8], g: usize, b: u8) -> Option<usize> {
    match glob.get(g)? {
        b'?' => Some(g + 1),
        b'[' => {
            let mut i = g + 1;
            let negated = matches!(glob.get(i), Some(b'!' | b'^'));
            i += usize::from(negated);
            let first = i;
            let mut found = false;
            loop {
                let &lo = glob.get(i)?;
                if lo == b']' && i > first {
                    break;
                }
                if glob.get(i + 1) == Some(&b'-') && glob.get(i + 2).is_some_and(|&c| c != b']') {
                    found |= (lo..=glob[i + 2]).contains(&b);
                    i += 3;
                } else {
                    found |= lo == b;
                    i += 1;
                }
            }
            (found != negated).then_some(i + 1)
        }
        b'\\' if glob.get(g + 1) == Some(&b) => Some(g + 2),
        c if *c == b => Some(g + 1),
        _ => None,
    }
}

fn paraglob_init(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let strings = match a.any(0)? {
        Value::Vector(v)
            if v.len() == 0 || matches!(ctx.types().kind(element_type(ctx.types(), v.ty)), Kind::String) =>
        {
            v
        }
        _ => {
            plain_error(ctx, "paraglob requires a string vector for initialization.");
            return Ok(Value::Unset);
        }
    };
    let globs = strings.to_vec().into_iter().filter_map(|v| match v {
        Value::Str(s) => Some(s.to_vec()),
        _ => None,
    });
    Ok(Value::Opaque(Rc::new(Globs(globs.collect()))))
}

fn globs(a: &[Value], i: usize) -> Result<&Globs, RtError> {
    match a.get(i) {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<Globs>(),
        _ => None,
    }
    .ok_or_else(|| RtError::new("built-in called with wrong argument: paraglob expected"))
}

fn paraglob_match(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (g, s) = (globs(a, 0)?, a.str(1)?);
    let found: Vec<&Vec<u8>> = g.0.iter().filter(|g| glob_matches(g, s)).collect();
    Ok(strings(ctx, found))
}

fn paraglob_equals(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let sorted = |g: &Globs| {
        let mut all = g.0.clone();
        all.sort();
        all
    };
    Ok(Value::Bool(sorted(globs(a, 0)?) == sorted(globs(a, 1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (g, s, want) in [
            ("*", "", true),
            ("*.example.com", "www.example.com", true),
            ("d?g", "doog", false),
            ("[abc]at", "cat", true),
            ("[abc]at", "rat", false),
            ("a*b*c", "acb", false),
            ("img_[0-9].png", "img_x.png", false),
            ("[", "[", false),
        ] {
            assert_eq!(glob_matches(g.as_bytes(), s.as_bytes()), want, "{g} {s}");
        }
    }
}
