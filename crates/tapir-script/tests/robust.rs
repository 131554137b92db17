//! No input makes the front end panic, hang or recurse without bound.

use tapir_script::load::{Found, Loader, NoEvaluator, ScriptSource, has_errors};

const KITCHEN: &str = include_str!("programs/kitchen.zeek");
const PRELUDE: &str = "global zeek_init: event();\nglobal cat: function(va_args: any): string;\n\
    global fmt: function(va_args: any): string;\n";

struct One(Vec<u8>);

impl ScriptSource for One {
    fn search_path(&self) -> Vec<String> {
        vec![".".into()]
    }
    fn look(&mut self, path: &str) -> Option<Found> {
        let text = match path {
            "./base/bif/prelude.zeek" => PRELUDE.as_bytes().into(),
            "./main.zeek" => self.0.as_slice().into(),
            _ => return None,
        };
        Some(Found::File {
            text,
            canonical: path.into(),
        })
    }
}

/// Checks a text and renders all that is said about it.
fn check(text: &[u8]) -> (bool, String) {
    let mut evaluator = NoEvaluator;
    let mut loader = Loader::new(Box::new(One(text.to_vec())), &mut evaluator);
    loader.load_file("base/bif/prelude");
    loader.load_file("main");
    let (program, diagnostics) = loader.finish();
    let mut out = String::new();
    for d in &diagnostics {
        out += &d.render(&program.files);
    }
    for f in &program.functions {
        if let tapir_script::hir::FunctionKind::Script(bodies) = &f.kind {
            for b in bodies {
                out.push_str(&tapir_script::render::body(&program, b));
            }
        }
    }
    (has_errors(&diagnostics), out)
}

/// A small generator, so that failures repeat.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below.max(1)
    }
}

#[test]
fn the_kitchen_is_clean() {
    let (errors, text) = check(KITCHEN.replace("\t[w, n] = [\"k\", 1];\n", "").as_bytes());
    assert!(!errors, "{text}");
}

#[test]
fn mangled_programs_are_survived() {
    let tokens: Vec<&str> = KITCHEN
        .split_inclusive(|c: char| c.is_whitespace() || "()[]{};,$".contains(c))
        .collect();
    let mut random = Random(7);
    for round in 0..1500 {
        let mut words: Vec<String> = tokens.iter().map(|t| t.to_string()).collect();
        for _ in 0..1 + round % 4 {
            let i = random.next(words.len());
            let j = random.next(words.len());
            match random.next(6) {
                0 => {
                    words.remove(i);
                }
                1 => words.swap(i, j),
                2 => {
                    let w = words[j].clone();
                    words.insert(i, w);
                }
                3 => words.truncate(i.max(5)),
                4 => {
                    let w: String = words[i].chars().rev().collect();
                    words[i] = w;
                }
                _ => {
                    words[i] =
                        ["(", "{", "}", "@if ( T )", "\"", "/", "&", "|", "function", "\u{e9}"][random.next(10)].into()
                }
            }
        }
        check(words.concat().as_bytes());
    }
}

#[test]
fn mangled_bytes_are_survived() {
    let mut random = Random(11);
    for _ in 0..800 {
        let mut bytes = KITCHEN.as_bytes().to_vec();
        for _ in 0..1 + random.next(6) {
            let i = random.next(bytes.len());
            bytes[i] = random.next(256) as u8;
        }
        bytes.truncate(bytes.len() - random.next(200));
        check(&bytes);
    }
    for _ in 0..500 {
        let n = random.next(200);
        let bytes: Vec<u8> = (0..n).map(|_| random.next(256) as u8).collect();
        check(&bytes);
    }
}

#[test]
fn nesting_is_refused_not_followed() {
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        ("[", "]"),
        ("|", "|"),
        ("f(", ")"),
        ("-", ""),
        ("!", ""),
        ("x$", ""),
        ("vector(", ")"),
    ] {
        let text = format!("global x = {}1{};", open.repeat(50_000), close.repeat(50_000));
        assert!(check(text.as_bytes()).0);
    }
    for s in ["if ( T ) ", "for ( i in x ) ", "{", "while ( T ) ", "if ( T ) ; else "] {
        let text = format!("function f() {{ {}", s.repeat(50_000));
        assert!(check(text.as_bytes()).0);
    }
    let lambdas = "function() { local x = ".repeat(5_000);
    assert!(check(format!("global x = {lambdas}").as_bytes()).0);
    let types = "table[count] of ".repeat(50_000);
    assert!(check(format!("global x: {types} count;").as_bytes()).0);
    let chain = format!("function f() {{ if ( T ) ; {} }}", "else if ( T ) ; ".repeat(50_000));
    assert!(check(chain.as_bytes()).0);
    let calls = format!("global x = f{};", "()".repeat(50_000));
    assert!(check(calls.as_bytes()).0);
}

#[test]
fn cross_products_are_bounded() {
    let many = (0..100).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "global s: set[count, count, count, count] = {{ [{{ {many} }}, {{ {many} }}, {{ {many} }}, {{ {many} }}] }};"
    );
    let (errors, said) = check(text.as_bytes());
    assert!(errors && said.contains("too many elements"));
}
