//! Handlers that only look at a connection, run without its record: what they ask is answered from the connection
//! itself. As soon as a handler is about to do anything but look, the run is given up, before anything has happened.
//!
//! The default scripts handle `connection_established` only to make exceptions for some ports; with this a connection
//! that is none of them needs no record.

use std::cmp::Ordering;
use std::sync::Arc;

use tapir_data::types::TypeId;
use tapir_data::value::{Port, Value};
use tapir_flow::Conn;
use tapir_interface::slots::{conn_id, connection, endpoint};
use tapir_script::hir::{
    BinOp, Body, Expr, ExprKind, GlobalId, LValue, LocalId, Program, Stmt, StmtKind, Storage, UnOp,
};
use tapir_vm::{Vm, plain_constant};

use crate::net::{ConnExt, addr};
use crate::sink::proto;

/// Part of a record that is not there, or a value.
#[derive(Clone)]
enum Seen {
    Connection,
    Id,
    End(bool),
    Value(Value),
}

/// What a statement comes to; `None` where something would be done, or asked that cannot be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Return,
}

struct Run<'a> {
    vm: &'a Vm,
    c: &'a Conn<ConnExt>,
    /// The type `connection`.
    ty: TypeId,
    locals: Vec<Option<Seen>>,
}

/// Whether a handler looks as if it may do nothing for some connections.
pub fn is_worth_it(program: &Program, b: &Body) -> bool {
    let looks = |s: &Stmt| {
        matches!(
            &s.kind,
            StmtKind::Null
                | StmtKind::Block(_)
                | StmtKind::If(..)
                | StmtKind::InitLocal(..)
                | StmtKind::Return(None)
                | StmtKind::Expr(Expr {
                    kind: ExprKind::Assign(LValue::Local(_), _),
                    ..
                })
        )
    };
    b.params == [0] && b.captures.is_empty() && program.parts(b).is_ok_and(|parts| parts.stmts.iter().all(looks))
}

/// Whether handlers of an event would do nothing for a connection without a record.
pub fn nothing_to_do(vm: &Vm, ty: TypeId, bodies: &[Arc<Body>], c: &Conn<ConnExt>) -> bool {
    bodies.iter().all(|b| {
        let Ok(parts) = vm.program().parts(b) else { return false };
        let mut locals = vec![None; parts.locals.len().max(1)];
        locals[0] = Some(Seen::Connection);
        let mut run = Run { vm, c, ty, locals };
        run.block(&parts.stmts).is_some()
    })
}

