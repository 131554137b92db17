//! Triggers: `when` statements that wait for their condition.
//!
//! A condition is evaluated at once, and again after a global or the content of a table, vector or record that its
//! text reads has changed. Conditions call functions whose answer comes later: the evaluation stops there, the
//! answer is kept under the call's key, and the next evaluation finds it.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tapir_data::value::Value;

use crate::code::{Code, WhenSite};
use crate::host::{AsyncToken, Host, RtError, Severity};
use crate::timers::TimerKind;
use crate::vm::Vm;

pub(crate) struct Trigger {
    cond: Rc<Code>,
    body: Rc<Code>,
    timeout: Option<Rc<Code>>,
    frame: Vec<Value>,
    answers: HashMap<u16, Value>,
    /// Who waits for the value of a `return when`.
    parent: Option<(u64, u16)>,
    /// What the last evaluation read; kept so that addresses are not used again.
    watched: Vec<(*const u8, Value)>,
    globals: Vec<u32>,
}

/// A condition under evaluation.
pub(crate) struct Active {
    id: u64,
    has_timeout: bool,
    frame: Vec<Value>,
    answers: HashMap<u16, Value>,
    watched: Vec<(*const u8, Value)>,
}

/// All triggers of a machine.
#[derive(Default)]
pub(crate) struct Triggers {
    waiting: BTreeMap<u64, Trigger>,
    next_id: u64,
    by_object: HashMap<*const u8, Vec<u64>>,
    by_global: HashMap<u32, Vec<u64>>,
    woken: Vec<u64>,
    tokens: HashMap<u64, (u64, u16)>,
    next_token: u64,
}

impl Vm {
    /// Whether a condition of a `when` is being evaluated, and if so, whether it has a timeout.
    pub fn condition_under_evaluation(&self) -> Option<bool> {
        self.active.last().map(|a| a.has_timeout)
    }

    /// The number of `when` statements that wait.
    pub fn n_triggers(&self) -> usize {
        self.triggers.waiting.len()
    }

    pub(crate) fn start_when(
        &mut self,
        host: &mut dyn Host,
        site: &WhenSite,
        captures: Vec<Value>,
        timeout: Option<Value>,
    ) -> Result<(), RtError> {
        let parent = if site.is_return {
            let Some(active) = self.active.last() else {
                return Err(self.located(
                    Severity::Error,
                    "return-when statement outside of a function that a when-condition calls",
                ));
            };
            Some((active.id, self.call_key))
        } else {
            None
        };
        let mut frame: Vec<Value> = captures
            .into_iter()
            .zip(&site.deep)
            .map(|(v, deep)| if *deep { tapir_data::copy::deep_copy(&v) } else { v })
            .collect();
        frame.resize(site.n_slots as usize, Value::Unset);
        self.triggers.next_id += 1;
        let id = self.triggers.next_id;
        self.triggers.waiting.insert(
            id,
            Trigger {
                cond: site.cond.clone(),
                body: site.body.clone(),
                timeout: site.timeout.clone(),
                frame,
                answers: HashMap::new(),
                parent,
                watched: Vec::new(),
                globals: site.globals.iter().map(|g| g.0).collect(),
            },
        );
        for g in &site.globals {
            self.triggers.by_global.entry(g.0).or_default().push(id);
        }
        self.watching = true;
        self.evaluate_trigger(host, id)?;
        if self.triggers.waiting.contains_key(&id)
            && let Some(Value::Interval(d)) = timeout
            && !self.terminating
        {
            let at = self.now + d;
            self.timers.add(at, TimerKind::Trigger(id));
        }
        if site.is_return {
            return Err(RtError::Pending);
        }
        Ok(())
    }

    /// Looks at a condition, and runs the body if it holds.
    fn evaluate_trigger(&mut self, host: &mut dyn Host, id: u64) -> Result<(), RtError> {
        let Some(mut t) = self.triggers.waiting.remove(&id) else {
            return Ok(());
        };
        self.forget_objects(id, &t);
        t.watched.clear();
        self.active.push(Active {
            id,
            has_timeout: t.timeout.is_some(),
            frame: t.frame.clone(),
            answers: std::mem::take(&mut t.answers),
            watched: Vec::new(),
        });
        let key = self.call_key;
        let frame = t.frame.clone();
        let cond = t.cond.clone();
        let r = self.run_code(host, &cond, &frame, None);
        self.call_key = key;
        if let Some(a) = self.active.pop() {
            t.frame = a.frame;
            t.answers = a.answers;
            t.watched = a.watched;
        }
        match r {
            Ok(Value::Bool(true)) => {
                self.forget_globals(id, &t);
                let body = t.body.clone();
                self.run_trigger_body(host, &t, &body)
            }
            Ok(_) | Err(RtError::Pending) => {
                for (at, _) in &t.watched {
                    let list = self.triggers.by_object.entry(*at).or_default();
                    if !list.contains(&id) {
                        list.push(id);
                    }
                }
                self.triggers.waiting.insert(id, t);
                self.watching = true;
                Ok(())
            }
            Err(e) => {
                self.forget_globals(id, &t);
                self.still_watching();
                self.report_error(host, e)
            }
        }
    }

