//! The log serializer `zeek-bin-serializer`: batches of log rows between a node and its logger.
//!
//! Everything is big-endian. A batch is its names, the description of its fields, and then the values of all records, each
//! with its type in front. The reader trusts nothing: every length is checked against what is there, and what a row takes
//! here is never more than it took on the wire. Must not know: sockets.

use std::sync::Arc;

use tapir_logging::{CellRef, Column, RowEncoder, RowReader};

use crate::backend::LogBatch;

/// The serializer's name on the wire.
pub const NAME: &str = "zeek-bin-serializer";

/// Numbers of the types that fields may have.
mod tag {
    pub const BOOL: i32 = 1;
    pub const INT: i32 = 2;
    pub const COUNT: i32 = 3;
    pub const DOUBLE: i32 = 4;
    pub const TIME: i32 = 5;
    pub const INTERVAL: i32 = 6;
    pub const STRING: i32 = 7;
    pub const ENUM: i32 = 9;
    pub const PORT: i32 = 10;
    pub const ADDR: i32 = 11;
    pub const SUBNET: i32 = 12;
    pub const SET: i32 = 14;
    pub const FUNC: i32 = 17;
    pub const FILE: i32 = 18;
    pub const VECTOR: i32 = 19;
}

const SCALARS: [(&str, i32); 13] = [
    ("bool", tag::BOOL),
    ("int", tag::INT),
    ("count", tag::COUNT),
    ("double", tag::DOUBLE),
    ("time", tag::TIME),
    ("interval", tag::INTERVAL),
    ("string", tag::STRING),
    ("enum", tag::ENUM),
    ("port", tag::PORT),
    ("addr", tag::ADDR),
    ("subnet", tag::SUBNET),
    ("func", tag::FUNC),
    ("file", tag::FILE),
];

const V4_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

fn scalar_tag(name: &str) -> Option<i32> {
    SCALARS.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
}

fn scalar_name(tag: i32) -> Option<&'static str> {
    SCALARS.iter().find(|(_, t)| *t == tag).map(|(n, _)| *n)
}

/// Type and element type of a column.
fn tags_of(type_name: &str) -> Option<(i32, i32)> {
    if let Some(t) = scalar_tag(type_name) {
        return Some((t, 0));
    }
    let (outer, inner) = type_name.strip_suffix(']')?.split_once('[')?;
    let outer = match outer {
        "set" => tag::SET,
        "vector" => tag::VECTOR,
        _ => return None,
    };
    Some((outer, scalar_tag(inner)?))
}

fn name_of(tag: i32, sub: i32) -> Option<String> {
    match tag {
        tag::SET => scalar_name(sub).map(|n| format!("set[{n}]")),
        tag::VECTOR => scalar_name(sub).map(|n| format!("vector[{n}]")),
        _ => scalar_name(tag).map(Into::into),
    }
}

fn text(s: &[u8], out: &mut Vec<u8>) {
    out.extend((s.len() as u32).to_be_bytes());
    out.extend_from_slice(s);
}

/// Appends a batch as it travels.
///
/// # Errors
/// Rows or columns that are not of this project's making.
pub fn encode(batch: &LogBatch, out: &mut Vec<u8>) -> Result<(), String> {
    out.reserve(batch.rows.len() * 2 + 64 * batch.columns.len());
    for name in [&batch.stream, &batch.writer, &batch.filter, &batch.path] {
        text(name.as_bytes(), out);
    }
    out.extend((batch.columns.len() as u32).to_be_bytes());
    let mut tags = Vec::with_capacity(batch.columns.len());
    for column in &*batch.columns {
        let (t, sub) = tags_of(&column.type_name)
            .ok_or_else(|| format!("column {} of type {} cannot be sent", column.name, column.type_name))?;
        tags.push((t, sub));
        out.push(0);
        text(column.name.as_bytes(), out);
        out.extend(t.to_be_bytes());
        out.extend(sub.to_be_bytes());
        out.push(column.optional.into());
    }
    out.extend(batch.n_rows.to_be_bytes());
    let mut rows = RowReader::new(&batch.rows);
    let broken = || String::from("log rows do not fit their columns");
    for _ in 0..batch.n_rows {
        for &(t, sub) in &tags {
            let cell = rows.cell().ok_or_else(broken)?;
            match cell {
                CellRef::List(n) if t == tag::SET || t == tag::VECTOR => {
                    header(t, true, out);
                    out.extend(i64::from(n).to_be_bytes());
                    for _ in 0..n {
                        scalar(sub, rows.cell().ok_or_else(broken)?, out).ok_or_else(broken)?;
                    }
                }
                CellRef::Unset => header(t, false, out),
                cell => scalar(t, cell, out).ok_or_else(broken)?,
            }
        }
    }
    if rows.is_empty() { Ok(()) } else { Err(broken()) }
}

