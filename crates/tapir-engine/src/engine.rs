//! The main loop: start-up, packets, timers, shutdown.

mod aside;
mod fed;
#[cfg(target_os = "linux")]
mod live;
mod patience;

pub use fed::{Part, Place, run_in};

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tapir_analyzers::core::Shared;
use tapir_builtins::dns;
use tapir_data::value::Value;
use tapir_flow::{Conn, FlowTable, Options as FlowOptions, UidGenerator};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_interface::{events, records, slots};
use tapir_packet::{Filter, RawPacket, Sharer, Source, SourceError, Weirds};
use tapir_vm::Severity;

use self::aside::Aside;
use self::patience::NamePatience;
use crate::bif::conn_log;
use crate::config::{Config, Input};
use crate::contents::Contents;
use crate::core::{SharedCore, with_queue};
use crate::dump::Dumper;
use crate::files::{FileBridge, InPacket};
use crate::lazy::Fresh;
use crate::load::Loaded;
use crate::net::{ConnExt, Net};
use crate::node::KeptPacket;
use crate::sigs::SigBridge;
use crate::sink::{Discarder, Sink};
use crate::weirds::Sampler;
use crate::{cluster, lazy, load, logs, options, script, tags, weirds};

/// One node.
pub struct Engine {
    core: SharedCore,
    /// Stands in for the machine's queue while a packet is processed.
    spare: EventQueue,
    sampler: Rc<RefCell<Sampler>>,
    contents: Contents,
    packet_tags: HashMap<String, Value>,
    timing_out: Option<Value>,
    discarders: Rc<Discarders>,
    started: bool,
    weirds: Weirds,
    n_packets: u64,
    n_bytes: u64,
    /// At which packet of a capture that several read the network time has come to its own, whoever's packet it was.
    stepped: u64,
    filter: Option<Filter>,
    /// Connections that the packet at hand has begun.
    fresh: Fresh,
    /// The state of the queue's wishes that the flow table knows.
    wants_changes: Option<u32>,
    /// Whose packets are for other workers: where packets are shared out, and the share that is this node's.
    share: Option<(Sharer, usize)>,
    parent: Option<u32>,
    /// Where packets go that nothing takes.
    unprocessed: Option<Dumper>,
    /// Where packets go that are analysed.
    written: Option<Dumper>,
    /// Whether those are all, whatever scripts say (`record_all_packets`).
    writes_all: bool,
    /// What else scripts have done with packets.
    aside: Aside,
    /// Whether signals and `terminate()` end this node, or it is told when to end.
    ends_itself: bool,
    /// What the nodes of this process share, and this one's place among them.
    group: Option<(std::sync::Arc<crate::parallel::Start>, usize)>,
}

/// Tells those who operate the node how far it is, where they asked for it with `--status-file`.
pub(crate) fn tell_status(config: &Config, status: &str) {
    if let Some(path) = &config.status_file {
        if let Err(e) = std::fs::write(path, format!("{status} [main]\n")) {
            complain(&format!(
                "warning: cannot write the status file {}: {e}",
                path.display()
            ));
        }
    }
}

/// Whether the process that looks after this one has ended, if there was one.
pub(crate) fn is_orphan(parent: Option<u32>) -> bool {
    let now = || rustix::process::getppid().map_or(0, |p| p.as_raw_nonzero().get() as u32);
    parent.is_some_and(|parent| now() != parent)
}

/// Loads, runs and ends a node. Gives the exit status of the process.
pub fn run(config: &Config) -> u8 {
    // What ends before packets are read needs no cluster.
    let only_looks =
        config.parse_only || config.print_id.is_some() || config.list_plugins > 0 || config.disassemble.is_some();
    if config.workers > 1 && !only_looks {
        return crate::parallel::run(config);
    }
    run_with(config, None)
}

/// The same for a node of a cluster that reaches the others through a given backend, instead of the one that its scripts
/// choose.
pub fn run_with(config: &Config, backend: Option<Box<dyn tapir_cluster::Backend>>) -> u8 {
    let begun = Instant::now();
    tell_status(config, "INITIALIZING");
    let status = match load::load(config) {
        Err(status) => status,
        Ok(loaded) => match Engine::new(config, loaded) {
            Err(status) => status,
            Ok(mut engine) => {
                if let Some(backend) = backend {
                    engine.core.borrow_mut().host.cluster.offer(backend);
                }
                engine.run(config)
            }
        },
    };
    tell_status(config, "TERMINATED");
    if config.print_times {
        eprintln!("# total time: {:.3} s", begun.elapsed().as_secs_f64());
    }
    status
}

/// The `discarder_check_*` functions that scripts define.
struct Discarders {
    /// In the order of [`Discarder`].
    functions: [Option<Value>; 4],
    /// Bytes of payload that they are shown (`discarder_maxlen`).
    max_len: usize,
}

impl Discarders {
    fn find(vm: &mut tapir_vm::Vm) -> Self {
        let functions = ["ip", "tcp", "udp", "icmp"].map(|kind| {
            let f = script::function(vm, &format!("discarder_check_{kind}"))?;
            script::has_bodies(vm, &f).then_some(f)
        });
        let max_len = crate::globals::count(vm, "discarder_maxlen").unwrap_or(128) as usize;
        Discarders { functions, max_len }
    }

