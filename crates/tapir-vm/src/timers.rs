//! Timers in network time: scheduled events, timeouts of `when`, sweeps over tables that expire.
//!
//! Ties fire in the order in which they were set.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::{Rc, Weak};

use tapir_data::table::{AttrValue, Table};
use tapir_data::value::{FuncId, Value};
use tapir_interface::queue::QueuedEvent;

use crate::host::{Host, RtError};
use crate::vm::Vm;

pub(crate) enum TimerKind {
    Event(FuncId, Vec<Value>),
    Trigger(u64),
    Expire(Weak<Table>),
}

pub(crate) struct Timer {
    at: f64,
    seq: u64,
    kind: TimerKind,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Timer {}
impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first; we want the earliest.
        other.at.total_cmp(&self.at).then(other.seq.cmp(&self.seq))
    }
}

/// All timers of a machine.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Timer>,
    seq: u64,
    /// Timers other than table sweeps.
    n_real: usize,
}

impl Timers {
    pub fn add(&mut self, at: f64, kind: TimerKind) {
        self.seq += 1;
        if !matches!(kind, TimerKind::Expire(_)) {
            self.n_real += 1;
        }
        self.heap.push(Timer {
            at,
            seq: self.seq,
            kind,
        });
    }

    fn pop_due(&mut self, now: f64) -> Option<Timer> {
        if self.heap.peek()?.at <= now {
            let t = self.heap.pop()?;
            if !matches!(t.kind, TimerKind::Expire(_)) {
                self.n_real -= 1;
            }
            return Some(t);
        }
        None
    }
}

