//! What stands around the machine: the built-ins' interface, the host that owns input and output, and run-time errors.
//!
//! A built-in is a plain function over [`CallCtx`]. State of the engine is reached by downcasting the [`Host`].
//! Nothing here knows packets or logs.

use std::any::Any;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tapir_data::types::{TypeId, Types};
use tapir_data::value::{File, PatternObject, Value};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_script::hir::Program;
use tapir_script::symbol::FastMap;

use crate::vm::Vm;

/// A built-in function. `Ok(Value::Unset)` means "no value": the calling statement is skipped silently, which is
/// what a built-in does after it reported an error; functions that yield nothing return it too.
pub type BuiltinFn = fn(&mut CallCtx<'_>, args: &[Value]) -> Result<Value, RtError>;

/// Built-ins by script name (`fmt`, `Log::__write`).
#[derive(Default, Clone)]
pub struct Registry {
    /// Machines of one process share it.
    by_name: Arc<FastMap<&'static str, BuiltinFn>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a built-in; a later one of the same name replaces the earlier.
    pub fn add(&mut self, name: &'static str, f: BuiltinFn) {
        Arc::make_mut(&mut self.by_name).insert(name, f);
    }

    /// Adds many.
    pub fn add_all(&mut self, list: &[(&'static str, BuiltinFn)]) {
        Arc::make_mut(&mut self.by_name).extend(list.iter().copied());
    }

    /// The built-in of a name.
    pub fn get(&self, name: &str) -> Option<BuiltinFn> {
        self.by_name.get(name).copied()
    }

    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.by_name.keys().copied()
    }
}

/// A place in a script as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub file: Arc<str>,
    pub line: u32,
    /// The last line of a construct that spans several; equal to `line` otherwise.
    pub end_line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == self.end_line {
            write!(f, "{}, line {}", self.file, self.line)
        } else {
            write!(f, "{}, lines {}-{}", self.file, self.line, self.end_line)
        }
    }
}

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warning,
    ExpressionWarning,
    Error,
    ExpressionError,
    RuntimeError,
    Fatal,
    InternalError,
}

impl Severity {
    /// The words that open the message.
    pub fn text(self) -> &'static str {
        match self {
            Severity::Info => "",
            Severity::Warning => "warning",
            Severity::ExpressionWarning => "expression warning",
            Severity::Error => "error",
            Severity::ExpressionError => "expression error",
            Severity::RuntimeError => "runtime error",
            Severity::Fatal => "fatal error",
            Severity::InternalError => "internal error",
        }
    }

    /// Whether it counts as an error (initialisation fails after one).
    pub fn is_error(self) -> bool {
        !matches!(self, Severity::Info | Severity::Warning | Severity::ExpressionWarning)
    }
}

/// A message for the operator.
#[derive(Clone, Debug)]
pub struct Message {
    pub severity: Severity,
    /// Without kind and location, with the detail in parentheses if any.
    pub text: String,
    pub location: Option<Location>,
    /// The network time, 0 before it started.
    pub network_time: f64,
    /// The script call stack, innermost first, for run-time errors.
    pub stack: Vec<String>,
}

impl Message {
    /// The part behind the time prefix: `KIND in FILE, line N: TEXT`.
    pub fn line(&self) -> String {
        let kind = self.severity.text();
        match (&self.location, kind.is_empty()) {
            (Some(l), false) => format!("{kind} in {l}: {}", self.text),
            (Some(l), true) => format!("{l}: {}", self.text),
            (None, false) => format!("{kind}: {}", self.text),
            (None, true) => self.text.clone(),
        }
    }
}

/// How two patterns are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternJoin {
    Or,
    Concat,
}

/// What became of an event whose arguments were left to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The host knows nothing of such arguments.
    Unknown,
    /// The arguments are there now.
    Made,
    /// What handlers would do was done.
    Handled,
}

/// The engine as the machine sees it.
pub trait Host {
    /// Compiles a pattern from its source text.
    fn compile_pattern(
        &mut self,
        text: &[u8],
        ignore_case: bool,
        single_line: bool,
    ) -> Result<Rc<dyn PatternObject>, String>;

    /// `a | b` or `a & b` on patterns.
    fn join_patterns(
        &mut self,
        a: &Rc<dyn PatternObject>,
        b: &Rc<dyn PatternObject>,
        how: PatternJoin,
    ) -> Result<Rc<dyn PatternObject>, String>;

    /// `target += add`, in place: everybody who holds `target` sees the change.
    fn extend_pattern(&mut self, target: &Rc<dyn PatternObject>, add: &Rc<dyn PatternObject>) -> Result<(), String>;

    /// The `print` statement. `file` is the target if the first value was a file (it is not part of `values` then).
    /// Defaults of records in `values` are filled in; `vm` renders ([`tapir_data::text::RenderHost`]).
    fn print(&mut self, vm: &Vm, file: Option<&Rc<File>>, values: &[Value]);

    /// Takes a `print` over, as `Log::print_to_log` asks for; true when nothing is left to print.
    ///
    /// # Errors
    /// Those of script functions that handle what was printed.
    fn take_print(&mut self, _vm: &mut Vm, _file: Option<&Rc<File>>, _values: &[Value]) -> Result<bool, RtError> {
        Ok(false)
    }

    /// Whether something is said for the first time that is said once, however many nodes a process has.
    fn says_first(&mut self, _text: &str) -> bool {
        true
    }

    /// An opaque value that another node has sent, by the name of its kind on the wire.
    fn opaque_from_data(&mut self, _vm: &mut Vm, _name: &str, _d: &tapir_data::broker::Data) -> Option<Value> {
        None
    }

