//! Script values from broker data: casts of `Broker::Data`, and arguments of events from elsewhere.

use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::broker::Data;
use tapir_data::broker::convert::{self, FromHost};
use tapir_data::types::{TypeId, Types};
use tapir_data::value::{Func, FuncId, Value};
use tapir_script::hir::FunctionKind;

use crate::host::Host;
use crate::vm::Vm;

struct Making<'a> {
    vm: &'a mut Vm,
    host: &'a mut dyn Host,
}

impl Making<'_> {
    /// A function by name; those without have one that scripts cannot write.
    fn function_id(&self, name: &str) -> Option<FuncId> {
        if !name.starts_with(convert::LAMBDA) {
            return self.vm.func_id(name);
        }
        let functions = &self.vm.program().functions;
        let i = functions.iter().position(|f| *f.name == *name)?;
        Some(FuncId(i as u32))
    }
}

impl FromHost for Making<'_> {
    fn types(&self) -> &Types {
        self.vm.types()
    }

    fn pattern(&mut self, text: &[u8]) -> Option<Value> {
        // What is printed has the expression inside of optional anchors.
        let exact = |t: &[u8]| Some(t.strip_prefix(b"^?(")?.strip_suffix(b")$?")?.to_vec());
        let (source, ignore_case) = match exact(text) {
            Some(inner) => (inner, false),
            None => {
                let inner = text.strip_prefix(b"(?i:").and_then(|t| t.strip_suffix(b")"));
                match inner.and_then(exact) {
                    Some(inner) => (inner, true),
                    None => (text.to_vec(), false),
                }
            }
        };
        self.host
            .compile_pattern(&source, ignore_case, false)
            .ok()
            .map(Value::Pattern)
    }

    fn function(&mut self, name: &str) -> Option<Value> {
        let f = self.function_id(name)?;
        Some(self.vm.func_value(f))
    }

    fn captures(&mut self, name: &str) -> Option<Vec<TypeId>> {
        let f = self.function_id(name)?;
        let program = self.vm.program();
        let FunctionKind::Script(bodies) = &program.functions.get(f.0 as usize)?.kind else {
            return None;
        };
        let [body] = &bodies[..] else {
            return None;
        };
        let parts = program.parts(body).ok()?;
        let ty = |local: &tapir_script::hir::LocalId| Some(parts.locals.get(local.0 as usize)?.ty);
        body.captures.iter().map(ty).collect()
    }

    fn closure(&mut self, name: &str, captures: Vec<Value>) -> Option<Value> {
        let id = self.function_id(name)?;
        let ty = self.vm.program().functions.get(id.0 as usize)?.ty;
        Some(Value::Func(Rc::new(Func {
            id,
            ty,
            captures: RefCell::new(captures.into()),
            fresh: true,
        })))
    }

    fn wrap(&mut self, d: Data) -> Option<Value> {
        Some(convert::wrap(self.vm.type_id("Broker::Data")?, d))
    }

    fn opaque(&mut self, name: &str, d: &Data) -> Option<Value> {
        self.host.opaque_from_data(self.vm, name, d)
    }

    fn now(&self) -> f64 {
        self.vm.network_time()
    }
}

impl Vm {
    /// A value of a type from broker data; `None` when the data does not fit.
    pub fn value_from_data(&mut self, host: &mut dyn Host, d: &Data, ty: TypeId) -> Option<Value> {
        convert::from_data(&mut Making { vm: self, host }, d, ty)
    }
}
