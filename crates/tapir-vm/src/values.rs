//! Records with their lazy defaults, strings, slices, constants.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use smallvec::SmallVec;
use tapir_data::table::Table;
use tapir_data::types::{DefaultId, Field, Kind, TypeId};
use tapir_data::value::{Captures, Func, FuncId, Record, Str, Value, Vector, fill_unset};
use tapir_script::hir::{Attrs, Const, Expr, ExprKind, GlobalId, Storage};

use crate::code::{LambdaSite, RecordSite, kind};
use crate::exec::dup;
use crate::host::{Host, RtError};
use crate::vm::{FieldDefault, RecordPlan, Vm};

/// Defaults within defaults that a record is given before this counts as endless.
const DEFAULT_DEPTH_MAX: u32 = 500;

/// Values that were come to. Mostly they are few, and looked through sooner than hashed.
#[derive(Default)]
struct Seen {
    first: SmallVec<[*const u8; 16]>,
    others: HashSet<*const u8>,
}

impl Seen {
    /// Whether a value was not come to before.
    fn is_new(&mut self, at: *const u8) -> bool {
        if self.first.contains(&at) {
            return false;
        }
        if self.first.len() == self.first.inline_size() {
            return self.others.insert(at);
        }
        self.first.push(at);
        true
    }
}

/// Whether [`Vm::literal`] may have the value of an expression.
fn is_literal(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Const(_) => true,
        ExprKind::Vector(elements) => elements.iter().all(is_literal),
        ExprKind::Set(entries, _) => entries.iter().all(|key| key.iter().all(is_literal_key)),
        _ => false,
    }
}

/// The same for an expression that is a key, or a part of one.
fn is_literal_key(e: &Expr) -> bool {
    let is_const = |e: &Expr| matches!(e.kind, ExprKind::Const(_));
    match &e.kind {
        ExprKind::List(parts) => parts.iter().all(is_const),
        _ => is_const(e),
    }
}

impl Vm {
    /// The value of a constant.
    pub(crate) fn constant_value(&mut self, host: &mut dyn Host, c: &Const) -> Result<Value, String> {
        match c {
            Const::Pattern {
                text,
                ignore_case,
                single_line,
            } => Ok(Value::Pattern(host.compile_pattern(
                text,
                *ignore_case,
                *single_line,
            )?)),
            c => Ok(plain_constant(c).unwrap_or_default()),
        }
    }

    /// The value of an expression that consists of constants alone, such as the big tables of names that scripts begin
    /// with: code that runs once would only take time. Nothing where that is not so, or something is wrong.
    pub(crate) fn literal(&mut self, host: &mut dyn Host, e: &Expr) -> Option<Value> {
        match &e.kind {
            ExprKind::Const(c) => self.constant_value(host, c).ok(),
            ExprKind::Vector(elements) if elements.iter().all(is_literal) => {
                let elements: Option<Vec<Value>> = elements.iter().map(|e| self.literal(host, e)).collect();
                Some(Value::Vector(Vector::new(e.ty, elements?)))
            }
            ExprKind::Table(entries, attrs)
                if entries
                    .iter()
                    .all(|(key, v)| key.iter().all(is_literal_key) && is_literal(v)) =>
            {
                let table = self.table_of_literals(host, e.ty, attrs)?;
                for (key, v) in entries {
                    let v = self.literal(host, v)?;
                    self.insert_literal(host, &table, key, v)?;
                }
                Some(Value::Table(table))
            }
            ExprKind::Set(entries, attrs) if entries.iter().all(|key| key.iter().all(is_literal_key)) => {
                let table = self.table_of_literals(host, e.ty, attrs)?;
                for key in entries {
                    self.insert_literal(host, &table, key, Value::Unset)?;
                }
                Some(Value::Table(table))
            }
            _ => None,
        }
    }

    fn table_of_literals(&mut self, host: &mut dyn Host, ty: TypeId, attrs: &Attrs) -> Option<Rc<Table>> {
        let attrs = self.table_attrs(host, attrs, ty).ok()?;
        Some(self.new_table(ty, attrs))
    }

