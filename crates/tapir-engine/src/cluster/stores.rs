//! Broker data stores whose master is in another process: clones join it, send it their changes, and repeat those that it
//! tells of. Topics are prefixes, and scripts may subscribe to any: a message counts only on the topic that is its store's
//! own. Queries of a clone wait until it has the master's entries; changes wait for a master that is away, for a while.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tapir_data::broker::Data;
use tapir_data::broker::event::EventMessage;
use tapir_vm::{AsyncToken, CallCtx, RtError};

use crate::bif::cluster_stores::{answer, now};
use crate::host::of;
use crate::stores::{Deed, Message, Query, SharedStore, Why, clone_topic, lock, master_topic, store_of};

/// How often a clone without its master asks for entries.
const ASK: Duration = Duration::from_secs(1);
/// Queries and changes that wait for one store's master at most.
const WAITING_MAX: usize = 10_000;

/// The clones of this node, by the names of their stores.
#[derive(Default)]
pub struct Clones {
    all: BTreeMap<String, CloneState>,
    asked: Option<Instant>,
}

struct CloneState {
    store: SharedStore,
    /// Whether it has had the entries of its master, and whether the master has been there since.
    loaded: bool,
    connected: bool,
    /// Changes that wait for the master, for at most this long.
    early: VecDeque<(Instant, Message)>,
    patience: Duration,
    /// The oldest first, as with requests: who has waited long has had its timeout.
    queries: VecDeque<(AsyncToken, Query)>,
    /// Who waits for the answers to which requests.
    requests: BTreeMap<u64, AsyncToken>,
    next_request: u64,
}

/// Takes a clone in, once for all handles of a store.
///
/// # Errors
/// When this runs without an engine.
pub fn add_clone(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore, patience: Duration) -> Result<(), RtError> {
    let h = of(cx)?;
    if !h.clones.all.contains_key(name) {
        h.cluster.subscribe(&clone_topic(name));
        let state = CloneState {
            store: store.clone(),
            loaded: false,
            connected: false,
            early: VecDeque::new(),
            patience,
            queries: VecDeque::new(),
            requests: BTreeMap::new(),
            next_request: 0,
        };
        h.clones.all.insert(name.into(), state);
    }
    tell(cx, &master_topic(name), &Message::Join, name)
}

/// Takes a master in: clones that are there already get its entries, and what those of this process wait for is done.
///
/// # Errors
/// When this runs without an engine.
pub fn add_master(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore) -> Result<(), RtError> {
    let h = of(cx)?;
    if h.cluster.is_in_process() {
        return Ok(());
    }
    let before = h.clones.all.remove(name);
    h.cluster.subscribe(&master_topic(name));
    if let Some(CloneState {
        early,
        queries,
        mut requests,
        ..
    }) = before
    {
        for (_, wish) in early {
            match wish {
                Message::Unique(_, n, key, value, lasts) => {
                    let new = keep_unique(cx, name, store, (key, value), lasts)?;
                    if let Some(token) = requests.remove(&n) {
                        let found = answer(cx, new.ok().map(Data::Bool))?;
                        cx.vm.finish_async(token, found);
                    }
                }
                other => master_hears(cx, name, store, other)?,
            }
        }
        finish(cx, store, queries)?;
    }
    state(cx, name, store)
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

fn tell(cx: &mut CallCtx<'_>, topic: &[u8], message: &Message, store: &str) -> Result<(), RtError> {
    if of(cx)?.cluster.is_running() {
        super::publish(cx, topic, message.event(store))?;
    }
    Ok(())
}

fn state(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore) -> Result<(), RtError> {
    let now = now(cx)?;
    let entries = lock(store).all(now);
    match entries {
        Ok(entries) => tell(cx, &clone_topic(name), &Message::State(entries), name),
        Err(why) => {
            cx.error(format!("Broker store '{name}': {why}"));
            Ok(())
        }
    }
}

/// Whether what happens to a store is another process' affair.
///
/// # Errors
/// When this runs without an engine.
pub fn is_elsewhere(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore) -> Result<bool, RtError> {
    let h = of(cx)?;
    let taking_part = h.cluster.is_running() || h.node.in_cluster;
    Ok(taking_part && h.clones.all.contains_key(name) && !lock(store).has_master())
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
        ask(cx, name, Message::Deed(deed, lasts))?;
        return Ok(true);
    }
    carry_out(cx, name, store, deed, lasts)
}

fn carry_out(
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
        tell(cx, &clone_topic(name), &Message::Deed(deed, lasts), name)?;
    }
    Ok(true)
}

/// Sends a wish to the master, or keeps it for when that is there.
fn ask(cx: &mut CallCtx<'_>, name: &str, wish: Message) -> Result<(), RtError> {
    let Some(clone) = of(cx)?.clones.all.get_mut(name) else {
        return Ok(());
    };
    if clone.connected {
        return tell(cx, &master_topic(name), &wish, name);
    }
    if clone.early.len() >= WAITING_MAX {
        cx.warning(format!(
            "too many changes wait for the master of Broker store '{name}': this one is lost"
        ));
        return Ok(());
    }
    clone.early.push_back((Instant::now(), wish));
    Ok(())
}

/// Has a query wait for the entries of the master. False if it need not, or cannot.
///
/// # Errors
/// When this runs without an engine.
pub(crate) fn waits(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore, query: &Query) -> Result<bool, RtError> {
    if !is_elsewhere(cx, name, store)? {
        return Ok(false);
    }
    if of(cx)?.clones.all.get(name).is_none_or(|c| c.loaded) {
        return Ok(false);
    }
    let Some(token) = cx.begin_async() else {
        return Ok(false);
    };
    if let Some(clone) = of(cx)?.clones.all.get_mut(name) {
        if clone.queries.len() >= WAITING_MAX {
            clone.queries.pop_front();
        }
        clone.queries.push_back((token, query.clone()));
    }
    Ok(true)
}

