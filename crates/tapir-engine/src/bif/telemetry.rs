//! `Telemetry::*`.

use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::value::{Str, Value};
use tapir_interface::{enums, records, types};
use tapir_vm::{CallCtx, Registry, RtError, Severity};

use super::{text, truth};
use crate::host::of;
use crate::telemetry::{Family, FamilyValue, Kind, Metric, MetricValue};

type Out = Result<Value, RtError>;

fn strings(v: Option<&Value>) -> Vec<String> {
    match v {
        Some(Value::Vector(v)) => v.to_vec().iter().map(|s| text(Some(s))).collect(),
        _ => Vec::new(),
    }
}

fn double(v: Option<&Value>, default: f64) -> f64 {
    match v {
        Some(Value::Double(d)) => *d,
        Some(Value::Count(n)) => *n as f64,
        _ => default,
    }
}

fn family(cx: &mut CallCtx<'_>, args: &[Value], kind: Kind) -> Out {
    let histogram = kind == Kind::Histogram;
    let at = if histogram { 4 } else { 3 };
    let bounds = match args.get(3) {
        Some(Value::Vector(v)) if histogram => v.to_vec().iter().map(|b| double(Some(b), 0.0)).collect(),
        _ => Vec::new(),
    };
    let f = Family {
        kind,
        prefix: text(args.first()),
        name: text(args.get(1)),
        labels: strings(args.get(2)),
        help: args.get(at).map_or("Zeek Script Metric".into(), |v| text(Some(v))),
        unit: text(args.get(at + 1)),
        bounds,
        metrics: RefCell::default(),
    };
    let f = of(cx)?.telemetry.family(f);
    Ok(Value::Opaque(Rc::new(FamilyValue(f))))
}

fn counter_family(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = text(args.get(1));
    if name.ends_with("_total") {
        cx.report_plain(
            Severity::Fatal,
            format!("the name of counter '{name}' must not end in _total, which is added to it"),
        );
        return Err(RtError::Exit(1));
    }
    family(cx, args, Kind::Counter)
}

fn gauge_family(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    family(cx, args, Kind::Gauge)
}

fn histogram_family(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    family(cx, args, Kind::Histogram)
}

fn get_or_add(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(Value::Opaque(o)) = args.first() else {
        return Ok(Value::Unset);
    };
    let Some(FamilyValue(f)) = o.as_any().downcast_ref::<FamilyValue>() else {
        cx.error("not a metric family");
        return Ok(Value::Unset);
    };
    let Some(Value::Table(labels)) = args.get(1) else {
        return Ok(Value::Unset);
    };
    let values = f
        .labels
        .iter()
        .map(|l| {
            labels
                .get(&[Value::Str(l.as_bytes().into())])
                .map_or(String::new(), |v| text(Some(&v)))
        })
        .collect();
    Ok(Value::Opaque(Rc::new(MetricValue(f.get_or_add(values)))))
}

fn metric(args: &[Value]) -> Option<Rc<Metric>> {
    match args.first() {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<MetricValue>().map(|m| m.0.clone()),
        _ => None,
    }
}

fn add(args: &[Value], sign: f64) -> Out {
    match metric(args) {
        Some(m) => {
            m.value.set(m.value.get() + sign * double(args.get(1), 1.0));
            Ok(Value::Bool(true))
        }
        None => Ok(Value::Bool(false)),
    }
}

fn counter_inc(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    if double(args.get(1), 1.0) < 0.0 {
        cx.error("a counter cannot be decreased");
        return Ok(Value::Bool(false));
    }
    add(args, 1.0)
}

fn inc(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    add(args, 1.0)
}

fn dec(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    add(args, -1.0)
}

fn value(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Double(metric(args).map_or(0.0, |m| m.value.get())))
}

fn observe(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    match metric(args) {
        Some(m) => {
            m.observe(double(args.get(1), 0.0));
            Ok(Value::Bool(true))
        }
        None => Ok(Value::Bool(false)),
    }
}

fn string_vec(cx: &mut CallCtx<'_>, items: &[String]) -> Value {
    let items = items.iter().map(|s| Value::Str(Str::from(s.as_bytes()))).collect();
    cx.queue().bindings().vector(types::VECTOR_OF_STRING, items)
}

fn doubles(cx: &mut CallCtx<'_>, items: impl Iterator<Item = f64>) -> Value {
    let items = items.map(Value::Double).collect();
    cx.queue().bindings().vector(types::VECTOR_OF_DOUBLE, items)
}

