//! Tables, sets and vectors: keys, values, subnets, sorting, identity.

use std::cmp::Ordering;
use std::rc::Rc;

use tapir_data::table::{Table, as_parts};
use tapir_data::types::{Kind, Types, builtin};
use tapir_data::value::{Value, Vector};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("table_keys", table_keys),
    ("table_values", table_values),
    ("clear_table", clear_table),
    ("matching_subnets", matching_subnets),
    ("filter_subnet_table", filter_subnet_table),
    ("check_subnet", check_subnet),
    ("resize", resize),
    ("any_set", |ctx, a| quantify(ctx, a, true)),
    ("all_set", |ctx, a| quantify(ctx, a, false)),
    ("sort", sort),
    ("order", order),
    ("same_object", same_object),
    ("table_pattern_matcher_stats", table_pattern_matcher_stats),
    ("val_footprint", |ctx, a| {
        Ok(Value::Count(footprint(ctx.types(), a.any(0)?)))
    }),
];

/// Vectors are not made longer than this by one call.
const VECTOR_LEN_MAX: u64 = 1 << 28;

fn is_set(ctx: &CallCtx<'_>, t: &Table) -> bool {
    matches!(ctx.types().kind(t.ty), Kind::Table { yields: None, .. })
}

/// The argument if it is a table with values; reports otherwise.
fn table_arg<'a>(ctx: &mut CallCtx<'_>, a: &'a [Value], name: &str) -> Option<&'a Rc<Table>> {
    match a.first() {
        Some(Value::Table(t)) if !is_set(ctx, t) => Some(t),
        _ => {
            ctx.error(format!("{name} requires argument of type table"));
            None
        }
    }
}

fn table_keys(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(t) = table_arg(ctx, a, "table_keys") else {
        return Ok(Value::Unset);
    };
    let ty = match ctx.types().kind(t.ty) {
        Kind::Table { index, .. } => ctx.types().find(&Kind::Table {
            index: index.clone(),
            yields: None,
        }),
        _ => None,
    };
    let Some(ty) = ty else {
        return Err(RtError::new("table_keys: no set type for the table's index"));
    };
    let keys = Table::new(ty);
    for k in t.keys() {
        keys.insert_key(&k, Value::Unset, ctx.network_time());
    }
    Ok(Value::Table(keys))
}

fn table_values(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(t) = table_arg(ctx, a, "table_values") else {
        return Ok(Value::Unset);
    };
    let values = t.entries().into_iter().map(|(_, v)| v).collect();
    let ty = match ctx.types().kind(t.ty) {
        Kind::Table { yields: Some(y), .. } => ctx.types().find(&Kind::Vector(*y)),
        _ => None,
    };
    Ok(Value::Vector(Vector::new(ty.unwrap_or(ctx.result_type), values)))
}

fn clear_table(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    match a.any(0)? {
        Value::Table(t) => {
            t.clear();
            ctx.vm.note_change(a.any(0)?);
        }
        _ => ctx.error("clear_table() requires a table/set argument"),
    }
    Ok(Value::Unset)
}

/// The argument if it is a table or set indexed by subnets.
fn subnet_table<'a>(ctx: &mut CallCtx<'_>, a: &'a [Value], name: &str) -> Option<&'a Rc<Table>> {
    if let Some(Value::Table(t)) = a.get(1)
        && let Kind::Table { index, .. } = ctx.types().kind(t.ty)
        && let [one] = index[..]
        && matches!(ctx.types().kind(one), Kind::Subnet)
    {
        return Some(t);
    }
    plain_error(ctx, format!("{name} needs to be called on a set[subnet]/table[subnet]"));
    None
}

fn matching_subnets(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(t) = subnet_table(ctx, a, "matching_subnets") else {
        return Ok(Value::Unset);
    };
    let found = t.all_covering(&a.subnet(0)?).into_iter();
    let keys = found.filter_map(|p| t.key_at(p)).collect();
    Ok(vector(ctx, keys))
}

fn filter_subnet_table(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(t) = subnet_table(ctx, a, "filter_subnet_table") else {
        return Ok(Value::Unset);
    };
    let new = Table::new(t.ty);
    for p in t.all_covering(&a.subnet(0)?) {
        if let Some(k) = t.key_at(p) {
            new.insert_key(&k, t.value_at(p), ctx.network_time());
        }
    }
    Ok(Value::Table(new))
}

fn check_subnet(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let Some(t) = subnet_table(ctx, a, "check_subnet") else {
        return Ok(Value::Bool(false));
    };
    Ok(Value::Bool(t.contains(&a[..1])))
}

