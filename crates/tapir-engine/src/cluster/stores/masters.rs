//! Masters of stores that have clones in other processes: they do what clones ask for, tell all of what was done, and give
//! those that join the entries, in parts of a bounded size, each when it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use tapir_data::broker::Data;
use tapir_vm::{CallCtx, RtError};

use super::{clones, finish, finish_unique, tell};
use crate::bif::cluster_stores::now;
use crate::host::of;
use crate::stores::{Deed, Heard, Message, SharedStore, Why, clone_topic, lock, master_topic, own_topic};

/// Entries of one part at most, and the bytes from which on no more are added to it.
const PART_ENTRIES: usize = 4096;
const PART_BYTES: usize = 512 << 10;
/// Clones that have joined and cannot hear yet, at most; those beyond are answered when they ask again.
const JOINING_MAX: usize = 4096;

/// What masters of this node know of clones.
#[derive(Default)]
pub(super) struct Masters {
    /// How many changes clones were told of, by the store's name. It goes on when a store gets another master here.
    told: BTreeMap<String, u64>,
    /// Nodes of clones that have joined, with the stores, whose topic nobody was seen to subscribe to.
    joining: BTreeSet<(String, String)>,
}

/// Takes a master in; what clones of this process wait for is done. Clones elsewhere see that it is there, and join.
///
/// # Errors
/// When this runs without an engine.
pub fn add_master(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore) -> Result<(), RtError> {
    let h = of(cx)?;
    if h.cluster.is_in_process() {
        return Ok(());
    }
    h.cluster.subscribe(&master_topic(name));
    let Some(mut before) = clones::take_out(cx, name)? else {
        return Ok(());
    };
    for wish in before.wishes() {
        match wish {
            Message::Unique(_, n, key, value, lasts) => {
                let new = keep_unique(cx, name, store, (key, value), lasts)?;
                if let Some(token) = before.request(n) {
                    finish_unique(cx, token, new.ok())?;
                }
            }
            other => hear(cx, name, store, other)?,
        }
    }
    finish(cx, store, before.queries())
}

/// Ends what is known of the master of this process.
///
/// # Errors
/// When this runs without an engine.
pub fn remove_master(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    let h = of(cx)?;
    if !h.cluster.is_in_process() {
        h.cluster.unsubscribe(&master_topic(name));
    }
    Ok(())
}

/// Whether this process has the master of a store, of which others may have clones.
fn has_clones(cx: &mut CallCtx<'_>, store: &SharedStore) -> Result<bool, RtError> {
    let cluster = &of(cx)?.cluster;
    Ok(!cluster.is_in_process() && cluster.is_running() && lock(store).has_master())
}

/// What clones were told so far.
fn heard(cx: &mut CallCtx<'_>, name: &str) -> Result<Heard, RtError> {
    let h = of(cx)?;
    Ok(Heard {
        master: h.cluster.node_id().into(),
        n: h.remote_stores.masters.told.get(name).copied().unwrap_or(0),
    })
}

fn tell_all(cx: &mut CallCtx<'_>, name: &str, deed: Deed, lasts: Option<f64>) -> Result<(), RtError> {
    *of(cx)?.remote_stores.masters.told.entry(name.into()).or_default() += 1;
    let heard = heard(cx, name)?;
    tell(cx, &clone_topic(name), &Message::Done(heard, deed, lasts), name)
}

/// Makes a change of a store that is kept here, and tells clones elsewhere. Gives whether it was a change that could be made.
pub(super) fn carry_out(
    cx: &mut CallCtx<'_>,
    name: &str,
    store: &SharedStore,
    deed: Deed,
    lasts: Option<f64>,
) -> Result<bool, RtError> {
    let now = now(cx)?;
    let again = has_clones(cx, store)?.then(|| deed.clone());
    let done = lock(store).carry_out(deed, lasts.map(|s| now + s), now);
    match done {
        Ok(()) => {}
        Err(Why::File(why)) => {
            cx.error(format!("Broker store '{name}': {why}"));
            return Ok(false);
        }
        Err(why) => {
            cx.warning(format!("a value of Broker store '{name}' was not changed: {why}"));
            return Ok(true);
        }
    }
    if let Some(deed) = again {
        tell_all(cx, name, deed, lasts)?;
    }
    Ok(true)
}

