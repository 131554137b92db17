//! Connections without a record: whether the handlers of their beginning and end can do without one, and what stands
//! for those that have ended until the event is handled.
//!
//! Every flow of a flood passes `new_connection` and `connection_state_remove`. Where all their handlers are of the kind
//! that `base/` has (begin and finish the record of conn.log, write it, look at a field that only scripts set), nobody
//! sees the `connection` record, and it need not be made. One handler that does anything else, and all is as ever.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tapir_analyzers::core::{Begun, ConnInfo, Shared};
use tapir_data::value::{Opaque, Value};
use tapir_flow::{Conn, ConnId};
use tapir_interface::queue::EventId;
use tapir_interface::slots::connection as slot;
use tapir_script::hir::{Body, Callee, Const, Expr, ExprKind, FunctionKind, LocalId, Stmt, StmtKind};
use tapir_vm::{CallCtx, Late, RtError, Vm};

use crate::bif::conn_log::{self, Plan};
use crate::host::EngineHost;
use crate::net::{self, ConnExt, Net};
use crate::{dry, logs};

/// What can go without a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Handlers of `new_connection` would do nothing for a connection outside of tunnels but to begin the record of
    /// conn.log, if that.
    pub begin: Option<bool>,
    /// Handlers of `connection_state_remove` would do nothing for a connection that scripts never saw but to write
    /// conn.log.
    pub end: bool,
    /// Whether they write it.
    writes: bool,
}

/// The judgement, and the state of the handlers that it is for.
#[derive(Default)]
pub struct Judge {
    changes: Option<u32>,
    judgement: Judgement,
    /// By event: its handlers, if it may be that they only look.
    lookers: HashMap<EventId, Option<Rc<[Arc<Body>]>>>,
}

/// Connections that began while one packet was processed, without a record.
#[derive(Default)]
pub struct Fresh {
    pub ids: Vec<ConnId>,
}

impl Fresh {
    /// The packet is done, and events are to be handled: how many connections would have been told of by one that did
    /// nothing of interest.
    pub fn settle(&mut self, net: &mut Net, judgement: Judgement) -> u64 {
        let mut n = 0;
        let owed = judgement.begin == Some(true);
        for id in self.ids.drain(..) {
            // Those that are gone again were told of as ever.
            let Some(c) = net.flow.conn_mut(id) else { continue };
            let was = std::mem::replace(&mut c.mark, if owed { net::OWED } else { 0 });
            let fresh = match &mut c.ext.app {
                None => was == net::FRESH,
                Some(app) if app.info.begun == Begun::Fresh => {
                    app.info.begun = if owed { Begun::Owed } else { Begun::Yes };
                    true
                }
                Some(_) => false,
            };
            n += u64::from(fresh);
        }
        n
    }
}

/// What the making of records needs of the state that analyzers share, for when that is away.
#[derive(Clone, Default)]
pub struct RecordParts {
    conn_slots: usize,
    unsized_conns: bool,
    empty_ctx: Option<Value>,
    ctx_vlan_slots: Option<(usize, usize)>,
}

impl RecordParts {
    /// The parts of some state.
    pub fn of(shared: &Shared) -> Self {
        RecordParts {
            conn_slots: shared.conn_slots,
            unsized_conns: !shared.conn_sizes,
            empty_ctx: shared.empty_ctx.clone(),
            ctx_vlan_slots: shared.ctx_vlan_slots,
        }
    }

    fn stand_in(&self, plan: Option<Rc<Plan>>) -> Shared {
        let mut shared = Shared::new();
        shared.conn_slots = self.conn_slots;
        shared.conn_sizes = !self.unsized_conns;
        shared.empty_ctx = self.empty_ctx.clone();
        shared.ctx_vlan_slots = self.ctx_vlan_slots;
        shared.begin_record = plan.and_then(conn_log::beginner);
        shared
    }
}

/// What one statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Begins the record of conn.log.
    Begin,
    Finish,
    Write,
    /// Nothing unless a field of the connection is set.
    Looks(usize),
    /// Something else.
    Anything,
}

/// What handlers can do with the connection, the only thing that they are given.
struct Reader<'a> {
    vm: &'a Vm,
    plan: Option<&'a Plan>,
}

/// What is inside of implicit conversions.
fn bare(e: &Expr) -> &Expr {
    match &e.kind {
        ExprKind::Coerce(inner) => bare(inner),
        _ => e,
    }
}

fn is_local(e: &Expr, n: u32) -> bool {
    matches!(bare(e).kind, ExprKind::Local(LocalId(l)) if l == n)
}

