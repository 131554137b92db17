//! `Cluster::*` and `Broker::*` on a node without peers: subscriptions are noted, publishing reaches nobody.

use tapir_data::value::Value;
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
        ("Cluster::publish", yes),
        ("Cluster::publish_rr", yes),
        ("Cluster::publish_hrw", yes),
        ("Cluster::__subscribe", yes),
        ("Cluster::__unsubscribe", yes),
        ("Cluster::__publish_table", yes),
        ("Cluster::set_table_change_infos_forward_topic", yes),
        ("Cluster::apply_table_change_infos", needs_cluster),
        ("Cluster::__listen_websocket", needs_cluster),
        ("Cluster::Backend::__init", needs_cluster),
        ("Cluster::Backend::ZeroMQ::spawn_zmq_proxy_thread", needs_cluster),
        ("Cluster::Backend::ZeroMQ::generate_keypair", needs_cluster),
        ("Broker::publish", yes),
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