/// Puts something into a store that is kept here if there is nothing, and tells clones elsewhere. Gives whether it did, or
/// what is wrong.
///
/// # Errors
/// When this runs without an engine.
pub fn keep_unique(
    cx: &mut CallCtx<'_>,
    name: &str,
    store: &SharedStore,
    (key, value): (Data, Data),
    lasts: Option<f64>,
) -> Result<Result<bool, String>, RtError> {
    let now = now(cx)?;
    let again = has_clones(cx, store)?.then(|| Deed::Put(key.clone(), value.clone()));
    let new = lock(store).put_unique(key, value, lasts.map(|s| now + s), now);
    if let (Ok(true), Some(deed)) = (&new, again) {
        tell_all(cx, name, deed, lasts)?;
    }
    Ok(new)
}

/// Sends a clone the entries behind a key, as many as a part may have.
fn send_part(
    cx: &mut CallCtx<'_>,
    (name, store): (&str, &SharedStore),
    who: &str,
    after: Option<Data>,
) -> Result<(), RtError> {
    let now = now(cx)?;
    let part = lock(store).part(after.as_ref(), (PART_ENTRIES, PART_BYTES), now);
    match part {
        Ok((items, last)) => {
            let heard = heard(cx, name)?;
            tell(cx, &own_topic(who), &Message::Part(heard, after, items, last), name)
        }
        Err(why) => {
            cx.error(format!("Broker store '{name}': {why}"));
            Ok(())
        }
    }
}

/// A node that has clones can hear, or cannot any more.
pub(super) fn can_hear(cx: &mut CallCtx<'_>, node: &str, on: bool) -> Result<(), RtError> {
    let joining = &mut of(cx)?.remote_stores.masters.joining;
    let first = (node.to_string(), String::new());
    let of_it = joining.range(first..).take_while(|(who, _)| who == node);
    let stores: Vec<String> = of_it.map(|(_, store)| store.clone()).collect();
    for name in stores {
        of(cx)?
            .remote_stores
            .masters
            .joining
            .remove(&(node.into(), name.clone()));
        let kept = lock(&of(cx)?.stores).get(&name).cloned();
        if let Some(store) = kept.filter(|s| on && lock(s).has_master()) {
            send_part(cx, (&name, &store), node, None)?;
        }
    }
    Ok(())
}

/// Whether to answer a clone that has joined now: what is sent before its subscription is known here would be lost. Who asks
/// once more is answered whatever is known.
fn answers_now(cx: &mut CallCtx<'_>, name: &str, who: &str) -> Result<bool, RtError> {
    let h = of(cx)?;
    let joining = &mut h.remote_stores.masters.joining;
    let entry = (who.to_string(), name.to_string());
    let known = h.cluster.seen.contains(&own_topic(who));
    if known || joining.contains(&entry) {
        joining.remove(&entry);
        return Ok(true);
    }
    if joining.len() >= JOINING_MAX {
        joining.pop_first();
    }
    joining.insert(entry);
    Ok(false)
}

/// Handles a message to a master that is kept here.
pub(super) fn hear(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore, message: Message) -> Result<(), RtError> {
    match message {
        Message::Join(who, after) => match after.is_some() || answers_now(cx, name, &who)? {
            true => send_part(cx, (name, store), &who, after),
            false => Ok(()),
        },
        Message::Deed(deed, lasts) => carry_out(cx, name, store, deed, lasts).map(drop),
        Message::Unique(who, n, key, value, lasts) => {
            let done = keep_unique(cx, name, store, (key, value), lasts)?.unwrap_or_else(|why| {
                cx.error(format!("Broker store '{name}': {why}"));
                false
            });
            tell(cx, &own_topic(&who), &Message::Answer(n, done), name)
        }
        Message::Check(who, theirs) => {
            let ours = heard(cx, name)?;
            match ours == theirs {
                true => Ok(()),
                false => tell(cx, &own_topic(&who), &Message::Told(ours), name),
            }
        }
        Message::Done(..) | Message::Answer(..) | Message::Part(..) | Message::Told(_) => Ok(()),
    }
}
