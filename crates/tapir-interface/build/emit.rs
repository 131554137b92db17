//! Declarations to Rust text.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use crate::decls::{Declarations, Field, Ty};

/// How a script type is passed in Rust.
enum Pass {
    Plain(&'static str, &'static str),
    Str,
    Enum(String),
    Value,
}

struct Emitter<'a> {
    d: &'a Declarations,
    enums: HashSet<&'a str>,
    aliases: HashMap<&'a str, &'a Ty>,
}

/// The generated file.
pub fn emit(d: &Declarations) -> String {
    let e = Emitter {
        d,
        enums: d.enums.iter().map(|e| &e.0[..]).collect(),
        aliases: d.aliases.iter().map(|a| (&a.0[..], &a.1)).collect(),
    };
    let mut out = String::from("// Generated from the declarations under scripts/base; do not edit.\n\n");
    e.events(&mut out);
    e.records(&mut out);
    e.enums(&mut out);
    e.types(&mut out);
    let _ = writeln!(
        out,
        "/// Built-ins declared under `scripts/base/bif`, by name.\npub mod builtins {{\n    pub const NAMES: &[&str] = &{:?};\n}}",
        d.functions
    );
    out
}

fn snake(name: &str) -> String {
    let name = name.replace("::", "_").to_lowercase();
    if is_keyword(&name) { format!("r#{name}") } else { name }
}

fn is_keyword(s: &str) -> bool {
    matches!(
        s,
        "type"
            | "match"
            | "move"
            | "ref"
            | "use"
            | "fn"
            | "mod"
            | "as"
            | "in"
            | "loop"
            | "impl"
            | "where"
            | "async"
            | "final"
            | "virtual"
            | "priv"
            | "static"
            | "const"
            | "enum"
            | "struct"
            | "true"
            | "false"
            | "if"
            | "else"
            | "for"
            | "while"
            | "return"
            | "break"
            | "box"
            | "macro"
            | "abstract"
            | "become"
            | "do"
            | "override"
            | "typeof"
            | "unsized"
            | "yield"
            | "try"
            | "gen"
            | "dyn"
            | "unsafe"
            | "trait"
            | "pub"
            | "let"
            | "mut"
            | "await"
            | "extern"
            | "continue"
    )
}

fn field_name(name: &str) -> String {
    match name {
        "self" | "super" | "crate" | "Self" | "_" => format!("{name}_"),
        n if is_keyword(n) => format!("r#{n}"),
        n => n.to_string(),
    }
}

fn upper(name: &str) -> String {
    name.replace("::", "_").to_uppercase()
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    for part in name.replace("::", "_").split('_') {
        let mut chars = part.chars();
        if let Some(c) = chars.next() {
            out.extend(c.to_uppercase());
            out.push_str(chars.as_str());
        }
    }
    out
}

/// The constant under which a composite type can be asked for.
fn type_const(ty: &Ty) -> String {
    match ty {
        Ty::Name(n) => upper(n),
        Ty::Vector(t) => format!("VECTOR_OF_{}", type_const(t)),
        Ty::Table(index, yields) => {
            let index: Vec<_> = index.iter().map(type_const).collect();
            match yields {
                Some(y) => format!("TABLE_{}_OF_{}", index.join("_"), type_const(y)),
                None => format!("SET_{}", index.join("_")),
            }
        }
        Ty::Opaque(n) => format!("OPAQUE_{}", upper(n)),
        Ty::Other => "OTHER".into(),
    }
}

/// Fields that scripts may take for granted, but that what is on the wire may leave out.
const LEFT_OUT: [(&str, &str); 3] = [
    ("NTLM::AVs", "nb_computer_name"),
    ("NTLM::AVs", "nb_domain_name"),
    ("SMB1::NegotiateResponseNTLM", "security_blob"),
];

