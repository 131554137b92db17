//! Run-time errors and messages: where they happened, how they read, and which events they raise.

use tapir_data::text::{type_text, value_type_text};
use tapir_data::types::TypeId;
use tapir_data::value::{FuncId, Value};
use tapir_script::hir::{Ident, Program, Span};
use tapir_script::quote::{self, Part};

use crate::code::{Instr, kind};
use crate::host::{Failure, Host, Location, Message, RtError, Severity};
use crate::vm::Vm;

/// The place of a span.
pub(crate) fn location_of(prog: &Program, span: Span) -> Option<Location> {
    let file = prog.files.get(span.file as usize)?;
    let line = file.line(span.start);
    let end_line = file.line(span.end.saturating_sub(1).max(span.start)).max(line);
    Some(Location {
        file: file.path.clone(),
        line,
        end_line,
    })
}

/// The source text of a span on one line, shortened when it is long.
pub(crate) fn source_text(prog: &Program, span: Span) -> String {
    let Some(file) = prog.files.get(span.file as usize) else {
        return String::new();
    };
    let text = file.text.get(span.start as usize..span.end as usize).unwrap_or("");
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > 300 {
            out.push('…');
            break;
        }
    }
    out
}

/// Errors about something that was read, by their texts.
const READS: [&str; 3] = ["value used but not set", "no such index", "field value missing"];

/// Bytes of an expression that a message quotes.
const QUOTE_MAX: usize = 300;

impl Vm {
    fn span_here(&self) -> Option<Span> {
        if self.cur_code.is_null() {
            return None;
        }
        // SAFETY: `cur_code` points to the running code, `pc` into its instructions (or past a return that stands
        // outside of them, in which case the offset is clamped).
        unsafe {
            let code = &*self.cur_code;
            let start = code.instrs.as_ptr() as usize;
            let at = (self.pc as usize).wrapping_sub(start) / std::mem::size_of::<Instr>();
            let at = at.saturating_sub(1).min(code.instrs.len().saturating_sub(1));
            Some(code.span_at(at))
        }
    }

    /// Where the running script code is.
    pub fn location(&self) -> Option<Location> {
        location_of(self.program(), self.span_here()?)
    }

    /// The names, places and arguments of the running script functions, innermost first.
    pub fn call_stack(&self) -> Vec<CallFrame> {
        let prog = self.program();
        let mut out = Vec::new();
        let mut push = |code: *const crate::code::Code, pc: *const Instr, base: usize| {
            if code.is_null() {
                return;
            }
            // SAFETY: frames refer to code that is kept while it runs.
            let code = unsafe { &*code };
            let at = (pc as usize).wrapping_sub(code.instrs.as_ptr() as usize) / std::mem::size_of::<Instr>();
            let at = at.saturating_sub(1).min(code.instrs.len().saturating_sub(1));
            let args = (0..code.n_params as usize)
                .filter_map(|i| self.stack.get(base + i).cloned())
                .collect();
            out.push(CallFrame {
                name: code.name.to_string(),
                func: code.func,
                location: location_of(prog, code.span_at(at)),
                args,
            });
        };
        push(self.cur_code, self.pc, self.cur_base);
        for f in self.frames.iter().rev() {
            push(f.code, f.pc, f.base);
        }
        out
    }

    #[cold]
    pub(crate) fn located(&mut self, severity: Severity, text: impl Into<String>) -> RtError {
        RtError::Fail(Box::new(Failure {
            severity,
            text: text.into(),
            location: self.location(),
            stack: Vec::new(),
        }))
    }

    /// Gives an error the place of the running instruction if it has none.
    #[cold]
    pub(crate) fn with_location(&mut self, e: RtError) -> RtError {
        match e {
            RtError::Fail(mut f) => {
                if f.location.is_none() {
                    f.location = self.location();
                }
                if f.stack.is_empty() {
                    f.stack = shown_stack(self.call_stack());
                }
                RtError::Fail(f)
            }
            e => e,
        }
    }

    /// The normalised text of what failed at the running instruction, or else its source.
    #[cold]
    fn quoted(&self, part: Part) -> Option<String> {
        let span = self.span_here()?;
        let program = self.program();
        // SAFETY: there is a running instruction, so there is running code.
        let body = unsafe { (*self.cur_code).body.as_deref() };
        let mut text = quote::failed(program, body.unwrap_or(&program.top_level), span, part)
            .map(|t| t.replace('\n', ""))
            .unwrap_or_else(|| source_text(program, span));
        if text.len() > QUOTE_MAX {
            let cut = (0..=QUOTE_MAX).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
            text.truncate(cut);
            text.push('…');
        }
        Some(text)
    }

    /// An expression error whose detail is the expression's text.
    #[cold]
    pub(crate) fn detailed(&mut self, pc: *const Instr, text: &str) -> RtError {
        self.pc = pc;
        self.detailed_here(text)
    }

    #[cold]
    pub(crate) fn detailed_here(&mut self, text: &str) -> RtError {
        let part = if READS.contains(&text) { Part::Read } else { Part::Value };
        let detail = self.quoted(part).unwrap_or_default();
        let text = if detail.is_empty() {
            text.to_string()
        } else {
            format!("{text} ({detail})")
        };
        let e = self.located(Severity::ExpressionError, text);
        self.with_location(e)
    }

    #[cold]
    pub(crate) fn unset_error(&mut self, pc: *const Instr) -> RtError {
        self.detailed(pc, "value used but not set")
    }

