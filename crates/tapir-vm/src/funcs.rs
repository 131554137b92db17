//! Functions, hooks and events: compiling at first use, calling, draining the queue.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use tapir_data::text::type_text;
use tapir_data::types::{Flavor, Kind, TypeId, builtin};
use tapir_data::value::{Func, FuncId, Record, Value, Vector};
use tapir_interface::queue::{EventId, QueuedEvent};
use tapir_script::hir::{Body, FunctionKind, Thunk};

use crate::code::{Code, enc, kind};
use crate::errors::location_of;
use crate::exec::dup;
use crate::host::{CallCtx, Failure, Host, Late, RtError, Severity};
use crate::lower;
use crate::vm::Vm;

/// One body of an event or hook, in the order of execution.
pub(crate) struct Handler {
    pub body: Arc<Body>,
    pub code: RefCell<Option<Rc<Code>>>,
    pub enabled: Cell<bool>,
}

/// The bodies of a function, highest priority first.
pub(crate) struct Handlers {
    pub list: Vec<Handler>,
    /// The kinds of the parameters.
    kinds: Vec<u8>,
    error_handler: bool,
    /// How many bodies the program had when this was made.
    n_bodies: usize,
    first: Option<*const Body>,
}

impl Vm {
    // ---- compiling ----

    pub(crate) fn thunk_code(&mut self, host: &mut dyn Host, t: &Thunk) -> Result<Rc<Code>, RtError> {
        let prog = self.prog();
        match lower::thunk(self, host, prog, t) {
            Ok(c) => Ok(Rc::new(c)),
            Err(why) => Err(self.compile_error("<init>", why)),
        }
    }

    pub(crate) fn eval_thunk(&mut self, host: &mut dyn Host, t: &Thunk) -> Result<Value, RtError> {
        if let tapir_script::hir::ExprKind::Const(c) = &t.expr.kind {
            return self.constant_value(host, c).map_err(RtError::new);
        }
        if let Some(v) = self.literal(host, &t.expr) {
            return Ok(v);
        }
        let code = self.thunk_code(host, t)?;
        self.run_code(host, &code, &[], None)
    }

    #[cold]
    fn compile_error(&mut self, name: &str, why: String) -> RtError {
        self.located(Severity::Error, format!("cannot compile {name}: {why}"))
    }

    /// As [`compile_error`](Vm::compile_error), at the body that does not compile.
    #[cold]
    fn body_error(&mut self, name: &str, body: &Body, why: String) -> RtError {
        RtError::Fail(Box::new(Failure {
            severity: Severity::Error,
            text: format!("cannot compile {name}: {why}"),
            location: location_of(self.program(), body.span),
            stack: Vec::new(),
        }))
    }

    /// Compiles a function for direct calls.
    #[cold]
    pub(crate) fn compile_function(&mut self, host: &mut dyn Host, f: FuncId) -> Result<*const Code, RtError> {
        let prog = self.prog();
        let function = &prog.functions[f.0 as usize];
        let FunctionKind::Script(bodies) = &function.kind else {
            return Err(self.compile_error(&function.name, "it is a built-in".into()));
        };
        let Some(body) = bodies.first() else {
            // Only declared: a variable of function type that nothing was assigned to.
            let text = format!("value used but not set ({})", function.name);
            let e = self.located(Severity::ExpressionError, text);
            return Err(self.with_location(e));
        };
        let code = match lower::body(self, host, prog, f, function, body) {
            Ok(c) => Rc::new(c),
            Err(why) => return Err(self.body_error(&function.name, body, why)),
        };
        let at = Rc::as_ptr(&code);
        self.codes.push(code);
        self.entries[f.0 as usize] = at;
        Ok(at)
    }

    fn function_code(&mut self, host: &mut dyn Host, f: FuncId) -> Result<Rc<Code>, RtError> {
        let at = match self.entries.get(f.0 as usize) {
            Some(p) if !p.is_null() => *p,
            Some(_) => self.compile_function(host, f)?,
            None => return Err(RtError::new("no such function")),
        };
        // SAFETY: entries point into `codes`, whose counts are never given up while the machine lives.
        unsafe {
            Rc::increment_strong_count(at);
            Ok(Rc::from_raw(at))
        }
    }

