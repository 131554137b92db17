//! A short run of the fuzzer of `examples/fuzz_frontend.rs`: no mutant panics or takes long.

#[path = "../examples/fuzz/mod.rs"]
#[allow(dead_code)]
mod fuzz;
#[path = "../examples/plain/mod.rs"]
#[allow(dead_code)]
mod plain;

use std::path::Path;
use std::time::{Duration, Instant};

use fuzz::{Bench, Corpus, Random};

#[test]
fn mutants_are_survived() {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"));
    let programs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tapir-script/tests/programs"));
    let mut corpus = Corpus::new();
    corpus.add_dir(&scripts.join("policy"), Some(scripts));
    for _ in 0..20 {
        corpus.add_dir(programs, None);
    }
    let mut bench = Bench::new();
    let begun = Instant::now();
    for seed in 0..150 {
        let (name, text) = corpus.mutant(&mut Random(seed));
        let before = Instant::now();
        bench.run(name, &text);
        assert!(before.elapsed() < Duration::from_secs(20), "mutant {seed} of {name}");
        if begun.elapsed() > Duration::from_secs(6) {
            break;
        }
    }
}
