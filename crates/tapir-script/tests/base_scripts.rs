//! The scripts that come with the sensor load without any message, alone and as a node of a cluster.

use std::path::Path;

use tapir_script::hir::{Program, Thunk};
use tapir_script::load::{ConstEvaluator, Files, Loader};

/// Takes every condition that is no constant for the same.
struct Always(bool);

impl ConstEvaluator for Always {
    fn eval_bool(&mut self, _: &mut Program, _: Thunk) -> Result<bool, String> {
        Ok(self.0)
    }
}

fn messages(conditions: bool, before: &str, files: &[&str]) -> Vec<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let scripts = scripts.to_string_lossy().into_owned();
    let path = vec![
        before.to_string(),
        scripts.clone(),
        format!("{scripts}/policy"),
        format!("{scripts}/site"),
    ];
    let mut evaluator = Always(conditions);
    let mut loader = Loader::new(Box::new(Files::new(path)), &mut evaluator);
    for f in ["base/init-bare.zeek", "base/init-frameworks-and-bifs.zeek"] {
        loader.load_file(f);
    }
    for f in files {
        loader.load_file(f);
    }
    let (program, diagnostics) = loader.finish();
    diagnostics.iter().map(|d| d.headline(&program.files)).collect()
}

#[test]
fn bare() {
    assert_eq!(messages(false, ".", &[]), Vec::<String>::new());
}

#[test]
fn default_and_site() {
    let all = messages(false, ".", &["base/init-default.zeek", "local"]);
    assert_eq!(all, Vec::<String>::new());
}

#[test]
fn node_of_a_cluster() {
    let dir = std::env::temp_dir().join(format!("tapir-layout-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory for the layout");
    let layout = "redef Cluster::nodes = { [\"manager\"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1] };\n";
    std::fs::write(dir.join("cluster-layout.zeek"), layout).expect("the layout");
    let all = messages(true, &dir.to_string_lossy(), &["base/init-default.zeek", "local"]);
    std::fs::remove_dir_all(&dir).ok();
    assert_eq!(all, Vec::<String>::new());
}

/// Every script below a folder, as users name it.
fn scripts_below(dir: &Path, root: &Path, out: &mut Vec<String>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            scripts_below(&path, root, out);
        } else if path.extension().is_some_and(|e| e == "zeek") {
            let name = path.strip_prefix(root).expect("a path below the scripts");
            out.push(name.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn each_script_on_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let mut all = Vec::new();
    for part in ["base", "policy", "site"] {
        scripts_below(&root.join(part), &root, &mut all);
    }
    assert!(all.len() > 400);
    // Loading takes a while each: a quarter of them on each thread.
    let problems: Vec<String> = std::thread::scope(|s| {
        let parts: Vec<_> = all
            .chunks(all.len().div_ceil(4))
            .map(|part| {
                s.spawn(move || {
                    let load = |f: &String| {
                        let said = messages(false, ".", &[f]);
                        said.into_iter().map(|m| format!("{f}: {m}")).collect::<Vec<_>>()
                    };
                    part.iter().flat_map(load).collect::<Vec<_>>()
                })
            })
            .collect();
        parts.into_iter().flat_map(|p| p.join().expect("a loader")).collect()
    });
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn declarations_are_found_under_the_names_others_use() {
    let dir = std::env::temp_dir().join(format!("tapir-bif-names-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory for the script");
    let said = |load: &str| {
        std::fs::write(dir.join("others.zeek"), format!("@load {load}\n")).expect("the script");
        messages(false, &dir.to_string_lossy(), &["others"])
    };
    for known in [
        "base/bif/plugins/Zeek_IRC.events.bif.zeek",
        "base/bif/plugins/Zeek_HTTP.functions.bif",
        "base/bif/plugins/Zeek_ConnSize.events.bif",
        "base/bif/plugins/Zeek_DCE_RPC.types.bif.zeek",
        "base/bif/plugins/Zeek_FileHash.events.bif.zeek",
        "base/bif/zeek.bif",
        "base/bif/event.bif.zeek",
    ] {
        assert_eq!(said(known), Vec::<String>::new(), "{known}");
    }
    for unknown in [
        "base/bif/plugins/Zeek_Frobnicator.events.bif",
        "base/bif/frobnicate.bif",
    ] {
        assert!(said(unknown).iter().any(|m| m.contains("can't find")), "{unknown}");
    }
    std::fs::remove_dir_all(&dir).ok();
}
