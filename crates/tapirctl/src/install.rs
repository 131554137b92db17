//! Installing a configuration: copies of the site's scripts and the generated ones that tell nodes of each other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tapir_operate::layout::quoted;

use crate::config::Options;
use crate::curve;
use crate::nodes::{self, Kind, Node};

/// Where installed scripts go, below the spool folder.
const INSTALLED: &str = "installed-scripts-do-not-touch";

/// The script that nodes load of those that are generated.
pub const CONFIG: &str = "tapirctl-config.zeek";

/// The installed folders: the site's scripts, and generated ones.
pub fn folders(spool: &Path) -> (PathBuf, PathBuf) {
    let root = spool.join(INSTALLED);
    (root.join("site"), root.join("auto"))
}

fn io<T>(what: &str, path: &Path, r: std::io::Result<T>) -> Result<T, String> {
    r.map_err(|e| format!("cannot {what} {}: {e}", path.display()))
}

/// Makes a folder with all above it.
///
/// # Errors
/// When that is not possible.
pub fn make_dir(path: &Path) -> Result<(), String> {
    io("create", path, std::fs::create_dir_all(path))
}

/// Writes a file.
///
/// # Errors
/// When that is not possible.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    io("write", path, std::fs::write(path, text))
}

fn copy_tree(from: &Path, to: &Path, depth: usize) -> Result<(), String> {
    make_dir(to)?;
    for entry in io("read", from, std::fs::read_dir(from))?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            // Links in a circle end somewhere.
            if depth < 32 {
                copy_tree(&source, &target, depth + 1)?;
            }
        } else if source.is_file() {
            io("copy", &source, std::fs::copy(&source, &target))?;
        }
    }
    Ok(())
}

/// `networks.cfg` as a script.
///
/// # Errors
/// A line that is no network.
pub fn local_networks(text: &str) -> Result<String, String> {
    let mut out = String::from("# Written by tapirctl from networks.cfg.\n\nredef Site::local_nets += {\n");
    for (i, line) in text.lines().enumerate() {
        let (line, comment) = line.split_once('#').unwrap_or((line, ""));
        let mut words = line.split_whitespace();
        let Some(net) = words.next() else { continue };
        let valid = net.split_once('/').is_some_and(|(ip, width)| {
            let ip = ip.parse::<std::net::IpAddr>();
            let max = if ip.as_ref().is_ok_and(|i| i.is_ipv6()) {
                128
            } else {
                32
            };
            ip.is_ok() && width.parse::<u8>().is_ok_and(|w| w <= max)
        });
        if !valid {
            return Err(format!("networks.cfg, line {}: '{net}' is no network", i + 1));
        }
        let net = match net.split_once('/') {
            Some((ip, width)) if ip.contains(':') => format!("[{ip}]/{width}"),
            _ => net.to_string(),
        };
        let tag = words.collect::<Vec<_>>().join(" ");
        let note = if tag.is_empty() {
            comment.trim().to_string()
        } else {
            tag
        };
        let _ = writeln!(
            out,
            "\t{net},{}",
            if note.is_empty() {
                String::new()
            } else {
                format!("\t# {note}")
            }
        );
    }
    out.push_str("};\n");
    Ok(out)
}