impl Emitter<'_> {
    fn pass(&self, ty: &Ty) -> Pass {
        let Ty::Name(n) = ty else { return Pass::Value };
        match n.as_str() {
            "bool" => Pass::Plain("bool", "Bool"),
            "int" => Pass::Plain("i64", "Int"),
            "count" => Pass::Plain("u64", "Count"),
            "double" => Pass::Plain("f64", "Double"),
            "time" => Pass::Plain("f64", "Time"),
            "interval" => Pass::Plain("f64", "Interval"),
            "port" => Pass::Plain("Port", "Port"),
            "addr" => Pass::Plain("Addr", "Addr"),
            "subnet" => Pass::Plain("Subnet", "Subnet"),
            "string" => Pass::Str,
            n if self.enums.contains(n) => Pass::Enum(n.to_string()),
            n => match self.aliases.get(n) {
                Some(t) => self.pass(t),
                None => Pass::Value,
            },
        }
    }

    fn events(&self, out: &mut String) {
        out.push_str(
            "/// Native events: their ids and the functions that raise them.\npub mod events {\n    use super::*;\n",
        );
        let names: Vec<_> = self.d.events.iter().map(|e| &e.0).collect();
        let _ = writeln!(out, "    pub const NAMES: &[&str] = &{names:?};");
        for (i, (name, params)) in self.d.events.iter().enumerate() {
            let id = upper(name);
            let _ = writeln!(out, "    pub const {id}: EventId = EventId({i});");
            let mut sig = String::new();
            let mut args = Vec::new();
            for p in params {
                let n = field_name(&format!("{}_", p.name));
                let (ty, arg) = match self.pass(&p.ty) {
                    Pass::Plain(t, v) => (t.to_string(), format!("Value::{v}({n})")),
                    Pass::Str => ("impl IntoStr".into(), format!("Value::Str({n}.into_str())")),
                    Pass::Enum(e) => (
                        "i64".into(),
                        format!("q.bindings().enum_value(enums::{}::ID, {n})", snake(&e)),
                    ),
                    Pass::Value => ("Value".into(), n.clone()),
                };
                let _ = write!(sig, ", {n}: {ty}");
                args.push(arg);
            }
            let _ = writeln!(
                out,
                "    /// Raises `{name}`.\n    #[inline]\n    pub fn {}(q: &mut EventQueue{sig}) {{\n        if q.wants({id}) {{\n            let args = vec![{}];\n            q.push({id}, args);\n        }}\n    }}",
                snake(name),
                args.join(", ")
            );
        }
        // The same ids under the functions' names, so that a macro can name both by one identifier.
        out.push_str("    pub mod ids {\n        use super::EventId;\n");
        for (i, (name, _)) in self.d.events.iter().enumerate() {
            let _ = writeln!(
                out,
                "        #[allow(non_upper_case_globals)]\n        pub const {}: EventId = EventId({i});",
                snake(name)
            );
        }
        out.push_str("    }\n}\n\n");
    }

    fn records(&self, out: &mut String) {
        out.push_str("/// Native records: ids, slots and builders.\npub mod records {\n    use super::*;\n");
        let names: Vec<_> = self.d.records.iter().map(|r| &r.0).collect();
        let _ = writeln!(out, "    pub const NAMES: &[&str] = &{names:?};");
        let mut slots = String::new();
        for (i, (name, fields)) in self.d.records.iter().enumerate() {
            let _ = writeln!(out, "    pub const ID_{}: RecordIdx = RecordIdx({i});", upper(name));
            let _ = writeln!(slots, "    /// Slots of `{name}`.\n    pub mod {} {{", snake(name));
            for (k, f) in fields.iter().enumerate() {
                let _ = writeln!(slots, "        pub const {}: usize = {k};", f.name.to_uppercase());
            }
            slots.push_str("    }\n");
            self.builder(out, name, fields);
        }
        let _ = writeln!(
            out,
            "}}\n\n/// Slots of native records' fields.\npub mod slots {{\n{slots}}}\n"
        );
    }

    fn builder(&self, out: &mut String, name: &str, fields: &[Field]) {
        let _ = writeln!(
            out,
            "    /// Builds `{name}`.\n    #[derive(Clone, Default)]\n    pub struct {} {{",
            camel(name)
        );
        let mut body = String::new();
        for f in fields {
            let n = field_name(&f.name);
            let (ty, make) = match self.pass(&f.ty) {
                Pass::Plain(t, v) => (t.to_string(), format!("Value::{v}(X)")),
                Pass::Str => ("Str".into(), "Value::Str(X)".into()),
                Pass::Enum(e) => ("i64".into(), format!("b.enum_value(enums::{}::ID, X)", snake(&e))),
                Pass::Value => ("Value".into(), "X".into()),
            };
            let may_be_unset = f.may_be_unset || LEFT_OUT.contains(&(name, &*f.name));
            if may_be_unset && ty != "Value" {
                let _ = writeln!(out, "        pub {n}: Option<{ty}>,");
                let _ = write!(
                    body,
                    "match self.{n} {{ Some(v) => {}, None => Value::Unset }}, ",
                    make.replace('X', "v")
                );
            } else {
                let _ = writeln!(out, "        pub {n}: {ty},");
                let _ = write!(body, "{}, ", make.replace('X', &format!("self.{n}")));
            }
        }
        let _ = writeln!(
            out,
            "    }}\n    impl {} {{\n        /// The record as a value.\n        #[allow(unused_variables, clippy::useless_vec)]\n        pub fn build(self, b: &Bindings) -> Value {{\n            Value::Record(Record::new(b.record(ID_{}), vec![{body}]))\n        }}\n    }}",
            camel(name),
            upper(name)
        );
    }

    fn enums(&self, out: &mut String) {
        out.push_str(
            "/// Native enums: ids and the values of their enumerators.\npub mod enums {\n    use super::*;\n",
        );
        let names: Vec<_> = self.d.enums.iter().map(|r| &r.0).collect();
        let _ = writeln!(out, "    pub const NAMES: &[&str] = &{names:?};");
        for (i, (name, items)) in self.d.enums.iter().enumerate() {
            let _ = writeln!(
                out,
                "    /// `{name}`.\n    pub mod {} {{\n        use super::*;\n        pub const ID: EnumIdx = EnumIdx({i});",
                snake(name)
            );
            let mut seen = HashSet::new();
            for (item, value) in items {
                let short = upper(item.rsplit("::").next().unwrap_or(item));
                if seen.insert(short.clone()) {
                    let _ = writeln!(out, "        pub const {short}: i64 = {value};");
                }
            }
            out.push_str("    }\n");
        }
        out.push_str("}\n\n");
    }

    fn types(&self, out: &mut String) {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut seen = HashSet::new();
        for (name, ty) in &self.d.aliases {
            let c = upper(name);
            if seen.insert(c.clone()) {
                found.push((c, format!("TypePath {{ anchor: Anchor::Name({name:?}), steps: &[] }}")));
            }
            self.walk(
                ty,
                &format!("Anchor::Name({name:?})"),
                &mut Vec::new(),
                &mut seen,
                &mut found,
            );
        }
        for (i, (_, fields)) in self.d.records.iter().enumerate() {
            for (k, f) in fields.iter().enumerate() {
                self.walk(
                    &f.ty,
                    &format!("Anchor::Field({i}, {k})"),
                    &mut Vec::new(),
                    &mut seen,
                    &mut found,
                );
            }
        }
        for (i, (_, params)) in self.d.events.iter().enumerate() {
            for (k, f) in params.iter().enumerate() {
                self.walk(
                    &f.ty,
                    &format!("Anchor::Param({i}, {k})"),
                    &mut Vec::new(),
                    &mut seen,
                    &mut found,
                );
            }
        }
        out.push_str("/// Composite types that native code builds, named after how they are written.\npub mod types {\n    use super::*;\n");
        for (i, (c, _)) in found.iter().enumerate() {
            let _ = writeln!(out, "    pub const {c}: TypeIdx = TypeIdx({i});");
        }
        let paths: Vec<_> = found.iter().map(|f| &f.1[..]).collect();
        let _ = writeln!(
            out,
            "    pub(crate) const PATHS: &[TypePath] = &[{}];\n}}\n",
            paths.join(", ")
        );
    }

    fn walk(
        &self,
        ty: &Ty,
        anchor: &str,
        steps: &mut Vec<String>,
        seen: &mut HashSet<String>,
        found: &mut Vec<(String, String)>,
    ) {
        let (index, inner): (&[Ty], Option<&Ty>) = match ty {
            Ty::Vector(t) => (&[], Some(t)),
            Ty::Table(index, yields) => (index, yields.as_deref()),
            _ => return,
        };
        let c = type_const(ty);
        if seen.insert(c.clone()) {
            found.push((
                c,
                format!("TypePath {{ anchor: {anchor}, steps: &[{}] }}", steps.join(", ")),
            ));
        }
        for (i, t) in index.iter().enumerate() {
            steps.push(format!("Step::Index({i})"));
            self.walk(t, anchor, steps, seen, found);
            steps.pop();
        }
        if let Some(t) = inner {
            steps.push("Step::Yield".into());
            self.walk(t, anchor, steps, seen, found);
            steps.pop();
        }
    }
}
