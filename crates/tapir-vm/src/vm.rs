//! The machine as its users see it: state, start-up, globals, options.
//!
//! The order at start: [`Vm::new`], [`Vm::set_registry`], [`Vm::run_inits`], raise `zeek_init`, [`Vm::run_top_level`],
//! [`Vm::drain`]; then per packet [`Vm::advance_time`] and [`Vm::drain`]. For a loader that needs values while it still
//! loads there is [`Vm::incremental`] with [`Vm::with_program`], and [`Vm::set_program`] at the end.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use tapir_data::table::TableAttrs;
use tapir_data::types::{DefaultId, Flavor, Kind, TypeId, Types, builtin};
use tapir_data::value::{File, Func, FuncId, PatternObject, Str, Value, Vector};
use tapir_interface::queue::EventQueue;
use tapir_script::hir::{Expr, FunctionKind, GlobalId, Ident, InitOp, Program, Storage, Thunk};
use tapir_script::symbol::FastMap;

use crate::code::{Code, Instr};
use crate::exec::{Frame, Iter};
use crate::funcs::Handlers;
use crate::host::{BuiltinFn, Host, Message, PatternJoin, Registry, RtError, Severity};
use crate::lower;
use crate::timers::Timers;
use crate::when::{Active, Triggers};

/// Bounds on what scripts may use up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Steps (loop rounds and calls) of one event body.
    pub steps_max: u64,
    /// Resident memory of the process, in bytes.
    pub memory_max: u64,
    pub vector_len_max: u64,
    /// Events that are handled while the network time stands still.
    pub events_max: u64,
    /// Depth of script calls.
    pub depth_max: usize,
    pub timers_per_step_max: usize,
    /// Seconds between sweeps over a table that expires.
    pub table_expire_interval: f64,
    /// Seconds between the steps of one sweep.
    pub table_expire_delay: f64,
    /// Entries per step.
    pub table_incremental_step: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            steps_max: 4_000_000_000,
            memory_max: crate::limits::default_memory_max(),
            vector_len_max: 1 << 28,
            events_max: 50_000_000,
            depth_max: 1000,
            timers_per_step_max: 300,
            table_expire_interval: 10.0,
            table_expire_delay: 0.01,
            table_incremental_step: 5000,
        }
    }
}

/// How a field that was not given gets its value.
pub(crate) enum FieldDefault {
    None,
    Const(Value),
    Thunk(DefaultId),
    Table(TypeId),
    Vector(TypeId),
    Record(TypeId),
}

/// What is known about a record type.
pub(crate) struct RecordPlan {
    pub defaults: Vec<FieldDefault>,
    /// The constant ones among them up to the last, with unset values between.
    pub constants: Vec<Value>,
    /// One past the last constant default: so many slots are filled when a value is made.
    pub last_const: usize,
    /// The slots with a default, and those whose values may hold records.
    pub deep: Vec<u32>,
    /// Whether some default calls a function and so is evaluated when a value is made.
    pub eager: bool,
    /// Whether all fields are scalars or strings and none is evaluated at first read.
    pub flat: bool,
    /// The slots that a value must have to serve as a key: neither optional nor with a default.
    pub mandatory: Vec<u32>,
}

/// An attribute's expression.
pub(crate) struct AttrThunk {
    pub code: Rc<Code>,
    pub once: bool,
    pub value: Option<Value>,
}

/// A conversion between values that the machine does not know itself; see [`Vm::set_cast_hook`].
pub type CastHook = fn(&mut Vm, &mut dyn Host, &Value, TypeId) -> Option<Value>;

/// The ids of native events by name, the same for all machines.
fn native_events() -> &'static FastMap<&'static str, u32> {
    static IDS: OnceLock<FastMap<&'static str, u32>> = OnceLock::new();
    IDS.get_or_init(|| {
        let names = tapir_interface::events::NAMES.iter();
        names.enumerate().map(|(i, n)| (*n, i as u32)).collect()
    })
}

/// One machine: a program, its state, and the events that wait.
pub struct Vm {
    program: *const Program,
    owner: Option<Arc<Program>>,
    pub(crate) queue: EventQueue,
    pub(crate) now: f64,
    pub(crate) n_errors: u64,
    pub(crate) limits: Limits,
    /// Initialisation is over: constants are constants, types and bodies do not grow any more.
    pub(crate) frozen: bool,
    pub(crate) terminating: bool,

