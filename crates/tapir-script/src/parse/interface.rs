//! Reading files that hold nothing but declarations, for tools that need no checked program: the build script of the
//! native interface reads events, built-ins, records, enumerations and constants this way.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tapir_data::types::Flavor;

use super::{Host, Input, Parser};
use crate::ast::{self, DeclKind, Expr, ExprKind, VarKind};
use crate::diag::Diagnostic;
use crate::hir::{SourceFile, Span};
use crate::lex::Attr;
use crate::symbol::{Interner, Symbol};

/// One declaration; names are qualified with the module they were declared in.
#[derive(Clone, Debug)]
pub struct Decl {
    pub name: String,
    pub module: String,
    pub kind: Kind,
    pub attrs: Vec<String>,
    /// The text of `&deprecated`.
    pub deprecated: Option<String>,
    pub span: Span,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// `global e: event(…)` and its like.
    Func(FuncType),
    Record(Vec<Field>),
    Enum(Vec<(String, Option<i64>)>),
    /// `redef enum E += { … }`; the name is the enumeration's.
    RedefEnum(Vec<(String, Option<i64>)>),
    /// `redef record R += { … }`.
    RedefRecord(Vec<Field>),
    Alias(Type),
    /// A constant, option or variable; the type is `None` when it follows from the value.
    Var {
        storage: Storage,
        ty: Option<Type>,
        init: Option<Literal>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Global,
    Const,
    Option,
}

/// An initial value, as far as it is a literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Bool(bool),
    Count(u64),
    Int(i64),
    Double(f64),
    Interval(f64),
    Str(Vec<u8>),
    Name(String),
    Other,
}

#[derive(Clone, Debug)]
pub struct FuncType {
    pub flavor: Flavor,
    pub params: Vec<Field>,
    pub yields: Option<Type>,
    pub variadic: bool,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    pub optional: bool,
    pub log: bool,
    /// The value of `&default`.
    pub default: Option<Literal>,
}

#[derive(Clone, Debug)]
pub enum Type {
    Any,
    Bool,
    Int,
    Count,
    Double,
    Time,
    Interval,
    String,
    Pattern,
    Port,
    Addr,
    Subnet,
    Table(Vec<Type>, Box<Type>),
    Set(Vec<Type>),
    Vector(Box<Type>),
    Record(Vec<Field>),
    Enum,
    Func(Box<FuncType>),
    File,
    Opaque(String),
    /// A named type as written; whether `x` means `M::x` is for the reader of all files to decide.
    Name(String),
}

struct Plain {
    names: Interner,
    diagnostics: Vec<Diagnostic>,
    fatal: bool,
}

impl Host for Plain {
    fn names(&mut self) -> &mut Interner {
        &mut self.names
    }
    fn report(&mut self, diagnostic: Diagnostic) {
        self.fatal |= diagnostic.severity == crate::diag::Severity::Fatal;
        self.diagnostics.push(diagnostic);
    }
    fn load(&mut self, _: &str, _: Span) -> Option<Input> {
        None
    }
    fn load_signatures(&mut self, _: &str, _: Span) {}
    fn unload(&mut self, _: &str, _: Span) {}
    fn load_plugin(&mut self, _: &str, _: Span) {}
    fn prefixes(&mut self, _: &str, _: bool, _: Span) {}
    fn condition(&mut self, cond: Expr, _: Symbol) -> bool {
        match cond.kind {
            ExprKind::Bool(b) => b,
            _ => {
                self.report(Diagnostic::error(
                    "condition",
                    cond.span,
                    "conditions of declaration files are constants",
                ));
                false
            }
        }
    }
    fn is_defined(&mut self, _: Symbol, _: Symbol) -> bool {
        false
    }
    fn deprecated_file(&mut self, _: &str, _: Span) {}
    fn ignore_deprecations(&mut self, _: bool) {}
    fn end_of_file(&mut self, _: u32) {}
    fn stopped(&self) -> bool {
        self.fatal
    }
}

/// The declarations of a text, in order. `@load` is ignored; function bodies are skipped over. Diagnostics refer to
/// a file with number 0; [`source_file`] makes one to render them with.
pub fn parse_declarations(text: &str) -> (Vec<Decl>, Vec<Diagnostic>) {
    let host = Plain {
        names: Interner::new(),
        diagnostics: Vec::new(),
        fatal: false,
    };
    let mut parser = Parser::new(host);
    parser.push(Input {
        file: 0,
        text: Bytes::copy_from_slice(text.as_bytes()),
        dir: "".into(),
        base: "".into(),
        script: None,
    });
    let file = source_file("", text);
    let mut out = Vec::new();
    while let Some(decl) = parser.next_decl() {
        let line = file.line(decl.span.start);
        out.extend(convert(decl, &mut parser.host.names, line));
    }
    (out, parser.host.diagnostics)
}

/// A text with its lines found.
pub fn source_file(path: &str, text: &str) -> SourceFile {
    SourceFile::new(path, text.to_string(), 0)
}