    fn any(&self) -> bool {
        self.functions.iter().any(Option::is_some)
    }
}

/// Input streams are looked at each time so many packets were processed.
const INPUT_PACKETS: u64 = 256;
/// How often they are looked at before the first packet; commands may have more to say for ever.
const INPUT_ROUNDS: usize = 100;
/// The cluster is looked at each time so many packets were processed.
const CLUSTER_PACKETS: u64 = 64;
/// Packets of other workers move the time on when it is behind them by so much, in seconds.
const FOREIGN_TIME: f64 = 0.05;
/// How long a node that ends waits for messages that may still be on their way, and how long it takes them at most.
const QUIET: Duration = Duration::from_millis(150);
const QUIET_MAX: Duration = Duration::from_secs(30);
/// How long events alone keep a node from ending.
const EVENTS_MAX: Duration = Duration::from_secs(3);
/// How long a node that reads a capture waits for others who are behind.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often, in packets, it is looked whether the parent is alive.
const ORPHAN_PACKETS: u64 = 1024;
/// Packets of a capture between two looks at the clock on the wall.
const CLOCK_PACKETS: u64 = 64;
/// Connections that are removed, or timers that fire, at the end before their events are handled.
const FINISH_PORTION: usize = 4096;
/// How long the loop rests when nothing has happened.
const IDLE: Duration = Duration::from_millis(5);
/// The same where only timers and the cluster can make something happen; the latter ends the rest.
const IDLE_IN_CLUSTER: Duration = Duration::from_millis(20);

fn complain(text: &str) {
    eprintln!("{text}");
}

