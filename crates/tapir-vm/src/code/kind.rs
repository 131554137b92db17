//! The runtime kind of a value, as a number that instructions carry; the order is that of [`Value`].

use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::Value;

pub const UNSET: u8 = 0;
pub const BOOL: u8 = 1;
pub const INT: u8 = 2;
pub const COUNT: u8 = 3;
pub const DOUBLE: u8 = 4;
pub const TIME: u8 = 5;
pub const INTERVAL: u8 = 6;
pub const ENUM: u8 = 7;
pub const PORT: u8 = 8;
pub const ADDR: u8 = 9;
pub const SUBNET: u8 = 10;
pub const STR: u8 = 11;
pub const PATTERN: u8 = 12;
pub const RECORD: u8 = 13;
pub const TABLE: u8 = 14;
pub const VECTOR: u8 = 15;
pub const FUNC: u8 = 16;
pub const FILE: u8 = 17;
pub const OPAQUE: u8 = 18;
pub const TYPE: u8 = 19;
pub const LIST: u8 = 20;
/// Any value.
pub const ANY: u8 = 255;

/// The kind of a value.
#[inline(always)]
pub fn of(v: &Value) -> u8 {
    match v {
        Value::Unset => UNSET,
        Value::Bool(_) => BOOL,
        Value::Int(_) => INT,
        Value::Count(_) => COUNT,
        Value::Double(_) => DOUBLE,
        Value::Time(_) => TIME,
        Value::Interval(_) => INTERVAL,
        Value::Enum(..) => ENUM,
        Value::Port(_) => PORT,
        Value::Addr(_) => ADDR,
        Value::Subnet(_) => SUBNET,
        Value::Str(_) => STR,
        Value::Pattern(_) => PATTERN,
        Value::Record(_) => RECORD,
        Value::Table(_) => TABLE,
        Value::Vector(_) => VECTOR,
        Value::Func(_) => FUNC,
        Value::File(_) => FILE,
        Value::Opaque(_) => OPAQUE,
        Value::Type(_) => TYPE,
        Value::List(_) => LIST,
    }
}

/// Whether a value is there and of the kind.
#[inline(always)]
pub fn fits(kind: u8, v: &Value) -> bool {
    let k = of(v);
    k == kind || (kind == ANY && k != UNSET)
}

/// Whether values of the kind are scalars: no drop code, copied bit by bit.
#[inline]
pub fn is_scalar(kind: u8) -> bool {
    (BOOL..=SUBNET).contains(&kind) || kind == TYPE
}

/// The kind of a type's values.
pub fn of_type(types: &Types, ty: TypeId) -> u8 {
    match types.kind(ty) {
        Kind::Error | Kind::Void | Kind::Any | Kind::Empty => ANY,
        Kind::Bool => BOOL,
        Kind::Int => INT,
        Kind::Count => COUNT,
        Kind::Double => DOUBLE,
        Kind::Time => TIME,
        Kind::Interval => INTERVAL,
        Kind::String => STR,
        Kind::Pattern => PATTERN,
        Kind::Port => PORT,
        Kind::Addr => ADDR,
        Kind::Subnet => SUBNET,
        Kind::Enum(_) => ENUM,
        Kind::Record(_) => RECORD,
        Kind::Table { .. } => TABLE,
        Kind::Vector(_) => VECTOR,
        Kind::Func(_) => FUNC,
        Kind::File => FILE,
        Kind::Opaque(_) => OPAQUE,
        Kind::Type => TYPE,
        Kind::List(_) => LIST,
    }
}

/// What values of a kind are called in messages.
pub fn name(k: u8) -> &'static str {
    match k {
        BOOL => "bool",
        INT => "int",
        COUNT => "count",
        DOUBLE => "double",
        TIME => "time",
        INTERVAL => "interval",
        ENUM => "an enumerator",
        PORT => "port",
        ADDR => "addr",
        SUBNET => "subnet",
        STR => "string",
        PATTERN => "pattern",
        RECORD => "a record",
        TABLE => "a table or set",
        VECTOR => "a vector",
        FUNC => "a function",
        FILE => "file",
        OPAQUE => "an opaque value",
        TYPE => "a type",
        _ => "another type",
    }
}
