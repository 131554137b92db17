//! Native names resolved to the ids of a loaded program, once, so that building values looks nothing up.

use std::rc::Rc;

use tapir_data::types::{FuncType, Kind, TypeId, Types, builtin};
use tapir_data::value::{Str, Table, Value, Vector};

use crate::generated::{enums, events, records, types};

/// A native record, as a constant of [`records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordIdx(pub u32);

/// A native enum, as a constant of [`enums`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumIdx(pub u32);

/// A composite type, as a constant of [`types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeIdx(pub u32);

/// Where a composite type is found among the declarations.
pub(crate) struct TypePath {
    pub anchor: Anchor,
    pub steps: &'static [Step],
}

pub(crate) enum Anchor {
    Name(&'static str),
    /// Record and slot.
    Field(u32, u32),
    /// Event and parameter.
    Param(u32, u32),
}

// Which steps occur depends on the declarations.
#[allow(dead_code)]
pub(crate) enum Step {
    Index(usize),
    Yield,
}

/// The resolved ids.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    records: Vec<TypeId>,
    enums: Vec<TypeId>,
    types: Vec<TypeId>,
}

impl Bindings {
    /// Resolves all native names.
    ///
    /// # Errors
    /// The names that the program does not declare, or declares as something else.
    pub fn resolve(
        table: &Types,
        type_of: impl Fn(&str) -> Option<TypeId>,
        event: impl Fn(&str) -> Option<FuncType>,
    ) -> Result<Self, Vec<String>> {
        let mut missing = Vec::new();
        let mut find = |name: &str| {
            type_of(name).unwrap_or_else(|| {
                missing.push(name.to_string());
                builtin::ERROR
            })
        };
        let records: Vec<_> = records::NAMES.iter().map(|n| find(n)).collect();
        let enums: Vec<_> = enums::NAMES.iter().map(|n| find(n)).collect();
        let mut resolved = Vec::new();
        for path in types::PATHS {
            let start = match path.anchor {
                Anchor::Name(n) => type_of(n),
                Anchor::Field(r, slot) => table
                    .record(records[r as usize])
                    .and_then(|r| r.fields.get(slot as usize))
                    .map(|f| f.ty),
                Anchor::Param(e, i) => {
                    event(events::NAMES[e as usize]).and_then(|f| f.params.get(i as usize).map(|p| p.ty))
                }
            };
            let ty = path.steps.iter().fold(start, |ty, step| match (table.kind(ty?), step) {
                (Kind::Table { index, .. }, Step::Index(i)) => index.get(*i).copied(),
                (Kind::Table { yields, .. }, Step::Yield) => *yields,
                (Kind::Vector(t), Step::Yield) => Some(*t),
                _ => None,
            });
            resolved.push(ty.unwrap_or(builtin::ERROR));
        }
        if missing.is_empty() {
            Ok(Bindings {
                records,
                enums,
                types: resolved,
            })
        } else {
            Err(missing)
        }
    }

    /// The type of a native record.
    #[inline]
    pub fn record(&self, r: RecordIdx) -> TypeId {
        self.records.get(r.0 as usize).copied().unwrap_or(builtin::ERROR)
    }

    /// The type of a native enum.
    #[inline]
    pub fn enum_type(&self, e: EnumIdx) -> TypeId {
        self.enums.get(e.0 as usize).copied().unwrap_or(builtin::ERROR)
    }

    /// An enumerator as a value.
    #[inline]
    pub fn enum_value(&self, e: EnumIdx, value: i64) -> Value {
        Value::Enum(self.enum_type(e), value)
    }

    /// A composite type.
    #[inline]
    pub fn ty(&self, t: TypeIdx) -> TypeId {
        self.types.get(t.0 as usize).copied().unwrap_or(builtin::ERROR)
    }

    /// A vector of the given elements.
    pub fn vector(&self, t: TypeIdx, items: Vec<Value>) -> Value {
        Value::Vector(Vector::new(self.ty(t), items))
    }

    /// An empty table or set.
    pub fn table(&self, t: TypeIdx) -> Rc<Table> {
        Table::new(self.ty(t))
    }
}

/// What can be given where an event takes a string.
pub trait IntoStr {
    /// The bytes as a shared string.
    fn into_str(self) -> Str;
}

impl IntoStr for Str {
    fn into_str(self) -> Str {
        self
    }
}

impl IntoStr for &Str {
    fn into_str(self) -> Str {
        self.clone()
    }
}

impl IntoStr for &[u8] {
    fn into_str(self) -> Str {
        self.into()
    }
}

impl<const N: usize> IntoStr for &[u8; N] {
    fn into_str(self) -> Str {
        self.as_slice().into()
    }
}

impl IntoStr for Vec<u8> {
    fn into_str(self) -> Str {
        self.into()
    }
}

impl IntoStr for &Vec<u8> {
    fn into_str(self) -> Str {
        self.as_slice().into()
    }
}

impl IntoStr for &str {
    fn into_str(self) -> Str {
        self.as_bytes().into()
    }
}

impl IntoStr for String {
    fn into_str(self) -> Str {
        self.into_bytes().into()
    }
}
