//! Table and set operations with everything that attributes ask for: defaults, expiry, change functions.

use std::rc::Rc;

use tapir_data::copy::deep_copy;
use tapir_data::table::{AttrValue, Table, TableAttrs};
use tapir_data::text::value_type_text;
use tapir_data::types::{Kind, TypeId};
use tapir_data::value::{Subnet, Value};
use tapir_script::hir::{Attrs, ExprKind, Thunk};

use crate::code::kind;
use crate::host::{Host, RtError};
use crate::vm::Vm;

/// What happened to an entry, in the order of the script's `TableChange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    New = 0,
    Changed = 1,
    Removed = 2,
    Expired = 3,
}

impl Vm {
    /// A new table, on the list of tables to sweep if its attributes ask for it.
    pub fn new_table(&mut self, ty: TypeId, attrs: Option<Rc<TableAttrs>>) -> Rc<Table> {
        match attrs {
            None => Table::new(ty),
            Some(a) => {
                let expires = a.expires();
                let t = Table::with_attrs(ty, Some(a));
                if expires {
                    self.register_expiry(&t);
                }
                t
            }
        }
    }

    /// Adds attributes to those that a table has.
    pub(crate) fn add_attrs(&mut self, t: &Rc<Table>, add: &Rc<TableAttrs>) {
        let merged = match t.attrs() {
            None => add.clone(),
            Some(old) => {
                let mut m = TableAttrs::clone(&old);
                let a = add.as_ref();
                let take = |slot: &mut Option<AttrValue>, new: &Option<AttrValue>| {
                    if new.is_some() {
                        *slot = new.clone();
                    }
                };
                take(&mut m.default, &a.default);
                take(&mut m.default_insert, &a.default_insert);
                take(&mut m.read_expire, &a.read_expire);
                take(&mut m.write_expire, &a.write_expire);
                take(&mut m.create_expire, &a.create_expire);
                take(&mut m.expire_func, &a.expire_func);
                take(&mut m.on_change, &a.on_change);
                take(&mut m.publish_on_change, &a.publish_on_change);
                m.ordered |= a.ordered;
                Rc::new(m)
            }
        };
        let expires = merged.expires();
        t.set_attrs(Some(merged));
        if expires {
            self.register_expiry(t);
        }
    }

    /// The attributes of a declaration or constructor as those of a table value.
    pub(crate) fn table_attrs(
        &mut self,
        host: &mut dyn Host,
        attrs: &Attrs,
        ty: TypeId,
    ) -> Result<Option<Rc<TableAttrs>>, RtError> {
        let Kind::Table { yields, .. } = self.types().kind(ty) else {
            return Ok(None);
        };
        let yields = *yields;
        let mut out = TableAttrs {
            ordered: attrs.ordered,
            ..TableAttrs::default()
        };
        let mut any = attrs.ordered;
        // Defaults: scalars at once, aggregates at the first miss, functions as they are.
        for (from, to) in [
            (&attrs.default, &mut out.default),
            (&attrs.default_insert, &mut out.default_insert),
        ] {
            if let Some(t) = from {
                *to = Some(self.default_attr(host, t, yields)?);
                any = true;
            }
        }
        // Intervals are looked at again in every pass.
        for (from, to) in [
            (&attrs.read_expire, &mut out.read_expire),
            (&attrs.write_expire, &mut out.write_expire),
            (&attrs.create_expire, &mut out.create_expire),
        ] {
            if let Some(t) = from {
                *to = Some(match &t.expr.kind {
                    ExprKind::Const(c) => AttrValue::Value(self.constant_value(host, c).map_err(RtError::new)?),
                    _ => self.thunk_attr(host, t, false)?,
                });
                any = true;
            }
        }
        for (from, to) in [
            (&attrs.expire_func, &mut out.expire_func),
            (&attrs.on_change, &mut out.on_change),
            (&attrs.publish_on_change, &mut out.publish_on_change),
        ] {
            if let Some(t) = from {
                *to = Some(match &t.expr.kind {
                    ExprKind::Func(f) => AttrValue::Value(self.func_value(*f)),
                    _ => self.thunk_attr(host, t, true)?,
                });
                any = true;
            }
        }
        Ok(any.then(|| Rc::new(out)))
    }

