//! What arrives from the cluster: events become queued events with typed arguments, rows go to the local writers.

use std::rc::Rc;

use tapir_cluster::Incoming;
use tapir_data::broker::Data;
use tapir_data::broker::event::{EventMessage, NETWORK_TIMESTAMP};
use tapir_data::types::{Flavor, Kind, TypeId};
use tapir_data::value::Value;
use tapir_interface::queue::{EventId, QueuedEvent, REMOTE};
use tapir_vm::{CallCtx, RtError, Severity};

use super::{Known, complain, metrics, peers, stores, websocket};
use crate::host::of;

/// Handles one message.
pub(super) fn take(cx: &mut CallCtx<'_>, message: Incoming) -> Result<(), RtError> {
    match message {
        Incoming::Event { topic, event } if *event.name == *crate::stores::EVENT => stores::take(cx, &topic, &event),
        Incoming::Event { topic, event } => queue(cx, &topic, &event),
        Incoming::Subscribed(topic) => {
            stores::noticed(cx, &topic, true)?;
            // Repetitions mean nothing: only whether anybody subscribes.
            if of(cx)?.cluster.seen.insert(topic.clone()) {
                raise_topic(cx, "Cluster::Backend::ZeroMQ::subscription", topic);
            }
            Ok(())
        }
        Incoming::Unsubscribed(topic) => {
            stores::noticed(cx, &topic, false)?;
            of(cx)?.cluster.seen.remove(&topic);
            raise_topic(cx, "Cluster::Backend::ZeroMQ::unsubscription", topic);
            Ok(())
        }
        // Nodes know from greetings that they reach each other.
        Incoming::Ready => Ok(()),
        Incoming::Logs(batch) => crate::logs::accept(cx, batch),
        Incoming::Peer(news) => {
            peers::tell(cx, &news);
            Ok(())
        }
        Incoming::Error { tag, message } => {
            cx.report_plain(Severity::Error, format!("cluster: {message}"));
            let args = [tag.as_bytes(), message.as_bytes()];
            let args = args.iter().map(|s| Value::Str((*s).into())).collect();
            cx.vm.raise_named("Cluster::Backend::error", args);
            Ok(())
        }
        Incoming::Warning(message) => {
            cx.report_plain(Severity::Warning, format!("cluster: {message}"));
            Ok(())
        }
        Incoming::Monitoring { number, value, address } => {
            let numbers = [u64::from(number), u64::from(value)];
            let mut args = numbers.map(Value::Count).to_vec();
            args.push(Value::Str(address.as_bytes().into()));
            cx.vm.raise_named("Cluster::Backend::ZeroMQ::monitoring_event", args);
            Ok(())
        }
        Incoming::ClientAdded { client, subscriptions } => {
            websocket::added(cx, &client, &subscriptions);
            Ok(())
        }
        Incoming::ClientLost { client, code, reason } => {
            websocket::lost(cx, &client, code, &reason);
            Ok(())
        }
        Incoming::ClientEvent(e) => websocket::publish(cx, &e),
        Incoming::Fatal(why) => {
            of(cx)?.cluster.fatal = Some(why);
            Ok(())
        }
    }
}

fn raise_topic(cx: &mut CallCtx<'_>, event: &str, topic: Vec<u8>) {
    cx.vm.raise_named(event, vec![Value::Str(topic.as_slice().into())]);
}

fn look_up(cx: &CallCtx<'_>, name: &str) -> Option<Known> {
    let func = cx.vm.func_id(name)?;
    let sig = &cx.program().functions[func.0 as usize].sig;
    if sig.flavor != Flavor::Event {
        return None;
    }
    Some(Known {
        id: cx.vm.event_id(func)?,
        params: sig.params.iter().map(|p| p.ty).collect(),
    })
}

/// Names beyond this are looked up each time: foreign names must not fill the memory.
const KNOWN_MAX: usize = 4096;

/// An event of this program by its name, with the types of its parameters.
fn known(cx: &mut CallCtx<'_>, name: &str) -> Result<Option<(EventId, Rc<[TypeId]>)>, RtError> {
    if let Some(k) = of(cx)?.cluster.known.get(name) {
        return Ok(k.as_ref().map(|k| (k.id, k.params.clone())));
    }
    let found = look_up(cx, name);
    let result = found.as_ref().map(|k| (k.id, k.params.clone()));
    let known = &mut of(cx)?.cluster.known;
    if known.len() < KNOWN_MAX {
        known.insert(name.to_string(), found);
    }
    Ok(result)
}

