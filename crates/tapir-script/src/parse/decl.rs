//! Declarations, and where reading goes on after a syntax error.

use tapir_data::types::Flavor;

use super::{Host, Parser, Result};
use crate::ast::{Decl, DeclKind, FuncBody, Ident, VarKind};
use crate::diag::Diagnostic;
use crate::hir::Span;
use crate::lex::{Kw, Op, Tok};
use crate::symbol::Symbol;

impl<H: Host> Parser<H> {
    /// The next declaration of everything that was pushed; `None` at the end of all files.
    pub fn next_decl(&mut self) -> Option<Decl> {
        loop {
            self.nesting = 0;
            self.no_pipe = false;
            let start = self.peek_span();
            match self.peek() {
                Tok::Eof => {
                    if let Some(span) = self.export.take() {
                        let d = self
                            .syntax_error(Tok::Eof, start)
                            .label(span, "this export section is not closed");
                        self.fail(d);
                    }
                    self.ahead = None;
                    return None;
                }
                Tok::Kw(Kw::Module) => {
                    if self.module_decl().is_err() {
                        self.resync();
                    }
                }
                Tok::Kw(Kw::Export) if self.export.is_none() => {
                    self.bump();
                    self.export = Some(start);
                    if self.expect(Op::LBrace).is_err() {
                        self.resync();
                    }
                }
                Tok::Op(Op::RBrace) if self.export.is_some() => {
                    self.bump();
                    self.export = None;
                }
                Tok::Op(Op::Semi) if self.export.is_some() => {
                    self.bump();
                }
                _ => {
                    // The module is read before what follows the declaration: a file may end there.
                    let exported = self.export.is_some();
                    match self.decl_kind() {
                        Ok(kind) => {
                            return Some(Decl {
                                kind,
                                span: self.since(start),
                                module: self.module,
                                exported,
                            });
                        }
                        Err(_) => self.resync(),
                    }
                }
            }
        }
    }

    fn module_decl(&mut self) -> Result<()> {
        self.bump();
        let name = self.ident()?;
        self.expect_semi()?;
        let global = &**self.host.names().text(name.name) == "GLOBAL";
        self.module = if global { Symbol::EMPTY } else { name.name };
        Ok(())
    }

    fn decl_kind(&mut self) -> Result<DeclKind> {
        let start = self.peek_span();
        let kw = match self.peek() {
            Tok::Kw(kw) => kw,
            Tok::Ident(name) => {
                if &**self.host.names().text(name) == "signature"
                    && matches!(self.raw_ahead(), Tok::Ident(_) | Tok::Op(Op::Slash))
                {
                    let d = Diagnostic::error("signature-in-script", start, "syntax error, at or near \"signature\"")
                        .note("signatures are not part of the script language")
                        .suggest("put the signature into a file of its own, NAME.sig, and load it with @load-sigs ./NAME.sig");
                    self.skip_block();
                    return Err(self.fail(d));
                }
                return self.stmt_decl();
            }
            _ => return self.stmt_decl(),
        };
        match kw {
            Kw::Global | Kw::Const | Kw::Option => {
                self.bump();
                let kind = match kw {
                    Kw::Global => VarKind::Global,
                    Kw::Const => VarKind::Const,
                    _ => VarKind::Option,
                };
                let name = self.decl_name()?;
                self.var(kind, name)
            }
            Kw::Redef => self.redef(),
            Kw::Type => self.type_decl(),
            Kw::Function => {
                self.bump();
                let name = self.decl_name()?;
                self.func(Flavor::Function, name, false)
            }
            Kw::Event | Kw::Hook if self.is_handler() => {
                self.bump();
                let name = self.decl_name()?;
                let flavor = if kw == Kw::Event { Flavor::Event } else { Flavor::Hook };
                self.func(flavor, name, false)
            }
            _ => self.stmt_decl(),
        }
    }

    /// A name that is being declared.
    fn decl_name(&mut self) -> Result<Ident> {
        // `M::set` is a name although `set` is reserved; so is `set` where it is declared within `M`.
        if let (Tok::Kw(kw), true) = (self.peek(), self.module != Symbol::EMPTY) {
            if self.raw_ahead() == Tok::Op(Op::Colon) {
                self.bump();
                let name = self.host.names().intern(kw.text());
                return Ok(Ident { name, span: self.last });
            }
        }
        let name = self.ident()?;
        let text = self.host.names().text(name.name).clone();
        if let Some(rest) = text.strip_prefix("GLOBAL::") {
            let d = Diagnostic::error(
                "global-prefix",
                name.span,
                "Using GLOBAL:: as a prefix is invalid. Use :: instead",
            )
            .suggest(format!("write ::{rest}"));
            self.host.report(d);
        }
        if let Some(plain) = text.strip_prefix("::") {
            if self.export.is_some() {
                let d = Diagnostic::error("global-prefix", name.span, "cannot use :: prefix in export section");
                self.host.report(d);
            }
            let name_symbol = self.host.names().intern(plain);
            return Ok(Ident {
                name: name_symbol,
                span: name.span,
            });
        }
        Ok(name)
    }

