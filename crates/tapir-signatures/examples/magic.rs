//! Prints the MIME types that signature files give for files: `magic SIGFILE... -- FILE...`.

use tapir_signatures::RuleSet;
use tapir_signatures::rules::NoNames;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let split = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let read = |p: &String| std::fs::read(p).unwrap_or_else(|e| panic!("cannot read {p}: {e}"));
    let files: Vec<(String, Vec<u8>)> = args[..split].iter().map(|p| (p.clone(), read(p))).collect();
    let set = match RuleSet::load(&files, &mut NoNames) {
        Ok((set, _)) => set,
        Err(errors) => {
            errors.iter().for_each(|e| eprintln!("{e}"));
            std::process::exit(1);
        }
    };
    for path in args.iter().skip(split + 1) {
        let mut data = read(path);
        data.truncate(4096);
        println!("{path}: {:?}", set.file_magic(&data));
    }
    eprintln!("{:?}", set.stats());
}
