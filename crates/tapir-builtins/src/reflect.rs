//! What programs can ask about themselves: types, names, globals, sizes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use tapir_data::number::{double_text, interval_text};
use tapir_data::table::Table;
use tapir_data::text::{port_text, subnet_text, type_of, type_text, value_type_text};
use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::{Func, Record, Value, Vector};
use tapir_script::hir::{Attrs, Const, ExprKind, Ident, Storage, Thunk};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("type_name", |ctx, a| {
        Ok(string(value_type_text(ctx.types(), a.any(0)?)))
    }),
    ("type_aliases", type_aliases),
    ("enum_names", enum_names),
    ("record_fields", record_fields),
    ("lookup_ID", lookup_id),
    ("global_ids", global_ids),
    ("global_options", global_options),
    ("global_container_footprints", global_container_footprints),
    ("Option::any_set_to_any_vec", any_set_to_any_vec),
    ("get_identifier_declaring_script", get_identifier_declaring_script),
    ("get_identifier_comments", get_identifier_comments),
];

fn type_aliases(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = match a.any(0)? {
        Value::Type(t) => Some(*t),
        // The type of an atom has no name even where its variable was declared under one.
        v => type_of(v).filter(|t| {
            let types = ctx.types();
            types.name(*t).is_some() || matches!(types.kind(*t), Kind::Record(_) | Kind::Enum(_))
        }),
    };
    let names = match ty {
        Some(t) => ctx.types().entry(t).aliases.clone(),
        None => Vec::new(),
    };
    Ok(set(ctx, names.iter().map(|n| string(n.as_bytes()))))
}

fn enum_names(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let ty = match a.any(0)? {
        Value::Type(t) => Some(*t),
        Value::Str(s) => named_type(ctx, &lossy(s)),
        _ => None,
    };
    let names: Vec<Value> = match ty.map(|t| ctx.types().kind(t)) {
        Some(Kind::Enum(id)) => {
            let items = &ctx.types().enums[id.0 as usize].items;
            items.iter().map(|i| string(i.0.as_bytes())).collect()
        }
        _ => Vec::new(),
    };
    Ok(set(ctx, names))
}

/// A type as record fields show it: records and enums with their kind in front.
fn described(types: &Types, ty: TypeId) -> String {
    let named = || types.name(ty).map_or(String::new(), |n| n.to_string());
    match types.kind(ty) {
        Kind::Record(id) => {
            let name = types.layout(*id).name.clone();
            format!("record {}", name.unwrap_or_default()).trim_end().into()
        }
        Kind::Enum(_) => format!("enum {}", named()),
        Kind::Vector(of) => format!("vector of {}", described(types, *of)),
        Kind::Table { index, yields } => {
            let index: Vec<String> = index.iter().map(|&t| described(types, t)).collect();
            match yields {
                None => format!("set[{}]", index.join(",")),
                Some(y) => format!("table[{}] of {}", index.join(","), described(types, *y)),
            }
        }
        Kind::Func(_) => "func".into(),
        Kind::File => "file".into(),
        Kind::Opaque(_) => "opaque".into(),
        _ => type_text(types, ty),
    }
}

fn record_fields(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let table = Table::new(ctx.result_type);
    let (ty, value) = match a.any(0)? {
        v @ Value::Record(r) => (r.ty, Some(v.clone())),
        Value::Type(t) => (*t, None),
        Value::Str(s) => match named_type(ctx, &lossy(s)).filter(|t| ctx.types().record(*t).is_some()) {
            Some(t) => (t, None),
            None => {
                plain_error(ctx, "record_fields string argument does not name a record type");
                return Ok(Value::Table(table));
            }
        },
        _ => {
            plain_error(ctx, "non-record value/type passed to record_fields");
            return Ok(Value::Table(table));
        }
    };
    let Some(layout) = ctx.types().record(ty).cloned() else {
        plain_error(ctx, "non-record value/type passed to record_fields");
        return Ok(Value::Table(table));
    };
    let field_ty = match ctx.types().kind(ctx.result_type) {
        Kind::Table { yields: Some(y), .. } => *y,
        _ => return Err(RtError::new("record_fields: result type is no table")),
    };
    // An empty record of the type shows the defaults.
    let empty = Value::Record(Record::new(ty, Vec::new()));
    for (slot, f) in layout.fields.iter().enumerate() {
        let now = match &value {
            Some(v) => ctx.field(v, slot)?,
            None => Value::Unset,
        };
        let default = if f.default.is_some() {
            ctx.field(&empty, slot)?
        } else {
            Value::Unset
        };
        let fields = [
            ("type_name", string(described(ctx.types(), f.ty))),
            ("log", Value::Bool(f.log)),
            ("value", now),
            ("default_val", default),
            ("optional", Value::Bool(f.optional || f.default.is_some())),
        ];
        let entry = record(ctx.types(), field_ty, &fields);
        table.insert(&[string(f.name.as_bytes())], entry, 0.0);
    }
    Ok(Value::Table(table))
}