    fn insert_literal(&mut self, host: &mut dyn Host, table: &Table, key: &[Expr], v: Value) -> Option<()> {
        let parts = match key {
            // A composite key given as one list value.
            [
                Expr {
                    kind: ExprKind::List(parts),
                    ..
                },
            ] => {
                let has_parts = matches!(self.types().kind(table.ty), Kind::Table { index, .. } if index.len() > 1);
                has_parts.then_some(parts)?
            }
            key => key,
        };
        let key: Option<SmallVec<[Value; 4]>> = parts.iter().map(|e| self.literal(host, e)).collect();
        table.insert(&key?, v, self.now);
        Some(())
    }

    /// The value of a constant global whose initialisation is over.
    pub(crate) fn frozen_global(&self, g: GlobalId) -> Option<Value> {
        if !self.frozen {
            return None;
        }
        let global = self.program().globals.get(g.0 as usize)?;
        if global.storage != Storage::Const {
            return None;
        }
        let v = self.globals.get(g.0 as usize)?;
        (kind::is_scalar(kind::of(v)) || kind::of(v) == kind::STR).then(|| v.clone())
    }

    /// The value of a function's name.
    pub fn func_value(&mut self, f: FuncId) -> Value {
        let i = f.0 as usize;
        if let Some(Some(v)) = self.func_values.get(i) {
            return Value::Func(v.clone());
        }
        let ty = self
            .program()
            .functions
            .get(i)
            .map_or(tapir_data::types::builtin::ANY, |f| f.ty);
        let v = Rc::new(Func {
            id: f,
            ty,
            captures: RefCell::default(),
            fresh: false,
        });
        if self.func_values.len() <= i {
            self.func_values.resize(i + 1, None);
        }
        self.func_values[i] = Some(v.clone());
        Value::Func(v)
    }

    pub(crate) fn make_closure(&mut self, s: &LambdaSite, mut captures: Captures) -> Value {
        for (v, deep) in captures.iter_mut().zip(&s.deep) {
            if *deep {
                *v = tapir_data::copy::deep_copy(v);
            }
        }
        Value::Func(Rc::new(Func {
            id: s.func,
            ty: s.ty,
            captures: RefCell::new(captures),
            fresh: true,
        }))
    }

    // ---- records ----

    /// What is to be known about a record type to make values of it.
    pub(crate) fn record_plan(&mut self, ty: TypeId) -> Rc<RecordPlan> {
        if let Some(Some(p)) = self.plans.get(ty.0 as usize) {
            return p.clone();
        }
        let types = &self.prog().types;
        let mut defaults = Vec::new();
        let mut last_const = 0;
        if let Some(r) = types.record(ty) {
            for (i, f) in r.fields.iter().enumerate() {
                let d = match f.default {
                    Some(id) => {
                        let thunk = self.prog().default(id);
                        let simple = match &thunk.expr.kind {
                            ExprKind::Const(c) if !matches!(c, Const::Pattern { .. }) => plain_constant(c),
                            _ => None,
                        };
                        match simple {
                            Some(v) => {
                                last_const = i + 1;
                                FieldDefault::Const(v)
                            }
                            None => FieldDefault::Thunk(id),
                        }
                    }
                    None if !f.optional => match types.kind(f.ty) {
                        Kind::Table { .. } => FieldDefault::Table(f.ty),
                        Kind::Vector(_) => FieldDefault::Vector(f.ty),
                        Kind::Record(_) => FieldDefault::Record(f.ty),
                        _ => FieldDefault::None,
                    },
                    None => FieldDefault::None,
                };
                defaults.push(d);
            }
        }
        let lazy = defaults
            .iter()
            .any(|d| !matches!(d, FieldDefault::None | FieldDefault::Const(_)));
        let has_no_parts = |ty| {
            let k = kind::of_type(types, ty);
            kind::is_scalar(k) || k == kind::STR
        };
        let flat = !lazy
            && types
                .record(ty)
                .is_some_and(|r| r.fields.iter().all(|f| has_no_parts(f.ty)));
        let deep = types.record(ty).map_or_else(Vec::new, |r| {
            let is_deep = |(d, f): (&FieldDefault, &Field)| !matches!(d, FieldDefault::None) || !has_no_parts(f.ty);
            let fields = defaults.iter().zip(&r.fields).zip(0..);
            fields.filter(|(field, _)| is_deep(*field)).map(|(_, i)| i).collect()
        });
        let eager = defaults
            .iter()
            .any(|d| matches!(d, FieldDefault::Thunk(id) if has_call(&self.prog().default(*id).expr)));
        let mandatory = types.record(ty).map_or_else(Vec::new, |r| {
            let lacks = |(i, d): (usize, &FieldDefault)| {
                (matches!(d, FieldDefault::None) && !r.fields[i].optional).then_some(i as u32)
            };
            defaults.iter().enumerate().filter_map(lacks).collect()
        });
        let constants = defaults.iter().take(last_const).map(|d| match d {
            FieldDefault::Const(v) => v.clone(),
            _ => Value::Unset,
        });
        let plan = Rc::new(RecordPlan {
            constants: constants.collect(),
            defaults,
            last_const,
            deep,
            eager,
            flat,
            mandatory,
        });
        if self.plans.len() <= ty.0 as usize {
            self.plans.resize(ty.0 as usize + 1, None);
        }
        self.plans[ty.0 as usize] = Some(plan.clone());
        plan
    }

