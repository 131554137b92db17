//! What the examples share: a machine without an engine.

use std::any::Any;
use std::collections::BTreeSet;
use std::io::Write;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use tapir_data::text::{Style, render_into};
use tapir_data::value::{File, PatternObject, Value};
use tapir_script::hir::{Program, Thunk};
use tapir_script::load::ConstEvaluator;
use tapir_signatures::pattern::Pattern;
use tapir_vm::{CallCtx, Host, Message, PatternJoin, Registry, RtError, Vm};

/// A host that prints to standard output and has no engine.
pub struct Plain {
    /// Says nothing and prints nothing.
    pub quiet: bool,
}

/// A pattern as scripts hold it.
struct ScriptPattern(std::cell::RefCell<Pattern>);

impl PatternObject for ScriptPattern {
    fn text(&self) -> Rc<[u8]> {
        self.0.borrow().text().into()
    }
    fn matches_exactly(&self, s: &[u8]) -> bool {
        self.0.borrow().matches_exactly(s)
    }
    fn matches_within(&self, s: &[u8]) -> bool {
        self.0.borrow().matches_within(s)
    }
    fn longest_prefix(&self, s: &[u8], at_start: bool) -> Option<usize> {
        self.0.borrow().longest_prefix(s, at_start)
    }
    fn deep_copy(&self) -> Option<Rc<dyn PatternObject>> {
        Some(Rc::new(ScriptPattern(self.0.clone())))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn inner(p: &Rc<dyn PatternObject>) -> Result<&ScriptPattern, String> {
    p.as_any()
        .downcast_ref::<ScriptPattern>()
        .ok_or_else(|| "a pattern of another kind".into())
}

impl Host for Plain {
    fn compile_pattern(&mut self, text: &[u8], i: bool, s: bool) -> Result<Rc<dyn PatternObject>, String> {
        let p = Pattern::compile(text, i, s).map_err(|e| e.to_string())?;
        Ok(Rc::new(ScriptPattern(p.into())))
    }
    fn join_patterns(
        &mut self,
        a: &Rc<dyn PatternObject>,
        b: &Rc<dyn PatternObject>,
        how: PatternJoin,
    ) -> Result<Rc<dyn PatternObject>, String> {
        let (a, b) = (inner(a)?.0.borrow(), inner(b)?.0.borrow());
        let p = match how {
            PatternJoin::Or => a.or(&b),
            PatternJoin::Concat => a.then(&b),
        };
        Ok(Rc::new(ScriptPattern(p.into())))
    }
    fn extend_pattern(&mut self, target: &Rc<dyn PatternObject>, add: &Rc<dyn PatternObject>) -> Result<(), String> {
        let new = inner(target)?.0.borrow().extended_by(&inner(add)?.0.borrow());
        *inner(target)?.0.borrow_mut() = new;
        Ok(())
    }
    fn print(&mut self, vm: &Vm, file: Option<&Rc<File>>, values: &[Value]) {
        let quiet = self.quiet;
        let mut out = Vec::new();
        for (i, v) in values.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            render_into(vm, v, Style::Print, &mut out);
        }
        out.push(b'\n');
        match file {
            Some(f) => {
                if let Some(sink) = f.sink.borrow_mut().as_mut() {
                    let _ = sink.write_all(&out);
                }
            }
            None if quiet => {}
            None => {
                let _ = std::io::stdout().write_all(&out);
            }
        }
    }
    fn report(&mut self, message: &Message) {
        if self.quiet {
            return;
        }
        let _ = std::io::stdout().flush();
        eprintln!("{}", message.line());
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Decides `@if` with a machine.
pub struct Evaluator {
    pub vm: Vm,
    pub host: Plain,
    pub registry: Registry,
    /// What only an engine has does nothing.
    pub force: bool,
}

impl ConstEvaluator for Evaluator {
    fn eval_bool(&mut self, program: &mut Program, cond: Thunk) -> Result<bool, String> {
        if self.force {
            let missing = self.vm.with_program(program, |vm| vm.missing_builtins());
            stand_in_for(&missing, &mut self.registry);
            self.vm.set_registry(self.registry.clone());
        }
        match self.vm.evaluate(&mut self.host, program, &cond) {
            Ok(Value::Bool(b)) => Ok(b),
            Ok(_) => Err("the condition has no value".into()),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// Lets functions that only an engine has do nothing. Their names are kept for the life of the process, each once.
pub fn stand_in_for(missing: &[String], registry: &mut Registry) {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    for name in missing {
        if !names.contains(&name[..]) {
            names.insert(name.clone().leak());
        }
        if let Some(kept) = names.get(&name[..]) {
            registry.add(kept, does_nothing);
        }
    }
}

/// A built-in that gives the empty value of its type.
pub fn does_nothing(ctx: &mut CallCtx<'_>, _: &[Value]) -> Result<Value, RtError> {
    use tapir_data::types::Kind;
    Ok(match ctx.types().kind(ctx.result_type) {
        Kind::Bool => Value::Bool(false),
        Kind::Count => Value::Count(0),
        Kind::String => Value::Str(b""[..].into()),
        _ => Value::Unset,
    })
}
