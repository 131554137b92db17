//! `Log::*`.

use tapir_data::value::Value;
use tapir_vm::{CallCtx, Registry, RtError};

use super::{bytes, number, seconds, truth};
use crate::host::of;
use crate::logs;

type Out = Result<Value, RtError>;

fn id(args: &[Value]) -> i64 {
    match args.first() {
        Some(Value::Enum(_, n)) => *n,
        _ => -1,
    }
}

fn arg(args: &[Value], i: usize) -> Value {
    args.get(i).cloned().unwrap_or_default()
}

fn create_stream(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::create_stream(cx, &arg(args, 0), &arg(args, 1)).map(Value::Bool)
}

fn remove_stream(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.logs.remove_stream(id(args))))
}

fn set_enabled(cx: &mut CallCtx<'_>, args: &[Value], on: bool) -> Out {
    match of(cx)?.logs.set_enabled(id(args), on) {
        None => Ok(Value::Bool(false)),
        Some(groups) => {
            for g in groups {
                let g = String::from_utf8_lossy(&g);
                cx.vm.set_event_group(&g, false, on);
                cx.vm.set_event_group(&g, true, on);
            }
            Ok(Value::Bool(true))
        }
    }
}

fn enable_stream(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, true)
}

fn disable_stream(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, false)
}

fn add_filter(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::add_filter(cx, &arg(args, 0), &arg(args, 1)).map(Value::Bool)
}

fn remove_filter(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = bytes(args.get(1));
    Ok(Value::Bool(of(cx)?.logs.remove_filter(id(args), &name)))
}

fn write(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::write(cx, &arg(args, 0), &arg(args, 1)).map(Value::Bool)
}

fn set_buf(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    if !truth(args.get(1)) {
        logs::send_rows(of(cx)?, Some(id(args)));
    }
    Ok(Value::Bool(of(cx)?.logs.set_buffered(id(args), truth(args.get(1)))))
}

fn flush(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::send_rows(of(cx)?, Some(id(args)));
    Ok(Value::Bool(of(cx)?.logs.flush(id(args))))
}

fn flush_all(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let h = of(cx)?;
    h.logs.flush_all();
    logs::send_rows(h, None);
    Ok(Value::Unset)
}

fn delay(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::delay(cx, &arg(args, 0), &arg(args, 1), &arg(args, 2))
}

fn delay_finish(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::delay_finish(cx, &arg(args, 0), &arg(args, 1), &arg(args, 2)).map(Value::Bool)
}

fn set_max_delay(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::set_max_delay(cx, id(args), seconds(args.get(1))).map(Value::Bool)
}

fn set_max_queue(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::set_max_queue(cx, id(args), number(args.get(1))).map(Value::Bool)
}

fn queue_size(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    logs::queue_size(cx, id(args)).map(Value::Int)
}

/// Adds `Log::*`.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Log::__create_stream", create_stream),
        ("Log::__remove_stream", remove_stream),
        ("Log::__enable_stream", enable_stream),
        ("Log::__disable_stream", disable_stream),
        ("Log::__add_filter", add_filter),
        ("Log::__remove_filter", remove_filter),
        ("Log::__write", write),
        ("Log::__set_buf", set_buf),
        ("Log::__flush", flush),
        ("Log::flush_all", flush_all),
        ("Log::__delay", delay),
        ("Log::__delay_finish", delay_finish),
        ("Log::__set_max_delay_interval", set_max_delay),
        ("Log::__set_max_delay_queue_size", set_max_queue),
        ("Log::__get_delay_queue_size", queue_size),
    ]);
}
