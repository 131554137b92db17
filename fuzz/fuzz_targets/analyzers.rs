//! One analyzer on any conversation. The first byte names the protocol, the second the transport; then come steps, each with
//! a byte of what happens and, for data, a byte of length.
#![no_main]

#[path = "../../crates/tapir-analyzers/tests/bench/mod.rs"]
#[allow(dead_code)]
mod bench;

use bench::Bench;
use libfuzzer_sys::fuzz_target;
use tapir_analyzers::core::Transport;
use tapir_analyzers::registry::PROTOCOLS;

fuzz_target!(|input: &[u8]| {
    let [protocol, transport, steps @ ..] = input else {
        return;
    };
    let p = &PROTOCOLS[*protocol as usize % PROTOCOLS.len()];
    let transport = [Transport::Tcp, Transport::Udp][(transport & 1) as usize];
    if !p.transports.is_empty() && !p.transports.contains(&transport) {
        return;
    }
    let mut b = Bench::new(p.name, transport);
    let mut seq = [1u64; 2];
    let mut rest = steps;
    while let [what, len, tail @ ..] = rest {
        let is_orig = what & 1 != 0;
        rest = tail;
        match what >> 1 & 63 {
            60 => {
                let n = 1 + u64::from(*len) * 16;
                b.gap(is_orig, seq[is_orig as usize], n);
                seq[is_orig as usize] += n;
            }
            61 => b.eof(is_orig),
            62 => b.flip(),
            63 => b.reset(),
            high => {
                let n = (usize::from(*len) + 256 * usize::from(high & 3)).min(rest.len());
                let (data, after) = rest.split_at(n);
                rest = after;
                seq[is_orig as usize] += n as u64;
                match transport {
                    Transport::Tcp => b.stream(is_orig, data),
                    _ => b.packet(is_orig, data),
                }
            }
        }
        b.events();
    }
    b.done();
    b.events();
});
