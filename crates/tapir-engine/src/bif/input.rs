//! `Input::*`.

use tapir_data::value::Value;
use tapir_vm::{CallCtx, Registry, RtError};

use super::bytes;
use crate::input::{self, Kind};

type Out = Result<Value, RtError>;

fn create(cx: &mut CallCtx<'_>, args: &[Value], kind: Kind) -> Out {
    input::create(cx, args.first().unwrap_or(&Value::Unset), kind).map(Value::Bool)
}

fn table(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    create(cx, args, Kind::Table)
}

fn event(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    create(cx, args, Kind::Event)
}

fn analysis(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    create(cx, args, Kind::Analysis)
}

fn remove(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    input::remove(cx, &bytes(args.first())).map(Value::Bool)
}

fn force_update(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    input::force_update(cx, &bytes(args.first())).map(Value::Bool)
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Input::__create_table_stream", table),
        ("Input::__create_event_stream", event),
        ("Input::__create_analysis_stream", analysis),
        ("Input::__remove_stream", remove),
        ("Input::__force_update", force_update),
    ]);
}
