//! The randomness test: entropy, chi square, mean, Monte Carlo value of pi, serial correlation.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::broker::Data;
use tapir_data::text::RenderHost;
use tapir_data::value::{Opaque, Value};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("find_entropy", find_entropy),
    ("entropy_test_init", |_, _| {
        Ok(Value::Opaque(Rc::new(Handle::default())))
    }),
    ("entropy_test_add", entropy_test_add),
    ("entropy_test_finish", entropy_test_finish),
];

/// The running sums of the test.
#[derive(Clone)]
pub struct Entropy {
    counts: [u64; 256],
    n: u64,
    group: [u8; 6],
    n_group: usize,
    n_points: u64,
    n_inside: u64,
    first: u8,
    last: u8,
    products: f64,
    sum: f64,
    squares: f64,
}

/// What the test found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Findings {
    pub entropy: f64,
    pub chi_square: f64,
    pub mean: f64,
    pub monte_carlo_pi: f64,
    pub serial_correlation: f64,
}

impl Default for Entropy {
    fn default() -> Self {
        Entropy {
            counts: [0; 256],
            n: 0,
            group: [0; 6],
            n_group: 0,
            n_points: 0,
            n_inside: 0,
            first: 0,
            last: 0,
            products: 0.0,
            sum: 0.0,
            squares: 0.0,
        }
    }
}

impl Entropy {
    /// Takes in more data.
    pub fn add(&mut self, data: &[u8]) {
        // A point counts if it lies in the circle through the largest coordinates of 24 bits.
        const RADIUS: f64 = 16777215.0;
        for &b in data {
            self.counts[b as usize] += 1;
            if self.n == 0 {
                self.first = b;
            } else {
                self.products += self.last as f64 * b as f64;
            }
            self.n += 1;
            self.last = b;
            self.sum += b as f64;
            self.squares += b as f64 * b as f64;
            self.group[self.n_group] = b;
            self.n_group += 1;
            if self.n_group == 6 {
                self.n_group = 0;
                let c = |p: &[u8]| p.iter().fold(0.0, |n, b| n * 256.0 + *b as f64);
                let (x, y) = (c(&self.group[..3]), c(&self.group[3..]));
                self.n_points += 1;
                self.n_inside += u64::from(x * x + y * y <= RADIUS * RADIUS);
            }
        }
    }

    /// The results so far.
    pub fn finish(&self) -> Findings {
        let n = self.n as f64;
        let expected = n / 256.0;
        let (mut entropy, mut chi_square) = (0.0, 0.0);
        for &c in &self.counts {
            let c = c as f64;
            chi_square += (c - expected) * (c - expected) / expected;
            if c > 0.0 {
                entropy -= c / n * (c / n).log2();
            }
        }
        let products = self.products + self.last as f64 * self.first as f64;
        let divisor = n * self.squares - self.sum * self.sum;
        Findings {
            entropy: entropy.max(0.0),
            chi_square,
            mean: self.sum / n,
            monte_carlo_pi: 4.0 * self.n_inside as f64 / self.n_points.max(1) as f64,
            serial_correlation: if divisor == 0.0 {
                -100000.0
            } else {
                (n * products - self.sum * self.sum) / divisor
            },
        }
    }
}

#[derive(Default)]
struct Handle(RefCell<Entropy>);

