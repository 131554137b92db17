//! What other nodes of a cluster send: values in the binary form and in JSON. What was read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapir_data::broker::{binary, json};

fuzz_target!(|input: &[u8]| {
    if let Ok(d) = binary::decode(input) {
        let again = binary::decode(&binary::to_bytes(&d));
        assert!(again.is_ok(), "{d:?}");
    }
    if let Ok(d) = json::decode(input) {
        json::to_json(&d);
    }
});
