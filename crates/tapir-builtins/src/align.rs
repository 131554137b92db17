//! Common substrings of two strings by alignment (`str_smith_waterman`).
//!
//! Variant 0 takes one best alignment without mismatches and gives its runs in order; other variants look for
//! separate common substrings, in the order of the first string, that overlap in neither string.

use std::collections::HashSet;

use tapir_data::value::{Value, Vector};
use tapir_vm::CallCtx;

use crate::util::*;

pub const FAMILY: Family = &[("str_smith_waterman", str_smith_waterman)];

/// The matrix of the alignment has at most so many cells.
const CELLS_MAX: usize = 64 << 20;

/// A common substring: where it begins in either string, its length, and whether it begins an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    i: usize,
    j: usize,
    len: usize,
    new: bool,
}

/// The lengths of longest common subsequences of all pairs of prefixes.
fn matrix(a: &[u8], b: &[u8]) -> Vec<u32> {
    let w = b.len() + 1;
    let mut m = vec![0u32; (a.len() + 1) * w];
    for i in 1..=a.len() {
        for j in 1..w {
            m[i * w + j] = if a[i - 1] == b[j - 1] {
                m[(i - 1) * w + j - 1] + 1
            } else {
                m[(i - 1) * w + j].max(m[i * w + j - 1])
            };
        }
    }
    m
}

fn one_alignment(a: &[u8], b: &[u8]) -> Vec<Run> {
    let w = b.len() + 1;
    let m = matrix(a, b);
    // The first end of a best alignment.
    let best = m.last().copied().unwrap_or(0);
    let Some(end) = m.iter().position(|&v| v == best) else {
        return Vec::new();
    };
    let (mut i, mut j) = (end / w, end % w);
    let mut runs: Vec<Run> = Vec::new();
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            match runs.last_mut() {
                Some(r) if r.i == i + 1 && r.j == j + 1 => (r.i, r.j, r.len) = (i, j, r.len + 1),
                _ => runs.push(Run {
                    i,
                    j,
                    len: 1,
                    new: false,
                }),
            }
        } else if m[(i - 1) * w + j] >= m[i * w + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    runs.reverse();
    runs
}

fn separate_runs(a: &[u8], b: &[u8]) -> Vec<Run> {
    let mut all = Vec::new();
    for i in 0..a.len() {
        for j in 0..b.len() {
            let starts = i == 0 || j == 0 || a[i - 1] != b[j - 1];
            let len = if starts {
                a[i..].iter().zip(&b[j..]).take_while(|(x, y)| x == y).count()
            } else {
                0
            };
            if len > 0 {
                all.push(Run { i, j, len, new: false });
            }
        }
    }
    all.sort_by_key(|r| (r.i, std::cmp::Reverse(r.len), r.j));
    let (mut used_a, mut used_b) = (HashSet::new(), HashSet::new());
    let mut runs: Vec<Run> = Vec::new();
    for r in all {
        let free = (r.i..r.i + r.len).all(|k| !used_a.contains(&k)) && (r.j..r.j + r.len).all(|k| !used_b.contains(&k));
        if free {
            used_a.extend(r.i..r.i + r.len);
            used_b.extend(r.j..r.j + r.len);
            runs.push(r);
        }
    }
    runs.sort_by_key(|r| r.j);
    runs
}

fn str_smith_waterman(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (s, t, params) = (a.str(0)?.clone(), a.str(1)?.clone(), a.any(2)?.clone());
    let least = match field(ctx, &params, "min_strlen")? {
        Value::Count(n) => n as usize,
        _ => 3,
    };
    let variant = field(ctx, &params, "sw_variant")?;
    if s.len().saturating_mul(t.len()) > CELLS_MAX {
        ctx.error("strings are too long for str_smith_waterman()");
        return Ok(vector(ctx, Vec::new()));
    }
    let mut runs = match variant {
        Value::Count(0) => one_alignment(&s, &t),
        _ => separate_runs(&s, &t),
    };
    runs.retain(|r| r.len >= least);
    let mut end = 0;
    for (n, r) in runs.iter_mut().enumerate() {
        r.new = n == 0 || r.i < end;
        end = r.i + r.len;
    }
    let types = ctx.types();
    let run_ty = element_type(types, ctx.result_type);
    let aligns_ty = field_type(types, run_ty, "aligns");
    let align_ty = element_type(types, aligns_ty);
    let made = runs.iter().map(|r| {
        let align = |s: &[u8], at: usize| {
            record(
                types,
                align_ty,
                &[("str", string(s)), ("index", Value::Count(at as u64))],
            )
        };
        let aligns = vec![align(&s, r.i), align(&t, r.j)];
        let fields = [
            ("str", string(&s[r.i..r.i + r.len])),
            ("aligns", Value::Vector(Vector::new(aligns_ty, aligns))),
            ("new", Value::Bool(r.new)),
        ];
        record(types, run_ty, &fields)
    });
    let made: Vec<Value> = made.collect();
    Ok(vector(ctx, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_alignment() {
        let runs = one_alignment(b"GET /index.html", b"GET /images/index.htm");
        let found: Vec<(usize, usize, usize)> = runs.iter().map(|r| (r.i, r.j, r.len)).collect();
        assert_eq!(found, [(0, 0, 4), (4, 11, 10)]);
        assert_eq!(one_alignment(b"abcxyz", b"xyzabc").len(), 1);
        assert_eq!(separate_runs(b"abcxyz", b"xyzabc").len(), 2);
        let runs = separate_runs(b"GET /index.html", b"GET /images/index.htm");
        let long: Vec<usize> = runs.iter().map(|r| r.len).filter(|n| *n >= 3).collect();
        assert_eq!(long, [6]);
        assert!(one_alignment(b"", b"x").is_empty());
    }
}