    fn default_attr(&mut self, host: &mut dyn Host, t: &Thunk, yields: Option<TypeId>) -> Result<AttrValue, RtError> {
        match &t.expr.kind {
            ExprKind::Const(c) => Ok(AttrValue::Value(self.constant_value(host, c).map_err(RtError::new)?)),
            ExprKind::Func(f) => Ok(AttrValue::Value(self.func_value(*f))),
            _ => {
                let k = yields.map_or(kind::ANY, |y| kind::of_type(self.types(), y));
                let now = kind::is_scalar(k) || k == kind::STR;
                if now && !matches!(self.types().kind(t.expr.ty), Kind::Func(_)) {
                    if let Ok(v) = self.eval_thunk(host, t) {
                        return Ok(AttrValue::Value(v));
                    }
                }
                self.thunk_attr(host, t, true)
            }
        }
    }

    /// Numbers an attribute's expression; `once` keeps its first value.
    fn thunk_attr(&mut self, host: &mut dyn Host, t: &Thunk, once: bool) -> Result<AttrValue, RtError> {
        let code = self.thunk_code(host, t)?;
        self.attr_thunks.push(crate::vm::AttrThunk {
            code,
            once,
            value: None,
        });
        Ok(AttrValue::Thunk(self.attr_thunks.len() as u32 - 1))
    }

    /// The value of an attribute.
    pub fn attr_value(&mut self, host: &mut dyn Host, a: &AttrValue) -> Result<Value, RtError> {
        match a {
            AttrValue::Value(v) => Ok(v.clone()),
            AttrValue::Thunk(i) => {
                let Some(t) = self.attr_thunks.get(*i as usize) else {
                    return Ok(Value::Unset);
                };
                if let Some(v) = &t.value {
                    return Ok(v.clone());
                }
                let (code, once) = (t.code.clone(), t.once);
                let v = self.run_code(host, &code, &[], None)?;
                if once {
                    self.attr_thunks[*i as usize].value = Some(v.clone());
                }
                Ok(v)
            }
        }
    }

    /// Fills in the defaults of records among the index values. Whether they are fit to be a key: a record that lacks a
    /// mandatory field is not.
    fn complete_keys(&mut self, host: &mut dyn Host, keys: &[Value]) -> Result<bool, RtError> {
        let mut complete = true;
        for k in keys {
            if !self.plain_key(k) {
                self.materialize(host, k)?;
                complete &= self.complete_key(k);
            }
        }
        Ok(complete)
    }

    #[cold]
    fn key_error(&mut self, host: &mut dyn Host) {
        let location = self.location();
        let text = "index type doesn't match table: a mandatory field of a record is not set";
        self.report(host, crate::host::Severity::Error, text.into(), location);
    }

    /// The position that a look-up finds: exact, by longest prefix, or none.
    fn look_up(&mut self, t: &Table, keys: &[Value]) -> Option<usize> {
        if let Some(pos) = t.find(keys) {
            return Some(pos);
        }
        match keys {
            [Value::Addr(a)] => t.longest_match_addr(a),
            [Value::Subnet(s)] => t.longest_match(s),
            _ => None,
        }
    }

    /// Whether the table is indexed by the one type that makes `index` patterns.
    fn by_pattern(&self, t: &Table) -> bool {
        match self.types().kind(t.ty) {
            Kind::Table { index, .. } => index.len() == 1 && matches!(self.types().kind(index[0]), Kind::Pattern),
            _ => false,
        }
    }