    // Execution.
    pub(crate) stack: Vec<Value>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) iters: Vec<Iter>,
    pub(crate) cur_code: *const Code,
    pub(crate) cur_base: usize,
    pub(crate) pc: *const Instr,
    /// The host, for as long as a body runs.
    pub(crate) host: *mut dyn Host,
    /// Frames up to the entry of the running loop.
    pub(crate) entry_depth: usize,
    pub(crate) fuel: u64,
    pub(crate) steps: u64,
    pub(crate) max_depth: usize,
    pub(crate) alloc_debt: usize,
    pub(crate) call_key: u16,

    // Program state.
    pub(crate) globals: Vec<Value>,
    n_inits: usize,

    // Caches by function.
    pub(crate) entries: Vec<*const Code>,
    pub(crate) codes: Vec<Rc<Code>>,
    pub(crate) builtins: Vec<Option<BuiltinFn>>,
    pub(crate) func_values: Vec<Option<Rc<Func>>>,
    pub(crate) handlers: Vec<Option<Rc<Handlers>>>,
    pub(crate) default_codes: FastMap<DefaultId, Rc<Code>>,
    pub(crate) plans: Vec<Option<Rc<RecordPlan>>>,
    pub(crate) attr_thunks: Vec<AttrThunk>,
    pub(crate) registry: Registry,
    pub(crate) bytes: Vec<Option<Str>>,
    pub(crate) empty_str: Str,

    // Events.
    pub(crate) event_ids: Vec<u32>,
    pub(crate) event_funcs: Vec<Option<FuncId>>,
    /// How often each event was handed to its handlers, by function.
    pub(crate) event_calls: Vec<u64>,
    n_functions_seen: usize,
    pub(crate) new_event: Option<FuncId>,
    pub(crate) watcher: Option<Box<dyn crate::watch::Watcher>>,
    /// Events handled since the network time last changed.
    pub(crate) events_now: u64,
    /// Events that did not fit into the queue, as far as they were reported.
    pub(crate) events_dropped: u64,
    pub(crate) reporter_events: [Option<FuncId>; 3],
    pub(crate) assertion_hooks: (Option<FuncId>, Option<FuncId>),
    pub(crate) in_error_handler: bool,
    pub(crate) current_event: Option<(f64, Vec<(u64, Value)>)>,
    pub(crate) disabled_groups: HashSet<Arc<str>>,
    /// Changes whenever groups of handlers are switched on or off.
    pub(crate) handler_changes: u32,
    pub(crate) disabled_modules: HashSet<Arc<str>>,

    // Time and waiting.
    pub(crate) timers: Timers,
    pub(crate) triggers: Triggers,
    pub(crate) active: Vec<Active>,
    /// Some `when` waits, so that changes are looked at.
    pub(crate) watching: bool,
    /// How deep the conversion that is going on has come.
    pub(crate) coercing: u32,

    option_handlers: HashMap<GlobalId, Vec<(i64, Value)>>,
    options_changed: bool,
    pub(crate) cast_hook: Option<CastHook>,
    state: FastMap<std::any::TypeId, Box<dyn Any>>,
}

impl Vm {
    /// A machine for a program; nothing has run yet.
    pub fn new(program: Arc<Program>) -> Self {
        let mut vm = Vm::incremental();
        vm.set_program(program);
        vm
    }

    /// A machine whose program is still being loaded; see [`Vm::with_program`].
    pub fn incremental() -> Self {
        let limits = Limits::default();
        Vm {
            program: ptr::null(),
            owner: None,
            queue: EventQueue::new(),
            now: 0.0,
            n_errors: 0,
            frozen: false,
            terminating: false,
            stack: vec![Value::Unset; 1024],
            frames: Vec::with_capacity(64),
            iters: Vec::new(),
            cur_code: ptr::null(),
            cur_base: 0,
            pc: ptr::null(),
            host: ptr::null_mut::<NoHost>(),
            entry_depth: 0,
            fuel: 1 << 20,
            steps: 0,
            max_depth: limits.depth_max,
            limits,
            alloc_debt: 0,
            call_key: 0,
            globals: Vec::new(),
            n_inits: 0,
            entries: Vec::new(),
            codes: Vec::new(),
            builtins: Vec::new(),
            func_values: Vec::new(),
            handlers: Vec::new(),
            default_codes: FastMap::default(),
            plans: Vec::new(),
            attr_thunks: Vec::new(),
            registry: Registry::new(),
            bytes: vec![None; 256],
            empty_str: Rc::from(&b""[..]),
            event_calls: Vec::new(),
            event_ids: Vec::new(),
            event_funcs: vec![None; tapir_interface::events::NAMES.len()],
            n_functions_seen: 0,
            new_event: None,
            watcher: None,
            events_now: 0,
            events_dropped: 0,
            reporter_events: [None; 3],
            assertion_hooks: (None, None),
            in_error_handler: false,
            current_event: None,
            disabled_groups: HashSet::new(),
            handler_changes: 0,
            disabled_modules: HashSet::new(),
            timers: Timers::default(),
            triggers: Triggers::default(),
            active: Vec::new(),
            watching: false,
            coercing: 0,
            option_handlers: HashMap::new(),
            options_changed: false,
            cast_hook: None,
            state: FastMap::default(),
        }
    }

