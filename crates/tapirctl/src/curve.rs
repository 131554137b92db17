//! Keys of encrypted connections between nodes, kept in `curve_dir` and told to nodes by the generated script.
//!
//! `cluster_backend_zeromq.use_curve_encryption` says whether there are any: 1, 0, or `auto` for clusters that take up more than
//! this host.

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::config::Options;
use crate::install::make_dir;
use crate::nodes::Node;

const OPTION: &str = "cluster_backend_zeromq.use_curve_encryption";

/// Names of the files, with the options that scripts have for what is in them.
const KEYS: [(&str, &str); 4] = [
    ("server.public", "curve_server_publickey"),
    ("server.secret", "curve_server_secretkey"),
    ("client.public", "curve_client_publickey"),
    ("client.secret", "curve_client_secretkey"),
];

/// Prints a pair of keys.
const PAIR: &str = "event zeek_init() { local k = Cluster::Backend::ZeroMQ::generate_keypair(); \
                    if ( |k| == 2 ) { print k[\"public\"]; print k[\"secret\"]; } }";

fn spans_hosts(nodes: &[Node]) -> bool {
    nodes.iter().any(|n| !n.is_local())
}

/// Whether connections between these nodes are to be encrypted.
pub fn is_wanted(options: &Options, nodes: &[Node]) -> bool {
    match &*options.get(OPTION) {
        "1" => true,
        "0" => false,
        _ => spans_hosts(nodes),
    }
}

fn folder(options: &Options) -> PathBuf {
    options.path("cluster_backend_zeromq.curve_dir")
}

fn pair(options: &Options) -> Result<[String; 2], String> {
    let program = options.get("Zeek");
    let out = Command::new(&program)
        .args(["-b", "-e", PAIR])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines = text.lines().map(str::to_string);
    match (lines.next(), lines.next()) {
        (Some(public), Some(secret)) => Ok([public, secret]),
        _ => Err(format!(
            "cannot make keys for {OPTION}: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        )),
    }
}

fn write_secretly(path: &Path, text: &str) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(fail)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(fail)
}

/// Makes keys where they are wanted and there are none yet; says so where a cluster of several hosts has none.
///
/// # Errors
/// When they cannot be made or kept.
pub fn prepare(options: &Options, nodes: &[Node]) -> Result<(), String> {
    if !is_wanted(options, nodes) {
        if spans_hosts(nodes) && !options.flag("cluster_backend_zeromq.disable_unencrypted_warning") {
            eprintln!("warning: {OPTION} = 0: what nodes on different hosts tell each other is not encrypted");
        }
        return Ok(());
    }
    let dir = folder(options);
    if KEYS.iter().all(|k| dir.join(k.0).is_file()) {
        return Ok(());
    }
    make_dir(&dir)?;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))
        .map_err(|e| format!("cannot change {}: {e}", dir.display()))?;
    let keys = [pair(options)?, pair(options)?];
    for ((file, _), key) in KEYS.iter().zip(keys.as_flattened()) {
        write_secretly(&dir.join(file), &format!("{key}\n"))?;
    }
    Ok(())
}

/// The keys as settings of scripts; empty where there is nothing to encrypt, or before they were made.
///
/// # Errors
/// A key that cannot be read.
pub fn settings(options: &Options, nodes: &[Node]) -> Result<String, String> {
    let dir = folder(options);
    if !is_wanted(options, nodes) || !dir.is_dir() {
        return Ok(String::new());
    }
    let mut out = String::new();
    for (file, option) in KEYS {
        let path = dir.join(file);
        let key = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let key = tapir_operate::layout::quoted(key.trim());
        out.push_str(&format!("redef Cluster::Backend::ZeroMQ::{option} = {key};\n"));
    }
    Ok(out)
}
