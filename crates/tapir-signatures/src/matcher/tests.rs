//! Tests and measurements of the matcher: against a plain simulation, and over pieces of any size.

use super::*;
use crate::ast;

fn matcher(texts: &[&str]) -> Vec<(u32, Node)> {
    texts
        .iter()
        .enumerate()
        .map(|(i, t)| (i as u32, ast::parse(t.as_bytes(), true).unwrap()))
        .collect()
}

fn hits(m: &mut Matcher, chunks: &[&[u8]]) -> Vec<(u32, usize)> {
    let mut s = Stream::default();
    let mut out: Vec<(u32, usize)> = Vec::new();
    let mut base = 0;
    for (i, c) in chunks.iter().enumerate() {
        m.feed(&mut s, c, i == 0, i + 1 == chunks.len(), |p, at| {
            if !out.iter().any(|o| o.0 == p) {
                out.push((p, base + at));
            }
        });
        base += c.len();
    }
    out
}

#[test]
fn splitting_the_stream_changes_nothing() {
    let texts = [
        "GET ",
        ".*needle",
        ".*(foo|bar)+baz",
        ".*[0-9]{3}x",
        "^.*\\x00\\xff",
        ".*end$",
        ".*(?i:cAsE)[a-z]*!",
        ".*ab",
    ];
    let data = b"GET /needles/barfoobaz 123x\x00\xff some cAse! at the end";
    let whole = hits(&mut Matcher::new(&matcher(&texts)), &[data]);
    assert_eq!(whole.len(), 7, "{whole:?}");
    for limit in [0, 64 << 20] {
        let mut m = Matcher::with_limit(&matcher(&texts), limit);
        for cut in 0..=data.len() {
            let (a, b) = data.split_at(cut);
            assert_eq!(hits(&mut m, &[a, b]), whole, "cut {cut} limit {limit}");
        }
        let bytes: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(hits(&mut m, &bytes), whole);
    }
}

/// What the plain simulation of all states finds, as pattern and end of the first match.
fn by_hand(texts: &[String], data: &[u8]) -> Vec<(u32, usize)> {
    let mut out = Vec::new();
    for (p, text) in texts.iter().enumerate() {
        let nfa = Nfa::single(&ast::parse(text.as_bytes(), true).unwrap());
        let mut dfa = Dfa::new(nfa, 0, true);
        let mut set = dfa.set_of(dfa.start()).to_vec();
        let symbols = std::iter::once(Symbol::Begin)
            .chain(data.iter().map(|b| Symbol::Byte(*b)))
            .chain(std::iter::once(Symbol::End));
        let mut found = (dfa.set_accepts(&set).next().is_some()).then_some(0);
        for (i, symbol) in symbols.enumerate() {
            if found.is_some() {
                break;
            }
            set = dfa.step_set(&set, symbol);
            found = dfa.set_accepts(&set).next().map(|_| i.min(data.len()));
        }
        out.extend(found.map(|at| (p as u32, at)));
    }
    out
}

