//! The declarations that matter to native code: types, events and built-ins, by qualified name.
//!
//! Reads just enough of the language for that: everything that is no `type` or `global` declaration is skipped as a
//! balanced run of tokens up to its semicolon or closing brace.

use std::collections::HashMap;

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Ty {
    /// A keyword type or a name, qualified as found.
    Name(String),
    Table(Vec<Ty>, Option<Box<Ty>>),
    Vector(Box<Ty>),
    Opaque(String),
    /// Functions and whatever native code only passes on.
    Other,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub ty: Ty,
    /// `&optional` or `&default`.
    pub may_be_unset: bool,
}

#[derive(Default)]
pub struct Declarations {
    /// Records in order of declaration.
    pub records: Vec<(String, Vec<Field>)>,
    /// Enums with their enumerators' qualified names and values.
    pub enums: Vec<(String, Vec<(String, i64)>)>,
    pub aliases: Vec<(String, Ty)>,
    pub events: Vec<(String, Vec<Field>)>,
    pub functions: Vec<String>,
    known: HashMap<String, ()>,
}

#[derive(Clone, Debug, PartialEq)]
enum Tok {
    Word(String),
    Str,
    Sym(char),
    Attr(String),
}

fn tokens(text: &str) -> Vec<Tok> {
    let b = text.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    while i < b.len() {
        let c = b[i];
        if c.is_ascii_whitespace() {
            i += 1;
        } else if c == b'#' {
            while i < b.len() && b[i] != b'\n' {
                i += 1;
            }
        } else if c == b'"' {
            i += 1;
            while i < b.len() && b[i] != b'"' {
                i += if b[i] == b'\\' { 2 } else { 1 };
            }
            i += 1;
            out.push(Tok::Str);
        } else if c == b'/' && matches!(out.last(), Some(Tok::Sym('=' | '(' | ',' | '{' | '|' | '['))) {
            i += 1;
            while i < b.len() && b[i] != b'/' && b[i] != b'\n' {
                i += if b[i] == b'\\' { 2 } else { 1 };
            }
            i += 1;
            out.push(Tok::Str);
        } else if c == b'&' && b.get(i + 1).is_some_and(|n| n.is_ascii_alphabetic()) {
            let start = i + 1;
            i += 1;
            while i < b.len() && word(b[i]) {
                i += 1;
            }
            out.push(Tok::Attr(text[start..i].to_string()));
        } else if word(c) {
            let start = i;
            while i < b.len()
                && (word(b[i])
                    || (b[i] == b':' && b.get(i + 1) == Some(&b':') && b.get(i + 2).is_some_and(|n| word(*n))))
            {
                i += if b[i] == b':' { 2 } else { 1 };
            }
            out.push(Tok::Word(text[start..i].to_string()));
        } else {
            out.push(Tok::Sym(c as char));
            i += 1;
        }
    }
    out
}

struct Reader<'a> {
    toks: &'a [Tok],
    at: usize,
    module: String,
}

