//! The benchmark reader: random rows, as many per second as the stream's source says.

use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::{Addr, Port, Proto, Subnet, Table, Value, Vector};
use tapir_vm::{CallCtx, RtError};

use super::{Mode, Stream, deliver, end_of_data, problem};

/// A small generator: the rows need to differ, not to be unpredictable.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn text(&mut self) -> Vec<u8> {
        let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..10)
            .map(|_| letters[(self.next() % letters.len() as u64) as usize])
            .collect()
    }
}

fn value(types: &Types, ty: TypeId, r: &mut Random, now: f64) -> Value {
    match types.kind(ty) {
        Kind::Bool => Value::Bool(r.next() & 1 == 1),
        Kind::Int => Value::Int((r.next() >> 33) as i64),
        Kind::Count => Value::Count(r.next() >> 33),
        Kind::Double => Value::Double((r.next() >> 11) as f64 / (1u64 << 53) as f64),
        Kind::Time => Value::Time(now),
        Kind::Interval => Value::Interval(now),
        Kind::String => Value::Str(r.text().into()),
        Kind::Port => Value::Port(Port {
            num: (r.next() >> 48) as u16,
            proto: Proto::Unknown,
        }),
        Kind::Addr => Value::Addr(Addr::from(std::net::IpAddr::from(
            ((r.next() >> 32) as u32).to_be_bytes(),
        ))),
        Kind::Subnet => {
            let a = Addr::from(std::net::IpAddr::from(((r.next() >> 32) as u32).to_be_bytes()));
            Value::Subnet(Subnet::new128(a, 96 + 16))
        }
        Kind::Enum(_) => Value::Enum(ty, 0),
        Kind::Table { index, .. } => {
            let t = Table::new(ty);
            for _ in 0..r.next() % 4 {
                t.insert(&[value(types, index[0], r, now)], Value::Unset, 0.0);
            }
            Value::Table(t)
        }
        Kind::Vector(elem) => {
            let items = (0..r.next() % 4).map(|_| value(types, *elem, r, now)).collect();
            Value::Vector(Vector::new(ty, items))
        }
        _ => Value::Unset,
    }
}

fn double(cx: &CallCtx<'_>, name: &str) -> f64 {
    match crate::globals::get(cx, name) {
        Value::Double(d) => d,
        Value::Count(n) => n as f64,
        _ => 0.0,
    }
}

/// Rows of one turn at most, whatever the factor has grown to.
const ROWS_MAX: u64 = 1_000_000;

/// Makes the rows of one turn.
pub(super) fn read(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    s.pending = false;
    let Ok(first) = s.source.trim().parse::<u64>() else {
        let message = format!("'{}' is no number of rows", s.source);
        problem(cx, s, &message, tapir_vm::Severity::Error)?;
        s.removed = true;
        return Ok(false);
    };
    // The number grows from turn to turn.
    let (factor, more) = (
        double(cx, "InputBenchmark::factor"),
        double(cx, "InputBenchmark::addfactor"),
    );
    let mut n = first as f64;
    if s.mode == Mode::Stream {
        for _ in 0..s.round.min(10_000) {
            n = n * factor + more;
        }
    }
    let n = (n.max(0.0) as u64).min(ROWS_MAX);
    s.round += 1;
    let now = tapir_logging::ascii::wall_clock();
    let mut random = Random((now.to_bits() ^ s.round).max(1));
    for _ in 0..n {
        let Some(program) = cx.vm.shared_program() else {
            return Ok(false);
        };
        let row = s
            .columns
            .iter()
            .map(|c| value(&program.types, c.ty, &mut random, now))
            .collect();
        deliver::row(cx, s, row)?;
    }
    if s.mode != Mode::Stream {
        deliver::end_round(cx, s)?;
        end_of_data(cx, s);
    }
    Ok(n > 0)
}
