//! Programs with their output: each `tests/programs/NAME.zeek` prints what stands in `NAME.out`, and ends without an error
//! unless its first line is `# fails`. `UPDATE_EXPECT=1` rewrites the outputs.

use std::path::{Path, PathBuf};
use std::process::Command;

fn programs() -> (PathBuf, Vec<String>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/programs");
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .expect("the folder of programs")
        .filter_map(|e| e.ok()?.file_name().to_str()?.strip_suffix(".zeek").map(str::to_string))
        .collect();
    names.sort();
    (dir, names)
}

#[test]
fn programs_print_what_they_should() {
    let (dir, names) = programs();
    assert!(!names.is_empty());
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = String::new();
    for name in names {
        let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs").join(&name);
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(&work).expect("a folder for the program");
        let source = dir.join(format!("{name}.zeek"));
        let text = std::fs::read_to_string(&source).expect("the program");
        std::fs::write(work.join("test.zeek"), &text).expect("a copy of the program");
        let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .args(["-b", "-D", "test.zeek"])
            .current_dir(&work)
            .env("TZ", "UTC")
            .env("ZEEK_DNS_FAKE", "1")
            .output()
            .expect("tapir runs");
        let got = String::from_utf8_lossy(&out.stdout).into_owned();
        let expected = dir.join(format!("{name}.out"));
        if update {
            std::fs::write(&expected, &got).expect("the output is written");
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        let ends_well = out.status.success() != text.starts_with("# fails");
        if got != wanted || !ends_well {
            let first = wanted.lines().zip(got.lines()).find(|(w, g)| w != g);
            wrong.push_str(&format!(
                "{name}: {}, first difference {first:?}\n{}\n",
                out.status,
                String::from_utf8_lossy(&out.stderr)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
