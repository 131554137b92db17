//! The normalised text of functions.

use tapir_script::hir::FunctionKind;
use tapir_script::load::{Found, Loader, NoEvaluator, ScriptSource};
use tapir_script::render;

struct One(&'static str);

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

#[test]
fn bodies_are_shown_normalised() {
    let mut evaluator = NoEvaluator;
    let mut loader = Loader::new(
        Box::new(One("global n = 1;
            function g(s: string, base: count &default=10): double { return 1.0; }
            function empty() { }
            function p(a: int, b: int, c: count): bool {
                return (a + b) * 2 - (a - (b - 1)) > -(a * b) && ! (a < b || b < a) && (c | 1) == (c & 2 | 3);
            }
            function f(a: count, v: vector of string): bool {
                if ( a >= 5 && n == 2 ) { n += a; return T; } else print a, \"text\";
                for ( i, x in v )
                    v[i] = x + \"!\";
                while ( a < 3 ) ++a;
                return g(\"x\") == 1 ? F : a !in set(1, 2);
            }")),
        &mut evaluator,
    );
    loader.load_file("t");
    let (program, diagnostics) = loader.finish();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let text = |name: &str| {
        let f = program.functions.iter().find(|f| &*f.name == name).unwrap();
        match &f.kind {
            FunctionKind::Script(bodies) => render::body(&program, &bodies[0]),
            FunctionKind::Builtin => String::new(),
        }
    };
    assert_eq!(text("empty"), ";");
    assert_eq!(
        text("p"),
        "{ \nreturn (-(a * b) < 2 * (a + b) - (a - (b - 1)) && !(a < b || b < a) && c | 1 == c & 2 | 3);\n}"
    );
    assert_eq!(
        text("f"),
        "{ \nif (5 <= a && 2 == n) \n{ \nn = n + a;\nreturn (T);\n}\nelse\nprint a, text;\n\nfor ([i], x in v) \nv[i] = x + !;\n\n\
         while (a < 3) \n++a;\n\nreturn (1.0 == g(x, 10) ? F : !a in set(1, 2));\n}"
    );
}

#[test]
fn prototypes_that_are_assigned_are_variables_everywhere() {
    let mut evaluator = NoEvaluator;
    let mut loader = Loader::new(
        Box::new(One("global cb: function(n: count): count;
            function before(): count { return cb(1); }
            function set_it() { cb = function(n: count): count { return n; }; }
            function after(): count { return cb(2); }")),
        &mut evaluator,
    );
    loader.load_file("t");
    let (program, diagnostics) = loader.finish();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    for name in ["before", "after"] {
        let f = program.functions.iter().find(|f| &*f.name == name).unwrap();
        let FunctionKind::Script(bodies) = &f.kind else {
            panic!("{name} is a built-in");
        };
        let tapir_script::hir::StmtKind::Return(Some(e)) =
            &program.parts(&bodies[0]).expect("it is there").stmts[0].kind
        else {
            panic!("{name} does not return");
        };
        use tapir_script::hir::{Callee, ExprKind};
        assert!(
            matches!(&e.kind, ExprKind::Call(Callee::Value(v), _) if matches!(v.kind, ExprKind::Global(_))),
            "{name} calls the prototype"
        );
    }
}