/// A named function as a value.
fn function_value(ctx: &CallCtx<'_>, id: tapir_data::value::FuncId) -> Value {
    let ty = ctx.program().functions[id.0 as usize].ty;
    Value::Func(Rc::new(Func {
        id,
        ty,
        captures: RefCell::default(),
        fresh: false,
    }))
}

fn lookup_id(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = lossy(a.str(0)?);
    Ok(match ctx.program().names.get(name.as_str()).cloned() {
        None => string("<unknown id>"),
        Some(Ident::Type(_)) => string("<no ID value>"),
        Some(Ident::Enumerator(t, n)) => Value::Enum(t, n),
        Some(Ident::Func(id)) => function_value(ctx, id),
        Some(Ident::Global(_)) => match ctx.vm.global_value(&name) {
            None | Some(Value::Unset) => string("<no ID value>"),
            Some(v) => v,
        },
    })
}

/// The text of an attribute's expression where it is a constant.
fn constant_text(thunk: &Thunk, types: &Types) -> Option<String> {
    let ExprKind::Const(c) = &thunk.expr.kind else {
        return None;
    };
    Some(match c {
        Const::Bool(b) => if *b { "T" } else { "F" }.into(),
        Const::Int(n) => n.to_string(),
        Const::Count(n) => n.to_string(),
        Const::Double(d) | Const::Time(d) => double_text(*d),
        Const::Interval(d) => interval_text(*d),
        Const::Enum(t, n) => tapir_data::text::enum_text(types, *t, *n).into(),
        Const::Port(p) => port_text(*p),
        Const::Addr(a) => a.to_string(),
        Const::Subnet(s) => subnet_text(s),
        Const::Str(s) => lossy(s),
        Const::Pattern { text, .. } => format!("/{}/", lossy(text)),
        Const::Type(t) => type_text(types, *t),
    })
}

/// Name and text of the attributes of a global.
fn attributes(attrs: &Attrs, redefinable: bool, types: &Types) -> Vec<(&'static str, Option<String>)> {
    let mut all = Vec::new();
    if redefinable {
        all.push(("&redef", None));
    }
    let with_value = [
        ("&read_expire", &attrs.read_expire),
        ("&write_expire", &attrs.write_expire),
        ("&create_expire", &attrs.create_expire),
        ("&expire_func", &attrs.expire_func),
        ("&on_change", &attrs.on_change),
        ("&default", &attrs.default),
        ("&default_insert", &attrs.default_insert),
        ("&add_func", &attrs.add_func),
        ("&delete_func", &attrs.delete_func),
    ];
    for (name, thunk) in with_value {
        if let Some(t) = thunk {
            all.push((name, constant_text(t, types)));
        }
    }
    for (name, on) in [("&ordered", attrs.ordered), ("&raw_output", attrs.raw_output)] {
        if on {
            all.push((name, None));
        }
    }
    all
}