impl Declarations {
    /// Adds the declarations of one file.
    pub fn read(&mut self, text: &str) {
        let toks = tokens(text);
        let mut r = Reader {
            toks: &toks,
            at: 0,
            module: String::new(),
        };
        while r.at < r.toks.len() {
            match r.word().as_deref() {
                Some("module") => {
                    r.at += 1;
                    let name = r.take_word();
                    r.module = if name == "GLOBAL" { String::new() } else { name };
                    r.skip_statement();
                }
                Some("export") => r.at += 2,
                Some("type") => {
                    r.at += 1;
                    let name = r.take_word();
                    let name = r.qualified(&name);
                    r.sym(':');
                    self.type_decl(&mut r, name);
                    r.skip_statement();
                }
                Some("redef") if r.toks.get(r.at + 1) == Some(&Tok::Word("enum".into())) => {
                    r.at += 2;
                    let name = r.take_word();
                    let name = r.resolve(&name, |n| self.known.contains_key(n));
                    while !matches!(r.toks.get(r.at), Some(Tok::Sym('{')) | None) {
                        r.at += 1;
                    }
                    r.at += 1;
                    let next = self
                        .enums
                        .iter()
                        .find(|e| e.0 == name)
                        .and_then(|e| e.1.iter().map(|i| i.1 + 1).max())
                        .unwrap_or(0);
                    let items = r.enum_items(next);
                    if let Some(e) = self.enums.iter_mut().find(|e| e.0 == name) {
                        e.1.extend(items);
                    }
                    r.skip_statement();
                }
                Some("redef") if r.toks.get(r.at + 1) == Some(&Tok::Word("record".into())) => {
                    r.at += 2;
                    let name = r.take_word();
                    let name = r.resolve(&name, |n| self.known.contains_key(n));
                    r.sym('+');
                    r.sym('=');
                    let fields = self.fields(&mut r);
                    if let Some(rec) = self.records.iter_mut().find(|x| x.0 == name) {
                        rec.1.extend(fields);
                    }
                    r.skip_statement();
                }
                Some("global") => {
                    r.at += 1;
                    let name = r.take_word();
                    let name = r.qualified(&name);
                    if r.sym(':') {
                        match r.word().as_deref() {
                            Some("event") => {
                                r.at += 1;
                                let params = self.params(&mut r);
                                if !self.events.iter().any(|e| e.0 == name) {
                                    self.events.push((name, params));
                                }
                            }
                            Some("function") => self.functions.push(name),
                            _ => {}
                        }
                    }
                    r.skip_statement();
                }
                Some("function" | "event" | "hook") => r.skip_body(),
                _ => {
                    if r.toks[r.at] == Tok::Sym('}') || r.toks[r.at] == Tok::Sym(';') || r.toks[r.at] == Tok::Sym('@') {
                        r.at += 1;
                    } else {
                        r.skip_statement();
                    }
                }
            }
        }
    }

    fn type_decl(&mut self, r: &mut Reader<'_>, name: String) {
        self.known.insert(name.clone(), ());
        match r.word().as_deref() {
            Some("record") => {
                r.at += 1;
                let fields = self.fields(r);
                self.records.push((name, fields));
            }
            Some("enum") => {
                r.at += 2;
                let items = r.enum_items(0);
                self.enums.push((name, items));
            }
            _ => {
                let ty = self.ty(r);
                self.aliases.push((name, ty));
            }
        }
    }

    fn fields(&mut self, r: &mut Reader<'_>) -> Vec<Field> {
        r.sym('{');
        let mut out = Vec::new();
        while let Some(name) = r.word() {
            r.at += 1;
            r.sym(':');
            let ty = self.ty(r);
            let may_be_unset = r.attrs(&[';', '}']);
            out.push(Field { name, ty, may_be_unset });
            r.sym(';');
        }
        r.sym('}');
        out
    }

    fn params(&mut self, r: &mut Reader<'_>) -> Vec<Field> {
        r.sym('(');
        let mut out = Vec::new();
        while let Some(name) = r.word() {
            r.at += 1;
            r.sym(':');
            let ty = self.ty(r);
            let may_be_unset = r.attrs(&[',', ';', ')']);
            out.push(Field { name, ty, may_be_unset });
            if !r.sym(',') {
                r.sym(';');
            }
        }
        r.sym(')');
        out
    }

