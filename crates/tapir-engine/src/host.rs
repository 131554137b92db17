//! The engine as scripts' machine sees it: patterns, output, messages, and the state that built-ins work on.

use std::any::Any;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use tapir_data::text::{self, Style};
use tapir_data::value::{File, PatternObject, Value};
use tapir_interface::queue::{EventId, EventQueue};
use tapir_signatures::pattern::Pattern;
use tapir_vm::{CallCtx, Host, Late, Message, PatternJoin, RtError, Vm};

use crate::logs::Logs;
use crate::net::Net;
use crate::patterns::ScriptPattern;
use crate::weirds::Sampler;

/// A change to flows or analyzers that a built-in asked for while a packet was being processed.
pub type Deferred = Box<dyn FnOnce(&mut Net, &mut EventQueue)>;

/// State of the engine that built-ins reach.
pub struct EngineHost {
    pub logs: Logs,
    /// Shared with the sink of flow events.
    pub sampler: Rc<RefCell<Sampler>>,
    /// Connections and analyzers; away while a packet is being processed.
    pub net: Option<Box<Net>>,
    /// What waits for `net` to come back.
    pub deferred: Vec<Deferred>,
    /// The connection whose packet is being processed, with its record.
    pub current: Option<Value>,
    /// `Log::log_stream_policy`.
    pub stream_policy: Option<Value>,
    /// Whether this process looks after others, or is looked after.
    pub supervision: crate::supervisor::Supervision,
    /// This node's part in its cluster.
    pub cluster: crate::cluster::ClusterNode,
    /// Whether log rows go to the cluster.
    pub ships_logs: bool,
    /// Whether packets come from a network.
    pub live: bool,
    pub terminating: bool,
    /// Set by `terminate()` or a signal.
    pub stop: bool,
    /// Whether messages carry the network time.
    pub times_in_messages: bool,
    pub infos_to_stderr: bool,
    pub warnings_to_stderr: bool,
    pub errors_to_stderr: bool,
    /// Standard output, flushed before anything goes to standard error.
    pub stdout: std::io::BufWriter<std::io::Stdout>,
    pub files: crate::files::FileState,
    /// Analyzers of the connection at work, as shown by the analyzers' state.
    pub nodes: Rc<RefCell<tapir_analyzers::core::ShownNodes>>,
    pub inputs: crate::input::Inputs,
    pub telemetry: crate::telemetry::Telemetry,
    pub node: crate::node::Node,
    /// Broker data stores by name.
    pub stores: crate::stores::Shelf,
    /// Those whose masters are elsewhere.
    pub remote_stores: crate::cluster::stores::RemoteStores,
    /// What the nodes of this process have said that is said once; a node alone sees to that itself.
    pub said: Option<crate::config::Said>,
    /// Files of `dump_packet`.
    pub dumpers: std::collections::HashMap<std::path::PathBuf, crate::dump::Dumper>,
    /// `Analyzer::disabling_analyzer`.
    pub disabling_hook: Option<Value>,
    /// The enumerators of protocols, in the order of the registry.
    pub tag_values: Vec<Value>,
    /// How records of conn.log are filled, once one was.
    pub conn_log: Option<Rc<crate::bif::conn_log::Plan>>,
    /// Which handlers can do without the record of a connection.
    pub judge: crate::lazy::Judge,
    pub record_parts: crate::lazy::RecordParts,
    /// The type `connection`.
    pub connection_type: Option<tapir_data::types::TypeId>,
    /// Whether all that identifies a connection is what the engine puts there.
    pub plain_ids: bool,
}

/// The engine behind a built-in's call.
///
/// # Errors
/// When the built-in runs without one.
pub fn of<'a>(cx: &'a mut CallCtx<'_>) -> Result<&'a mut EngineHost, RtError> {
    cx.host_as::<EngineHost>()
        .ok_or_else(|| RtError::new("this function needs the engine"))
}

impl EngineHost {
    /// An engine's state before anything was loaded.
    pub fn new() -> Self {
        EngineHost {
            logs: Logs::new(),
            sampler: Rc::default(),
            net: None,
            deferred: Vec::new(),
            current: None,
            stream_policy: None,
            supervision: Default::default(),
            cluster: Default::default(),
            ships_logs: false,
            live: false,
            terminating: false,
            stop: false,
            times_in_messages: false,
            infos_to_stderr: true,
            warnings_to_stderr: true,
            errors_to_stderr: true,
            stdout: std::io::BufWriter::with_capacity(1 << 16, std::io::stdout()),
            files: Default::default(),
            nodes: Rc::default(),
            inputs: Default::default(),
            telemetry: Default::default(),
            node: Default::default(),
            stores: Default::default(),
            remote_stores: Default::default(),
            said: None,
            dumpers: Default::default(),
            disabling_hook: None,
            tag_values: Vec::new(),
            conn_log: None,
            judge: Default::default(),
            record_parts: Default::default(),
            connection_type: None,
            plain_ids: false,
        }
    }

    /// Applies a change to flows and analyzers: now if they are here, else when the packet is done.
    pub fn with_net(&mut self, q: &mut EventQueue, change: impl FnOnce(&mut Net, &mut EventQueue) + 'static) {
        match &mut self.net {
            Some(net) => change(net, q),
            None => self.deferred.push(Box::new(change)),
        }
    }

    /// The same for changes that raise no events.
    pub fn with_net_now(&mut self, change: impl FnOnce(&mut Net) + 'static) {
        match &mut self.net {
            Some(net) => change(net),
            None => self.deferred.push(Box::new(move |net, _| change(net))),
        }
    }

