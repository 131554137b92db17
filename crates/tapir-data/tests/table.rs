//! Tables beside a plain model: whatever the index looks like inside, they hold what was put into them, in order.

use proptest::prelude::*;
use tapir_data::table::Table;
use tapir_data::types::TypeId;
use tapir_data::value::Value;

/// Dense keys, sparse ones, and those at the ends of the range.
fn key() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0..400u64,
        2 => (0..200u64).prop_map(|n| n * 1_000_003),
        1 => (0..20u64).prop_map(|n| u64::MAX - n),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn counts_as_keys(ops in prop::collection::vec((0..10u8, key()), 1..1500)) {
        let t = Table::new(TypeId(0));
        let mut model: Vec<(u64, u64)> = Vec::new();
        for (i, (op, k)) in ops.into_iter().enumerate() {
            let v = i as u64;
            let at = model.iter().position(|e| e.0 == k);
            let key = Value::Count(k);
            match op {
                0..=3 => {
                    t.put1(&key, Value::Count(v));
                    match at {
                        Some(at) => model[at].1 = v,
                        None => model.push((k, v)),
                    }
                }
                4 | 5 => {
                    t.insert(std::slice::from_ref(&key), Value::Count(v), 0.0);
                    match at {
                        Some(at) => model[at].1 = v,
                        None => model.push((k, v)),
                    }
                }
                6 | 7 => {
                    prop_assert_eq!(t.remove(std::slice::from_ref(&key)).is_some(), at.is_some());
                    if let Some(at) = at {
                        model.remove(at);
                    }
                }
                8 if k == 7 => {
                    t.clear();
                    model.clear();
                }
                _ => {
                    let found = t.find1(&key).map(|pos| match t.value_at(pos) {
                        Value::Count(n) => n,
                        _ => u64::MAX,
                    });
                    prop_assert_eq!(found, at.map(|at| model[at].1));
                    prop_assert!(t.find(&[Value::Int(k as i64)]).is_none());
                }
            }
        }
        let entries: Vec<(u64, u64)> = t
            .entries()
            .into_iter()
            .map(|(k, v)| match (k, v) {
                (Value::Count(k), Value::Count(v)) => (k, v),
                _ => (0, 0),
            })
            .collect();
        prop_assert_eq!(entries, model.clone());
        prop_assert_eq!(t.len(), model.len());
        for (k, v) in model {
            prop_assert!(matches!(t.get(&[Value::Count(k)]), Some(Value::Count(n)) if n == v));
        }
    }
}
