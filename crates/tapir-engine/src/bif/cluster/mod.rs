//! `Cluster::*`: publishing, subscribing, shared tables, the start of the backend.
//!
//! A node without a backend is a cluster of one: subscriptions are noted, publishing reaches nobody.

mod broker;
pub(crate) mod stores;

use std::sync::Arc;

use tapir_data::table::Table;
use tapir_data::value::Value;
use tapir_interface::queue::REMOTE;
use tapir_vm::{CallCtx, Registry, RtError};

use super::{bytes, number, text};
use crate::cluster;
use crate::host::of;

type Out = Result<Value, RtError>;

fn truth(b: bool) -> Out {
    Ok(Value::Bool(b))
}

/// Name and arguments of what is to be published: an event with its arguments, or a record of one. `None` after a
/// report.
fn event_of(cx: &mut CallCtx<'_>, what: &str, args: &[Value]) -> Result<Option<(Arc<str>, Vec<Value>)>, RtError> {
    match args {
        [] => {
            cx.error("publish needs an event or a record of an event");
            Ok(None)
        }
        [record @ Value::Record(_)] => {
            let event = crate::logs::field(cx, record, "ev")?;
            let values = crate::logs::field(cx, record, "args")?;
            match (event, values) {
                (Value::Func(f), Value::Vector(values)) => {
                    let name = cx.program().functions[f.id.0 as usize].name.clone();
                    Ok(Some((name, values.to_vec())))
                }
                _ => {
                    cx.error(format!("{what}: the record holds no event"));
                    Ok(None)
                }
            }
        }
        args => tapir_builtins::event_call(cx, args, what),
    }
}

/// Publishes an event on a topic.
fn send(cx: &mut CallCtx<'_>, topic: &[u8], what: &str, args: &[Value]) -> Result<bool, RtError> {
    if !of(cx)?.in_cluster() {
        return alone(cx, args);
    }
    let Some((name, args)) = event_of(cx, what, args)? else {
        return Ok(false);
    };
    let Some(message) = cluster::message(cx, name, &args)? else {
        return Ok(false);
    };
    cluster::publish(cx, topic, message)
}

/// Publishing reaches nobody, but what is published is checked.
fn alone(cx: &mut CallCtx<'_>, args: &[Value]) -> Result<bool, RtError> {
    match args.first() {
        None => {
            cx.error("publish needs an event or a record of an event");
            return Ok(false);
        }
        Some(Value::Func(f)) => {
            let f = &cx.program().functions[f.id.0 as usize];
            let (want, got) = (f.sig.params.len(), args.len() - 1);
            if want != got {
                let text = format!("bad # of arguments: got {got} - expect {want} ({})", f.name);
                cx.error(text);
            }
        }
        Some(_) => {}
    }
    Ok(true)
}

fn publish(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let topic = bytes(args.first());
    truth(send(cx, &topic, "Cluster::publish", args.get(1..).unwrap_or_default())?)
}

/// Publishes to the member of a pool that a script function chooses; false where no member is alive.
fn publish_to_pool(cx: &mut CallCtx<'_>, chooser: &str, what: &str, args: &[Value]) -> Out {
    let (Some(pool), Some(key)) = (args.first(), args.get(1)) else {
        cx.error(format!("{what} needs a pool, a key and an event"));
        return truth(false);
    };
    let Some(choose) = crate::script::function(cx.vm, chooser) else {
        return Err(RtError::new(format!("{what} needs the script function {chooser}")));
    };
    match cx.call(&choose, &[pool.clone(), key.clone()])? {
        Value::Str(topic) if !topic.is_empty() => truth(send(cx, &topic, what, args.get(2..).unwrap_or_default())?),
        _ => truth(false),
    }
}

fn publish_rr(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    publish_to_pool(cx, "Cluster::rr_topic", "Cluster::publish_rr", args)
}

fn publish_hrw(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    publish_to_pool(cx, "Cluster::hrw_topic", "Cluster::publish_hrw", args)
}

fn subscribe(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let topic = bytes(args.first());
    of(cx)?.cluster.subscribe(&topic);
    truth(true)
}

fn unsubscribe(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let topic = bytes(args.first());
    of(cx)?.cluster.unsubscribe(&topic);
    truth(true)
}

/// Whether changes of a table are for the cluster.
fn is_shared(t: &Table) -> bool {
    t.attrs().is_some_and(|a| a.publish_on_change.is_some())
}

fn publish_table(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    match args.get(1) {
        Some(Value::Table(t)) if is_shared(t) => {
            let (topic, t) = (bytes(args.first()), t.clone());
            if !of(cx)?.in_cluster() {
                return truth(true);
            }
            truth(cluster::publish_table(cx, &topic, &t, number(args.get(2)))?)
        }
        Some(Value::Table(_)) => {
            cx.error("the table has no &publish_on_change");
            truth(false)
        }
        _ => {
            cx.error("only a table can be published");
            truth(false)
        }
    }
}

fn apply_changes(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (Some(header), Some(changes)) = (args.first(), args.get(1)) else {
        return Err(RtError::new("apply_table_change_infos: wrong arguments"));
    };
    truth(cluster::apply(cx, header, changes)?)
}

fn forward_changes(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let topic = bytes(args.first()).to_vec();
    of(cx)?.cluster.set_forward_topic(topic);
    Ok(Value::Unset)
}

fn init(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    truth(cluster::start(cx, &id)?)
}

fn listen_websocket(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let options = args.first().cloned().unwrap_or_default();
    truth(cluster::listen(cx, &options)?)
}

fn spawn_forwarder(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    truth(cluster::start_forwarder(cx)?)
}

fn generate_keypair(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let t = Table::new(cx.result_type);
    match cluster::keypair() {
        Ok((public, secret)) => {
            for (name, key) in [("public", public), ("secret", secret)] {
                let name = Value::Str(name.as_bytes().into());
                t.insert(&[name], Value::Str(key.as_bytes().into()), 0.0);
            }
        }
        Err(why) => cx.error(format!("cannot make a pair of keys: {why}")),
    }
    Ok(Value::Table(t))
}

fn is_remote_event(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let event = cx.vm.current_event();
    truth(event.is_some_and(|e| e.1.iter().any(|m| m.0 == REMOTE)))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Cluster::publish", publish),
        ("Cluster::publish_rr", publish_rr),
        ("Cluster::publish_hrw", publish_hrw),
        ("Cluster::__subscribe", subscribe),
        ("Cluster::__unsubscribe", unsubscribe),
        ("Cluster::__publish_table", publish_table),
        ("Cluster::set_table_change_infos_forward_topic", forward_changes),
        ("Cluster::apply_table_change_infos", apply_changes),
        ("Cluster::__listen_websocket", listen_websocket),
        ("Cluster::Backend::__init", init),
        ("Cluster::Backend::ZeroMQ::spawn_zmq_proxy_thread", spawn_forwarder),
        ("Cluster::Backend::ZeroMQ::generate_keypair", generate_keypair),
        ("is_remote_event", is_remote_event),
    ]);
    broker::register(r);
    stores::register(r);
}
