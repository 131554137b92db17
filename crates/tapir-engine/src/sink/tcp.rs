//! Events about the options of TCP segments.

use tapir_data::value::Value;
use tapir_interface::{events, records, types};

use super::{C, Sink, Table};

/// One option: kind, length as stated, and what follows them.
fn split(options: &[u8]) -> Vec<(u8, usize, &[u8])> {
    let mut out = Vec::new();
    let mut rest = options;
    while let Some(&kind) = rest.first() {
        if kind <= 1 {
            out.push((kind, 1, &rest[..0]));
            rest = &rest[1..];
            if kind == 0 {
                break;
            }
            continue;
        }
        let Some(&len) = rest.get(1) else { break };
        let len = usize::from(len);
        let Some(value) = rest.get(2..len) else { break };
        out.push((kind, len, value));
        rest = &rest[len..];
    }
    out
}

/// `tcp_option` for each option, then `tcp_options`.
pub(super) fn options(s: &mut Sink<'_>, t: &mut Table, c: &mut C, is_orig: bool, options: &[u8]) {
    let list = split(options);
    for &(kind, len, _) in &list {
        s.raise_with(t, c, events::TCP_OPTION, |_| {
            vec![
                Value::Bool(is_orig),
                Value::Count(kind.into()),
                Value::Count(len as u64),
            ]
        });
    }
    s.raise_with(t, c, events::TCP_OPTIONS, |q| {
        let b = q.bindings();
        let be = |v: &[u8]| v.iter().fold(0u64, |n, x| n << 8 | u64::from(*x));
        let items = list
            .iter()
            .map(|&(kind, len, v)| {
                let mut r = records::TCPOption {
                    kind: kind.into(),
                    length: len as u64,
                    ..Default::default()
                };
                match (kind, v.len()) {
                    (0 | 1 | 4, _) => {}
                    (2, 2) => r.mss = Some(be(v)),
                    (3, 1) => r.window_scale = Some(be(v)),
                    (5, n) if n >= 8 && n % 8 == 0 => {
                        let edges = v.chunks_exact(4).map(|e| Value::Count(be(e))).collect();
                        r.sack = b.vector(types::INDEX_VEC, edges);
                    }
                    (8, 8) => {
                        r.send_timestamp = Some(be(&v[..4]));
                        r.echo_timestamp = Some(be(&v[4..]));
                    }
                    (27, 6) => {
                        r.rate = Some(be(&v[..1]));
                        r.ttl_diff = Some(be(&v[1..2]));
                        r.qs_nonce = Some(be(&v[2..]));
                    }
                    _ => r.data = Some(v.into()),
                }
                r.build(b)
            })
            .collect();
        vec![Value::Bool(is_orig), b.vector(types::TCP_OPTIONLIST, items)]
    });
}