    /// Whether a key can be looked up as it is: no record whose defaults are still to be filled in.
    #[inline(always)]
    pub(crate) fn plain_key(&self, k: &Value) -> bool {
        kind::of(k) < kind::RECORD || self.plain_aggregate(k)
    }

    #[inline(never)]
    fn plain_aggregate(&self, k: &Value) -> bool {
        match k {
            Value::Record(r) => match self.plans.get(r.ty.0 as usize) {
                Some(Some(p)) => p.flat && p.mandatory.iter().all(|slot| r.has(*slot as usize)),
                _ => false,
            },
            Value::Vector(_) | Value::List(_) => false,
            _ => true,
        }
    }

    /// Whether a key has all fields that it needs, after its defaults were filled in.
    pub(crate) fn complete_key(&mut self, k: &Value) -> bool {
        let mut seen = Seen::default();
        let mut todo: SmallVec<[Value; 8]> = SmallVec::new();
        todo.push(k.clone());
        while let Some(v) = todo.pop() {
            match &v {
                Value::Record(r) => {
                    if !seen.is_new(Rc::as_ptr(r).cast()) {
                        continue;
                    }
                    let plan = self.record_plan(r.ty);
                    if !plan.mandatory.iter().all(|slot| r.has(*slot as usize)) {
                        return false;
                    }
                    todo.extend((0..r.len()).map(|slot| r.get(slot)).filter(is_aggregate));
                }
                Value::List(l) => todo.extend(l.iter().filter(|v| is_aggregate(v)).cloned()),
                Value::Vector(x) if self.may_hold_records(x.ty) && seen.is_new(Rc::as_ptr(x).cast()) => {
                    todo.extend(x.to_vec().into_iter().filter(is_aggregate));
                }
                _ => {}
            }
        }
        true
    }

    /// The slots of a record that is being made: constant defaults and room for what is given.
    pub(crate) fn default_slots(&mut self, site: &RecordSite) -> Vec<Value> {
        if !matches!(self.plans.get(site.ty.0 as usize), Some(Some(_))) {
            self.record_plan(site.ty);
        }
        let constants = match self.plans.get(site.ty.0 as usize) {
            Some(Some(p)) => &p.constants[..],
            _ => &[],
        };
        let n = (site.n_slots as usize).max(constants.len());
        let mut slots: Vec<Value> = Vec::with_capacity(n);
        slots.extend(constants.iter().map(dup));
        fill_unset(&mut slots, n);
        slots
    }

    /// Makes a record of slots, with the defaults that call functions.
    pub(crate) fn finish_record(
        &mut self,
        host: &mut dyn Host,
        ty: TypeId,
        slots: Vec<Value>,
    ) -> Result<Rc<Record>, RtError> {
        let r = Record::new(ty, slots);
        if matches!(self.plans.get(ty.0 as usize), Some(Some(p)) if p.eager) {
            let plan = self.record_plan(ty);
            for (i, d) in plan.defaults.iter().enumerate() {
                if let FieldDefault::Thunk(id) = d
                    && !r.has(i)
                    && has_call(&self.prog().default(*id).expr)
                {
                    self.default_of(host, &r, i)?;
                }
            }
        }
        Ok(r)
    }

