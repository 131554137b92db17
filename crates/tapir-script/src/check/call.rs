//! Calls: functions, hooks, constructors of named types, and the format of `fmt`.

use tapir_data::types::{Flavor, FuncType, Kind, TypeId, builtin};

use super::coerce::Context;
use super::{Checker, Found};
use crate::ast::{self, ExprKind as A};
use crate::diag::Diagnostic;
use crate::hir::{self, Callee, Const, Expr, ExprKind, Span};

impl Checker<'_> {
    pub(super) fn call(&mut self, callee: &ast::Expr, args: &[ast::Expr], want: Option<TypeId>, span: Span) -> Expr {
        if let A::Name(name) = callee.kind {
            match self.resolve(name, callee.span) {
                Found::Nothing => {
                    for a in args {
                        if !matches!(a.kind, A::FieldAssign(..) | A::Assign(..)) {
                            self.value(a, None);
                        }
                    }
                    return self.bad(span);
                }
                Found::Global(hir::Ident::Type(t)) => return self.construct(t, args, want, span),
                Found::Global(hir::Ident::Func(f)) => {
                    let sig = self.program.functions[f.0 as usize].sig.clone();
                    let shown = self.program.functions[f.0 as usize].name.clone();
                    let declared = self.program.functions[f.0 as usize].span;
                    if !self.callable(&sig, &shown, span) {
                        return self.bad(span);
                    }
                    if &*shown == "fmt" && !self.check_format(args, span) {
                        return self.bad(span);
                    }
                    let Some(args) = self.arguments(args, &sig, Some(declared), span, "function call") else {
                        return self.bad(span);
                    };
                    return Expr {
                        kind: ExprKind::Call(Callee::Func(f), args),
                        ty: sig.yields,
                        span,
                    };
                }
                // Anything else is looked at as an expression; it was found, so this tells nothing twice.
                Found::Local(_) | Found::Global(_) => {}
            }
        }
        let ignore = self.ignore_deprecations;
        self.ignore_deprecations += u32::from(matches!(callee.kind, A::Name(_)));
        let f = self.value(callee, None);
        self.ignore_deprecations = ignore;
        let sig = match self.kind(f.ty) {
            Kind::Func(sig) => sig.clone(),
            Kind::Error => {
                for a in args {
                    self.value(a, None);
                }
                return f;
            }
            _ => {
                let text = format!("not a function ({})", self.expr_text(&f));
                return self.bad_expr("not-a-function", f.span, text);
            }
        };
        let shown = self.expr_text(&f);
        if !self.callable(&sig, &shown, span) {
            return self.bad(span);
        }
        let Some(args) = self.arguments(args, &sig, None, span, "function call") else {
            return self.bad(span);
        };
        Expr {
            kind: ExprKind::Call(Callee::Value(Box::new(f)), args),
            ty: sig.yields,
            span,
        }
    }

    fn callable(&mut self, sig: &FuncType, shown: &str, span: Span) -> bool {
        match sig.flavor {
            Flavor::Function => true,
            Flavor::Hook => {
                let text = format!("hook cannot be called directly, use hook operator ({shown})");
                self.err("hook-call", span, text);
                false
            }
            Flavor::Event => {
                let d = Diagnostic::error(
                    "event-call",
                    span,
                    "event called in expression, use event statement instead",
                )
                .suggest(format!("event {shown}(…);"));
                self.report(d);
                false
            }
        }
    }

    /// `T(…)` of a named type.
    fn construct(&mut self, ty: TypeId, args: &[ast::Expr], _want: Option<TypeId>, span: Span) -> Expr {
        enum What {
            Record,
            Table,
            Set,
            Vector,
            Other,
        }
        let what = match self.kind(ty) {
            Kind::Error => return self.bad(span),
            Kind::Record(_) => What::Record,
            Kind::Table { yields: Some(_), .. } => What::Table,
            Kind::Table { .. } => What::Set,
            Kind::Vector(_) => What::Vector,
            _ => What::Other,
        };
        match what {
            What::Record => self.record_of(args, ty, span, true),
            What::Table => self.table_of(args, &[], Some(ty), span),
            What::Set => self.set_of(args, &[], Some(ty), span),
            What::Vector => self.vector_of(args, Some(ty), span),
            What::Other => {
                for a in args {
                    self.value(a, None);
                }
                let text = format!("type {} has no constructor", self.type_text(ty));
                self.bad_expr("constructor", span, text)
            }
        }
    }

    /// `hook h(…)`.
    pub(super) fn hook_call(&mut self, call: &ast::Expr, span: Span) -> Expr {
        let A::Call(callee, args) = &call.kind else {
            self.value(call, None);
            return self.bad_expr("hook-call", span, "not a valid hook call expression");
        };
        let f = self.value(callee, None);
        let sig = match self.kind(f.ty) {
            Kind::Func(sig) => sig.clone(),
            Kind::Error => {
                for a in args {
                    self.value(a, None);
                }
                return f;
            }
            _ => return self.bad_expr("hook-call", span, "not a valid hook call expression"),
        };
        if sig.flavor != Flavor::Hook {
            return self.bad_expr("hook-call", span, "hook keyword should only be used to call hooks");
        }
        let Some(args) = self.arguments(args, &sig, None, span, "function call") else {
            return self.bad(span);
        };
        let callee = match f.kind {
            ExprKind::Func(id) => Callee::Func(id),
            _ => Callee::Value(Box::new(f)),
        };
        Expr {
            kind: ExprKind::HookCall(callee, args),
            ty: builtin::BOOL,
            span,
        }
    }

    /// Checks arguments against parameters. Missing ones must have defaults; the VM fills them in.
    pub(super) fn arguments(
        &mut self,
        args: &[ast::Expr],
        sig: &FuncType,
        at: Option<Span>,
        span: Span,
        what: &str,
    ) -> Option<Vec<Expr>> {
        if args.len() > super::ARGUMENTS_MAX {
            let text = format!("a call has at most {} arguments", super::ARGUMENTS_MAX);
            self.err("too-many", span, text);
            return None;
        }
        if sig.variadic {
            // What stands before the dots has types, the rest may be anything.
            let typed = sig.params.iter().filter(|p| &*p.name != "va_args").count();
            let mut fixed = sig.clone();
            fixed.variadic = false;
            fixed.params = sig.params[..typed].into();
            let (front, rest) = args.split_at(typed.min(args.len()));
            let mut out = self.arguments(front, &fixed, at, span, what)?;
            out.extend(rest.iter().map(|a| self.value(a, None)));
            return out.iter().all(|a| a.ty != builtin::ERROR).then_some(out);
        }
        let required = sig.params.iter().take_while(|p| p.default.is_none()).count();
        if args.len() > sig.params.len() || args.len() < required {
            for a in args {
                self.value(a, None);
            }
            let problem = if args.len() < required { "too few" } else { "too many" };
            let needed = if required == sig.params.len() {
                format!("{required}")
            } else {
                format!("{required} to {}", sig.params.len())
            };
            let params: Vec<String> = sig
                .params
                .iter()
                .map(|p| format!("{}: {}", p.name, self.type_text(p.ty)))
                .collect();
            let mut d = Diagnostic::error(
                "argument-count",
                span,
                format!(
                    "argument type mismatch in {what}: {problem} arguments ({} given, {needed} needed)",
                    args.len()
                ),
            )
            .note(format!("the parameters are ({})", params.join(", ")));
            if let Some(declared) = at {
                d = d.label(declared, "declared here");
            }
            self.report(d);
            return None;
        }

        let mut out = Vec::with_capacity(args.len());
        let mut ok = true;
        for (i, (a, p)) in args.iter().zip(sig.params.iter()).enumerate() {
            let checked = self.value(a, Some(p.ty));
            let from = checked.ty;
            let compatible = from == builtin::ERROR
                || self.fits(from, p.ty)
                || self.common_number(from, p.ty).is_some()
                || (matches!(self.kind(from), Kind::Empty) && self.is_aggregate(p.ty))
                || matches!(
                    (self.kind(from), self.kind(p.ty)),
                    (Kind::Record(_), Kind::Record(_)) | (Kind::Enum(_), Kind::Enum(_))
                )
                || (self.canonical(p.ty) == builtin::TIME && super::coerce::is_zero(&checked));
            let checked = if compatible {
                self.coerce(checked, p.ty, Context::Argument)
            } else {
                let text = format!("argument type mismatch in {what} ({})", self.expr_text(&checked));
                let note = format!(
                    "argument {} ({}) is {}, and this is {}",
                    i + 1,
                    p.name,
                    self.type_text(p.ty),
                    self.type_text(from)
                );
                let at = checked.span;
                self.report(Diagnostic::error("argument-type", at, text).note(note));
                self.bad(at)
            };
            ok &= checked.ty != builtin::ERROR;
            out.push(checked);
        }
        ok.then_some(out)
    }

    /// Whether a literal format goes with the number of arguments.
    fn check_format(&mut self, args: &[ast::Expr], span: Span) -> bool {
        let Some(first) = args.first() else {
            return true;
        };
        let A::Str(format) = &first.kind else {
            let ignore = self.ignore_deprecations;
            self.ignore_deprecations += 1;
            let errors = self.errors;
            let ty = self.value(first, None).ty;
            self.ignore_deprecations = ignore;
            if self.errors > errors {
                return false;
            }
            if !matches!(self.canonical(ty), builtin::STRING | builtin::ANY) {
                self.err(
                    "format",
                    span,
                    "first argument to util::fmt() needs to be a format string",
                );
                return false;
            }
            return true;
        };
        let mut wanted = 0;
        let mut i = 0;
        while i < format.len() {
            if format[i] != b'%' {
                i += 1;
                continue;
            }
            match format.get(i + 1) {
                Some(b'%') => i += 2,
                Some(_) => {
                    wanted += 1;
                    i += 1;
                }
                None => {
                    self.err(
                        "format",
                        span,
                        "mismatch between format string and number of arguments: it ends in a lone %",
                    );
                    return false;
                }
            }
        }
        if wanted != args.len() - 1 {
            let text = format!(
                "mismatch between format string and number of arguments ({wanted} in the format, {} given)",
                args.len() - 1
            );
            self.err("format", span, text);
            return false;
        }
        true
    }

    /// The constant that a switch label or the like is.
    pub(super) fn constant_value(&mut self, e: &Expr) -> Option<Const> {
        self.fold(e)
    }
}