/// An event's argument. Nothing at all is none, whatever its type: only fields of records may be left out.
fn argument(cx: &mut CallCtx<'_>, d: &Data, ty: TypeId) -> Option<Value> {
    match d {
        Data::None => None,
        d => cx.vm.value_from_data(cx.host, d, ty),
    }
}

/// Whether an event is declared here and its arguments fit.
pub(super) fn fits(cx: &mut CallCtx<'_>, event: &EventMessage) -> Result<bool, RtError> {
    let Some((_, params)) = known(cx, &event.name)? else {
        return Ok(false);
    };
    Ok(params.len() == event.args.len()
        && event
            .args
            .iter()
            .zip(params.iter())
            .all(|(d, ty)| argument(cx, d, *ty).is_some()))
}

/// Queues an event of another node if it is declared here and its arguments fit; says so if not.
fn queue(cx: &mut CallCtx<'_>, topic: &[u8], event: &EventMessage) -> Result<(), RtError> {
    let Some((id, params)) = known(cx, &event.name)? else {
        return complain(
            cx,
            format!(
                "event '{}' arrived from the cluster, but is not declared here",
                event.name
            ),
        );
    };
    if params.len() != event.args.len() {
        let text = format!(
            "event '{}' arrived from the cluster with {} arguments instead of {}",
            event.name,
            event.args.len(),
            params.len()
        );
        return complain(cx, text);
    }
    if !cx.queue().wants(id) {
        return metrics::event(cx, false, topic, event);
    }
    let mut args = Vec::with_capacity(params.len());
    for (i, (d, ty)) in event.args.iter().zip(params.iter()).enumerate() {
        match argument(cx, d, *ty) {
            Some(v) => args.push(v),
            None => {
                let want = tapir_data::text::type_text(cx.types(), *ty);
                // What is inside of such values is known to the program that made them, as the hashes of Bloom filters are.
                let foreign = match want.contains("opaque of ") {
                    true => ", or one of another program",
                    false => "",
                };
                let text = format!(
                    "argument {} of event '{}' from the cluster is no {want}{foreign}",
                    i + 1,
                    event.name
                );
                return complain(cx, text);
            }
        }
    }
    metrics::event(cx, false, topic, event)?;
    let hides_times = of(cx)?.cluster.tells_times
        && crate::globals::flag(cx.vm, "EventMetadata::add_network_timestamp") != Some(true);
    let mut time = cx.network_time();
    let mut metadata = vec![(REMOTE, Value::Unset)];
    for (key, d) in &event.metadata {
        // Where all events have times for the sake of their order, scripts need not know.
        if *key == NETWORK_TIMESTAMP && hides_times {
            continue;
        }
        if *key == NETWORK_TIMESTAMP {
            if let Data::Timestamp(ns) = d {
                time = *ns as f64 / 1e9;
                metadata.push((*key, Value::Time(time)));
            } else {
                let text = format!("metadata {key} of event '{}' from the cluster is no time", event.name);
                complain(cx, text)?;
            }
            continue;
        }
        let Some(ty) = tapir_builtins::metadata_type(cx.vm, *key) else {
            continue;
        };
        match cx.vm.value_from_data(cx.host, d, ty) {
            Some(v) => metadata.push((*key, v)),
            None => complain(
                cx,
                format!(
                    "metadata {key} of event '{}' from the cluster has another type",
                    event.name
                ),
            )?,
        }
    }
    let stamped = metadata.iter().any(|m| m.0 == NETWORK_TIMESTAMP);
    if !stamped && crate::globals::flag(cx.vm, "EventMetadata::add_missing_remote_network_timestamp") == Some(true) {
        metadata.push((NETWORK_TIMESTAMP, Value::Time(time)));
    }
    cx.queue().push_event(QueuedEvent {
        id,
        args,
        time,
        metadata,
    });
    Ok(())
}

/// Data as the type that a script value needs; used for indexes and values of changed tables.
pub(super) fn is_unset(v: &Value) -> bool {
    matches!(v, Value::Unset)
}

/// Whether a type is a set.
pub(super) fn is_set(kind: &Kind) -> bool {
    matches!(kind, Kind::Table { yields: None, .. })
}
