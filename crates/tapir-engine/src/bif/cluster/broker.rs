//! `Broker::*` as far as it means something here: messages travel through the cluster's backend, whatever it is. Peerings
//! of their own are not supported; stores are in `stores.rs`.

use tapir_data::broker::convert;
use tapir_data::broker::event::EventMessage;
use tapir_data::value::Value;
use tapir_interface::types;
use tapir_vm::{CallCtx, Registry};

use super::{Out, alone, bytes, send, subscribe, text, truth, unsubscribe};
use crate::cluster;
use crate::host::of;

/// `Broker::publish`: an event with its arguments, or a record whose arguments are data already.
fn publish(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let topic = bytes(args.first());
    let rest = args.get(1..).unwrap_or_default();
    let [record @ Value::Record(_)] = rest else {
        return truth(send(cx, &topic, "Broker::publish", rest)?);
    };
    if !of(cx)?.in_cluster() {
        return truth(alone(cx, rest)?);
    }
    let name = match crate::logs::field(cx, record, "name")? {
        Value::Str(s) => String::from_utf8_lossy(&s).into_owned(),
        _ => return truth(send(cx, &topic, "Broker::publish", rest)?),
    };
    let Value::Vector(values) = crate::logs::field(cx, record, "args")? else {
        return truth(false);
    };
    let values = values.to_vec();
    let data = values.iter().map(|v| convert::wrapped(cx.types(), v)).collect();
    match data {
        Some(data) => truth(cluster::publish(cx, &topic, EventMessage::new(name, data))?),
        None => {
            cx.error("Broker::publish: the record's arguments are no data");
            truth(false)
        }
    }
}

fn yes(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    truth(true)
}

/// Whether an identifier exists; its value cannot be sent, as nodes do not take identifiers over.
fn publish_id(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    if of(cx)?.in_cluster() {
        let name = text(args.get(1));
        cx.error(format!(
            "the value of {name} cannot be published by name; use &publish_on_change or an event"
        ));
        return truth(false);
    }
    truth(true)
}

const NO_PEERINGS: &str =
    "peerings of Broker are not supported; nodes join a cluster through frameworks/cluster/backend/zeromq";

fn no_peering(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    cx.error(NO_PEERINGS);
    truth(false)
}

fn no(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    truth(false)
}

fn node_id(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let id = of(cx)?.cluster.node_id();
    let id = if id.is_empty() { "standalone" } else { id };
    Ok(Value::Str(id.as_bytes().into()))
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
    let h = of(cx)?;
    h.logs.flush_all();
    crate::logs::send_rows(h, None);
    Ok(Value::Count(0))
}

fn listen(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(args.get(1).cloned().unwrap_or_default())
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Broker::publish", publish),
        ("Broker::__publish_id", publish_id),
        ("Broker::__subscribe", subscribe),
        ("Broker::__unsubscribe", unsubscribe),
        ("Broker::__forward", yes),
        ("Broker::__listen", listen),
        ("Broker::__peer", no_peering),
        ("Broker::__peer_no_retry", no_peering),
        ("Broker::__unpeer", no),
        ("Broker::__is_outbound_peering", no),
        ("Broker::__peers", peers),
        ("Broker::__peering_stats", peering_stats),
        ("Broker::__node_id", node_id),
        ("Broker::__flush_logs", flush_logs),
    ]);
}
