//! What is said about common mistakes: the headline, and the hint where there is one.

use tapir_script::load::{Found, Loader, NoEvaluator, ScriptSource};

struct One(String);

impl ScriptSource for One {
    fn search_path(&self) -> Vec<String> {
        vec![".".into()]
    }
    fn look(&mut self, path: &str) -> Option<Found> {
        (path == "./t.zeek").then(|| Found::File {
            text: self.0.as_bytes().into(),
            canonical: path.into(),
        })
    }
}

const PRELUDE: &str = "global zeek_init: event(); global connection_state_remove: event(n: count); \
    global fmt: function(s: string, a: any &default=1): string; type R: record { a: count; b: string &optional; }; \
    global t: table[string] of count &redef; option o = 1; global s: set[count]; global c: count = 1;";

fn said(text: &str) -> String {
    let mut evaluator = NoEvaluator;
    let mut loader = Loader::new(Box::new(One(format!("{PRELUDE}\n{text}"))), &mut evaluator);
    loader.usage_issues(true);
    loader.load_file("t");
    let (program, diagnostics) = loader.finish();
    diagnostics.iter().map(|d| d.render(&program.files)).collect()
}

#[track_caller]
fn expect(text: &str, parts: &[&str]) {
    let said = said(text);
    for p in parts {
        assert!(said.contains(p), "no {p:?} in:\n{said}");
    }
}

#[track_caller]
fn body(text: &str, parts: &[&str]) {
    expect(&format!("event zeek_init() {{ {text} }}"), parts);
}

#[test]
fn names() {
    body(
        "print conn_ct;",
        &["error in ./t.zeek, line 2: unknown identifier conn_ct, at or near \"conn_ct\""],
    );
    body("local counter = 1; print countre;", &["did you mean counter?"]);
    body(
        "event connection_state_change(1);",
        &["unknown identifier connection_state_change"],
    );
    expect(
        "event connection_state_change(n: count) { }",
        &[
            "warning in",
            "non-existing event",
            "did you mean connection_state_remove?",
        ],
    );
    expect(
        "global x: boolean;",
        &["identifier not defined: boolean", "did you mean bool?"],
    );
    expect(
        "module M; global hidden = 1; module N; global x = M::hidden;",
        &["identifier is not exported: M::hidden"],
    );
    body(
        "print GLOBAL::c;",
        &["Using GLOBAL:: as a prefix is invalid", "write ::c"],
    );
    expect(
        "event udp:udp_header(c: count) { }",
        &["syntax error, at or near \":\"", "written udp::udp_header"],
    );
}

#[test]
fn types() {
    body(
        "c = \"5\";",
        &[
            "assignment of non-arithmetic value to arithmetic (count/string)",
            "to_count(…)",
        ],
    );
    body(
        "local x: string = 5;",
        &["arithmetic mixed with non-arithmetic (string and 5)"],
    );
    body(
        "print 1 + \"x\";",
        &["requires arithmetic operands (1 + \"x\")", "cat(…) or fmt(…)"],
    );
    body("local r = R($b=\"x\");", &["mandatory field \"a\" missing"]);
    body(
        "local r = R($a=1); print r$bb;",
        &["no such field in record (r$bb)", "its fields are a, b"],
    );
    body("print t[5];", &["type clash in index"]);
    body("print s[1];", &["not an index type (s)", "asked for with \"in\""]);
    body("s += 3;", &["requires values of the same type (s += 3)", "add s[x];"]);
    body("if ( c ) ;", &["conditional in test must be boolean (c)"]);
    body(
        "local v = vector();",
        &["empty constructor in untyped initialization", "give the type"],
    );
    body(
        "switch +1 { case 1: break; }",
        &["case label has wrong type (1)", "+1 is an int"],
    );
    body("local d: interval = 5;", &["double_to_interval"]);
    body("print 1 / 0;", &["division by zero (1 / 0)"]);
    body(
        "local x: count = -1;",
        &["overflow promoting from signed/double to unsigned arithmetic value (-1)"],
    );
}

