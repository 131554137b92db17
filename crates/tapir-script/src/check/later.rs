//! Bodies of scripts that come with the program are read and checked when they are first needed: most never are.
//!
//! That gives the same as checking them where they stand, since nothing that is declared behind a body has a meaning in it
//! ([`Checker::horizon`]), record types and enumerations only grow, and nothing a user may have written stands before it
//! (`load` sees to that). That they have no errors the tests of the engine make sure, which check them all.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use tapir_data::types::FuncType;
use tapir_data::value::FuncId;

use super::Checker;
use crate::ast;
use crate::diag::Diagnostic;
use crate::hir::{Content, Parts, Program, Span};
use crate::load::outline::Place;
use crate::parse::{Host, Input, Parser};
use crate::symbol::{Interner, Symbol};

/// A body that was not read yet, or was when it was needed.
pub struct Later {
    func: FuncId,
    header: FuncType,
    params: Box<[(Symbol, Span)]>,
    module: Symbol,
    /// How many names there were when it was passed by.
    horizon: u32,
    span: Span,
    done: OnceLock<Result<Parts, String>>,
}

impl Later {
    /// What was found when it was needed.
    pub fn done_mut(&mut self) -> Option<&mut Parts> {
        self.done.get_mut()?.as_mut().ok()
    }

    pub fn parts<'p>(&'p self, program: &'p Program) -> Result<&'p Parts, &'p str> {
        let done = self.done.get_or_init(|| program.late.check(program, self));
        done.as_ref().map_err(String::as_str)
    }
}

/// The checker of a program that is complete, or that runs for a moment while it is loaded.
#[derive(Default)]
pub struct Waiting(Option<Mutex<Option<Box<Checker<'static>>>>>);

impl Waiting {
    fn check(&self, program: &Program, later: &Later) -> Result<Parts, String> {
        let gone = "the checker of the program is gone";
        let waiting = self.0.as_ref().ok_or(gone)?;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let checker = waiting.take().ok_or(gone)?;
        let mut checker = checker.hold(|own| own.lend(program));
        let result = checker.late_body(later);
        let touched = checker.program.is_touched();
        *waiting = Some(Box::new(checker.hold(Held::give_back)));
        match result {
            Ok(_) if touched => Err("a body that was put off declares something".into()),
            result => result,
        }
    }
}

/// The program of a checker: its own, or one that is complete and belongs to others. Of the latter only the types grow.
pub enum Held<'p> {
    Own(Box<Program>),
    Lent {
        program: &'p Program,
        /// What somebody writes to nevertheless.
        scratch: Box<Program>,
        touched: bool,
    },
}

impl<'p> Held<'p> {
    fn lend(self, program: &Program) -> Held<'_> {
        let scratch = match self {
            Held::Own(own) => own,
            Held::Lent { scratch, .. } => scratch,
        };
        Held::Lent {
            program,
            scratch,
            touched: false,
        }
    }

    fn give_back(self) -> Held<'static> {
        match self {
            Held::Own(own) => Held::Own(own),
            Held::Lent { touched: true, .. } => Held::Own(Box::default()),
            Held::Lent { scratch, .. } => Held::Own(scratch),
        }
    }

    fn is_touched(&self) -> bool {
        matches!(self, Held::Lent { touched: true, .. })
    }

    /// Whether only types may be added.
    pub fn is_lent(&self) -> bool {
        matches!(self, Held::Lent { .. })
    }
}

impl Deref for Held<'_> {
    type Target = Program;

    #[inline]
    fn deref(&self) -> &Program {
        match self {
            Held::Own(own) => own,
            Held::Lent { program, .. } => program,
        }
    }
}

impl DerefMut for Held<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Program {
        match self {
            Held::Own(own) => own,
            Held::Lent { scratch, touched, .. } => {
                *touched = true;
                scratch
            }
        }
    }
}

impl Checker<'static> {
    /// Runs something with the program so far, of which it may need bodies that are not read yet.
    pub fn running<R>(&mut self, f: impl FnOnce(&mut Program) -> R) -> R {
        if self.later.is_empty() {
            return f(&mut self.program);
        }
        let checker = std::mem::replace(self, Checker::blank());
        let mut program = None;
        let checker = checker.hold(|held| {
            if let Held::Own(own) = held {
                program = Some(own);
            }
            Held::Own(Box::default())
        });
        let mut program = program.unwrap_or_default();
        program.late = Waiting(Some(Mutex::new(Some(Box::new(checker)))));
        let result = f(&mut program);
        let waiting = program.late.0.take();
        if let Some(checker) = waiting.and_then(|w| w.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            *self = *checker;
        }
        program.types.settle();
        self.program = Held::Own(program);
        result
    }

    /// Gives up the program; the checker stays with it if bodies wait for it.
    pub(super) fn into_program(mut self) -> Program {
        let waits = !self.later.is_empty();
        self.later = Vec::new();
        self.diagnostics = Vec::new();
        self.uses = Default::default();
        let mut program = None;
        let checker = self.hold(|held| {
            if let Held::Own(own) = held {
                program = Some(own);
            }
            Held::Own(Box::default())
        });
        let mut program = program.unwrap_or_default();
        if waits {
            program.late = Waiting(Some(Mutex::new(Some(Box::new(checker)))));
        }
        *program
    }

    /// Checks all bodies that were put off. They have no errors; what they mention is known then.
    pub(super) fn check_all(&mut self) {
        self.running(|program| {
            for f in &program.functions {
                if let crate::hir::FunctionKind::Script(bodies) = &f.kind {
                    for body in bodies {
                        let _ = program.parts(body);
                    }
                }
            }
        });
    }
}

