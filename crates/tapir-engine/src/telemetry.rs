//! Metrics: families with labels, their collection for scripts, and the Prometheus text exposition over HTTP.
//!
//! The HTTP thread serves a text that the engine renews once per second, so that a scrape never waits for the engine and
//! the engine never for a scrape.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapir_data::value::Opaque;

/// What kind of metric a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Metrics of one name.
pub struct Family {
    pub kind: Kind,
    pub prefix: String,
    pub name: String,
    pub labels: Vec<String>,
    pub help: String,
    pub unit: String,
    pub bounds: Vec<f64>,
    pub metrics: RefCell<BTreeMap<Vec<String>, Rc<Metric>>>,
}

/// One metric.
pub struct Metric {
    pub kind: Kind,
    pub value: Cell<f64>,
    /// Observations per bucket, the last one for everything above the bounds.
    pub buckets: RefCell<Vec<u64>>,
    pub bounds: Vec<f64>,
}

/// Label values beyond which a family shares one overflow metric.
const METRICS_MAX: usize = 100_000;

impl Family {
    /// The metric with these label values, made when it is not there.
    pub fn get_or_add(&self, values: Vec<String>) -> Rc<Metric> {
        let mut metrics = self.metrics.borrow_mut();
        let values = if metrics.len() >= METRICS_MAX && !metrics.contains_key(&values) {
            vec!["overflow".to_string(); values.len()]
        } else {
            values
        };
        metrics
            .entry(values)
            .or_insert_with(|| {
                Rc::new(Metric {
                    kind: self.kind,
                    value: Cell::new(0.0),
                    buckets: RefCell::new(vec![0; self.bounds.len() + 1]),
                    bounds: self.bounds.clone(),
                })
            })
            .clone()
    }

    /// The exposed name: `PREFIX_NAME[_UNIT][_total]`.
    pub fn full_name(&self) -> String {
        let mut s = format!("{}_{}", self.prefix, self.name);
        if !self.unit.is_empty() && self.unit != "1" {
            s.push('_');
            s.push_str(&self.unit);
        }
        if self.kind == Kind::Counter && !s.ends_with("_total") {
            s.push_str("_total");
        }
        s.chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' })
            .collect()
    }
}

impl Metric {
    /// Adds an observation to a histogram.
    pub fn observe(&self, v: f64) {
        let at = self.bounds.iter().position(|b| v <= *b).unwrap_or(self.bounds.len());
        self.buckets.borrow_mut()[at] += 1;
        self.value.set(self.value.get() + v);
    }

    /// The number of observations.
    pub fn count(&self) -> u64 {
        self.buckets.borrow().iter().sum()
    }
}

/// A family as a script value.
pub struct FamilyValue(pub Rc<Family>);

/// A metric as a script value.
pub struct MetricValue(pub Rc<Metric>);

impl Opaque for FamilyValue {
    fn type_name(&self) -> &str {
        match self.0.kind {
            Kind::Counter => "counter_metric_family",
            Kind::Gauge => "gauge_metric_family",
            Kind::Histogram => "histogram_metric_family",
        }
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(FamilyValue(self.0.clone())))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Opaque for MetricValue {
    fn type_name(&self) -> &str {
        match self.0.kind {
            Kind::Counter => "counter_metric",
            Kind::Gauge => "gauge_metric",
            Kind::Histogram => "histogram_metric",
        }
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(MetricValue(self.0.clone())))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// All metrics of a node.
#[derive(Default)]
pub struct Telemetry {
    families: Vec<Rc<Family>>,
    exposed: Option<Arc<Mutex<String>>>,
    renewed: Option<std::time::Instant>,
    /// Label that every exposed metric gets: name and value.
    pub endpoint: Option<(String, String)>,
}

impl Telemetry {
    /// The family of a name and kind, made when it is not there.
    pub fn family(&mut self, family: Family) -> Rc<Family> {
        let known = self
            .families
            .iter()
            .find(|f| f.prefix == family.prefix && f.name == family.name && f.kind == family.kind);
        match known {
            Some(f) => f.clone(),
            None => {
                let f = Rc::new(family);
                self.families.push(f.clone());
                f
            }
        }
    }

    /// All families whose prefix and name match the patterns, in which `*` stands for anything.
    pub fn matching<'a>(&'a self, prefix: &'a str, name: &'a str) -> impl Iterator<Item = &'a Rc<Family>> {
        self.families
            .iter()
            .filter(move |f| glob(prefix, &f.prefix) && glob(name, &f.name))
    }

    /// Sets a metric that native code keeps.
    pub fn set(&mut self, kind: Kind, name: [&str; 3], help: &str, labels: &[(&str, &str)], value: f64) {
        let [prefix, name, unit] = name;
        let known = self
            .families
            .iter()
            .find(|f| f.kind == kind && f.prefix == prefix && f.name == name);
        let family = match known {
            Some(f) => f.clone(),
            None => self.family(Family {
                kind,
                prefix: prefix.into(),
                name: name.into(),
                labels: labels.iter().map(|l| l.0.to_string()).collect(),
                help: help.into(),
                unit: unit.into(),
                bounds: Vec::new(),
                metrics: RefCell::default(),
            }),
        };
        let values = labels.iter().map(|l| l.1.to_string()).collect();
        family.get_or_add(values).value.set(value);
    }