fn resize(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let n = a.count(1)?;
    let Value::Vector(v) = a.any(0)? else {
        ctx.error("resize() operates on vectors");
        return Ok(Value::Count(0));
    };
    let old = v.len();
    if n > VECTOR_LEN_MAX {
        ctx.error(format!("resize() to {n} elements is too much"));
        return Ok(Value::Count(old as u64));
    }
    v.resize(n as usize);
    ctx.vm.note_change(a.any(0)?);
    Ok(Value::Count(old as u64))
}

fn quantify(ctx: &mut CallCtx<'_>, a: &[Value], any: bool) -> Res {
    let name = if any { "any_set" } else { "all_set" };
    let bools = match a.any(0)? {
        Value::Vector(v) if matches!(ctx.types().kind(element_type(ctx.types(), v.ty)), Kind::Bool) => v,
        _ => {
            ctx.error(format!("{name}() requires vector of bool"));
            return Ok(Value::Bool(false));
        }
    };
    let mut set = bools.to_vec().into_iter();
    Ok(Value::Bool(if any {
        set.any(|v| matches!(v, Value::Bool(true)))
    } else {
        set.all(|v| !matches!(v, Value::Bool(false)))
    }))
}

/// How two elements compare; an error of the comparison function ends the sorting.
type Compare<'c> = dyn FnMut(&Value, &Value) -> Result<Ordering, RtError> + 'c;