    /// `t[keys]` with defaults.
    pub(crate) fn index(
        &mut self,
        host: &mut dyn Host,
        container: &Value,
        keys: &[Value],
        k: u8,
    ) -> Result<Value, RtError> {
        let Value::Table(t) = container else {
            return Err(self.detailed_here("value used but not set"));
        };
        if !self.complete_keys(host, keys)? {
            self.key_error(host);
            return match self.table_default(host, t, keys)? {
                Some(v) if kind::fits(k, &v) => Ok(v),
                _ => Err(self.detailed_here("no such index")),
            };
        }
        if let [Value::Str(s)] = keys
            && self.by_pattern(t)
        {
            let found = t.matching_patterns(s).into_iter().map(|p| t.value_at(p)).collect();
            let ty = match self.types().kind(t.ty) {
                Kind::Table { yields: Some(y), .. } => self.types().find(&Kind::Vector(*y)),
                _ => None,
            };
            return Ok(Value::Vector(tapir_data::value::Vector::new(
                ty.unwrap_or(tapir_data::types::builtin::ANY),
                found,
            )));
        }
        if let Some(pos) = self.look_up(t, keys) {
            if let Some(a) = t.attrs()
                && a.read_expire.is_some()
            {
                t.touch(pos, self.now);
            }
            let v = t.value_at(pos);
            if kind::fits(k, &v) {
                return Ok(v);
            }
            if !matches!(v, Value::Unset) {
                let pc = self.pc;
                return Err(self.kind_error(pc, k, &v));
            }
        }
        match self.table_default(host, t, keys)? {
            Some(v) if kind::fits(k, &v) => Ok(v),
            _ => Err(self.detailed_here("no such index")),
        }
    }

    /// The value that `&default` or `&default_insert` gives for a missing key.
    pub fn table_default(
        &mut self,
        host: &mut dyn Host,
        t: &Rc<Table>,
        keys: &[Value],
    ) -> Result<Option<Value>, RtError> {
        let Some(attrs) = t.attrs() else {
            return Ok(None);
        };
        let (source, insert) = match (&attrs.default, &attrs.default_insert) {
            (Some(d), _) => (d, false),
            (None, Some(d)) => (d, true),
            _ => return Ok(None),
        };
        let v = self.attr_value(host, source)?;
        let yields = match self.types().kind(t.ty) {
            Kind::Table { yields, .. } => *yields,
            _ => None,
        };
        let v = match (&v, yields) {
            (Value::Func(f), Some(y)) if !self.types().same(f.ty, y) => {
                let f = f.clone();
                self.call_func(host, &f, keys, &[])?
            }
            (Value::Unset, _) => return Ok(None),
            _ => {
                let v = match yields {
                    Some(y) => self.coerce(host, &v, y)?,
                    None => v,
                };
                deep_copy(&v)
            }
        };
        if let Value::Unset = v {
            return Ok(None);
        }
        if insert {
            self.table_set(host, t, keys, v.clone())?;
        }
        Ok(Some(v))
    }

    /// `t[keys] = v`.
    pub fn table_set(&mut self, host: &mut dyn Host, t: &Rc<Table>, keys: &[Value], v: Value) -> Result<(), RtError> {
        if !self.complete_keys(host, keys)? {
            let shown = tapir_data::text::render(self, &v, tapir_data::text::Style::Message);
            let text = format!(
                "table index assignment failed for invalid type '{}', value: {}",
                value_type_text(self.types(), &v),
                String::from_utf8_lossy(&shown)
            );
            return Err(self.located(crate::host::Severity::RuntimeError, text));
        }
        let attrs = t.attrs();
        if t.iterating() && t.find(keys).is_none() {
            self.invalidation_warning(host);
        }
        let keep_time = attrs.as_ref().is_some_and(|a| a.create_expire.is_some());
        let now = self.now;
        let old = if keep_time {
            t.insert_keep_time(keys, v.clone(), now)
        } else {
            t.insert(keys, v.clone(), now)
        };
        let Some(attrs) = attrs else {
            if self.watching {
                self.table_changed(t);
            }
            return Ok(());
        };
        if attrs.expires() {
            self.register_expiry(t);
        }
        if self.watching {
            self.table_changed(t);
        }
        if attrs.on_change.is_some() || attrs.publish_on_change.is_some() {
            return match old {
                Some(old) => self.notify_change(host, t, Change::Changed, keys, old),
                None => self.notify_change(host, t, Change::New, keys, v),
            };
        }
        Ok(())
    }