    fn run_trigger_body(&mut self, host: &mut dyn Host, t: &Trigger, body: &Rc<Code>) -> Result<(), RtError> {
        self.still_watching();
        // A body is no condition: what it calls may not wait.
        let active = std::mem::take(&mut self.active);
        let r = self.run_code(host, body, &t.frame, None);
        self.active = active;
        let v = match r {
            Ok(v) => v,
            Err(e) => {
                self.report_error(host, e)?;
                return Ok(());
            }
        };
        if let Some((id, key)) = t.parent {
            self.answer(id, key, v);
        }
        Ok(())
    }

    /// Delivers the value of a delayed call and wakes who waits for it.
    fn answer(&mut self, id: u64, key: u16, v: Value) {
        if let Some(a) = self.active.iter_mut().find(|a| a.id == id) {
            a.answers.insert(key, v);
        } else if let Some(t) = self.triggers.waiting.get_mut(&id) {
            t.answers.insert(key, v);
        } else {
            return;
        }
        self.wake(id);
    }

    fn wake(&mut self, id: u64) {
        if !self.triggers.woken.contains(&id) {
            self.triggers.woken.push(id);
        }
    }

    /// Looks again at the conditions of which something changed. Gives whether there were any.
    pub(crate) fn run_triggers(&mut self, host: &mut dyn Host) -> Result<bool, RtError> {
        if self.triggers.woken.is_empty() {
            return Ok(false);
        }
        for id in std::mem::take(&mut self.triggers.woken) {
            self.evaluate_trigger(host, id)?;
        }
        self.still_watching();
        Ok(true)
    }

    fn still_watching(&mut self) {
        self.watching = !self.triggers.waiting.is_empty() || !self.active.is_empty();
    }

    fn forget_objects(&mut self, id: u64, t: &Trigger) {
        for (at, _) in &t.watched {
            if let Some(list) = self.triggers.by_object.get_mut(at) {
                list.retain(|x| *x != id);
                if list.is_empty() {
                    self.triggers.by_object.remove(at);
                }
            }
        }
    }

    fn forget_globals(&mut self, id: u64, t: &Trigger) {
        for g in &t.globals {
            if let Some(list) = self.triggers.by_global.get_mut(g) {
                list.retain(|x| *x != id);
                if list.is_empty() {
                    self.triggers.by_global.remove(g);
                }
            }
        }
    }

    pub(crate) fn trigger_timeout(&mut self, host: &mut dyn Host, id: u64) -> Result<(), RtError> {
        let Some(t) = self.triggers.waiting.remove(&id) else {
            return Ok(());
        };
        self.forget_objects(id, &t);
        self.forget_globals(id, &t);
        self.still_watching();
        match t.timeout.clone() {
            Some(body) => self.run_trigger_body(host, &t, &body),
            None => Ok(()),
        }
    }

    // ---- what the running code tells ----

    #[cold]
    pub(crate) fn global_changed(&mut self, g: u32) {
        for id in self.triggers.by_global.get(&g).cloned().unwrap_or_default() {
            self.wake(id);
        }
    }

    /// The content of an aggregate changed.
    #[cold]
    pub(crate) fn changed(&mut self, at: *const u8) {
        for id in self.triggers.by_object.get(&at).cloned().unwrap_or_default() {
            self.wake(id);
        }
    }

    /// Tells waiting conditions that native code changed an aggregate.
    pub fn note_change(&mut self, v: &Value) {
        if !self.watching {
            return;
        }
        match v {
            Value::Record(r) => self.changed(Rc::as_ptr(r) as *const u8),
            Value::Table(t) => self.changed(Rc::as_ptr(t) as *const u8),
            Value::Vector(v) => self.changed(Rc::as_ptr(v) as *const u8),
            _ => {}
        }
    }

    pub(crate) fn watch(&mut self, at: *const u8, v: Value) {
        if let Some(a) = self.active.last_mut() {
            a.watched.push((at, v));
        }
    }

    pub(crate) fn store_trigger(&mut self, idx: u16, v: Value) {
        if let Some(a) = self.active.last_mut()
            && let Some(slot) = a.frame.get_mut(idx as usize)
        {
            *slot = v;
        }
    }

    pub(crate) fn cached_answer(&mut self, key: u16) -> Option<Value> {
        self.active.last()?.answers.get(&key).cloned()
    }

    // ---- asynchronous built-ins ----

    /// See [`crate::CallCtx::begin_async`].
    pub fn begin_async(&mut self) -> Option<AsyncToken> {
        let id = self.active.last()?.id;
        self.triggers.next_token += 1;
        let token = self.triggers.next_token;
        self.triggers.tokens.insert(token, (id, self.call_key));
        Some(AsyncToken(token))
    }

    /// Whether an asynchronous built-in owes its result.
    pub fn awaits_answers(&self) -> bool {
        !self.triggers.tokens.is_empty()
    }

    /// Delivers the result of an asynchronous built-in; the condition is looked at in the next drain.
    pub fn finish_async(&mut self, token: AsyncToken, v: Value) {
        if let Some((id, key)) = self.triggers.tokens.remove(&token.0) {
            self.answer(id, key, v);
        }
    }
}
