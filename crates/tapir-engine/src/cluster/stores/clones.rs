//! Clones of stores whose master is in another process. A clone asks for the entries part by part, keeps up with the changes
//! that the master tells of meanwhile, and shows the entries when it has the last part. Then it makes the same changes as the
//! master. A number that is missing among them means that a message was lost: it asks anew, and shows what it has until then.
//!
//! Queries wait until the entries are there, and while they are stale; changes wait for a master that is away, for a while.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tapir_data::broker::Data;
use tapir_data::number::interval_text;
use tapir_vm::{AsyncToken, CallCtx, RtError, Severity};

use super::{finish, finish_unique, is_elsewhere, tell};
use crate::bif::cluster_stores::now;
use crate::host::of;
use crate::stores::{
    Deed, Heard, Item, Message, Query, SharedStore, Store, clone_topic, lock, master_topic, own_topic,
};

/// How often clones are looked after, and how long an answer of a master that is there may take.
const LOOK: Duration = Duration::from_secs(1);
/// Queries and changes that wait for one store's master at most.
const WAITING_MAX: usize = 10_000;

/// How a clone takes that its master is away.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often it tries to find its master, and looks whether it has missed something.
    pub resync: Duration,
    /// After how long it does not answer from what it has; `None` for never.
    pub stale: Option<Duration>,
    /// For how long changes wait.
    pub mutation_buffer: Duration,
}

/// The clones of this node, by the names of their stores.
#[derive(Default)]
pub(super) struct Clones {
    all: BTreeMap<String, CloneState>,
    looked: Option<Instant>,
    /// Whether this node hears what is for its clones alone.
    hears: bool,
}

impl Clones {
    /// Whether there is a clone of a store.
    pub fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// Queries and requests that wait for an answer.
    pub fn pending_queries(&self) -> usize {
        self.all.values().map(|c| c.queries.len() + c.requests.len()).sum()
    }
}

/// Entries that come in parts.
#[derive(Default)]
struct Loading {
    fresh: Store,
    /// The last key that has come.
    after: Option<Data>,
    /// The changes that are in what has come.
    heard: Option<Heard>,
}

/// What is known of one store.
pub(super) struct CloneState {
    store: SharedStore,
    /// Whether it has had all entries, and whether the master has been there since.
    loaded: bool,
    connected: bool,
    /// The changes that are in the entries; `None` when some were missed.
    heard: Option<Heard>,
    loading: Option<Loading>,
    patience: Patience,
    /// When the master was last asked for something.
    asked: Instant,
    /// Since when the master has been away, and whether that was told.
    away_since: Instant,
    told_away: bool,
    /// Changes that wait for the master.
    early: VecDeque<(Instant, Message)>,
    /// Changes that were lost and not told of yet.
    lost: u64,
    /// The oldest first, as with requests: who has waited long has had its timeout.
    queries: VecDeque<(AsyncToken, Query)>,
    /// Who waits for the answers to which requests.
    requests: BTreeMap<u64, AsyncToken>,
    next_request: u64,
}

impl CloneState {
    /// Takes out the changes that wait.
    pub fn wishes(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.early).into_iter().map(|(_, m)| m).collect()
    }

    /// Takes out who waits for the answer to a request.
    pub fn request(&mut self, n: u64) -> Option<AsyncToken> {
        self.requests.remove(&n)
    }

    /// Takes out the queries that wait.
    pub fn queries(&mut self) -> VecDeque<(AsyncToken, Query)> {
        std::mem::take(&mut self.queries)
    }

    /// Whether its entries answer queries.
    fn is_fresh(&self) -> bool {
        let stale = self.patience.stale.is_some_and(|s| self.away_since.elapsed() > s);
        self.loaded && (self.connected || !stale)
    }
}

/// Takes a clone in, once for all handles of a store.
///
/// # Errors
/// When this runs without an engine.
pub fn add_clone(cx: &mut CallCtx<'_>, name: &str, store: &SharedStore, patience: Patience) -> Result<(), RtError> {
    let h = of(cx)?;
    if h.remote_stores.clones.has(name) {
        return Ok(());
    }
    h.cluster.subscribe(&clone_topic(name));
    let state = CloneState {
        store: store.clone(),
        loaded: false,
        connected: false,
        heard: None,
        loading: None,
        patience,
        asked: Instant::now(),
        away_since: Instant::now(),
        told_away: false,
        early: VecDeque::new(),
        lost: 0,
        queries: VecDeque::new(),
        requests: BTreeMap::new(),
        next_request: 0,
    };
    h.remote_stores.clones.all.insert(name.into(), state);
    join(cx, name)
}