    /// The complete program, to be called once when loading is over.
    pub fn set_program(&mut self, program: Arc<Program>) {
        self.program = Arc::as_ptr(&program);
        self.owner = Some(program);
        self.refresh();
        self.update_wanted();
    }

    /// Lends a program that still grows, for the time of `f`. Ids stay valid from one call to the next.
    pub fn with_program<R>(&mut self, program: &Program, f: impl FnOnce(&mut Vm) -> R) -> R {
        let before = std::mem::replace(&mut self.program, program);
        self.refresh();
        let r = f(self);
        self.program = before;
        r
    }

    /// Takes in what the program has gained.
    fn refresh(&mut self) {
        let prog = self.prog();
        let n = prog.functions.len();
        self.globals
            .resize(prog.globals.len().max(self.globals.len()), Value::Unset);
        self.entries.resize(n.max(self.entries.len()), ptr::null());
        self.builtins.resize(n.max(self.builtins.len()), None);
        self.event_ids.resize(n.max(self.event_ids.len()), u32::MAX);
        self.plans.clear();
        if self.n_functions_seen < n {
            let native = native_events();
            for i in self.n_functions_seen..n {
                let f = &prog.functions[i];
                if f.sig.flavor != Flavor::Event {
                    continue;
                }
                let id = match native.get(&*f.name).copied() {
                    Some(id) => {
                        self.event_funcs[id as usize] = Some(FuncId(i as u32));
                        id
                    }
                    None => {
                        self.event_funcs.push(Some(FuncId(i as u32)));
                        self.event_funcs.len() as u32 - 1
                    }
                };
                self.event_ids[i] = id;
            }
            self.n_functions_seen = n;
        }
        let with_bodies = |name: &str| {
            self.func_id(name)
                .filter(|f| matches!(&prog.functions[f.0 as usize].kind, FunctionKind::Script(b) if !b.is_empty()))
        };
        let new_event = with_bodies("new_event");
        let reporter = ["reporter_info", "reporter_warning", "reporter_error"].map(with_bodies);
        let hooks = (with_bodies("assertion_failure"), with_bodies("assertion_result"));
        self.new_event = new_event;
        self.reporter_events = reporter;
        self.assertion_hooks = hooks;
    }

    /// The program with a lifetime of its own, for code that changes the machine while it reads the program.
    #[inline]
    pub(crate) fn prog<'p>(&self) -> &'p Program {
        assert!(!self.program.is_null(), "a program was set");
        // SAFETY: `program` points to what `owner` keeps, or to what `with_program` borrowed for as long as it runs;
        // nothing keeps the reference beyond one entry into the machine.
        unsafe { &*self.program }
    }

    /// The program.
    #[inline]
    pub fn program(&self) -> &Program {
        self.prog()
    }

    /// The program as shared at [`Vm::set_program`].
    pub fn shared_program(&self) -> Option<Arc<Program>> {
        self.owner.clone()
    }

    /// The type table.
    #[inline]
    pub fn types(&self) -> &Types {
        &self.program().types
    }

