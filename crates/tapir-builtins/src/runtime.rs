//! What scripts ask of the machine that runs them: options, event groups, metadata, recursion, backtraces, time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tapir_data::broker::convert;
use tapir_data::copy::deep_copy;
use tapir_data::text::{type_text, value_type_text};
use tapir_data::types::{Flavor, FuncType, Kind, TypeId, builtin};
use tapir_data::value::{Value, Vector};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("Option::set", option_set),
    ("Option::set_change_handler", option_set_change_handler),
    ("enable_event_group", |ctx, a| switch_group(ctx, a, false, true)),
    ("disable_event_group", |ctx, a| switch_group(ctx, a, false, false)),
    ("has_event_group", |ctx, a| has_group(ctx, a, false)),
    ("enable_module_events", |ctx, a| switch_group(ctx, a, true, true)),
    ("disable_module_events", |ctx, a| switch_group(ctx, a, true, false)),
    ("has_module_events", |ctx, a| has_group(ctx, a, true)),
    ("is_event_handled", is_event_handled),
    ("generate_all_events", generate_all_events),
    ("get_event_handler_stats", get_event_handler_stats),
    ("EventMetadata::register", metadata_register),
    ("EventMetadata::current", metadata_current),
    ("EventMetadata::current_all", metadata_current_all),
    ("backtrace", |ctx, _| {
        let ty = ctx.result_type;
        Ok(ctx.vm.backtrace_vector(ty, Some("backtrace")))
    }),
    ("set_max_recursion_depth", set_max_recursion_depth),
    ("get_max_recursion_depth", get_max_recursion_depth),
    ("set_network_time", set_network_time),
    ("current_event_time", current_event_time),
    ("Broker::make_event", broker_make_event),
    ("Cluster::make_event", cluster_make_event),
    ("__init_secondary_bifs", |_, _| Ok(Value::Bool(true))),
];

// ---- options ----

/// The value as one of the option's type; `None` when it cannot be.
fn fit(ctx: &mut CallCtx<'_>, v: &Value, ty: TypeId) -> Result<Option<Value>, RtError> {
    let have = ctx.type_of(v);
    if ctx.types().same(have, ty) || matches!(ctx.types().kind(ty), Kind::Any) {
        return Ok(Some(v.clone()));
    }
    if convert::wrapped(ctx.types(), v).is_some() {
        return Ok(ctx.vm.cast(ctx.host, v, ty).ok());
    }
    let empty = match v {
        Value::Table(t) => t.is_empty(),
        Value::Vector(v) => v.len() == 0,
        _ => false,
    };
    let container = |k: &Kind| matches!(k, Kind::Table { .. } | Kind::Vector(_));
    let untyped = match ctx.types().kind(have) {
        Kind::Empty => true,
        Kind::Table { index, .. } => index
            .iter()
            .any(|t| matches!(ctx.types().kind(*t), Kind::Any | Kind::Empty | Kind::Error)),
        Kind::Vector(of) => matches!(ctx.types().kind(*of), Kind::Any | Kind::Empty | Kind::Error),
        _ => false,
    };
    if empty && container(ctx.types().kind(ty)) && (untyped || matches!(ctx.types().kind(have), Kind::Empty)) {
        return Ok(Some(ctx.vm.empty_value(ty, None)));
    }
    // Elements of containers of any are looked at one by one.
    match (ctx.types().kind(ty).clone(), v) {
        (Kind::Vector(of), Value::Vector(items)) if untyped => {
            let all = items.to_vec();
            let fits = all.iter().all(|i| ctx.types().same(ctx.type_of(i), of));
            Ok(fits.then(|| Value::Vector(Vector::new(ty, all))))
        }
        _ => Ok(None),
    }
}