fn natural(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Count(a), Value::Count(b)) => a.cmp(b),
        (Value::Double(a), Value::Double(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Interval(a), Value::Interval(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    }
}

/// Merge sort of positions; holes go last. Never panics, whatever the comparison answers.
fn sorted_positions(items: &[Value], less: &mut Compare<'_>) -> Result<Vec<usize>, RtError> {
    let is_hole = |i: &usize| matches!(items[*i], Value::Unset);
    let (holes, mut order): (Vec<usize>, Vec<usize>) = (0..items.len()).partition(is_hole);
    let mut width = 1;
    while width < order.len() {
        let mut merged = Vec::with_capacity(order.len());
        for run in order.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let (Some(&l), Some(&r)) = (left.first(), right.first()) {
                if less(&items[r], &items[l])? == Ordering::Less {
                    merged.push(r);
                    right = &right[1..];
                } else {
                    merged.push(l);
                    left = &left[1..];
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        order = merged;
        width *= 2;
    }
    order.extend(holes);
    Ok(order)
}

/// Checks the arguments of `sort` and `order`: `Ok(None)` after a report.
fn sort_function(ctx: &mut CallCtx<'_>, a: &[Value], name: &str) -> Option<Option<Value>> {
    let Some(Value::Vector(v)) = a.first() else {
        ctx.error(format!("{name}() requires vector"));
        return None;
    };
    let element = element_type(ctx.types(), v.ty);
    match &a[1..] {
        [] => match ctx.types().kind(element) {
            Kind::Int | Kind::Count | Kind::Double | Kind::Time | Kind::Interval => Some(None),
            _ => {
                ctx.error(format!(
                    "comparison function required for {name}() with non-numeric types"
                ));
                None
            }
        },
        [f @ Value::Func(func)] => {
            let fits = match ctx.types().kind(func.ty) {
                Kind::Func(sig) => {
                    let types = ctx.types();
                    let takes = |t| types.same(t, element) || matches!(types.kind(t), Kind::Any);
                    sig.params.len() == 2
                        && sig.params.iter().all(|p| takes(p.ty))
                        && types.same(sig.yields, builtin::INT)
                }
                _ => false,
            };
            if !fits {
                ctx.error(format!("invalid comparison function in call to {name}()"));
                return None;
            }
            Some(Some(f.clone()))
        }
        [_] => {
            ctx.error(format!("second argument to {name}() needs to be comparison function"));
            None
        }
        _ => {
            ctx.error(format!("{name}() called with extraneous argument"));
            None
        }
    }
}

fn positions(ctx: &mut CallCtx<'_>, items: &[Value], f: Option<Value>) -> Result<Vec<usize>, RtError> {
    match f {
        None => sorted_positions(items, &mut |a, b| Ok(natural(a, b))),
        Some(f) => sorted_positions(items, &mut |a, b| {
            Ok(match ctx.call(&f, &[a.clone(), b.clone()])? {
                Value::Int(n) => n.cmp(&0),
                _ => Ordering::Equal,
            })
        }),
    }
}

fn sort(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let v = a.any(0)?.clone();
    if let Some(f) = sort_function(ctx, a, "sort")
        && let Value::Vector(target) = &v
    {
        let items = target.to_vec();
        let order = positions(ctx, &items, f)?;
        target.replace(order.into_iter().map(|i| items[i].clone()).collect());
        ctx.vm.note_change(&v);
    }
    Ok(v)
}

fn order(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let comparable = a.len() > 1;
    match sort_function(ctx, a, "order") {
        Some(f) => {
            let items = a.vector(0)?.to_vec();
            let order = positions(ctx, &items, f)?;
            let order = order.into_iter().map(|i| Value::Count(i as u64)).collect();
            Ok(vector(ctx, order))
        }
        // With a wrong function the reference hands the vector back.
        None if comparable && a.len() == 2 && matches!(a[0], Value::Vector(_)) => Ok(a[0].clone()),
        None => Ok(vector(ctx, Vec::new())),
    }
}

fn same_object(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    use Value::*;
    Ok(Bool(match (a.any(0)?, a.any(1)?) {
        (Str(x), Str(y)) => Rc::ptr_eq(x, y),
        (Record(x), Record(y)) => Rc::ptr_eq(x, y),
        (Table(x), Table(y)) => Rc::ptr_eq(x, y),
        (Vector(x), Vector(y)) => Rc::ptr_eq(x, y),
        (Opaque(x), Opaque(y)) => Rc::ptr_eq(x, y),
        (Func(x), Func(y)) => tapir_data::key::same_function(x, y),
        (File(x), File(y)) => Rc::ptr_eq(x, y),
        (Pattern(x), Pattern(y)) => Rc::ptr_eq(x, y),
        _ => false,
    }))
}

fn table_pattern_matcher_stats(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let t = match a.any(0)? {
        Value::Table(t) => match ctx.types().kind(t.ty) {
            Kind::Table { index, yields: Some(_) }
                if index.len() == 1 && matches!(ctx.types().kind(index[0]), Kind::Pattern) =>
            {
                t
            }
            _ => {
                ctx.error("pattern-indexed table required");
                return Ok(Value::Unset);
            }
        },
        _ => {
            ctx.error("pattern-indexed table required");
            return Ok(Value::Unset);
        }
    };
    let (hits, misses) = t.pattern_lookups();
    let used = if hits + misses > 0 { t.len() as u64 } else { 0 };
    let fields = [
        ("matchers", Value::Count(1)),
        ("nfa_states", Value::Count(used)),
        ("dfa_states", Value::Count(used)),
        ("computed", Value::Count(used)),
        ("mem", Value::Count(t.footprint() as u64)),
        ("hits", Value::Count(hits)),
        ("misses", Value::Count(misses)),
        ("avg_nfa_states", Value::Count(u64::from(used > 0))),
    ];
    Ok(record(ctx.types(), ctx.result_type, &fields))
}

/// The size of a container plus the footprints of all within; atoms count as one, keys as lists. A container within
/// itself counts as one.
pub fn footprint(types: &Types, v: &Value) -> u64 {
    Footprint {
        types,
        path: Vec::new(),
        left: FOOTPRINT_MAX,
    }
    .of(v)
}

/// Values looked at for one footprint: structures that share their parts can have many more ways than parts.
const FOOTPRINT_MAX: u32 = 50_000_000;

/// Containers within containers are followed so far.
const FOOTPRINT_DEPTH_MAX: usize = 500;

struct Footprint<'a> {
    types: &'a Types,
    path: Vec<*const u8>,
    left: u32,
}

impl Footprint<'_> {
    fn of(&mut self, v: &Value) -> u64 {
        let at: *const u8 = match v {
            Value::Unset => return 0,
            Value::Vector(x) => Rc::as_ptr(x).cast(),
            Value::Record(x) => Rc::as_ptr(x).cast(),
            Value::Table(x) => Rc::as_ptr(x).cast(),
            _ => return 1,
        };
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || self.path.len() > FOOTPRINT_DEPTH_MAX || self.path.contains(&at) {
            return 1;
        }
        self.path.push(at);
        let sum = match v {
            Value::Vector(items) => {
                let all = items.to_vec();
                all.len() as u64 + all.iter().map(|v| self.of(v)).sum::<u64>()
            }
            Value::Record(r) => {
                let n = self.types.record(r.ty).map_or(r.len(), |l| l.fields.len());
                n as u64 + (0..n).map(|i| self.of(&r.get(i))).sum::<u64>()
            }
            Value::Table(t) => {
                let mut sum = t.len() as u64;
                for (k, v) in t.entries() {
                    let parts = as_parts(&k);
                    sum += parts.len() as u64 + parts.iter().map(|p| self.of(p)).sum::<u64>() + self.of(&v);
                }
                sum
            }
            _ => 1,
        };
        self.path.pop();
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_puts_holes_last() {
        let items = [
            Value::Unset,
            Value::Count(8),
            Value::Unset,
            Value::Unset,
            Value::Count(2),
        ];
        let order = sorted_positions(&items, &mut |a, b| Ok(natural(a, b))).unwrap();
        assert_eq!(order, [4, 1, 0, 2, 3]);
        // A comparison that contradicts itself is survived.
        let many: Vec<Value> = (0..50).map(Value::Count).collect();
        let odd = sorted_positions(&many, &mut |_, _| Ok(Ordering::Less)).unwrap();
        assert_eq!(odd.len(), 50);
    }
}
