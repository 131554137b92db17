//! `tapir`: the sensor.

#![deny(unsafe_code)]

#[cfg(feature = "mimalloc")]
mod allocator;
mod options;

use std::process::ExitCode;

use options::Request;

fn main() -> ExitCode {
    #[cfg(feature = "mimalloc")]
    allocator::set_up();
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    if args.first().is_some_and(|a| a == "cluster") {
        return ExitCode::from(tapir_operate::command::run(args.into_iter().skip(1), &options::NODE));
    }
    match options::parse(args.into_iter()) {
        Err(e) => {
            eprintln!("{e}\nTry 'tapir --help' for more information.");
            ExitCode::FAILURE
        }
        Ok(Request::Help) => {
            print!("{}", options::help());
            ExitCode::SUCCESS
        }
        Ok(Request::Version) => {
            println!("tapir version {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Request::BuildInfo) => {
            println!(
                "{{\"build\":{{\"target\":\"{}-{}\",\"debug\":{}}},\"zeek\":\"9.0.0\",\"version\":\"{}\"}}",
                std::env::consts::ARCH,
                std::env::consts::OS,
                cfg!(debug_assertions),
                env!("CARGO_PKG_VERSION")
            );
            ExitCode::SUCCESS
        }
        Ok(Request::ExportScripts(dir)) => match tapir_engine::embedded::export(&dir) {
            Ok(n) => {
                println!("{n} scripts written to {}", dir.display());
                ExitCode::SUCCESS
            }
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        },
        Ok(Request::Run(mut config)) => {
            // Nodes of a supervised cluster end when their supervisor is gone.
            config.parent = std::env::var("TAPIR_PARENT_PID").ok().and_then(|p| p.parse().ok());
            if let Err(e) = options::supervision(&mut config) {
                eprintln!("{e}\nTry 'tapir --help' for more information.");
                return ExitCode::FAILURE;
            }
            ExitCode::from(tapir_engine::run(&config))
        }
    }
}