impl Engine {
    fn new(config: &Config, loaded: Loaded) -> Result<Self, u8> {
        let Loaded {
            mut core,
            seeds,
            signature_files,
        } = loaded;
        let mut flow_options = FlowOptions {
            sorted_removal: seeds.fixed,
            ..FlowOptions::default()
        };
        let key = seeds.sip_key();
        flow_options.hash_seed = u64::from_le_bytes(key[..8].try_into().unwrap_or_default());
        options::flow(&core.vm, &mut flow_options);
        flow_options.ignore_checksums |= config.ignore_checksums;
        #[cfg(target_os = "linux")]
        if matches!(config.input, Some(Input::Interface(_))) {
            let mode = crate::globals::string(&core.vm, live::CHECKSUM_MODE);
            flow_options.ignore_checksums |= mode.as_deref() == Some("AF_Packet::CHECKSUM_OFF");
        }
        options::reporter(&core.vm, &mut core.host);
        core.host.node.drops_by_default = crate::globals::flag(&core.vm, "packet_filter_default") == Some(true);
        let mut shared = Shared::new();
        core.host.nodes = shared.nodes.clone();
        options::analyzers(&core.vm, &mut shared.opts);
        core.host.tag_values = tags::protocol_values(&core.vm);
        shared.tag_values = core.host.tag_values.clone();
        let no_ctx_fields = tags::record_fields(&core.vm, "conn_id_ctx") == Some(0);
        shared.empty_ctx = no_ctx_fields.then(|| records::ConnIdCtx {}.build(core.vm.queue().bindings()));
        shared.conn_sizes = crate::globals::flag(&core.vm, "use_conn_size_analyzer") != Some(false);
        shared.conn_slots = tags::record_slot(&core.vm, "connection", "conn").map_or(0, |slot| slot + 1);
        core.host.plain_ids =
            no_ctx_fields && tags::record_fields(&core.vm, "conn_id") == Some(slots::conn_id::CTX + 1);
        core.host.conn_log = conn_log::plan_of(&core.vm);
        shared.begin_record = core.host.conn_log.clone().and_then(conn_log::beginner);
        if flow_options.key_with_vlan {
            let slot = |field| tags::record_slot(&core.vm, "conn_id_ctx", field);
            shared.ctx_vlan_slots = slot("vlan").zip(slot("inner_vlan"));
        }
        core.host.connection_type = tags::type_named(&core.vm, "connection");
        core.host.record_parts = lazy::RecordParts::of(&shared);
        options::sampling(&core.vm, &mut core.host.sampler.borrow_mut());
        core.host.files.manager.set_options(options::files(&core.vm));
        let sampler = core.host.sampler.clone();
        let of_analyzers = sampler.clone();
        shared.weird_scope = Some(Box::new(move |name, now| {
            of_analyzers.borrow_mut().beyond_scopes(name.as_bytes(), now)
        }));
        let contents = options::contents(&core.vm);
        let packet_tags = tags::packet_values(&core.vm);
        if let Some(Value::Str(salt)) = core.vm.global_value("digest_salt") {
            core.host.files.set_salt(&salt);
        }
        let rules = match crate::sigs::load(&mut core.vm, &signature_files) {
            Ok((set, warnings)) => {
                warnings.iter().for_each(|w| complain(&format!("warning: {w}")));
                if config.list_rules {
                    for r in set.rules.rules() {
                        eprintln!("signature {}: {} patterns", r.id, r.patterns.len());
                    }
                }
                Rc::new(set)
            }
            Err(errors) => {
                errors.iter().for_each(|e| complain(&format!("error: {e}")));
                return Err(1);
            }
        };
        core.host.files.rules = Some(rules.clone());
        core.host.stream_policy = script::function(&mut core.vm, "Log::log_stream_policy");
        core.host.disabling_hook = script::function(&mut core.vm, "Analyzer::disabling_analyzer");
        let timing_out =
            script::function(&mut core.vm, "connection_timing_out").filter(|h| script::has_bodies(&mut core.vm, h));
        let discarders = Discarders::find(&mut core.vm);
        let uids = UidGenerator::new(
            key,
            if seeds.fixed {
                1
            } else {
                u64::from(seeds.random) << 32 | 1
            },
        );
        let mut flow: FlowTable<ConnExt> = FlowTable::new(flow_options, uids);
        let dumper = match config.writes_parts {
            true => Dumper::of_part,
            false => Dumper::new,
        };
        let connections = rules
            .rules
            .rules()
            .iter()
            .any(|r| r.patterns.iter().all(|p| p.kind != tapir_signatures::Kind::FileMagic));
        shared.detects = connections;
        flow.wants.first_packet = connections;
        flow.wants.timing_out = timing_out.is_some();
        flow.wants.discarders = discarders.any();
        flow.wants.first_packet_has_data = rules.rules.only_data_matters();
        core.host.net = Some(Box::new(Net { flow, shared }));
        core.host.said = config.said.clone();
        core.host.stores = config.stores.clone().unwrap_or_default();
        core.host.live = matches!(config.input, Some(Input::Interface(_)));
        core.host.times_in_messages = config.input.is_some();
        core.host.node.in_cluster = crate::globals::string(&core.vm, "Cluster::node").is_some_and(|n| !n.is_empty());
        core.host.ships_logs = core.host.node.in_cluster;
        if matches!(config.input, Some(Input::Capture(_))) {
            core.host.cluster.set_patience(PATIENCE);
        }
        let outgoing = &mut core.host.logs.outgoing;
        if let Some(n) = crate::globals::count(&core.vm, "Log::write_buffer_size") {
            outgoing.rows_max = n;
        }
        if let Some(s) = crate::globals::seconds(&core.vm, "Log::flush_interval") {
            outgoing.interval = s;
        }
        let writes_all = crate::globals::flag(&core.vm, "record_all_packets") == Some(true);
        let manager = core.host.files.manager.clone();
        let core: SharedCore = Rc::new(RefCell::new(core));
        if let Some(net) = &mut core.borrow_mut().host.net {
            net.shared.files = Some(Box::new(FileBridge {
                core: core.clone(),
                manager,
            }));
            net.shared.sigs = Some(Box::new(SigBridge {
                set: rules,
                core: core.clone(),
            }));
        }
        Ok(Engine {
            core,
            spare: EventQueue::new(),
            sampler,
            contents,
            packet_tags,
            timing_out,
            discarders: Rc::new(discarders),
            started: false,
            weirds: Weirds::default(),
            n_packets: 0,
            stepped: 0,
            n_bytes: 0,
            filter: None,
            share: config.share.map(|(k, n)| (Sharer::new(n), k)),
            parent: config.parent,
            ends_itself: true,
            group: None,
            fresh: Fresh::default(),
            unprocessed: config.unprocessed_file.as_deref().map(dumper),
            written: config.write_file.as_deref().map(dumper),
            writes_all,
            aside: Aside::default(),
            wants_changes: None,
        })
    }

