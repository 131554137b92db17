//! The script-level supervisor: a process started with `-j` whose scripts create nodes, and the nodes' side of it.
//!
//! Nodes run the supervisor's own command line, with what [`NodeConfig`] changes of it. Spec: frameworks, "Supervisor and
//! Control".

mod children;
mod config;

use std::io::Write;
use std::time::{Duration, Instant};

use tapir_builtins::util::{field_type, record, string};
use tapir_data::broker::convert;
use tapir_data::table::Table;
use tapir_data::value::Value;
use tapir_vm::{CallCtx, Registry, RtError, Severity};

use crate::host::of;
use children::{Children, Happening};
pub use config::{NodeConfig, VARIABLE};

type Out = Result<Value, RtError>;

/// What a process has to do with supervision.
#[derive(Default)]
pub enum Supervision {
    /// Nothing.
    #[default]
    None,
    /// It looks after others.
    Supervisor(Box<Children>),
    /// It is looked after.
    Node(Box<NodeConfig>),
}

/// What functions of the supervisor say in a process that is none.
const NO_SUPERVISOR: &str = "supervisor mode not enabled";
/// How long a supervisor that ends waits for its nodes.
const PATIENCE: Duration = Duration::from_secs(40);

impl Supervision {
    fn children(&mut self) -> Option<&mut Children> {
        match self {
            Supervision::Supervisor(c) => Some(c),
            _ => None,
        }
    }

    /// Whether the process looks after others.
    pub fn is_supervisor(&self) -> bool {
        matches!(self, Supervision::Supervisor(_))
    }

    /// The node that this process is, if it is looked after.
    pub fn node(&self) -> Option<&NodeConfig> {
        match self {
            Supervision::Node(n) => Some(n),
            _ => None,
        }
    }
}

/// Gives nodes their turn, and tells scripts and the user what has happened. Gives whether there was something.
///
/// # Errors
/// Those of hooks.
pub fn poll(cx: &mut CallCtx<'_>) -> Result<bool, RtError> {
    let Some(children) = of(cx)?.supervision.children() else {
        return Ok(false);
    };
    let all = children.poll();
    let any = !all.is_empty();
    for happening in all {
        match happening {
            Happening::Started { name, pid } => {
                let args = vec![string(name), Value::Count(pid.into())];
                cx.vm.raise_named("Supervisor::node_status", args);
            }
            Happening::Trouble(text) => cx.report_plain(Severity::Warning, text),
            Happening::Line { name, errors, text } => show(cx, &name, errors, &text)?,
        }
    }
    Ok(any)
}

/// Prints a line of a node, unless a hook forbids it.
fn show(cx: &mut CallCtx<'_>, name: &str, errors: bool, text: &[u8]) -> Result<(), RtError> {
    let hook = match errors {
        true => "Supervisor::stderr_hook",
        false => "Supervisor::stdout_hook",
    };
    if let Some(hook) = crate::script::function(cx.vm, hook) {
        let args = [string(name), Value::Str(text.into())];
        if crate::script::has_bodies(cx.vm, &hook) && matches!(cx.call(&hook, &args)?, Value::Bool(false)) {
            return Ok(());
        }
    }
    let mut line = format!("[{name}] ").into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    // A closed terminal is no reason to stop the nodes.
    let _ = if errors {
        std::io::stderr().lock().write_all(&line)
    } else {
        of(cx)?.stdout.write_all(&line)
    };
    Ok(())
}

/// Ends all nodes; gives whether some are still there. To be called until none is.
///
/// # Errors
/// Those of hooks.
pub fn end(cx: &mut CallCtx<'_>, since: Instant) -> Result<bool, RtError> {
    let Some(children) = of(cx)?.supervision.children() else {
        return Ok(false);
    };
    children.end_all();
    let any = poll(cx)?;
    let left = of(cx)?.supervision.children().is_some_and(|c| c.any());
    Ok((left && since.elapsed() < PATIENCE) || any)
}

fn name(args: &[Value]) -> String {
    match args.first() {
        Some(Value::Str(s)) => String::from_utf8_lossy(s).into_owned(),
        _ => String::new(),
    }
}