fn option_set(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (name, value, location) = (lossy(a.str(0)?), a.any(1)?.clone(), lossy(a.str(2)?));
    if ctx.vm.is_terminating() {
        return Ok(Value::Bool(false));
    }
    let Some(g) = ctx.vm.global_id(&name) else {
        ctx.error(format!("Could not find ID named '{name}'"));
        return Ok(Value::Bool(false));
    };
    if !ctx.vm.is_option(g) {
        ctx.error(format!("ID '{name}' is not an option"));
        return Ok(Value::Bool(false));
    }
    let ty = ctx.program().globals[g.0 as usize].ty;
    let Some(value) = fit(ctx, &value, ty)? else {
        let (got, need) = (value_type_text(ctx.types(), &value), type_text(ctx.types(), ty));
        ctx.error(format!(
            "Incompatible type for set of ID '{name}': got {got}, need {need}"
        ));
        return Ok(Value::Bool(false));
    };
    Ok(Value::Bool(ctx.vm.set_option(ctx.host, g, value, &location)?))
}

fn option_set_change_handler(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (name, f, priority) = (lossy(a.str(0)?), a.any(1)?.clone(), a.int(2)?);
    let fail = |ctx: &mut CallCtx<'_>, text: String| {
        ctx.error(text);
        Ok(Value::Bool(false))
    };
    let Some(g) = ctx.vm.global_id(&name) else {
        return fail(ctx, format!("Could not find ID named '{name}'"));
    };
    if !ctx.vm.is_option(g) {
        return fail(ctx, format!("ID '{name}' is not an option"));
    }
    let ty = ctx.program().globals[g.0 as usize].ty;
    let sig: Option<FuncType> = match &f {
        Value::Func(func) => match ctx.types().kind(func.ty) {
            Kind::Func(sig) => Some(sig.clone()),
            _ => None,
        },
        _ => None,
    };
    let Some(sig) = sig else {
        return fail(
            ctx,
            format!("Option.on_change argument for '{name}' needs to be a function"),
        );
    };
    let types = ctx.types();
    let params: Vec<TypeId> = sig.params.iter().map(|p| p.ty).collect();
    let good = sig.flavor == Flavor::Function
        && matches!(params.len(), 2 | 3)
        && types.same(params[0], builtin::STRING)
        && (types.same(params[1], ty) || matches!(types.kind(params[1]), Kind::Any))
        && params.get(2).is_none_or(|t| types.same(*t, builtin::STRING))
        && (types.same(sig.yields, ty) || matches!(types.kind(sig.yields), Kind::Any));
    if !good {
        return fail(
            ctx,
            format!("Option::on_change function has wrong type for option '{name}'"),
        );
    }
    ctx.vm.add_option_handler(g, f, priority);
    Ok(Value::Bool(true))
}

// ---- events ----

/// What the machine calls a group: handlers outside of any module are those of the module `GLOBAL`.
fn group_key(name: &str, module: bool) -> Option<&str> {
    match name {
        "GLOBAL" if module => Some(""),
        "" if module => None,
        name => Some(name),
    }
}

fn switch_group(ctx: &mut CallCtx<'_>, a: &[Value], module: bool, on: bool) -> Res {
    let name = lossy(a.str(0)?);
    let found = group_key(&name, module).is_some_and(|n| ctx.vm.set_event_group(n, module, on));
    if !found {
        ctx.error(format!("no such event group: {name}"));
    }
    Ok(Value::Bool(found))
}

fn has_group(ctx: &mut CallCtx<'_>, a: &[Value], module: bool) -> Res {
    let name = lossy(a.str(0)?);
    let found = group_key(&name, module).is_some_and(|n| ctx.vm.has_event_group(n, module));
    Ok(Value::Bool(found))
}

/// Set once all events are raised whether or not they are handled.
#[derive(Default)]
struct AllEvents(bool);

fn is_event_handled(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = lossy(a.str(0)?);
    let event = ctx.vm.func_id(&name).filter(|f| {
        let function = &ctx.program().functions[f.0 as usize];
        function.sig.flavor == Flavor::Event
    });
    match event {
        Some(f) => {
            let all = ctx.vm.state::<AllEvents>().0;
            Ok(Value::Bool(all || ctx.vm.is_handled(f)))
        }
        None => {
            ctx.error(format!("unknown event {name} in is_event_handled()"));
            Ok(Value::Bool(false))
        }
    }
}

