//! Searching, splitting and substituting, by substring and by pattern.
//!
//! Splitting and substituting look for the first match in what is left, where `^` holds at the left end of it;
//! the `find` functions try every position as if the string began there.

use std::rc::Rc;

use tapir_data::value::{PatternObject, Value};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("strstr", strstr),
    ("find_str", |ctx, a| find_str(ctx, a, false)),
    ("rfind_str", |ctx, a| find_str(ctx, a, true)),
    ("count_substr", count_substr),
    ("subst_string", subst_string),
    ("split_string", |ctx, a| split(ctx, a, false, u64::MAX)),
    ("split_string1", |ctx, a| split(ctx, a, false, 1)),
    ("split_string_all", |ctx, a| split(ctx, a, true, u64::MAX)),
    ("split_string_n", split_string_n),
    ("sub", |ctx, a| substitute(ctx, a, false)),
    ("gsub", |ctx, a| substitute(ctx, a, true)),
    ("find_all", find_all),
    ("find_all_ordered", find_all_ordered),
    ("find_first", find_first),
    ("find_last", find_last),
    ("string_to_pattern", string_to_pattern),
];

fn pattern(a: &[Value], i: usize) -> Result<&Rc<dyn PatternObject>, RtError> {
    match a.get(i) {
        Some(Value::Pattern(p)) => Ok(p),
        _ => Err(RtError::new("built-in called with wrong argument: pattern expected")),
    }
}

/// The position of the first occurrence.
pub fn position(s: &[u8], sub: &[u8]) -> Option<usize> {
    memchr::memmem::find(s, sub)
}

fn strstr(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let found = position(a.str(0)?, a.str(1)?);
    Ok(Value::Count(found.map_or(0, |p| p as u64 + 1)))
}

fn find_str(ctx: &mut CallCtx<'_>, a: &[Value], last: bool) -> Res {
    let (s, sub, start, end, exact) = (a.str(0)?, a.str(1)?, a.count(2)?, a.int(3)?, a.bool(4)?);
    if end != -1 && (end < 0 || (end as u64) < start) {
        let name = if last { "rfind_str" } else { "find_str" };
        plain_error(
            ctx,
            format!("{name}: the end position must be greater than the start position"),
        );
        return Ok(Value::Int(-1));
    }
    let too_short = end != -1 && (end as u64) - start < sub.len() as u64;
    if start > s.len() as u64 || too_short {
        return Ok(Value::Int(-1));
    }
    let start = start as usize;
    let rest = &s[start..];
    // The end is a length counted from the start.
    let len = if end < 0 {
        rest.len()
    } else {
        (end as u64).min(rest.len() as u64) as usize
    };
    let (part, sub) = (&rest[..len], &sub[..]);
    let find = |p: &[u8], q: &[u8]| {
        if last {
            memchr::memmem::rfind(p, q)
        } else {
            memchr::memmem::find(p, q)
        }
    };
    let found = if exact {
        find(part, sub)
    } else {
        find(&part.to_ascii_lowercase(), &sub.to_ascii_lowercase())
    };
    Ok(Value::Int(found.map_or(-1, |p| (p + start) as i64)))
}

fn count_substr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, sub) = (a.str(0)?, a.str(1)?);
    if sub.is_empty() {
        // The reference never comes back from this.
        ctx.error("count_substr() requires a non-empty substring");
        return Ok(Value::Count(0));
    }
    Ok(Value::Count(memchr::memmem::find_iter(s, &sub[..]).count() as u64))
}

fn subst_string(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, from, to) = (a.str(0)?, a.str(1)?, a.str(2)?);
    if from.is_empty() {
        return Ok(Value::Str(s.clone()));
    }
    let mut out = Vec::with_capacity(s.len());
    let mut at = 0;
    for p in memchr::memmem::find_iter(s, &from[..]) {
        out.extend_from_slice(&s[at..p]);
        out.extend_from_slice(to);
        room(out.len())?;
        at = p + from.len();
    }
    out.extend_from_slice(&s[at..]);
    Ok(string(out))
}

