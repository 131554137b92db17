//! A capture read by several workers: a whole cluster in one process.
//!
//! One thread reads the capture and shares it out; each worker, the manager (which also is the logger) and a proxy are
//! engines on threads of their own, joined by a hub. Scripts see a cluster as any other; what travels between the nodes is
//! never lost, however long it takes.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tapir_cluster::{Backend, Hub, HubConfig, InboxLimits};

use crate::config::{Config, Input};
use crate::engine::{self, Place};
use crate::feed::{Dispatcher, Feed};

/// The machine's frames of deeply nested calls live on the thread's stack; as much as the main thread usually has.
const STACK: usize = 64 << 20;
/// Rows wait for the manager for as long as it lives.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Events that may wait for one node; the reader's short queues keep it far below.
const EVENTS: usize = 1 << 20;

/// Tells the reader when every node has started, or that one of them could not.
#[derive(Default)]
pub struct Start {
    /// Nodes that are ready, and whether one of them ended.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
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
struct Ending(Arc<Start>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// The names of the nodes but the workers, in the order in which they start.
const MANAGER: &str = "manager";
const PROXY: &str = "proxy-1";

fn layout(workers: usize) -> String {
    let mut text = format!(
        "redef Cluster::manager_is_logger = T;\n\
         redef Cluster::nodes = {{\n\
         [\"{MANAGER}\"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1],\n\
         [\"{PROXY}\"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $manager=\"{MANAGER}\"],\n"
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
    fn spawn(&mut self, name: String, backend: Box<dyn Backend>, feed: Feed) -> std::io::Result<JoinHandle<u8>> {
        let mut config = self.config.clone();
        config.environment.push(("CLUSTER_NODE".into(), name.clone()));
        config.texts.push(("cluster-layout.zeek".into(), self.layout.clone()));
        config.node_index = self.begun;
        self.begun += 1;
        let start = self.start.clone();
        let peers = self.n_nodes - 1;
        let has_packets = name.starts_with("worker");
        std::thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
            let place = Place {
                backend,
                feed,
                has_packets,
                start: start.clone(),
                peers,
            };
            let _ending = Ending(start);
            engine::run_in(&config, place)
        })
    }
}

/// Reads a capture with the number of workers that the configuration says. Gives the exit status of the process.
pub fn run(config: &Config) -> u8 {
    let begun = Instant::now();
    let status = match start_and_read(config, config.workers) {
        Ok(status) => status,
        Err(e) => {
            eprintln!("fatal error: {e}");
            1
        }
    };
    if config.print_times {
        eprintln!("# total time: {:.3} s", begun.elapsed().as_secs_f64());
    }
    status
}

fn start_and_read(config: &Config, workers: usize) -> Result<u8, String> {
    let Some(Input::Capture(path)) = &config.input else {
        return Err("several workers need a capture to read; for an interface use 'tapir cluster'".into());
    };
    if config.write_file.is_some() {
        return Err("-w and --workers do not go together: the packets are spread over the workers".into());
    }
    let mut source =
        tapir_packet::open_capture(path).map_err(|e| format!("problem with trace file {} ({e})", path.display()))?;
    let hub = Hub::with(HubConfig {
        limits: InboxLimits {
            events: EVENTS,
            ..InboxLimits::default()
        },
        log_patience: PATIENCE,
    });
    let (mut dispatcher, feeds, mut others) = Dispatcher::new(workers, 2);
    let mut node_config = config.clone();
    node_config.workers = 1;
    node_config.scripts.push("frameworks/cluster/backend/inproc".into());
    node_config.said = Some(Arc::new(Mutex::new(HashSet::new())));
    node_config.stores = Some(Arc::default());
    tapir_packet::signals::install();
    let mut cluster = Cluster {
        config: node_config,
        layout: layout(workers),
        start: Arc::default(),
        begun: 0,
        n_nodes: workers + 2,
    };
    let cannot = |e: std::io::Error| format!("cannot start a thread: {e}");
    let (proxy_feed, manager_feed) = (others.pop(), others.pop());
    let (Some(proxy_feed), Some(manager_feed)) = (proxy_feed, manager_feed) else {
        return Err("two queues were asked for".into());
    };
    let manager = cluster
        .spawn(MANAGER.into(), hub.logger(MANAGER), manager_feed)
        .map_err(cannot)?;
    let proxy = cluster
        .spawn(PROXY.into(), hub.node(PROXY), proxy_feed)
        .map_err(cannot)?;
    let mut threads = Vec::new();
    for (i, feed) in feeds.into_iter().enumerate() {
        let name = format!("worker-{}", i + 1);
        let backend = hub.node(&name);
        threads.push(cluster.spawn(name, backend, feed).map_err(cannot)?);
    }
    let start = cluster.start.clone();
    let mut status = 0;
    if start.wait(cluster.n_nodes) {
        let keep_on = || !tapir_packet::signals::stop_requested();
        if let Err(e) = dispatcher.run(&mut *source, keep_on) {
            eprintln!("fatal error: {e}");
            status = 1;
        }
    }
    // Workers end first, so that the proxy and then the manager hear all that they have to say.
    let mut join = |thread: JoinHandle<u8>| {
        let name = thread.thread().name().unwrap_or("?").to_string();
        match thread.join() {
            Ok(code) => status = status.max(code),
            Err(_) => {
                eprintln!("fatal error: {name} stopped unexpectedly; its newest log lines may be missing");
                status = 1;
            }
        }
    };
    dispatcher.end_workers();
    threads.into_iter().for_each(&mut join);
    dispatcher.end_other(1);
    join(proxy);
    dispatcher.end_other(0);
    join(manager);
    Ok(status)
}