#[test]
fn any_patterns_on_any_data_match_as_the_plain_simulation_says() {
    let mut seed = 7u64;
    let mut rnd = move |n: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % n
    };
    let pieces = [
        "a",
        "b",
        "ab",
        "abc",
        "(?i:ab)",
        "[ab]",
        "[^a]",
        ".",
        ".*",
        ".*",
        ".+",
        "a+",
        "b*",
        "(a|bc)",
        "(|c)",
        "c{2,3}",
        "^",
        "$",
        "(a.*b|c)",
        "bca",
        "aabb",
        "(ab|ba|cc)c",
        "[ab]{4}",
        ".{2,}",
        "cab?",
        "[abc]*c",
        "(|.*[ab])",
        "(b.*c)?",
        ".{5}",
    ];
    let starts = [
        ".*",
        "",
        "^",
        ".*",
        "^.{5}",
        ".{2,6}",
        "^.{0,9}",
        "(|.*[ab])",
        "(^|.*c)",
        "^(a|.*b|c.*)",
    ];
    for round in 0..1200 {
        let texts: Vec<String> = (0..1 + rnd(12))
            .map(|_| {
                let mut text = String::from(starts[rnd(starts.len())]);
                (0..1 + rnd(5)).for_each(|_| text.push_str(pieces[rnd(pieces.len())]));
                if rnd(5) == 0 {
                    format!("{text}|.*{}", pieces[rnd(8)])
                } else {
                    text
                }
            })
            .collect();
        let parsed: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut m = Matcher::with_limit(&matcher(&parsed), [0, 1 << 20, 3000][round % 3]);
        for _ in 0..6 {
            let data: Vec<u8> = (0..rnd(40)).map(|_| b"abcABC\n\xff"[rnd(8)]).collect();
            let mut chunks: Vec<&[u8]> = Vec::new();
            let mut rest = data.as_slice();
            while !rest.is_empty() {
                let (a, b) = rest.split_at((1 + rnd(20)).min(rest.len()));
                chunks.push(a);
                rest = b;
            }
            if chunks.is_empty() {
                chunks.push(b"");
            }
            let mut got = hits(&mut m, &chunks);
            got.sort_unstable();
            assert_eq!(got, by_hand(&texts, &data), "{texts:?} on {data:?} as {chunks:?}");
        }
    }
}

#[test]
fn anchored_patterns_die() {
    let mut m = Matcher::new(&matcher(&["abc", "^abd"]));
    let mut s = Stream::default();
    m.feed(&mut s, b"xxabcabd", true, false, |_, _| panic!("no match expected"));
    assert!(s.is_idle());
}

#[test]
fn what_is_far_from_the_start_is_not_walked_to() {
    let texts = ["^.{236}c\\x82Sc", "(|.*[\\r\\n]) *[Nn]ick .*x", "^.{0,64}\\(This file"];
    let mut m = Matcher::new(&matcher(&texts));
    let mut s = Stream::default();
    m.feed(&mut s, &[b'a'; 100], true, false, |_, _| panic!("no match expected"));
    assert!(s.is_idle());
    let mut data = vec![b'a'; 400];
    data[236..240].copy_from_slice(b"c\x82Sc");
    data[300..307].copy_from_slice(b"\n nick ");
    data[310..320].copy_from_slice(b"(This file");
    data[390] = b'x';
    assert_eq!(hits(&mut m, &[&data]), [(0, 240), (1, 391)]);
    data[30..40].copy_from_slice(b"(This file");
    data[236] = b'a';
    data[237..241].copy_from_slice(b"c\x82Sc");
    assert_eq!(hits(&mut m, &[&data[..33], &data[33..]]), [(2, 40), (1, 391)]);
}

