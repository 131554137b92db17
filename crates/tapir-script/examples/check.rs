//! Loads and checks scripts: `check FILE…`; the search path is taken from ZEEKPATH. Prints diagnostics,
//! counts and the time it took.
use std::time::Instant;

use tapir_script::hir::{Program, Thunk};
use tapir_script::load::{ConstEvaluator, Files, Loader};

/// Takes every condition that is no constant for false.
struct Never;

impl ConstEvaluator for Never {
    fn eval_bool(&mut self, _: &mut Program, _: Thunk) -> Result<bool, String> {
        Ok(false)
    }
}

fn main() {
    let path = std::env::var("ZEEKPATH").unwrap_or_else(|_| ".".into());
    let path = path.split(':').map(String::from).collect();
    let mut evaluator = Never;
    let start = Instant::now();
    let mut loader = Loader::new(Box::new(Files::new(path)), &mut evaluator);
    for file in std::env::args().skip(1) {
        loader.load_file(&file);
    }
    let (program, diagnostics) = loader.finish();
    let took = start.elapsed();
    for d in &diagnostics {
        print!("{}", d.render(&program.files));
    }
    let lines: usize = program.files.iter().map(|f| f.text.lines().count()).sum();
    eprintln!(
        "{} files, {lines} lines, {} globals, {} functions, {} types: {took:?}",
        program.files.len(),
        program.globals.len(),
        program.functions.len(),
        program.types.len()
    );
}
