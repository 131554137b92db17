//! `tapirctl`: operates a cluster. Clusters of several nodes are not built yet, and it says so.

use std::process::ExitCode;

fn main() -> ExitCode {
    let asks_help = std::env::args().skip(1).any(|a| a == "-h" || a == "--help");
    let text = "tapirctl operates a cluster of tapir nodes. This version of Wiretapir runs single nodes only;\n\
                start one with 'tapir -i INTERFACE local' or 'tapir -r CAPTURE local'.";
    if asks_help {
        println!("{text}");
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {text}");
    ExitCode::FAILURE
}
