//! A capture or an interface read by several workers: a whole cluster in one process.
//!
//! Each worker, the manager (which also is the logger) and a proxy are engines on threads of their own, joined by a hub.
//! Scripts see a cluster as any other. A capture is read by every worker, which analyses its share, and what travels between
//! the nodes is never lost, however long it takes; an interface is watched by one thread that shares packets out, waits for
//! nobody, and counts what finds no room.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tapir_cluster::{Backend, Hub, HubConfig, InboxLimits};
#[cfg(target_os = "linux")]
use tapir_packet::live::{LiveOptions, LiveSource};

#[cfg(target_os = "linux")]
use crate::config;
use crate::config::{Config, Input};
use crate::dump;
use crate::engine::{self, Part, Place};
#[cfg(target_os = "linux")]
use crate::feed::LiveDispatcher;
use crate::feed::{Ends, Feed, GONE, Guide, Progress};
use crate::load::SharedProgram;

/// The machine's frames of deeply nested calls live on the thread's stack; as much as the main thread usually has.
const STACK: usize = 64 << 20;
/// Rows wait for the manager for as long as it lives.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Events that may wait for one node; workers that wait for each other keep it far below.
const EVENTS: usize = 1 << 20;

/// Tells the reader when every node has started, or that one of them could not.
#[derive(Default)]
pub struct Start {
    /// Nodes that are ready, and whether one of them ended.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
    /// A script has ended the run, for all nodes.
    halted: AtomicBool,
    /// How far all nodes have come in a capture.
    pub progress: Progress,
    /// How to watch an interface.
    #[cfg(target_os = "linux")]
    options: Mutex<Option<LiveOptions>>,
}

impl Start {
    fn change(&self, f: impl FnOnce(&mut (usize, bool))) {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// A node has run `zeek_init` and knows the others.
    pub fn ready(&self) {
        self.change(|(ready, _)| *ready += 1);
    }

    /// Ends the run: a script of one of the nodes said so.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// Whether a script has ended the run.
    pub fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Says how scripts want the interface to be watched; all workers' say the same.
    #[cfg(target_os = "linux")]
    pub fn watch_with(&self, options: LiveOptions) {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner) = Some(options);
    }

    /// A node has ended.
    fn ended(&self) {
        self.change(|(_, ended)| *ended = true);
    }

    /// Waits for all of `n` nodes; false when one has ended instead.
    fn wait(&self, n: usize) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self
            .changed
            .wait_while(state, |(ready, ended)| *ready < n && !*ended)
            .unwrap_or_else(PoisonError::into_inner);
        !state.1
    }
}

/// Says that a node has ended, however it did.
struct Ending(Arc<Start>, usize);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended();
        self.0.progress.reached(self.1, GONE);
    }
}

/// The names of the nodes but the workers, in the order in which they start.
const MANAGER: &str = "manager";
const PROXY: &str = "proxy-1";

/// The scripts' layout of the cluster.
pub(crate) fn layout(workers: usize, acts_as_one: bool) -> String {
    let mut text = format!(
        "redef Cluster::manager_is_logger = T;\n\
         redef Cluster::has_one_program = T;\n\
         redef Cluster::acts_as_one = {};\n\
         redef Cluster::nodes = {{\n\
         [\"{MANAGER}\"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1],\n\
         [\"{PROXY}\"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $manager=\"{MANAGER}\"],\n",
        if acts_as_one { "T" } else { "F" }
    );
    for i in 1..=workers {
        text.push_str(&format!(
            "[\"worker-{i}\"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1, $manager=\"{MANAGER}\"],\n"
        ));
    }
    text.push_str("};\n");
    text
}

struct Cluster {
    config: Config,
    layout: String,
    start: Arc<Start>,
    begun: u32,
    n_nodes: usize,
}