fn generate_all_events(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    ctx.vm.state::<AllEvents>().0 = true;
    ctx.queue().want_all();
    Ok(Value::Bool(true))
}

fn get_event_handler_stats(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let ty = element_type(ctx.types(), ctx.result_type);
    let counts: Vec<(String, u64)> = ctx.vm.event_counts().map(|(n, c)| (n.to_string(), c)).collect();
    let types = ctx.types();
    let made = counts
        .iter()
        .map(|(name, n)| record(types, ty, &[("name", string(name)), ("times_called", Value::Count(*n))]));
    let made = made.collect();
    Ok(vector(ctx, made))
}

/// Types of the metadata that scripts registered, by id.
#[derive(Default)]
struct Metadata(BTreeMap<i64, TypeId>);

/// The id of the network timestamp.
const NETWORK_TIMESTAMP: u64 = 1;

/// The type that scripts registered for a metadata id.
pub fn metadata_type(vm: &mut tapir_vm::Vm, id: u64) -> Option<TypeId> {
    let id = i64::try_from(id).ok()?;
    vm.state::<Metadata>().0.get(&id).copied()
}

fn metadata_register(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (Value::Enum(_, id), Value::Type(ty)) = (a.any(0)?, a.any(1)?) else {
        ctx.error("register() requires a type argument");
        return Ok(Value::Bool(false));
    };
    let known = ctx.vm.state::<Metadata>().0.get(id).copied();
    match known {
        None => {
            ctx.vm.state::<Metadata>().0.insert(*id, *ty);
            Ok(Value::Bool(true))
        }
        Some(t) => Ok(Value::Bool(ctx.types().same(t, *ty))),
    }
}

/// Id and value of the metadata of the event that is being handled.
fn metadata(ctx: &CallCtx<'_>) -> Vec<(u64, Value)> {
    let mut all = Vec::new();
    if let Some((time, more)) = ctx.vm.current_event() {
        let stamped = matches!(
            ctx.vm.global_value("EventMetadata::add_network_timestamp"),
            Some(Value::Bool(true))
        );
        if stamped && !more.iter().any(|m| m.0 == NETWORK_TIMESTAMP) {
            all.push((NETWORK_TIMESTAMP, Value::Time(*time)));
        }
        all.extend(more.iter().filter(|m| m.0 != tapir_interface::queue::REMOTE).cloned());
    }
    all
}

fn metadata_current(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Value::Enum(_, id) = a.any(0)? else {
        return Err(RtError::new("EventMetadata::current: enumerator expected"));
    };
    let found = metadata(ctx).into_iter().filter(|m| m.0 as i64 == *id);
    Ok(vector(ctx, found.map(|m| m.1).collect()))
}

fn metadata_current_all(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let entry = element_type(ctx.types(), ctx.result_type);
    let id_ty = field_type(ctx.types(), entry, "id");
    let all = metadata(ctx).into_iter();
    let made = all.map(|(id, v)| record(ctx.types(), entry, &[("id", Value::Enum(id_ty, id as i64)), ("val", v)]));
    Ok(vector(ctx, made.collect()))
}

/// The depth that a script asked for, where it asked.
#[derive(Default)]
struct Depth(Option<u64>);

/// The most that the machine is made to go down, whatever is asked for; also what 0 (no bound) means.
const DEPTH_MAX: u64 = 100_000;

fn set_max_recursion_depth(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = a.count(0)?;
    ctx.vm.state::<Depth>().0 = Some(n);
    let mut limits = ctx.vm.limits().clone();
    limits.depth_max = if n == 0 { DEPTH_MAX } else { n.min(DEPTH_MAX) } as usize;
    ctx.vm.set_limits(limits);
    Ok(Value::Unset)
}

fn get_max_recursion_depth(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let asked = ctx.vm.state::<Depth>().0;
    Ok(Value::Count(asked.unwrap_or(ctx.vm.limits().depth_max as u64)))
}

fn set_network_time(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let t = a.double(0)?;
    ctx.vm.set_network_time(t);
    Ok(Value::Bool(true))
}

