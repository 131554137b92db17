//! Types, signatures, fields and attributes.

use std::sync::Arc;

use tapir_data::types::Flavor;

use super::{Host, Parser, Result};
use crate::ast::{Attr, EnumItem, ExprKind, Field, Signature, Type, TypeKind};
use crate::diag::{Diagnostic, nearest};
use crate::lex::{self, Kw, Op, Tok, decode_string};

/// Attributes that older versions of the language had.
const REMOVED: &[&str] = &[
    "encrypt",
    "mergeable",
    "persistent",
    "synchronized",
    "rotate_interval",
    "rotate_size",
];

impl<H: Host> Parser<H> {
    pub(super) fn ty(&mut self) -> Result<Type> {
        self.enter()?;
        let start = self.peek_span();
        let kind = self.type_kind();
        self.leave();
        Ok(Type {
            kind: kind?,
            span: self.since(start),
        })
    }

    fn type_kind(&mut self) -> Result<TypeKind> {
        let kw = match self.peek() {
            Tok::Ident(name) => {
                self.bump();
                return Ok(TypeKind::Name(name));
            }
            Tok::Kw(kw) => kw,
            Tok::Op(Op::LBrace) => {
                let (tok, span) = (self.peek(), self.peek_span());
                let d = self.syntax_error(tok, span).note("expected a type here").suggest(
                    "the fields of a record stand in record { … }, the values of an enumeration in enum { … }",
                );
                return Err(self.fail(d));
            }
            _ => return Err(self.unexpected("expected a type here")),
        };
        let simple = match kw {
            Kw::Any => TypeKind::Any,
            Kw::Bool => TypeKind::Bool,
            Kw::Int => TypeKind::Int,
            Kw::Count => TypeKind::Count,
            Kw::Double => TypeKind::Double,
            Kw::Time => TypeKind::Time,
            Kw::Interval => TypeKind::Interval,
            Kw::String => TypeKind::String,
            Kw::Pattern => TypeKind::Pattern,
            Kw::Port => TypeKind::Port,
            Kw::Addr => TypeKind::Addr,
            Kw::Subnet => TypeKind::Subnet,
            Kw::Table => {
                self.bump();
                if self.at_kw(Kw::Of) {
                    return Err(self.shape("a table's type names its index: table[string] of count"));
                }
                let index = self.index_types()?;
                self.expect_kw(Kw::Of)?;
                return Ok(TypeKind::Table(index, Box::new(self.ty()?)));
            }
            Kw::Set => {
                self.bump();
                if self.at_kw(Kw::Of) {
                    return Err(self.shape("a set's type is written set[string]"));
                }
                return Ok(TypeKind::Set(self.index_types()?));
            }
            Kw::Vector => {
                self.bump();
                if !self.at_kw(Kw::Of) {
                    return Err(self.shape("a vector's type is written vector of count"));
                }
                self.bump();
                return Ok(TypeKind::Vector(Box::new(self.ty()?)));
            }
            Kw::Record => {
                self.bump();
                self.expect(Op::LBrace)?;
                let fields = self.fields(Op::RBrace, true)?;
                self.expect(Op::RBrace)?;
                return Ok(TypeKind::Record(fields));
            }
            Kw::Enum => {
                self.bump();
                self.expect(Op::LBrace)?;
                let items = self.enum_items()?;
                self.expect(Op::RBrace)?;
                return Ok(TypeKind::Enum(items));
            }
            Kw::Function | Kw::Event | Kw::Hook => {
                self.bump();
                let flavor = match kw {
                    Kw::Event => Flavor::Event,
                    Kw::Hook => Flavor::Hook,
                    _ => Flavor::Function,
                };
                return Ok(TypeKind::Func(Box::new(self.signature(flavor)?)));
            }
            Kw::File => {
                self.bump();
                if self.eat_kw(Kw::Of) {
                    self.ty()?;
                }
                return Ok(TypeKind::File);
            }
            Kw::Opaque => {
                self.bump();
                self.expect_kw(Kw::Of)?;
                return Ok(TypeKind::Opaque(self.ident()?.name));
            }
            _ => {
                let note = format!("expected a type here, but \"{}\" is a reserved word", kw.text());
                return Err(self.unexpected(&note));
            }
        };
        self.bump();
        Ok(simple)
    }

    /// The token ahead does not fit into a type, which is written otherwise.
    fn shape(&mut self, right: &str) -> super::Failed {
        let (tok, span) = (self.peek(), self.peek_span());
        if let Tok::Bad(_) = tok {
            return self.unexpected(right);
        }
        let d = self.syntax_error(tok, span).suggest(right);
        self.fail(d)
    }

    fn index_types(&mut self) -> Result<Vec<Type>> {
        self.expect(Op::LBracket)?;
        let mut types = vec![self.ty()?];
        while self.eat(Op::Comma) {
            types.push(self.ty()?);
        }
        self.expect(Op::RBracket)?;
        Ok(types)
    }

