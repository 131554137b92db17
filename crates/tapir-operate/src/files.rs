//! Names of files that are moved to where others may be already.

use std::path::{Path, PathBuf};

/// A path that no file has yet: `base` and `suffix`, or, where that is taken, with `-2`, `-3`, … between them. So a log that is
/// rotated or archived never writes over one of the same second.
pub fn free_name(base: &Path, suffix: &str) -> PathBuf {
    let with = |more: &str| {
        let mut name = base.as_os_str().to_owned();
        name.push(more);
        name.push(suffix);
        PathBuf::from(name)
    };
    let mut name = with("");
    let mut n = 2u32;
    // What only points to a file that is not there is in the way as well.
    while name.symlink_metadata().is_ok() {
        name = with(&format!("-{n}"));
        n += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_get_a_number() {
        let dir = std::env::temp_dir().join(format!("tapir-free-name-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let base = dir.join("conn.10:00:00-11:00:00");
        for more in ["", "-2", "-3"] {
            let name = free_name(&base, ".log.gz");
            assert_eq!(name, dir.join(format!("conn.10:00:00-11:00:00{more}.log.gz")));
            std::os::unix::fs::symlink("nowhere", name).unwrap();
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