fn header(t: i32, present: bool, out: &mut Vec<u8>) {
    let mut head = [0; 9];
    head[..4].copy_from_slice(&t.to_be_bytes());
    head[8] = present.into();
    out.extend_from_slice(&head);
}

/// Appends a value without elements; `None` when it is not of the type.
fn scalar(t: i32, cell: CellRef<'_>, out: &mut Vec<u8>) -> Option<()> {
    header(t, cell != CellRef::Unset, out);
    match (t, cell) {
        (_, CellRef::Unset) => {}
        (tag::BOOL, CellRef::Bool(b)) => out.extend(i64::from(b).to_be_bytes()),
        (tag::INT, CellRef::Int(n)) => out.extend(n.to_be_bytes()),
        (tag::COUNT, CellRef::Count(n)) => out.extend(n.to_be_bytes()),
        (tag::DOUBLE, CellRef::Double(d)) | (tag::TIME, CellRef::Time(d)) | (tag::INTERVAL, CellRef::Interval(d)) => {
            out.extend(d.to_be_bytes());
        }
        (tag::PORT, CellRef::Port(n, protocol)) => {
            out.extend(u64::from(n).to_be_bytes());
            let proto: i32 = match protocol {
                6 => 1,
                17 => 2,
                1 | 58 => 3,
                _ => 0,
            };
            out.extend(proto.to_be_bytes());
        }
        (tag::ADDR, CellRef::Addr(a)) => address(&a, out),
        (tag::SUBNET, CellRef::Subnet(a, width)) => {
            out.push(if a[..12] == V4_PREFIX {
                width.checked_add(96)?
            } else {
                width
            });
            address(&a, out);
        }
        (tag::STRING | tag::ENUM | tag::FILE | tag::FUNC, CellRef::Str(s) | CellRef::Name(s)) => text(s, out),
        _ => return None,
    }
    Some(())
}

fn address(a: &[u8; 16], out: &mut Vec<u8>) {
    match a.strip_prefix(&V4_PREFIX) {
        Some(v4) => {
            out.push(4);
            out.extend_from_slice(v4);
        }
        None => {
            out.push(6);
            out.extend_from_slice(a);
        }
    }
}

