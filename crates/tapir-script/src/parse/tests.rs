use super::interface::{Kind, Type, parse_declarations, source_file};

fn errors(text: &str) -> Vec<String> {
    let (_, diagnostics) = parse_declarations(text);
    let files = [source_file("t", text)];
    diagnostics.iter().map(|d| d.render(&files)).collect()
}

#[test]
fn declarations_are_qualified_and_typed() {
    let (decls, diagnostics) = parse_declarations(
        "module M;\nexport {\n global e: event(c: connection, n: count &default=5);\n type E: enum { A, B = 3 };\n\
         type R: record { a: set[addr, port] &optional; b: count &default=7 &log; };\n const x = 5 &redef;\n}\n\
         module GLOBAL;\nglobal f: function(s: string, ...): bool;",
    );
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let names: Vec<_> = decls.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["M::e", "M::E", "M::R", "M::x", "f"]);
    assert!(matches!(&decls[0].kind, Kind::Func(f) if matches!(&f.params[0].ty, Type::Name(n) if n == "connection")));
    assert!(matches!(&decls[1].kind, Kind::Enum(i) if i[1] == ("M::B".into(), Some(3))));
    assert!(matches!(&decls[4].kind, Kind::Func(f) if f.variadic));
}

#[test]
fn reading_goes_on_after_a_syntax_error() {
    let e = errors("global a = 1\nglobal b = ;\nfunction f() { local x = 1 local y = 2; }\nglobal c = 3;\n");
    assert_eq!(e.len(), 3, "{e:?}");
    assert!(
        e[0].starts_with("error in t, line 2: syntax error, at or near \"global\""),
        "{}",
        e[0]
    );
    assert!(
        e[2].starts_with("error in t, line 3: syntax error, at or near \"local\""),
        "{}",
        e[2]
    );
}

#[test]
fn common_slips_are_explained() {
    let e = errors("signature x { payload /a{/ }\nglobal a = 1 &reddef;\ntype Tt = count;\nredef Log::ID X;\n");
    assert!(e[0].contains("@load-sigs"), "{}", e[0]);
    assert!(e[1].contains("did you mean &redef"), "{}", e[1]);
    assert!(e[2].contains("with a colon"), "{}", e[2]);
    assert!(e[3].contains("redef enum Log::ID"), "{}", e[3]);
    assert!(errors("event \"Name\";")[0].contains("events are raised by name"));
}

#[test]
fn expressions_nest_and_bars_pair() {
    let ok = "function f() { print |x| + |y| * 2, | a + |b| |, x ? [1,2] : [$a=1], t[a,b], s[1:], /a\\/b/i in x; \
              when [x, copy y] ( local z = g(x) && T ) { } timeout 5sec { } \
              for ( [a, b], c in t ) switch x { case 1, 2: break; case type count as q: break; default: break; } \
              local l = function[a](x: count): bool { return T; }; hook h(1); schedule 1sec { e() }; \
              assert x == 1, \"m\"; x = { [1] = 2, [{1,2}, 3] = 4, }; delete t[1]; add s[x]; return; }";
    assert_eq!(errors(ok), Vec::<String>::new());
    assert!(errors("function f() { print a < b < c; }")[0].contains("do not chain"));
}

#[test]
fn depth_is_bounded() {
    let deep = format!("global x = {}1{};", "(".repeat(100_000), ")".repeat(100_000));
    assert!(errors(&deep)[0].contains("too deeply nested"));
    let chain = format!("global x = 1{};", "+1".repeat(100_000));
    assert!(errors(&chain)[0].contains("too deeply nested"));
    let blocks = format!("function f() {}", "{".repeat(100_000));
    assert!(errors(&blocks)[0].contains("too deeply nested"));
}
