use std::collections::BTreeMap;

use super::*;
use crate::hir::Ident;

/// A source of a few texts.
struct Texts(BTreeMap<String, String>);

impl ScriptSource for Texts {
    fn search_path(&self) -> Vec<String> {
        vec!["lib".into(), ".".into()]
    }
    fn look(&mut self, path: &str) -> Option<Found> {
        if let Some(t) = self.0.get(path) {
            return Some(Found::File {
                text: t.as_bytes().into(),
                canonical: path.into(),
            });
        }
        let dir = format!("{path}/");
        self.0.keys().any(|k| k.starts_with(&dir)).then_some(Found::Directory)
    }
}

pub(crate) fn load(files: &[(&str, &str)]) -> (Program, Vec<String>) {
    let texts = files.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
    let mut evaluator = NoEvaluator;
    let mut loader = Loader::new(Box::new(Texts(texts)), &mut evaluator);
    loader.load_file(files[0].0);
    let (program, diagnostics) = loader.finish();
    let out = diagnostics.iter().map(|d| d.headline(&program.files)).collect();
    (program, out)
}

#[test]
fn files_are_spliced_once_and_inherit_the_module() {
    let (p, d) = load(&[
        (
            "./a.zeek",
            "module M;\n@load ./b\n@load pkg\n@load b\nglobal z = M::x + P::y + x;\n@ifdef ( M )\nglobal known = T;\n@endif\n",
        ),
        ("./b.zeek", "global x = 1;"),
        (
            "lib/pkg/__load__.zeek",
            "module P;\nexport { const y = 2; }\n@load ../b2\n",
        ),
        ("lib/b2.zeek", "global late = T;"),
    ]);
    assert_eq!(d, Vec::<String>::new());
    assert!(p.names.contains_key("M::x") && p.names.contains_key("P::y") && p.names.contains_key("P::late"));
    assert!(p.names.contains_key("M::known"));
    assert!(matches!(p.names["M::z"], Ident::Global(_)));
    assert_eq!(p.files.iter().map(|f| f.level).collect::<Vec<_>>(), [0, 1, 1, 2]);
}

#[test]
fn conditionals_see_what_stands_above_them() {
    let (p, d) = load(&[(
        "./a.zeek",
        "const on = T &redef;\n@if ( ! on )\nglobal a = 1;\n@if ( T )\n@endif\n@else\nglobal b = 1;\n@endif\nredef on = F;\n\
         @if ( on )\nglobal c = 1;\n@endif\nfunction f()\n\t{\n@ifdef ( b )\n\tprint b;\n@else\n\tprint nothing;\n@endif\n\t}\nf();",
    )]);
    assert_eq!(d, Vec::<String>::new());
    assert!(!p.names.contains_key("a") && p.names.contains_key("b") && !p.names.contains_key("c"));
}

#[test]
fn missing_files_end_the_load() {
    let (_, d) = load(&[("./a.zeek", "global a = 1;\n@load ./nothing\nglobal b = c;")]);
    assert_eq!(d, ["fatal error in ./a.zeek, line 2: can't find ./nothing"]);
}

#[test]
fn a_directory_that_is_no_package_is_named() {
    let (_, d) = load(&[("./a.zeek", "@load e"), ("./e/other.zeek", "")]);
    assert_eq!(
        d,
        ["fatal error in ./a.zeek, line 1: Failed to open package './e': missing '__load__.zeek' file"]
    );
}
