//! `tapirctl`: operates the nodes that `node.cfg` names, with the files and commands of ZeekControl.

mod archive;
mod archiver;
mod commands;
mod config;
mod control;
mod curve;
mod helper;
mod hosts;
mod install;
mod layout;
mod mail;
mod nodes;
mod offline;
mod process;
mod state;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use commands::Tool;

const HELP: &str = "\
usage: tapirctl [--base DIR] [COMMAND [ARGUMENTS]]
       tapirctl --version

Operates the nodes that DIR/etc/node.cfg names, as DIR/etc/zeekctl.cfg (or tapirctl.cfg) and networks.cfg say. Without a
command it reads commands from standard input. DIR is $TAPIRCTL_BASE, or the folder above the one of this program, or the
current folder. NODES are names, or all, manager, loggers, proxies, workers; without any all are meant.

  deploy                 check, install and restart everything
  check [NODES]          test the configuration without changing anything
  install [--local]      take configuration and scripts over for the next start, on all hosts or on this one
  scripts [-c] [NODES]   the scripts that nodes load; -c: would load after the next install
  start [NODES]          start nodes
  stop [NODES]           end nodes, workers first, and archive what they leave
  restart [--clean] [NODES]
  status [NODES]         what each node does; the exit status is 0 if all run
  top [NODES]            memory and processor use
  diag [NODES]           what nodes have left behind: output, errors, status
  print ID [NODES]       the value of a script variable in running nodes
  netstats [NODES]       packets received and lost
  peerstatus [NODES]     which nodes are connected
  capstats [NODES] [SECONDS]  what their interfaces receive
  process TRACE [OPTIONS] [-- SCRIPTS]  run a capture through the scripts of the site
  exec COMMAND           run a shell command on all hosts
  ps.zeek [NODES]        sensors that run on the hosts: (+) nodes of node.cfg, (-) others
  nodes                  the nodes of node.cfg
  config                 all options and their values
  cleanup [--all] [NODES]  empty the folders of nodes that do not run
  df [NODES]             free space where logs and working folders are
  cron [enable|disable|?|--no-watch]  look after nodes and the archive; meant to run every few minutes. What it says
                         is mailed to MailTo where there is a SendMail
  archiver [-1] [OPTIONS] QUEUE ARCHIVE  take rotated logs of a queue folder into an archive, once (-1) or for good
  layout [OPTIONS]       write cluster-layout.zeek for nodes that something else starts; -h lists the options
  help                   this text

Nodes on other hosts are reached with the command 'ssh', which must not ask for passwords. 'install' copies bin, etc, lib and
share of DIR there (unless HaveNFS is 1) and the scripts of the site; the program that is called there is this one, at the same
place, or below the node's zeekbase.
";

fn base(given: Option<String>) -> PathBuf {
    if let Some(dir) = given
        .or_else(|| std::env::var("TAPIRCTL_BASE").ok())
        .filter(|d| !d.is_empty())
    {
        return std::path::absolute(&dir).unwrap_or_else(|_| dir.into());
    }
    let here = std::env::current_dir().unwrap_or_default();
    let exe = std::env::current_exe().unwrap_or_default();
    let above = exe.parent().and_then(Path::parent).map(Path::to_path_buf);
    match above.filter(|d| d.join("etc/node.cfg").is_file()) {
        Some(dir) => dir,
        None => here,
    }
}

/// Answers a request of the tapirctl on another host.
fn help_out(base: &Path) -> ExitCode {
    let mut request = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::stdin(), &mut request);
    if !base.join("etc/node.cfg").is_file() {
        let text = format!("nothing is installed in {}; use 'tapirctl install'", base.display());
        println!("{}", serde_json::json!({ "error": text }));
        return ExitCode::SUCCESS;
    }
    let answer = match read
        .map_err(|e| e.to_string())
        .and_then(|_| commands::configuration(base))
    {
        Ok((options, nodes)) => {
            let here = helper::Here {
                options: &options,
                nodes: &nodes,
            };
            helper::answer(&here, &request)
        }
        Err(e) => serde_json::json!({ "error": e }).to_string(),
    };
    println!("{answer}");
    ExitCode::SUCCESS
}

/// Ends quietly when whoever reads what is printed is gone, as with `tapirctl status | head -1`.
fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if text.is_some_and(|t| t.starts_with("failed printing to") && t.contains("Broken pipe")) {
            std::process::exit(READER_GONE);
        }
        usual(info);
    }));
}

/// As shells tell of programs that such a signal has ended.
const READER_GONE: i32 = 141;

fn main() -> ExitCode {
    end_with_the_reader();
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut dir = None;
    if let Some(given) = args.first().and_then(|a| a.strip_prefix("--base=")) {
        dir = Some(given.to_string());
        args.remove(0);
    } else if args.first().is_some_and(|a| a == "--base") {
        if args.len() < 2 {
            eprintln!("error: --base needs a folder");
            return ExitCode::FAILURE;
        }
        dir = Some(args[1].clone());
        args.drain(..2);
    }
    if args
        .first()
        .is_some_and(|a| matches!(a.as_str(), "-h" | "--help" | "help"))
    {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    // Wherever logs are: nothing needs to be installed here.
    if args.first().is_some_and(|a| a == "archiver") {
        return match archiver::run(&args[1..]) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        };
    }
    if args.first().is_some_and(|a| a == "layout") {
        return match layout::run(&args[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        };
    }
    if args.first().is_some_and(|a| matches!(a.as_str(), "-V" | "--version")) {
        println!("tapirctl version {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let base = base(dir);
    if args.first().is_some_and(|a| a == "helper") {
        return help_out(&base);
    }
    let open = |args: &[String]| {
        commands::check_words(args)?;
        Tool::open(&base, args.first().map_or("", |a| a))
    };
    let run = |args: &[String]| match open(args).and_then(|mut t| t.run(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    };
    if args.first().is_some_and(|a| a == "cron") && std::env::var_os(commands::CRON_OUTPUT).is_none() {
        return match commands::cron(&base, &args) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        };
    }
    if !args.is_empty() {
        return run(&args);
    }
    let mut line = String::new();
    loop {
        use std::io::{IsTerminal, Write};
        if std::io::stdin().is_terminal() {
            print!("[TapirControl] > ");
            let _ = std::io::stdout().flush();
        }
        line.clear();
        match std::io::stdin().read_line(&mut line) {
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
            Ok(_) => {}
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        match words.first().map(String::as_str) {
            None => {}
            Some("exit" | "quit") => return ExitCode::SUCCESS,
            Some("help") => print!("{HELP}"),
            Some(_) => {
                run(&words);
            }
        }
    }
}