    fn stmt_decl(&mut self) -> Result<DeclKind> {
        if self.export.is_some() {
            return Err(self.unexpected("only declarations may stand in an export section"));
        }
        let s = self.stmt()?;
        if self.broken {
            self.resync();
        }
        Ok(DeclKind::Stmt(s))
    }

    /// Whether `event e(…` or `hook h(…` begins a body rather than a statement.
    fn is_handler(&mut self) -> bool {
        match self.raw_tokens(4)[..] {
            [Tok::Ident(_), Tok::Op(Op::LParen), Tok::Op(Op::RParen), Tok::Op(op)] => op == Op::LBrace,
            [Tok::Ident(_), Tok::Op(Op::LParen), Tok::Op(Op::RParen), after] => {
                !matches!(after, Tok::Eof) && !matches!(after, Tok::Kw(_))
            }
            [Tok::Ident(_), Tok::Op(Op::LParen), Tok::Ident(_), Tok::Op(Op::Colon)] => true,
            _ => false,
        }
    }

    fn var(&mut self, kind: VarKind, name: Ident) -> Result<DeclKind> {
        if self.at(Op::LParen) && kind == VarKind::Global {
            let d = {
                let span = self.peek_span();
                self.syntax_error(Tok::Op(Op::LParen), span)
                    .suggest("a function is declared as \"global NAME: function(…): TYPE;\" and defined as \"function NAME(…): TYPE { … }\"")
            };
            return Err(self.fail(d));
        }
        let ty = if self.eat(Op::Colon) { Some(self.ty()?) } else { None };
        let mut init = self.init()?;
        let mut attrs = self.attrs()?;
        super::stmt::take_attrs(&mut init, &mut attrs);
        if init.is_none() && matches!(self.peek(), Tok::Op(Op::Assign | Op::AddAssign | Op::SubAssign)) {
            return Err(self.unexpected("attributes stand behind the initial value"));
        }
        self.expect_semi()?;
        Ok(DeclKind::Var {
            kind,
            name,
            ty,
            init,
            attrs,
        })
    }

    fn redef(&mut self) -> Result<DeclKind> {
        self.bump();
        match self.peek() {
            Tok::Kw(Kw::Enum) => {
                self.bump();
                let name = self.decl_name()?;
                self.expect(Op::AddAssign)?;
                self.expect(Op::LBrace)?;
                let items = self.enum_items()?;
                self.expect(Op::RBrace)?;
                self.expect_semi()?;
                Ok(DeclKind::RedefEnum { name, items })
            }
            Tok::Kw(Kw::Record) => {
                self.bump();
                let name = self.decl_name()?;
                if self.eat(Op::Dollar) {
                    let field = self.ident()?;
                    let add = if self.eat(Op::SubAssign) {
                        false
                    } else {
                        self.expect(Op::AddAssign)?;
                        true
                    };
                    self.expect(Op::LBrace)?;
                    let attrs = self.attrs()?;
                    self.expect(Op::RBrace)?;
                    self.expect_semi()?;
                    return Ok(DeclKind::RedefField {
                        name,
                        field,
                        add,
                        attrs,
                    });
                }
                self.expect(Op::AddAssign)?;
                self.expect(Op::LBrace)?;
                let fields = self.fields(Op::RBrace, true)?;
                self.expect(Op::RBrace)?;
                let attrs = self.attrs()?;
                self.expect_semi()?;
                Ok(DeclKind::RedefRecord { name, fields, attrs })
            }
            Tok::Kw(Kw::Event) => {
                self.bump();
                let name = self.decl_name()?;
                self.func(Flavor::Event, name, true)
            }
            Tok::Kw(kw @ (Kw::Function | Kw::Hook)) => {
                let note = format!(
                    "only events can be redefined with a body; a {} that is a &redef variable is redefined by \"redef NAME = …;\"",
                    kw.text()
                );
                Err(self.unexpected(&note))
            }
            Tok::Kw(Kw::Const | Kw::Global | Kw::Option) => {
                Err(self.unexpected("\"redef\" is followed by the name alone"))
            }
            _ => {
                let name = self.decl_name()?;
                if let Tok::Ident(_) = self.peek() {
                    let text = self.host.names().text(name.name).clone();
                    let span = self.peek_span();
                    let tok = self.peek();
                    let d = self.syntax_error(tok, span).suggest(format!(
                        "to add a value to an enumeration write \"redef enum {text} += {{ … }};\""
                    ));
                    return Err(self.fail(d));
                }
                self.var(VarKind::Redef, name)
            }
        }
    }

