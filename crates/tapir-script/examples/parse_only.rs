//! Parses files given on the command line and prints what is wrong with them.
use tapir_script::parse::interface::{parse_declarations, source_file};

fn main() {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let (_, diagnostics) = parse_declarations(&text);
        for d in diagnostics.iter().filter(|d| d.id != "condition") {
            print!("{}", d.render(&[source_file(&path, &text)]));
        }
    }
}
