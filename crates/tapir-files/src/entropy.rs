//! The entropy test over a whole file: five figures about how random its bytes look.

use tapir_interface::{events, records};

use crate::analyzer::{Cx, FileAnalyzer};

/// The five figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    pub entropy: f64,
    pub chi_square: f64,
    pub mean: f64,
    pub monte_carlo_pi: f64,
    pub serial_correlation: f64,
}

/// Counters for the test; bytes come in any number of pieces.
#[derive(Clone, Debug)]
pub struct Entropy {
    counts: [u64; 256],
    total: u64,
    first: f64,
    last: f64,
    products: f64,
    sum: f64,
    squares: f64,
    monte: Vec<u8>,
    inside: u64,
    tries: u64,
}

impl Default for Entropy {
    fn default() -> Self {
        Entropy {
            counts: [0; 256],
            total: 0,
            first: 0.0,
            last: 0.0,
            products: 0.0,
            sum: 0.0,
            squares: 0.0,
            monte: Vec::with_capacity(6),
            inside: 0,
            tries: 0,
        }
    }
}

impl Entropy {
    /// Counts bytes.
    pub fn feed(&mut self, data: &[u8]) {
        for &b in data {
            let v = f64::from(b);
            self.counts[b as usize] += 1;
            if self.total == 0 {
                self.first = v;
            } else {
                self.products += self.last * v;
            }
            self.total += 1;
            self.last = v;
            self.sum += v;
            self.squares += v * v;
            self.monte.push(b);
            if self.monte.len() == 6 {
                let coordinate = |b: &[u8]| f64::from(b[0]) * 65536.0 + f64::from(b[1]) * 256.0 + f64::from(b[2]);
                let (x, y) = (coordinate(&self.monte[..3]), coordinate(&self.monte[3..]));
                let radius = 16_777_215.0;
                self.tries += 1;
                self.inside += u64::from(x * x + y * y <= radius * radius);
                self.monte.clear();
            }
        }
    }

    /// The figures of what was counted.
    pub fn figures(&self) -> Figures {
        let n = self.total as f64;
        let expected = n / 256.0;
        let chi_square = self
            .counts
            .iter()
            .map(|c| (*c as f64 - expected).powi(2) / expected)
            .sum();
        let entropy = -self
            .counts
            .iter()
            .map(|c| *c as f64 / n)
            .filter(|p| *p > 0.0)
            .map(|p| p * p.log2())
            .sum::<f64>();
        let products = self.products + self.last * self.first;
        let square_sum = self.sum * self.sum;
        let denominator = n * self.squares - square_sum;
        let serial_correlation = if denominator == 0.0 {
            -100_000.0
        } else {
            (n * products - square_sum) / denominator
        };
        Figures {
            entropy,
            chi_square,
            mean: self.sum / n,
            monte_carlo_pi: 4.0 * self.inside as f64 / self.tries as f64,
            serial_correlation,
        }
    }
}

/// The analyzer around [`Entropy`].
#[derive(Debug, Default)]
pub struct EntropyAnalyzer {
    test: Entropy,
    gap: bool,
}

impl FileAnalyzer for EntropyAnalyzer {
    fn stream(&mut self, _: &mut Cx, data: &[u8]) -> bool {
        self.test.feed(data);
        true
    }

    fn gap(&mut self, _: &mut Cx, _: u64, _: u64) -> bool {
        self.gap = true;
        false
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        if self.test.total == 0 || self.gap {
            return true;
        }
        let t = self.test.figures();
        let record = records::EntropyTestResult {
            entropy: t.entropy,
            chi_square: t.chi_square,
            mean: t.mean,
            monte_carlo_pi: t.monte_carlo_pi,
            serial_correlation: t.serial_correlation,
        };
        let ent = record.build(cx.q.bindings());
        let f = cx.file_value();
        events::file_entropy(cx.q, f, ent);
        true
    }
}