    /// Starts serving the exposition, and the list of all nodes' endpoints if there is one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn listen(&mut self, addr: &str, port: u16, services: Option<String>) -> std::io::Result<u16> {
        let listener = TcpListener::bind((addr, port))?;
        let bound = listener.local_addr()?.port();
        let text = Arc::new(Mutex::new(String::new()));
        self.exposed = Some(text.clone());
        self.renew();
        std::thread::Builder::new().name("metrics".into()).spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that goes away in the middle concerns nobody else.
                let _ = serve(client, &text, services.as_deref());
            }
        })?;
        Ok(bound)
    }

    /// Sets a counter of the program itself; labels are names and values.
    pub fn set_counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        self.set(Kind::Counter, ["zeek", name, ""], help, labels, value as f64);
    }

    /// Sets a histogram of the program itself. The last bucket is for what is above all bounds.
    pub fn set_histogram(
        &mut self,
        name: &str,
        help: &str,
        bounds: &[f64],
        labels: &[(&str, &str)],
        buckets: &[u64],
        sum: f64,
    ) {
        let family = self.family(Family {
            kind: Kind::Histogram,
            prefix: "zeek".into(),
            name: name.into(),
            labels: labels.iter().map(|l| l.0.to_string()).collect(),
            help: help.into(),
            unit: String::new(),
            bounds: bounds.to_vec(),
            metrics: RefCell::default(),
        });
        let metric = family.get_or_add(labels.iter().map(|l| l.1.to_string()).collect());
        *metric.buckets.borrow_mut() = buckets.to_vec();
        metric.value.set(sum);
    }

    /// Whether the exposed text is a second old.
    pub fn wants_renewal(&self) -> bool {
        self.exposed.is_some() && self.renewed.is_none_or(|t| t.elapsed() >= Duration::from_secs(1))
    }

    /// Renews the exposed text.
    pub fn renew(&mut self) {
        let Some(exposed) = &self.exposed else { return };
        self.renewed = Some(std::time::Instant::now());
        let text = self.text();
        if let Ok(mut slot) = exposed.lock() {
            *slot = text;
        }
    }

    /// The exposition in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for f in &self.families {
            let name = f.full_name();
            let kind = match f.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let _ = writeln!(
                out,
                "# HELP {name} {}\n# TYPE {name} {kind}",
                f.help.replace('\\', "\\\\").replace('\n', "\\n")
            );
            for (values, m) in f.metrics.borrow().iter() {
                let labels = self.labels(f, values);
                if f.kind == Kind::Histogram {
                    let mut total = 0;
                    for (i, n) in m.buckets.borrow().iter().enumerate() {
                        total += n;
                        let le = f.bounds.get(i).map_or("+Inf".to_string(), |b| b.to_string());
                        let _ = writeln!(out, "{name}_bucket{{{labels}{}le=\"{le}\"}} {total}", comma(&labels));
                    }
                    let braces = braced(&labels);
                    let _ = writeln!(
                        out,
                        "{name}_sum{braces} {}\n{name}_count{braces} {total}",
                        m.value.get()
                    );
                } else {
                    let _ = writeln!(out, "{name}{} {}", braced(&labels), m.value.get());
                }
            }
        }
        out
    }

    fn labels(&self, f: &Family, values: &[String]) -> String {
        let own = f.labels.iter().cloned().zip(values.iter().cloned());
        let mut all: Vec<_> = self.endpoint.iter().cloned().chain(own).collect();
        all.sort();
        let shown: Vec<_> = all
            .into_iter()
            .map(|(k, v)| {
                let v = v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                format!("{}=\"{v}\"", k.replace('-', "_"))
            })
            .collect();
        shown.join(",")
    }
}

fn comma(labels: &str) -> &'static str {
    if labels.is_empty() { "" } else { "," }
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => {
            let Some(tail) = text.strip_prefix(head) else {
                return false;
            };
            (0..=tail.len()).any(|i| tail.is_char_boundary(i) && glob(rest, &tail[i..]))
        }
    }
}

fn serve(mut client: TcpStream, text: &Mutex<String>, services: Option<&str>) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    client.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(client.try_clone()?.take_bytes(8192));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or("/").to_string();
    // The rest of the request is of no interest, but a client may insist on sending it before it reads.
    let mut rest = String::new();
    while reader.read_line(&mut rest)? > 2 {
        rest.clear();
    }
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    let (status, kind, body) = match (path.split('?').next(), services) {
        (Some("/metrics"), _) => ("200 OK", TEXT, text.lock().map(|t| t.clone()).unwrap_or_default()),
        (Some("/services.json"), Some(services)) => ("200 OK", "application/json", services.to_string()),
        _ => ("404 Not Found", TEXT, "metrics are at /metrics\n".to_string()),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Limits how much of a request is read.
trait TakeBytes: Sized {
    fn take_bytes(self, n: u64) -> std::io::Take<Self>;
}

impl TakeBytes for TcpStream {
    fn take_bytes(self, n: u64) -> std::io::Take<Self> {
        std::io::Read::take(self, n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposition() {
        let mut t = Telemetry::default();
        let f = t.family(Family {
            kind: Kind::Histogram,
            prefix: "a".into(),
            name: "b-c".into(),
            labels: vec!["k".into()],
            help: "h".into(),
            unit: "bytes".into(),
            bounds: vec![1.0, 10.0],
            metrics: RefCell::default(),
        });
        let m = f.get_or_add(vec!["x\"y".into()]);
        m.observe(5.0);
        m.observe(50.0);
        let text = t.text();
        assert!(text.contains("# TYPE a_b_c_bytes histogram"));
        assert!(text.contains("a_b_c_bytes_bucket{k=\"x\\\"y\",le=\"10\"} 1"));
        assert!(text.contains("a_b_c_bytes_count{k=\"x\\\"y\"} 2"));
        assert!(glob("*", "x") && glob("a*c", "abc") && !glob("a*d", "abc"));
    }
}