    /// An entry of a table with `&publish_on_change` is new (0), changed (1), removed (2) or expired (3). `old` is the
    /// value that it had before, or its value when it is new; unset for sets.
    ///
    /// # Errors
    /// Those of script functions that choose where the change goes.
    fn table_change(
        &mut self,
        _vm: &mut Vm,
        _table: &Rc<tapir_data::value::Table>,
        _change: i64,
        _keys: &[Value],
        _old: &Value,
    ) -> Result<(), RtError> {
        Ok(())
    }

    /// An event is to be handled whose arguments are not those of its declaration: the host may have put something of
    /// its own there, to make the arguments of it only when that is needed.
    ///
    /// # Errors
    /// Those of what is done instead of the handlers.
    fn late_arguments(&mut self, _vm: &mut Vm, _event: EventId, _args: &mut Vec<Value>) -> Result<Late, RtError> {
        Ok(Late::Unknown)
    }

    /// A message for standard error. The `reporter_*` events are raised by the machine.
    fn report(&mut self, message: &Message);

    /// The engine behind the trait, for its own built-ins.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// Why execution of a body ended.
#[derive(Clone, Debug)]
pub enum RtError {
    /// A run-time error that was not reported yet.
    Fail(Box<Failure>),
    /// The error was reported; only unwinding is left.
    Reported,
    /// `exit(n)`: leave the process at once.
    Exit(i32),
    /// The result arrives later: only inside a `when` condition, after [`CallCtx::begin_async`].
    Pending,
}

/// A run-time error with what its message needs.
#[derive(Clone, Debug)]
pub struct Failure {
    pub severity: Severity,
    pub text: String,
    pub location: Option<Location>,
    pub stack: Vec<String>,
}

impl RtError {
    /// An error that aborts the running event or hook body, reported as a built-in's error at the call.
    #[cold]
    pub fn new(text: impl Into<String>) -> Self {
        Self::with(Severity::Error, text)
    }

    /// The same with another kind.
    #[cold]
    pub fn with(severity: Severity, text: impl Into<String>) -> Self {
        RtError::Fail(Box::new(Failure {
            severity,
            text: text.into(),
            location: None,
            stack: Vec::new(),
        }))
    }
}

impl fmt::Display for RtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RtError::Fail(e) => f.write_str(&e.text),
            RtError::Reported => f.write_str("the body was aborted"),
            RtError::Exit(code) => write!(f, "exit with status {code}"),
            RtError::Pending => f.write_str("the result is not there yet"),
        }
    }
}

/// Names the waiting result of an asynchronous built-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AsyncToken(pub u64);

/// What a built-in can reach during a call.
pub struct CallCtx<'a> {
    pub vm: &'a mut Vm,
    pub host: &'a mut dyn Host,
    /// The static types of the arguments at the call, where the call came from script text.
    pub arg_types: &'a [TypeId],
    /// The declared result type.
    pub result_type: TypeId,
}

impl CallCtx<'_> {
    /// The host as the type that the engine gave, `None` if it is another one.
    pub fn host_as<T: 'static>(&mut self) -> Option<&mut T> {
        self.host.as_any_mut().downcast_mut::<T>()
    }

    /// The type table.
    pub fn types(&self) -> &Types {
        &self.vm.program().types
    }

    /// The program.
    pub fn program(&self) -> &Program {
        self.vm.program()
    }

    /// The network time.
    pub fn network_time(&self) -> f64 {
        self.vm.network_time()
    }

    /// The event queue.
    pub fn queue(&mut self) -> &mut EventQueue {
        self.vm.queue()
    }

    /// Raises an event by id.
    pub fn raise(&mut self, id: EventId, args: Vec<Value>) {
        self.vm.queue().push(id, args);
    }

    /// The dynamic type of a value (`any` for lists and unset values).
    pub fn type_of(&self, v: &Value) -> TypeId {
        self.vm.type_of(v)
    }

    /// Calls a script function, hook or built-in value and gives its result; a hook yields bool.
    pub fn call(&mut self, f: &Value, args: &[Value]) -> Result<Value, RtError> {
        self.vm.call_value(self.host, f, args)
    }

    /// A field of a record, with its default if it is unset; `Unset` where there is neither.
    pub fn field(&mut self, record: &Value, slot: usize) -> Result<Value, RtError> {
        self.vm.record_field(self.host, record, slot)
    }

    /// Fills the unset default fields of every record that can be reached from `v`; call it before rendering.
    pub fn materialize(&mut self, v: &Value) -> Result<(), RtError> {
        self.vm.materialize(self.host, v)
    }

    /// Reports an error at the location of the call; the built-in goes on.
    pub fn error(&mut self, text: impl Into<String>) {
        self.vm.report_at_call(self.host, text.into());
    }

    /// Reports a warning at the location of the call.
    pub fn warning(&mut self, text: impl Into<String>) {
        let location = self.vm.location();
        self.vm.report(self.host, Severity::Warning, text.into(), location);
    }

    /// Reports without a location.
    pub fn report_plain(&mut self, severity: Severity, text: impl Into<String>) {
        self.vm.report(self.host, severity, text.into(), None);
    }

    /// Where the built-in was called.
    pub fn location(&self) -> Option<Location> {
        self.vm.location()
    }

    /// Starts an asynchronous call: gives the token under which [`Vm::finish_async`] later delivers the result, and
    /// the built-in returns `Err(RtError::Pending)`. `None` outside a `when` condition.
    pub fn begin_async(&mut self) -> Option<AsyncToken> {
        self.vm.begin_async()
    }
}