impl Reader<'_> {
    fn body(&self, b: &Body, out: &mut Vec<Does>) {
        match self.vm.program().parts(b) {
            Ok(parts) if b.params == [0] => parts.stmts.iter().for_each(|s| self.stmt(s, out)),
            _ => out.push(Does::Anything),
        }
    }

    fn stmt(&self, s: &Stmt, out: &mut Vec<Does>) {
        match &s.kind {
            StmtKind::Null => {}
            StmtKind::Block(list) => list.iter().for_each(|s| self.stmt(s, out)),
            StmtKind::If(cond, _, None) => out.push(match &bare(cond).kind {
                ExprKind::HasField(of, slot) if is_local(of, 0) => Does::Looks(*slot as usize),
                _ => Does::Anything,
            }),
            StmtKind::Expr(e) => out.push(self.call(e)),
            _ => out.push(Does::Anything),
        }
    }

    fn call(&self, e: &Expr) -> Does {
        let ExprKind::Call(Callee::Func(f), args) = &bare(e).kind else {
            return Does::Anything;
        };
        let is = |name| self.vm.func_id(name) == Some(*f);
        match &args[..] {
            [c] if is_local(c, 0) && is("Conn::__begin_record") => Does::Begin,
            [c] if is_local(c, 0) && is("Conn::__finish_record") => Does::Finish,
            [id, row] if is("Log::write") && self.writes_natively() && self.is_conn_row(id, row) => Does::Write,
            _ => Does::Anything,
        }
    }

    fn is_conn_row(&self, id: &Expr, row: &Expr) -> bool {
        let Some(plan) = self.plan else { return false };
        let is_stream = match &bare(id).kind {
            ExprKind::Const(Const::Enum(_, n)) => plan.is_stream(*n),
            _ => false,
        };
        is_stream && matches!(&bare(row).kind, ExprKind::Field(c, at) if is_local(c, 0) && *at as usize == plan.conn)
    }

    /// Whether `Log::write` does no more than to call the built-in.
    fn writes_natively(&self) -> bool {
        let native = self.vm.func_id("Log::__write");
        let function = self.vm.func_id("Log::write");
        let body = match function.map(|f| &self.vm.program().functions[f.0 as usize].kind) {
            Some(FunctionKind::Script(bodies)) => match &bodies[..] {
                [one] => one,
                _ => return false,
            },
            _ => return false,
        };
        let [
            Stmt {
                kind: StmtKind::Return(Some(e)),
                ..
            },
        ] = self.vm.program().parts(body).map_or(&[][..], |parts| &parts.stmts)
        else {
            return false;
        };
        match &bare(e).kind {
            ExprKind::Call(Callee::Func(f), args) => {
                Some(*f) == native && args.len() == 2 && is_local(&args[0], 0) && is_local(&args[1], 1)
            }
            _ => false,
        }
    }

    /// Whether a field is unset unless a script has set it.
    fn only_scripts_set(&self, at: usize) -> bool {
        let Some(plan) = self.plan else { return false };
        let field = self.vm.types().record(plan.connection).and_then(|l| l.fields.get(at));
        at > slot::INNER_VLAN && at != plan.conn && field.is_some_and(|f| f.optional && f.default.is_none())
    }
}

/// Whether connections need their records: there is a handler that is told of all events, or they do not tell their sizes.
fn needs_records(vm: &mut Vm) -> bool {
    crate::globals::flag(vm, "use_conn_size_analyzer") == Some(false)
        || vm.func_id("new_event").is_some_and(|f| vm.is_handled(f))
}

/// What the handlers of an event would do, in order; `None` when connections need their records.
fn deeds(vm: &mut Vm, plan: Option<&Plan>, event: &str) -> Option<Vec<Does>> {
    if needs_records(vm) {
        return None;
    }
    let bodies = vm.func_id(event).map(|f| vm.enabled_bodies(f)).unwrap_or_default();
    let reader = Reader { vm, plan };
    let mut out = Vec::new();
    bodies.iter().for_each(|b| reader.body(b, &mut out));
    Some(out)
}