/// The settings that options make, as a script.
fn settings(options: &Options, nodes: &[Node], layout: &tapir_operate::Layout, seed: &str, archiver: &Path) -> String {
    let mut out = String::from("# Written by tapirctl from its configuration; changes are lost.\n\n");
    out.push_str(
        "@load policy/frameworks/control/controllee\n@load policy/misc/loaded-scripts\n@load ./local-networks\n\n",
    );
    let mut set = |name: &str, value: String| {
        let _ = writeln!(out, "redef {name} = {value};");
    };
    // Questions come through the cluster or the WebSocket API.
    set("Control::controllee_listen", "F".into());
    set("Notice::mail_dest", quoted(&options.get("MailTo")));
    set("Notice::mail_dest_pretty_printed", quoted(&options.get("MailAlarmsTo")));
    set("Notice::sendmail", quoted(&options.get("SendMail")));
    set("Notice::mail_subject_prefix", quoted(&options.get("MailSubjectPrefix")));
    set("Notice::mail_from", quoted(&options.get("MailFrom")));
    set("Pcap::snaplen", options.number("PcapSnaplen").to_string());
    set("Pcap::bufsize", options.number("PcapBufsize").to_string());
    set("Cluster::default_store_dir", quoted(&options.get("DefaultStoreDir")));
    set("global_hash_seed", quoted(seed));
    if !options.flag("PrivateAddressSpaceIsLocal") {
        set("Site::private_address_space_is_local", "F".into());
    }
    let in_flight = options.number("CompressLogsInFlight");
    if in_flight > 0 {
        set("LogAscii::gzip_level", in_flight.to_string());
    }
    let extract = options.get("FileExtractDir");
    let _ = writeln!(
        out,
        "redef FileExtract::prefix = fmt(\"%s/%s\", {}, Cluster::node == \"\" ? \"standalone\" : Cluster::node);",
        quoted(&extract)
    );
    let loggers = nodes.iter().any(|n| n.kind == Kind::Logger);
    let writer = if loggers { "Cluster::LOGGER" } else { "Cluster::MANAGER" };
    let _ = writeln!(
        out,
        "\n@if ( ! Cluster::is_enabled() || Cluster::local_node_type() == {writer} )\n\
         redef Log::default_rotation_interval = {}sec;\n\
         redef Log::default_mail_alarms_interval = {}sec;\n\
         redef Log::default_rotation_postprocessor_cmd = {};\n@else\n\
         redef Log::default_rotation_interval = 0sec;\nredef Log::default_rotation_postprocessor_cmd = \"\";\n@endif\n",
        options.number("LogRotationInterval"),
        options.number("MailAlarmsInterval"),
        quoted(&archiver.to_string_lossy()),
    );
    out.push_str(&layout.endpoints());
    if options.flag("UseWebSocket") {
        let _ = writeln!(
            out,
            "\n@if ( getenv(\"ZEEKCTL_DISABLE_LISTEN\") == \"\" && \
             ( ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER ) )\n\
             event zeek_init()\n\t{{\n\tCluster::listen_websocket(Cluster::WebSocketServerOptions($listen_addr={}, \
             $listen_port={}/tcp));\n\t}}\n@endif",
            options.get("WebSocketHost"),
            options.number("WebSocketPort"),
        );
    }
    let metrics = options.number("MetricsPort");
    let _ = writeln!(
        out,
        "\n@if ( Telemetry::metrics_address == \"\" )\nredef Telemetry::metrics_address = {};\n@endif",
        quoted(&options.get("MetricsAddress"))
    );
    if metrics > 0 && nodes.iter().any(|n| n.kind == Kind::Standalone) {
        let _ = writeln!(
            out,
            "@if ( getenv(\"ZEEKCTL_DISABLE_LISTEN\") == \"\" )\nredef Telemetry::metrics_port = {metrics}/tcp;\n@endif"
        );
    }
    out
}

/// All generated scripts, by name.
///
/// # Errors
/// Wrong networks, hosts without addresses.
pub fn scripts(options: &Options, nodes: &[Node], seed: &str) -> Result<Vec<(String, String)>, String> {
    let layout = nodes::layout(nodes, options)?;
    let archiver = options.path("SpoolDir").join("archive-log");
    let networks = options.path("CfgDir").join("networks.cfg");
    let text = std::fs::read_to_string(&networks).unwrap_or_default();
    let mut out = vec![
        ("local-networks.zeek".to_string(), local_networks(&text)?),
        (
            CONFIG.into(),
            settings(options, nodes, &layout, seed, &archiver) + &curve::settings(options, nodes)?,
        ),
    ];
    if nodes.iter().all(|n| n.kind != Kind::Standalone) {
        out.push(("cluster-layout.zeek".into(), layout.script()));
    }
    Ok(out)
}