impl Vm {
    pub(crate) fn schedule_event(&mut self, at: f64, f: FuncId, args: Vec<Value>) {
        if !self.terminating {
            self.timers.add(at, TimerKind::Event(f, args));
        }
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<f64> {
        self.timers.heap.peek().map(|t| t.at)
    }

    /// How many scheduled events and timeouts wait.
    pub fn n_timers(&self) -> usize {
        self.timers.n_real
    }

    /// Sets the network time without running timers.
    pub fn set_network_time(&mut self, t: f64) {
        if t != self.now {
            self.events_now = 0;
        }
        self.now = t;
        self.queue.set_now(t);
    }

    /// Moves the network time on and runs what is due, at most [`crate::Limits::timers_per_step_max`] timers. Gives
    /// the number of timers that ran; the events that they raise wait in the queue.
    pub fn advance_time(&mut self, host: &mut dyn Host, t: f64) -> Result<usize, RtError> {
        self.set_network_time(t);
        if self.timers.heap.peek().is_none_or(|next| next.at > t) {
            return Ok(0);
        }
        let mut n = 0;
        while n < self.limits.timers_per_step_max {
            let Some(timer) = self.timers.pop_due(t) else {
                break;
            };
            n += 1;
            self.fire(host, timer)?;
        }
        Ok(n)
    }

    /// Runs all timers but table sweeps in order of time, whatever the clock says: part of the shutdown.
    pub fn expire_all_timers(&mut self, host: &mut dyn Host) -> Result<(), RtError> {
        let mut left = self.timers.heap.len();
        while left > 0 {
            left -= 1;
            let Some(timer) = self.timers.pop_due(f64::INFINITY) else {
                break;
            };
            if !matches!(timer.kind, TimerKind::Expire(_)) {
                self.fire(host, timer)?;
            }
        }
        Ok(())
    }

    fn fire(&mut self, host: &mut dyn Host, timer: Timer) -> Result<(), RtError> {
        match timer.kind {
            TimerKind::Event(f, args) => {
                if let Some(id) = self.event_id(f)
                    && self.queue.wants(id)
                {
                    self.queue.push_event(QueuedEvent {
                        id,
                        args,
                        time: timer.at,
                        metadata: Vec::new(),
                    });
                }
                Ok(())
            }
            TimerKind::Trigger(id) => self.trigger_timeout(host, id),
            TimerKind::Expire(table) => match table.upgrade() {
                Some(t) => self.sweep(host, &t),
                None => Ok(()),
            },
        }
    }

    /// Puts a table with an expiry on the list of tables to sweep.
    pub(crate) fn register_expiry(&mut self, t: &Rc<Table>) {
        if t.expiry_registered.get() {
            return;
        }
        t.expiry_registered.set(true);
        let at = self.now + self.limits.table_expire_interval;
        self.timers.add(at, TimerKind::Expire(Rc::downgrade(t)));
    }

    /// One step of a sweep.
    fn sweep(&mut self, host: &mut dyn Host, t: &Rc<Table>) -> Result<(), RtError> {
        let Some(attrs) = t.attrs() else {
            t.expiry_registered.set(false);
            return Ok(());
        };
        let expire = attrs
            .read_expire
            .as_ref()
            .or(attrs.write_expire.as_ref())
            .or(attrs.create_expire.as_ref());
        let Some(expire) = expire else {
            t.expiry_registered.set(false);
            return Ok(());
        };
        let timeout = match self.attr_value(host, expire) {
            Ok(Value::Interval(d)) => d,
            Ok(_) => -1.0,
            Err(e) => {
                self.report_error(host, e)?;
                -1.0
            }
        };
        let mut done = true;
        if timeout >= 0.0 {
            let (due, finished) = t.expire_step(self.now, timeout, self.limits.table_incremental_step);
            done = finished;
            for key in due {
                self.expire_entry(host, t, &attrs, &key, timeout)?;
            }
        }
        let delay = if done {
            self.limits.table_expire_interval
        } else {
            self.limits.table_expire_delay
        };
        self.timers.add(self.now + delay, TimerKind::Expire(Rc::downgrade(t)));
        Ok(())
    }

    fn expire_entry(
        &mut self,
        host: &mut dyn Host,
        t: &Rc<Table>,
        attrs: &tapir_data::table::TableAttrs,
        key: &Value,
        timeout: f64,
    ) -> Result<(), RtError> {
        let parts = tapir_data::table::as_parts(key);
        let Some(pos) = t.find(parts) else {
            return Ok(());
        };
        let value = t.value_at(pos);
        if let Some(f) = &attrs.expire_func {
            let again = match self.call_expire_func(host, t, f, parts) {
                Ok(Value::Interval(d)) => d,
                Ok(_) => 0.0,
                Err(e) => {
                    self.report_error(host, e)?;
                    0.0
                }
            };
            let Some(pos) = t.find(parts) else {
                // The function removed the entry itself.
                return Ok(());
            };
            if again > 0.0 {
                // Due again when `again` has passed, whatever the timeout.
                t.touch(pos, self.now - timeout + again);
                return Ok(());
            }
        }
        t.remove(parts);
        self.table_changed(t);
        if attrs.on_change.is_none() && attrs.publish_on_change.is_none() {
            return Ok(());
        }
        self.notify_change(host, t, crate::tables::Change::Expired, parts, value)
    }

    fn call_expire_func(
        &mut self,
        host: &mut dyn Host,
        t: &Rc<Table>,
        f: &AttrValue,
        parts: &[Value],
    ) -> Result<Value, RtError> {
        let Value::Func(f) = self.attr_value(host, f)? else {
            return Ok(Value::Unset);
        };
        let n_params = match self.types().kind(f.ty) {
            tapir_data::types::Kind::Func(sig) => sig.params.len(),
            _ => parts.len() + 1,
        };
        let mut args: smallvec::SmallVec<[Value; 4]> = smallvec::SmallVec::new();
        args.push(Value::Table(t.clone()));
        if n_params == parts.len() + 1 {
            args.extend(parts.iter().cloned());
        } else {
            args.push(Value::List(parts.into()));
        }
        self.call_func(host, &f, &args, &[])
    }
}
