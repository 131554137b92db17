//! From a record type to log columns: flattening, selection and naming.

use std::rc::Rc;

use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::{Str, Value};
use tapir_logging::Column;

/// The way from a record to one leaf: a slot per level, with whether the field there has a default.
#[derive(Clone, Debug)]
pub struct FieldPath {
    pub steps: Rc<[(u32, bool)]>,
    pub ty: TypeId,
    /// Whether the leaf itself is `&optional`.
    pub optional: bool,
}

/// A filter's columns in order: extension first.
pub struct Flat {
    pub ext: Vec<FieldPath>,
    pub fields: Vec<FieldPath>,
    pub columns: Vec<Column>,
}

/// Whether values of a type can be logged; records only where nesting is allowed.
pub fn loggable(types: &Types, ty: TypeId, nested: bool) -> bool {
    match types.kind(ty) {
        Kind::Record(_) => nested,
        Kind::Table { index, yields: None } => {
            index.len() == 1 && loggable(types, index[0], false) && scalar(types, index[0])
        }
        Kind::Vector(t) => scalar(types, *t),
        _ => scalar(types, ty),
    }
}

fn scalar(types: &Types, ty: TypeId) -> bool {
    matches!(
        types.kind(ty),
        Kind::Bool
            | Kind::Int
            | Kind::Count
            | Kind::Double
            | Kind::Time
            | Kind::Interval
            | Kind::String
            | Kind::Port
            | Kind::Addr
            | Kind::Subnet
            | Kind::Enum(_)
            | Kind::File
            | Kind::Func(_)
    )
}

/// The `#types` name of a loggable type.
fn type_name(types: &Types, ty: TypeId) -> String {
    match types.kind(ty) {
        Kind::Bool => "bool".into(),
        Kind::Int => "int".into(),
        Kind::Count => "count".into(),
        Kind::Double => "double".into(),
        Kind::Time => "time".into(),
        Kind::Interval => "interval".into(),
        Kind::String => "string".into(),
        Kind::Port => "port".into(),
        Kind::Addr => "addr".into(),
        Kind::Subnet => "subnet".into(),
        Kind::Enum(_) => "enum".into(),
        Kind::File => "file".into(),
        Kind::Func(_) => "func".into(),
        Kind::Table { index, .. } => format!("set[{}]", index.first().map_or(String::new(), |t| type_name(types, *t))),
        Kind::Vector(t) => format!("vector[{}]", type_name(types, *t)),
        _ => "unknown".into(),
    }
}

/// All leaves of a record type with their flattened names. `all` takes fields without `&log` too.
pub fn flatten(types: &Types, record: TypeId, sep: &str, all: bool) -> Result<Vec<(String, FieldPath)>, String> {
    let mut out = Vec::new();
    walk(types, record, sep, all, "", &mut Vec::new(), &mut out)?;
    Ok(out)
}

/// Nesting beyond this is a type that contains itself.
const DEPTH_MAX: usize = 16;

fn walk(
    types: &Types,
    record: TypeId,
    sep: &str,
    all: bool,
    prefix: &str,
    steps: &mut Vec<(u32, bool)>,
    out: &mut Vec<(String, FieldPath)>,
) -> Result<(), String> {
    if steps.len() > DEPTH_MAX {
        return Err("log record is nested too deeply".into());
    }
    let Some(layout) = types.record(record) else {
        return Ok(());
    };
    for (slot, f) in layout.fields.iter().enumerate() {
        if !f.log && !all {
            continue;
        }
        let name = if prefix.is_empty() {
            f.name.to_string()
        } else {
            format!("{prefix}{sep}{}", f.name)
        };
        // Containers that are not optional are there, if empty, without having been written.
        let there = !f.optional && matches!(types.kind(f.ty), Kind::Record(_) | Kind::Table { .. } | Kind::Vector(_));
        steps.push((slot as u32, there || f.default.is_some()));
        if matches!(types.kind(f.ty), Kind::Record(_)) {
            walk(types, f.ty, sep, false, &name, steps, out)?;
        } else if loggable(types, f.ty, false) {
            out.push((
                name,
                FieldPath {
                    steps: steps[..].into(),
                    ty: f.ty,
                    optional: f.optional,
                },
            ));
        } else {
            return Err(format!("unsupported field type for log column '{name}'"));
        }
        steps.pop();
    }
    Ok(())
}

/// The columns of a filter.
pub fn flatten_filter(
    types: &Types,
    record: TypeId,
    ext_func: Option<&Value>,
    include: Option<&[Str]>,
    exclude: Option<&[Str]>,
    sep: &[u8],
    ext_prefix: &[u8],
    name_map: &[(Str, Str)],
) -> Result<Flat, String> {
    let sep = String::from_utf8_lossy(sep).into_owned();
    let prefix = String::from_utf8_lossy(ext_prefix).into_owned();
    let mut flat = Flat {
        ext: Vec::new(),
        fields: Vec::new(),
        columns: Vec::new(),
    };
    let mut add = |name: String, path: &FieldPath| {
        let mapped = name_map.iter().find(|m| &m.0[..] == name.as_bytes());
        let name = mapped.map_or(name, |m| String::from_utf8_lossy(&m.1).into_owned());
        flat.columns.push(Column {
            name,
            type_name: type_name(types, path.ty),
            optional: path.optional,
        });
    };
    if let Some(Value::Func(f)) = ext_func {
        if let Kind::Func(sig) = types.kind(f.ty) {
            if types.record(sig.yields).is_some() {
                for (name, path) in flatten(types, sig.yields, &sep, false)? {
                    add(format!("{prefix}{name}"), &path);
                    flat.ext.push(path);
                }
            }
        }
    }
    for (name, path) in flatten(types, record, &sep, false)? {
        let listed = |list: &[Str]| list.iter().any(|n| &n[..] == name.as_bytes());
        if include.is_some_and(|l| !listed(l)) || exclude.is_some_and(listed) {
            continue;
        }
        add(name, &path);
        flat.fields.push(path);
    }
    Ok(flat)
}