    /// An empty record of a type, for native code.
    pub fn empty_record(&mut self, ty: TypeId) -> Rc<Record> {
        let r = Record::new(ty, Vec::new());
        self.fill_constant_defaults(&r);
        r
    }

    pub(crate) fn fill_constant_defaults(&mut self, r: &Record) {
        let plan = self.record_plan(r.ty);
        for (i, d) in plan.defaults.iter().enumerate().take(plan.last_const) {
            if let FieldDefault::Const(v) = d
                && !r.has(i)
            {
                r.set(i, v.clone());
            }
        }
    }

    /// Whether an unset slot would be filled when it is read.
    pub(crate) fn field_has_default(&mut self, r: &Rc<Record>, slot: u16) -> bool {
        if let Some(Some(plan)) = self.plans.get(r.ty.0 as usize) {
            return !matches!(plan.defaults.get(slot as usize), None | Some(FieldDefault::None));
        }
        let plan = self.record_plan(r.ty);
        !matches!(plan.defaults.get(slot as usize), None | Some(FieldDefault::None))
    }

    /// Evaluates the default of a parameter or field.
    pub(crate) fn parameter_default(&mut self, host: &mut dyn Host, id: DefaultId) -> Result<Value, RtError> {
        let code = match self.default_codes.get(&id) {
            Some(c) => c.clone(),
            None => {
                let prog = self.prog();
                let c = self.thunk_code(host, prog.default(id))?;
                self.default_codes.insert(id, c.clone());
                c
            }
        };
        self.run_code(host, &code, &[], None)
    }

    fn default_of(&mut self, host: &mut dyn Host, r: &Rc<Record>, slot: usize) -> Result<Value, RtError> {
        let plan = self.record_plan(r.ty);
        let v = match plan.defaults.get(slot) {
            None | Some(FieldDefault::None) => return Ok(Value::Unset),
            Some(FieldDefault::Const(v)) => v.clone(),
            Some(FieldDefault::Table(t)) => {
                let t = self.new_table(*t, None);
                Value::Table(t)
            }
            Some(FieldDefault::Vector(t)) => Value::Vector(Vector::new(*t, Vec::new())),
            Some(FieldDefault::Record(t)) => Value::Record(self.empty_record(*t)),
            Some(FieldDefault::Thunk(id)) => {
                let v = self.parameter_default(host, *id)?;
                let ty = self.types().record(r.ty).and_then(|t| t.fields.get(slot)).map(|f| f.ty);
                match ty {
                    Some(ty) => self.coerce(host, &v, ty)?,
                    None => v,
                }
            }
        };
        // A constant behind the last slot in use takes no room until something is stored there.
        if slot < r.len() || !matches!(plan.defaults.get(slot), Some(FieldDefault::Const(_))) {
            r.set(slot, v.clone());
        }
        Ok(v)
    }

    /// A field whose slot is unset or holds something unexpected.
    #[cold]
    pub(crate) fn field_slow(
        &mut self,
        host: &mut dyn Host,
        r: &Rc<Record>,
        slot: u16,
        k: u8,
    ) -> Result<Value, RtError> {
        let v = match r.get(slot as usize) {
            Value::Unset => self.default_of(host, r, slot as usize)?,
            v => v,
        };
        if kind::fits(k, &v) {
            return Ok(v);
        }
        if let Value::Unset = v {
            return Err(self.detailed_here("field value missing"));
        }
        let pc = self.pc;
        Err(self.kind_error(pc, k, &v))
    }

    /// A field of a record, with its default if it is unset; `Unset` where there is neither.
    pub fn record_field(&mut self, host: &mut dyn Host, record: &Value, slot: usize) -> Result<Value, RtError> {
        match record {
            Value::Record(r) => match r.get(slot) {
                Value::Unset => self.default_of(host, r, slot),
                v => Ok(v),
            },
            _ => Err(RtError::new("only a record has fields")),
        }
    }

