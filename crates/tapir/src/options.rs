//! The command line: one table of options, from which parsing and the help text come.

use std::path::PathBuf;

use tapir_engine::config::{Config, Input, interface};
use tapir_engine::supervisor::{NodeConfig, VARIABLE};
use tapir_operate::command::NodeCommand;

/// What the command line asks for.
pub enum Request {
    Run(Box<Config>),
    Help,
    Version,
    BuildInfo,
    ExportScripts(PathBuf),
}

/// How an option takes its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arity {
    None,
    Value(&'static str),
    /// Only with `=`.
    Optional(&'static str),
}

struct Opt {
    short: Option<char>,
    long: Option<&'static str>,
    arity: Arity,
    help: &'static str,
    apply: fn(&mut Parse, Option<String>) -> Result<(), String>,
}

/// The state of parsing.
pub struct Parse {
    config: Config,
    request: Option<Request>,
}

fn value(v: Option<String>) -> String {
    v.unwrap_or_default()
}

fn set_input(p: &mut Parse, input: Input) -> Result<(), String> {
    if p.config.input.is_some() {
        return Err("only one of -r and -i can be given, and only once".into());
    }
    p.config.input = Some(input);
    Ok(())
}

const OPTIONS: &[Opt] = &[
    Opt {
        short: Some('a'),
        long: Some("parse-only"),
        arity: Arity::None,
        help: "check the scripts and exit with 0 or 1",
        apply: |p, _| {
            p.config.parse_only = true;
            Ok(())
        },
    },
    Opt {
        short: Some('b'),
        long: Some("bare-mode"),
        arity: Arity::None,
        help: "do not load the default scripts under base/",
        apply: |p, _| {
            p.config.bare = true;
            Ok(())
        },
    },
    Opt {
        short: Some('c'),
        long: Some("capture-unprocessed"),
        arity: Arity::Value("FILE"),
        help: "write the packets that nothing takes to a pcap file",
        apply: |p, v| {
            p.config.unprocessed_file = Some(value(v).into());
            Ok(())
        },
    },
    Opt {
        short: Some('e'),
        long: Some("exec"),
        arity: Arity::Value("CODE"),
        help: "append script code",
        apply: |p, v| {
            p.config.code.push(value(v));
            Ok(())
        },
    },
    Opt {
        short: Some('f'),
        long: Some("filter"),
        arity: Arity::Value("FILTER"),
        help: "look only at packets that match a capture filter",
        apply: |p, v| {
            p.config.filter = Some(value(v));
            Ok(())
        },
    },
    Opt {
        short: Some('h'),
        long: Some("help"),
        arity: Arity::None,
        help: "print this text",
        apply: |p, _| {
            p.request = Some(Request::Help);
            Ok(())
        },
    },
    Opt {
        short: Some('i'),
        long: Some("iface"),
        arity: Arity::Value("INTERFACE"),
        help: "watch a network interface; as af_packet::NAME together with all who name it so: each gets some of the flows",
        apply: |p, v| {
            let name = value(v);
            interface(&name)?;
            set_input(p, Input::Interface(name))
        },
    },
    Opt {
        short: Some('j'),
        long: Some("jobs"),
        arity: Arity::None,
        help: "look after the nodes that the scripts create with Supervisor::create; nodes run the same scripts",
        apply: |p, _| {
            p.config.supervisor = true;
            Ok(())
        },
    },
    Opt {
        short: Some('p'),
        long: Some("prefix"),
        arity: Arity::Value("PREFIX"),
        help: "add a script prefix",
        apply: |p, v| {
            p.config.prefixes.push(value(v));
            Ok(())
        },
    },
    Opt {
        short: Some('r'),
        long: Some("readfile"),
        arity: Arity::Value("FILE"),
        help: "read a pcap or pcapng capture; - is standard input",
        apply: |p, v| set_input(p, Input::Capture(value(v).into())),
    },
    Opt {
        short: Some('s'),
        long: Some("rulefile"),
        arity: Arity::Value("FILE"),
        help: "load a signature file",
        apply: |p, v| {
            p.config.signatures.push(value(v));
            Ok(())
        },
    },
    Opt {
        short: Some('t'),
        long: Some("tracefile"),
        arity: Arity::Value("FILE"),
        help: "write an execution trace; 'off' turns it off; several workers write one per node, FILE.NODE",
        apply: |p, v| {
            let v = value(v);
            if v == "off" {
                Ok(())
            } else {
                p.config.trace_file = Some(v.into());
                Ok(())
            }
        },
    },
    Opt {
        short: Some('u'),
        long: Some("usage-issues"),
        arity: Arity::None,
        help: "report variables that are unused or used before they are set",
        apply: |p, _| {
            p.config.usage_issues = true;
            Ok(())
        },
    },
    Opt {
        short: Some('v'),
        long: Some("version"),
        arity: Arity::None,
        help: "print the version",
        apply: |p, _| {
            p.request = Some(Request::Version);
            Ok(())
        },
    },
    Opt {
        short: Some('V'),
        long: Some("build-info"),
        arity: Arity::None,
        help: "print what the program was built as, in JSON",
        apply: |p, _| {
            p.request = Some(Request::BuildInfo);
            Ok(())
        },
    },
    Opt {
        short: Some('w'),
        long: Some("writefile"),
        arity: Arity::Value("FILE"),
        help: "write the packets that were read to a pcap file",
        apply: |p, v| {
            p.config.write_file = Some(value(v).into());
            Ok(())
        },
    },
    Opt {
        short: Some('C'),
        long: Some("no-checksums"),
        arity: Arity::None,
        help: "ignore checksums",
        apply: |p, _| {
            p.config.ignore_checksums = true;
            Ok(())
        },
    },
    Opt {
        short: Some('D'),
        long: Some("deterministic"),
        arity: Arity::None,
        help: "use fixed seeds for random numbers and hashes",
        apply: |p, _| {
            p.config.deterministic = true;
            Ok(())
        },
    },
    Opt {
        short: Some('F'),
        long: Some("force-dns"),
        arity: Arity::None,
        help: "accepted for compatibility: no names are looked up while scripts load",
        apply: |_, _| Ok(()),
    },
    Opt {
        short: Some('P'),
        long: Some("prime-dns"),
        arity: Arity::None,
        help: "check the scripts and exit: there are no names to look up before",
        apply: |p, _| {
            p.config.parse_only = true;
            Ok(())
        },
    },
    Opt {
        short: Some('S'),
        long: Some("debug-rules"),
        arity: Arity::None,
        help: "list the signatures that were loaded",
        apply: |p, _| {
            p.config.list_rules = true;
            Ok(())
        },
    },
    Opt {
        short: Some('G'),
        long: Some("load-seeds"),
        arity: Arity::Value("FILE"),
        help: "load seeds",
        apply: |p, v| {
            p.config.load_seeds = Some(value(v).into());
            Ok(())
        },
    },
    Opt {
        short: Some('H'),
        long: Some("save-seeds"),
        arity: Arity::Value("FILE"),
        help: "save the seeds of this run",
        apply: |p, v| {
            p.config.save_seeds = Some(value(v).into());
            Ok(())
        },
    },
    Opt {
        short: Some('I'),
        long: Some("print-id"),
        arity: Arity::Value("NAME"),
        help: "print a global identifier and exit",
        apply: |p, v| {
            p.config.print_id = Some(value(v));
            Ok(())
        },
    },
    Opt {
        short: Some('N'),
        long: Some("print-plugins"),
        arity: Arity::None,
        help: "list analyzers, readers and writers, and exit; twice for what each is called",
        apply: |p, _| {
            p.config.list_plugins += 1;
            Ok(())
        },
    },
    Opt {
        short: Some('O'),
        long: Some("optimize"),
        arity: Arity::Value("OPTION"),
        help: "accepted for compatibility: scripts always run on compiled bytecode",
        apply: |_, _| Ok(()),
    },
    Opt {
        short: Some('B'),
        long: Some("debug"),
        arity: Arity::Value("STREAMS"),
        help: "accepted for compatibility: there are no debugging streams",
        apply: |_, v| match v.as_deref() {
            Some("help") => Err("there are no debugging streams".into()),
            _ => Ok(()),
        },
    },
    Opt {
        short: Some('Q'),
        long: Some("time"),
        arity: Arity::None,
        help: "print times and memory at the end",
        apply: |p, _| {
            p.config.print_times = true;
            Ok(())
        },
    },
    Opt {
        short: Some('T'),
        long: Some("re-level"),
        arity: Arity::Value("LEVEL"),
        help: "accepted for compatibility: signatures need no level",
        apply: |_, _| Ok(()),
    },
    Opt {
        short: Some('U'),
        long: Some("status-file"),
        arity: Arity::Value("FILE"),
        help: "keep the state of the process in a file",
        apply: |p, v| {
            p.config.status_file = Some(value(v).into());
            Ok(())
        },
    },
    Opt {
        short: Some('W'),
        long: Some("watchdog"),
        arity: Arity::None,
        help: "accepted for compatibility: analysis is bounded without one",
        apply: |_, _| Ok(()),
    },
    Opt {
        short: None,
        long: Some("no-unused-warnings"),
        arity: Arity::None,
        help: "do not warn of unused functions and handlers",
        apply: |p, _| {
            p.config.unused_warnings = false;
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("pseudo-realtime"),
        arity: Arity::Optional("SPEED"),
        help: "replay a capture at the speed at which it was recorded, or faster",
        apply: |p, v| {
            let text = v.unwrap_or_else(|| "1".into());
            let speed: f64 = text.parse().map_err(|_| format!("'{text}' is no speed factor"))?;
            if speed <= 0.0 || !speed.is_finite() {
                return Err(format!("'{text}' is no speed factor"));
            }
            p.config.pseudo_realtime = Some(speed);
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("profile-scripts"),
        arity: Arity::Optional("FILE"),
        help: "write how often script functions ran, and how long",
        apply: |p, v| {
            p.config.profile = Some(v.map_or_else(|| "-".into(), PathBuf::from));
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("disassemble"),
        arity: Arity::Optional("NAME"),
        help: "print the bytecode of one function or of all, and exit",
        apply: |p, v| {
            p.config.disassemble = Some(v.unwrap_or_default());
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("export-scripts"),
        arity: Arity::Value("DIR"),
        help: "write the embedded scripts to a folder and exit",
        apply: |p, v| {
            p.request = Some(Request::ExportScripts(value(v).into()));
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("share"),
        arity: Arity::Value("K/N"),
        help: "analyse the packets of one worker of N only, K from 1; all need the same input",
        apply: |p, v| {
            let text = value(v);
            let share = text.split_once('/').and_then(|(k, n)| {
                let (k, n) = (k.parse::<usize>().ok()?, n.parse::<usize>().ok()?);
                (k >= 1 && k <= n && n <= 1024).then(|| (k - 1, n))
            });
            p.config.share = Some(share.ok_or_else(|| format!("'{text}' is no share such as 1/4"))?);
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("fanout"),
        arity: Arity::Value("GROUP"),
        help: "watch the interface together with all who say the same number, 1 to 65535: each gets some of the flows",
        apply: |p, v| {
            let text = value(v);
            let group = text.parse::<u16>().ok().filter(|n| *n > 0);
            p.config.fanout = Some(group.ok_or_else(|| format!("'{text}' is no number from 1 to 65535"))?);
            Ok(())
        },
    },
    Opt {
        short: None,
        long: Some("workers"),
        arity: Arity::Value("N"),
        help: "share the packets of a capture or an interface among N workers on threads of their own",
        apply: |p, v| {
            let text = value(v);
            p.config.workers = text
                .parse()
                .ok()
                .filter(|n| (1..=256).contains(n))
                .ok_or_else(|| format!("'{text}' is no number of workers between 1 and 256"))?;
            Ok(())
        },
    },
];

/// The text of `--help`.
pub fn help() -> String {
    let mut out = String::from(
        "usage: tapir [OPTIONS] [SCRIPT ...] [NAME=VALUE ...]\n       tapir cluster [OPTIONS] ... (see 'tapir cluster --help')\n\n\
         Watches a network or reads a capture, runs scripts on what it sees, and writes logs to the working directory.\n\
         SCRIPT is a file or a package below ZEEKPATH or TAPIRPATH, or one that comes with the program, e.g. 'local'.\n\
         NAME=VALUE redefines a script option. '-' as SCRIPT reads it from standard input.\n\n",
    );
    for o in OPTIONS {
        let short = o.short.map_or("   ".to_string(), |c| {
            format!("-{c}{}", if o.long.is_some() { "," } else { "" })
        });
        let long = o.long.map_or(String::new(), |l| format!("--{l}"));
        let arg = match o.arity {
            Arity::None => String::new(),
            Arity::Value(v) => format!(" {v}"),
            Arity::Optional(v) => format!("[={v}]"),
        };
        out.push_str(&format!("  {short:4}{:28}  {}\n", format!("{long}{arg}"), o.help));
    }
    out.push_str(
        "\nEnvironment: ZEEKPATH, TAPIRPATH (script folders, colon separated), ZEEK_PREFIXES, ZEEK_SEED_FILE, ZEEK_DNS_FAKE,\n\
         ZEEK_DNS_RESOLVER (a name server: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT), ZEEK_LOG_SUFFIX,\n\
         ZEEK_ALLOW_INIT_ERRORS. Exit status: 0, or 1 after an error in arguments, scripts or input.\n",
    );
    out
}

/// Parses the arguments behind the program's name.
///
/// # Errors
/// What is wrong with them.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut p = Parse {
        config: Config::default(),
        request: None,
    };
    let mut args = args.peekable();
    let mut rest_is_script = false;
    while let Some(arg) = args.next() {
        if rest_is_script {
            p.config.scripts.push(arg);
            p.config.script_args.extend(args.by_ref());
            break;
        }
        if arg == "--" {
            rest_is_script = true;
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, inline) = match long.split_once('=') {
                Some((n, v)) => (n, Some(v.to_string())),
                None => (long, None),
            };
            let opt = OPTIONS
                .iter()
                .find(|o| o.long == Some(name))
                .ok_or_else(|| unknown(&format!("--{name}"), &[]))?;
            let v = match (opt.arity, inline) {
                (Arity::None, None) | (Arity::Optional(_), None) => None,
                (Arity::None, Some(_)) => return Err(format!("ERROR: Option --{name} takes no argument.")),
                (_, Some(v)) => Some(v),
                (Arity::Value(_), None) => Some(args.next().ok_or_else(|| missing(&format!("--{name}")))?),
            };
            (opt.apply)(&mut p, v).map_err(|e| format!("ERROR: --{name}: {e}"))?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            shorts(&mut p, &arg[1..], &mut args)?;
        } else {
            p.config.positional(arg);
        }
    }
    if p.config.fanout.is_some() && !matches!(p.config.input, Some(Input::Interface(_))) {
        return Err("--fanout shares an interface: name one with -i".into());
    }
    Ok(p.request.unwrap_or(Request::Run(Box::new(p.config))))
}

/// Makes a process that a supervisor has started what that asked for.
///
/// # Errors
/// What does not go together.
pub fn supervision(config: &mut Config) -> Result<(), String> {
    if !config.supervisor {
        return Ok(());
    }
    // Programs that a node starts are not supervised, although they see its environment.
    let is_child = config.parent == Some(std::os::unix::process::parent_id());
    if let Some(text) = std::env::var(VARIABLE).ok().filter(|_| is_child) {
        let node = NodeConfig::decode(&text).ok_or(format!("ERROR: {VARIABLE} is not what a supervisor has made"))?;
        node.apply(config);
        return Ok(());
    }
    if config.input.is_some() || config.workers > 1 {
        return Err("ERROR: -j: a supervisor reads no packets; give its nodes an interface or a pcap_file".into());
    }
    if config.scripts.is_empty() && config.code.is_empty() || config.scripts.iter().any(|s| s == "-") {
        return Err("ERROR: -j: name a script file that creates nodes".into());
    }
    Ok(())
}

/// Options of Zeek for which there is something else here.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "-d",
        "--debug-script",
        "there is no script debugger; --tracefile FILE writes which functions and handlers run, print shows values, \
         and backtrace() tells who called",
    ),
    (
        "-E",
        "--event-trace",
        "events are not written as a script that raises them again; a handler of new_event(name, args) sees each with its \
         arguments, and --tracefile FILE writes which handlers run",
    ),
    (
        "-X",
        "--zeekygen",
        "no documentation is made from scripts; --export-scripts DIR writes those that come with the program, with \
         their comments, and -I NAME prints one declaration",
    ),
    (
        "--test",
        "--test",
        "the program carries no tests of itself; ./test in its source tree runs them",
    ),
];

/// What is said of an option that there is not. `more` are others that could have been meant.
fn unknown(what: &str, more: &[&str]) -> String {
    if let Some((.., instead)) = ELSEWHERE.iter().find(|(s, l, _)| [*s, *l].contains(&what)) {
        return format!("ERROR: {what}: {instead}");
    }
    let own = OPTIONS.iter().filter_map(|o| o.long).map(|l| format!("--{l}"));
    let names: Vec<String> = own.chain(more.iter().map(|m| m.to_string())).collect();
    let hint = match what.starts_with("--") {
        true => tapir_operate::words::hint(what, names.iter().map(String::as_str)),
        false => String::new(),
    };
    format!("ERROR: Unrecognized option {what}{hint}")
}

/// What `tapir cluster` needs to know of the options for its nodes.
pub const NODE: NodeCommand = NodeCommand {
    takes_value: |name| {
        let with_value = |o: &Opt| matches!(o.arity, Arity::Value(_));
        if let Some(long) = name.strip_prefix("--") {
            return OPTIONS.iter().find(|o| o.long == Some(long)).map(with_value);
        }
        // Of letters that stand together, the first that takes a value has what follows, or else the next argument.
        let mut letters = name.chars().skip(1);
        while let Some(c) = letters.next() {
            if with_value(OPTIONS.iter().find(|o| o.short == Some(c))?) {
                return Some(letters.next().is_none());
            }
        }
        Some(false)
    },
    unknown,
    check: |args| {
        let Request::Run(c) = parse(args.iter().cloned())? else {
            return Err(FOR_ONE.into());
        };
        if c.input.is_some() {
            return Err(
                "ERROR: name the capture or the interface with an option of its own: -r FILE or -i NAME".into(),
            );
        }
        if c.share.is_some() {
            return Err("ERROR: --share: workers get their shares by themselves".into());
        }
        let ends = c.parse_only || c.list_plugins > 0 || c.print_id.is_some() || c.disassemble.is_some();
        match ends {
            true => Err(FOR_ONE.into()),
            false => Ok(()),
        }
    },
};

/// Said of options with which a node would end at once, and be started again.
const FOR_ONE: &str = "ERROR: options that print or check something and end are for 'tapir' without 'cluster'";

fn missing(what: &str) -> String {
    format!("ERROR: Option {what} requires an argument.")
}

fn shorts(p: &mut Parse, letters: &str, args: &mut impl Iterator<Item = String>) -> Result<(), String> {
    for (i, c) in letters.char_indices() {
        let opt = OPTIONS
            .iter()
            .find(|o| o.short == Some(c))
            .ok_or_else(|| unknown(&format!("-{c}"), &[]))?;
        let fail = |e: String| format!("ERROR: -{c}: {e}");
        if let Arity::Value(_) = opt.arity {
            let rest = &letters[i + c.len_utf8()..];
            let v = if rest.is_empty() {
                args.next().ok_or_else(|| missing(&format!("-{c}")))?
            } else {
                rest.to_string()
            };
            return (opt.apply)(p, Some(v)).map_err(fail);
        }
        (opt.apply)(p, None).map_err(fail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Config, String> {
        match parse(args.iter().map(|s| s.to_string()))? {
            Request::Run(c) => Ok(*c),
            _ => Err("not a run".into()),
        }
    }

    #[test]
    fn options_and_scripts_mix() {
        let c = run(&["-Cr", "x.pcap", "local", "A::b=5", "-b", "-e", "print 1;"]).unwrap();
        assert!(c.ignore_checksums && c.bare);
        assert_eq!(c.scripts, ["local"]);
        assert_eq!(c.assignments, ["A::b=5"]);
        let more = run(&["Site::local_nets += { 10.0.0.0/8 }"]).unwrap();
        assert_eq!(more.assignments, ["Site::local_nets += { 10.0.0.0/8 }"]);
        assert!(matches!(c.input, Some(Input::Capture(p)) if p.ends_with("x.pcap")));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(run(&["-r"]).unwrap_err().contains("requires an argument"));
        for (typed, meant) in [
            ("--pares-only", "--parse-only"),
            ("--raed", "--readfile"),
            ("--worker=2", "--workers"),
        ] {
            let e = run(&[typed, "x"]).unwrap_err();
            assert!(e.ends_with(&format!("; did you mean {meant}?")), "{e}");
        }
        assert!(run(&["-i", "af_packet::b"]).is_ok());
        assert!(run(&["-i", "netmap::b"]).unwrap_err().contains("netmap"));
        assert_eq!(run(&["-i", "b", "--fanout", "7"]).unwrap().fanout, Some(7));
        assert!(run(&["-r", "a", "--fanout", "7"]).unwrap_err().contains("-i"));
        assert!(run(&["-i", "a", "--fanout", "0"]).is_err());
        assert!(run(&["-r", "a", "-i", "b"]).unwrap_err().contains("only one of"));
        for (args, instead) in [
            (&["-Cd"][..], "--tracefile"),
            (&["-E", "x"], "new_event"),
            (&["--event-trace=x"], "new_event"),
            (&["-X", "x"], "--export-scripts"),
            (&["--test"], "./test"),
        ] {
            let e = run(args).unwrap_err();
            assert!(e.contains(instead) && !e.contains("Unrecognized"), "{e}");
        }
        assert!(run(&["-Z"]).unwrap_err().contains("Unrecognized option -Z"));
    }

    #[test]
    fn a_cluster_knows_the_options_of_its_nodes() {
        let read = |args: &[&str]| tapir_operate::command::parse(args.iter().map(|s| s.to_string()), &NODE);
        let plan = read(&["--tracefile", "local", "-Ce", "local", "local"])
            .unwrap()
            .unwrap();
        assert_eq!(plan.scripts, [4]);
        for (args, says) in [
            (&["--bogus"][..], "Unrecognized option --bogus"),
            (&["--prxoies", "2"], "did you mean --proxies?"),
            (&["--raed", "x"], "did you mean --readfile?"),
            (&["--rulefil", "x"], "did you mean --rulefile?"),
            (&["--debug-script"], "--tracefile"),
            (&["-Cr", "x"], "-r FILE"),
            (&["-CZ"], "Unrecognized option -Z"),
            (&["--share", "1/2"], "--share"),
            (&["--version"], "without 'cluster'"),
            (&["-a", "x"], "without 'cluster'"),
        ] {
            let e = read(args).unwrap_err();
            assert!(e.contains(says), "{e}");
        }
    }
}
