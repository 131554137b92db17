//! The machine as its users see it.

use std::any::Any;
use std::collections::HashMap;
use std::rc::Rc;

use tapir_data::types::{TypeId, Types, builtin};
use tapir_data::value::Value;
use tapir_interface::queue::EventQueue;
use tapir_script::hir::Program;

use crate::host::{AsyncToken, Host, Location, Message, RtError, Severity};

/// One machine: a program, its state, and the events that wait.
pub struct Vm {
    program: Rc<Program>,
    queue: EventQueue,
    now: f64,
    n_errors: u64,
    state: HashMap<std::any::TypeId, Box<dyn Any>>,
}

impl Vm {
    /// A machine for a program; nothing has run yet.
    pub fn new(program: Rc<Program>) -> Self {
        Vm {
            program,
            queue: EventQueue::new(),
            now: 0.0,
            n_errors: 0,
            state: HashMap::new(),
        }
    }

    /// The program.
    #[inline]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The type table.
    #[inline]
    pub fn types(&self) -> &Types {
        &self.program.types
    }

    /// The network time.
    #[inline]
    pub fn network_time(&self) -> f64 {
        self.now
    }

    /// The event queue.
    #[inline]
    pub fn queue(&mut self) -> &mut EventQueue {
        &mut self.queue
    }

    /// How many errors were reported so far.
    pub fn n_errors(&self) -> u64 {
        self.n_errors
    }

    /// State that a family of built-ins keeps per machine (random numbers, open handles), made on first use.
    pub fn state<T: Default + 'static>(&mut self) -> &mut T {
        let slot = self
            .state
            .entry(std::any::TypeId::of::<T>())
            .or_insert_with(|| Box::new(T::default()));
        slot.downcast_mut().expect("the slot was made under the type's own id")
    }

    /// The value of a global variable, constant or option by qualified name; `None` where it has none.
    pub fn global_value(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Tells the machine that a built-in changed a container, so that `when` conditions that look at it wake up.
    pub fn note_change(&mut self, _changed: &Value) {}

    /// What `print` shows of a function: the name of a built-in; name, type and body of a script function.
    pub fn func_text(&self, f: &tapir_data::value::Func) -> Vec<u8> {
        let function = self.program.functions.get(f.id.0 as usize);
        function.map_or_else(Vec::new, |f| f.name.as_bytes().to_vec())
    }

    /// The dynamic type of a value (`any` for lists and unset values).
    pub fn type_of(&self, v: &Value) -> TypeId {
        match v {
            Value::Unset | Value::List(_) => builtin::ANY,
            Value::Bool(_) => builtin::BOOL,
            Value::Int(_) => builtin::INT,
            Value::Count(_) => builtin::COUNT,
            Value::Double(_) => builtin::DOUBLE,
            Value::Time(_) => builtin::TIME,
            Value::Interval(_) => builtin::INTERVAL,
            Value::Enum(t, _) => *t,
            Value::Port(_) => builtin::PORT,
            Value::Addr(_) => builtin::ADDR,
            Value::Subnet(_) => builtin::SUBNET,
            Value::Str(_) => builtin::STRING,
            Value::Pattern(_) => builtin::PATTERN,
            Value::Record(r) => r.ty,
            Value::Table(t) => t.ty,
            Value::Vector(v) => v.ty,
            Value::Func(f) => f.ty,
            Value::File(_) => builtin::FILE,
            Value::Opaque(_) => builtin::ANY,
            Value::Type(_) => builtin::TYPE,
        }
    }

    /// Calls a function value.
    pub fn call_value(&mut self, _host: &mut dyn Host, f: &Value, _args: &[Value]) -> Result<Value, RtError> {
        match f {
            Value::Func(_) => Err(RtError::new("this build cannot run script functions")),
            _ => Err(RtError::new("only a function can be called")),
        }
    }

    /// A field of a record.
    pub fn record_field(&mut self, _host: &mut dyn Host, record: &Value, slot: usize) -> Result<Value, RtError> {
        match record {
            Value::Record(r) => Ok(r.get(slot)),
            _ => Err(RtError::new("only a record has fields")),
        }
    }

    /// Fills the unset default fields of every record that can be reached from `v`.
    pub fn materialize(&mut self, _host: &mut dyn Host, _v: &Value) -> Result<(), RtError> {
        Err(RtError::new("this build cannot evaluate record defaults"))
    }

    /// Sends a message to the host and raises the `reporter_*` event.
    pub fn report(&mut self, host: &mut dyn Host, severity: Severity, text: String, location: Option<Location>) {
        if severity.is_error() {
            self.n_errors += 1;
        }
        host.report(&Message {
            severity,
            text,
            location,
            network_time: self.now,
            stack: Vec::new(),
        });
    }

    /// Where the running script code is.
    pub fn location(&self) -> Option<Location> {
        None
    }

    /// See [`crate::CallCtx::begin_async`].
    pub fn begin_async(&mut self) -> Option<AsyncToken> {
        None
    }
}

impl tapir_data::text::RenderHost for Vm {
    fn types(&self) -> &Types {
        &self.program().types
    }
    fn func_text(&self, f: &tapir_data::value::Func) -> Vec<u8> {
        Vm::func_text(self, f)
    }
    fn field_default(&self, _: &Rc<tapir_data::value::Record>, _: usize) -> Value {
        Value::Unset
    }
}