    #[cold]
    pub(crate) fn find_builtin(&mut self, f: FuncId) -> Result<crate::BuiltinFn, RtError> {
        let name = self.program().functions[f.0 as usize].name.clone();
        match self.registry.get(&name) {
            Some(b) => {
                self.builtins[f.0 as usize] = Some(b);
                Ok(b)
            }
            None => Err(self.located(Severity::Error, format!("built-in function {name} is not implemented"))),
        }
    }

    /// Declared built-ins that the registry lacks.
    pub fn missing_builtins(&self) -> Vec<String> {
        self.program()
            .functions
            .iter()
            .filter(|f| matches!(f.kind, FunctionKind::Builtin) && self.registry.get(&f.name).is_none())
            .map(|f| f.name.to_string())
            .collect()
    }

    /// The bytecode of a function's bodies as text.
    ///
    /// # Errors
    /// Where a body cannot be compiled.
    pub fn disassemble(&mut self, host: &mut dyn Host, f: FuncId) -> Result<String, RtError> {
        let prog = self.prog();
        let Some(function) = prog.functions.get(f.0 as usize) else {
            return Err(RtError::new("no such function"));
        };
        let mut out = String::new();
        if let FunctionKind::Script(bodies) = &function.kind {
            for b in bodies {
                let code = lower::body(self, host, prog, f, function, b)
                    .map_err(|why| self.body_error(&function.name, b, why))?;
                out.push_str(&code.disassemble());
            }
        }
        Ok(out)
    }

    // ---- calling ----

    /// Where the next frame begins.
    #[inline]
    fn frame_base(&self) -> usize {
        if self.cur_code.is_null() {
            return 0;
        }
        // SAFETY: the running code is kept while it runs.
        self.cur_base + unsafe { (*self.cur_code).n_regs as usize }
    }

    /// Runs code with arguments in its first registers.
    pub(crate) fn run_code(
        &mut self,
        host: &mut dyn Host,
        code: &Rc<Code>,
        args: &[Value],
        closure: Option<&Rc<Func>>,
    ) -> Result<Value, RtError> {
        let base = self.frame_base();
        self.reserve(base + code.n_regs as usize + 1);
        match &code.param_map {
            None => {
                for (to, v) in self.stack[base..].iter_mut().zip(args).take(code.n_params as usize) {
                    // SAFETY: what lies above the running frame is no heap value.
                    unsafe { std::ptr::write(to, dup(v)) };
                }
            }
            Some(map) => {
                for (i, &from) in map.iter().enumerate().take(code.n_params as usize) {
                    self.stack[base + i] = args.get(from as usize).cloned().unwrap_or_default();
                }
            }
        }
        if code.closure_reg != enc::NONE {
            self.stack[base + code.closure_reg as usize] = closure.map_or(Value::Unset, |f| Value::Func(f.clone()));
        }
        self.execute(host, code, base)
    }

    /// Calls a function value.
    pub fn call_value(&mut self, host: &mut dyn Host, f: &Value, args: &[Value]) -> Result<Value, RtError> {
        match f {
            Value::Func(f) => self.call_func(host, f, args, &[]),
            _ => Err(RtError::new("only a function can be called")),
        }
    }

    /// Calls a named function, hook or built-in.
    pub fn call_function(&mut self, host: &mut dyn Host, f: FuncId, args: &[Value]) -> Result<Value, RtError> {
        let Value::Func(f) = self.func_value(f) else {
            return Ok(Value::Unset);
        };
        self.call_func(host, &f, args, &[])
    }

    /// Calls a hook: false if a body left it with `break`.
    pub fn call_hook(&mut self, host: &mut dyn Host, f: FuncId, args: &[Value]) -> Result<bool, RtError> {
        self.run_hook(host, f, args)
    }

