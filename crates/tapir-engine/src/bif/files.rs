//! `Files::*`, `FileExtract::*`, file handles, and file types.

use tapir_data::value::{Str, Value};
use tapir_vm::{CallCtx, Registry, RtError};

use super::{bytes, number, seconds, text, truth};
use crate::files::{InCall, kind_of};
use crate::host::of;

type Out = Result<Value, RtError>;

fn set_timeout_interval(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (id, t) = (text(args.first()), seconds(args.get(1)));
    Ok(Value::Bool(of(cx)?.files.manager.set_timeout_interval(&id, t)))
}

fn enable_reassembly(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    Ok(Value::Bool(of(cx)?.files.manager.set_reassembly(&id, true)))
}

fn disable_reassembly(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    Ok(Value::Bool(of(cx)?.files.manager.set_reassembly(&id, false)))
}

fn set_reassembly_buffer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (id, n) = (text(args.first()), number(args.get(1)));
    Ok(Value::Bool(of(cx)?.files.manager.set_reassembly_buffer(&id, n)))
}

fn set_enabled(cx: &mut CallCtx<'_>, args: &[Value], on: bool) -> Out {
    let Some(kind) = kind_of(cx, args.first()) else {
        return Ok(Value::Bool(false));
    };
    of(cx)?.files.manager.set_enabled(kind, on);
    Ok(Value::Bool(true))
}

fn enable_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, true)
}

fn disable_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, false)
}

fn analyzer_enabled(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let kind = kind_of(cx, args.first());
    let host = of(cx)?;
    Ok(Value::Bool(kind.is_some_and(|k| host.files.manager.enabled(k))))
}

fn analyzer_name(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = kind_of(cx, args.first()).map_or("", |k| k.name());
    Ok(Value::Str(name.as_bytes().into()))
}

fn add_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    let Some(kind) = kind_of(cx, args.get(1)) else {
        cx.error("no such file analyzer");
        return Ok(Value::Bool(false));
    };
    let manager = of(cx)?.files.manager.clone();
    let added = manager.add_analyzer(&mut InCall::new(cx), &id, kind, args.get(2).unwrap_or(&Value::Unset));
    Ok(Value::Bool(added))
}

fn remove_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    let Some(kind) = kind_of(cx, args.get(1)) else {
        return Ok(Value::Bool(false));
    };
    let manager = of(cx)?.files.manager.clone();
    Ok(Value::Bool(manager.remove_analyzer(
        &id,
        kind,
        args.get(2).unwrap_or(&Value::Unset),
    )))
}

fn stop(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    Ok(Value::Bool(of(cx)?.files.manager.stop(&id)))
}

fn file_exists(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    Ok(Value::Bool(of(cx)?.files.manager.exists(&id)))
}

fn lookup_file(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = text(args.first());
    match of(cx)?.files.manager.lookup(&id) {
        Some(v) => Ok(v),
        None => {
            cx.error(format!("file ID {id} not a known file"));
            Ok(Value::Unset)
        }
    }
}

fn set_file_handle(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    of(cx)?.files.handle = Some(bytes(args.first()));
    Ok(Value::Unset)
}

fn set_limit(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (id, n) = (text(args.first()), number(args.get(2)));
    let manager = of(cx)?.files.manager.clone();
    Ok(Value::Bool(manager.set_extract_limit(
        &id,
        args.get(1).unwrap_or(&Value::Unset),
        n,
    )))
}

fn identify_data(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    if args.len() > 1 && !truth(args.get(1)) {
        cx.warning("identify_data() always returns MIME types");
    }
    let data = bytes(args.first());
    let found = of(cx)?.files.identify(&data).into_iter().next().map(|m| m.1);
    let name = found.unwrap_or_else(|| "<unknown>".into());
    Ok(Value::Str(Str::from(name.as_bytes())))
}

fn file_magic(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let data = bytes(args.first());
    let matches = of(cx)?.files.identify(&data);
    let b = cx.queue().shared_bindings();
    let items = matches
        .into_iter()
        .map(|(strength, mime)| {
            tapir_interface::records::MimeMatch {
                strength,
                mime: mime.as_bytes().into(),
            }
            .build(&b)
        })
        .collect();
    Ok(b.vector(tapir_interface::types::MIME_MATCHES, items))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Files::__set_timeout_interval", set_timeout_interval),
        ("Files::__enable_reassembly", enable_reassembly),
        ("Files::__disable_reassembly", disable_reassembly),
        ("Files::__set_reassembly_buffer", set_reassembly_buffer),
        ("Files::__enable_analyzer", enable_analyzer),
        ("Files::__disable_analyzer", disable_analyzer),
        ("Files::__analyzer_enabled", analyzer_enabled),
        ("Files::__analyzer_name", analyzer_name),
        ("Files::__add_analyzer", add_analyzer),
        ("Files::__remove_analyzer", remove_analyzer),
        ("Files::__stop", stop),
        ("Files::__file_exists", file_exists),
        ("Files::__lookup_file", lookup_file),
        ("set_file_handle", set_file_handle),
        ("FileExtract::__set_limit", set_limit),
        ("identify_data", identify_data),
        ("file_magic", file_magic),
    ]);
}