impl Opaque for Handle {
    fn type_name(&self) -> &str {
        "entropy"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Handle(self.0.clone())))
    }
    fn wire(&self, _: &dyn RenderHost) -> Option<(&'static str, Data)> {
        Some((WIRE, self.0.borrow().to_data()))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The name of the kind among nodes.
pub const WIRE: &str = "EntropyVal";

impl Entropy {
    /// How often each byte came, then what depends on their order.
    fn to_data(&self) -> Data {
        let order = [
            self.n_points,
            self.n_inside,
            self.n_group as u64,
            self.first.into(),
            self.last.into(),
            self.products.to_bits(),
        ];
        let group = self.group.iter().map(|b| u64::from(*b));
        let all = self.counts.iter().copied().chain(order).chain(group);
        Data::Vector(all.map(Data::Count).collect())
    }
}

/// A test under way that another node has sent. The order of figures is this program's own: those of others are refused
/// where they make no sense.
pub fn from_data(d: &Data) -> Option<Value> {
    let Data::Vector(parts) = d else { return None };
    let figure = |d: &Data| match d {
        Data::Count(n) => Some(*n),
        _ => None,
    };
    let figures: Vec<u64> = parts.iter().map(figure).collect::<Option<_>>()?;
    let (counts, rest) = figures.split_first_chunk::<256>()?;
    let (&[n_points, n_inside, n_group, first, last, products], group) = rest.split_first_chunk::<6>()?;
    let byte = |n: u64| u8::try_from(n).ok();
    let group: Vec<u8> = group.iter().map(|n| byte(*n)).collect::<Option<_>>()?;
    let n = counts.iter().try_fold(0u64, |n, c| n.checked_add(*c))?;
    let n_group = usize::try_from(n_group).ok().filter(|n| *n < 6)?;
    if n_points != n / 6 || n_group as u64 != n % 6 || n_inside > n_points {
        return None;
    }
    let weigh = |f: fn(f64) -> f64| counts.iter().enumerate().map(|(b, c)| f(b as f64) * *c as f64).sum();
    let e = Entropy {
        counts: *counts,
        n,
        group: group.try_into().ok()?,
        n_group,
        n_points,
        n_inside,
        first: byte(first)?,
        last: byte(last)?,
        products: f64::from_bits(products),
        sum: weigh(|b| b),
        squares: weigh(|b| b * b),
    };
    Some(Value::Opaque(Rc::new(Handle(RefCell::new(e)))))
}

fn result(ctx: &CallCtx<'_>, e: &Entropy) -> Value {
    let f = e.finish();
    let fields = [
        ("entropy", Value::Double(f.entropy)),
        ("chi_square", Value::Double(f.chi_square)),
        ("mean", Value::Double(f.mean)),
        ("monte_carlo_pi", Value::Double(f.monte_carlo_pi)),
        ("serial_correlation", Value::Double(f.serial_correlation)),
    ];
    record(ctx.types(), ctx.result_type, &fields)
}

fn find_entropy(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut e = Entropy::default();
    e.add(a.str(0)?);
    Ok(result(ctx, &e))
}

fn handle(a: &[Value]) -> Result<&Handle, RtError> {
    match a.first() {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<Handle>(),
        _ => None,
    }
    .ok_or_else(|| RtError::new("built-in called with wrong argument: entropy handle expected"))
}

fn entropy_test_add(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    handle(a)?.0.borrow_mut().add(a.str(1)?);
    Ok(Value::Bool(true))
}

fn entropy_test_finish(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let e = handle(a)?.0.borrow().clone();
    Ok(result(ctx, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_travel() {
        let mut e = Entropy::default();
        e.add(b"some text that is no multiple");
        let data = e.to_data();
        let Some(Value::Opaque(o)) = from_data(&data) else {
            panic!("a test");
        };
        let back = o.as_any().downcast_ref::<Handle>().unwrap();
        e.add(b" of six bytes");
        back.0.borrow_mut().add(b" of six bytes");
        assert_eq!(back.0.borrow().finish(), e.finish());
        let Data::Vector(mut parts) = data else {
            panic!("a vector");
        };
        parts[b'x' as usize] = Data::Count(500);
        assert!(from_data(&Data::Vector(parts)).is_none());
        assert!(from_data(&Data::Vector(vec![Data::Count(1)])).is_none());
    }

    #[test]
    fn every_byte_once() {
        let all: Vec<u8> = (0..=255).collect();
        let mut e = Entropy::default();
        e.add(&all[..100]);
        e.add(&all[100..]);
        let f = e.finish();
        assert_eq!((f.entropy, f.chi_square, f.mean), (8.0, 0.0, 127.5));
        assert!((f.monte_carlo_pi - 2.857143).abs() < 1e-6);
        assert!((f.serial_correlation - 0.976654).abs() < 1e-6);
    }
}
