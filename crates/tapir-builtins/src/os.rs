//! Environment and processes.
//!
//! `setenv` changes an environment that belongs to the machine: look-ups and started processes see it, the process
//! itself does not, because other threads may be reading its environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError, Vm};

use crate::util::*;

pub const FAMILY: Family = &[
    ("getenv", getenv),
    ("setenv", setenv),
    ("exit", |_, a| Err(RtError::Exit(a.int(0)? as i32))),
    ("system", |ctx, a| {
        let cmd = a.str(0)?.clone();
        system(ctx, &cmd, &[])
    }),
    ("system_env", system_env),
    ("piped_exec", piped_exec),
    ("getpid", |_, _| Ok(Value::Count(std::process::id() as u64))),
    ("gethostname", |_, _| Ok(string(hostname()))),
    ("is_local_interface", is_local_interface),
    ("syslog", syslog),
];

/// Variables that scripts set.
#[derive(Default)]
struct Environment(BTreeMap<OsString, OsString>);

/// The variables that scripts set, for processes that others start on their behalf.
pub fn environment(vm: &mut Vm) -> Vec<(OsString, OsString)> {
    let set = &vm.state::<Environment>().0;
    set.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Sets a variable for one machine, as `setenv` does.
pub fn set_environment(vm: &mut Vm, name: &str, value: &str) {
    vm.state::<Environment>().0.insert(name.into(), value.into());
}

fn getenv(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = a.str(0)?.clone();
    let name = os_string(ctx, &name);
    if let Some(v) = ctx.vm.state::<Environment>().0.get(&name) {
        return Ok(string(v.as_bytes()));
    }
    let value = if name.is_empty() { None } else { std::env::var_os(name) };
    Ok(string(value.unwrap_or_default().into_vec()))
}

fn setenv(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (name, value) = (a.str(0)?.clone(), a.str(1)?.clone());
    let (name, value) = (os_string(ctx, &name), os_string(ctx, &value));
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Ok(Value::Bool(false));
    }
    ctx.vm.state::<Environment>().0.insert(name, value);
    Ok(Value::Bool(true))
}

fn shell(ctx: &mut CallCtx<'_>, cmd: &[u8]) -> Command {
    let cmd = os_string(ctx, cmd);
    let mut c = Command::new("/bin/sh");
    c.arg("-c").arg(cmd).envs(environment(ctx.vm));
    c
}

/// Starts a command in the background, its output going to standard error. The status is that of starting it.
fn system(ctx: &mut CallCtx<'_>, cmd: &[u8], env: &[(OsString, OsString)]) -> Res {
    let mut line = b"( ".to_vec();
    line.extend_from_slice(cmd);
    line.extend_from_slice(b"\n) 1>&2 &");
    let mut c = shell(ctx, &line);
    c.stdin(Stdio::null()).envs(env.iter().map(|(k, v)| (k, v)));
    match c.status() {
        // The status of C's `system`, not only the exit code within it.
        Ok(s) => Ok(Value::Int(s.into_raw() as i64)),
        Err(e) => {
            ctx.error(format!("cannot start command: {}", crate::files::reason(&e)));
            Ok(Value::Int(-1))
        }
    }
}

fn system_env(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let cmd = a.str(0)?.clone();
    let mut env = Vec::new();
    for (k, v) in a.table(1)?.entries() {
        let (Value::Str(k), Value::Str(v)) = (&k, &v) else {
            ctx.error("system_env() requires a table of string to string");
            return Ok(Value::Int(-1));
        };
        let name = [b"ZEEK_ARG_", &k.to_ascii_uppercase()[..]].concat();
        env.push((os_string(ctx, &name), os_string(ctx, v)));
    }
    system(ctx, &cmd, &env)
}

fn piped_exec(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (cmd, data) = (a.str(0)?.clone(), a.str(1)?.clone());
    crate::format::sync_stdout(ctx);
    let started = shell(ctx, &cmd).stdin(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(c) => c,
        Err(e) => {
            plain_error(ctx, format!("Failed to call popen: {}", crate::files::reason(&e)));
            return Ok(Value::Bool(false));
        }
    };
    // A command that does not read its input breaks the pipe, which is its own business.
    let written = child.stdin.take().map(|mut pipe| pipe.write_all(&data));
    let ended = child.wait();
    let broken = matches!(written, Some(Err(e)) if e.kind() != std::io::ErrorKind::BrokenPipe);
    if broken || ended.is_err() {
        plain_error(ctx, "Failed to write all given data to the command");
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(true))
}

/// The host's name.
pub fn hostname() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

/// Loopback addresses, and those that the kernel lists as its own.
fn is_local_interface(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let addr = a.addr(0)?;
    if addr.to_ip().is_loopback() {
        return Ok(Value::Bool(true));
    }
    let local = if addr.is_v4() {
        // Lines `|-- ADDRESS` are followed by what they are.
        let trie = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
        let wanted = format!("|-- {addr}");
        let mut lines = trie.lines().peekable();
        let mut found = false;
        while let Some(l) = lines.next() {
            found |= l.trim_start() == wanted && lines.peek().is_some_and(|n| n.contains("host LOCAL"));
        }
        found
    } else {
        let list = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        let wanted = lossy(&crate::convert::hex(&addr.0));
        list.lines().any(|l| l.split(' ').next() == Some(&wanted))
    };
    Ok(Value::Bool(local))
}

/// Hands a message to the system log over its socket (RFC 3164 form, facility local5, severity info).
fn syslog(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let text = a.str(0)?.clone();
    let text = c_string(ctx, &text);
    let line = [&b"<174>zeek: "[..], &text].concat();
    // As with the C library, a host without a system log loses the message.
    let _ = std::os::unix::net::UnixDatagram::unbound().and_then(|s| s.send_to(&line, OsStr::new("/dev/log")));
    Ok(Value::Unset)
}