    /// Sets the built-ins.
    pub fn set_registry(&mut self, registry: Registry) {
        self.registry = registry;
        self.builtins.fill(None);
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Changes the bounds.
    pub fn set_limits(&mut self, limits: Limits) {
        self.max_depth = limits.depth_max;
        self.limits = limits;
    }

    /// A conversion tried by `as` when no other fits.
    pub fn set_cast_hook(&mut self, hook: CastHook) {
        self.cast_hook = Some(hook);
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

    /// Marks that the engine shuts down: nothing is scheduled any more.
    pub fn set_terminating(&mut self) {
        self.terminating = true;
    }

    /// Whether the engine shuts down.
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }

    /// State that a family of built-ins keeps per machine (random numbers, open handles), made on first use.
    pub fn state<T: Default + 'static>(&mut self) -> &mut T {
        let slot = self
            .state
            .entry(std::any::TypeId::of::<T>())
            .or_insert_with(|| Box::new(T::default()));
        slot.downcast_mut().expect("the slot was made under the type's own id")
    }

    // ---- names ----

    /// The id of a global variable, constant or option.
    pub fn global_id(&self, name: &str) -> Option<GlobalId> {
        match self.program().names.get(name) {
            Some(Ident::Global(g)) => Some(*g),
            _ => None,
        }
    }

    /// The id of a function, event or hook.
    pub fn func_id(&self, name: &str) -> Option<FuncId> {
        match self.program().names.get(name) {
            Some(Ident::Func(f)) => Some(*f),
            _ => None,
        }
    }