    pub(crate) fn table_changed(&mut self, t: &Rc<Table>) {
        if self.watching {
            self.changed(Rc::as_ptr(t) as *const u8);
        }
    }

    /// Calls `&on_change`, and tells the host of changes that are to be published.
    pub(crate) fn notify_change(
        &mut self,
        host: &mut dyn Host,
        t: &Rc<Table>,
        what: Change,
        keys: &[Value],
        v: Value,
    ) -> Result<(), RtError> {
        let Some(attrs) = t.attrs() else {
            return Ok(());
        };
        if attrs.publish_on_change.is_some() {
            host.table_change(self, t, what as i64, keys, &v)?;
        }
        let Some(f) = &attrs.on_change else {
            return Ok(());
        };
        if t.changing.get() {
            return Ok(());
        }
        let Value::Func(f) = self.attr_value(host, f)? else {
            return Ok(());
        };
        let enum_ty = match self.types().kind(f.ty) {
            Kind::Func(sig) => sig.params.get(1).map(|p| p.ty),
            _ => None,
        };
        let Some(enum_ty) = enum_ty else {
            return Ok(());
        };
        let mut args = vec![Value::Table(t.clone()), Value::Enum(enum_ty, what as i64)];
        args.extend_from_slice(keys);
        if !matches!(v, Value::Unset) {
            args.push(v);
        }
        t.changing.set(true);
        let r = self.call_func(host, &f, &args, &[]);
        t.changing.set(false);
        r.map(|_| ())
    }

    /// `keys in container`, by the container's kind.
    pub(crate) fn contains(&mut self, host: &mut dyn Host, container: &Value, keys: &[Value]) -> Result<bool, RtError> {
        match container {
            Value::Table(t) => {
                if !self.complete_keys(host, keys)? {
                    return Ok(false);
                }
                if let [Value::Str(s)] = keys
                    && self.by_pattern(t)
                {
                    return Ok(!t.matching_patterns(s).is_empty());
                }
                let found = self.look_up(t, keys);
                if let (Some(pos), Some(a)) = (found, t.attrs())
                    && a.read_expire.is_some()
                {
                    t.touch(pos, self.now);
                }
                Ok(found.is_some())
            }
            Value::Vector(v) => {
                let i = match keys {
                    [Value::Count(n)] => *n as usize,
                    [Value::Int(n)] if *n >= 0 => *n as usize,
                    _ => usize::MAX,
                };
                Ok(!matches!(v.get(i), Value::Unset))
            }
            Value::Str(hay) => match keys {
                [Value::Str(needle)] => {
                    if needle.contains(&0) {
                        let location = self.location();
                        self.report(
                            host,
                            crate::host::Severity::Error,
                            "string with embedded NUL".into(),
                            location,
                        );
                        return Ok(false);
                    }
                    Ok(needle.is_empty() || find_bytes(hay, needle))
                }
                [Value::Pattern(p)] => Ok(p.matches_within(hay)),
                [Value::Count(n)] => Ok(find_bytes(hay, n.to_string().as_bytes())),
                _ => Err(self.detailed_here("value used but not set")),
            },
            Value::Subnet(net) => match keys {
                [Value::Addr(a)] => Ok(net.contains(a)),
                [Value::Subnet(s)] => Ok(net.width <= s.width && net.contains(&s.addr)),
                _ => Err(self.detailed_here("value used but not set")),
            },
            _ => Err(self.detailed_here("value used but not set")),
        }
    }

    /// `add s[keys]`.
    /// `add container[keys]`.
    ///
    /// # Errors
    /// Those of functions that see the change.
    pub fn add_member(&mut self, host: &mut dyn Host, container: &Value, keys: &[Value]) -> Result<(), RtError> {
        let Value::Table(t) = container else {
            return Err(self.detailed_here("value used but not set"));
        };
        if !self.complete_keys(host, keys)? {
            self.key_error(host);
            return Ok(());
        }
        let present = t.contains(keys);
        if !present && t.iterating() {
            self.invalidation_warning(host);
        }
        t.insert(keys, Value::Unset, self.now);
        let Some(attrs) = t.attrs() else {
            self.table_changed(t);
            return Ok(());
        };
        if attrs.expires() {
            self.register_expiry(t);
        }
        self.table_changed(t);
        if attrs.on_change.is_none() && (present || attrs.publish_on_change.is_none()) {
            return Ok(());
        }
        let what = if present { Change::Changed } else { Change::New };
        self.notify_change(host, t, what, keys, Value::Unset)
    }