fn convert(decl: ast::Decl, names: &mut Interner, line: u32) -> Option<Decl> {
    let module = names.text(decl.module).to_string();
    let (name, kind, attrs) = match &decl.kind {
        DeclKind::Var {
            kind,
            name,
            ty,
            init,
            attrs,
        } => {
            let kind = match (kind, ty.as_ref().map(|t| &t.kind)) {
                (VarKind::Redef, _) => return None,
                (VarKind::Global, Some(ast::TypeKind::Func(sig))) => Kind::Func(func(sig, names)),
                _ => Kind::Var {
                    storage: match kind {
                        VarKind::Const => Storage::Const,
                        VarKind::Option => Storage::Option,
                        _ => Storage::Global,
                    },
                    ty: ty.as_ref().map(|t| ty_of(t, names)),
                    init: init.as_ref().map(|i| literal(&i.1, names)),
                },
            };
            (name, kind, attrs)
        }
        DeclKind::Type { name, ty, attrs } => {
            let kind = match &ty.kind {
                ast::TypeKind::Record(f) => Kind::Record(fields(f, names)),
                ast::TypeKind::Enum(items) => Kind::Enum(enum_items(items, decl.module, names)),
                _ => Kind::Alias(ty_of(ty, names)),
            };
            (name, kind, attrs)
        }
        DeclKind::RedefEnum { name, items } => {
            let kind = Kind::RedefEnum(enum_items(items, decl.module, names));
            return Some(finish(*name, kind, &[], module, decl.module, names, decl.span, line));
        }
        DeclKind::RedefRecord { name, fields: f, attrs } => (name, Kind::RedefRecord(fields(f, names)), attrs),
        DeclKind::Func { name, sig, attrs, .. } => (name, Kind::Func(func(sig, names)), attrs),
        DeclKind::RedefField { .. } | DeclKind::Stmt(_) => return None,
    };
    Some(finish(*name, kind, attrs, module, decl.module, names, decl.span, line))
}

fn finish(
    name: ast::Ident,
    kind: Kind,
    attrs: &[ast::Attr],
    module: String,
    module_symbol: Symbol,
    names: &mut Interner,
    span: Span,
    line: u32,
) -> Decl {
    let full = names.qualify(module_symbol, name.name);
    Decl {
        name: names.text(full).to_string(),
        module,
        kind,
        attrs: attrs.iter().map(|a| a.name.text().to_string()).collect(),
        deprecated: attrs
            .iter()
            .find(|a| a.name == Attr::Deprecated)
            .map(|a| super::ty::attr_text(a).to_string()),
        span,
        line,
    }
}

fn enum_items(items: &[ast::EnumItem], module: Symbol, names: &mut Interner) -> Vec<(String, Option<i64>)> {
    items
        .iter()
        .map(|i| {
            let full = names.qualify(module, i.name.name);
            (names.text(full).to_string(), i.value.map(|v| v.0))
        })
        .collect()
}

fn fields(list: &[ast::Field], names: &Interner) -> Vec<Field> {
    list.iter()
        .map(|f| Field {
            name: names.text(f.name.name).to_string(),
            ty: ty_of(&f.ty, names),
            optional: f.attrs.iter().any(|a| a.name == Attr::Optional),
            log: f.attrs.iter().any(|a| a.name == Attr::Log),
            default: f
                .attrs
                .iter()
                .find(|a| a.name == Attr::Default)
                .and_then(|a| a.value.as_ref())
                .map(|v| literal(v, names)),
        })
        .collect()
}

fn func(sig: &ast::Signature, names: &Interner) -> FuncType {
    FuncType {
        flavor: sig.flavor,
        params: fields(&sig.params, names),
        yields: sig.yields.as_ref().map(|t| ty_of(t, names)),
        variadic: sig.variadic,
    }
}

fn ty_of(ty: &ast::Type, names: &Interner) -> Type {
    use ast::TypeKind as K;
    match &ty.kind {
        K::Any => Type::Any,
        K::Bool => Type::Bool,
        K::Int => Type::Int,
        K::Count => Type::Count,
        K::Double => Type::Double,
        K::Time => Type::Time,
        K::Interval => Type::Interval,
        K::String => Type::String,
        K::Pattern => Type::Pattern,
        K::Port => Type::Port,
        K::Addr => Type::Addr,
        K::Subnet => Type::Subnet,
        K::Table(index, yields) => Type::Table(
            index.iter().map(|t| ty_of(t, names)).collect(),
            Box::new(ty_of(yields, names)),
        ),
        K::Set(index) => Type::Set(index.iter().map(|t| ty_of(t, names)).collect()),
        K::Vector(t) => Type::Vector(Box::new(ty_of(t, names))),
        K::Record(f) => Type::Record(fields(f, names)),
        K::Enum(_) => Type::Enum,
        K::Func(sig) => Type::Func(Box::new(func(sig, names))),
        K::File => Type::File,
        K::Opaque(name) => Type::Opaque(names.text(*name).to_string()),
        K::Name(name) => Type::Name(names.text(*name).to_string()),
    }
}

fn literal(e: &Expr, names: &Interner) -> Literal {
    match &e.kind {
        ExprKind::Bool(b) => Literal::Bool(*b),
        ExprKind::Count(v) => Literal::Count(*v),
        ExprKind::Double(v) => Literal::Double(*v),
        ExprKind::Interval(v) => Literal::Interval(*v),
        ExprKind::Str(s) => Literal::Str(s.to_vec()),
        ExprKind::Name(n) => Literal::Name(names.text(*n).to_string()),
        ExprKind::Paren(inner) => literal(inner, names),
        ExprKind::Unary(crate::hir::UnOp::Neg, inner) => match literal(inner, names) {
            Literal::Count(v) => Literal::Int((v as i64).wrapping_neg()),
            Literal::Double(v) => Literal::Double(-v),
            Literal::Interval(v) => Literal::Interval(-v),
            _ => Literal::Other,
        },
        _ => Literal::Other,
    }
}

/// Declarations by name, the last one winning.
pub fn by_name(decls: &[Decl]) -> HashMap<Arc<str>, &Decl> {
    decls.iter().map(|d| (d.name.as_str().into(), d)).collect()
}
