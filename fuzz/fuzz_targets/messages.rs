//! What other nodes of a cluster send: values and events in the binary form and in JSON, rows of logs. What was read is written
//! and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapir_cluster::{EventSerializer, logwire};
use tapir_data::broker::{binary, json};

fuzz_target!(|input: &[u8]| {
    if let Ok(d) = binary::decode(input) {
        let again = binary::decode(&binary::to_bytes(&d));
        assert!(again.is_ok(), "{d:?}");
    }
    if let Ok(d) = json::decode(input) {
        json::to_json(&d);
    }
    for form in [EventSerializer::BrokerBinV1, EventSerializer::BrokerJsonV1] {
        if let Ok(event) = form.decode(input) {
            let mut out = Vec::new();
            EventSerializer::BrokerBinV1.encode(&event, &mut out);
            assert_eq!(EventSerializer::BrokerBinV1.decode(&out).as_ref(), Ok(&event));
        }
    }
    if let Ok(batch) = logwire::decode(input) {
        let mut out = Vec::new();
        assert_eq!(logwire::encode(&batch, &mut out), Ok(()));
        assert!(logwire::decode(&out).is_ok_and(|b| b.n_rows == batch.n_rows));
    }
});
