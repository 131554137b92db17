//! A script: loaded, checked, compiled and run beside the scripts of the source tree.
#![no_main]

#[path = "../../crates/tapir-vm/examples/fuzz/mod.rs"]
#[allow(dead_code)]
mod fuzz;
#[path = "../../crates/tapir-vm/examples/plain/mod.rs"]
#[allow(dead_code)]
mod plain;

use std::cell::RefCell;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::with_scripts(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts")));
}

fuzz_target!(|text: &[u8]| {
    BENCH.with(|b| {
        b.borrow_mut().run("input", text);
    });
});