/// Takes a clone out, since its master is here from now on.
pub(super) fn take_out(cx: &mut CallCtx<'_>, name: &str) -> Result<Option<CloneState>, RtError> {
    let h = of(cx)?;
    let state = h.remote_stores.clones.all.remove(name);
    if state.is_some() {
        h.cluster.unsubscribe(&clone_topic(name));
    }
    Ok(state)
}

/// Asks the master for all entries.
fn join(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    let h = of(cx)?;
    if !h.cluster.is_running() {
        return Ok(());
    }
    let clones = &mut h.remote_stores.clones;
    if !std::mem::replace(&mut clones.hears, true) {
        h.cluster.subscribe(&own_topic(h.cluster.node_id()));
    }
    if let Some(clone) = clones.all.get_mut(name) {
        clone.heard = None;
        clone.loading = Some(Loading::default());
    }
    ask_for_part(cx, name)
}

/// Asks the master for what comes behind what has come.
fn ask_for_part(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    let h = of(cx)?;
    let node = h.cluster.node_id().to_string();
    let Some(clone) = h.remote_stores.clones.all.get_mut(name) else {
        return Ok(());
    };
    let Some(loading) = &clone.loading else {
        return Ok(());
    };
    clone.asked = Instant::now();
    let join = Message::Join(node, loading.after.clone());
    tell(cx, &master_topic(name), &join, name)
}

