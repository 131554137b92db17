//! What many tests stand on: folders for all that is written, what is in logs, and processes that run beside a test.

// Each test program uses a part of this.
#![allow(dead_code)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Ports that nobody listens on, for a while.
pub fn ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.each_ref().map(|l| l.local_addr().expect("its address").port())
}

/// An empty folder of a test.
pub fn folder(name: impl AsRef<Path>) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

/// The rows of a log with the columns that are asked for.
pub fn columns(dir: &Path, log: &str, names: &[&str]) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(dir.join(log)).unwrap_or_else(|e| panic!("{log}: {e}"));
    let fields = text
        .lines()
        .find_map(|l| l.strip_prefix("#fields\t"))
        .expect("a header");
    let all: Vec<&str> = fields.split('\t').collect();
    let at: Vec<usize> = names
        .iter()
        .map(|n| {
            all.iter()
                .position(|f| f == n)
                .unwrap_or_else(|| panic!("{log} has no {n}"))
        })
        .collect();
    let rows = text.lines().filter(|l| !l.starts_with('#'));
    rows.map(|l| l.split('\t').collect::<Vec<_>>())
        .map(|cells| at.iter().map(|i| cells[*i].to_string()).collect())
        .collect()
}

/// The rows of a log with the columns that are asked for, each joined by blanks; none when there is no log.
pub fn rows(dir: &Path, log: &str, names: &[&str]) -> Vec<String> {
    let file = format!("{log}.log");
    if !dir.join(&file).exists() {
        return Vec::new();
    }
    columns(dir, &file, names).iter().map(|cells| cells.join(" ")).collect()
}

/// What a script prints in a folder on one of our captures.
pub fn on_capture(dir: &Path, capture: &str, script: &str) -> String {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    std::fs::write(dir.join("test.zeek"), script).expect("a script");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-C", "-r"])
        .arg(captures.join(capture))
        .arg("test.zeek")
        .current_dir(dir)
        .env_remove("ZEEKPATH")
        .output()
        .expect("tapir runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Sends a signal, such as `-TERM`.
pub fn signal(signal: &str, pid: u32) {
    let done = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(done.expect("kill runs").success());
}

/// A process that is killed at the end of the test.
pub struct Background {
    pub dir: PathBuf,
    pub child: Child,
}

impl Background {
    /// Starts `tapir` in a folder, with arguments and whatever else is to be set. It prints to the files `out` and `err`.
    pub fn tapir(dir: PathBuf, set_up: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let file = |name: &str| std::fs::File::create(dir.join(name)).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapir"));
        let child = set_up(&mut command)
            .current_dir(&dir)
            .env_remove("ZEEKPATH")
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .expect("tapir runs");
        Background { dir, child }
    }

    /// What is in a file so far.
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.join(file)).unwrap_or_default()
    }

    /// Waits for a text in a file. Gives all that is in it.
    pub fn until(&mut self, file: &str, wanted: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.read(file);
            if text.contains(wanted) {
                return text;
            }
            assert!(
                Instant::now() < end,
                "'{wanted}' is not in {file}:\n{text}\nout:\n{}\nerr:\n{}",
                self.read("out"),
                self.read("err")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the end, which must be a good one, and gives what was printed.
    pub fn ends(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                assert!(status.success(), "{status}\n{}\n{}", self.read("out"), self.read("err"));
                return self.read("out");
            }
            assert!(
                Instant::now() < end,
                "it does not end:\n{}\n{}",
                self.read("out"),
                self.read("err")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
