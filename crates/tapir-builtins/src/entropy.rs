//! The randomness test: entropy, chi square, mean, Monte Carlo value of pi, serial correlation.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

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
    fn as_any(&self) -> &dyn Any {
        self
    }
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