fn split_parts(s: &[u8], p: &dyn PatternObject, with_separators: bool, n_max: u64) -> Vec<Value> {
    let mut parts = Vec::new();
    let (mut at, mut n) = (0, 0);
    while n < n_max
        && at < s.len()
        && let Some((start, end)) = p.find(s, at, false)
    {
        parts.push(string(&s[at..start]));
        if with_separators {
            parts.push(string(&s[start..end]));
        }
        at = end;
        n += 1;
    }
    parts.push(string(&s[at..]));
    parts
}

fn split(ctx: &mut CallCtx<'_>, a: &[Value], with_separators: bool, n_max: u64) -> Res {
    let parts = split_parts(a.str(0)?, &**pattern(a, 1)?, with_separators, n_max);
    Ok(vector(ctx, parts))
}

fn split_string_n(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = match a.count(3)? {
        0 => u64::MAX,
        n => n,
    };
    split(ctx, a, a.bool(2)?, n)
}

fn substitute(_: &mut CallCtx<'_>, a: &[Value], all: bool) -> Res {
    let (s, p, repl) = (a.str(0)?, pattern(a, 1)?, a.str(2)?);
    let mut out = Vec::with_capacity(s.len());
    let mut at = 0;
    while at < s.len()
        && let Some((start, end)) = p.find(s, at, false)
    {
        out.extend_from_slice(&s[at..start]);
        out.extend_from_slice(repl);
        room(out.len())?;
        at = end;
        if !all {
            break;
        }
    }
    out.extend_from_slice(&s[at..]);
    Ok(string(out))
}

/// All matches, each behind the one before; `None` after a weird when the string is too long.
fn matches(ctx: &mut CallCtx<'_>, a: &[Value], name: &str) -> Result<Vec<Value>, RtError> {
    let (s, p, max) = (a.str(0)?.clone(), pattern(a, 1)?.clone(), a.int(2)?);
    let (limit, from_global) = if max >= 0 {
        (max as u64, false)
    } else {
        let global = ctx.vm.global_value("max_find_all_string_length");
        match global {
            Some(Value::Count(n)) => (n, true),
            Some(Value::Int(n)) => (n.max(0) as u64, true),
            _ => (10000, true),
        }
    };
    if limit != 0 && s.len() as u64 > limit {
        let place = match ctx.location() {
            Some(l) => format!("{l}: "),
            None => String::new(),
        };
        let hint = if from_global {
            " (max_find_all_string_length)"
        } else {
            ""
        };
        let addl = format!("{place}{name}() length {} exceeded{hint}", s.len());
        crate::weird::net(ctx, "max_find_all_string_length_exceeded", &addl, "");
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < s.len()
        && let Some((start, end)) = p.find(&s, at, true)
    {
        found.push(string(&s[start..end]));
        at = end;
    }
    Ok(found)
}

fn find_all(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let found = matches(ctx, a, "find_all")?;
    Ok(set(ctx, found))
}

fn find_all_ordered(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let found = matches(ctx, a, "find_all_ordered")?;
    Ok(vector(ctx, found))
}

fn find_first(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, p, offset) = (a.str(0)?, pattern(a, 1)?, a.count(2)?);
    if offset >= s.len() as u64 {
        return Ok(string(""));
    }
    let found = p.find(s, offset as usize, true);
    Ok(string(found.map_or(&[][..], |(start, end)| &s[start..end])))
}

fn find_last(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, p, offset) = (a.str(0)?, pattern(a, 1)?, a.count(2)?);
    if offset >= s.len() as u64 {
        return Ok(string(""));
    }
    for i in (offset as usize..s.len()).rev() {
        if let Some(n) = p.longest_prefix(&s[i..], true)
            && n > 0
        {
            return Ok(string(&s[i..i + n]));
        }
    }
    Ok(string(""))
}

fn string_to_pattern(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, convert) = (a.str(0)?.clone(), a.bool(1)?);
    let text = if convert {
        crate::strings::escape_pattern(&s)
    } else {
        s.to_vec()
    };
    match ctx.host.compile_pattern(&text, false, false) {
        Ok(p) => Ok(Value::Pattern(p)),
        Err(e) => {
            ctx.error(format!("error compiling pattern /{}/: {e}", lossy(&text)));
            // What does not compile matches everything afterwards.
            match ctx.host.compile_pattern(b"(.|\\n)*", false, false) {
                Ok(p) => Ok(Value::Pattern(p)),
                Err(_) => Ok(Value::Unset),
            }
        }
    }
}
