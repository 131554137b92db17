//! A node's process: started apart from the terminal, what it prints read line by line, signalled and waited for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The pause after the first failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer lines of output come in pieces of so many bytes.
const LINE_MAX: u64 = 64 << 10;

/// How long to wait before a process is started again after so many failures in a row: doubled with every third, but
/// never more than `at_most`.
pub fn pause(failures: u32, at_most: Duration) -> Duration {
    let doublings = (failures.saturating_sub(1) / 3).min(16);
    at_most.min(PAUSE * 2u32.pow(doublings))
}

/// A process that runs, or whose end nobody has heard of yet.
#[derive(Debug)]
pub struct Process {
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program. It ends when this process does, is not reached by Ctrl-C, and reads nothing. `line` gets each line
    /// of those outputs that the command pipes, without its end, and whether it is one of errors; the output is read no
    /// further when it says false.
    ///
    /// # Errors
    /// Why the program cannot be started.
    pub fn start(
        mut command: Command,
        line: impl Fn(bool, Vec<u8>) -> bool + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        command
            .env("TAPIR_PARENT_PID", std::process::id().to_string())
            .stdin(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let out = child.stdout.take().map(|o| {
            let line = line.clone();
            each_line(o, move |l| line(false, l))
        });
        let err = child.stderr.take().map(|e| each_line(e, move |l| line(true, l)));
        Ok(Process {
            child,
            readers: out.into_iter().chain(err).collect(),
        })
    }

    /// The number that the system knows the process by.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; a process that has ended does not mind.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, signal);
        }
    }

    /// The status with which the process has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok()?
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The threads that read what the process printed: they end with it, or with the last of its own children that still
    /// holds its output.
    pub fn into_readers(self) -> Vec<JoinHandle<()>> {
        self.readers
    }
}

fn each_line(from: impl Read + Send + 'static, line: impl Fn(Vec<u8>) -> bool + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        loop {
            let mut text = Vec::new();
            match reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut text) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if text.last() == Some(&b'\n') {
                text.pop();
            }
            if !line(text) {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_failures() {
        let most = Duration::from_secs(60);
        let secs: Vec<u64> = (1..=9).map(|n| pause(n, most).as_secs()).collect();
        assert_eq!(secs, [1, 1, 1, 2, 2, 2, 4, 4, 4]);
        assert_eq!(pause(1000, most), most);
    }

    #[test]
    fn output_comes_in_lines_of_bounded_length() {
        let (to, lines) = std::sync::mpsc::channel();
        let mut c = Command::new("sh");
        c.args(["-c", "echo one; head -c 100000 /dev/zero; echo; echo two >&2"]);
        c.stdout(Stdio::piped()).stderr(Stdio::piped());
        let p = Process::start(c, move |errors, l| to.send((errors, l)).is_ok()).unwrap();
        p.into_readers().into_iter().for_each(|r| r.join().unwrap());
        let all: Vec<_> = lines.iter().collect();
        let of = |errors| {
            all.iter()
                .filter(move |l| l.0 == errors)
                .map(|l| l.1.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(true), [3]);
        assert_eq!(of(false), [3, 65_536, 34_464]);
    }
}