/// Throughput, compile time and memory with 10, 1,000 and 20,000 patterns of several kinds.
#[test]
#[ignore = "a measurement"]
fn speed() {
    use std::time::Instant;
    let mut seed = 1u64;
    let mut rnd = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let words = [
        "GET", "Host", "cookie", "index", "html", "image", "login", "select", "union", "admin", "cmd", "exe",
    ];
    let mut text: Vec<u8> = Vec::new();
    while text.len() < 8 << 20 {
        text.extend_from_slice(words[rnd() % words.len()].as_bytes());
        text.extend_from_slice(&[b" /=&?.-_"[rnd() % 8], b"abcdefghijklmnop"[rnd() % 16]]);
        if rnd() % 16 == 0 {
            text.extend_from_slice(&rnd().to_le_bytes());
        }
    }
    let mut noise = Vec::with_capacity(8 << 20);
    while noise.len() < 8 << 20 {
        noise.extend_from_slice(&(rnd() as u32 >> 3).to_le_bytes()[..3]);
    }
    let kinds = [
        "shared",
        "mixed",
        "random",
        "short",
        "fold",
        "numbered",
        "alternate",
        "anchored",
        "classes",
    ];
    for kind in kinds {
        let mut base = [0.0; 2];
        for n in [10, 1_000, 20_000] {
            let patterns: Vec<(u32, Node)> = (0..n)
                .map(|i| {
                    let word = words[rnd() % words.len()];
                    let hex = format!("{:04x}", rnd() & 0xffff);
                    let raw: Vec<String> = (0..8).map(|_| format!("\\x{:02x}", rnd() & 255)).collect();
                    let bytes = |n: usize| raw[..n].concat();
                    let s = match kind {
                        "mixed" => match i % 15 {
                            0 | 5 => format!(".*{}{word}.*[0-9]+end", bytes(3)),
                            3 | 6 | 9 | 12 => format!(".*{}{word}", bytes(3)),
                            10 => format!(".*{word}[\\/=?]{word}{hex}.*[0-9]+end"),
                            _ => format!(".*{word}[\\/=?]{word}{hex}"),
                        },
                        "shared" => format!("{}{word}.*{hex}{word}{i}", [".*", ""][i % 2]),
                        "random" => format!(".*{}", bytes(8)),
                        "short" => format!(".*{}", bytes(3 + i % 2)),
                        "fold" => format!(".*(?i:{word}{hex}{word})"),
                        "numbered" => format!(".*malicious-pattern-number-{i:05}-end"),
                        "alternate" => format!(".*({word}{hex}|{hex}{word}|{}).*tail{i}", bytes(5)),
                        "anchored" => format!("GET \\/evil\\/{hex}{word}"),
                        _ if i % 100 == 0 => format!(".*[0-9]+[a-z]{{4}}{word}[0-9]"),
                        _ => format!(".*[a-f]{word}[0-9a-f]+{hex}"),
                    };
                    (i as u32, ast::parse(s.as_bytes(), true).unwrap())
                })
                .collect();
            let t = Instant::now();
            let mut m = Matcher::new(&patterns);
            let compile = t.elapsed();
            for (i, (name, data)) in [("text", &text), ("noise", &noise)].into_iter().enumerate() {
                let t = Instant::now();
                let mut hits = 0u64;
                for conn in data.chunks(64 << 10) {
                    let mut s = Stream::default();
                    for (i, c) in conn.chunks(1460).enumerate() {
                        m.feed(&mut s, c, i == 0, false, |_, _| hits += 1);
                    }
                }
                let speed = data.len() as f64 / t.elapsed().as_secs_f64() / 1e6;
                if n == 10 {
                    base[i] = speed;
                }
                eprintln!(
                    "{kind:10} {n:6} patterns, {name:5}: compile {:4.0} ms, {speed:5.0} MB/s ({:3.0} %), {} states, {} KiB, {hits} hits",
                    compile.as_secs_f64() * 1e3,
                    speed / base[i] * 100.0,
                    m.n_states(),
                    m.memory() >> 10
                );
            }
        }
    }
}

#[test]
fn patterns_share_the_segments_with_which_they_begin() {
    let texts = [
        ".*login.*user1",
        ".*login.*user2",
        ".*login",
        "GET .*x7",
        "GET .*y8",
        ".*login.*[0-9]+z",
    ];
    let mut m = Matcher::new(&matcher(&texts));
    let mut s = Stream::default();
    let mut got = Vec::new();
    m.feed(&mut s, b"GET user2 login login ", true, false, |p, at| {
        got.push((p, at))
    });
    assert_eq!(got, [(2, 15), (2, 21)]);
    assert_eq!(s.passed.len(), 2, "one for each shared beginning");
    m.feed(&mut s, b"use", false, false, |p, _| panic!("{p}"));
    got.clear();
    m.feed(&mut s, b"r2 y8 5z", false, false, |p, at| got.push((p, at)));
    assert_eq!(got, [(1, 2), (4, 5), (5, 8)]);
}