fn is_supervised(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.supervision.node().is_some()))
}

fn is_supervisor(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.supervision.is_supervisor()))
}

fn stem_pid(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let parent = || rustix::process::getppid().map_or(0, |p| i64::from(p.as_raw_nonzero().get()));
    // There is no process between a supervisor and its nodes.
    match &of(cx)?.supervision {
        Supervision::Supervisor(_) => Ok(Value::Int(std::process::id().into())),
        Supervision::Node(_) => Ok(Value::Int(parent())),
        Supervision::None => {
            cx.error("not a supervised process");
            Ok(Value::Int(-1))
        }
    }
}

fn node(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let ty = cx.result_type;
    match of(cx)?.supervision.node().map(|n| n.data.clone()) {
        Some(data) => {
            let made = cx.vm.value_from_data(cx.host, &data, ty);
            made.ok_or_else(|| {
                RtError::new("this node's scripts have another type Supervisor::NodeConfig than its supervisor's")
            })
        }
        None => {
            cx.error("not a supervised process");
            Ok(record(cx.types(), ty, &[("name", string("<invalid>"))]))
        }
    }
}

fn create(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    if !of(cx)?.supervision.is_supervisor() {
        cx.error(NO_SUPERVISOR);
        return Ok(string(NO_SUPERVISOR));
    }
    let Some(given) = args.first() else {
        return Ok(string("no node is given"));
    };
    cx.materialize(given)?;
    let data = convert::to_data(&tapir_builtins::util::VmText(cx.vm), given);
    let made = data.and_then(|d| NodeConfig::from_data(d).ok_or_else(|| "this is no configuration of a node".into()));
    let children = of(cx)?.supervision.children();
    let done = made.and_then(|config| children.map_or(Ok(()), |c| c.create(config)));
    Ok(string(done.err().unwrap_or_default()))
}

fn change(cx: &mut CallCtx<'_>, args: &[Value], how: fn(&mut Children, &str) -> bool) -> Out {
    match of(cx)?.supervision.children() {
        Some(children) => Ok(Value::Bool(how(children, &name(args)))),
        None => {
            cx.error(NO_SUPERVISOR);
            Ok(Value::Bool(false))
        }
    }
}

fn status(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let wanted = name(args);
    let status = cx.result_type;
    let table = field_type(cx.types(), status, "nodes");
    let nodes = Table::new(table);
    let known: Vec<_> = match of(cx)?.supervision.children() {
        Some(children) => {
            let all = children.all().filter(|(c, _)| wanted.is_empty() || c.name == wanted);
            all.map(|(c, pid)| (c.name.clone(), c.data.clone(), pid)).collect()
        }
        None => {
            cx.error(NO_SUPERVISOR);
            Vec::new()
        }
    };
    let one = match cx.types().kind(table) {
        tapir_data::types::Kind::Table { yields: Some(y), .. } => *y,
        _ => return Err(RtError::new("Supervisor::Status has no table of nodes")),
    };
    let config = field_type(cx.types(), one, "node");
    let now = cx.network_time();
    for (name, data, pid) in known {
        let Some(node) = cx.vm.value_from_data(cx.host, &data, config) else {
            continue;
        };
        let mut fields = vec![("node", node)];
        fields.extend(pid.map(|p| ("pid", Value::Int(p.into()))));
        let entry = record(cx.types(), one, &fields);
        nodes.insert(&[string(name)], entry, now);
    }
    Ok(record(cx.types(), status, &[("nodes", Value::Table(nodes))]))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Supervisor::__is_supervised", is_supervised),
        ("Supervisor::__is_supervisor", is_supervisor),
        ("Supervisor::__stem_pid", stem_pid),
        ("Supervisor::__node", node),
        ("Supervisor::__status", status),
        ("Supervisor::__create", create),
        ("Supervisor::__destroy", |cx, args| change(cx, args, Children::destroy)),
        ("Supervisor::__restart", |cx, args| change(cx, args, Children::restart)),
    ]);
}
