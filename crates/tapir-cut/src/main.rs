//! `tapir-cut`: prints chosen columns of tab-separated logs read from standard input.

mod cut;

use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;

use cut::{Header, Options, TimeFormat};

const USAGE: &str = "\
usage: tapir-cut [options] [COLUMN ...] < LOG

Prints the named columns of a log, in the order given; all columns when none is named.

  -c, -C        keep the header lines: of the first log, or of every log in the input
  -m, -M        print the column names only as a header: for the first log, or for every log
  -n            print all columns except the named ones
  -d, -u        convert time columns to local time, or to UTC
  -D FMT, -U FMT
                the same with a strftime format of one's own
                (default %Y-%m-%dT%H:%M:%S%z, or TAPIR_CUT_TIMEFMT, ZEEK_CUT_TIMEFMT from the environment)
  -F CHAR       separate columns by this character instead of the log's separator
  -h, --help    print this text
";

fn parse() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let default = ["TAPIR_CUT_TIMEFMT", "ZEEK_CUT_TIMEFMT", "BRO_CUT_TIMEFMT"]
        .iter()
        .find_map(|v| std::env::var(v).ok())
        .unwrap_or_else(|| "%Y-%m-%dT%H:%M:%S%z".into());
    let mut o = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('c') => o.header = Header::First,
            Short('C') => o.header = Header::Every,
            Short('m') => o.header = Header::NamesFirst,
            Short('M') => o.header = Header::NamesEvery,
            Short('n') => o.invert = true,
            Short('d') => {
                o.time = Some(TimeFormat {
                    utc: false,
                    format: default.clone(),
                })
            }
            Short('u') => {
                o.time = Some(TimeFormat {
                    utc: true,
                    format: default.clone(),
                })
            }
            Short('D') => {
                o.time = Some(TimeFormat {
                    utc: false,
                    format: parser.value()?.string()?,
                })
            }
            Short('U') => {
                o.time = Some(TimeFormat {
                    utc: true,
                    format: parser.value()?.string()?,
                })
            }
            Short('F') => {
                let text = parser.value()?.string()?;
                if text.chars().count() != 1 {
                    return Err(format!("option -F takes one character, got '{text}'").into());
                }
                o.separator = Some(text);
            }
            Short('h') | Long("help") => return Ok(None),
            Value(name) => o.columns.push(name.string()?),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(o))
}

fn main() -> ExitCode {
    let options = match parse() {
        Ok(Some(o)) => o,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            eprintln!("tapir-cut: {e}\nTry 'tapir-cut --help' for more information.");
            return ExitCode::FAILURE;
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = cut::run(
        &options,
        BufReader::new(io::stdin().lock()),
        &mut out,
        &mut io::stderr().lock(),
    )
    .and_then(|()| out.flush());
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the pipe has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tapir-cut: {e}");
            ExitCode::FAILURE
        }
    }
}
