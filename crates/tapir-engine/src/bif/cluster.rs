//! `Cluster::*` and `Broker::*` on a node without peers: subscriptions are noted, publishing reaches nobody.

use tapir_data::types::Kind;
use tapir_data::value::{Table, Value};
use tapir_interface::types;
use tapir_vm::{CallCtx, Registry, RtError};

use crate::host::of;

type Out = Result<Value, RtError>;

fn yes(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(true))
}

fn no(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(false))
}

/// Publishing reaches nobody, but what is published is checked.
fn publish(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    match args.get(1) {
        None => {
            cx.error("publish needs an event or a record of an event");
            return Ok(Value::Bool(false));
        }
        Some(Value::Func(f)) => {
            let f = &cx.program().functions[f.id.0 as usize];
            let (want, got) = (f.sig.params.len(), args.len() - 2);
            if want != got {
                let text = format!("bad # of arguments: got {got} - expect {want} ({})", f.name);
                cx.error(text);
            }
        }
        Some(_) => {}
    }
    Ok(Value::Bool(true))
}

/// Publishing to a member of a pool: false where no member is alive.
fn publish_to_pool(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let alive = match args.first() {
        Some(pool @ Value::Record(r)) => match cx.types().record(r.ty).and_then(|l| l.slot("alive_count")) {
            Some(slot) => cx.field(pool, slot as usize)?,
            None => Value::Unset,
        },
        _ => Value::Unset,
    };
    Ok(Value::Bool(matches!(alive, Value::Count(n) if n > 0)))
}

/// Whether changes of a table are for the cluster.
fn is_shared(t: &Table) -> bool {
    t.attrs().is_some_and(|a| a.publish_on_change.is_some())
}

fn publish_table(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    match args.get(1) {
        Some(Value::Table(t)) if is_shared(t) => Ok(Value::Bool(true)),
        Some(Value::Table(_)) => {
            cx.error("the table has no &publish_on_change");
            Ok(Value::Bool(false))
        }
        _ => {
            cx.error("only a table can be published");
            Ok(Value::Bool(false))
        }
    }
}

/// Applies what another node changed in a shared table; false when there is no such table here.
fn apply_changes(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (Some(header), Some(Value::Vector(changes))) = (args.first(), args.get(1)) else {
        return Err(RtError::new("apply_table_change_infos: wrong arguments"));
    };
    let field = |cx: &mut CallCtx<'_>, r: &Value, name: &str| -> Out {
        let slot = match r {
            Value::Record(rec) => cx.types().record(rec.ty).and_then(|l| l.slot(name)),
            _ => None,
        };
        slot.map_or(Ok(Value::Unset), |s| cx.field(r, s as usize))
    };
    let Value::Str(id) = field(cx, header, "id")? else {
        return Ok(Value::Bool(false));
    };
    let id = String::from_utf8_lossy(&id).into_owned();
    let Some(Value::Table(t)) = cx.vm.global_value(&id) else {
        return Ok(Value::Bool(false));
    };
    if !is_shared(&t) {
        return Ok(Value::Bool(false));
    }
    let Kind::Table { index, yields } = cx.types().kind(t.ty).clone() else {
        return Ok(Value::Bool(false));
    };
    for change in changes.to_vec() {
        let Value::Vector(given) = field(cx, &change, "index")? else {
            continue;
        };
        let mut keys = Vec::with_capacity(index.len());
        for (v, ty) in given.to_vec().iter().zip(&index) {
            keys.push(cx.vm.cast(cx.host, v, *ty)?);
        }
        if keys.len() != index.len() {
            continue;
        }
        let now = cx.network_time();
        match field(cx, &change, "change")? {
            // Enumerators of TableChange: new, changed, removed, expired.
            Value::Enum(_, 0 | 1) => {
                let v = match yields {
                    Some(ty) => {
                        let v = field(cx, &change, "value")?;
                        cx.vm.cast(cx.host, &v, ty)?
                    }
                    None => Value::Unset,
                };
                t.insert(&keys, v, now);
            }
            _ => {
                t.remove(&keys);
            }
        }
    }
    cx.vm.note_change(&Value::Table(t));
    Ok(Value::Bool(true))
}

fn needs_cluster(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Err(RtError::new(
        "this function needs a cluster backend, which this node does not run",
    ))
}

fn needs_stores(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Err(RtError::new(
        "Broker stores are not supported; use the Storage framework",
    ))
}

fn node_id(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Str((&b"standalone"[..]).into()))
}

fn peers(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(cx
        .queue()
        .bindings()
        .vector(types::VECTOR_OF_BROKER_PEERINFO, Vec::new()))
}

fn peering_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Table(tapir_data::value::Table::new(cx.result_type)))
}

fn flush_logs(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    of(cx)?.logs.flush_all();
    Ok(Value::Count(0))
}

fn listen(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(args.get(1).cloned().unwrap_or_default())
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Cluster::publish", publish),
        ("Cluster::publish_rr", publish_to_pool),
        ("Cluster::publish_hrw", publish_to_pool),
        ("Cluster::__subscribe", yes),
        ("Cluster::__unsubscribe", yes),
        ("Cluster::__publish_table", publish_table),
        ("Cluster::set_table_change_infos_forward_topic", yes),
        ("Cluster::apply_table_change_infos", apply_changes),
        ("Cluster::__listen_websocket", needs_cluster),
        ("Cluster::Backend::__init", needs_cluster),
        ("Cluster::Backend::ZeroMQ::spawn_zmq_proxy_thread", needs_cluster),
        ("Cluster::Backend::ZeroMQ::generate_keypair", needs_cluster),
        ("Broker::publish", publish),
        ("Broker::__publish_id", yes),
        ("Broker::__subscribe", yes),
        ("Broker::__unsubscribe", yes),
        ("Broker::__forward", yes),
        ("Broker::__listen", listen),
        ("Broker::__peer", no),
        ("Broker::__peer_no_retry", no),
        ("Broker::__unpeer", no),
        ("Broker::__is_outbound_peering", no),
        ("Broker::__peers", peers),
        ("Broker::__peering_stats", peering_stats),
        ("Broker::__node_id", node_id),
        ("Broker::__flush_logs", flush_logs),
        ("is_remote_event", no),
        ("Broker::__create_master", needs_stores),
        ("Broker::__create_clone", needs_stores),
        ("Broker::__is_closed", needs_stores),
        ("Broker::__close", needs_stores),
        ("Broker::__store_name", needs_stores),
        ("Broker::__exists", needs_stores),
        ("Broker::__get", needs_stores),
        ("Broker::__put_unique", needs_stores),
        ("Broker::__get_index_from_value", needs_stores),
        ("Broker::__keys", needs_stores),
        ("Broker::__put", needs_stores),
        ("Broker::__erase", needs_stores),
        ("Broker::__increment", needs_stores),
        ("Broker::__decrement", needs_stores),
        ("Broker::__append", needs_stores),
        ("Broker::__insert_into_set", needs_stores),
        ("Broker::__insert_into_table", needs_stores),
        ("Broker::__remove_from", needs_stores),
        ("Broker::__push", needs_stores),
        ("Broker::__pop", needs_stores),
        ("Broker::__clear", needs_stores),
    ]);
}