/// Asks the master to put something where there is nothing; its answer ends the query under way. False if the store is kept
/// here.
///
/// # Errors
/// When this runs without an engine.
pub fn put_unique(
    cx: &mut CallCtx<'_>,
    name: &str,
    store: &SharedStore,
    (key, value): (Data, Data),
    lasts: Option<f64>,
) -> Result<bool, RtError> {
    if !is_elsewhere(cx, name, store)? {
        return Ok(false);
    }
    let Some(token) = cx.begin_async() else {
        return Ok(false);
    };
    let h = of(cx)?;
    let node = h.cluster.node_id().to_string();
    let Some(clone) = h.clones.all.get_mut(name) else {
        return Ok(false);
    };
    if clone.requests.len() >= WAITING_MAX {
        clone.requests.pop_first();
    }
    clone.next_request += 1;
    let n = clone.next_request;
    clone.requests.insert(n, token);
    ask(cx, name, Message::Unique(node, n, key, value, lasts))?;
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
        tell(cx, &clone_topic(name), &Message::Deed(deed, lasts), name)?;
    }
    Ok(new)
}

/// Whether this process has the master of a store, of which others may have clones.
fn has_clones(cx: &mut CallCtx<'_>, store: &SharedStore) -> Result<bool, RtError> {
    let cluster = &of(cx)?.cluster;
    Ok(!cluster.is_in_process() && cluster.is_running() && lock(store).has_master())
}

/// Somebody subscribes to a topic, or nobody does any more: the master of a clone is there, or away.
pub(super) fn noticed(cx: &mut CallCtx<'_>, topic: &[u8], on: bool) -> Result<(), RtError> {
    let Some(name) = store_of(topic) else {
        return Ok(());
    };
    match of(cx)?.clones.all.get_mut(name) {
        Some(_) if on => tell(cx, topic, &Message::Join, name),
        Some(clone) => {
            clone.connected = false;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Asks again for what has not come, and forgets what has waited too long.
pub(super) fn look_after(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let clones = &mut of(cx)?.clones;
    if clones.all.is_empty() || clones.asked.is_some_and(|t| t.elapsed() < ASK) {
        return Ok(());
    }
    clones.asked = Some(Instant::now());
    let mut missing = Vec::new();
    for (name, clone) in &mut clones.all {
        let patience = clone.patience;
        while clone.early.front().is_some_and(|(t, _)| t.elapsed() > patience) {
            clone.early.pop_front();
        }
        if !clone.connected {
            missing.push(name.clone());
        }
    }
    for name in missing {
        tell(cx, &master_topic(&name), &Message::Join, &name)?;
    }
    Ok(())
}

/// Handles a message of another process about a store.
pub(super) fn take(cx: &mut CallCtx<'_>, topic: &[u8], event: &EventMessage) -> Result<(), RtError> {
    let Some((name, message)) = Message::of(event) else {
        return super::complain(cx, "a message about a Broker store cannot be understood".into());
    };
    let kept = lock(&of(cx)?.stores).get(&name).cloned();
    if let Some(store) = kept.filter(|s| lock(s).has_master()) {
        return match topic == master_topic(&name) {
            true => master_hears(cx, &name, &store, message),
            false => Ok(()),
        };
    }
    match topic == clone_topic(&name) {
        true => clone_hears(cx, &name, message),
        false => Ok(()),
    }
}

fn master_hears(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore, message: Message) -> Result<(), RtError> {
    match message {
        Message::Join => state(cx, name, store),
        Message::Deed(deed, lasts) => carry_out(cx, name, store, deed, lasts).map(drop),
        Message::Unique(who, n, key, value, lasts) => {
            let done = keep_unique(cx, name, store, (key, value), lasts)?.unwrap_or_else(|why| {
                cx.error(format!("Broker store '{name}': {why}"));
                false
            });
            tell(cx, &clone_topic(name), &Message::Answer(who, n, done), name)
        }
        Message::Answer(..) | Message::State(_) => Ok(()),
    }
}

fn clone_hears(cx: &mut CallCtx<'_>, name: &str, message: Message) -> Result<(), RtError> {
    let time = now(cx)?;
    let h = of(cx)?;
    let node = h.cluster.node_id().to_string();
    let Some(clone) = h.clones.all.get_mut(name) else {
        return Ok(());
    };
    match message {
        Message::State(entries) => {
            let mut store = lock(&clone.store);
            // Without a file nothing can go wrong.
            let _ = store.clear();
            for (key, value, lasts) in entries {
                let _ = store.put(key, value, lasts.map(|s| time + s), time);
            }
            drop(store);
            clone.loaded = true;
            clone.connected = true;
            let early = std::mem::take(&mut clone.early);
            let queries = std::mem::take(&mut clone.queries);
            let store = clone.store.clone();
            for (_, mut wish) in early {
                // It may have been made before this node had its id.
                if let Message::Unique(who, ..) = &mut wish {
                    who.clone_from(&node);
                }
                tell(cx, &master_topic(name), &wish, name)?;
            }
            finish(cx, &store, queries)
        }
        // What comes before the entries is in them.
        Message::Deed(deed, lasts) if clone.loaded => {
            let _ = lock(&clone.store).carry_out(deed, lasts.map(|s| time + s), time);
            Ok(())
        }
        Message::Answer(who, n, done) if who == node => {
            if let Some(token) = clone.requests.remove(&n) {
                let found = answer(cx, Some(Data::Bool(done)))?;
                cx.vm.finish_async(token, found);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