    /// A value is missing or not of the promised kind.
    #[cold]
    pub(crate) fn kind_error(&mut self, pc: *const Instr, want: u8, v: &Value) -> RtError {
        self.pc = pc;
        if let Value::Unset = v {
            return self.detailed_here("value used but not set");
        }
        let got = value_type_text(self.types(), v);
        let text = format!("value of type {got} where {} was expected", kind::name(want));
        self.detailed_here(&text)
    }

    #[cold]
    pub(crate) fn result_error(&mut self, pc: *const Instr, f: FuncId, want: u8, v: &Value) -> RtError {
        self.pc = pc;
        let name = self
            .program()
            .functions
            .get(f.0 as usize)
            .map_or_else(|| "function".to_string(), |f| f.name.to_string());
        let got = kind::of(v);
        let e = self.located(
            Severity::InternalError,
            format!("{name} gave a value of kind {got} instead of {want}"),
        );
        self.with_location(e)
    }

    #[cold]
    pub(crate) fn count_underflow(&mut self, host: &mut dyn Host) {
        let detail = self.quoted(Part::Value).unwrap_or_default();
        let location = self.location();
        self.report(
            host,
            Severity::ExpressionWarning,
            format!("count underflow ({detail})"),
            location,
        );
    }

    #[cold]
    pub(crate) fn missing_return(&mut self, host: &mut dyn Host) {
        // SAFETY: a body is running.
        let name = unsafe { (*self.cur_code).name.clone() };
        let location = self.location();
        self.report(
            host,
            Severity::Warning,
            format!("non-void function returning without a value: {name}"),
            location,
        );
    }

    #[cold]
    pub(crate) fn invalidation_warning(&mut self, host: &mut dyn Host) {
        let detail = self
            .span_here()
            .map(|s| source_text(self.program(), s))
            .unwrap_or_default();
        let location = self.location();
        self.report(
            host,
            Severity::Warning,
            format!("possible loop/iterator invalidation ({detail})"),
            location,
        );
    }

    pub(crate) fn type_name(&self, ty: TypeId) -> String {
        type_text(self.types(), ty)
    }

    /// Where scripts gave a global its value for the last time while they were loaded, or declared it.
    pub fn origin_of(&self, global: &str) -> Option<Location> {
        let program = self.program();
        let Some(Ident::Global(g)) = program.names.get(global) else {
            return None;
        };
        let last = program.inits.iter().rev().find(|i| i.global == *g).map(|i| i.span);
        location_of(program, last.unwrap_or(program.globals.get(g.0 as usize)?.span))
    }

    /// Sends a message to the host and raises the `reporter_*` event.
    pub fn report(&mut self, host: &mut dyn Host, severity: Severity, text: String, location: Option<Location>) {
        self.report_full(host, severity, text, location, Vec::new());
    }

    /// An error of a built-in at the place of its call, with the places of constants that it was given.
    #[cold]
    pub(crate) fn report_at_call(&mut self, host: &mut dyn Host, text: String) {
        let location = self.location();
        let notes = self
            .span_here()
            .map(|s| crate::origin::notes(self.program(), s))
            .unwrap_or_default();
        let text = match self.quoted(Part::Call) {
            None => text,
            // What the built-in says of an argument stands behind the call.
            Some(call) => match text
                .split_once(" (")
                .and_then(|(what, of)| Some((what, of.strip_suffix(')')?)))
                .filter(|(_, of)| !of.starts_with("os error "))
            {
                Some((what, of)) => format!("{what} ({call} and {of})"),
                None => format!("{text} ({call})"),
            },
        };
        self.report_full(host, Severity::Error, text, location, notes);
    }

    fn report_full(
        &mut self,
        host: &mut dyn Host,
        severity: Severity,
        text: String,
        location: Option<Location>,
        stack: Vec<String>,
    ) {
        if severity.is_error() {
            self.n_errors += 1;
        }
        let at = location.as_ref().map_or_else(String::new, |l| l.to_string());
        let message = Message {
            severity,
            text,
            location,
            network_time: self.now,
            stack,
        };
        host.report(&message);
        if self.in_error_handler {
            return;
        }
        let which = match severity {
            Severity::Info => 0,
            Severity::Warning | Severity::ExpressionWarning => 1,
            _ => 2,
        };
        if let Some(f) = self.reporter_events[which] {
            let args = vec![
                Value::Time(self.now),
                Value::Str(message.text.as_bytes().into()),
                Value::Str(at.as_bytes().into()),
            ];
            self.raise_func(f, args);
        }
    }

    /// Reports an error that ended a body. What must end more than that comes back.
    pub fn report_error(&mut self, host: &mut dyn Host, e: RtError) -> Result<(), RtError> {
        match e {
            RtError::Fail(f) => {
                let f = *f;
                self.report_full(host, f.severity, f.text, f.location, f.stack);
                Ok(())
            }
            RtError::Reported => Ok(()),
            e @ (RtError::Exit(_) | RtError::Pending) => Err(e),
        }
    }
}

/// One running script function.
#[derive(Clone)]
pub struct CallFrame {
    pub name: String,
    pub func: Option<FuncId>,
    pub location: Option<Location>,
    pub args: Vec<Value>,
}

/// The lines of a call stack, innermost first; the middle of a long one is left out.
fn shown_stack(frames: Vec<CallFrame>) -> Vec<String> {
    const INNER: usize = 12;
    const OUTER: usize = 6;
    let n = frames.len();
    let mut lines = Vec::new();
    for (i, c) in frames.into_iter().enumerate() {
        if n > INNER + OUTER + 1 && i >= INNER && i < n - OUTER {
            if i == INNER {
                lines.push(format!("… {} more calls", n - INNER - OUTER));
            }
            continue;
        }
        lines.push(match c.location {
            Some(l) => format!("{} at {l}", c.name),
            None => c.name,
        });
    }
    lines
}
