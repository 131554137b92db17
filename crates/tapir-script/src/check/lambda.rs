//! Anonymous functions and `when` statements: bodies with captures.

use std::sync::Arc;

use tapir_data::types::{FuncType, Kind, TypeId, builtin};
use tapir_data::value::FuncId;

use super::coerce::Context;
use super::{Checker, Frame, FrameKind, FuncInfo};
use crate::ast;
use crate::diag::Diagnostic;
use crate::hir::{self, Attrs, Body, Content, Expr, ExprKind, Function, FunctionKind, LocalId, Parts, Span};

impl Checker<'_> {
    /// Looks captures up in the frame that is current: outer slot, type, whether to copy.
    fn captures(&mut self, list: &[ast::Capture], what: &str) -> Vec<(ast::Ident, LocalId, TypeId, bool)> {
        let mut out: Vec<(ast::Ident, LocalId, TypeId, bool)> = Vec::with_capacity(list.len());
        for c in list {
            let text = self.text(c.name.name).clone();
            if out.iter().any(|o| o.0.name == c.name.name) {
                self.err(
                    "capture",
                    c.name.span,
                    format!("{text} listed multiple times in capture"),
                );
                continue;
            }
            let local = self.frames.last().and_then(|f| f.vars.get(&c.name.name).copied());
            if let Some(id) = local {
                let info = &mut self.frame().info[id.0 as usize];
                info.used = true;
                if info.active {
                    let ty = info.ty;
                    out.push((c.name, id, ty, c.copy));
                    continue;
                }
            }
            let mut d = Diagnostic::error("capture", c.name.span, format!("no such local identifier: {text}"));
            if self.find_global(c.name.name).is_some() {
                d = d.note(format!("{text} is a global: {what} use globals without capturing them"));
            } else if let Some(outer) = self.outer_local(c.name.name) {
                d = d.label(
                    outer,
                    "this local belongs to an enclosing function, which must capture it as well",
                );
            }
            self.report(d);
        }
        out
    }

    fn outer_local(&self, name: crate::symbol::Symbol) -> Option<Span> {
        let f = self.frames.iter().rev().skip(1).find(|f| f.vars.contains_key(&name))?;
        f.vars.get(&name).map(|id| f.info[id.0 as usize].span)
    }

    /// `function[captures](params): T { … }`.
    pub(super) fn lambda(&mut self, lambda: &ast::Lambda, span: Span) -> Expr {
        let mut sig = self.signature(&lambda.sig);
        for p in &lambda.sig.params {
            let clash = self.frames.iter().filter(|f| f.kind != FrameKind::Init).find_map(|f| {
                let id = f.vars.get(&p.name.name)?;
                let info = &f.info[id.0 as usize];
                info.active.then_some(info.span)
            });
            if let Some(first) = clash {
                let text = format!("argument name used twice ({})", self.text(p.name.name));
                self.report(Diagnostic::error("parameter", p.name.span, text).label(first, "the outer local"));
            }
        }
        let captures = match &lambda.captures {
            Some(list) => self.captures(list, "lambdas"),
            None => Vec::new(),
        };
        let declared = lambda.sig.yields.is_some();
        let mut frame = Frame::new(FrameKind::Lambda, declared.then_some(sig.yields));
        frame.has_captures = lambda.captures.is_some();
        let ((stmts, slots), frame) = self.with_frame(frame, |c| {
            for (p, ast) in sig.params.iter().zip(&lambda.sig.params) {
                c.add_local(ast.name.name, p.ty, ast.name.span, true);
            }
            let mut slots = Vec::with_capacity(captures.len());
            for (name, _, ty, _) in &captures {
                let id = c.add_local(name.name, *ty, name.span, false);
                c.frame().info[id.0 as usize].captured = true;
                slots.push(id);
            }
            (c.block(&lambda.body), slots)
        });
        for info in frame.info.iter().filter(|i| i.captured && !i.used) {
            let text = format!("{} is captured but not used inside lambda", self.text(info.name));
            self.err("capture", info.span, text);
        }
        sig.yields = frame.yields.unwrap_or(builtin::VOID);
        let ty = self.intern(Kind::Func(sig.clone()));
        let func = FuncId(self.program.functions.len() as u32);
        let name: Arc<str> = format!("lambda_<{}>", self.lambda_hash(lambda.body_span)).into();
        let body = Body {
            content: Content::now(Parts {
                stmts,
                locals: frame.locals,
            }),
            params: (0..sig.params.len() as u32).collect(),
            priority: 0,
            groups: Vec::new(),
            module: self.text(self.module).clone(),
            captures: slots,
            span: lambda.body_span,
        };
        self.program.functions.push(Function {
            name,
            ty,
            sig,
            kind: FunctionKind::Script(vec![Arc::new(body)]),
            attrs: Attrs::default(),
            exported: true,
            declared: true,
            span,
        });
        self.funcs.push(FuncInfo {
            is_used: true,
            module: self.module,
            ..FuncInfo::default()
        });
        Expr {
            kind: ExprKind::Lambda(Box::new(hir::Lambda {
                func,
                captures: captures.into_iter().map(|c| (c.1, c.3)).collect(),
            })),
            ty,
            span,
        }
    }

    /// A number that depends on the text of a lambda, and on how many of the same text came before: other lambdas have no
    /// part in it, so that programs that differ elsewhere know it by the same name.
    fn lambda_hash(&mut self, span: Span) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let text = self
            .program
            .files
            .get(span.file as usize)
            .and_then(|f| f.text.as_bytes().get(span.start as usize..span.end as usize))
            .unwrap_or(&[]);
        let step = |hash: u64, b: u8| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        hash = text.iter().fold(hash, |h, &b| step(h, b));
        let same = self.lambdas.entry(hash).or_insert(0u32);
        *same += 1;
        same.to_le_bytes().into_iter().fold(hash, step)
    }

    /// A `when` statement.
    pub(super) fn when(&mut self, when: &ast::When, span: Span) -> hir::StmtKind {
        let outer_yields = self.frames.last().and_then(|f| f.yields);
        let list = when.captures.as_deref().unwrap_or(&[]);
        let captures = self.captures(list, "\"when\" statements");
        let timeout = when.timeout.as_ref().map(|(delay, _)| {
            let d = self.value(delay, None);
            if d.ty != builtin::ERROR && !matches!(self.canonical(d.ty), builtin::INTERVAL | builtin::ANY) {
                let text = format!("when timeout requires a time interval ({})", self.expr_text(&d));
                self.err("timeout", d.span, text);
            }
            d
        });
        if when.is_return {
            match self.frames.last().map(|f| f.kind) {
                Some(FrameKind::Function | FrameKind::Lambda | FrameKind::When) => {}
                _ => self.err("return-when", span, "return when may stand only in functions"),
            }
        }
        let mut frame = Frame::new(FrameKind::When, if when.is_return { outer_yields } else { None });
        frame.has_captures = when.captures.is_some();
        let is_return = when.is_return;
        let ((cond, body, timeout_body, globals), frame) = self.with_frame(frame, |c| {
            for (name, _, ty, _) in &captures {
                let id = c.add_local(name.name, *ty, name.span, false);
                c.frame().info[id.0 as usize].captured = true;
            }
            c.frame().in_condition = true;
            let cond = c.value(&when.cond, None);
            c.frame().in_condition = false;
            let cond = match c.canonical(cond.ty) {
                builtin::ERROR | builtin::BOOL => cond,
                builtin::ANY => c.coerce(cond, builtin::BOOL, Context::Element),
                _ => {
                    let text = format!("conditional in test must be boolean ({})", c.expr_text(&cond));
                    c.bad_expr("condition", cond.span, text)
                }
            };
            let globals = std::mem::take(&mut c.frame().globals);
            if !is_return {
                // A body that returns nothing; a value would have nowhere to go.
                c.frame().yields = Some(builtin::VOID);
            }
            let body = vec![c.stmt(&when.body)];
            let timeout_body = when.timeout.as_ref().map(|(_, stmts)| c.block(stmts));
            (cond, body, timeout_body, globals)
        });
        for info in frame.info.iter().filter(|i| i.captured && !i.used) {
            let text = format!(
                "{} is captured but not used inside \"when\" statement",
                self.text(info.name)
            );
            self.err("capture", info.span, text);
        }
        let locals = frame.locals;
        let make = |stmts: Vec<hir::Stmt>, module: Arc<str>| {
            Arc::new(Body {
                content: Content::now(Parts {
                    stmts,
                    locals: locals
                        .iter()
                        .map(|l| hir::Local {
                            name: l.name.clone(),
                            ty: l.ty,
                            create_at_entry: l.create_at_entry,
                        })
                        .collect(),
                }),
                params: Vec::new(),
                priority: 0,
                groups: Vec::new(),
                module,
                captures: (0..captures.len() as u32).map(LocalId).collect(),
                span,
            })
        };
        let module = self.text(self.module).clone();
        hir::StmtKind::When(Box::new(hir::When {
            cond: make(Vec::new(), module.clone()),
            cond_expr: cond,
            body: make(body, module.clone()),
            timeout,
            timeout_body: timeout_body.map(|b| make(b, module)),
            is_return,
            globals,
            captures: captures
                .iter()
                .map(|(name, id, ty, copy)| {
                    (
                        Expr {
                            kind: ExprKind::Local(*id),
                            ty: *ty,
                            span: name.span,
                        },
                        *copy,
                    )
                })
                .collect(),
        }))
    }

    /// Whether two signatures have parameters of the same types.
    pub(super) fn same_params(&self, f: &FuncType, g: &FuncType) -> bool {
        f.params.len() == g.params.len() && f.params.iter().zip(g.params.iter()).all(|(p, q)| self.fits(p.ty, q.ty))
    }
}