/// The time of events that carry none.
const NO_TIMESTAMP: f64 = -1.0;

fn current_event_time(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let stamp = metadata(ctx).into_iter().find(|m| m.0 == NETWORK_TIMESTAMP);
    Ok(stamp.map_or(Value::Time(NO_TIMESTAMP), |m| m.1))
}

// ---- events as values ----

/// Name and arguments of an event to be sent, converted to the declared types; `None` after a report.
///
/// # Errors
/// Those of conversions between record types.
pub fn event_call(ctx: &mut CallCtx<'_>, a: &[Value], what: &str) -> Result<Option<(Arc<str>, Vec<Value>)>, RtError> {
    let Some(Value::Func(f)) = a.first() else {
        ctx.error(format!("{what} expects an event as its first argument"));
        return Ok(None);
    };
    let function = &ctx.program().functions[f.id.0 as usize];
    let (name, sig) = (function.name.clone(), function.sig.clone());
    if sig.flavor != Flavor::Event {
        ctx.error(format!("{what} expects an event as its first argument, got {name}"));
        return Ok(None);
    }
    if sig.params.len() != a.len() - 1 {
        ctx.error(format!(
            "bad # of arguments: got {} - expect {} ({name})",
            a.len() - 1,
            sig.params.len()
        ));
        return Ok(None);
    }
    let mut args = Vec::with_capacity(sig.params.len());
    for (v, p) in a[1..].iter().zip(sig.params.iter()) {
        let have = ctx.type_of(v);
        let direct = ctx.types().same(have, p.ty) || matches!(ctx.types().kind(p.ty), Kind::Any | Kind::Opaque(_));
        let records = matches!(ctx.types().kind(p.ty), Kind::Record(_)) && matches!(v, Value::Record(_));
        let empty = match v {
            Value::Table(t) => t.is_empty(),
            Value::Vector(v) => v.len() == 0,
            _ => false,
        };
        if direct {
            args.push(v.clone());
        } else if records || empty {
            args.push(ctx.vm.coerce(ctx.host, v, p.ty)?);
        } else {
            let (got, need) = (value_type_text(ctx.types(), v), type_text(ctx.types(), p.ty));
            ctx.error(format!(
                "event parameter '{}' type mismatch, got {got}, expecting {need} ({name})",
                p.name
            ));
            return Ok(None);
        }
    }
    Ok(Some((name, args)))
}

fn broker_make_event(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = ctx.result_type;
    let args_ty = field_type(ctx.types(), ty, "args");
    let data_ty = element_type(ctx.types(), args_ty);
    let list = |items| Value::Vector(Vector::new(args_ty, items));
    let Some((name, args)) = event_call(ctx, a, "Broker::make_event")? else {
        return Ok(record(ctx.types(), ty, &[("args", list(Vec::new()))]));
    };
    let mut wrapped = Vec::with_capacity(args.len());
    for v in &args {
        ctx.materialize(v)?;
        let made = convert::to_data(&VmText(ctx.vm), v);
        match made {
            Ok(d) => wrapped.push(convert::wrap(data_ty, d)),
            Err(e) => {
                ctx.error(format!("failed to convert an argument of event {name}: {e}"));
                return Ok(record(ctx.types(), ty, &[("args", list(Vec::new()))]));
            }
        }
    }
    Ok(record(
        ctx.types(),
        ty,
        &[("name", string(&*name)), ("args", list(wrapped))],
    ))
}

fn cluster_make_event(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = ctx.result_type;
    let args_ty = field_type(ctx.types(), ty, "args");
    let list = |items| Value::Vector(Vector::new(args_ty, items));
    let made = event_call(ctx, a, "Cluster::make_event")?;
    let types = ctx.types();
    Ok(match made {
        None => record(types, ty, &[("args", list(Vec::new()))]),
        Some((_, args)) => {
            let args = args.iter().map(deep_copy).collect();
            record(types, ty, &[("ev", a.any(0)?.clone()), ("args", list(args))])
        }
    })
}