    /// Fields of a record up to its brace, or parameters up to the parenthesis.
    pub(super) fn fields(&mut self, end: Op, record: bool) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        while !self.at(end) {
            if self.at(Op::Ellipsis) {
                break;
            }
            let name = self.ident()?;
            self.expect(Op::Colon)?;
            let ty = self.ty()?;
            let attrs = self.attrs()?;
            fields.push(Field { name, ty, attrs });
            if record {
                self.expect_semi()?;
            } else if !self.eat(Op::Comma) && !self.eat(Op::Semi) {
                break;
            }
        }
        Ok(fields)
    }

    /// Parameters in parentheses, and the result of a function.
    pub(super) fn signature(&mut self, flavor: Flavor) -> Result<Signature> {
        self.expect(Op::LParen)?;
        let params = self.fields(Op::RParen, false)?;
        let variadic = self.eat(Op::Ellipsis);
        self.expect(Op::RParen)?;
        let mut yields = None;
        if flavor == Flavor::Function && self.eat(Op::Colon) {
            yields = Some(Box::new(self.ty()?));
        } else if flavor == Flavor::Hook && self.at(Op::Colon) {
            // `hook(x: count): bool` is what types print as; the result is implied.
            self.bump();
            self.ty()?;
        }
        Ok(Signature {
            flavor,
            params,
            yields,
            variadic,
        })
    }

    pub(super) fn enum_items(&mut self) -> Result<Vec<EnumItem>> {
        let mut items = Vec::new();
        if self.at(Op::RBrace) {
            return Err(self.unexpected("an enumeration has at least one enumerator"));
        }
        while !self.at(Op::RBrace) {
            let name = self.ident()?;
            let mut value = None;
            if self.eat(Op::Assign) {
                let start = self.peek_span();
                match self.bump() {
                    Tok::Count(n) => value = Some((i64::try_from(n).unwrap_or(i64::MAX), start)),
                    Tok::Op(Op::Minus) if matches!(self.peek(), Tok::Count(_)) => {
                        self.bump();
                        let span = self.since(start);
                        self.host.report(Diagnostic::error(
                            "enum-value",
                            span,
                            "enumerator value cannot be negative",
                        ));
                    }
                    _ => {
                        self.host.report(Diagnostic::error(
                            "enum-value",
                            start,
                            "enumerator is not a count constant",
                        ));
                    }
                }
            }
            let mut deprecated = None;
            for attr in self.attrs()? {
                if attr.name == lex::Attr::Deprecated {
                    deprecated = Some(attr_text(&attr));
                } else {
                    let text = format!("&{} is not valid for enumerators", attr.name.text());
                    self.host.report(Diagnostic::error("attribute", attr.span, text));
                }
            }
            items.push(EnumItem {
                name,
                value,
                deprecated,
            });
            if !self.eat(Op::Comma) {
                break;
            }
        }
        Ok(items)
    }

    pub(super) fn attrs(&mut self) -> Result<Vec<Attr>> {
        self.attr_list(false)
    }

    /// Attributes; where `operator` is set, a lone ampersand is left for the expression.
    pub(super) fn attr_list(&mut self, operator: bool) -> Result<Vec<Attr>> {
        let mut attrs = Vec::new();
        loop {
            match self.peek() {
                Tok::Op(Op::Amp) if operator => return Ok(attrs),
                Tok::Attr(name) => {
                    self.bump();
                    let start = self.last;
                    let value = if self.eat(Op::Assign) {
                        let no_pipe = std::mem::replace(&mut self.no_pipe, false);
                        let value = if self.at(Op::LBrace) { self.brace() } else { self.cond() };
                        self.no_pipe = no_pipe;
                        Some(value?)
                    } else {
                        None
                    };
                    let span = self.since(start);
                    attrs.push(Attr { name, value, span });
                }
                Tok::Op(Op::Amp) => {
                    self.bump();
                    let start = self.last;
                    if let Tok::Ident(name) = self.peek() {
                        self.bump();
                        let text = self.host.names().text(name).clone();
                        let span = self.since(start);
                        return Err(self.unknown_attribute(&text, span));
                    }
                    return Err(self.unexpected("expected an attribute here"));
                }
                _ => return Ok(attrs),
            }
        }
    }

    fn unknown_attribute(&mut self, name: &str, span: crate::hir::Span) -> super::Failed {
        let mut d = Diagnostic::error("syntax", span, format!("syntax error, at or near \"&{name}\""));
        if REMOVED.contains(&name) {
            d = d.note(format!("&{name} was removed from the language"));
        } else if let Some(near) = nearest(name, lex::Attr::ALL.iter().copied()) {
            d = d.suggest(format!("there is no attribute &{name}; did you mean &{near}?"));
        } else {
            d = d.note(format!("there is no attribute &{name}"));
        }
        self.fail(d)
    }

    /// An ampersand that touches a word is a misspelt attribute if the word looks like one.
    pub(super) fn check_misspelt_attribute(&mut self) -> Result<()> {
        let Some((token, file)) = self.ahead else {
            return Ok(());
        };
        let Some(frame) = self.frames.last().filter(|f| f.file == file) else {
            return Ok(());
        };
        let blank_before = token.start > 0
            && frame
                .lexer
                .text(token.start - 1, token.start)
                .first()
                .is_some_and(u8::is_ascii_whitespace);
        if !blank_before {
            return Ok(());
        }
        let rest = frame
            .lexer
            .text(token.end, (token.end + 40).min(frame.lexer.src.len() as u32));
        let length = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        let word = String::from_utf8_lossy(&rest[..length]).into_owned();
        if REMOVED.contains(&word.as_str()) || nearest(&word, lex::Attr::ALL.iter().copied()).is_some() {
            let span = crate::hir::Span {
                file,
                start: token.start,
                end: token.end + length as u32,
            };
            return Err(self.unknown_attribute(&word, span));
        }
        Ok(())
    }

    /// The bytes of the string that was just taken.
    pub(super) fn string_bytes(&self) -> Arc<[u8]> {
        decode_string(self.source(self.last)).into()
    }
}

/// The text that an attribute like `&deprecated` or `&type_column` was given.
pub(crate) fn attr_text(attr: &Attr) -> Arc<str> {
    match attr.value.as_ref().map(|v| &v.kind) {
        Some(ExprKind::Str(s)) => String::from_utf8_lossy(s).into(),
        _ => "".into(),
    }
}