    /// The type of a name.
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        match self.program().names.get(name) {
            Some(Ident::Type(t)) => Some(*t),
            _ => None,
        }
    }

    /// The value of a global; `Unset` where it has none.
    #[inline]
    pub fn global(&self, g: GlobalId) -> &Value {
        self.globals.get(g.0 as usize).unwrap_or(&Value::Unset)
    }

    /// Sets a global. Waiting conditions that read it are looked at again.
    pub fn set_global(&mut self, g: GlobalId, v: Value) {
        if let Some(slot) = self.globals.get_mut(g.0 as usize) {
            let old = std::mem::replace(slot, v);
            drop(old);
            if self.watching {
                self.global_changed(g.0);
            }
        }
    }

    /// The value of a global variable, constant or option by qualified name; `None` where it has none.
    pub fn global_value(&self, name: &str) -> Option<Value> {
        match self.global(self.global_id(name)?) {
            Value::Unset => None,
            v => Some(v.clone()),
        }
    }

    /// What `print` shows of a function: the name of a built-in; name, type and body of a script function.
    pub fn func_text(&self, f: &Func) -> Vec<u8> {
        let Some(function) = self.program().functions.get(f.id.0 as usize) else {
            return Vec::new();
        };
        let mut out = function.name.as_bytes().to_vec();
        if let FunctionKind::Script(bodies) = &function.kind {
            out.extend_from_slice(b": ");
            out.extend(tapir_data::text::type_text(self.types(), function.ty).into_bytes());
            for b in bodies {
                out.push(b'\n');
                out.extend_from_slice(tapir_script::render::body(self.program(), b).as_bytes());
            }
        }
        out
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
            Value::Opaque(o) => self
                .types()
                .find(&Kind::Opaque(o.type_name().into()))
                .unwrap_or(builtin::ANY),
            Value::Type(_) => builtin::TYPE,
        }
    }

    // ---- start-up ----

    /// Runs the initialisations that have not run yet, in textual order. Errors are reported and skip one step.
    ///
    /// # Errors
    /// [`RtError::Reported`] if a step failed (the program must not start then), [`RtError::Exit`].
    pub fn run_inits(&mut self, host: &mut dyn Host) -> Result<(), RtError> {
        self.run_inits_until(host, self.prog().inits.len())
    }

    /// The same for the first `n` of them.
    fn run_inits_until(&mut self, host: &mut dyn Host, n: usize) -> Result<(), RtError> {
        let prog = self.prog();
        let mut failed = false;
        while self.n_inits < n.min(prog.inits.len()) {
            let init = &prog.inits[self.n_inits];
            self.n_inits += 1;
            if let Err(mut e) = self.run_init(host, init) {
                if let RtError::Fail(f) = &mut e
                    && f.location.is_none()
                {
                    f.location = crate::errors::location_of(prog, init.span);
                }
                self.report_error(host, e)?;
                failed = true;
            }
        }
        if failed { Err(RtError::Reported) } else { Ok(()) }
    }

    fn run_init(&mut self, host: &mut dyn Host, init: &tapir_script::hir::Init) -> Result<(), RtError> {
        let prog = self.prog();
        let g = init.global;
        let global = &prog.globals[g.0 as usize];
        let attrs = self.table_attrs(host, &global.attrs, global.ty)?;
        let value = match &init.value {
            Some(t) => {
                let v = self.eval_thunk(host, t)?;
                if matches!(init.op, InitOp::Set) {
                    Some(self.coerce(host, &v, global.ty)?)
                } else {
                    Some(v)
                }
            }
            None => None,
        };
        let old = self.global(g).clone();
        let new = match (init.op, value) {
            (InitOp::Declare, _) => {
                if matches!(old, Value::Unset) {
                    let v = self.empty_value(global.ty, attrs.clone());
                    if matches!(v, Value::Record(_)) && self.record_plan(global.ty).eager {
                        self.materialize(host, &v)?;
                    }
                    v
                } else {
                    old
                }
            }
            (_, None) => {
                // Attributes were added; an aggregate that was only declared comes to life here as well.
                old
            }
            (InitOp::Set, Some(v)) => v,
            (InitOp::Add, Some(v)) => match (&global.attrs.add_func, init.redef) {
                (Some(f), true) => self.call_redef(host, f, old, v)?,
                _ => match old {
                    Value::Unset => self.coerce(host, &v, global.ty)?,
                    old => {
                        let v = match (&old, &v) {
                            (Value::Table(_) | Value::Vector(_), Value::Table(_) | Value::Vector(_)) => {
                                self.coerce(host, &v, global.ty)?
                            }
                            _ => v,
                        };
                        self.add_assign(host, &old, &v)?
                    }
                },
            },
            (InitOp::Remove, Some(v)) => match (&global.attrs.delete_func, init.redef) {
                (Some(f), true) => self.call_redef(host, f, old, v)?,
                _ => self.sub_assign(host, &old, &v)?,
            },
        };
        if let (Value::Table(t), Some(a)) = (&new, &attrs) {
            self.add_attrs(t, a);
        }
        if let (Value::File(f), true) = (&new, global.attrs.raw_output) {
            f.raw.set(true);
        }
        self.set_global(g, new);
        Ok(())
    }

    fn call_redef(&mut self, host: &mut dyn Host, f: &Thunk, old: Value, new: Value) -> Result<Value, RtError> {
        let f = self.eval_thunk(host, f)?;
        self.call_value(host, &f, &[old, new])
    }

    /// The value of a variable without initialiser: an empty aggregate, otherwise unset.
    pub fn empty_value(&mut self, ty: TypeId, attrs: Option<Rc<TableAttrs>>) -> Value {
        match self.types().kind(ty) {
            Kind::Table { .. } => Value::Table(self.new_table(ty, attrs)),
            Kind::Vector(_) => Value::Vector(Vector::new(ty, Vec::new())),
            Kind::Record(_) => {
                let incomplete = self.types().record(ty).is_some_and(|r| {
                    r.fields.iter().any(|f| {
                        !f.optional
                            && f.default.is_none()
                            && !matches!(
                                self.types().kind(f.ty),
                                Kind::Table { .. } | Kind::Vector(_) | Kind::Record(_)
                            )
                    })
                });
                if incomplete {
                    Value::Unset
                } else {
                    Value::Record(self.empty_record(ty))
                }
            }
            _ => Value::Unset,
        }
    }

    /// Evaluates a condition over the program so far, for `@if`: what is pending of the initialisations runs first.
    ///
    /// # Errors
    /// The reason why there is no value.
    pub fn evaluate(&mut self, host: &mut dyn Host, program: &Program, e: &Thunk) -> Result<Value, RtError> {
        self.evaluate_behind(host, program, program.inits.len(), e)
    }

    /// Evaluates a condition of a program that has gone on since: as behind its first `n_inits` initialisations.
    ///
    /// # Errors
    /// The reason why there is no value.
    pub fn evaluate_behind(
        &mut self,
        host: &mut dyn Host,
        program: &Program,
        n_inits: usize,
        e: &Thunk,
    ) -> Result<Value, RtError> {
        self.with_program(program, |vm| {
            vm.run_inits_until(host, n_inits)?;
            vm.eval_thunk(host, e)
        })
    }

    /// Evaluates an expression that needs no locals in the loaded program.
    pub fn evaluate_expr(&mut self, host: &mut dyn Host, e: Expr) -> Result<Value, RtError> {
        self.eval_thunk(host, &Thunk { expr: e, n_slots: 0 })
    }

    /// Declares that initialisation is over: constants become part of the code that is compiled from now on.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Runs the statements outside of functions. Freezes the program first.
    ///
    /// # Errors
    /// [`RtError::Reported`] after a run-time error, which is fatal here, or [`RtError::Exit`].
    pub fn run_top_level(&mut self, host: &mut dyn Host) -> Result<(), RtError> {
        self.freeze();
        let prog = self.prog();
        if prog.parts(&prog.top_level).is_ok_and(|parts| parts.stmts.is_empty()) {
            return Ok(());
        }
        let code = match lower::top_level(self, host, prog, &prog.top_level) {
            Ok(c) => Rc::new(c),
            Err(why) => {
                self.report(host, Severity::InternalError, why, None);
                return Err(RtError::Reported);
            }
        };
        match self.run_code(host, &code, &[], None) {
            Ok(_) => Ok(()),
            Err(e) => {
                self.report_error(host, e)?;
                Err(RtError::Reported)
            }
        }
    }

    // ---- options ----

    /// Adds a change handler of an option; higher priorities are called first.
    pub fn add_option_handler(&mut self, g: GlobalId, f: Value, priority: i64) {
        let list = self.option_handlers.entry(g).or_default();
        let at = list.partition_point(|h| h.0 >= priority);
        list.insert(at, (priority, f));
    }

    /// Whether a global is an option.
    pub fn is_option(&self, g: GlobalId) -> bool {
        self.program()
            .globals
            .get(g.0 as usize)
            .is_some_and(|g| g.storage == Storage::Option)
    }

    /// Passes a new value (of the right type already) through the change handlers of an option and stores a copy of
    /// what they make of it. False when a handler yielded nothing: the option stays as it is.
    pub fn set_option(
        &mut self,
        host: &mut dyn Host,
        g: GlobalId,
        value: Value,
        location: &str,
    ) -> Result<bool, RtError> {
        let name = self.program().globals[g.0 as usize].name.clone();
        let mut value = value;
        for (_, f) in self.option_handlers.get(&g).cloned().unwrap_or_default() {
            let Value::Func(func) = &f else { continue };
            let n_params = match self.types().kind(func.ty) {
                Kind::Func(sig) => sig.params.len(),
                _ => 2,
            };
            let mut args = vec![Value::Str(name.as_bytes().into()), value];
            if n_params > 2 {
                args.push(Value::Str(location.as_bytes().into()));
            }
            value = self.call_value(host, &f, &args)?;
            if let Value::Unset = value {
                return Ok(false);
            }
        }
        self.set_global(g, tapir_data::copy::deep_copy(&value));
        self.options_changed = true;
        Ok(true)
    }

    /// Whether an option was changed since the last call, so that native code has to read its settings again.
    pub fn take_options_changed(&mut self) -> bool {
        std::mem::take(&mut self.options_changed)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // State may refer to itself through closures and tables: break the ties of what is reachable from here.
        self.globals.clear();
        self.stack.clear();
    }
}