    /// `delete t[keys]`.
    ///
    /// # Errors
    /// Those of functions that see the change.
    pub fn delete_member(&mut self, host: &mut dyn Host, container: &Value, keys: &[Value]) -> Result<(), RtError> {
        match container {
            Value::Table(t) => {
                if !self.complete_keys(host, keys)? {
                    return Ok(());
                }
                if t.iterating() && t.contains(keys) {
                    self.invalidation_warning(host);
                }
                let old = t.remove(keys);
                self.table_changed(t);
                let is_set = matches!(self.types().kind(t.ty), Kind::Table { yields: None, .. });
                match old {
                    Some(v) => self.notify_change(host, t, Change::Removed, keys, v),
                    None if is_set => self.notify_change(host, t, Change::Removed, keys, Value::Unset),
                    None => Ok(()),
                }
            }
            Value::Vector(v) => {
                if let [Value::Count(n)] = keys
                    && (*n as usize) < v.len()
                {
                    v.set(*n as usize, Value::Unset);
                }
                Ok(())
            }
            _ => Err(self.detailed_here("value used but not set")),
        }
    }

    /// `delete t`: everything goes, no change is told.
    pub(crate) fn clear_all(&mut self, v: &Value) -> Result<(), RtError> {
        match v {
            Value::Table(t) => {
                t.clear();
                self.table_changed(t);
                Ok(())
            }
            Value::Vector(v) => {
                drop(v.replace(Vec::new()));
                if self.watching {
                    self.changed(Rc::as_ptr(v) as *const u8);
                }
                Ok(())
            }
            _ => Err(self.detailed_here("value used but not set")),
        }
    }

    /// `t[k] = t[k] ± d`, the slow way.
    pub(crate) fn bump(
        &mut self,
        host: &mut dyn Host,
        t: &Value,
        k: &Value,
        d: &Value,
        sub: bool,
    ) -> Result<(), RtError> {
        let key = std::slice::from_ref(k);
        let old = self.index(host, t, key, kind::of(d))?;
        let new = self.bumped(host, &old, d, sub)?;
        let Value::Table(t) = t else {
            return Err(self.detailed_here("value used but not set"));
        };
        self.table_set(host, t, key, new)
    }

    /// `old ± d` for integers.
    pub(crate) fn bumped(&mut self, host: &mut dyn Host, old: &Value, d: &Value, sub: bool) -> Result<Value, RtError> {
        Ok(match (old, d) {
            (Value::Count(a), Value::Count(b)) if sub => {
                if a < b {
                    self.count_underflow(host);
                }
                Value::Count(a.wrapping_sub(*b))
            }
            (Value::Count(a), Value::Count(b)) => Value::Count(a.wrapping_add(*b)),
            (Value::Int(a), Value::Int(b)) if sub => Value::Int(a.wrapping_sub(*b)),
            (Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(*b)),
            _ => return Err(self.detailed_here("value used but not set")),
        })
    }

    /// A subnet's key form of an address.
    pub(crate) fn mask(&mut self, a: &tapir_data::value::Addr, width: u64) -> Result<Value, RtError> {
        let (bits, what) = if a.is_v4() { (32, "IPv4") } else { (128, "IPv6") };
        if width > bits {
            let e = format!("bad {what} subnet prefix length: {width}");
            return Err(self.detailed_here(&e));
        }
        let width = width + (128 - bits);
        Ok(Value::Subnet(Subnet::new128(*a, width as u8)))
    }
}

/// Whether `hay` holds `needle`.
fn find_bytes(hay: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(hay, needle).is_some()
}