    fn type_decl(&mut self) -> Result<DeclKind> {
        self.bump();
        let name = self.decl_name()?;
        if self.at(Op::Assign) {
            let span = self.peek_span();
            let text = self.host.names().text(name.name).clone();
            let d = self
                .syntax_error(Tok::Op(Op::Assign), span)
                .suggest(format!("a type is declared with a colon: type {text}: …;"));
            return Err(self.fail(d));
        }
        self.expect(Op::Colon)?;
        let ty = self.ty()?;
        let attrs = self.attrs()?;
        if self.at(Op::Assign) {
            let span = self.peek_span();
            let text = self.host.names().text(name.name).clone();
            let d = self
                .syntax_error(Tok::Op(Op::Assign), span)
                .note("a type has no value")
                .suggest(format!(
                    "what has one is a constant or a variable: const {text}: … = …;"
                ));
            return Err(self.fail(d));
        }
        self.expect_semi()?;
        Ok(DeclKind::Type { name, ty, attrs })
    }

    fn func(&mut self, flavor: Flavor, name: Ident, redef: bool) -> Result<DeclKind> {
        let sig = self.signature(flavor)?;
        let attrs = self.attrs()?;
        if self.at(Op::Semi) && flavor == Flavor::Function {
            let text = self.host.names().text(name.name).clone();
            let span = self.peek_span();
            let d = self.syntax_error(Tok::Op(Op::Semi), span).suggest(format!(
                "a function without a body is declared as \"global {text}: function(…);\""
            ));
            return Err(self.fail(d));
        }
        let (body, body_span) = match self.pass_body() {
            Some((place, span)) => (FuncBody::Later(place), span),
            None => {
                let (body, span) = self.body()?;
                if self.broken {
                    self.resync();
                }
                (FuncBody::Stmts(body), span)
            }
        };
        Ok(DeclKind::Func {
            redef,
            name,
            sig,
            attrs,
            body,
            body_span,
        })
    }

    /// Skips to the closing brace of the block that comes next.
    fn skip_block(&mut self) {
        let mut depth = 0u32;
        loop {
            match self.bump() {
                Tok::Op(Op::LBrace) => depth += 1,
                Tok::Op(Op::RBrace) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return;
                    }
                }
                Tok::Eof => return,
                // Signatures hold text that is no script; a slash may open a pattern with braces in it.
                Tok::Op(Op::Slash) => {
                    let span = self.last;
                    if let Some(f) = self.frames.last_mut().filter(|f| f.file == span.file) {
                        f.lexer.pattern(span.start);
                    }
                }
                _ => {}
            }
        }
    }

    /// Skips to where a declaration seems to begin: a declaring word at the start of a line that stands in the first
    /// column or follows the end of a statement.
    fn resync(&mut self) {
        self.broken = false;
        let mut ended = false;
        loop {
            let tok = self.peek();
            let span = self.peek_span();
            if tok == Tok::Eof {
                return;
            }
            let column = self.column(span);
            let declares = match tok {
                Tok::Kw(Kw::Global | Kw::Option | Kw::Redef | Kw::Type | Kw::Module | Kw::Export | Kw::Function) => {
                    column == Some(0) || (ended && column.is_some())
                }
                Tok::Kw(Kw::Event | Kw::Hook | Kw::Const) => column == Some(0),
                Tok::Op(Op::RBrace) => column == Some(0) && self.export.is_some(),
                _ => false,
            };
            if declares {
                return;
            }
            self.bump();
            ended = matches!(tok, Tok::Op(Op::Semi | Op::RBrace));
        }
    }

    /// How many blanks stand before a token on its line; `None` when something else does.
    fn column(&self, span: Span) -> Option<u32> {
        let frame = self.frames.iter().rev().find(|f| f.file == span.file)?;
        let before = frame.lexer.text(0, span.start);
        // No further back than the blanks go: lines may be long.
        let blanks = before
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_whitespace() && **b != b'\n')
            .count();
        let begins = blanks == before.len() || before[before.len() - blanks - 1] == b'\n';
        begins.then_some(blanks as u32)
    }
}
