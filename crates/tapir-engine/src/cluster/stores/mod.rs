//! Broker data stores whose master is in another process: clones join it, send it their changes, and repeat those that it
//! tells of. Topics are prefixes, and scripts may subscribe to any: a message counts only on the topic that is its store's,
//! or its node's, own. What clones do is in `clones.rs`, what masters do in `masters.rs`.

mod clones;
mod masters;

use tapir_data::broker::Data;
use tapir_data::broker::event::EventMessage;
use tapir_vm::{AsyncToken, CallCtx, RtError};

pub(super) use clones::look_after;
pub(crate) use clones::waits;
pub use clones::{Patience, add_clone, end, put_unique};
pub use masters::{add_master, keep_unique, remove_master};

use crate::bif::cluster_stores::{answer, now};
use crate::host::of;
use crate::stores::{Deed, Message, Query, SharedStore, clone_topic, lock, master_topic, node_of, own_topic, store_of};

/// What a node has to do with stores of others: its clones, and those of others of its masters.
#[derive(Default)]
pub struct RemoteStores {
    clones: clones::Clones,
    masters: masters::Masters,
}

impl RemoteStores {
    /// Queries that wait for masters elsewhere.
    pub fn pending_queries(&self) -> usize {
        self.clones.pending_queries()
    }
}

/// Answers queries that have waited.
fn finish(
    cx: &mut CallCtx<'_>,
    store: &SharedStore,
    queries: impl IntoIterator<Item = (AsyncToken, Query)>,
) -> Result<(), RtError> {
    let time = now(cx)?;
    for (token, query) in queries {
        let found = lock(store).ask(&query, time).unwrap_or_default();
        let found = answer(cx, found)?;
        cx.vm.finish_async(token, found);
    }
    Ok(())
}

/// Ends the query that has asked for something to be put where there is nothing.
fn finish_unique(cx: &mut CallCtx<'_>, token: AsyncToken, done: Option<bool>) -> Result<(), RtError> {
    let found = answer(cx, done.map(Data::Bool))?;
    cx.vm.finish_async(token, found);
    Ok(())
}

fn tell(cx: &mut CallCtx<'_>, topic: &[u8], message: &Message, store: &str) -> Result<(), RtError> {
    if of(cx)?.cluster.is_running() {
        super::publish(cx, topic, message.event(store))?;
    }
    Ok(())
}

/// Whether what happens to a store is another process' affair.
///
/// # Errors
/// When this runs without an engine.
pub fn is_elsewhere(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore) -> Result<bool, RtError> {
    Ok(of(cx)?.remote_stores.clones.has(name) && !lock(store).has_master())
}

/// Carries out a change of a store that is kept here, and tells clones elsewhere; or asks its master for it.
///
/// # Errors
/// When this runs without an engine.
pub(crate) fn change(
    cx: &mut CallCtx<'_>,
    name: &str,
    store: &SharedStore,
    deed: Deed,
    lasts: Option<f64>,
) -> Result<bool, RtError> {
    if is_elsewhere(cx, name, store)? {
        clones::ask(cx, name, Message::Deed(deed, lasts))?;
        return Ok(true);
    }
    masters::carry_out(cx, name, store, deed, lasts)
}

/// Somebody subscribes to a topic, or nobody does any more: the master of a clone is there, or away; or a clone that has
/// joined can hear.
pub(super) fn noticed(cx: &mut CallCtx<'_>, topic: &[u8], on: bool) -> Result<(), RtError> {
    if let Some(name) = store_of(topic) {
        return match on {
            true => clones::master_is_there(cx, name),
            false => clones::master_is_away(cx, name),
        };
    }
    match node_of(topic) {
        Some(node) => masters::can_hear(cx, node, on),
        None => Ok(()),
    }
}

/// Handles a message of another process about a store.
pub(super) fn take(cx: &mut CallCtx<'_>, topic: &[u8], event: &EventMessage) -> Result<(), RtError> {
    let Some((name, message)) = Message::of(event) else {
        return super::complain(cx, "a message about a Broker store cannot be understood".into());
    };
    let kept = lock(&of(cx)?.stores).get(&name).cloned();
    if let Some(store) = kept.filter(|s| lock(s).has_master()) {
        return match topic == master_topic(&name) {
            true => masters::hear(cx, &name, &store, message),
            false => Ok(()),
        };
    }
    let own = own_topic(of(cx)?.cluster.node_id());
    match topic == clone_topic(&name) || topic == own {
        true => clones::hear(cx, &name, message),
        false => Ok(()),
    }
}