impl tapir_data::text::RenderHost for Vm {
    fn types(&self) -> &Types {
        &self.program().types
    }
    fn func_text(&self, f: &Func) -> Vec<u8> {
        Vm::func_text(self, f)
    }
    fn field_default(&self, _: &Rc<tapir_data::value::Record>, _: usize) -> Value {
        Value::Unset
    }
}

/// Stands for the host while no body runs; only the address of its table is used.
enum NoHost {}

impl Host for NoHost {
    fn compile_pattern(&mut self, _: &[u8], _: bool, _: bool) -> Result<Rc<dyn PatternObject>, String> {
        match *self {}
    }
    fn join_patterns(
        &mut self,
        _: &Rc<dyn PatternObject>,
        _: &Rc<dyn PatternObject>,
        _: PatternJoin,
    ) -> Result<Rc<dyn PatternObject>, String> {
        match *self {}
    }
    fn extend_pattern(&mut self, _: &Rc<dyn PatternObject>, _: &Rc<dyn PatternObject>) -> Result<(), String> {
        match *self {}
    }
    fn print(&mut self, _: &Vm, _: Option<&Rc<File>>, _: &[Value]) {
        match *self {}
    }
    fn report(&mut self, _: &Message) {
        match *self {}
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        match *self {}
    }
}