/// Writes all generated scripts into a folder.
///
/// # Errors
/// As [`scripts`], and folders that cannot be written.
pub fn generate(options: &Options, nodes: &[Node], seed: &str, to: &Path) -> Result<(), String> {
    make_dir(to)?;
    scripts(options, nodes, seed)?
        .iter()
        .try_for_each(|(name, text)| write(&to.join(name), text))
}

/// Takes generated scripts over and makes what nodes need on this host: folders, and the program that archives logs. The
/// site's scripts are gone after it.
///
/// # Errors
/// Where something is in the way.
pub fn settle(options: &Options, files: &[(&str, &str)], own: &Path) -> Result<(), String> {
    let spool = options.path("SpoolDir");
    let (site, auto) = folders(&spool);
    let root = spool.join(INSTALLED);
    if root.exists() {
        io("remove", &root, std::fs::remove_dir_all(&root))?;
    }
    for dir in [&site, &auto, &options.path("LogDir"), &spool.join("tmp")] {
        make_dir(dir)?;
    }
    for (name, text) in files {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(format!("'{name}' is no name of a script"));
        }
        write(&auto.join(name), text)?;
    }
    // There are keys in it.
    use std::os::unix::fs::PermissionsExt;
    let secret = std::fs::Permissions::from_mode(0o600);
    io("change", &auto, std::fs::set_permissions(auto.join(CONFIG), secret))?;
    let archiver = spool.join("archive-log");
    let line = format!(
        "#!/bin/sh\n# Written by tapirctl: puts a rotated log into the archive.\nexec '{}' --base '{}' archive-log \"$@\"\n",
        own.display(),
        options.get("ZeekBase")
    );
    write(&archiver, &line)?;
    io(
        "change",
        &archiver,
        std::fs::set_permissions(&archiver, std::fs::Permissions::from_mode(0o755)),
    )?;
    let mut shell = String::new();
    for (name, value) in options.all() {
        let name: String = name.to_ascii_lowercase().replace(['.', '-'], "_");
        let _ = writeln!(shell, "{name}=\"{value}\"");
    }
    write(&spool.join("zeekctl-config.sh"), &shell)
}

/// Installs everything on this host: generated scripts, those of the site, and the program that archives logs.
///
/// # Errors
/// Where something is in the way.
pub fn install(options: &Options, nodes: &[Node], seed: &str, own: &Path) -> Result<(), String> {
    let spool = options.path("SpoolDir");
    let scripts = scripts(options, nodes, seed)?;
    let files: Vec<(&str, &str)> = scripts.iter().map(|(n, t)| (&**n, &**t)).collect();
    settle(options, &files, own)?;
    let (site, _) = folders(&spool);
    for dir in options.get("SitePolicyPath").split(':').filter(|d| !d.is_empty()) {
        let dir = Path::new(dir);
        if dir.is_dir() {
            copy_tree(dir, &site, 0)?;
        }
    }
    let current = options.path("LogDir").join("current");
    let _ = std::fs::remove_file(&current);
    let first = nodes.iter().find(|n| n.kind == Kind::Logger).or_else(|| {
        nodes
            .iter()
            .find(|n| matches!(n.kind, Kind::Manager | Kind::Standalone))
    });
    if let Some(n) = first.filter(|n| n.is_local()) {
        let target = spool.join(&n.name);
        make_dir(&target)?;
        io("link", &current, std::os::unix::fs::symlink(&target, &current))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_become_a_script() {
        let text = local_networks("10.0.0.0/8 inside\n# all\nfe80::/10\n").unwrap();
        assert!(text.contains("10.0.0.0/8,\t# inside") && text.contains("[fe80::]/10,"));
        assert!(local_networks("10.0.0.0/40").is_err());
        assert!(local_networks("somewhere").is_err());
    }
}