    /// Runs something on flows and analyzers, with everything that it needs taken out of the core.
    fn with_sink<R>(&mut self, f: impl FnOnce(&mut FlowTable<ConnExt>, &mut Sink<'_>) -> R) -> Option<R> {
        let (mut net, drops, drops_by_default, lazy) = {
            let core = &mut *self.core.borrow_mut();
            std::mem::swap(core.vm.queue(), &mut self.spare);
            self.spare.set_now(core.vm.network_time());
            let net = core.host.net.take()?;
            core.host.node.flow_stats = net.flow.stats;
            let lazy = lazy::judgement(&mut core.vm, &mut core.host);
            (net, core.host.node.drops.clone(), core.host.node.drops_by_default, lazy)
        };
        let core = self.core.clone();
        let hook = self.timing_out.clone();
        let mut ask = |q: &mut EventQueue, conn: Value| match &hook {
            Some(h) => !matches!(with_queue(&core, q, |c| c.call(h, &[conn])), Some(Value::Bool(false))),
            None => true,
        };
        let core = self.core.clone();
        let discarders = self.discarders.clone();
        let mut discard = |q: &mut EventQueue, which: Discarder, header: Value, data: &[u8]| {
            let Some(f) = &discarders.functions[which as usize] else {
                return false;
            };
            let mut args = vec![header];
            if matches!(which, Discarder::Tcp | Discarder::Udp) {
                args.push(Value::Str(data[..data.len().min(discarders.max_len)].into()));
            }
            matches!(with_queue(&core, q, |c| c.call(f, &args)), Some(Value::Bool(true)))
        };
        let core = self.core.clone();
        let mut passes = |event: EventId, c: &Conn<ConnExt>| {
            core.try_borrow_mut().is_ok_and(|mut core| {
                let core = &mut *core;
                lazy::passes(&mut core.vm, &mut core.host, event, c)
            })
        };
        let Net { flow, shared } = &mut *net;
        shared.now = self.spare.now();
        if self.wants_changes != Some(self.spare.changes()) {
            self.wants_changes = Some(self.spare.changes());
            flow.wants = options::wants(&self.spare, &flow.wants);
        }
        flow.wants.packet_filter = drops_by_default || !drops.is_empty();
        flow.wants.packet_not_processed |= self.unprocessed.is_some();
        let mut sink = Sink {
            drops,
            drops_by_default,
            q: &mut self.spare,
            shared,
            sampler: &self.sampler,
            contents: &self.contents,
            packet_tags: &self.packet_tags,
            lazy,
            fresh: &mut self.fresh,
            passes: &mut passes,
            timing_out: if self.timing_out.is_some() {
                Some(&mut ask)
            } else {
                None
            },
            discarders: if self.discarders.any() {
                Some(&mut discard)
            } else {
                None
            },
            unprocessed: &mut self.unprocessed,
        };
        let result = f(flow, &mut sink);
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        std::mem::swap(core.vm.queue(), &mut self.spare);
        for change in std::mem::take(&mut core.host.deferred) {
            change(&mut net, core.vm.queue());
        }
        if !self.fresh.ids.is_empty() {
            let n = self.fresh.settle(&mut net, lazy);
            if let Some(f) = core.vm.event_func(events::NEW_CONNECTION) {
                core.vm.count_events(f, n);
            }
        }
        core.host.net = Some(net);
        Some(result)
    }

    /// Lets inputs other than packets have their turn: whether there was something, and how look-ups of names stand.
    fn poll_inputs(&mut self) -> (bool, dns::Progress) {
        let core = &mut *self.core.borrow_mut();
        let any = core.with_cx(crate::input::poll).unwrap_or(false);
        let names = dns::poll(&mut core.vm);
        (any || names.arrived > 0, names)
    }

    /// Reads what scripts want to have read from the beginning, so that the first packets find it there.
    fn read_inputs(&mut self) {
        if !self.core.borrow().host.inputs.is_active() {
            return;
        }
        for _ in 0..INPUT_ROUNDS {
            if !self.poll_inputs().0 && !self.has_queued() {
                break;
            }
            self.drain();
        }
    }

    /// Whether events wait to be handled.
    fn has_queued(&self) -> bool {
        !self.core.borrow_mut().vm.queue().is_empty()
    }

    /// Lets the cluster have its turn: whether there was something.
    fn poll_cluster(&mut self) -> bool {
        let core = &mut *self.core.borrow_mut();
        if !core.host.in_cluster() {
            core.with_cx(cluster::look_after);
            return false;
        }
        let any = core.with_cx(cluster::poll).unwrap_or(false);
        core.with_cx(logs::send_due);
        if let Some(why) = core.host.cluster.fatal.take() {
            core.vm.report(&mut core.host, Severity::Fatal, why, None);
            core.exit.get_or_insert(1);
        }
        any
    }

    /// Lets supervised nodes have their turn: whether there was something.
    fn poll_supervised(&mut self) -> bool {
        self.core.borrow_mut().with_cx(crate::supervisor::poll).unwrap_or(false)
    }

    /// Ends supervised nodes.
    fn end_supervised(&mut self) {
        if !self.core.borrow().host.supervision.is_supervisor() {
            return;
        }
        let begun = Instant::now();
        while self
            .core
            .borrow_mut()
            .with_cx(|cx| crate::supervisor::end(cx, begun))
            .unwrap_or(false)
        {
            self.drain();
            std::thread::sleep(IDLE);
        }
    }

    fn drain(&mut self) {
        let core = &mut *self.core.borrow_mut();
        dns::poll(&mut core.vm);
        core.drain();
    }

    #[inline]
    fn stopping(&self) -> bool {
        let core = self.core.borrow();
        core.exit.is_some() || self.ends_itself && (core.host.stop || self.is_asked_to_stop())
    }

    /// Whether a signal, or a script of another node of this process, ends the run.
    #[inline]
    fn is_asked_to_stop(&self) -> bool {
        tapir_packet::signals::stop_requested() || self.group.as_ref().is_some_and(|(start, _)| start.is_halted())
    }

    /// Whether the process that looks after this one has ended.
    fn is_orphan(&self) -> bool {
        is_orphan(self.parent)
    }

    /// Waits while scripts have suspended processing.
    #[inline]
    fn while_suspended(&mut self) {
        if self.core.borrow().host.node.suspended {
            self.suspend();
        }
    }

    #[cold]
    fn suspend(&mut self) {
        while self.core.borrow().host.node.suspended && !self.stopping() && !self.is_orphan() {
            let any = self.poll_inputs().0;
            let any = self.poll_cluster() || any;
            self.drain();
            if !any {
                self.rest(true);
            }
        }
    }

    /// Whether this node analyses a packet: the capture filter lets it through and no other worker takes it.
    #[inline]
    fn is_wanted(&mut self, raw: &RawPacket<'_>) -> Result<bool, String> {
        if self.core.borrow().host.node.filter_changed {
            self.refilter()?;
        }
        if self.filter.as_ref().is_some_and(|f| !f.matches(raw)) {
            self.core.borrow_mut().host.node.n_filtered += 1;
            return Ok(false);
        }
        Ok(!self.is_foreign(raw))
    }

    /// Whether a packet is for another worker. Time goes on with those as well, in steps.
    #[inline]
    fn is_foreign(&mut self, raw: &RawPacket<'_>) -> bool {
        let Some((sharer, mine)) = &mut self.share else {
            return false;
        };
        if sharer.share(raw) == *mine {
            return false;
        }
        let now = self.core.borrow().vm.network_time();
        if self.started && raw.ts() - now >= FOREIGN_TIME {
            self.advance(raw.ts());
            self.drain();
        }
        true
    }

    fn run(&mut self, config: &Config) -> u8 {
        tapir_packet::signals::install();
        // A capture that cannot be read is noticed before scripts do anything.
        let source = match &config.input {
            Some(Input::Capture(path)) => match tapir_packet::open_capture(path) {
                Ok(source) => Some(source),
                Err(e) => {
                    complain(&format!(
                        "fatal error: problem with trace file {} ({e})",
                        path.display()
                    ));
                    return self.leave(1);
                }
            },
            _ => None,
        };
        self.core.borrow_mut().host.node.source_link_type = source.as_ref().and_then(|s| s.link_type());
        if let Err(status) = self.start(config) {
            return self.leave(status);
        }
        let mut status = 0;
        if let Some(mut source) = source {
            tell_status(config, "RUNNING");
            if let Err(e) = self.packets(config, &mut *source) {
                let core = &mut *self.core.borrow_mut();
                core.vm.report(&mut core.host, Severity::Fatal, e, None);
                status = 1;
            }
        }
        if let Some(Input::Interface(name)) = &config.input {
            #[cfg(target_os = "linux")]
            let watched = self.live(config, name);
            #[cfg(not(target_os = "linux"))]
            let watched: Result<(), String> = Err(format!("cannot watch {name}: interfaces need Linux"));
            if let Err(e) = watched {
                complain(&format!("fatal error: problem with interface {name} ({e})"));
                return self.leave(1);
            }
        } else if status == 0 {
            tell_status(config, "RUNNING");
            self.idle(config);
        }
        tell_status(config, "TERMINATING");
        self.end_supervised();
        self.finish();
        self.leave(status)
    }

    /// Runs initialisers, top-level code, `zeek_init` and what it queues.
    fn start(&mut self, config: &Config) -> Result<(), u8> {
        let core = &mut *self.core.borrow_mut();
        let wall = logs_wall_clock();
        if config.input.is_none() && crate::globals::flag(&core.vm, "allow_network_time_forward") != Some(false) {
            core.vm.set_network_time(wall);
        }
        core.vm.queue().push(events::ZEEK_INIT, Vec::new());
        crate::idle::tell(&mut core.vm, &mut core.host);
        let top = core.vm.run_top_level(&mut core.host);
        if let Err(e) = top {
            if let tapir_vm::RtError::Exit(code) = e {
                return Err(code as u8);
            }
            let _ = core.vm.report_error(&mut core.host, e);
            complain("fatal error: failed to execute script statements at top-level scope");
            return Err(1);
        }
        if core.vm.queue().wants(events::ZEEK_SCRIPT_LOADED) {
            let files: Vec<_> = core
                .vm
                .program()
                .files
                .iter()
                .map(|f| (f.path.clone(), u64::from(f.level)))
                .collect();
            for (path, level) in files {
                let args = vec![Value::Str(path.as_bytes().into()), Value::Count(level)];
                core.vm.queue().push(events::ZEEK_SCRIPT_LOADED, args);
            }
        }
        let allowed = std::env::var_os("ZEEK_ALLOW_INIT_ERRORS").is_some();
        loop {
            core.drain();
            if let Some(code) = core.exit {
                return Err(code as u8);
            }
            if core.vm.n_errors() > 0 && !allowed {
                complain("fatal error: errors occurred while initializing");
                return Err(1);
            }
            if core.vm.queue().is_empty() {
                break;
            }
        }
        core.with_cx(logs::rotate_leftovers);
        if let Some(code) = core.exit {
            return Err(code as u8);
        }
        Ok(())
    }

    /// Processes all packets of a source. The error is that of the source, after everything before it was processed.
    fn packets(&mut self, config: &Config, source: &mut dyn Source) -> Result<(), String> {
        let show = std::io::stderr().is_terminal();
        let begun = Instant::now();
        let mut shown = 0;
        self.read_inputs();
        let mut pace = config.pseudo_realtime.map(Pace::new);
        loop {
            self.while_suspended();
            if self.stopping() || (self.n_packets.is_multiple_of(ORPHAN_PACKETS) && self.is_orphan()) {
                return Ok(());
            }
            let mut weirds = std::mem::take(&mut self.weirds);
            let next = source.next_packet(&mut weirds);
            self.weirds = weirds;
            match next {
                Ok(Some(raw)) => {
                    if !self.is_wanted(&raw)? {
                        continue;
                    }
                    if let Some(due) = pace.as_mut().and_then(|p| p.due(raw.ts())) {
                        std::thread::sleep(due);
                    }
                    self.take(&raw)?;
                    if show && self.n_packets.is_multiple_of(8192) && begun.elapsed().as_secs() > shown {
                        shown = begun.elapsed().as_secs();
                        let mb = self.n_bytes as f64 / 1e6;
                        eprint!("\r{} packets, {mb:.0} MB, {shown} s ", self.n_packets);
                        let _ = std::io::stderr().flush();
                    }
                }
                Ok(None) => break,
                Err(SourceError::Truncated { what, detail }) => return Err(format!("{what} is truncated: {detail}")),
                Err(e) => return Err(e.to_string()),
            }
        }
        if shown > 0 {
            eprintln!();
        }
        self.file_done();
        Ok(())
    }

    /// Tells scripts that the capture has been read.
    fn file_done(&mut self) {
        let core = &mut *self.core.borrow_mut();
        if let Some(path) = core.host.node.trace.clone() {
            events::pcap_file_done(core.vm.queue(), path.as_bytes());
            core.drain();
        }
    }

    /// Analyses a packet, and writes it to the file for those that are analysed, if there is one: before its analysis where all
    /// are written, after it where scripts may say no.
    fn take(&mut self, raw: &RawPacket<'_>) -> Result<(), String> {
        if self.writes_all {
            self.keep(raw)?;
        }
        self.packet(raw);
        if self.writes_all || self.written.is_none() {
            return Ok(());
        }
        let net = |e: &Self| Some(e.core.borrow().host.net.as_ref()?.flow.packet_notes().unrecorded);
        if net(self) == Some(true) {
            return Ok(());
        }
        self.keep(raw)
    }

    /// Writes a packet to the file for those that are analysed, if there is one.
    #[inline]
    fn keep(&mut self, raw: &RawPacket<'_>) -> Result<(), String> {
        match &mut self.written {
            Some(file) => file.write(raw).map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }

    /// Says which of all workers' packets the next one is.
    #[inline]
    fn number(&mut self, number: u64) {
        for file in [&mut self.written, &mut self.unprocessed].into_iter().flatten() {
            file.number = number;
        }
    }

    /// Takes a capture filter into use that scripts have installed.
    #[cold]
    fn refilter(&mut self) -> Result<(), String> {
        let node = &mut self.core.borrow_mut().host.node;
        node.filter_changed = false;
        self.filter = match node.installed.as_deref() {
            // What lets everything pass costs nothing.
            None | Some("" | "ip or not ip") => None,
            Some(text) => Some(Filter::compile(text).map_err(|e| format!("capture filter '{text}': {e}"))?),
        };
        Ok(())
    }

    /// One packet: time, timers, analysis, handlers.
    fn packet(&mut self, raw: &RawPacket<'_>) {
        self.n_packets += 1;
        self.n_bytes += raw.data.len() as u64;
        {
            let node = &mut self.core.borrow_mut().host.node;
            node.n_packets = self.n_packets;
            node.n_bytes = self.n_bytes;
            node.link_type = raw.link_type;
            if node.keeps_packets {
                node.packet = Some(KeptPacket {
                    ts_sec: raw.ts_sec,
                    ts_usec: raw.ts_usec,
                    len: raw.len,
                    link_type: raw.link_type,
                    data: raw.data.into(),
                });
            }
        }
        let now = self.step(raw.ts());
        self.aside.packet(&mut self.core.borrow_mut(), raw);
        let files = self.due_files(now);
        let mut weirds = std::mem::take(&mut self.weirds);
        let sampler = self.sampler.clone();
        self.with_sink(|flow, sink| {
            flow.advance(now, sink);
            if let Some((manager, core)) = files {
                manager.advance(sink.q, &mut InPacket(core), now);
            }
            for w in weirds.drain() {
                weirds::raise_net(&mut sampler.borrow_mut(), sink.q, w.name, &w.addl, w.source);
            }
            flow.process(raw, sink);
        });
        self.weirds = weirds;
        self.drain();
        // The main loop has a turn of its own after each packet: results of delayed functions arrive there.
        self.core.borrow_mut().drain();
    }

    /// Tells of what was odd about the capture before a packet that others analyse.
    fn tell_weirds(&mut self) {
        let mut weirds = std::mem::take(&mut self.weirds);
        let sampler = self.sampler.clone();
        self.with_sink(|_, sink| {
            for w in weirds.drain() {
                weirds::raise_net(&mut sampler.borrow_mut(), sink.q, w.name, &w.addl, w.source);
            }
        });
        self.weirds = weirds;
        self.drain();
    }

    /// Moves the network time on and runs what is due, without a packet.
    fn advance(&mut self, ts: f64) {
        let now = self.step(ts);
        let files = self.due_files(now);
        self.with_sink(|flow, sink| {
            flow.advance(now, sink);
            if let Some((manager, core)) = files {
                manager.advance(sink.q, &mut InPacket(core), now);
            }
        });
    }

    /// The file manager, when a file has waited long enough.
    fn due_files(&self, now: f64) -> Option<(Rc<tapir_files::FileManager>, SharedCore)> {
        let manager = &self.core.borrow().host.files.manager;
        let due = manager.next_deadline().is_some_and(|t| t <= now);
        due.then(|| (manager.clone(), self.core.clone()))
    }

    /// Moves the network time on for scripts: their timers, log rotation, input. Gives the new time.
    fn step(&mut self, ts: f64) -> f64 {
        let now = {
            let core = &mut *self.core.borrow_mut();
            self.stepped = core.host.cluster.packet();
            // As in the flow table, time does not start before its first second.
            let now = core.vm.network_time().max(ts).max(1.0);
            if !self.started {
                self.started = true;
                // Scripts registered their ports by now.
                if let Some(net) = &mut core.host.net {
                    options::likely_server_ports(&core.vm, &mut net.flow.options);
                }
                core.vm.set_network_time(now);
                core.vm.queue().set_now(now);
                core.vm.queue().push(events::NETWORK_TIME_INIT, Vec::new());
            }
            let result = core.vm.advance_time(&mut core.host, now);
            core.note(result);
            now
        };
        let core = &mut *self.core.borrow_mut();
        if core.vm.take_options_changed() {
            if let Some(net) = &mut core.host.net {
                options::analyzers(&core.vm, &mut net.shared.opts);
            }
            options::sampling(&core.vm, &mut core.host.sampler.borrow_mut());
            core.host.files.manager.set_options(options::files(&core.vm));
            self.contents = options::contents(&core.vm);
        }
        if now >= core.host.logs.next_rotation() {
            core.with_cx(logs::rotate_due);
        }
        if self.n_packets.is_multiple_of(INPUT_PACKETS) && core.host.inputs.is_active() {
            core.with_cx(crate::input::poll);
        }
        if core.host.logs.has_delays() {
            core.with_cx(|cx| logs::expire_delays(cx, false));
        }
        if self.n_packets.is_multiple_of(CLUSTER_PACKETS) && core.host.in_cluster() {
            core.with_cx(cluster::poll);
            core.with_cx(logs::send_due);
        }
        if self.n_packets.is_multiple_of(CLOCK_PACKETS) || core.host.live {
            core.housekeeping();
        }
        now
    }

    /// Runs without packets: input streams, timers and asynchronous results, until nothing can happen any more or a
    /// script terminates the run.
    fn idle(&mut self, config: &Config) {
        let wall = config.input.is_none();
        let asked = crate::globals::flag(&self.core.borrow().vm, "exit_only_after_terminate") == Some(true);
        // Nodes of a cluster serve the others until they are told to end.
        let serves = wall && self.core.borrow().host.node.in_cluster;
        let supervision = |e: &Self| {
            let s = &e.core.borrow().host.supervision;
            (s.is_supervisor(), s.is_supervisor() || s.node().is_some())
        };
        // So do supervisors, and their nodes that have nothing to read.
        let (supervises, supervised) = supervision(self);
        let always = asked || serves || (wall && supervised);
        let peering = crate::globals::flag(&self.core.borrow().vm, "Broker::peer_counts_as_iosource") != Some(false);
        let mut patience = NamePatience::default();
        loop {
            // And those whose scripts wait for peers.
            let (listens, connects) = self.core.borrow().host.cluster.peerings();
            let stay = always || wall && (listens || connects && peering);
            if self.stopping() || self.is_orphan() {
                return;
            }
            let (any, names) = self.poll_inputs();
            let asking = if wall {
                names.waiting > 0
            } else {
                patience.waits(names, Instant::now())
            };
            let any = self.poll_cluster() || any;
            let any = (supervises && self.poll_supervised()) || any;
            if !stay && !any && !asking && !self.core.borrow().host.inputs.is_busy() {
                return;
            }
            if wall || stay {
                let now = logs_wall_clock();
                let behind = self.core.borrow().vm.network_time() < now;
                if behind && wall {
                    self.advance(now);
                }
            }
            self.drain();
            self.core.borrow_mut().housekeeping();
            if !any {
                self.rest(asking);
            }
        }
    }

    /// Sleeps for a moment, or until the cluster has something.
    fn rest(&mut self, asking: bool) {
        // Who watches a node that runs for long wants to see what it prints.
        let _ = self.core.borrow_mut().host.stdout.flush();
        let mut node = std::mem::take(&mut self.core.borrow_mut().host.cluster);
        let busy = asking || !node.is_running() || self.core.borrow().host.inputs.is_active();
        node.wait(if busy { IDLE } else { IDLE_IN_CLUSTER });
        self.core.borrow_mut().host.cluster = node;
    }

    /// Takes what other nodes have sent before they ended.
    fn finish_cluster(&mut self) {
        if !self.core.borrow().host.in_cluster() {
            return;
        }
        let begun = Instant::now();
        let mut quiet_since = Instant::now();
        if !self.core.borrow().host.cluster.may_be_late() {
            while begun.elapsed() < QUIET_MAX && self.poll_cluster() {
                self.drain();
            }
            return;
        }
        let rows = |e: &Self| e.core.borrow().host.cluster.counters().map_or(0, |c| c.log_rows_in);
        let mut rows_before = rows(self);
        while begun.elapsed() < QUIET_MAX && quiet_since.elapsed() < QUIET && self.core.borrow().exit.is_none() {
            if self.poll_cluster() {
                // Nodes that go on tell each other something all the time: only what was on its way is waited for.
                let rows_now = rows(self);
                let more_rows = std::mem::replace(&mut rows_before, rows_now) != rows_now;
                let behind = self.core.borrow().host.cluster.was_behind();
                if begun.elapsed() < EVENTS_MAX || more_rows || behind {
                    quiet_since = Instant::now();
                }
                self.drain();
            } else {
                self.rest(true);
            }
        }
    }

    /// The end of the run: timers, connections, files, `zeek_done`, logs.
    fn finish(&mut self) {
        if self.core.borrow().exit.is_some() {
            return;
        }
        self.drain();
        self.finish_cluster();
        {
            let core = &mut *self.core.borrow_mut();
            let now = Value::Time(core.vm.network_time());
            core.vm.queue().push(events::NET_DONE, vec![now]);
            core.drain();
            core.host.terminating = true;
            core.host.node.packet = None;
            core.vm.set_terminating();
            dns::give_up(&mut core.vm);
            core.drain();
            let result = core.vm.expire_all_timers(&mut core.host);
            core.note(result);
        }
        // In portions, so that what is left of a flood is not queued all at once.
        while self
            .with_sink(|flow, sink| flow.finish_some_timers(FINISH_PORTION, sink))
            .unwrap_or(false)
        {
            self.drain();
        }
        self.drain();
        self.drain();
        let order = self.with_sink(|flow, _| flow.finish_order()).unwrap_or_default();
        for portion in order.chunks(FINISH_PORTION) {
            self.with_sink(|flow, sink| portion.iter().for_each(|id| flow.finish_conn(*id, sink)));
            self.drain();
            self.with_sink(|flow, _| flow.forget(portion));
        }
        self.with_sink(|flow, _| flow.forget_conns());
        let manager = self.core.borrow().host.files.manager.clone();
        let core = self.core.clone();
        self.with_sink(|_, sink| manager.finish(sink.q, &mut InPacket(core)));
        let core = &mut *self.core.borrow_mut();
        core.vm.queue().push(events::ZEEK_DONE, Vec::new());
        let result = core.vm.expire_all_timers(&mut core.host);
        core.note(result);
        core.drain_all();
        core.with_cx(cluster::stores::end);
        core.with_cx(|cx| logs::expire_delays(cx, true));
        if core.host.in_cluster() {
            core.with_cx(cluster::poll);
            core.drain_all();
            logs::send_rows(&mut core.host, None);
        }
        core.with_cx(logs::rotate_final);
        core.with_cx(logs::final_reports);
        // What writers had to say is the last that is logged.
        if core.exit.is_none() {
            core.drain_all();
        }
    }

    /// Closes what is open and gives the exit status.
    fn leave(&mut self, status: u8) -> u8 {
        let core = &mut *self.core.borrow_mut();
        tapir_builtins::files::flush_all(&mut core.vm);
        let lost = core.host.cluster.close();
        if lost > 0 {
            complain(&format!(
                "warning: {lost} rows of logs were taken by no logger until the end (see Cluster::Backend::ZeroMQ::linger_ms)"
            ));
        }
        for error in core.host.logs.finish() {
            complain(&format!("error: {error}"));
        }
        let _ = core.host.stdout.flush();
        // The bridges hold the core; without this it would keep itself alive.
        core.host.net = None;
        // It writes its files when it goes.
        core.vm.set_watcher(None);
        // Nor are the scripts' values needed any more. Taking them apart one by one is no small work, and the process ends.
        std::mem::forget(std::mem::replace(&mut core.vm, tapir_vm::Vm::incremental()));
        core.exit.map_or(status, |code| code as u8)
    }
}

fn logs_wall_clock() -> f64 {
    tapir_logging::ascii::wall_clock()
}

/// Replays packets at the speed at which they were recorded.
pub(crate) struct Pace {
    speed: f64,
    first: Option<(Instant, f64)>,
}

impl Pace {
    /// The speed is a factor of the recorded one.
    pub fn new(speed: f64) -> Self {
        Pace { speed, first: None }
    }

    /// How long a packet's time is still away; `None` when it has come.
    pub fn due(&mut self, ts: f64) -> Option<Duration> {
        let (begun, first) = *self.first.get_or_insert_with(|| (Instant::now(), ts));
        let due = (ts - first) / self.speed - begun.elapsed().as_secs_f64();
        (due > 0.0).then(|| Duration::from_secs_f64(due.min(3600.0)))
    }
}
