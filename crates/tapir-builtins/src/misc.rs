//! Small functions that stand alone: address anonymisation without an anonymiser, documentation look-ups,
//! capabilities that this sensor does not have.

use tapir_data::value::Value;
use tapir_vm::CallCtx;

use crate::util::*;

pub const FAMILY: Family = &[
    ("anonymize_addr", anonymize_addr),
    ("preserve_prefix", preserve_prefix),
    ("preserve_subnet", preserve_subnet),
    ("get_script_comments", get_script_comments),
    ("get_package_readme", |_, _| Ok(string(""))),
    ("get_record_field_comments", |ctx, a| field_place(ctx, a, true)),
    ("get_record_field_declaring_script", |ctx, a| field_place(ctx, a, false)),
    ("ZAM::Prof::set_module_profiling", |_, _| Ok(Value::Count(0))),
    ("ZAM::Prof::get_module_profile", |ctx, _| {
        let none = [("num_bodies", Value::Count(0)), ("num_inst", Value::Count(0))];
        Ok(record(ctx.types(), ctx.result_type, &none))
    }),
    ("ZAM::Prof::estimated_profiling_overhead", |_, _| {
        Ok(Value::Interval(0.0))
    }),
];

/// No anonymiser is configured: IPv4 addresses come back as they are.
fn anonymize_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let addr = a.addr(0)?;
    if !addr.is_v4() {
        ctx.error("anonymize_addr() is not supported for IPv6 addresses");
        return Ok(Value::Unset);
    }
    Ok(Value::Addr(addr))
}

fn preserve_prefix(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if !a.addr(0)?.is_v4() {
        ctx.error("preserve_prefix() is not supported for IPv6 addresses");
    }
    Ok(Value::Unset)
}

fn preserve_subnet(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if !a.subnet(0)?.addr.is_v4() {
        ctx.error("preserve_subnet() is not supported for IPv6 addresses");
    }
    Ok(Value::Unset)
}

/// The `##!` comments of a loaded file, one line each.
fn get_script_comments(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = lossy(a.str(0)?);
    let files = ctx.program().files.iter();
    let found = files
        .rev()
        .find(|f| *f.path == *name || f.path.ends_with(&format!("/{name}")));
    let lines: Vec<&str> = found.map_or(Vec::new(), |f| {
        let comments = f.text.lines().filter_map(|l| l.trim_start().strip_prefix("##!"));
        comments.map(|c| c.strip_prefix(' ').unwrap_or(c)).collect()
    });
    Ok(string(lines.join("\n")))
}

/// For `R$field`: the comments at the field, or the file that declares it.
fn field_place(ctx: &mut CallCtx<'_>, a: &[Value], comments: bool) -> Res {
    let full = lossy(a.str(0)?);
    let Some((ty, field)) = full.split_once('$') else {
        return Ok(string(""));
    };
    let known = named_type(ctx, ty)
        .and_then(|t| ctx.types().record(t))
        .is_some_and(|r| r.slot(field).is_some());
    if !known {
        return Ok(string(""));
    }
    let short = ty.rsplit("::").next().unwrap_or(ty);
    for f in &ctx.program().files {
        let Some(start) = f
            .text
            .find(&format!("type {short}: record"))
            .or_else(|| f.text.find(&format!("redef record {ty} ")))
        else {
            continue;
        };
        let mut above: Vec<&str> = Vec::new();
        for line in f.text[start..].lines().skip(1) {
            let line = line.trim();
            if let Some(c) = line.strip_prefix("##").filter(|c| !c.starts_with(['<', '!'])) {
                above.push(c.trim_start());
            } else if line.starts_with(&format!("{field}:")) {
                if !comments {
                    return Ok(string(f.path.as_bytes()));
                }
                if let Some((_, c)) = line.split_once("##<") {
                    above.push(c.trim_start());
                }
                return Ok(string(above.join("\n")));
            } else {
                above.clear();
            }
            if line.starts_with('}') {
                break;
            }
        }
    }
    Ok(string(""))
}