fn opts(cx: &mut CallCtx<'_>, f: &Family) -> Value {
    let label_names = string_vec(cx, &f.labels);
    let bounds = if f.kind == Kind::Histogram {
        let last = (f.bounds.last() != Some(&f64::INFINITY)).then_some(f64::INFINITY);
        doubles(cx, f.bounds.iter().copied().chain(last))
    } else {
        Value::Unset
    };
    let metric_type = match f.kind {
        Kind::Counter => enums::telemetry_metrictype::COUNTER,
        Kind::Gauge => enums::telemetry_metrictype::GAUGE,
        Kind::Histogram => enums::telemetry_metrictype::HISTOGRAM,
    };
    records::TelemetryMetricOpts {
        prefix: f.prefix.as_bytes().into(),
        name: f.full_name().into_bytes().into(),
        unit: Some(f.unit.as_bytes().into()),
        help_text: Some(f.help.as_bytes().into()),
        label_names,
        is_total: Some(f.kind == Kind::Counter),
        bounds,
        metric_type: Some(metric_type),
    }
    .build(cx.queue().bindings())
}

fn matching(cx: &mut CallCtx<'_>, args: &[Value], histograms: bool) -> Result<Vec<Rc<Family>>, RtError> {
    let (prefix, name) = (text(args.first()), text(args.get(1)));
    let host = of(cx)?;
    Ok(host
        .telemetry
        .matching(&prefix, &name)
        .filter(|f| (f.kind == Kind::Histogram) == histograms)
        .cloned()
        .collect())
}

fn collect(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    crate::metrics::refresh(cx)?;
    let mut items = Vec::new();
    for f in matching(cx, args, false)? {
        let opts = opts(cx, &f);
        let metrics: Vec<_> = f
            .metrics
            .borrow()
            .iter()
            .map(|(k, m)| (k.clone(), m.value.get()))
            .collect();
        for (labels, v) in metrics {
            let r = records::TelemetryMetric {
                opts: opts.clone(),
                label_names: string_vec(cx, &f.labels),
                label_values: string_vec(cx, &labels),
                value: Some(v),
            };
            items.push(r.build(cx.queue().bindings()));
        }
    }
    Ok(cx.queue().bindings().vector(types::ANY_VEC, items))
}

fn collect_histograms(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    crate::metrics::refresh(cx)?;
    let mut items = Vec::new();
    for f in matching(cx, args, true)? {
        let opts = opts(cx, &f);
        let metrics: Vec<_> = f.metrics.borrow().iter().map(|(k, m)| (k.clone(), m.clone())).collect();
        for (labels, m) in metrics {
            let buckets: Vec<f64> = m.buckets.borrow().iter().map(|n| *n as f64).collect();
            let r = records::TelemetryHistogramMetric {
                opts: opts.clone(),
                label_names: string_vec(cx, &f.labels),
                label_values: string_vec(cx, &labels),
                values: doubles(cx, buckets.into_iter()),
                observations: m.count() as f64,
                sum: m.value.get(),
            };
            items.push(r.build(cx.queue().bindings()));
        }
    }
    Ok(cx.queue().bindings().vector(types::ANY_VEC, items))
}

fn listen(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let addr = text(args.first());
    let port = match args.get(1) {
        Some(Value::Port(p)) => p.num,
        _ => 0,
    };
    let services = truth(args.get(2)).then(|| crate::metrics::services(cx, &addr, port));
    of(cx)?.telemetry.endpoint = crate::metrics::endpoint(cx);
    let at = if addr.is_empty() { "0.0.0.0" } else { &addr };
    match of(cx)?.telemetry.listen(at, port, services) {
        Ok(_) => {
            crate::metrics::renew(cx)?;
            Ok(Value::Bool(true))
        }
        Err(e) => {
            cx.error(format!("cannot serve metrics on {addr}:{port}: {e}"));
            Ok(Value::Bool(false))
        }
    }
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Telemetry::__counter_family", counter_family),
        ("Telemetry::__counter_metric_get_or_add", get_or_add),
        ("Telemetry::__counter_inc", counter_inc),
        ("Telemetry::__counter_value", value),
        ("Telemetry::__gauge_family", gauge_family),
        ("Telemetry::__gauge_metric_get_or_add", get_or_add),
        ("Telemetry::__gauge_inc", inc),
        ("Telemetry::__gauge_dec", dec),
        ("Telemetry::__gauge_value", value),
        ("Telemetry::__histogram_family", histogram_family),
        ("Telemetry::__histogram_metric_get_or_add", get_or_add),
        ("Telemetry::__histogram_observe", observe),
        ("Telemetry::__histogram_sum", value),
        ("Telemetry::__collect_metrics", collect),
        ("Telemetry::__collect_histogram_metrics", collect_histograms),
        ("Telemetry::listen_prometheus", listen),
    ]);
}