/// Sends a wish to the master, or keeps it for when that is there.
pub(super) fn ask(cx: &mut CallCtx<'_>, name: &str, wish: Message) -> Result<(), RtError> {
    let Some(clone) = of(cx)?.remote_stores.clones.all.get_mut(name) else {
        return Ok(());
    };
    if clone.connected {
        return tell(cx, &master_topic(name), &wish, name);
    }
    if clone.early.len() >= WAITING_MAX {
        clone.lost += 1;
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
    if of(cx)?.remote_stores.clones.all.get(name).is_none_or(|c| c.is_fresh()) {
        return Ok(false);
    }
    let Some(token) = cx.begin_async() else {
        return Ok(false);
    };
    if let Some(clone) = of(cx)?.remote_stores.clones.all.get_mut(name) {
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
    let Some(clone) = h.remote_stores.clones.all.get_mut(name) else {
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

/// The master of a store has been seen.
pub(super) fn master_is_there(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    match of(cx)?.remote_stores.clones.has(name) {
        true => join(cx, name),
        false => Ok(()),
    }
}

/// The master of a store is gone.
pub(super) fn master_is_away(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    if let Some(clone) = of(cx)?.remote_stores.clones.all.get_mut(name) {
        clone.connected = false;
        clone.loading = None;
        clone.heard = None;
        clone.away_since = Instant::now();
        clone.told_away = false;
    }
    Ok(())
}

/// What to do about a clone at a look.
enum Next {
    Nothing,
    Join,
    AskAgain,
    Check(Heard),
}

/// Asks again for what has not come, forgets what has waited too long, and says what must be known of that.
pub(in crate::cluster) fn look_after(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let clones = &mut of(cx)?.remote_stores.clones;
    if clones.all.is_empty() || clones.looked.is_some_and(|t| t.elapsed() < LOOK) {
        return Ok(());
    }
    clones.looked = Some(Instant::now());
    let names: Vec<String> = clones.all.keys().cloned().collect();
    for name in names {
        forget_old_wishes(cx, &name)?;
        say_what_is_lost(cx, &name)?;
        let h = of(cx)?;
        let master_seen = h.cluster.seen.contains(&master_topic(&name));
        let Some(clone) = h.remote_stores.clones.all.get_mut(&name) else {
            continue;
        };
        let due = |after: Duration| clone.asked.elapsed() >= after;
        let patience = clone.patience.resync;
        let next = match (&clone.loading, &clone.heard) {
            (Some(l), _) if due(LOOK) && l.heard.is_some() => Next::AskAgain,
            (Some(_), _) if due(if master_seen { LOOK } else { patience }) => Next::AskAgain,
            (Some(_), _) => Next::Nothing,
            (None, Some(heard)) if clone.connected && due(patience) => Next::Check(heard.clone()),
            (None, Some(_)) if clone.connected => Next::Nothing,
            (None, _) if master_seen || due(patience) || !clone.loaded => Next::Join,
            (None, _) => Next::Nothing,
        };
        let away = !clone.connected && clone.away_since.elapsed() >= patience;
        let tells = away && !std::mem::replace(&mut clone.told_away, true);
        match next {
            Next::Nothing => {}
            Next::Join => join(cx, &name)?,
            Next::AskAgain => ask_for_part(cx, &name)?,
            Next::Check(heard) => {
                clone.asked = Instant::now();
                let node = h.cluster.node_id().to_string();
                tell(cx, &master_topic(&name), &Message::Check(node, heard), &name)?;
            }
        }
        if tells {
            say_that_it_is_alone(cx, &name)?;
        }
    }
    Ok(())
}

fn forget_old_wishes(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    if let Some(clone) = of(cx)?.remote_stores.clones.all.get_mut(name) {
        let patience = clone.patience.mutation_buffer;
        while clone.early.front().is_some_and(|(t, _)| t.elapsed() > patience) {
            clone.early.pop_front();
            clone.lost += 1;
        }
    }
    Ok(())
}

fn say_what_is_lost(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    let Some(clone) = of(cx)?.remote_stores.clones.all.get_mut(name) else {
        return Ok(());
    };
    let lost = std::mem::take(&mut clone.lost);
    if lost > 0 {
        let buffer = clone.patience.mutation_buffer;
        let text = format!(
            "{lost} changes of Broker store '{name}' are lost: its master is away, and a clone keeps at most {WAITING_MAX} of \
             them for {} (mutation_buffer_interval)",
            interval_text(buffer.as_secs_f64())
        );
        cx.report_plain(Severity::Warning, text);
    }
    Ok(())
}

fn say_that_it_is_alone(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    let h = of(cx)?;
    let Some(clone) = h.remote_stores.clones.all.get(name) else {
        return Ok(());
    };
    let why = match h.cluster.is_running() {
        false => "this node has no peers (see Broker::peer, Broker::listen and Cluster::backend)",
        true => "no node that it is connected with has one (see Broker::create_master)",
    };
    let patience = clone.patience;
    let text = format!(
        "the clone of Broker store '{name}' has been without a master for {}: {why}; changes wait for {}, queries for their \
         timeouts",
        interval_text(clone.away_since.elapsed().as_secs_f64().floor()),
        interval_text(patience.mutation_buffer.as_secs_f64())
    );
    cx.report_plain(Severity::Warning, text);
    Ok(())
}

/// Says, at the end of the node, what never reached a master.
///
/// # Errors
/// When this runs without an engine.
pub fn end(cx: &mut CallCtx<'_>) -> Result<(), RtError> {
    let clones = &mut of(cx)?.remote_stores.clones.all;
    let waiting = |(name, c): (&String, &mut CloneState)| {
        let n = c.lost + std::mem::take(&mut c.early).len() as u64;
        c.lost = 0;
        (n > 0).then(|| (name.clone(), n))
    };
    let lost: Vec<_> = clones.iter_mut().filter_map(waiting).collect();
    for (name, n) in lost {
        let text = format!("{n} changes of Broker store '{name}' are lost: its master was not there until the end");
        cx.report_plain(Severity::Warning, text);
    }
    Ok(())
}

/// Handles a message to the clones of a store.
pub(super) fn hear(cx: &mut CallCtx<'_>, name: &str, message: Message) -> Result<(), RtError> {
    let time = now(cx)?;
    let Some(clone) = of(cx)?.remote_stores.clones.all.get_mut(name) else {
        return Ok(());
    };
    match message {
        Message::Part(heard, after, items, last) => {
            let Some(loading) = &mut clone.loading else {
                return Ok(());
            };
            // An answer to what was asked twice.
            if loading.after != after {
                return Ok(());
            }
            // What was done between this part and the one before is not known.
            if loading.heard.as_ref().is_some_and(|h| *h != heard) {
                return join(cx, name);
            }
            loading.heard = Some(heard);
            match loading.add(items, time) || last {
                true if last => loaded(cx, name),
                true => ask_for_part(cx, name),
                // It is asked for again in a moment.
                false => Ok(()),
            }
        }
        Message::Done(heard, deed, lasts) => match clone.repeat(&heard, deed, lasts, time) {
            true => Ok(()),
            false => join(cx, name),
        },
        Message::Told(heard) => match clone.loading.is_some() || clone.heard.as_ref() == Some(&heard) {
            true => Ok(()),
            false => join(cx, name),
        },
        Message::Answer(n, done) => match clone.requests.remove(&n) {
            Some(token) => finish_unique(cx, token, Some(done)),
            None => Ok(()),
        },
        Message::Join(..) | Message::Deed(..) | Message::Unique(..) | Message::Check(..) => Ok(()),
    }
}

impl Loading {
    /// Adds entries; whether there were any. Without a file nothing can go wrong.
    fn add(&mut self, items: Vec<Item>, time: f64) -> bool {
        let Some((last, ..)) = items.last() else {
            return false;
        };
        self.after = Some(last.clone());
        for (key, value, lasts) in items {
            let _ = self.fresh.put(key, value, lasts.map(|s| time + s), time);
        }
        true
    }

    /// Makes a change of what has come; the rest will come with it.
    fn repeat(&mut self, deed: Deed, lasts: Option<f64>, time: f64) {
        let has_come = match &deed {
            Deed::Clear => true,
            Deed::Put(key, _) | Deed::Erase(key) | Deed::Change(key, _) => Some(key) <= self.after.as_ref(),
        };
        if has_come {
            let _ = self.fresh.carry_out(deed, lasts.map(|s| time + s), time);
        }
    }
}

/// What the number of a change says about those before it.
enum Place {
    Next,
    Known,
    Gap,
}

fn place(last: &Heard, this: &Heard) -> Place {
    match last.master == this.master {
        true if this.n == last.n + 1 => Place::Next,
        true if this.n <= last.n => Place::Known,
        _ => Place::Gap,
    }
}

impl CloneState {
    /// Repeats a change that the master has made. False when others before it were missed.
    fn repeat(&mut self, this: &Heard, deed: Deed, lasts: Option<f64>, time: f64) -> bool {
        if let Some(loading) = &mut self.loading {
            // What comes before the first part is in it.
            return match loading.heard.as_ref().map(|last| place(last, this)) {
                Some(Place::Next) => {
                    loading.heard = Some(this.clone());
                    loading.repeat(deed, lasts, time);
                    true
                }
                None | Some(Place::Known) => true,
                Some(Place::Gap) => false,
            };
        }
        match self.heard.as_ref().map(|last| place(last, this)) {
            Some(Place::Next) => {
                self.heard = Some(this.clone());
                let _ = lock(&self.store).carry_out(deed, lasts.map(|s| time + s), time);
                true
            }
            None | Some(Place::Known) => true,
            Some(Place::Gap) => false,
        }
    }
}

/// All entries have come: they take the place of what was there, and what has waited for them goes on.
fn loaded(cx: &mut CallCtx<'_>, name: &str) -> Result<(), RtError> {
    let h = of(cx)?;
    let node = h.cluster.node_id().to_string();
    let Some(clone) = h.remote_stores.clones.all.get_mut(name) else {
        return Ok(());
    };
    let Some(loading) = clone.loading.take() else {
        return Ok(());
    };
    lock(&clone.store).replace(loading.fresh);
    clone.heard = loading.heard;
    clone.loaded = true;
    clone.connected = true;
    let wishes = clone.wishes();
    let queries = clone.queries();
    let store = clone.store.clone();
    for mut wish in wishes {
        // It may have been made before this node had its id.
        if let Message::Unique(who, ..) = &mut wish {
            who.clone_from(&node);
        }
        tell(cx, &master_topic(name), &wish, name)?;
    }
    finish(cx, &store, queries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::Change;

    fn heard(master: &str, n: u64) -> Heard {
        Heard {
            master: master.into(),
            n,
        }
    }

    #[test]
    fn changes_have_their_places() {
        let last = heard("m", 4);
        assert!(matches!(place(&last, &heard("m", 5)), Place::Next));
        assert!(matches!(place(&last, &heard("m", 4)), Place::Known));
        assert!(matches!(place(&last, &heard("m", 6)), Place::Gap));
        assert!(matches!(place(&last, &heard("other", 5)), Place::Gap));
    }

    #[test]
    fn changes_between_parts_are_made_where_entries_have_come() {
        let mut l = Loading::default();
        let item = |k: &str, n| (Data::str(k), Data::Count(n), None);
        let add = |k: &str| Deed::Change(Data::str(k), Change::Add(Data::Count(10)));
        assert!(l.add(vec![item("a", 1), item("m", 2)], 0.0));
        l.repeat(add("b"), None, 0.0);
        l.repeat(add("m"), None, 0.0);
        // This one comes with the next part, with the change in it.
        l.repeat(add("z"), None, 0.0);
        l.repeat(Deed::Erase(Data::str("a")), None, 0.0);
        assert!(l.add(vec![item("z", 13)], 0.0));
        assert!(!l.add(vec![], 0.0));
        let all = l.fresh.part(None, (9, 999), 0.0).unwrap().0;
        assert_eq!(all, [item("b", 10), item("m", 12), item("z", 13)]);
    }
}
