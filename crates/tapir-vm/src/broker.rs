//! Script values from broker data: casts of `Broker::Data`, and arguments of events from elsewhere.

use tapir_data::broker::Data;
use tapir_data::broker::convert::{self, FromHost};
use tapir_data::types::{TypeId, Types};
use tapir_data::value::Value;

use crate::host::Host;
use crate::vm::Vm;

struct Making<'a> {
    vm: &'a mut Vm,
    host: &'a mut dyn Host,
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
        let f = self.vm.func_id(name)?;
        Some(self.vm.func_value(f))
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
