//! Calls: arguments, functions of scripts, built-in ones and hooks.

use tapir_data::types::{Flavor, FuncType, Kind, TypeId, builtin};
use tapir_data::value::FuncId;
use tapir_script::hir::{Callee, Expr, FunctionKind};

use super::{Lower, Opnd};
use crate::code::{CallSite, Instr, Site, enc, kind};

impl<'a> Lower<'a> {
    /// The arguments of a call, encoded, with the operands to release after.
    pub(super) fn arguments(&mut self, args: &[Expr], sig: Option<&FuncType>) -> (Vec<u16>, Vec<Opnd>) {
        let list: Vec<&Expr> = args.iter().collect();
        let mut vals = self.operands(&list);
        for p in sig.map_or(&[][..], |s| &s.params[..]).iter().skip(args.len()) {
            let Some(id) = p.default else { break };
            let prog = self.prog;
            let thunk = prog.default(id);
            let v = match self.as_const(&thunk.expr) {
                Some(v) if self.types().same(thunk.expr.ty, p.ty) => self.const_opnd(v),
                _ => {
                    let dst = self.tmp_for(p.ty);
                    self.emit(Instr::Default { dst, id: id.0 });
                    let kind = self.kind_of(p.ty);
                    self.emit(Instr::CheckKind { kind, src: dst });
                    self.temp(dst)
                }
            };
            vals.push(v);
        }
        let encoded = vals.iter().map(|&v| self.consume(v)).collect();
        (encoded, vals)
    }

    /// The signature through which a call is made.
    fn signature_of(&self, callee: &Callee) -> Option<&'a FuncType> {
        match callee {
            Callee::Func(f) => Some(&self.prog.functions[f.0 as usize].sig),
            Callee::Value(e) => match self.types().kind(e.ty) {
                Kind::Func(sig) => Some(sig),
                _ => None,
            },
        }
    }

    /// A call. `statement`: nobody uses the result.
    pub(super) fn call(
        &mut self,
        callee: &Callee,
        args: &[Expr],
        ty: TypeId,
        want: Option<u16>,
        span: tapir_script::hir::Span,
        statement: bool,
    ) -> Opnd {
        self.n_calls += 1;
        let void = ty == builtin::VOID || statement;
        let hold = if void { None } else { Some(self.dst(want, ty)) };
        let dst = hold.unwrap_or(enc::NONE);
        let cached = if self.in_condition && !void {
            let done = self.label();
            let key = self.n_cache_keys;
            self.n_cache_keys += 1;
            self.jump(Instr::CacheCheck { dst, key, off: 0 }, done);
            Some((key, done))
        } else {
            None
        };
        let callee_value = match callee {
            Callee::Value(f) => {
                let v = self.expr(f);
                let v = self.shield(v, f.ty, &args.iter().collect::<Vec<_>>());
                Some((v, self.borrow(v)))
            }
            Callee::Func(_) => None,
        };
        let (eargs, vals) = self.arguments(args, self.signature_of(callee));
        self.release_all(&vals);
        if let Some((v, _)) = callee_value {
            self.release(v);
        }
        if eargs.len() > 255 {
            self.fail("a call has too many arguments");
        }
        self.span = span;
        if let Some((key, _)) = cached {
            self.emit(Instr::SetCall { key });
        }
        let n = eargs.len() as u8;
        let site = |func: FuncId, l: &mut Self| {
            let result_kind = if void { kind::ANY } else { l.kind_of(ty) };
            l.site(Site::Call(CallSite {
                func,
                arg_types: args
                    .iter()
                    .map(|a| a.ty)
                    .chain(
                        l.signature_of(callee)
                            .into_iter()
                            .flat_map(|s| s.params.iter().skip(args.len()).map(|p| p.ty)),
                    )
                    .collect(),
                result: ty,
                result_kind,
                statement: void,
            }))
        };
        match (callee, callee_value) {
            (Callee::Func(f), _) => {
                let func = &self.prog.functions[f.0 as usize];
                match &func.kind {
                    FunctionKind::Script(_)
                        if func.sig.flavor == Flavor::Function
                            && !func.sig.variadic
                            && func.sig.params.len() == eargs.len() =>
                    {
                        self.emit(Instr::Call { dst, func: f.0 });
                    }
                    FunctionKind::Builtin if func.sig.variadic || func.sig.params.len() <= args.len() => {
                        let site = site(*f, self);
                        self.emit(Instr::CallBuiltin { n, dst, site });
                    }
                    // Missing arguments are filled in at the call.
                    FunctionKind::Script(_) | FunctionKind::Builtin => {
                        let v = self.vm.func_value(*f);
                        let v = self.const_opnd(v);
                        let ef = self.borrow(v);
                        self.release(v);
                        let site = site(*f, self);
                        self.emit(Instr::CallValue { n, dst, ef, site });
                    }
                }
            }
            (Callee::Value(_), Some((_, ef))) => {
                let site = site(FuncId(u32::MAX), self);
                self.emit(Instr::CallValue { n, dst, ef, site });
            }
            _ => {}
        }
        self.emit_args(&eargs);
        if let Some((_, done)) = cached {
            self.bind(done);
        }
        match hold {
            Some(d) => self.result(d, want),
            None => {
                // Nothing to give; whoever asks gets an unset value.
                match want {
                    Some(d) => self.result(d, want),
                    None => {
                        let d = self.tmp(true);
                        if !statement {
                            self.emit(Instr::Clear { dst: d });
                        }
                        self.temp(d)
                    }
                }
            }
        }
    }

    pub(super) fn hook_call(
        &mut self,
        callee: &Callee,
        args: &[Expr],
        ty: TypeId,
        want: Option<u16>,
        span: tapir_script::hir::Span,
    ) -> Opnd {
        self.n_calls += 1;
        let fv = match callee {
            Callee::Value(f) => {
                let v = self.expr(f);
                Some(self.shield(v, f.ty, &args.iter().collect::<Vec<_>>()))
            }
            Callee::Func(_) => None,
        };
        let (eargs, vals) = self.arguments(args, self.signature_of(callee));
        let ef = fv.map(|v| self.borrow(v));
        self.release_all(&vals);
        if let Some(v) = fv {
            self.release(v);
        }
        let dst = self.dst(want, ty);
        let n = eargs.len() as u8;
        self.span = span;
        match (callee, ef) {
            (Callee::Func(f), _) => {
                self.emit(Instr::HookCall { n, dst, func: f.0 });
            }
            (_, Some(ef)) => {
                self.emit(Instr::HookValue { n, dst, ef, site: 0 });
            }
            _ => {}
        }
        self.emit_args(&eargs);
        self.result(dst, want)
    }
}
