//! Capture files of either format: read, taken apart down to the innermost addresses, and filtered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapir_packet::source::read_capture;
use tapir_packet::{Filter, Sharer, Weirds};

fuzz_target!(|input: &[u8]| {
    let Ok(mut source) = read_capture(Box::new(std::io::Cursor::new(input.to_vec())), "input".into()) else {
        return;
    };
    let filter = Filter::compile("tcp port 80 or (udp and not host 10.0.0.1) or vlan 7 or ip6 proto 58");
    let mut sharer = Sharer::new(4);
    let mut weirds = Weirds::default();
    while let Ok(Some(packet)) = source.next_packet(&mut weirds) {
        assert!(sharer.share(&packet) < 4);
        if let Ok(f) = &filter {
            f.matches(&packet);
        }
        weirds = Weirds::default();
    }
});