    /// Fills the unset default fields of every record that can be reached from `v`.
    pub fn materialize(&mut self, host: &mut dyn Host, v: &Value) -> Result<(), RtError> {
        if !is_aggregate(v) {
            return Ok(());
        }
        let mut seen = Seen::default();
        // Each with the number of defaults that were made within one another to come to it.
        let mut todo: SmallVec<[(Value, u32); 8]> = SmallVec::new();
        todo.push((v.clone(), 0));
        while let Some((v, depth)) = todo.pop() {
            if depth > DEFAULT_DEPTH_MAX {
                return Err(
                    self.detailed_here("the default of a record's field holds such a record again, without end")
                );
            }
            match &v {
                Value::Record(r) => {
                    if !seen.is_new(Rc::as_ptr(r).cast()) {
                        continue;
                    }
                    let plan = self.record_plan(r.ty);
                    for slot in plan.deep.iter().map(|i| *i as usize) {
                        let (x, depth) = match r.get(slot) {
                            Value::Unset if !matches!(plan.defaults[slot], FieldDefault::None) => {
                                (self.default_of(host, r, slot)?, depth + 1)
                            }
                            x => (x, depth),
                        };
                        if is_aggregate(&x) {
                            todo.push((x, depth));
                        }
                    }
                }
                Value::Vector(x) => {
                    if !self.may_hold_records(x.ty) || !seen.is_new(Rc::as_ptr(x).cast()) {
                        continue;
                    }
                    todo.extend(x.to_vec().into_iter().filter(is_aggregate).map(|v| (v, depth)));
                }
                Value::Table(t) => {
                    if !self.may_hold_records(t.ty) || !seen.is_new(Rc::as_ptr(t).cast()) {
                        continue;
                    }
                    // Keys are snapshots that were completed when they were stored.
                    let values = t.entries().into_iter().map(|e| e.1).filter(is_aggregate);
                    todo.extend(values.map(|v| (v, depth)));
                }
                Value::List(l) => todo.extend(l.iter().filter(|v| is_aggregate(v)).map(|v| (v.clone(), depth))),
                _ => {}
            }
        }
        Ok(())
    }

    fn may_hold_records(&self, ty: TypeId) -> bool {
        let inner = match self.types().kind(ty) {
            Kind::Vector(t) => Some(*t),
            Kind::Table { yields, .. } => *yields,
            _ => return true,
        };
        match inner {
            None => false,
            Some(t) => matches!(
                self.types().kind(t),
                Kind::Record(_) | Kind::Vector(_) | Kind::Table { .. } | Kind::Any | Kind::Empty | Kind::List(_)
            ),
        }
    }

    // ---- strings and slices ----

    /// A string of one byte.
    pub(crate) fn byte_string(&mut self, b: u8) -> Str {
        self.bytes[b as usize].get_or_insert_with(|| Rc::from([b])).clone()
    }

    fn slice_bounds(&self, bounds: &Value, len: usize) -> (usize, usize) {
        let at = |v: Option<&Value>, default: i64| {
            let n = match v {
                Some(Value::Int(n)) => *n,
                Some(Value::Count(n)) => (*n).min(i64::MAX as u64) as i64,
                _ => default,
            };
            let n = if n < 0 { n + len as i64 } else { n };
            n.clamp(0, len as i64) as usize
        };
        match bounds {
            Value::List(l) => (at(l.first(), 0), at(l.get(1), len as i64)),
            _ => (0, len),
        }
    }

    pub(crate) fn slice(&mut self, v: &Value, bounds: &Value) -> Result<Value, RtError> {
        match v {
            Value::Str(s) => {
                let (lo, hi) = self.slice_bounds(bounds, s.len());
                Ok(Value::Str(if lo < hi {
                    s[lo..hi].into()
                } else {
                    self.empty_str.clone()
                }))
            }
            Value::Vector(x) => {
                let (lo, hi) = self.slice_bounds(bounds, x.len());
                let items = if lo < hi {
                    x.to_vec()[lo..hi].to_vec()
                } else {
                    Vec::new()
                };
                Ok(Value::Vector(Vector::new(x.ty, items)))
            }
            _ => Err(self.detailed_here("value used but not set")),
        }
    }

