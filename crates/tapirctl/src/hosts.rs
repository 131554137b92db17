//! Reaching the hosts on which nodes run: this one directly, others through the user's `ssh`, where a `tapirctl` like this
//! one answers.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::Options;
use crate::helper::Here;
use crate::nodes::Node;

/// Where an installation is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `None` for this host.
    pub host: Option<String>,
    /// The installation's folder there.
    pub base: PathBuf,
}

impl Place {
    /// Where a node runs.
    pub fn of(node: &Node, options: &Options) -> Place {
        let own = options.path("ZeekBase");
        if node.is_local() {
            // Nodes of this host are part of this installation.
            return Place { host: None, base: own };
        }
        Place {
            host: Some(node.host.clone()),
            base: node.base.as_ref().map_or(own, PathBuf::from),
        }
    }

    /// The name of the host for people.
    pub fn name(&self) -> &str {
        self.host.as_deref().unwrap_or("localhost")
    }
}

/// A word for a shell, whatever is in it.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// How long a helper may take beyond what it was asked to wait for.
const SLACK: Duration = Duration::from_secs(20);

/// Reaches all hosts.
pub struct Hosts<'a> {
    pub options: &'a Options,
    pub nodes: &'a [Node],
}

impl Hosts<'_> {
    /// The path of a file of this installation on another host.
    fn there(&self, path: &Path, place: &Place) -> PathBuf {
        match path.strip_prefix(self.options.path("ZeekBase")) {
            Ok(rest) => place.base.join(rest),
            Err(_) => path.to_path_buf(),
        }
    }

    fn ssh(&self, host: &str, command: &str) -> Command {
        let mut c = Command::new("ssh");
        let timeout = format!("ConnectTimeout={}", self.options.number("CommTimeout").max(1));
        c.args(["-o", "BatchMode=yes", "-o", &timeout, host, command]);
        c
    }

    /// Has something done at a place.
    ///
    /// # Errors
    /// What keeps it from being done, with the host's name.
    pub fn call(&self, place: &Place, request: &Value) -> Result<Value, String> {
        let Some(host) = &place.host else {
            let here = Here {
                options: self.options,
                nodes: self.nodes,
            };
            return here.handle(request);
        };
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let program = self.there(&own, place);
        let command = format!(
            "{} --base {} helper",
            word(&program.to_string_lossy()),
            word(&place.base.to_string_lossy())
        );
        let wait = request["seconds"].as_u64().unwrap_or(0);
        let at_most = Duration::from_secs(self.options.number("CommandTimeout").max(1) + wait) + SLACK;
        let said = run(
            self.ssh(host, &command),
            Some(request.to_string().into_bytes()),
            at_most,
        );
        let said = said.map_err(|e| format!("{host}: {e}"))?;
        let last = said.lines().last().unwrap_or_default();
        let answer: Value =
            serde_json::from_str(last).map_err(|_| format!("{host}: no answer from {}: {last}", program.display()))?;
        match (answer.get("ok"), answer.get("error")) {
            (Some(v), _) => Ok(v.clone()),
            (_, Some(e)) => Err(format!("{host}: {}", e.as_str().unwrap_or_default())),
            _ => Err(format!("{host}: an answer without sense: {last}")),
        }
    }

    /// Copies files and folders that are in `dir` to another host, into a folder there.
    ///
    /// # Errors
    /// What keeps them from being copied.
    pub fn push(&self, place: &Place, dir: &Path, names: &[String], to: &Path) -> Result<(), String> {
        let Some(host) = &place.host else {
            return Ok(());
        };
        let to = word(&to.to_string_lossy());
        let fail = |e: String| format!("cannot copy {} to {host}: {e}", dir.display());
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(dir)
            .arg("-cf")
            .arg("-")
            .args(names)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| fail(format!("cannot run tar: {e}")))?;
        let mut ssh = self.ssh(host, &format!("mkdir -p {to} && tar -C {to} -xf -"));
        if let Some(out) = tar.stdout.take() {
            ssh.stdin(out);
        }
        let at_most = Duration::from_secs(self.options.number("CommandTimeout").max(1)) + SLACK;
        let copied = run(ssh, None, at_most);
        let packed = tar.wait().map_err(|e| fail(e.to_string()))?;
        copied.map_err(fail)?;
        if packed.success() {
            Ok(())
        } else {
            Err(fail(format!("tar ended with {packed}")))
        }
    }

    /// Brings the installation of another host up to date: programs and configuration, then the given generated files, then
    /// the site's scripts.
    ///
    /// # Errors
    /// What keeps it from being done.
    pub fn install(&self, place: &Place, there: &Options, files: &[(String, String)]) -> Result<(), String> {
        let base = self.options.path("ZeekBase");
        if !self.options.flag("HaveNFS") {
            let names = ["bin", "etc", "lib", "lib64", "share"].map(String::from);
            let names: Vec<String> = names.into_iter().filter(|n| base.join(n).exists()).collect();
            self.push(place, &base, &names, &place.base)?;
        }
        let files: serde_json::Map<_, _> = files.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        self.call(place, &json!({"op": "install", "files": files}))?;
        let (site, _) = crate::install::folders(&self.options.path("SpoolDir"));
        let (to, _) = crate::install::folders(&there.path("SpoolDir"));
        let names = vec![".".to_string()];
        self.push(place, &site, &names, &to)
    }
}

fn kill(child: &mut Child) {
    // It may have ended meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

/// Runs a command to its end, at most for so long. Gives what it prints; the error is what it says, or how it ended.
fn run(mut c: Command, input: Option<Vec<u8>>, at_most: Duration) -> Result<String, String> {
    if input.is_some() {
        c.stdin(Stdio::piped());
    }
    c.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = c.spawn().map_err(|e| format!("cannot run ssh: {e}"))?;
    let mut stdin = child.stdin.take();
    let writer = std::thread::spawn(move || {
        if let (Some(stdin), Some(input)) = (&mut stdin, input) {
            // Who does not listen says why on the other channel.
            let _ = stdin.write_all(&input);
        }
    });
    let collect = |from: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut from) = from {
                let _ = from.read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let out = collect(child.stdout.take().map(|o| Box::new(o) as _));
    let err = collect(child.stderr.take().map(|e| Box::new(e) as _));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < at_most => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                kill(&mut child);
                return Err(format!("no answer within {} s", at_most.as_secs()));
            }
            Err(e) => {
                kill(&mut child);
                return Err(e.to_string());
            }
        }
    };
    let _ = writer.join();
    let said = out.join().unwrap_or_default();
    if status.success() {
        return Ok(said);
    }
    let err = err.join().unwrap_or_default();
    let why = err.lines().chain(said.lines()).last().unwrap_or_default().to_string();
    Err(if why.is_empty() {
        format!("ssh ended with {status}")
    } else {
        why
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        assert_eq!(word("a b'c"), "'a b'\\''c'");
    }

    #[test]
    fn commands_answer_or_tell_why_not() {
        let sh = |script: &str| {
            let mut c = Command::new("/bin/sh");
            c.args(["-c", script]);
            c
        };
        let long = Duration::from_secs(60);
        assert_eq!(run(sh("cat"), Some(b"x".to_vec()), long), Ok("x".into()));
        assert_eq!(run(sh("echo no host >&2; exit 255"), None, long), Err("no host".into()));
        let late = run(sh("exec sleep 600"), None, Duration::from_millis(50)).unwrap_err();
        assert!(late.contains("no answer"), "{late}");
    }
}