struct Id {
    name: Arc<str>,
    type_name: String,
    exported: bool,
    constant: bool,
    enum_constant: bool,
    option: bool,
    redefinable: bool,
    attributes: Vec<(&'static str, Option<String>)>,
    value: Value,
}

fn identifier(ctx: &CallCtx<'_>, name: &Arc<str>, ident: &Ident) -> Id {
    let program = ctx.program();
    let types = ctx.types();
    let mut id = Id {
        name: name.clone(),
        type_name: String::new(),
        // What may be seen from elsewhere: names of types and enumerators always can.
        exported: true,
        constant: false,
        enum_constant: false,
        option: false,
        redefinable: false,
        attributes: Vec::new(),
        value: Value::Unset,
    };
    match ident {
        Ident::Type(t) => id.type_name = type_text(types, *t),
        Ident::Enumerator(t, n) => {
            id.type_name = type_text(types, *t);
            id.enum_constant = true;
            id.value = Value::Enum(*t, *n);
        }
        Ident::Func(f) => {
            let function = &program.functions[f.0 as usize];
            id.type_name = type_text(types, function.ty);
            if let Kind::Func(sig) = types.kind(function.ty) {
                let plain = sig.flavor == tapir_data::types::Flavor::Function;
                id.constant = plain;
            }
            id.exported = function.exported;
            id.value = function_value(ctx, *f);
        }
        Ident::Global(g) => {
            let global = &program.globals[g.0 as usize];
            id.type_name = type_text(types, global.ty);
            id.exported = global.exported;
            id.constant = global.storage == Storage::Const;
            id.option = global.storage == Storage::Option;
            id.redefinable = global.redefinable || id.option;
            id.attributes = attributes(&global.attrs, id.redefinable, types);
            id.value = ctx.vm.global_value(name).unwrap_or_default();
        }
    }
    id
}

fn global_ids(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let table = Table::new(ctx.result_type);
    let entry_ty = match ctx.types().kind(ctx.result_type) {
        Kind::Table { yields: Some(y), .. } => *y,
        _ => return Err(RtError::new("global_ids: result type is no table")),
    };
    let attrs_ty = field_type(ctx.types(), entry_ty, "attributes");
    let attr_ty = element_type(ctx.types(), attrs_ty);
    let names: Vec<(Arc<str>, Ident)> = {
        let mut all: Vec<_> = ctx
            .program()
            .names
            .iter()
            .map(|(n, i)| (n.clone(), i.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let mut modules = BTreeSet::new();
    let mut ids: Vec<Id> = Vec::with_capacity(names.len());
    for (name, ident) in &names {
        if let Some((module, _)) = name.rsplit_once("::") {
            modules.insert(module.to_string());
        }
        ids.push(identifier(ctx, name, ident));
    }
    for m in modules {
        ids.push(Id {
            name: format!("module {m}").into(),
            type_name: "module".into(),
            exported: false,
            constant: false,
            enum_constant: false,
            option: false,
            redefinable: false,
            attributes: Vec::new(),
            value: Value::Unset,
        });
    }
    for id in ids {
        let types = ctx.types();
        let attrs = if id.attributes.is_empty() {
            Value::Unset
        } else {
            let one = |(name, expr): &(&str, Option<String>)| {
                let expr = expr.as_ref().map_or(Value::Unset, string);
                record(types, attr_ty, &[("name", string(name)), ("expr", expr)])
            };
            Value::Vector(Vector::new(attrs_ty, id.attributes.iter().map(one).collect()))
        };
        let fields = [
            ("type_name", string(&id.type_name)),
            ("exported", Value::Bool(id.exported)),
            ("constant", Value::Bool(id.constant)),
            ("enum_constant", Value::Bool(id.enum_constant)),
            ("option_value", Value::Bool(id.option)),
            ("redefinable", Value::Bool(id.redefinable)),
            ("attributes", attrs),
            ("value", id.value),
        ];
        let entry = record(types, entry_ty, &fields);
        table.insert(&[string(id.name.as_bytes())], entry, 0.0);
    }
    Ok(Value::Table(table))
}

fn global_options(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let globals = ctx.program().globals.iter();
    let options = globals.filter(|g| g.storage == Storage::Option);
    let names: Vec<Value> = options.map(|g| string(g.name.as_bytes())).collect();
    Ok(set(ctx, names))
}

fn global_container_footprints(ctx: &mut CallCtx<'_>, _: &[Value]) -> Res {
    let table = Table::new(ctx.result_type);
    let names: Vec<Arc<str>> = ctx.program().globals.iter().map(|g| g.name.clone()).collect();
    for name in names {
        if let Some(v @ (Value::Table(_) | Value::Vector(_) | Value::Record(_))) = ctx.vm.global_value(&name) {
            let n = crate::containers::footprint(ctx.types(), &v);
            table.insert(&[string(name.as_bytes())], Value::Count(n), 0.0);
        }
    }
    Ok(Value::Table(table))
}

fn any_set_to_any_vec(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let items = match a.any(0)? {
        Value::Table(t) if matches!(ctx.types().kind(t.ty), Kind::Table { yields: None, .. }) => t.keys(),
        _ => {
            ctx.error("Option::any_set_to_any_vec() requires a set");
            Vec::new()
        }
    };
    // A composite element counts as its parts.
    let parts = items
        .iter()
        .flat_map(|k| tapir_data::table::as_parts(k).to_vec())
        .collect();
    // The vector is made without the name of the declared result.
    let plain = ctx.types().canonical(ctx.result_type);
    Ok(Value::Vector(Vector::new(plain, parts)))
}

/// Where a global or function was declared: the file, and the byte range.
fn declaration(ctx: &CallCtx<'_>, name: &str) -> Option<tapir_script::hir::Span> {
    let program = ctx.program();
    match program.names.get(name)? {
        Ident::Global(g) => Some(program.globals[g.0 as usize].span),
        Ident::Func(f) => Some(program.functions[f.0 as usize].span),
        Ident::Type(_) | Ident::Enumerator(..) => None,
    }
}

fn get_identifier_declaring_script(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = lossy(a.str(0)?);
    let program = ctx.program();
    let file = match declaration(ctx, &name) {
        Some(span) => program.files.get(span.file as usize),
        // Types keep no place: the first file that declares one of the name.
        None if program.names.contains_key(name.as_str()) => {
            let short = name.rsplit("::").next().unwrap_or(&name).to_string();
            program
                .files
                .iter()
                .find(|f| f.text.contains(&format!("type {short}:")))
        }
        None => None,
    };
    Ok(string(file.map_or("", |f| &f.path).as_bytes()))
}

/// The `##` comments right before a declaration, one line each.
fn get_identifier_comments(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = lossy(a.str(0)?);
    let mut lines = Vec::new();
    if let Some(span) = declaration(ctx, &name)
        && let Some(f) = ctx.program().files.get(span.file as usize)
    {
        let before = &f.text[..f.line_start(f.line(span.start)).unwrap_or(0) as usize];
        for l in before.lines().rev() {
            match l.trim_start().strip_prefix("##") {
                Some(c) if !c.starts_with(['!', '<', '#']) => lines.push(c.strip_prefix(' ').unwrap_or(c)),
                _ => break,
            }
        }
    }
    lines.reverse();
    Ok(string(lines.join("\n")))
}