    pub(crate) fn set_slice(&mut self, v: &Value, bounds: &Value, x: &Value) -> Result<(), RtError> {
        let (Value::Vector(v), Value::Vector(x)) = (v, x) else {
            return Err(self.detailed_here("value used but not set"));
        };
        let (lo, hi) = self.slice_bounds(bounds, v.len());
        let mut items = v.to_vec();
        items.splice(lo..hi.max(lo), x.to_vec());
        drop(v.replace(items));
        if self.watching {
            self.changed(Rc::as_ptr(v) as *const u8);
        }
        Ok(())
    }

    /// `v[w]` with a vector of indices or of booleans.
    pub(crate) fn pick(&mut self, v: &Rc<Vector>, w: &Rc<Vector>) -> Result<Value, RtError> {
        let picks = w.to_vec();
        if picks.iter().any(|p| matches!(p, Value::Bool(_))) {
            if picks.len() != v.len() {
                return Err(self.detailed_here("size mismatch, boolean index and vector"));
            }
            // The reference leaves holes where nothing was selected, up to the last selected one.
            let mut out = Vec::new();
            for (i, p) in picks.iter().enumerate() {
                if matches!(p, Value::Bool(true)) {
                    out.resize(i, Value::Unset);
                    out.push(v.get(i));
                }
            }
            return Ok(Value::Vector(Vector::new(v.ty, out)));
        }
        let out = picks
            .iter()
            .map(|p| match p {
                Value::Count(n) => v.get(*n as usize),
                Value::Int(n) if *n >= 0 => v.get(*n as usize),
                Value::Int(n) => v.get((v.len() as i64).wrapping_add(*n) as usize),
                _ => Value::Unset,
            })
            .collect();
        Ok(Value::Vector(Vector::new(v.ty, out)))
    }
}

fn is_aggregate(v: &Value) -> bool {
    matches!(
        v,
        Value::Record(_) | Value::Table(_) | Value::Vector(_) | Value::List(_)
    )
}

/// Whether evaluating calls a function, so that the moment matters.
fn has_call(e: &Expr) -> bool {
    let any = |l: &[Expr]| l.iter().any(has_call);
    match &e.kind {
        ExprKind::Call(..) | ExprKind::HookCall(..) => true,
        ExprKind::Unary(_, a)
        | ExprKind::Field(a, _)
        | ExprKind::HasField(a, _)
        | ExprKind::Coerce(a)
        | ExprKind::Cast(a) => has_call(a),
        ExprKind::Binary(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => has_call(a) || has_call(b),
        ExprKind::Cond(a, b, c) => has_call(a) || has_call(b) || has_call(c),
        ExprKind::Index(a, l) | ExprKind::In(l, a) => has_call(a) || any(l),
        ExprKind::Record(l) => l.iter().any(|f| has_call(&f.1)),
        ExprKind::Table(l, _) => l.iter().any(|(k, v)| any(k) || has_call(v)),
        ExprKind::Set(l, _) => l.iter().any(|k| any(k)),
        ExprKind::Vector(l) | ExprKind::List(l) => any(l),
        _ => false,
    }
}

/// The value of a constant that needs no host: of any but a pattern.
pub fn plain_constant(c: &Const) -> Option<Value> {
    Some(match c {
        Const::Bool(b) => Value::Bool(*b),
        Const::Int(n) => Value::Int(*n),
        Const::Count(n) => Value::Count(*n),
        Const::Double(d) => Value::Double(*d),
        Const::Time(d) => Value::Time(*d),
        Const::Interval(d) => Value::Interval(*d),
        Const::Enum(t, n) => Value::Enum(*t, *n),
        Const::Port(p) => Value::Port(*p),
        Const::Addr(a) => Value::Addr(*a),
        Const::Subnet(s) => Value::Subnet(*s),
        Const::Str(s) => Value::Str(Rc::from(&**s)),
        Const::Type(t) => Value::Type(*t),
        Const::Pattern { .. } => return None,
    })
}