#[test]
fn declarations() {
    expect(
        "redef c = 2;",
        &[
            "cannot redefine a variable not marked with &redef (c)",
            "./t.zeek:1: declared here",
        ],
    );
    expect("redef R += { x: count &optional; };", &["syntax error"]);
    expect(
        "redef R = 5;",
        &["redef of record type R is missing record keyword", "redef record R"],
    );
    expect("redef cc = 5;", &["\"redef\" used but not previously defined (cc)"]);
    expect(
        "global x: count &optional;",
        &["&optional is only valid for record fields"],
    );
    expect(
        "global x: count &default=5;",
        &["&default is not valid for global variables except for tables"],
    );
    expect("type E: enum { A, A };", &["already exists (A)"]);
    expect(
        "function zeek_init() { }",
        &["redefinition changes type (zeek_init)", "it was declared as event"],
    );
    body(
        "o = 2;",
        &["option is not a modifiable lvalue (o)", "Option::set(\"o\", …)"],
    );
    body(
        "local f = function() { print c; }; local x = 1; local g = function() { print x; };",
        &["lambda uses outer identifiers without [] captures: x", "function[x]("],
    );
    body(
        "local a = 1; { local b = 2; } print b;",
        &["use of out-of-scope local; move declaration to outer scope (b)"],
    );
    body(
        "zeek_init();",
        &[
            "event called in expression, use event statement instead",
            "event zeek_init(…);",
        ],
    );
}

#[test]
fn usage() {
    body(
        "local a = c + 1; local b = 2; print b;",
        &["assignment unused (a = c + 1)"],
    );
    body(
        "local x: count; if ( c > 3 ) x = 1; print x;",
        &["possibly used without definition (x)"],
    );
    body(
        "local y: count; print y;",
        &["warning in ./t.zeek, line 2: used without definition (y)"],
    );
    let fine = "local z: count; if ( c > 3 ) z = 1; else z = 2; print z; local q: count &is_assigned; print q; \
                local v: vector of count; v += 1; for ( i in v ) print i; while ( c > 2 ) { local w = 1; print w; }";
    assert_eq!(said(&format!("event zeek_init() {{ {fine} }}")), "");
}

#[test]
fn a_syntax_error_hides_nothing_before_it() {
    body(
        "local x: count = \"a\"; if ( c == 1 ) { print nosuch; for ( i in t ) { print t[1]; print ) } }",
        &[
            "syntax error, at or near \")\"",
            "assignment of non-arithmetic value",
            "unknown identifier nosuch",
            "t[1]",
        ],
    );
    // A missing semicolon at the end of a line is all that is wrong with it.
    body(
        "local x = 1\nlocal y = x + \"a\";\nprint y\n",
        &[
            "line 3: syntax error, at or near \"local\"",
            "requires arithmetic operands (x + \"a\")",
            "line 5: syntax error, at or near \"}\"",
        ],
    );
    let said = said(
        "event zeek_init() { local a = 1; switch ( a ) { case 1: print 1; print ); break; } }\n\
         event zeek_init() { local b = 1; when [b] ( b == 1 ) { print b; print ); } }\n\
         event zeek_init() { local b = 1; local f = function[b]() { print ); print b; }; f(); }\n",
    );
    assert_eq!(said.matches("error").count(), 6, "{said}");
    assert_eq!(said.matches("syntax error").count(), 3, "{said}");
}

#[test]
fn habits_of_other_languages() {
    body("for ( i = 0; i < 3; i++ ) print i;", &["while ( i < n ) { …; ++i; }"]);
    body("for ( i : s ) print i;", &["for ( element in container )"]);
    body("print \"a\" . \"b\";", &["strings are joined with +"]);
    body("print 'a';", &["double quotes"]);
    body("if ( c == 1 and c == 2 ) print 1;", &["write &&"]);
    body("// a comment", &["comments begin with #"]);
    body("local l: list of count;", &["write vector of T"]);
    body("zzz = 5;", &["local zzz = …;"]);
    body("while ( T ) { continue; }", &["begins with next"]);
    body("schedule 1sec zeek_init();", &["schedule DELAY { EVENT(…) };"]);
    expect("type X: { a: count; };", &["record { … }"]);
    body("print R($aa=1);", &["no such field"]);
}

/// Without any message.
#[track_caller]
fn fine(text: &str) {
    assert_eq!(said(text), "");
}

