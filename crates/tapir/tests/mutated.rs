//! The whole program on damaged captures of our own, with a fixed seed: no panic, no hang, no complaint. The long run
//! over any captures is `cargo run -p tapir --profile checked --example fuzz`.

#[path = "../examples/fuzz/mutate.rs"]
mod mutate;

use std::path::Path;
use std::process::{Command, Stdio};

use mutate::Random;

#[test]
fn damaged_captures_do_no_harm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let corpus: Vec<_> = mutate::captures(&root.join("tests/captures"))
        .iter()
        .map(|p| mutate::read(p, 400))
        .filter(|p| !p.is_empty())
        .collect();
    assert!(corpus.len() > 5);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutated");
    let mut r = Random(7);
    for round in 0..12 {
        let link = corpus[round % corpus.len()][0].link;
        let parts: Vec<_> = corpus.iter().filter(|c| c[0].link == link).cloned().collect();
        let mutated = mutate::mutate(&mut r, &parts);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder for the test");
        std::fs::write(dir.join("mutated.pcap"), mutate::to_pcap(&mutated)).expect("the capture can be written");
        let out = Command::new("/bin/sh")
            .args([
                "-c",
                "ulimit -v 1048576; ulimit -t 20; exec \"$0\" -C -r mutated.pcap local",
            ])
            .arg(env!("CARGO_BIN_EXE_tapir"))
            .current_dir(&dir)
            .stdin(Stdio::null())
            .output()
            .expect("tapir runs");
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "round {round}, see {}: {err}", dir.display());
        assert!(!err.contains("panicked"), "round {round}: {err}");
    }
}