impl Cluster {
    fn spawn(&mut self, name: &str, backend: Box<dyn Backend>, (feed, part): Fed) -> Result<JoinHandle<u8>, String> {
        let name = name.to_string();
        let mut config = self.config.clone();
        #[cfg(target_os = "linux")]
        if let Part::Serves = part {
            config.input = None;
        }
        config.environment.push(("CLUSTER_NODE".into(), name.clone()));
        config.texts.push(("cluster-layout.zeek".into(), self.layout.clone()));
        config.node_index = self.begun;
        if let Some(trace) = &mut config.trace_file {
            trace.as_mut_os_string().push(format!(".{name}"));
        }
        config.writes_parts = true;
        for file in [&mut config.write_file, &mut config.unprocessed_file]
            .into_iter()
            .flatten()
        {
            *file = dump::part(file, &name);
        }
        self.begun += 1;
        let start = self.start.clone();
        let peers = self.n_nodes - 1;
        // Workers tell the proxy and the manager, and the proxy tells the manager.
        let rank = match config.node_index as usize {
            // In the order of their starts: the manager, the proxy, workers.
            i @ (0 | 1) => self.n_nodes - 1 - i,
            i => i - 2,
        };
        let thread = std::thread::Builder::new().name(name).stack_size(STACK);
        let spawned = thread.spawn(move || {
            let place = Place {
                backend,
                feed,
                part,
                start: start.clone(),
                peers,
                rank,
            };
            let _ending = Ending(start, rank);
            engine::run_in(&config, place)
        });
        spawned.map_err(|e| format!("cannot start a thread: {e}"))
    }
}

/// What feeds a node, and what the node does with it.
type Fed = (Feed, Part);

/// The nodes of a cluster on their threads.
struct Running {
    config: Config,
    start: Arc<Start>,
    n_nodes: usize,
    workers: Vec<JoinHandle<u8>>,
    proxy: JoinHandle<u8>,
    manager: JoinHandle<u8>,
}

impl Running {
    /// Starts all nodes.
    fn begin(config: &Config, hub: &Hub, workers: Vec<Fed>, [manager, proxy]: [Fed; 2]) -> Result<Self, String> {
        let mut config = config.clone();
        config.workers = 1;
        config.said = Some(Arc::new(Mutex::new(HashSet::new())));
        config.stores = Some(Arc::default());
        config.shared_profile = config.profile.as_ref().map(|_| Arc::default());
        if config.save_seeds.is_some() {
            // All nodes begin with the same, from which each makes its own.
            crate::load::seeds(&config)?;
            config.load_seeds = config.save_seeds.take();
        }
        tapir_packet::signals::install();
        let n_nodes = workers.len() + 2;
        let mut cluster = Cluster {
            layout: layout(workers.len(), matches!(config.input, Some(Input::Capture(_)))),
            config,
            start: Arc::new(Start {
                progress: Progress::new(n_nodes),
                ..Start::default()
            }),
            begun: 0,
            n_nodes,
        };
        let config = cluster.config.clone();
        // What nodes read is the same, as far as their scripts do not ask what they are. Those that do ask for the manager most
        // of the time, and not for the names of workers.
        cluster.config.programs = vec![SharedProgram::default()];
        let manager = cluster.spawn(MANAGER, hub.logger(MANAGER), manager)?;
        cluster.config.programs.push(SharedProgram::default());
        let proxy = cluster.spawn(PROXY, hub.node(PROXY), proxy)?;
        cluster.config.programs.push(SharedProgram::default());
        let mut threads = Vec::new();
        for (i, fed) in workers.into_iter().enumerate() {
            let name = format!("worker-{}", i + 1);
            threads.push(cluster.spawn(&name, hub.node(&name), fed)?);
        }
        Ok(Running {
            config,
            start: cluster.start,
            n_nodes,
            workers: threads,
            proxy,
            manager,
        })
    }

    /// Waits until all nodes know each other; false when one has ended instead.
    fn is_ready(&self) -> bool {
        self.start.wait(self.n_nodes)
    }

    /// Ends all nodes. Gives the worst exit status.
    fn end(self, leader: &mut dyn Ends) -> u8 {
        let mut status = 0;
        let config = self.config;
        let workers: Vec<_> = self.workers.iter().map(name_of).collect();
        // Workers end first, so that the proxy and then the manager hear all that they have to say.
        let mut join = |thread: JoinHandle<u8>| {
            let name = name_of(&thread);
            match thread.join() {
                Ok(code) => status = status.max(code),
                Err(_) => {
                    eprintln!("fatal error: {name} stopped unexpectedly; its newest log lines may be missing");
                    status = 1;
                }
            }
        };
        leader.end_workers();
        self.workers.into_iter().for_each(&mut join);
        leader.end_other(1);
        join(self.proxy);
        leader.end_other(0);
        join(self.manager);
        status.max(finish_files(&config, &workers))
    }
}

fn name_of(thread: &JoinHandle<u8>) -> String {
    thread.thread().name().unwrap_or("?").to_string()
}

