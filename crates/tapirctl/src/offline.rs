//! Running the configuration without touching nodes: the check of scripts, the list of what they load, and a capture through
//! all of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::config::Options;
use crate::install;
use crate::nodes::{Kind, Node};
use crate::process;

/// A folder for a run, with fresh generated scripts; it is removed with this.
pub struct Trial<'a> {
    options: &'a Options,
    dir: PathBuf,
    keep: bool,
}

impl<'a> Trial<'a> {
    /// A new folder below `tmp`.
    ///
    /// # Errors
    /// Wrong networks, hosts without addresses, folders that cannot be written.
    pub fn new(options: &'a Options, nodes: &[Node], seed: &str, name: &str) -> Result<Self, String> {
        let dir = options.path("SpoolDir").join("tmp").join(name);
        let _ = std::fs::remove_dir_all(&dir);
        install::generate(options, nodes, seed, &dir)?;
        Ok(Trial {
            options,
            dir,
            keep: false,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves the folder where it is.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    fn command(&self, env: Vec<(String, String)>) -> Command {
        let mut c = Command::new(self.options.get("Zeek"));
        c.envs(env)
            .env("ZEEKCTL_DISABLE_LISTEN", "1")
            .stdin(std::process::Stdio::null())
            .current_dir(&self.dir);
        c
    }

    fn output(&self, c: &mut Command) -> Result<Output, String> {
        c.output()
            .map_err(|e| format!("cannot run {}: {e}", self.options.get("Zeek")))
    }

    /// Has a node's scripts checked as they would be installed.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn check(&self, node: &Node) -> Result<Output, String> {
        let site = self.options.get("SitePolicyPath");
        let env = process::variables(self.options, node, Path::new(&site), &self.dir)?;
        let mut c = self.command(env);
        c.args(process::arguments(self.options, node, true))
            .env("ZEEKCTL_CHECK_CONFIG", "1");
        self.output(&mut c)
    }

    /// Has a node load its scripts, installed ones or those of the site, and list them. Gives the list.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn scripts(&self, node: &Node, installed: bool) -> Result<(Output, String), String> {
        let site = self.options.get("SitePolicyPath");
        let folders = install::folders(&self.options.path("SpoolDir"));
        let (site, auto) = if installed {
            folders
        } else {
            (PathBuf::from(site), self.dir.clone())
        };
        let env = process::variables(self.options, node, &site, &auto)?;
        let mut c = self.command(env);
        // As for a check, but up to the list of what was loaded, which is written at once.
        c.args(
            process::arguments(self.options, node, true)
                .into_iter()
                .filter(|a| a != "-a"),
        )
        .args(["-e", "event zeek_init() &priority=-1000 { terminate(); }"])
        .arg("Log::enable_local_logging=T")
        .arg("Log::enable_remote_logging=F")
        .arg("Log::default_rotation_interval=0sec")
        .env("ZEEKCTL_CHECK_CONFIG", "1");
        let out = self.output(&mut c)?;
        let list = std::fs::read_to_string(self.dir.join("loaded_scripts.log")).unwrap_or_default();
        Ok((out, list))
    }

    /// Runs a capture through the scripts of the site, with more options and scripts. Gives whether it went well; what the
    /// program says is shown as it comes.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn process(&self, node: &Node, trace: &Path, options: &[String], scripts: &[String]) -> Result<bool, String> {
        let site = self.options.get("SitePolicyPath");
        // One process does the work of all nodes.
        let alone = Node {
            kind: Kind::Standalone,
            ..node.clone()
        };
        let env = process::variables(self.options, &alone, Path::new(&site), &self.dir)?;
        let mut c = self.command(env);
        c.env("CLUSTER_NODE", "").arg("-r").arg(trace).args(options);
        let args = process::arguments(self.options, &alone, true);
        c.args(args.into_iter().filter(|a| a != "-a"))
            .args(scripts)
            .arg("Log::default_rotation_interval=0sec");
        let status = c
            .status()
            .map_err(|e| format!("cannot run {}: {e}", self.options.get("Zeek")))?;
        Ok(status.success())
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
