//! The machine and the state of its built-ins, shared with the bridges that run scripts in the middle of a packet.
//!
//! While a packet is processed the event queue, the flow table and the analyzers' state are taken out, so that nothing
//! here is borrowed; a bridge may then borrow the core, put the queue back for a moment, and run handlers.

use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::queue::EventQueue;
use tapir_vm::{RtError, Vm};

use crate::host::EngineHost;

/// A machine with its host.
pub struct Core {
    pub vm: Vm,
    pub host: EngineHost,
    /// Set by `exit()`: the process ends with this status.
    pub exit: Option<i32>,
}

/// The core as everybody in an engine holds it.
pub type SharedCore = Rc<RefCell<Core>>;

impl Core {
    /// Runs the handlers of all queued events, as after a packet.
    pub fn drain(&mut self) {
        let result = self.vm.drain(&mut self.host);
        self.note(result);
    }

    /// Runs handlers until nothing waits.
    pub fn drain_all(&mut self) {
        let result = self.vm.drain_all(&mut self.host);
        self.note(result);
    }

    /// Keeps an exit request; other errors were reported by the machine.
    pub fn note<T>(&mut self, result: Result<T, RtError>) -> Option<T> {
        match result {
            Ok(v) => Some(v),
            Err(RtError::Exit(code)) => {
                self.exit.get_or_insert(code);
                None
            }
            Err(e) => {
                if let Err(RtError::Exit(code)) = self.vm.report_error(&mut self.host, e) {
                    self.exit.get_or_insert(code);
                }
                None
            }
        }
    }

    /// Calls a script function outside any handler.
    pub fn call(&mut self, f: &Value, args: &[Value]) -> Option<Value> {
        let result = self.vm.call_value(&mut self.host, f, args);
        self.note(result)
    }

    /// What is due by the wall clock: rows go to their files, served metrics are renewed.
    pub fn housekeeping(&mut self) {
        if self.host.logs.wants_flush() {
            self.with_cx(crate::logs::flush_tick);
        }
        if self.host.telemetry.wants_renewal() {
            self.with_cx(crate::metrics::renew);
        }
    }

    /// Runs something with the built-ins' context, as if a script had called it.
    pub fn with_cx<R>(&mut self, f: impl FnOnce(&mut tapir_vm::CallCtx<'_>) -> Result<R, RtError>) -> Option<R> {
        let mut cx = tapir_vm::CallCtx {
            vm: &mut self.vm,
            host: &mut self.host,
            arg_types: &[],
            result_type: tapir_data::types::builtin::ANY,
        };
        let result = f(&mut cx);
        self.note(result)
    }
}

/// Runs `f` with the core while `q` stands in for the machine's queue: for scripts in the middle of a packet.
pub fn with_queue<R>(core: &SharedCore, q: &mut EventQueue, f: impl FnOnce(&mut Core) -> R) -> R {
    let mut core = core.borrow_mut();
    std::mem::swap(core.vm.queue(), q);
    let result = f(&mut core);
    std::mem::swap(core.vm.queue(), q);
    result
}
