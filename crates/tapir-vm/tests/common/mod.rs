//! Programs built by hand, and a host that collects what they print.
#![allow(dead_code)]

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use tapir_data::text::{Style, render};
use tapir_data::types::{Flavor, FuncType, Kind, Param, TypeId, builtin as b};
use tapir_data::value::{File, FuncId, PatternObject, Value};
use tapir_script::hir::*;
use tapir_vm::{Host, Message, PatternJoin, Vm};

#[derive(Default)]
pub struct TestHost {
    pub out: Vec<String>,
    pub messages: Vec<String>,
}

impl Host for TestHost {
    fn compile_pattern(&mut self, _: &[u8], _: bool, _: bool) -> Result<Rc<dyn PatternObject>, String> {
        Err("no patterns here".into())
    }
    fn join_patterns(
        &mut self,
        _: &Rc<dyn PatternObject>,
        _: &Rc<dyn PatternObject>,
        _: PatternJoin,
    ) -> Result<Rc<dyn PatternObject>, String> {
        Err("no patterns here".into())
    }
    fn extend_pattern(&mut self, _: &Rc<dyn PatternObject>, _: &Rc<dyn PatternObject>) -> Result<(), String> {
        Err("no patterns here".into())
    }
    fn print(&mut self, vm: &Vm, _: Option<&Rc<File>>, values: &[Value]) {
        let parts: Vec<String> = values
            .iter()
            .map(|v| String::from_utf8_lossy(&render(vm, v, Style::Print)).into_owned())
            .collect();
        self.out.push(parts.join(", "));
    }
    fn report(&mut self, message: &Message) {
        self.messages.push(message.line());
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

pub fn program() -> Program {
    Program::new()
}

pub fn e(kind: ExprKind, ty: TypeId) -> Expr {
    Expr {
        kind,
        ty,
        span: Span::default(),
    }
}
pub fn count(n: u64) -> Expr {
    e(ExprKind::Const(Const::Count(n)), b::COUNT)
}
pub fn string(s: &str) -> Expr {
    e(ExprKind::Const(Const::Str(s.as_bytes().into())), b::STRING)
}
pub fn local(i: u32, ty: TypeId) -> Expr {
    e(ExprKind::Local(LocalId(i)), ty)
}
pub fn bin(op: BinOp, x: Expr, y: Expr, ty: TypeId) -> Expr {
    e(ExprKind::Binary(op, Box::new(x), Box::new(y)), ty)
}
pub fn call(f: FuncId, args: Vec<Expr>, ty: TypeId) -> Expr {
    e(ExprKind::Call(Callee::Func(f), args), ty)
}
pub fn stmt(kind: StmtKind) -> Stmt {
    Stmt {
        kind,
        span: Span::default(),
    }
}
pub fn block(list: Vec<Stmt>) -> Stmt {
    stmt(StmtKind::Block(list))
}
pub fn ret(x: Expr) -> Stmt {
    stmt(StmtKind::Return(Some(x)))
}
pub fn assign(l: u32, x: Expr) -> Stmt {
    let ty = x.ty;
    stmt(StmtKind::Expr(e(
        ExprKind::Assign(LValue::Local(LocalId(l)), Box::new(x)),
        ty,
    )))
}
pub fn print(list: Vec<Expr>) -> Stmt {
    stmt(StmtKind::Print(list))
}

pub fn function(
    p: &mut Program,
    name: &str,
    flavor: Flavor,
    params: &[TypeId],
    yields: TypeId,
    locals: &[TypeId],
    bodies: Vec<(Vec<Stmt>, i64)>,
) -> FuncId {
    let sig = FuncType {
        flavor,
        params: params
            .iter()
            .enumerate()
            .map(|(i, &ty)| Param {
                name: format!("p{i}").into(),
                ty,
                default: None,
                shown: None,
            })
            .collect(),
        yields,
        variadic: false,
    };
    let ty = p.types.intern(Kind::Func(sig.clone()));
    let bodies = bodies
        .into_iter()
        .map(|(stmts, priority)| {
            let locals = params
                .iter()
                .chain(locals)
                .enumerate()
                .map(|(i, &ty)| Local {
                    name: format!("l{i}").into(),
                    ty,
                    create_at_entry: i >= params.len()
                        && matches!(p.types.kind(ty), Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)),
                })
                .collect();
            Arc::new(Body {
                content: Content::now(Parts { stmts, locals }),
                params: (0..params.len() as u32).collect(),
                priority,
                ..Body::default()
            })
        })
        .collect();
    let id = FuncId(p.functions.len() as u32);
    p.functions.push(Function {
        name: name.into(),
        ty,
        sig,
        kind: FunctionKind::Script(bodies),
        attrs: Attrs::default(),
        exported: true,
        declared: true,
        span: Span::default(),
    });
    p.names.insert(name.into(), Ident::Func(id));
    id
}

/// A machine that has run the initialisations and the top-level statements.
pub fn start(p: Program) -> (Vm, TestHost) {
    let mut vm = Vm::new(Arc::new(p));
    let mut host = TestHost::default();
    vm.run_inits(&mut host).unwrap();
    let _ = vm.run_top_level(&mut host);
    (vm, host)
}