impl Checker<'_> {
    /// The content of a body that was passed by.
    pub(super) fn put_off(
        &mut self,
        id: FuncId,
        header: &FuncType,
        sig: &ast::Signature,
        span: Span,
        place: &'static Place,
    ) -> Content {
        let file = span.file as usize;
        if self.later.len() <= file {
            self.later.resize_with(file + 1, Vec::new);
        }
        self.later[file].push((id, place));
        Content::later(Later {
            func: id,
            header: header.clone(),
            params: sig.params.iter().map(|p| (p.name.name, p.name.span)).collect(),
            module: self.module,
            horizon: self.births,
            span,
            done: OnceLock::new(),
        })
    }

    fn late_body(&mut self, later: &Later) -> Result<Parts, String> {
        let module = std::mem::replace(&mut self.module, later.module);
        let horizon = std::mem::replace(&mut self.horizon, later.horizon);
        let errors = std::mem::replace(&mut self.errors, 0);
        let fatal = std::mem::replace(&mut self.fatal, false);
        let before = std::mem::take(&mut self.diagnostics);
        self.frames.clear();
        self.depth = 0;
        let stmts = self.late_text(later);
        let parts = stmts.map(|stmts| self.check_content(later.func, &later.header, &later.params, &stmts));
        let diagnostics = std::mem::replace(&mut self.diagnostics, before);
        self.fatal = fatal;
        self.module = module;
        self.horizon = horizon;
        let failed = std::mem::replace(&mut self.errors, errors) > 0;
        match parts {
            Some(parts) if !failed => Ok(parts),
            _ => {
                let why = diagnostics.iter().map(|d| d.render(&self.program.files));
                Err(format!("its body has errors: {}", why.collect::<String>()))
            }
        }
    }

    fn late_text(&mut self, later: &Later) -> Option<Vec<ast::Stmt>> {
        let file = self.program.files.get(later.span.file as usize)?;
        let Cow::Borrowed(text) = &file.text else { return None };
        let (dir, base) = file.path.rsplit_once('/').unwrap_or((".", &file.path));
        let input = Input {
            file: later.span.file,
            text: Bytes::from_static(text.as_bytes()),
            dir: dir.into(),
            base: base.into(),
            script: None,
        };
        let mut diagnostics = Vec::new();
        let host = Alone {
            names: &mut self.names,
            diagnostics: &mut diagnostics,
        };
        let stmts = Parser::body_alone(host, input, later.span, later.module);
        for d in diagnostics {
            self.report(d);
        }
        stmts
    }
}

/// The host of a parser that reads one body, without directives.
struct Alone<'a> {
    names: &'a mut Interner,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Alone<'_> {
    fn directive(&mut self, span: Span) {
        let d = Diagnostic::error("syntax", span, "a directive in a body that was put off");
        self.diagnostics.push(d);
    }
}

impl Host for Alone<'_> {
    fn names(&mut self) -> &mut Interner {
        self.names
    }
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
    fn load(&mut self, _: &str, span: Span) -> Option<Input> {
        self.directive(span);
        None
    }
    fn load_signatures(&mut self, _: &str, span: Span) {
        self.directive(span);
    }
    fn unload(&mut self, _: &str, span: Span) {
        self.directive(span);
    }
    fn load_plugin(&mut self, _: &str, span: Span) {
        self.directive(span);
    }
    fn prefixes(&mut self, _: &str, _: bool, span: Span) {
        self.directive(span);
    }
    fn condition(&mut self, cond: ast::Expr, _: Symbol) -> bool {
        self.directive(cond.span);
        false
    }
    fn is_defined(&mut self, _: Symbol, _: Symbol) -> bool {
        self.directive(Span::default());
        false
    }
    fn deprecated_file(&mut self, _: &str, span: Span) {
        self.directive(span);
    }
    fn ignore_deprecations(&mut self, _: bool) {
        self.directive(Span::default());
    }
    fn end_of_file(&mut self, _: u32) {}
    fn stopped(&self) -> bool {
        !self.diagnostics.is_empty()
    }
}