    pub(crate) fn call_func(
        &mut self,
        host: &mut dyn Host,
        f: &Rc<Func>,
        args: &[Value],
        arg_types: &[TypeId],
    ) -> Result<Value, RtError> {
        let prog = self.prog();
        let Some(function) = prog.functions.get(f.id.0 as usize) else {
            return Err(RtError::new("no such function"));
        };
        match &function.kind {
            FunctionKind::Builtin => {
                let b = match self.builtins[f.id.0 as usize] {
                    Some(b) => b,
                    None => self.find_builtin(f.id)?,
                };
                let mut full: smallvec::SmallVec<[Value; 8]> = args.iter().cloned().collect();
                if !function.sig.variadic {
                    for p in function.sig.params.iter().skip(args.len()) {
                        match p.default {
                            Some(id) => full.push(self.eval_thunk(host, prog.default(id))?),
                            None => break,
                        }
                    }
                }
                b(
                    &mut CallCtx {
                        vm: self,
                        host,
                        arg_types,
                        result_type: function.sig.yields,
                    },
                    &full,
                )
            }
            FunctionKind::Script(_) => match function.sig.flavor {
                Flavor::Function => {
                    let code = self.function_code(host, f.id)?;
                    if args.len() > function.sig.params.len() {
                        return Err(self.located(Severity::Error, "too many arguments for function call"));
                    }
                    // Values from outside are held against the declared types.
                    let params = &function.sig.params;
                    if args.len() == params.len()
                        && params
                            .iter()
                            .zip(args)
                            .all(|(p, v)| kind::fits(kind::of_type(&prog.types, p.ty), v))
                    {
                        return self.run_code(host, &code, args, Some(f));
                    }
                    let mut fixed: smallvec::SmallVec<[Value; 8]> = args.iter().cloned().collect();
                    for (i, p) in function.sig.params.iter().enumerate() {
                        let want = kind::of_type(&prog.types, p.ty);
                        match fixed.get(i) {
                            Some(v) if kind::fits(want, v) => {}
                            Some(Value::Unset) | None => match p.default {
                                Some(id) => {
                                    let v = self.eval_thunk(host, prog.default(id))?;
                                    if i < fixed.len() {
                                        fixed[i] = v;
                                    } else {
                                        fixed.push(v);
                                    }
                                }
                                None if want == kind::ANY && i < fixed.len() => {}
                                None => {
                                    return Err(self.located(
                                        Severity::Error,
                                        format!("argument {} of {} is missing", p.name, function.name),
                                    ));
                                }
                            },
                            Some(v) => {
                                let v = v.clone();
                                fixed[i] = self.coerce(host, &v, p.ty)?;
                            }
                        }
                    }
                    self.run_code(host, &code, &fixed, Some(f))
                }
                Flavor::Hook => Ok(Value::Bool(self.run_hook_with(host, f.id, args, Some(f))?)),
                Flavor::Event => {
                    self.run_event_bodies(host, f.id, args)?;
                    Ok(Value::Unset)
                }
            },
        }
    }

    // ---- handlers ----

    /// The bodies of an event or hook in order of execution.
    pub(crate) fn handlers(&mut self, f: FuncId) -> Rc<Handlers> {
        let i = f.0 as usize;
        let prog = self.prog();
        let empty: &[Arc<Body>] = &[];
        let bodies: &[Arc<Body>] = match prog.functions.get(i).map(|f| &f.kind) {
            Some(FunctionKind::Script(b)) => b,
            _ => empty,
        };
        if self.handlers.len() <= i {
            self.handlers.resize_with(i + 1, || None);
        }
        if let Some(h) = &self.handlers[i]
            && (self.frozen || (h.n_bodies == bodies.len() && h.first == bodies.first().map(Arc::as_ptr)))
        {
            return h.clone();
        }
        let mut order: Vec<&Arc<Body>> = bodies.iter().collect();
        order.sort_by_key(|b| std::cmp::Reverse(b.priority));
        let list = order
            .into_iter()
            .map(|b| Handler {
                body: b.clone(),
                code: RefCell::new(None),
                enabled: Cell::new(self.groups_enabled(b)),
            })
            .collect();
        let function = prog.functions.get(i);
        let params = function.map_or(&[][..], |f| &f.sig.params[..]);
        let h = Rc::new(Handlers {
            list,
            kinds: params.iter().map(|p| kind::of_type(&prog.types, p.ty)).collect(),
            error_handler: function.is_some_and(|f| f.attrs.error_handler),
            n_bodies: bodies.len(),
            first: bodies.first().map(Arc::as_ptr),
        });
        self.handlers[i] = Some(h.clone());
        h
    }

