//! The benchmark reader: random rows, as many per second as the stream's source says.

use std::time::{Duration, Instant};

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

/// Rows of one turn that are still to come, where they are spread over time.
pub(super) struct Rest {
    /// All of this turn, and those that were given.
    n: u64,
    given: u64,
    begun: Instant,
    /// When the next one is due.
    due: Instant,
}

impl Rest {
    pub(super) fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }

    /// Says when the row after the given ones is due.
    fn go_on(&mut self, spread: &Spread) {
        self.given += 1;
        self.due += spread.pause;
        if let Some(turn) = spread.evenly_over {
            let at = turn.mul_f64(self.given as f64 / self.n as f64);
            self.due = self.due.max(self.begun + at);
        }
    }
}

/// How rows of one turn are spread over time.
struct Spread {
    /// Between one and the next.
    pause: Duration,
    /// The time over which all are to come.
    evenly_over: Option<Duration>,
}

/// Longer pauses are as good as this.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

impl Spread {
    /// For a turn of so many rows; `None` where they come at once.
    fn of(cx: &CallCtx<'_>, n: u64) -> Option<Self> {
        let stop = double(cx, "InputBenchmark::stopspreadat");
        if n == 0 || stop > 0.0 && n as f64 >= stop {
            return None;
        }
        let auto = double(cx, "InputBenchmark::autospread");
        let mut seconds = double(cx, "InputBenchmark::spread") * 1e-6;
        if auto > 0.0 {
            seconds += 1.0 / (auto * n as f64);
        }
        let pause = Duration::try_from_secs_f64(seconds).unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
        let turn = crate::globals::seconds(cx.vm, "Threading::heartbeat_interval").unwrap_or(1.0);
        let timed = double(cx, "InputBenchmark::timedspread") > 0.0;
        let evenly_over = timed.then(|| Duration::try_from_secs_f64(turn).unwrap_or(PAUSE_MAX).min(PAUSE_MAX));
        (evenly_over.is_some() || !pause.is_zero()).then_some(Spread { pause, evenly_over })
    }
}

/// How many rows this turn has: the number grows from turn to turn.
fn rows(cx: &CallCtx<'_>, s: &Stream, first: u64) -> u64 {
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
    (n.max(0.0) as u64).min(ROWS_MAX)
}

/// Makes the rows of one turn, those of them that are due.
pub(super) fn read(cx: &mut CallCtx<'_>, s: &mut Stream) -> Result<bool, RtError> {
    let mut rest = match s.rest.take() {
        Some(rest) => {
            s.pending = false;
            rest
        }
        None => {
            s.pending = false;
            let Ok(first) = s.source.trim().parse::<u64>() else {
                let message = format!("'{}' is no number of rows", s.source);
                problem(cx, s, &message, tapir_vm::Severity::Error)?;
                s.removed = true;
                return Ok(false);
            };
            let n = rows(cx, s, first);
            s.round += 1;
            let begun = Instant::now();
            Rest {
                n,
                given: 0,
                begun,
                due: begun,
            }
        }
    };
    let spread = Spread::of(cx, rest.n);
    let before = rest.given;
    let now = tapir_logging::ascii::wall_clock();
    let mut random = Random((now.to_bits() ^ s.round ^ rest.given).max(1));
    while rest.given < rest.n {
        if spread.is_some() && !rest.is_due() {
            break;
        }
        let Some(program) = cx.vm.shared_program() else {
            return Ok(false);
        };
        let row = s
            .columns
            .iter()
            .map(|c| value(&program.types, c.ty, &mut random, now))
            .collect();
        deliver::row(cx, s, row)?;
        match &spread {
            Some(spread) => rest.go_on(spread),
            None => rest.given += 1,
        }
    }
    let any = rest.given > before;
    if rest.given < rest.n {
        s.rest = Some(rest);
        // What scripts wait for is not there yet.
        s.pending = s.mode != Mode::Stream;
    } else if s.mode != Mode::Stream {
        deliver::end_round(cx, s)?;
        end_of_data(cx, s);
    }
    Ok(any)
}