#[test]
fn lists_in_brackets_initialise_like_lists_in_braces() {
    fine("global names: table[count] of string = [ [1] = \"one\", [2] = \"two\", ];");
    fine("global pairs: table[count, string] of count = [ [1, \"a\"] = 7 ];");
    fine("global some: set[count] = [1, 2, 3]; global all: vector of double = [1, 2.5];");
    fine("global names = [ [\"x\"] = 1 ]; redef t += [ [\"y\"] = 2 ]; ");
    fine("event zeek_init() { local codes: table[string] of count = [ [\"0\"] = 0, [\"1\"] = 1, ]; print codes; }");
    expect("global some: set[count] = [1, \"two\"];", &["inconsistent type"]);
    fine("global r: R = [$a=1];");
    fine("const few = [12, 32] &redef; redef few += { 7 }; event zeek_init() { print 12 in few, |few|; }");
}

#[test]
fn redef_on_a_local_means_nothing() {
    fine("event zeek_init() { local hosts: set[count] &redef; print |hosts|; }");
}

#[test]
fn what_stands_in_the_wrong_place() {
    expect(
        "event zeek_init() { if ( T )\n@if ( T )\nc = 2;\n@endif\n}",
        &["line 4: incorrect use of directive"],
    );
    expect(
        "c = 3;\nglobal late = 1;\nevent zeek_init() { }",
        &["line 3: syntax error, at or near \"global\""],
    );
    expect(
        "global u: count &redef;\nredef u += 1;",
        &["line 3: += initializer applied to ID without value (u)"],
    );
    expect(
        "global e: event(a: count, b: string);\nglobal e: event(b: string &default=\"x\");",
        &["line 3: &default on parameter 'b' has no effect (not a event declaration)"],
    );
}

#[test]
fn patterns_that_do_not_compile() {
    for (pattern, why) in [
        ("/a|/", "empty alternative in pattern /a|/"),
        ("/*a/", "nothing to repeat in pattern /*a/"),
        ("/a{5,2}/", "bad repetition count"),
        ("/}/", "unbalanced `}`"),
        ("/[[:foo:]]/", "unknown class name"),
        ("/a(/", "unbalanced parenthesis in pattern /a(/"),
    ] {
        body(&format!("print {pattern};"), &["error in ./t.zeek, line 2: ", why]);
    }
}

#[test]
fn bit_operators_take_counts() {
    for (expr, why) in [
        ("1 << -1", "requires \"count\" right operand (1 << -1)"),
        ("1 >> +1", "requires \"count\" right operand"),
        ("-1 & 1", "requires \"count\" or compatible \"set\" operands (-1 & 1)"),
        ("T | F", "requires \"count\" or compatible \"set\" operands (T | F)"),
        ("1 ^ 1.0", "requires \"count\" or compatible \"set\" operands (1 ^ 1.0)"),
    ] {
        body(&format!("print {expr};"), &[why]);
    }
}

#[test]
fn enumerators() {
    expect(
        "type E: enum { A = 1, B = 1 };",
        &["enumerator value in enumerated type definition already exists (1)"],
    );
    expect("type E: enum { };", &["syntax error, at or near \"}\""]);
    expect(
        "type E: enum { A };\nredef enum E += { B = 5 };",
        &["line 3: cannot mix explicit enumerator assignment and implicit auto-increment"],
    );
    expect(
        "type E: enum { A = 1,\nB };",
        &["line 3: cannot mix explicit enumerator assignment and implicit auto-increment"],
    );
}

#[test]
fn limits_are_told() {
    let list = |n: usize, f: &dyn Fn(usize) -> String| (0..n).map(f).collect::<Vec<_>>().join("");
    body(
        &list(8193, &|i| format!("local x{i} = 1;")),
        &["a function has at most 8192 parameters and local variables"],
    );
    let fields = list(32_769, &|i| format!("f{i}: count;"));
    expect(
        &format!("type Q: record {{ {fields} }};"),
        &["a record has at most 32768 fields"],
    );
    let args = list(8193, &|_| "1,".into());
    body(&format!("print cat({args} 1);"), &["unknown identifier cat"]);
    body(&format!("print fmt({args} 1);"), &["error in"]);
    let params = list(8193, &|i| format!("p{i}: count;"));
    expect(
        &format!("function q({params}) {{ }}"),
        &["a function has at most 8192 parameters"],
    );
}
