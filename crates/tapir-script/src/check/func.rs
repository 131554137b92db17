//! Functions, events and hooks: prototypes, alternates and bodies.

use std::sync::Arc;

use tapir_data::types::{Flavor, FuncType, Kind, TypeId, builtin};
use tapir_data::value::FuncId;

use super::{Checker, Frame, FrameKind, FuncInfo};
use crate::ast;
use crate::diag::Diagnostic;
use crate::hir::{
    self, Attrs, Body, Content, Expr, ExprKind, Function, FunctionKind, GlobalId, Init, InitOp, Parts, Span, Storage,
};
use crate::symbol::Symbol;

impl Checker<'_> {
    /// A new function under a global name.
    fn new_function(&mut self, full: Symbol, sig: FuncType, declared: bool, span: Span) -> FuncId {
        let ty = self.intern(Kind::Func(sig.clone()));
        let id = FuncId(self.program.functions.len() as u32);
        let exported = self.exported;
        let name = self.text(full).clone();
        self.program.functions.push(Function {
            name,
            ty,
            sig,
            kind: FunctionKind::Script(Vec::new()),
            attrs: Attrs::default(),
            exported,
            declared,
            span,
        });
        self.funcs.push(FuncInfo {
            module: self.module,
            ..FuncInfo::default()
        });
        self.define(full, hir::Ident::Func(id), exported, span);
        id
    }

    /// Whether the file of a span declares what native code implements.
    pub(super) fn is_native(&mut self, span: Span) -> bool {
        if self.native.0 != span.file {
            let of = self.program.files.get(span.file as usize);
            self.native = (span.file, of.is_some_and(|f| f.path.contains("base/bif/")));
        }
        self.native.1
    }

    /// `global f: function(…)…;` without initial value. True when it was handled as a prototype.
    pub(super) fn prototype(
        &mut self,
        full: Symbol,
        name: &ast::Ident,
        mut sig: FuncType,
        attrs: &[ast::Attr],
        has_defaults: Option<Span>,
    ) {
        let native = self.is_native(name.span);
        if native && sig.flavor == Flavor::Function {
            if let Some(p) = sig.params.last() {
                if p.ty == builtin::ANY && &*p.name == "va_args" {
                    sig.variadic = true;
                }
            }
        }
        let id = match self.entity(full).map(|e| (e.meaning.clone(), e.span)) {
            Some((hir::Ident::Func(id), span)) => {
                self.again(id, name, &sig, span, has_defaults);
                id
            }
            Some((_, span)) => {
                let text = format!("already defined ({})", self.text(full));
                self.report(Diagnostic::error("redefined", name.span, text).label(span, "defined here"));
                return;
            }
            None => {
                let flavor = sig.flavor;
                let id = self.new_function(full, sig, true, name.span);
                if native && flavor == Flavor::Function {
                    self.program.functions[id.0 as usize].kind = FunctionKind::Builtin;
                }
                id
            }
        };
        self.funcs[id.0 as usize].native |= native;
        let exported = self.exported;
        if let Some(e) = self.scope[full.0 as usize].as_mut() {
            e.exported |= exported;
        }
        let ty = self.program.functions[id.0 as usize].ty;
        let (attrs, flags) = self.global_attrs(attrs, ty);
        let f = &mut self.program.functions[id.0 as usize];
        f.declared = true;
        f.exported |= exported;
        if attrs.error_handler {
            f.attrs.error_handler = true;
        }
        if flags.is_used {
            f.attrs.is_used = true;
        }
        if let Some(text) = &flags.deprecated {
            f.attrs.deprecated = Some(text.clone());
            if let Some(e) = self.scope[full.0 as usize].as_mut() {
                e.deprecated = Some(text.clone());
            }
        }
    }

    /// A further prototype of something that is known.
    fn again(&mut self, id: FuncId, name: &ast::Ident, sig: &FuncType, span: Span, has_defaults: Option<Span>) {
        let old = self.program.functions[id.0 as usize].sig.clone();
        if old.flavor != sig.flavor {
            let text = format!("redefinition changes type ({})", self.text(name.name));
            let note = format!("it was declared as {}", Self::flavor_text(old.flavor));
            self.report(
                Diagnostic::error("redefined", name.span, text)
                    .label(span, "declared here")
                    .note(note),
            );
            return;
        }
        let same =
            self.same_params(&old, sig) && old.params.iter().zip(sig.params.iter()).all(|(p, q)| p.name == q.name);
        if same {
            if !self.fits(old.yields, sig.yields) {
                let text = format!("redefinition changes type ({})", self.text(name.name));
                self.report(Diagnostic::error("redefined", name.span, text).label(span, "declared here"));
            }
            return;
        }
        if sig.flavor == Flavor::Function {
            let text = format!("{} has already been defined with another type", self.text(name.name));
            self.report(Diagnostic::error("redefined", name.span, text).label(span, "declared here"));
            return;
        }
        if let Some(at) = has_defaults {
            for p in sig.params.iter().filter(|p| p.default.is_some()) {
                let flavor = Self::flavor_text(sig.flavor);
                let text = format!(
                    "&default on parameter '{}' has no effect (not a {flavor} declaration)",
                    p.name
                );
                self.warn("alternate-default", at, &text);
            }
        }
        let mut positions = Vec::with_capacity(sig.params.len());
        for p in sig.params.iter() {
            let Some(i) = old.params.iter().position(|q| q.name == p.name) else {
                let text = format!(
                    "alternate function prototype arg '{}' not found in canonical prototype",
                    p.name
                );
                self.report(Diagnostic::error("prototype", name.span, text).label(span, "the canonical prototype"));
                return;
            };
            if !self.fits(old.params[i].ty, p.ty) {
                let text = format!(
                    "alternate function prototype arg '{}' has another type than in the canonical prototype",
                    p.name
                );
                self.report(Diagnostic::error("prototype", name.span, text).label(span, "the canonical prototype"));
                return;
            }
            positions.push(i as u32);
        }
        self.funcs[id.0 as usize].alternates.push(positions);
    }

    /// A body: `function f(…) { … }` and its like.
    pub(super) fn func_decl(
        &mut self,
        redef: bool,
        name: &ast::Ident,
        sig: &ast::Signature,
        attrs: &[ast::Attr],
        body: &ast::FuncBody,
        body_span: Span,
    ) {
        let own = self.full_name(name.name);
        let flavor = sig.flavor;
        // Handlers belong to the event that is visible here; a function is the module's own.
        let full = if self.entity(own).is_some() || flavor == Flavor::Function {
            own
        } else {
            self.find_global(name.name).unwrap_or(own)
        };
        let header = self.signature(sig);
        let found = self.entity(full).map(|e| (e.meaning.clone(), e.span));
        let id = match found {
            None => {
                if redef {
                    let text = format!("unknown identifier {}", self.text(name.name));
                    self.err("unknown-identifier", name.span, text);
                    return;
                }
                let id = self.new_function(full, header.clone(), false, name.span);
                if flavor == Flavor::Function {
                    self.program.functions[id.0 as usize].declared = true;
                }
                id
            }
            Some((hir::Ident::Func(id), _)) => id,
            Some((hir::Ident::Global(g), span)) => {
                self.body_of_variable(g, name, header, sig, attrs, body, body_span, span);
                return;
            }
            Some((_, span)) => {
                let text = format!("already defined ({})", self.text(full));
                self.report(Diagnostic::error("redefined", name.span, text).label(span, "defined here"));
                return;
            }
        };
        if flavor != Flavor::Function {
            let deprecated = self.entity(full).and_then(|e| e.deprecated.clone());
            if let Some(text) = deprecated {
                self.warn_deprecated(full, &text, name.span);
            }
        }
        let decl_span = self.entity(full).map_or(name.span, |e| e.span);
        let canonical = self.program.functions[id.0 as usize].sig.clone();
        if canonical.flavor != flavor {
            let text = format!("redefinition changes type ({})", self.text(name.name));
            let note = format!(
                "it was declared as {}, and this is {}",
                Self::flavor_text(canonical.flavor),
                Self::flavor_text(flavor)
            );
            self.report(
                Diagnostic::error("redefined", name.span, text)
                    .label(decl_span, "declared here")
                    .note(note),
            );
            return;
        }
        if flavor == Flavor::Function {
            let f = &self.program.functions[id.0 as usize];
            let defined = match &f.kind {
                FunctionKind::Script(bodies) => !bodies.is_empty(),
                FunctionKind::Builtin => true,
            };
            if defined {
                let first = f.span;
                let text = format!("already defined ({})", self.text(full));
                self.report(
                    Diagnostic::fatal("redefined", Some(name.span), text)
                        .label(first, "defined here")
                        .label(body_span, "the second body"),
                );
                return;
            }
        }
        let Some(params) = self.match_params(id, &canonical, &header) else {
            let text = format!("use of undeclared alternate prototype ({})", self.text(name.name));
            let known = self.type_text(self.program.functions[id.0 as usize].ty);
            self.report(
                Diagnostic::error("prototype", name.span, text)
                    .label(decl_span, "declared here")
                    .note(format!("it is declared as {known}")),
            );
            return;
        };
        let info = self.body_attrs(attrs);
        if flavor == Flavor::Function {
            self.program.functions[id.0 as usize].span = name.span;
            self.adopt_defaults(id, &canonical, &header);
        }
        let f = &mut self.program.functions[id.0 as usize];
        if info.is_used {
            f.attrs.is_used = true;
        }
        if let Some(text) = &info.deprecated {
            f.attrs.deprecated = Some(text.clone());
            if let Some(e) = self.scope[full.0 as usize].as_mut() {
                e.deprecated = Some(text.clone());
            }
        }
        let mut done = self.body(id, &header, sig, body, body_span);
        done.params = params;
        done.priority = info.priority;
        done.groups = info.groups;
        if let FunctionKind::Script(bodies) = &mut self.program.functions[id.0 as usize].kind {
            if redef {
                bodies.clear();
            }
            bodies.push(Arc::new(done));
        }
    }

    /// A body, checked or put off.
    fn body(&mut self, id: FuncId, header: &FuncType, sig: &ast::Signature, body: &ast::FuncBody, span: Span) -> Body {
        let content = match body {
            ast::FuncBody::Stmts(stmts) => {
                let params: Vec<_> = sig.params.iter().map(|p| (p.name.name, p.name.span)).collect();
                Content::now(self.check_content(id, header, &params, stmts))
            }
            ast::FuncBody::Later(place) => self.put_off(id, header, sig, span, place),
        };
        Body {
            content,
            params: (0..header.params.len() as u32).collect(),
            priority: 0,
            groups: Vec::new(),
            module: self.text(self.module).clone(),
            captures: Vec::new(),
            span,
        }
    }

    /// Defaults written at the body of a function that was declared without them count as well.
    fn adopt_defaults(&mut self, id: FuncId, canonical: &FuncType, header: &FuncType) {
        let missing = canonical.params.iter().all(|p| p.default.is_none());
        if missing && header.params.iter().any(|p| p.default.is_some()) {
            let mut sig = canonical.clone();
            for (p, q) in Arc::make_mut(&mut sig.params).iter_mut().zip(header.params.iter()) {
                p.default = q.default;
                p.shown = q.shown.clone();
            }
            let ty = self.intern(Kind::Func(sig.clone()));
            let f = &mut self.program.functions[id.0 as usize];
            f.ty = ty;
            f.sig = sig;
        }
    }

    /// The canonical positions of a body's parameters; `None` when no prototype fits.
    fn match_params(&mut self, id: FuncId, canonical: &FuncType, header: &FuncType) -> Option<Vec<u32>> {
        if self.same_params(canonical, header) && self.fits(canonical.yields, header.yields) {
            return Some((0..header.params.len() as u32).collect());
        }
        if header.flavor == Flavor::Function {
            return None;
        }
        let alternates = std::mem::take(&mut self.funcs[id.0 as usize].alternates);
        let found = alternates
            .iter()
            .find(|positions| {
                positions.len() == header.params.len()
                    && header.params.iter().all(|p| {
                        positions.iter().any(|&i| {
                            let q = &canonical.params[i as usize];
                            q.name == p.name && self.fits(q.ty, p.ty)
                        })
                    })
            })
            .map(|_| {
                header
                    .params
                    .iter()
                    .filter_map(|p| canonical.params.iter().position(|q| q.name == p.name).map(|i| i as u32))
                    .collect()
            });
        self.funcs[id.0 as usize].alternates = alternates;
        found
    }

    /// The statements of a body, typed.
    pub(super) fn check_content(
        &mut self,
        id: FuncId,
        header: &FuncType,
        params: &[(Symbol, Span)],
        body: &[ast::Stmt],
    ) -> Parts {
        let kind = match header.flavor {
            Flavor::Function => FrameKind::Function,
            Flavor::Event => FrameKind::Event,
            Flavor::Hook => FrameKind::Hook,
        };
        let yields = match header.flavor {
            Flavor::Function => self.program.functions[id.0 as usize].sig.yields,
            _ => builtin::VOID,
        };
        self.function = Some(id);
        self.uses.owner = Some(id);
        let (stmts, frame) = self.with_frame(Frame::new(kind, Some(yields)), |c| {
            for (p, (name, span)) in header.params.iter().zip(params) {
                c.add_local(*name, p.ty, *span, true);
            }
            c.statements(body)
        });
        self.uses.owner = None;
        self.function = None;
        if self.usage_issues && self.errors == 0 {
            self.usage_of(&stmts, &frame, header.params.len());
        }
        Parts {
            stmts,
            locals: frame.locals,
        }
    }

    /// A body for a `&redef` variable of function type: its initial value.
    fn body_of_variable(
        &mut self,
        g: GlobalId,
        name: &ast::Ident,
        header: FuncType,
        sig: &ast::Signature,
        attrs: &[ast::Attr],
        body: &ast::FuncBody,
        body_span: Span,
        decl_span: Span,
    ) {
        let ty = self.program.globals[g.0 as usize].ty;
        let declared = match self.kind(ty) {
            Kind::Func(f) => f.clone(),
            _ => {
                let text = format!("already defined ({})", self.text(name.name));
                self.report(Diagnostic::error("redefined", name.span, text).label(decl_span, "defined here"));
                return;
            }
        };
        if declared.flavor != header.flavor
            || !self.same_params(&declared, &header)
            || !self.fits(declared.yields, header.yields)
        {
            let text = format!("redefinition changes type ({})", self.text(name.name));
            self.report(Diagnostic::error("redefined", name.span, text).label(decl_span, "declared here"));
            return;
        }
        let has_value = self.program.inits.iter().any(|i| i.global == g && i.value.is_some());
        if has_value && header.flavor == Flavor::Function {
            let text = format!("already defined ({})", self.text(name.name));
            self.report(Diagnostic::fatal("redefined", Some(name.span), text).label(decl_span, "defined here"));
            return;
        }
        let info = self.body_attrs(attrs);
        let id = FuncId(self.program.functions.len() as u32);
        let shown = self.program.globals[g.0 as usize].name.clone();
        self.program.functions.push(Function {
            name: shown,
            ty,
            sig: declared,
            kind: FunctionKind::Script(Vec::new()),
            attrs: Attrs::default(),
            exported: true,
            declared: true,
            span: name.span,
        });
        self.funcs.push(FuncInfo {
            module: self.module,
            is_used: true,
            ..FuncInfo::default()
        });
        let mut done = self.body(id, &header, sig, body, body_span);
        done.priority = info.priority;
        done.groups = info.groups;
        self.program.functions[id.0 as usize].kind = FunctionKind::Script(vec![Arc::new(done)]);
        self.program.inits.push(Init {
            global: g,
            op: InitOp::Set,
            value: Some(hir::Thunk {
                expr: Expr {
                    kind: ExprKind::Func(id),
                    ty,
                    span: name.span,
                },
                n_slots: 0,
            }),
            redef: false,
            span: name.span,
        });
    }

    /// Makes a prototype a variable, because something is assigned to its name.
    pub(super) fn variable_of(&mut self, f: FuncId, span: Span) -> Option<GlobalId> {
        let func = &self.program.functions[f.0 as usize];
        let (ty, name, exported, decl) = (func.ty, func.name.clone(), func.exported, func.span);
        let defined = match &func.kind {
            FunctionKind::Script(bodies) => !bodies.is_empty(),
            FunctionKind::Builtin => true,
        };
        if defined {
            let text = format!("function {name} cannot be assigned to; declare a variable of its type instead");
            self.report(Diagnostic::error("lvalue", span, text).label(decl, "defined here"));
            return None;
        }
        let g = self.new_variable(name, ty, exported, decl);
        self.variables.insert(f, (g, ty));
        Some(g)
    }

    fn new_variable(&mut self, name: Arc<str>, ty: TypeId, exported: bool, span: Span) -> GlobalId {
        let g = GlobalId(self.program.globals.len() as u32);
        self.program.globals.push(hir::Global {
            name: name.clone(),
            ty,
            storage: Storage::Variable,
            exported,
            redefinable: false,
            attrs: Attrs::default(),
            span,
        });
        self.program.inits.push(Init {
            global: g,
            op: InitOp::Declare,
            value: None,
            redef: false,
            span,
        });
        let full = self.names.intern(&name);
        self.define(full, hir::Ident::Global(g), exported, span);
        g
    }
}