fn judge(vm: &mut Vm, plan: Option<&Plan>, is_simple: bool) -> Judgement {
    let mut judgement = Judgement::default();
    let Some(plan) = plan.filter(|p| is_simple && p.is_simple()) else {
        return judgement;
    };
    if let Some(list) = deeds(vm, Some(plan), "new_connection") {
        let reader = Reader { vm, plan: Some(plan) };
        let idle = |d: &Does| match *d {
            Does::Begin => true,
            Does::Looks(at) => at == slot::TUNNEL || reader.only_scripts_set(at),
            _ => false,
        };
        judgement.begin = list.iter().all(idle).then(|| list.contains(&Does::Begin));
    }
    if let Some(list) = deeds(vm, Some(plan), "connection_state_remove") {
        let reader = Reader { vm, plan: Some(plan) };
        let idle = |d: &Does| match *d {
            Does::Finish | Does::Write => true,
            Does::Looks(at) => reader.only_scripts_set(at),
            _ => false,
        };
        let place = |what| list.iter().position(|d| *d == what);
        let writes = list.iter().filter(|d| **d == Does::Write).count();
        let in_order = writes == 0 || (writes == 1 && place(Does::Finish) < place(Does::Write));
        judgement.end = list.iter().all(idle) && in_order && (writes == 0 || place(Does::Finish).is_some());
        judgement.writes = writes == 1;
    }
    judgement
}

/// What can go without a record as things are.
pub fn judgement(vm: &mut Vm, host: &mut EngineHost) -> Judgement {
    let changes = Some(vm.handler_changes());
    if host.judge.changes != changes {
        let plan = host.conn_log.clone();
        host.judge = Judge {
            changes,
            judgement: judge(vm, plan.as_deref(), host.plain_ids),
            lookers: HashMap::new(),
        };
    }
    host.judge.judgement
}

fn lookers(vm: &mut Vm, event: EventId) -> Option<Rc<[Arc<Body>]>> {
    if needs_records(vm) {
        return None;
    }
    let bodies = vm.event_func(event).map(|f| vm.enabled_bodies(f))?;
    bodies
        .iter()
        .all(|b| dry::is_worth_it(vm.program(), b))
        .then(|| bodies.into())
}

/// Whether the handlers of an event about a connection without a record would do nothing, as things are: nothing else
/// must wait to be handled before. The event counts as handled then.
pub fn passes(vm: &mut Vm, host: &mut EngineHost, event: EventId, c: &Conn<ConnExt>) -> bool {
    let Some(ty) = host.connection_type else {
        return false;
    };
    judgement(vm, host);
    let bodies = host.judge.lookers.entry(event).or_insert_with(|| lookers(vm, event));
    let passes = bodies.as_ref().is_some_and(|b| dry::nothing_to_do(vm, ty, b, c));
    if passes && let Some(f) = vm.event_func(event) {
        vm.count_events(f, 1);
    }
    passes
}

/// A connection that has ended and has no record: the argument of its `connection_state_remove` until that is handled.
pub struct Ended {
    conn: ConnId,
    info: RefCell<ConnInfo>,
}

impl Ended {
    /// As a value, which no script ever sees.
    pub fn wrap(conn: ConnId, info: ConnInfo) -> Value {
        Value::Opaque(Rc::new(Ended {
            conn,
            info: RefCell::new(info),
        }))
    }
}

impl Opaque for Ended {
    fn type_name(&self) -> &str {
        "connection"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Handles the end of a connection without a record, or makes the record after all.
///
/// # Errors
/// Those of writing a row.
pub fn late(host: &mut EngineHost, vm: &mut Vm, args: &mut Vec<Value>) -> Result<Late, RtError> {
    let Some(Value::Opaque(o)) = args.first() else {
        return Ok(Late::Unknown);
    };
    let o = o.clone();
    let Some(ended) = o.as_any().downcast_ref::<Ended>() else {
        return Ok(Late::Unknown);
    };
    // At the end of the run connections can be looked up until all have ended. In the middle of a packet, when the table
    // is away, nobody can have looked this one up.
    let table = host.net.as_ref().map(|net| &net.flow);
    let known = table.and_then(|t| t.conn(ended.conn)?.ext.app.as_ref()?.info.value.clone());
    if let Some(c) = known {
        *args = vec![c];
        return Ok(Late::Made);
    }
    let now = judgement(vm, host);
    let plan = host.conn_log.clone();
    let mut cx = CallCtx {
        vm,
        host,
        arg_types: &[],
        result_type: tapir_data::types::builtin::VOID,
    };
    if let (true, Some(plan)) = (now.end, plan)
        && (!now.writes || logs::is_plain(&mut cx, plan.stream(), plan.info)?)
    {
        if now.writes {
            conn_log::write_ended(&mut cx, &plan, &ended.info.borrow())?;
        }
        return Ok(Late::Handled);
    }
    let mut info = ended.info.borrow_mut();
    let c = match &mut host.net {
        Some(net) => info.value_now(vm.queue(), &mut net.shared),
        None => info.value_now(vm.queue(), &mut host.record_parts.stand_in(host.conn_log.clone())),
    };
    *args = vec![c];
    Ok(Late::Made)
}