/// Makes files for the user of what the nodes have left. Gives the exit status.
fn finish_files(config: &Config, workers: &[String]) -> u8 {
    let mut status = 0;
    let mut complain = |what: String| {
        eprintln!("error: {what}");
        status = 1;
    };
    for file in [&config.write_file, &config.unprocessed_file].into_iter().flatten() {
        let parts: Vec<PathBuf> = workers.iter().map(|name| dump::part(file, name)).collect();
        if let Err(e) = dump::join(file, &parts) {
            complain(format!(
                "{}: the packets of the workers cannot be put together: {e}",
                file.display()
            ));
        }
    }
    if let (Some(all), Some(path)) = (&config.shared_profile, &config.profile) {
        all.write(path).unwrap_or_else(complain);
    }
    status
}

/// Reads packets with the number of workers that the configuration says. Gives the exit status of the process.
pub fn run(config: &Config) -> u8 {
    let begun = Instant::now();
    engine::tell_status(config, "INITIALIZING");
    let done = match &config.input {
        Some(Input::Capture(path)) => read(config, path),
        #[cfg(target_os = "linux")]
        Some(Input::Interface(name)) => watch(config, name),
        #[cfg(not(target_os = "linux"))]
        Some(Input::Interface(name)) => Err(format!("cannot watch {name}: interfaces need Linux")),
        None => Err("several workers need a capture to read (-r) or an interface to watch (-i)".into()),
    };
    let status = done.unwrap_or_else(|e| {
        eprintln!("fatal error: {e}");
        1
    });
    engine::tell_status(config, "TERMINATED");
    if config.print_times {
        eprintln!("# total time: {:.3} s", begun.elapsed().as_secs_f64());
    }
    status
}

fn no_queue() -> String {
    "two queues were asked for".into()
}

/// Reads a capture.
fn read(config: &Config, path: &Path) -> Result<u8, String> {
    let (mut guide, workers, others) =
        Guide::new(path, config.workers, 2).map_err(|e| format!("problem with trace file {} ({e})", path.display()))?;
    let hub = Hub::with(HubConfig {
        limits: InboxLimits {
            events: EVENTS,
            ..InboxLimits::default()
        },
        log_patience: PATIENCE,
    });
    let mut config = config.clone();
    config.link_type = guide.link_type;
    // Before the scripts of the user, who may want to change what it says.
    config
        .scripts
        .insert(0, "frameworks/cluster/backend/inproc/capture".into());
    config.scripts.push("frameworks/cluster/backend/inproc".into());
    let workers = workers.into_iter();
    let workers = workers
        .map(|(feed, seat)| (feed, Part::Reads(Box::new(seat))))
        .collect();
    let others: Vec<_> = others.into_iter().map(|feed| (feed, Part::KeepsTime)).collect();
    let others = others.try_into().map_err(|_| no_queue())?;
    let running = Running::begin(&config, &hub, workers, others)?;
    if running.is_ready() {
        engine::tell_status(&config, "RUNNING");
        guide.run();
    }
    engine::tell_status(&config, "TERMINATING");
    Ok(running.end(&mut guide))
}

/// Watches an interface until a signal ends it.
#[cfg(target_os = "linux")]
fn watch(config: &Config, name: &str) -> Result<u8, String> {
    let (name, _) = config::interface(name).map_err(|e| format!("problem with interface {name} ({e})"))?;
    // Nobody waits for anybody here, as between processes: the limits are the usual ones.
    let hub = Hub::new();
    let mut config = config.clone();
    // Before the scripts of the user, who may want to change what it says.
    config
        .scripts
        .insert(0, "frameworks/cluster/backend/inproc/live".into());
    config.scripts.push("frameworks/cluster/backend/inproc".into());
    let (mut dispatcher, workers, others) = LiveDispatcher::new(config.workers, 2);
    let workers = workers
        .into_iter()
        .map(|(feed, losses)| (feed, Part::Watches(losses)))
        .collect();
    let others: Vec<_> = others.into_iter().map(|feed| (feed, Part::Serves)).collect();
    let others = others.try_into().map_err(|_| no_queue())?;
    let running = Running::begin(&config, &hub, workers, others)?;
    let mut status = 0;
    if running.is_ready() {
        let options = running
            .start
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let watched = LiveSource::open(name, &options.unwrap_or_default()).and_then(|mut source| {
            // Not before: who waits for this sends packets next.
            engine::tell_status(&config, "RUNNING");
            dispatcher.run(&mut source, || {
                !tapir_packet::signals::stop_requested()
                    && !running.start.is_halted()
                    && !engine::is_orphan(config.parent)
            })
        });
        if let Err(e) = watched {
            eprintln!("fatal error: problem with interface {name} ({e})");
            status = 1;
        }
    }
    engine::tell_status(&config, "TERMINATING");
    Ok(status.max(running.end(&mut dispatcher)))
}