/// Reads a batch.
///
/// # Errors
/// What is wrong with it.
pub fn decode(bytes: &[u8]) -> Result<LogBatch, &'static str> {
    let mut r = Reader { rest: bytes };
    let [stream, writer, filter, path] = [r.name()?, r.name()?, r.name()?, r.name()?];
    let n_fields = r.u32()?;
    let mut columns = Vec::new();
    let mut tags = Vec::new();
    for _ in 0..n_fields {
        if r.flag()? {
            r.text()?;
        }
        let name = r.name()?;
        let (t, sub) = (r.i32()?, r.i32()?);
        tags.push((t, sub));
        columns.push(Column {
            name,
            type_name: name_of(t, sub).ok_or("a field has a type that logs cannot have")?,
            optional: r.flag()?,
        });
    }
    let n_rows = r.u32()?;
    if n_rows > 0 && tags.is_empty() {
        return Err("there are records without fields");
    }
    let mut rows = Vec::new();
    let mut enc = RowEncoder::new(&mut rows);
    for _ in 0..n_rows {
        for &(t, sub) in &tags {
            r.value(t, sub, &mut enc)?;
        }
    }
    if !r.rest.is_empty() {
        return Err("bytes follow the last record");
    }
    Ok(LogBatch {
        stream,
        writer,
        filter,
        path,
        topic: None,
        columns: Arc::from(columns),
        n_rows,
        rows,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

const SHORT: &str = "it ends early";

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], &'static str> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(SHORT)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(self.array::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, &'static str> {
        Ok(self.byte()? == 1)
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        self.array().map(u32::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, &'static str> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, &'static str> {
        self.array().map(i64::from_be_bytes)
    }

    fn f64(&mut self) -> Result<f64, &'static str> {
        self.array().map(f64::from_be_bytes)
    }

    fn text(&mut self) -> Result<&'a [u8], &'static str> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    fn name(&mut self) -> Result<String, &'static str> {
        let name = std::str::from_utf8(self.text()?).map_err(|_| "a name is no UTF-8")?;
        Ok(name.into())
    }

    fn address(&mut self) -> Result<[u8; 16], &'static str> {
        match self.byte()? {
            4 => {
                let mut a = [0; 16];
                a[..12].copy_from_slice(&V4_PREFIX);
                a[12..].copy_from_slice(&self.array::<4>()?);
                Ok(a)
            }
            6 => self.array(),
            _ => Err("unknown family of addresses"),
        }
    }

    /// Whether a value of type `t` is there: its header.
    fn present(&mut self, t: i32) -> Result<bool, &'static str> {
        if self.i32()? != t {
            return Err("a value is not of its field's type");
        }
        self.i32()?;
        self.flag()
    }

    fn value(&mut self, t: i32, sub: i32, enc: &mut RowEncoder<'_>) -> Result<(), &'static str> {
        if t != tag::SET && t != tag::VECTOR {
            return self.scalar(t, enc);
        }
        if !self.present(t)? {
            enc.cell(CellRef::Unset);
            return Ok(());
        }
        // No element is shorter than its header.
        let n = u32::try_from(self.i64()?).map_err(|_| "a container's size is out of range")?;
        if n as usize > self.rest.len() / 9 {
            return Err(SHORT);
        }
        enc.cell(CellRef::List(n));
        (0..n).try_for_each(|_| self.scalar(sub, enc))
    }

    fn scalar(&mut self, t: i32, enc: &mut RowEncoder<'_>) -> Result<(), &'static str> {
        if !self.present(t)? {
            enc.cell(CellRef::Unset);
            return Ok(());
        }
        let cell = match t {
            tag::BOOL => CellRef::Bool(self.i64()? != 0),
            tag::INT => CellRef::Int(self.i64()?),
            tag::COUNT => CellRef::Count(self.i64()? as u64),
            tag::DOUBLE => CellRef::Double(self.f64()?),
            tag::TIME => CellRef::Time(self.f64()?),
            tag::INTERVAL => CellRef::Interval(self.f64()?),
            tag::STRING => CellRef::Str(self.text()?),
            tag::ENUM | tag::FILE | tag::FUNC => CellRef::Name(self.text()?),
            tag::PORT => {
                let n = u16::try_from(self.i64()?).map_err(|_| "a port is out of range")?;
                let protocol = match self.i32()? {
                    0 => 0,
                    1 => 6,
                    2 => 17,
                    3 => 1,
                    _ => return Err("unknown protocol of a port"),
                };
                CellRef::Port(n, protocol)
            }
            tag::ADDR => CellRef::Addr(self.address()?),
            tag::SUBNET => {
                let width = self.byte()?;
                let v4 = self.rest.first() == Some(&4);
                let a = self.address()?;
                let shown = if v4 { width.checked_sub(96) } else { Some(width) };
                match shown {
                    Some(w) if w <= if v4 { 32 } else { 128 } => CellRef::Subnet(a, w),
                    _ => return Err("the length of a subnet is out of range"),
                }
            }
            _ => return Err("a value has a type that logs cannot have"),
        };
        enc.cell(cell);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serializer::tests::hex;

    fn column(name: &str, type_name: &str, optional: bool) -> Column {
        Column {
            name: name.into(),
            type_name: type_name.into(),
            optional,
        }
    }

    /// A batch of stream `T::LOG` with the given columns and cells.
    pub fn batch(columns: &[(&str, &str, bool)], n_rows: u32, cells: &[CellRef<'_>]) -> LogBatch {
        let mut rows = Vec::new();
        let mut enc = RowEncoder::new(&mut rows);
        cells.iter().for_each(|c| enc.cell(*c));
        LogBatch {
            stream: "T::LOG".into(),
            writer: "Log::WRITER_ASCII".into(),
            filter: "default".into(),
            path: "t".into(),
            topic: None,
            columns: columns.iter().map(|c| column(c.0, c.1, c.2)).collect(),
            n_rows,
            rows,
        }
    }

    #[test]
    fn known_batch() {
        let b = batch(
            &[
                ("ts", "time", false),
                ("n", "count", true),
                ("tags", "set[string]", true),
            ],
            1,
            &[CellRef::Time(1.5), CellRef::Unset, CellRef::List(1), CellRef::Str(b"x")],
        );
        let mut out = Vec::new();
        encode(&b, &mut out).unwrap();
        let known = hex("00000006 543a3a4c4f47  00000011 4c6f673a3a5752495445525f4153434949
            00000007 64656661756c74  00000001 74 00000003
            00 00000002 7473     00000005 00000000 00
            00 00000001 6e       00000003 00000000 01
            00 00000004 74616773 0000000e 00000007 01
            00000001
            00000005 00000000 01 3ff8000000000000
            00000003 00000000 00
            0000000e 00000000 01 0000000000000001  00000007 00000000 01 00000001 78");
        assert_eq!(known.len(), 161);
        assert_eq!(out, known);
        assert_eq!(decode(&known), Ok(b));
    }

    #[test]
    fn known_values() {
        let v4 = |a, b, c, d| {
            let mut x = [0; 16];
            x[..12].copy_from_slice(&V4_PREFIX);
            x[12..].copy_from_slice(&[a, b, c, d]);
            x
        };
        for (ty, cells, known) in [
            ("count", vec![CellRef::Unset], "00000003 00000000 00"),
            (
                "bool",
                vec![CellRef::Bool(true)],
                "00000001 00000000 01 0000000000000001",
            ),
            (
                "port",
                vec![CellRef::Port(443, 6)],
                "0000000a 00000000 01 00000000000001bb 00000001",
            ),
            (
                "addr",
                vec![CellRef::Addr(v4(10, 1, 2, 3))],
                "0000000b 00000000 01 04 0a010203",
            ),
            (
                "subnet",
                vec![CellRef::Subnet(v4(10, 1, 0, 0), 16)],
                "0000000c 00000000 01 70 04 0a010000",
            ),
            (
                "enum",
                vec![CellRef::Name(b"tcp")],
                "00000009 00000000 01 00000003 746370",
            ),
            (
                "vector[count]",
                vec![CellRef::List(2), CellRef::Count(5), CellRef::Unset],
                "00000013 00000000 01 0000000000000002 00000003 00000000 01 0000000000000005 00000003 00000000 00",
            ),
        ] {
            let b = batch(&[("f", ty, true)], 1, &cells);
            let mut out = Vec::new();
            encode(&b, &mut out).unwrap();
            let known = hex(known);
            assert_eq!(out[out.len() - known.len()..], known, "{ty}");
            assert_eq!(decode(&out), Ok(b));
        }
        let b = batch(&[("f", "count", true)], 1, &[CellRef::Int(1)]);
        assert!(encode(&b, &mut Vec::new()).is_err());
        let b = batch(&[("f", "count", true)], 2, &[CellRef::Count(1)]);
        assert!(encode(&b, &mut Vec::new()).is_err());
    }

    #[test]
    fn records_without_fields_are_refused() {
        let mut out = Vec::new();
        encode(&batch(&[], 0, &[]), &mut out).unwrap();
        assert!(decode(&out).is_ok());
        let n = out.len();
        out[n - 4..].copy_from_slice(&[0xff; 4]);
        assert!(decode(&out).is_err());
    }

    proptest! {
        #[test]
        fn rows_round_trip(rows in prop::collection::vec((any::<u64>(), any::<f64>(), prop::collection::vec(any::<Vec<u8>>(), 0..5), any::<[u8; 16]>(), 0u8..=128, any::<u16>()), 0..20)) {
            let columns = [("c", "count", false), ("d", "double", true), ("v", "vector[string]", true), ("a", "addr", true), ("s", "subnet", true), ("p", "port", true)];
            let mut cells = Vec::new();
            for (c, d, v, a, width, port) in &rows {
                cells.extend([CellRef::Count(*c), if d.is_nan() { CellRef::Unset } else { CellRef::Double(*d) }, CellRef::List(v.len() as u32)]);
                cells.extend(v.iter().map(|s| CellRef::Str(s)));
                let width = if a[..12] == V4_PREFIX { width % 33 } else { *width };
                cells.extend([CellRef::Addr(*a), CellRef::Subnet(*a, width), CellRef::Port(*port, [0, 1, 6, 17][*port as usize % 4])]);
            }
            let b = batch(&columns, rows.len() as u32, &cells);
            let mut out = Vec::new();
            encode(&b, &mut out).unwrap();
            prop_assert_eq!(decode(&out), Ok(b));
        }

        #[test]
        fn damaged_batches_never_panic(at in any::<prop::sample::Index>(), b in any::<u8>(), cut in any::<prop::sample::Index>(), noise in any::<Vec<u8>>()) {
            let _ = decode(&noise);
            let batch = batch(&[("v", "vector[string]", true), ("p", "port", true)], 1, &[CellRef::List(1), CellRef::Str(b"x"), CellRef::Port(1, 6)]);
            let mut out = Vec::new();
            encode(&batch, &mut out).unwrap();
            let i = at.index(out.len());
            out[i] = b;
            if let Ok(back) = decode(&out) {
                prop_assert!(back.rows.len() <= out.len());
            }
            let _ = decode(&out[..cut.index(out.len())]);
        }
    }
}