    fn ty(&mut self, r: &mut Reader<'_>) -> Ty {
        let Some(word) = r.word() else { return Ty::Other };
        r.at += 1;
        match word.as_str() {
            "table" | "set" => {
                r.sym('[');
                let mut index = Vec::new();
                while !r.sym(']') {
                    if r.at >= r.toks.len() {
                        break;
                    }
                    index.push(self.ty(r));
                    r.sym(',');
                }
                let yields = (word == "table").then(|| {
                    r.at += 1;
                    Box::new(self.ty(r))
                });
                Ty::Table(index, yields)
            }
            "vector" => {
                r.at += 1;
                Ty::Vector(Box::new(self.ty(r)))
            }
            "opaque" => {
                r.at += 1;
                Ty::Opaque(r.take_word())
            }
            "file" => {
                if r.word().as_deref() == Some("of") {
                    r.at += 2;
                }
                Ty::Other
            }
            "function" | "event" | "hook" => {
                r.skip_group();
                if r.sym(':') {
                    self.ty(r);
                }
                Ty::Other
            }
            "record" | "enum" => {
                r.skip_group();
                Ty::Other
            }
            "any" | "pattern" => Ty::Other,
            "bool" | "int" | "count" | "double" | "time" | "interval" | "string" | "port" | "addr" | "subnet" => {
                Ty::Name(word)
            }
            _ => Ty::Name(r.resolve(&word, |n| self.known.contains_key(n))),
        }
    }
}

impl Reader<'_> {
    fn word(&self) -> Option<String> {
        match self.toks.get(self.at) {
            Some(Tok::Word(w)) => Some(w.clone()),
            _ => None,
        }
    }

    fn take_word(&mut self) -> String {
        let w = self.word().unwrap_or_default();
        self.at += 1;
        w
    }

    fn sym(&mut self, c: char) -> bool {
        let hit = self.toks.get(self.at) == Some(&Tok::Sym(c));
        self.at += usize::from(hit);
        hit
    }

    fn qualified(&self, name: &str) -> String {
        if self.module.is_empty() || name.contains("::") {
            name.to_string()
        } else {
            format!("{}::{name}", self.module)
        }
    }

    fn resolve(&self, name: &str, known: impl Fn(&str) -> bool) -> String {
        let q = self.qualified(name);
        if known(&q) { q } else { name.to_string() }
    }

    /// Skips attributes up to one of the ends, which stays; tells whether the item may be unset.
    fn attrs(&mut self, ends: &[char]) -> bool {
        let mut unset = false;
        let mut depth = 0;
        while let Some(t) = self.toks.get(self.at) {
            match t {
                Tok::Sym(c) if depth == 0 && ends.contains(c) => break,
                Tok::Sym('(' | '[' | '{') => depth += 1,
                Tok::Sym(')' | ']' | '}') => depth -= 1,
                Tok::Attr(a) if a == "optional" || a == "default" => unset = true,
                _ => {}
            }
            self.at += 1;
        }
        unset
    }

    fn enum_items(&mut self, first: i64) -> Vec<(String, i64)> {
        let mut out = Vec::new();
        let mut next = first;
        while let Some(name) = self.word() {
            self.at += 1;
            let name = self.qualified(&name);
            if self.sym('=') {
                let text = self.take_word();
                next = match text.strip_prefix("0x") {
                    Some(h) => i64::from_str_radix(h, 16).unwrap_or(next),
                    None => text.parse().unwrap_or(next),
                };
            }
            out.push((name, next));
            next += 1;
            self.attrs(&[',', '}']);
            self.sym(',');
        }
        self.sym('}');
        out
    }

    fn skip_group(&mut self) {
        let mut depth = 0;
        while let Some(t) = self.toks.get(self.at) {
            self.at += 1;
            match t {
                Tok::Sym('(' | '[' | '{') => depth += 1,
                Tok::Sym(')' | ']' | '}') => {
                    depth -= 1;
                    if depth <= 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    fn skip_statement(&mut self) {
        let mut depth = 0;
        while let Some(t) = self.toks.get(self.at) {
            match t {
                Tok::Sym('(' | '[' | '{') => depth += 1,
                Tok::Sym(')' | ']' | '}') => {
                    if depth == 0 {
                        return;
                    }
                    depth -= 1;
                }
                Tok::Sym(';') if depth == 0 => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn skip_body(&mut self) {
        while !matches!(self.toks.get(self.at), Some(Tok::Sym('{')) | None) {
            self.at += 1;
        }
        self.skip_group();
    }
}
