//! Where the constants were written that a built-in complains about: a name at its call that the source before it sets to a
//! literal, and to nothing else in between. What is found goes below the message, as a help for its reader.

use tapir_script::hir::{Program, Span};

use crate::errors::location_of;

/// How far back the declaration is looked for, in bytes.
const REACH: usize = 16 << 10;
/// So many arguments are looked at.
const ARGUMENTS: usize = 4;

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Where a literal begins behind `=`, as an offset from the beginning of `rest`.
fn literal(rest: &str) -> Option<usize> {
    let at = rest.find('=')?;
    let between = &rest[..at];
    if between.contains([';', '{', '(']) || rest[at + 1..].starts_with('=') {
        return None;
    }
    let value = rest[at + 1..].trim_start();
    let begins = value.starts_with(|c: char| c == '"' || c == '-' || c == '/' || c.is_ascii_digit());
    begins.then(|| rest.len() - value.len())
}

/// The offset of the literal that a name was given last, where that is its declaration.
fn written(before: &str, name: &str) -> Option<usize> {
    let mut end = before.len();
    while let Some(at) = before[..end].rfind(name) {
        end = at;
        let bytes = before.as_bytes();
        let alone = (at == 0 || !is_word(bytes[at - 1])) && !bytes.get(at + name.len()).is_some_and(|b| is_word(*b));
        if !alone {
            continue;
        }
        let head = before[..at].trim_end();
        let declares = ["local", "const", "global", "option"].iter().any(|w| head.ends_with(w));
        let rest = &before[at + name.len()..];
        if declares {
            return literal(rest).map(|n| at + name.len() + n);
        }
        let follows = rest.trim_start();
        if follows.starts_with('=') && !follows.starts_with("==") || follows.starts_with("+=") {
            return None;
        }
    }
    None
}

/// Lines that name the places of constants among the arguments of the call at a span.
pub(crate) fn notes(prog: &Program, call: Span) -> Vec<String> {
    let mut out = Vec::new();
    let Some(file) = prog.files.get(call.file as usize) else {
        return out;
    };
    let Some(text) = file.text.get(call.start as usize..call.end as usize) else {
        return out;
    };
    let Some((_, args)) = text.split_once('(') else {
        return out;
    };
    let mut from = (call.start as usize).saturating_sub(REACH);
    while !file.text.is_char_boundary(from) {
        from += 1;
    }
    let before = &file.text[from..call.start as usize];
    for name in args.trim_end_matches([';', ')']).split(',').take(ARGUMENTS) {
        let name = name.trim().trim_end_matches(')');
        let is_name = name.bytes().all(is_word) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let Some(at) = (is_name).then(|| written(before, name)).flatten() else {
            continue;
        };
        let start = (from + at) as u32;
        let span = Span {
            start,
            end: start + 1,
            ..call
        };
        if let Some(l) = location_of(prog, span).filter(|l| l.line != file.line(call.start)) {
            out.push(format!("{name} has its value from {l}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_literal_counts() {
        let found = |before: &'static str| written(before, "x").map(|at| &before[at..]);
        assert_eq!(found("local x = \"a\"; f(x); "), Some("\"a\"; f(x); "));
        assert_eq!(found("const x: count = 5; local xx = 7;"), Some("5; local xx = 7;"));
        assert_eq!(found("local x = 1; x = g();"), None);
        assert_eq!(
            found("local x = 1; if ( x == 2 ) h(x);"),
            Some("1; if ( x == 2 ) h(x);")
        );
        assert_eq!(found("local x = g();"), None);
        assert_eq!(found("local x: count; y = 5;"), None);
        assert_eq!(found("function f(x: string) { "), None);
    }
}