    fn groups_enabled(&self, b: &Body) -> bool {
        !self.disabled_modules.contains(&b.module) && !b.groups.iter().any(|g| self.disabled_groups.contains(g))
    }

    fn handler_code(&mut self, host: &mut dyn Host, f: FuncId, h: &Handler) -> Result<Rc<Code>, RtError> {
        if let Some(c) = &*h.code.borrow() {
            return Ok(c.clone());
        }
        let prog = self.prog();
        let function = &prog.functions[f.0 as usize];
        match lower::body(self, host, prog, f, function, &h.body) {
            Ok(c) => {
                let c = Rc::new(c);
                *h.code.borrow_mut() = Some(c.clone());
                Ok(c)
            }
            Err(why) => Err(self.body_error(&function.name, &h.body, why)),
        }
    }

    pub(crate) fn run_hook(&mut self, host: &mut dyn Host, f: FuncId, args: &[Value]) -> Result<bool, RtError> {
        self.run_hook_with(host, f, args, None)
    }

    fn run_hook_with(
        &mut self,
        host: &mut dyn Host,
        f: FuncId,
        args: &[Value],
        closure: Option<&Rc<Func>>,
    ) -> Result<bool, RtError> {
        let handlers = self.handlers(f);
        for h in &handlers.list {
            if !h.enabled.get() {
                continue;
            }
            let code = self.handler_code(host, f, h)?;
            match self.run_code(host, &code, args, closure) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(e) => self.report_error(host, e)?,
            }
        }
        Ok(true)
    }

    /// Runs the bodies of an event now; each is isolated from the errors of the others.
    pub fn run_event_bodies(&mut self, host: &mut dyn Host, f: FuncId, args: &[Value]) -> Result<(), RtError> {
        let handlers = self.handlers(f);
        self.run_bodies(host, f, &handlers, Cow::Borrowed(args))
    }

    fn run_bodies(
        &mut self,
        host: &mut dyn Host,
        f: FuncId,
        handlers: &Handlers,
        mut args: Cow<'_, [Value]>,
    ) -> Result<(), RtError> {
        let n = handlers.list.len();
        for (i, h) in handlers.list.iter().enumerate() {
            if !h.enabled.get() {
                continue;
            }
            self.steps = 0;
            let r = match self.handler_code(host, f, h) {
                Ok(code) => match &mut args {
                    // The last body takes the arguments over.
                    Cow::Owned(args) if i + 1 == n && code.param_map.is_none() => {
                        let base = self.frame_base();
                        self.reserve(base + code.n_regs as usize + 1);
                        for (to, v) in self.stack[base..]
                            .iter_mut()
                            .zip(args.drain(..))
                            .take(code.n_params as usize)
                        {
                            // SAFETY: what lies above the running frame is no heap value.
                            unsafe { std::ptr::write(to, v) };
                        }
                        self.execute(host, &code, base)
                    }
                    args => self.run_code(host, &code, args, None),
                },
                Err(e) => Err(e),
            };
            match r {
                Ok(_) => {}
                Err(RtError::Pending) => {
                    let e = self.located(Severity::Error, "asynchronous call outside of a when-condition");
                    self.report_error(host, e)?;
                }
                Err(e) => self.report_error(host, e)?,
            }
        }
        Ok(())
    }

    // ---- raising ----

    /// The id of an event.
    #[inline]
    pub fn event_id(&self, f: FuncId) -> Option<EventId> {
        match self.event_ids.get(f.0 as usize) {
            Some(&id) if id != u32::MAX => Some(EventId(id)),
            _ => None,
        }
    }

    /// The event behind an id.
    pub fn event_func(&self, id: EventId) -> Option<FuncId> {
        self.event_funcs.get(id.0 as usize).copied().flatten()
    }

    /// Raises an event by function.
    pub fn raise_func(&mut self, f: FuncId, args: Vec<Value>) {
        if let Some(id) = self.event_id(f) {
            self.queue.push(id, args);
        }
    }

    /// Raises an event by name; false if there is none.
    pub fn raise_named(&mut self, name: &str, args: Vec<Value>) -> bool {
        match self.func_id(name) {
            Some(f) => {
                self.raise_func(f, args);
                true
            }
            None => false,
        }
    }

    /// Raises the event that a global variable will hold when the queue is drained.
    pub(crate) fn raise_global(&mut self, g: u32, args: Vec<Value>) {
        let time = self.queue.now();
        self.queue.push_event(QueuedEvent {
            id: EventId(u32::MAX),
            args,
            time,
            metadata: vec![(u64::MAX, Value::Count(g as u64))],
        });
    }

    /// Handles up to two generations of the queue, then looks at `when` conditions. An error that comes back ends the
    /// process ([`RtError::Exit`]).
    pub fn drain(&mut self, host: &mut dyn Host) -> Result<(), RtError> {
        for _ in 0..2 {
            if self.queue.is_empty() {
                break;
            }
            let mut generation = self.queue.take_all();
            self.events_now += generation.len() as u64;
            if self.events_now > self.limits.events_max {
                return self.too_many_events(host);
            }
            while let Some(event) = generation.pop_front() {
                self.dispatch_event(host, event)?;
            }
            self.queue.recycle(generation);
        }
        if self.queue.n_dropped() != self.events_dropped {
            let n = self.queue.n_dropped() - self.events_dropped;
            self.events_dropped += n;
            let text = format!("{n} events were dropped, because too many wait to be handled");
            self.report(host, Severity::Error, text, None);
        }
        self.run_triggers(host)?;
        Ok(())
    }

    /// Events raise further events without end while the time stands still: what waits is thrown away.
    #[cold]
    fn too_many_events(&mut self, host: &mut dyn Host) -> Result<(), RtError> {
        let text = format!(
            "limit of {} events without a change of network time exceeded; the event queue was emptied",
            self.limits.events_max
        );
        self.events_now = 0;
        drop(self.queue.take_all());
        self.report(host, Severity::RuntimeError, text, None);
        Ok(())
    }

    /// Drains until nothing waits.
    pub fn drain_all(&mut self, host: &mut dyn Host) -> Result<(), RtError> {
        loop {
            self.drain(host)?;
            if self.queue.is_empty() {
                return Ok(());
            }
        }
    }

    /// Hands one event to its handlers.
    pub fn dispatch_event(&mut self, host: &mut dyn Host, mut event: QueuedEvent) -> Result<(), RtError> {
        let f = if event.id == EventId(u32::MAX) {
            let g = event.metadata.first().and_then(|m| match m {
                (u64::MAX, Value::Count(g)) => self.globals.get(*g as usize),
                _ => None,
            });
            match g {
                Some(Value::Func(f)) => f.id,
                _ => return Ok(()),
            }
        } else {
            match self.event_func(event.id) {
                Some(f) => f,
                None => return Ok(()),
            }
        };
        let prog = self.prog();
        let i = f.0 as usize;
        if i >= self.event_calls.len() {
            self.event_calls.resize(prog.functions.len(), 0);
        }
        self.event_calls[i] += 1;
        let handlers = self.handlers(f);
        let fits = event.args.len() == handlers.kinds.len()
            && handlers.kinds.iter().zip(&event.args).all(|(k, v)| kind::fits(*k, v));
        if !fits {
            match host.late_arguments(self, event.id, &mut event.args) {
                Ok(Late::Made) => {}
                Ok(Late::Handled) => return Ok(()),
                Ok(Late::Unknown) => {
                    self.misfit(host, f, &event.args);
                    return Ok(());
                }
                Err(e) => return self.report_error(host, e),
            }
        }
        let outer = self.current_event.replace((event.time, event.metadata));
        let quiet = self.in_error_handler;
        if handlers.error_handler {
            self.in_error_handler = true;
        }
        let mut r = Ok(());
        if let Some(meta) = self.new_event
            && meta != f
        {
            r = self.tell_new_event(host, meta, f, &event.args);
        }
        if r.is_ok() {
            r = self.run_bodies(host, f, &handlers, Cow::Owned(event.args));
        }
        self.in_error_handler = quiet;
        self.current_event = outer;
        r
    }

    /// Reports an event whose arguments are not those of its declaration.
    #[cold]
    fn misfit(&mut self, host: &mut dyn Host, f: FuncId, args: &[Value]) {
        let prog = self.prog();
        let function = &prog.functions[f.0 as usize];
        let params = &function.sig.params;
        let bad = params
            .iter()
            .zip(args)
            .find(|(p, v)| !kind::fits(kind::of_type(&prog.types, p.ty), v))
            .map_or_else(
                || format!("{} arguments instead of {}", args.len(), params.len()),
                |(p, v)| format!("argument {} of kind {}", p.name, kind::of(v)),
            );
        let text = format!("event {} was raised with {bad}", function.name);
        self.report(host, Severity::InternalError, text, None);
    }

    /// Calls `new_event(name, params)`.
    fn tell_new_event(&mut self, host: &mut dyn Host, meta: FuncId, f: FuncId, args: &[Value]) -> Result<(), RtError> {
        let prog = self.prog();
        let Some(vector_ty) = prog.functions[meta.0 as usize].sig.params.get(1).map(|p| p.ty) else {
            return Ok(());
        };
        let Kind::Vector(record_ty) = prog.types.kind(vector_ty) else {
            return Ok(());
        };
        let function = &prog.functions[f.0 as usize];
        let mut list = Vec::with_capacity(args.len());
        for (p, v) in function.sig.params.iter().zip(args) {
            let default = match p.default {
                Some(id) => self.eval_thunk(host, prog.default(id))?,
                None => Value::Unset,
            };
            list.push(Value::Record(Record::new(
                *record_ty,
                vec![
                    Value::Str(p.name.as_bytes().into()),
                    Value::Str(type_text(&prog.types, p.ty).into_bytes().into()),
                    default,
                    v.clone(),
                ],
            )));
        }
        let name = Value::Str(function.name.as_bytes().into());
        let params = Value::Vector(Vector::new(vector_ty, list));
        self.run_event_bodies(host, meta, &[name, params])
    }

    /// The events that were handed to handlers so far, with how often.
    pub fn event_counts(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        let functions = &self.program().functions;
        let called = self.event_calls.iter().enumerate().filter(|c| *c.1 > 0);
        called.filter_map(|(i, n)| Some((&*functions.get(i)?.name, *n)))
    }

    /// Time and metadata of the event that is being handled.
    pub fn current_event(&self) -> Option<&(f64, Vec<(u64, Value)>)> {
        self.current_event.as_ref()
    }

    // ---- groups ----

    fn group_names(&self, modules: bool) -> HashSet<Arc<str>> {
        let mut out = HashSet::new();
        for f in &self.program().functions {
            if let FunctionKind::Script(bodies) = &f.kind
                && f.sig.flavor != Flavor::Function
            {
                for b in bodies {
                    if modules {
                        out.insert(b.module.clone());
                    } else {
                        out.extend(b.groups.iter().cloned());
                    }
                }
            }
        }
        out
    }

    /// Whether a body belongs to the group (`&group`), or to the module.
    pub fn has_event_group(&self, name: &str, module: bool) -> bool {
        self.group_names(module).contains(name)
    }

    /// Switches the bodies of a group (`&group`), or all of a module, on or off; false if there are none.
    pub fn set_event_group(&mut self, name: &str, module: bool, enabled: bool) -> bool {
        if !self.has_event_group(name, module) {
            return false;
        }
        let set = if module {
            &mut self.disabled_modules
        } else {
            &mut self.disabled_groups
        };
        if enabled {
            set.remove(name);
        } else {
            set.insert(name.into());
        }
        for i in 0..self.handlers.len() {
            if let Some(h) = self.handlers[i].clone() {
                for one in &h.list {
                    one.enabled.set(self.groups_enabled(&one.body));
                }
            }
        }
        self.handler_changes = self.handler_changes.wrapping_add(1);
        self.update_wanted();
        true
    }

    /// A number that changes whenever groups of handlers are switched on or off.
    pub fn handler_changes(&self) -> u32 {
        self.handler_changes
    }

    /// The bodies of an event that would run, in the order in which they would.
    pub fn enabled_bodies(&mut self, f: FuncId) -> Vec<Arc<Body>> {
        let handlers = self.handlers(f);
        let enabled = handlers.list.iter().filter(|h| h.enabled.get());
        enabled.map(|h| h.body.clone()).collect()
    }

    /// Counts events as handed to their handlers which were known to have nothing to do.
    pub fn count_events(&mut self, f: FuncId, n: u64) {
        let i = f.0 as usize;
        if i >= self.event_calls.len() {
            self.event_calls.resize(self.program().functions.len(), 0);
        }
        self.event_calls[i] += n;
        self.queue.count_raised(n);
    }

    /// Whether an event has an enabled handler.
    pub fn is_handled(&mut self, f: FuncId) -> bool {
        let prog = self.prog();
        match prog.functions.get(f.0 as usize).map(|f| &f.kind) {
            Some(FunctionKind::Script(bodies)) => bodies.iter().any(|b| self.groups_enabled(b)),
            _ => false,
        }
    }

    /// Tells the queue which events have handlers.
    pub(crate) fn update_wanted(&mut self) {
        for i in 0..self.event_funcs.len() {
            if let Some(f) = self.event_funcs[i] {
                let wanted = self.is_handled(f);
                self.queue.set_wanted(EventId(i as u32), wanted);
            }
        }
        // `new_event` sees the events that have handlers of their own; it makes no others wanted.
    }

    // ---- print, assert ----

    pub(crate) fn print(&mut self, host: &mut dyn Host, args: &[Value]) -> Result<(), RtError> {
        for v in args {
            if let Value::Unset = v {
                return Ok(());
            }
            self.materialize(host, v)?;
        }
        let (file, values) = match args {
            [Value::File(f), rest @ ..] => (Some(f), rest),
            all => (None, all),
        };
        if !host.take_print(self, file, values)? {
            host.print(self, file, values);
        }
        Ok(())
    }

    pub(crate) fn wants_assertion_results(&mut self) -> bool {
        match self.assertion_hooks.1 {
            Some(f) => self.is_handled(f),
            None => false,
        }
    }

    pub(crate) fn assertion(
        &mut self,
        host: &mut dyn Host,
        ok: bool,
        text: &Arc<str>,
        msg: Value,
    ) -> Result<(), RtError> {
        let (on_failure, on_result) = self.assertion_hooks;
        let empty = Value::Str(self.empty_str.clone());
        let shown = match &msg {
            Value::Str(_) => msg.clone(),
            _ => empty,
        };
        let cond = Value::Str(text.as_bytes().into());
        let mut backtrace = None;
        if let Some(f) = on_result
            && self.is_handled(f)
        {
            let bt = self.backtrace_value(f, 3);
            backtrace = Some(bt.clone());
            self.run_hook(host, f, &[Value::Bool(ok), cond.clone(), shown.clone(), bt])?;
        }
        if ok {
            return Ok(());
        }
        if let Some(f) = on_failure
            && self.is_handled(f)
        {
            let bt = backtrace.unwrap_or_else(|| self.backtrace_value(f, 2));
            if !self.run_hook(host, f, &[cond, shown.clone(), bt])? {
                return Err(RtError::Reported);
            }
        }
        let mut message = format!("assertion failure: {text}");
        if let Value::Str(s) = &shown
            && !s.is_empty()
        {
            message.push_str(&format!(" ({})", String::from_utf8_lossy(s)));
        }
        Err(self.located(Severity::Error, message))
    }

    /// The call stack as a script value of the type of a hook's parameter, with `assert` as entry 0.
    fn backtrace_value(&mut self, hook: FuncId, param: usize) -> Value {
        let ty = self.program().functions[hook.0 as usize]
            .sig
            .params
            .get(param)
            .map(|p| p.ty);
        match ty {
            Some(ty) => self.backtrace_vector(ty, Some("assert")),
            None => Value::Unset,
        }
    }

    /// The script call stack as a vector of the given type (`Backtrace`): each element has the function's name, its
    /// arguments, and file and line of the call. `top` is put in front as the innermost entry.
    pub fn backtrace_vector(&mut self, ty: TypeId, top: Option<&str>) -> Value {
        let prog = self.prog();
        let Kind::Vector(elem) = prog.types.kind(ty) else {
            return Value::Unset;
        };
        let elem = *elem;
        let Some(layout) = prog.types.record(elem) else {
            return Value::Unset;
        };
        let slot = |n: &str| layout.slot(n).map(|s| s as usize);
        let stack = self.call_stack();
        let mut names: Vec<(String, Vec<Value>, Option<FuncId>)> = Vec::new();
        let mut places = Vec::new();
        if let Some(t) = top {
            names.push((t.into(), Vec::new(), None));
        }
        for f in stack {
            places.push(f.location);
            names.push((f.name, f.args, f.func));
        }
        if top.is_none() {
            // Every entry shows where it was called from: the place belongs to the frame below.
            if !places.is_empty() {
                places.remove(0);
            }
        }
        places.resize(names.len(), None);
        let args_ty = slot("function_args").and_then(|s| layout.fields.get(s)).map(|f| f.ty);
        let mut out = Vec::new();
        for ((name, args, func), place) in names.into_iter().zip(places) {
            if name.is_empty() {
                continue;
            }
            let r = Record::new(elem, Vec::new());
            if let Some(s) = slot("function_name") {
                r.set(s, Value::Str(name.as_bytes().into()));
            }
            if let (Some(s), Some(args_ty)) = (slot("function_args"), args_ty) {
                let params = func
                    .and_then(|f| prog.functions.get(f.0 as usize))
                    .map_or(&[][..], |f| &f.sig.params[..]);
                let list = self.call_arguments(args_ty, params, &args);
                r.set(s, list);
            }
            if let Some(l) = place {
                if let Some(s) = slot("file_location") {
                    r.set(s, Value::Str(l.file.as_bytes().into()));
                }
                if let Some(s) = slot("line_location") {
                    r.set(s, Value::Count(l.line as u64));
                }
            }
            out.push(Value::Record(r));
        }
        Value::Vector(Vector::new(ty, out))
    }

    fn call_arguments(&self, ty: TypeId, params: &[tapir_data::types::Param], args: &[Value]) -> Value {
        let elem = match self.types().kind(ty) {
            Kind::Vector(t) => *t,
            _ => builtin::ANY,
        };
        let list = params
            .iter()
            .zip(args)
            .map(|(p, v)| {
                Value::Record(Record::new(
                    elem,
                    vec![
                        Value::Str(p.name.as_bytes().into()),
                        Value::Str(type_text(self.types(), p.ty).into_bytes().into()),
                        Value::Unset,
                        v.clone(),
                    ],
                ))
            })
            .collect();
        Value::Vector(Vector::new(ty, list))
    }
}