impl Run<'_> {
    fn block(&mut self, list: &[Stmt]) -> Option<Flow> {
        for s in list {
            if self.stmt(s)? == Flow::Return {
                return Some(Flow::Return);
            }
        }
        Some(Flow::On)
    }

    fn stmt(&mut self, s: &Stmt) -> Option<Flow> {
        match &s.kind {
            StmtKind::Null => Some(Flow::On),
            StmtKind::Block(list) => self.block(list),
            StmtKind::If(cond, then, otherwise) => match (self.truth(cond)?, otherwise) {
                (true, _) => self.stmt(then),
                (false, Some(otherwise)) => self.stmt(otherwise),
                (false, None) => Some(Flow::On),
            },
            StmtKind::InitLocal(id, e, _) => self.assign(*id, e),
            StmtKind::Expr(Expr {
                kind: ExprKind::Assign(LValue::Local(id), e),
                ..
            }) => self.assign(*id, e),
            StmtKind::Return(None) => Some(Flow::Return),
            _ => None,
        }
    }

    fn assign(&mut self, id: LocalId, e: &Expr) -> Option<Flow> {
        let v = self.eval(e)?;
        *self.locals.get_mut(id.0 as usize)? = Some(v);
        Some(Flow::On)
    }

    fn truth(&self, e: &Expr) -> Option<bool> {
        match self.value(e)? {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    fn value(&self, e: &Expr) -> Option<Value> {
        match self.eval(e)? {
            Seen::Value(v) => Some(v),
            _ => None,
        }
    }

    fn eval(&self, e: &Expr) -> Option<Seen> {
        Some(match &e.kind {
            ExprKind::Local(id) => self.locals.get(id.0 as usize)?.clone()?,
            ExprKind::Field(of, slot) => self.field(self.eval(of)?, *slot as usize)?,
            _ => Seen::Value(self.plain(e)?),
        })
    }

    fn plain(&self, e: &Expr) -> Option<Value> {
        Some(match &e.kind {
            ExprKind::Const(c) => plain_constant(c)?,
            ExprKind::Global(g) => self.global(*g)?,
            ExprKind::HasField(of, slot) => match self.eval(of)? {
                Seen::Connection => Value::Bool(self.has(*slot as usize)?),
                _ => return None,
            },
            ExprKind::Unary(UnOp::Not, e) => Value::Bool(!self.truth(e)?),
            ExprKind::And(a, b) => Value::Bool(self.truth(a)? && self.truth(b)?),
            ExprKind::Or(a, b) => Value::Bool(self.truth(a)? || self.truth(b)?),
            ExprKind::Binary(op, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                Value::Bool(match op {
                    BinOp::Eq => equal(&a, &b)?,
                    BinOp::Ne => !equal(&a, &b)?,
                    BinOp::Lt => compare(&a, &b)? == Ordering::Less,
                    BinOp::Le => compare(&a, &b)? != Ordering::Greater,
                    _ => return None,
                })
            }
            ExprKind::In(keys, table) => match self.value(table)? {
                Value::Table(t) if t.is_plain() => {
                    let keys: Option<Vec<Value>> = keys.iter().map(|k| self.value(k)).collect();
                    let keys = keys.filter(|k| k.iter().all(Value::is_immediate))?;
                    Value::Bool(t.contains(&keys))
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    fn global(&self, g: GlobalId) -> Option<Value> {
        match self.vm.global(g) {
            Value::Unset => None,
            v => Some(v.clone()),
        }
    }

    /// Whether a field is set in a record that no script has touched.
    fn has(&self, slot: usize) -> Option<bool> {
        if slot <= connection::INNER_VLAN {
            return None;
        }
        let field = self.vm.types().record(self.ty)?.fields.get(slot)?;
        // That of conn.log is set by whoever handles `new_connection`.
        (field.optional && field.default.is_none() && &*field.name != "conn").then_some(false)
    }

    fn field(&self, of: Seen, slot: usize) -> Option<Seen> {
        let c = self.c;
        let port = |num| {
            Value::Port(Port {
                num,
                proto: proto(c.transport),
            })
        };
        let value = match (of, slot) {
            (Seen::Connection, connection::ID) => return Some(Seen::Id),
            (Seen::Connection, connection::ORIG) => return Some(Seen::End(true)),
            (Seen::Connection, connection::RESP) => return Some(Seen::End(false)),
            (Seen::Connection, connection::START_TIME) => Value::Time(c.start_time),
            (Seen::Connection, connection::DURATION) => Value::Interval(c.duration()),
            (Seen::Connection, slot) => self.default(slot)?,
            (Seen::Id, conn_id::ORIG_H) => Value::Addr(addr(c.orig.addr)),
            (Seen::Id, conn_id::ORIG_P) => port(c.orig.port),
            (Seen::Id, conn_id::RESP_H) => Value::Addr(addr(c.resp.addr)),
            (Seen::Id, conn_id::RESP_P) => port(c.resp.port),
            (Seen::Id, conn_id::PROTO) => Value::Count(c.ip_proto.into()),
            (Seen::End(is_orig), endpoint::SIZE) => Value::Count(c.size(is_orig)),
            (Seen::End(is_orig), endpoint::STATE) => Value::Count(c.state_number(is_orig)),
            (Seen::End(is_orig), endpoint::NUM_PKTS) => Value::Count(c.end(is_orig).pkts),
            (Seen::End(is_orig), endpoint::NUM_BYTES_IP) => Value::Count(c.end(is_orig).ip_bytes),
            _ => return None,
        };
        Some(Seen::Value(value))
    }

    /// What a field that scripts have added begins with. To read it now must come to the same as to read it when there
    /// is a record: it is a constant, or was set when scripts were loaded.
    fn default(&self, slot: usize) -> Option<Value> {
        if slot <= connection::INNER_VLAN {
            return None;
        }
        let field = self.vm.types().record(self.ty)?.fields.get(slot)?;
        match &self.vm.program().default(field.default?).expr.kind {
            ExprKind::Const(c) => plain_constant(c),
            ExprKind::Global(g) => {
                let storage = self.vm.program().globals.get(g.0 as usize)?.storage;
                matches!(storage, Storage::Const | Storage::Option)
                    .then(|| self.global(*g))
                    .flatten()
                    .filter(Value::is_immediate)
            }
            _ => None,
        }
    }
}

fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::Enum(_, a), Value::Enum(_, b)) => Some(a == b),
        (Value::Port(a), Value::Port(b)) => Some(a == b),
        (Value::Addr(a), Value::Addr(b)) => Some(a == b),
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Count(a), Value::Count(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) | (Value::Interval(a), Value::Interval(b)) => a.partial_cmp(b),
        _ => None,
    }
}