    /// The enumerator of a protocol.
    pub fn tag_value(&self, tag: tapir_analyzers::core::Tag) -> Value {
        crate::tags::value(&self.tag_values, tag)
    }

    fn shown(&self, message: &Message) -> bool {
        use tapir_vm::Severity::*;
        match message.severity {
            Info => self.infos_to_stderr,
            Warning | ExpressionWarning => self.warnings_to_stderr,
            Fatal | InternalError => true,
            _ => self.errors_to_stderr,
        }
    }
}

impl Default for EngineHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for EngineHost {
    fn says_first(&mut self, text: &str) -> bool {
        crate::config::is_first(self.said.as_ref(), text)
    }

    fn compile_pattern(
        &mut self,
        text: &[u8],
        ignore_case: bool,
        single_line: bool,
    ) -> Result<Rc<dyn PatternObject>, String> {
        Pattern::compile(text, ignore_case, single_line)
            .map(ScriptPattern::wrap)
            .map_err(|e| e.to_string())
    }

    fn join_patterns(
        &mut self,
        a: &Rc<dyn PatternObject>,
        b: &Rc<dyn PatternObject>,
        how: PatternJoin,
    ) -> Result<Rc<dyn PatternObject>, String> {
        let (Some(a), Some(b)) = (ScriptPattern::inner(a), ScriptPattern::inner(b)) else {
            return Err("pattern of a foreign kind".into());
        };
        Ok(ScriptPattern::wrap(match how {
            PatternJoin::Or => a.or(&b),
            PatternJoin::Concat => a.then(&b),
        }))
    }

    fn extend_pattern(&mut self, target: &Rc<dyn PatternObject>, add: &Rc<dyn PatternObject>) -> Result<(), String> {
        let (Some(old), Some(add)) = (ScriptPattern::inner(target), ScriptPattern::inner(add)) else {
            return Err("pattern of a foreign kind".into());
        };
        ScriptPattern::replace(target, old.extended_by(&add));
        Ok(())
    }

    fn print(&mut self, vm: &Vm, file: Option<&Rc<File>>, values: &[Value]) {
        let raw = file.is_some_and(|f| f.raw.get());
        let mut out = Vec::new();
        for (i, v) in values.iter().enumerate() {
            if raw {
                text::render_into(vm, v, Style::String, &mut out);
                continue;
            }
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            text::render_into(vm, v, Style::Print, &mut out);
        }
        if !raw {
            out.push(b'\n');
        }
        match file {
            None => {
                // A closed pipe ends the run elsewhere; there is nobody to tell here.
                let _ = self.stdout.write_all(&out);
            }
            Some(f) => {
                if matches!(&f.name[..], b"/dev/stdout" | b"-") {
                    let _ = self.stdout.flush();
                }
                if let Some(sink) = f.sink.borrow_mut().as_mut() {
                    let _ = sink.write_all(&out);
                }
            }
        }
    }

    fn take_print(&mut self, vm: &mut Vm, file: Option<&Rc<File>>, values: &[Value]) -> Result<bool, RtError> {
        // Enumerators of Log::PrintLogType: nothing, standard output, everything.
        let wanted = match vm.global_value("Log::print_to_log") {
            Some(Value::Enum(_, 2)) => true,
            Some(Value::Enum(_, 1)) => file.is_none_or(|f| matches!(&f.name[..], b"/dev/stdout" | b"-")),
            _ => false,
        };
        if !wanted {
            return Ok(false);
        }
        let file = file.map(|f| Value::File(f.clone()));
        let all = file.iter().chain(values);
        let texts = all.map(|v| text::render(&*vm, v, Style::Indented).into()).collect();
        let mut cx = CallCtx {
            vm,
            host: self,
            arg_types: &[],
            result_type: tapir_data::types::builtin::VOID,
        };
        crate::logs::write_print(&mut cx, texts)
    }

    fn opaque_from_data(&mut self, vm: &mut Vm, name: &str, d: &tapir_data::broker::Data) -> Option<Value> {
        match (name, d) {
            ("X509Val", tapir_data::broker::Data::String(der)) => {
                Some(Value::Opaque(tapir_files::x509::X509Value::new(der)?))
            }
            (name, d) => tapir_builtins::opaque_from_data(vm, self, name, d),
        }
    }

    fn table_change(
        &mut self,
        vm: &mut Vm,
        table: &Rc<tapir_data::value::Table>,
        change: i64,
        keys: &[Value],
        old: &Value,
    ) -> Result<(), RtError> {
        if !self.in_cluster() {
            return Ok(());
        }
        let mut cx = CallCtx {
            vm,
            host: self,
            arg_types: &[],
            result_type: tapir_data::types::builtin::VOID,
        };
        crate::cluster::table_change(&mut cx, table, change, keys, old)
    }

    fn late_arguments(&mut self, vm: &mut Vm, _: EventId, args: &mut Vec<Value>) -> Result<Late, RtError> {
        crate::lazy::late(self, vm, args)
    }

    fn report(&mut self, message: &Message) {
        if !self.shown(message) {
            return;
        }
        let _ = self.stdout.flush();
        let mut line = String::new();
        if self.times_in_messages && message.network_time > 0.0 {
            line = format!("{:.6} ", message.network_time);
        }
        line.push_str(&message.line());
        for frame in &message.stack {
            line.push_str("\n  ");
            line.push_str(frame);
        }
        line.push('\n');
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
