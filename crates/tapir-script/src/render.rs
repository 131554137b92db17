//! The normalised text of expressions, statements and bodies: what run-time errors quote, what printing a function
//! shows and what assertions are called.

use std::fmt::Write;
use std::sync::Arc;

use tapir_data::number::{double_text, interval_text};
use tapir_data::text::{enum_text, port_text, subnet_text};
use tapir_data::types::{TypeId, Types, builtin};

use crate::hir::{
    BinOp, Body, Callee, Const, EventTarget, Expr, ExprKind, LValue, Local, LocalId, Parts, Program, Stmt, StmtKind,
    UnOp,
};

/// A type as messages show it.
pub fn type_text(types: &Types, ty: TypeId) -> String {
    tapir_data::text::type_text(types, ty)
}

const IN: u8 = 8;
const PREFIX: u8 = 16;
const POSTFIX: u8 = 17;

/// How strongly the operator of an expression binds; whatever has none binds most.
fn strength(e: &Expr) -> u8 {
    match &e.kind {
        ExprKind::Assign(..) | ExprKind::AddAssign(..) | ExprKind::SubAssign(..) => 2,
        ExprKind::Or(..) => 4,
        ExprKind::And(..) => 5,
        ExprKind::HookCall(..) => 6,
        ExprKind::In(..) => IN,
        ExprKind::Binary(op, ..) => match op {
            BinOp::VecOr => 4,
            BinOp::VecAnd => 5,
            BinOp::Lt | BinOp::Le | BinOp::Eq | BinOp::Ne => 7,
            BinOp::BitOr => 9,
            BinOp::BitXor => 10,
            BinOp::BitAnd => 11,
            BinOp::Shl | BinOp::Shr => 12,
            BinOp::Add | BinOp::Sub | BinOp::SetSub => 13,
            BinOp::Mul | BinOp::Div | BinOp::Mod | BinOp::Mask => 14,
        },
        ExprKind::Incr(_) | ExprKind::Decr(_) => 15,
        ExprKind::Unary(UnOp::Not, inner) if matches!(inner.kind, ExprKind::In(..)) => IN,
        ExprKind::Unary(UnOp::Not | UnOp::BitNot | UnOp::Neg | UnOp::Pos, _) => PREFIX,
        ExprKind::Coerce(inner) if e.ty == builtin::ANY || inner.ty == builtin::ANY => strength(inner),
        ExprKind::Cast(_) | ExprKind::CanCast(..) | ExprKind::Is(..) => POSTFIX,
        _ => u8::MAX,
    }
}

/// The sign of an operator.
pub fn op_text(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "+",
        BinOp::Sub | BinOp::SetSub => "-",
        BinOp::Mul => "*",
        BinOp::Div | BinOp::Mask => "/",
        BinOp::Mod => "%",
        BinOp::BitOr => "|",
        BinOp::BitAnd => "&",
        BinOp::BitXor => "^",
        BinOp::Shl => "<<",
        BinOp::Shr => ">>",
        BinOp::Lt => "<",
        BinOp::Le => "<=",
        BinOp::Eq => "==",
        BinOp::Ne => "!=",
        BinOp::VecAnd => "&&",
        BinOp::VecOr => "||",
    }
}

/// The text of an expression whose locals are given, strings in quotes.
pub fn expr(program: &Program, locals: &[Local], e: &Expr) -> String {
    let mut r = Renderer {
        program,
        locals,
        quotes: true,
        out: String::new(),
    };
    r.expr(e);
    r.out
}

/// The text of an expression outside of functions, strings without quotes.
pub fn plain(program: &Program, e: &Expr) -> String {
    let mut r = Renderer {
        program,
        locals: &[],
        quotes: false,
        out: String::new(),
    };
    r.expr(e);
    r.out
}

/// The text of an expression whose locals are given, strings without quotes.
pub fn unquoted(program: &Program, locals: &[Local], e: &Expr) -> String {
    let mut r = Renderer {
        program,
        locals,
        quotes: false,
        out: String::new(),
    };
    r.expr(e);
    r.out
}

/// The text of what is assigned to, strings without quotes.
pub fn target(program: &Program, locals: &[Local], l: &LValue) -> String {
    let mut r = Renderer {
        program,
        locals,
        quotes: false,
        out: String::new(),
    };
    r.lvalue(l);
    r.out
}

/// The text of a statement, strings without quotes.
pub fn stmt(program: &Program, locals: &[Local], s: &Stmt) -> String {
    let mut r = Renderer {
        program,
        locals,
        quotes: false,
        out: String::new(),
    };
    r.stmt(s);
    r.out
}

/// The text of a body as printing its function shows it.
pub fn body(program: &Program, body: &Body) -> String {
    let parts = match program.parts(body) {
        Ok(parts) => parts,
        Err(why) => return why.into(),
    };
    let mut r = Renderer {
        program,
        locals: &parts.locals,
        quotes: false,
        out: String::new(),
    };
    if parts.stmts.is_empty() {
        return ";".into();
    }
    r.block(&parts.stmts);
    r.out
}

/// The parts of a body; what cannot be read has none.
fn parts<'p>(program: &'p Program, body: &'p Body) -> &'p Parts {
    static NONE: Parts = Parts {
        stmts: Vec::new(),
        locals: Vec::new(),
    };
    program.parts(body).unwrap_or(&NONE)
}

struct Renderer<'a> {
    program: &'a Program,
    locals: &'a [Local],
    quotes: bool,
    out: String,
}

impl Renderer<'_> {
    fn put(&mut self, s: &str) {
        self.out.push_str(s);
    }

    fn types(&self) -> &Types {
        &self.program.types
    }

    fn ty(&mut self, t: TypeId) {
        let text = type_text(self.types(), t);
        self.put(&text);
    }

    fn local(&mut self, id: LocalId) {
        match self.locals.get(id.0 as usize) {
            Some(l) => {
                let name: Arc<str> = l.name.clone();
                self.put(&name);
            }
            None => self.put("?"),
        }
    }

    fn list(&mut self, list: &[Expr]) {
        for (i, e) in list.iter().enumerate() {
            if i > 0 {
                self.put(", ");
            }
            self.expr(e);
        }
    }

    fn field(&mut self, ty: TypeId, slot: u32) {
        let name = self
            .types()
            .record(ty)
            .and_then(|r| r.fields.get(slot as usize))
            .map(|f| f.name.clone());
        match name {
            Some(n) => self.put(&n),
            None => self.put("?"),
        }
    }

    fn constant(&mut self, c: &Const) {
        let text = match c {
            Const::Bool(b) => if *b { "T" } else { "F" }.to_string(),
            Const::Int(v) => v.to_string(),
            Const::Count(v) => v.to_string(),
            Const::Double(v) | Const::Time(v) => double_text(*v),
            Const::Interval(v) => interval_text(*v),
            Const::Enum(t, v) => enum_text(self.types(), *t, *v).to_string(),
            Const::Port(p) => port_text(*p),
            Const::Addr(a) => a.to_string(),
            Const::Subnet(s) => subnet_text(s),
            Const::Str(s) => {
                let mut text = String::new();
                if self.quotes {
                    text.push('"');
                }
                for &b in s.iter() {
                    match b {
                        b'"' | b'\\' if self.quotes => {
                            text.push('\\');
                            text.push(b as char);
                        }
                        0x20..=0x7e => text.push(b as char),
                        _ => {
                            let _ = write!(text, "\\x{b:02x}");
                        }
                    }
                }
                if self.quotes {
                    text.push('"');
                }
                text
            }
            Const::Pattern {
                text,
                ignore_case,
                single_line,
            } => {
                let text = String::from_utf8_lossy(text);
                let mut inner = format!("^?({text})$?");
                if *ignore_case {
                    inner = format!("(?i:{inner})");
                }
                if *single_line {
                    inner = format!("(?s:{inner})");
                }
                format!("/{inner}/")
            }
            Const::Type(t) => type_text(self.types(), *t),
        };
        self.put(&text);
    }

    /// An operand of an operator that binds with a strength; in parentheses where it binds less.
    fn operand(&mut self, e: &Expr, least: u8) {
        if strength(e) < least {
            self.put("(");
            self.expr(e);
            self.put(")");
        } else {
            self.expr(e);
        }
    }

    fn callee(&mut self, c: &Callee) {
        match c {
            Callee::Func(f) => {
                let name = self.program.functions[f.0 as usize].name.clone();
                self.put(&name);
            }
            Callee::Value(v) => self.expr(v),
        }
    }

    /// Arguments, with the defaults that are filled in.
    fn arguments(&mut self, c: &Callee, args: &[Expr]) {
        self.put("(");
        self.list(args);
        if let Callee::Func(f) = c {
            let program = self.program;
            let sig = &program.functions[f.0 as usize].sig;
            for (i, p) in sig.params.iter().enumerate().skip(args.len()) {
                if let Some(d) = p.default {
                    if i > 0 {
                        self.put(", ");
                    }
                    self.expr(&program.default(d).expr);
                }
            }
        }
        self.put(")");
    }

    fn lvalue(&mut self, l: &LValue) {
        match l {
            LValue::Local(id) => self.local(*id),
            LValue::Global(g) => {
                let name = self.program.globals[g.0 as usize].name.clone();
                self.put(&name);
            }
            LValue::Field(e, slot) => {
                self.expr(e);
                self.put("$");
                self.field(e.ty, *slot);
            }
            LValue::Index(e, index) => {
                self.expr(e);
                self.put("[");
                self.list(index);
                self.put("]");
            }
            LValue::Slice(e, low, high) => self.slice(e, low.as_deref(), high.as_deref()),
            LValue::List(list) => {
                self.put("[");
                for (i, l) in list.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    self.lvalue(l);
                }
                self.put("]");
            }
            LValue::Whole(e) => self.expr(e),
        }
    }

    fn slice(&mut self, e: &Expr, low: Option<&Expr>, high: Option<&Expr>) {
        self.operand(e, POSTFIX);
        self.put("[");
        match low {
            Some(l) => self.expr(l),
            None => self.put("0"),
        }
        self.put(":");
        match high {
            Some(h) => self.expr(h),
            None => {
                self.put("|");
                self.expr(e);
                self.put("|");
            }
        }
        self.put("]");
    }

    fn pair(&mut self, a: &Expr, op: &str, b: &Expr, strength: u8) {
        self.operand(a, strength);
        self.put(" ");
        self.put(op);
        self.put(" ");
        // All of them group to the left.
        self.operand(b, strength + 1);
    }

    fn expr(&mut self, e: &Expr) {
        match &e.kind {
            ExprKind::Const(c) => self.constant(c),
            ExprKind::Local(id) => self.local(*id),
            ExprKind::Global(g) => {
                let name = self.program.globals[g.0 as usize].name.clone();
                self.put(&name);
            }
            ExprKind::Func(f) => {
                let name = self.program.functions[f.0 as usize].name.clone();
                self.put(&name);
            }
            ExprKind::Unary(op, a) => {
                if let (UnOp::Not, ExprKind::In(index, hay)) = (op, &a.kind) {
                    self.put("!");
                    self.membership(index, hay);
                    return;
                }
                match op {
                    UnOp::Not => self.put("!"),
                    UnOp::BitNot => self.put("~"),
                    UnOp::Neg => self.put("-"),
                    UnOp::Pos => self.put("+"),
                    UnOp::Size => self.put("|"),
                    UnOp::Copy => self.put("copy("),
                }
                match op {
                    UnOp::Size | UnOp::Copy => self.expr(a),
                    _ => self.operand(a, PREFIX),
                }
                match op {
                    UnOp::Size => self.put("|"),
                    UnOp::Copy => self.put(")"),
                    _ => {}
                }
            }
            ExprKind::Binary(op, a, b) => self.pair(a, op_text(*op), b, strength(e)),
            ExprKind::And(a, b) => self.pair(a, "&&", b, strength(e)),
            ExprKind::Or(a, b) => self.pair(a, "||", b, strength(e)),
            ExprKind::Cond(c, a, b) => {
                self.put("(");
                self.expr(c);
                self.put(" ? ");
                self.expr(a);
                self.put(" : ");
                self.expr(b);
                self.put(")");
            }
            ExprKind::Field(a, slot) => {
                self.operand(a, POSTFIX);
                self.put("$");
                self.field(a.ty, *slot);
            }
            ExprKind::HasField(a, slot) => {
                self.operand(a, POSTFIX);
                self.put("?$");
                self.field(a.ty, *slot);
            }
            ExprKind::Index(a, index) => {
                self.operand(a, POSTFIX);
                self.put("[");
                self.list(index);
                self.put("]");
            }
            ExprKind::Slice(a, low, high) => self.slice(a, low.as_deref(), high.as_deref()),
            ExprKind::In(index, hay) => self.membership(index, hay),
            ExprKind::Call(c, args) => {
                self.callee(c);
                self.arguments(c, args);
            }
            ExprKind::HookCall(c, args) => {
                self.put("hook ");
                self.callee(c);
                self.arguments(c, args);
            }
            ExprKind::Assign(l, v) => {
                self.lvalue(l);
                self.put(" = ");
                self.expr(v);
            }
            ExprKind::AddAssign(l, v) => {
                self.lvalue(l);
                self.put(" += ");
                self.expr(v);
            }
            ExprKind::SubAssign(l, v) => {
                self.lvalue(l);
                self.put(" -= ");
                self.expr(v);
            }
            ExprKind::Incr(l) => {
                self.put("++");
                self.lvalue(l);
            }
            ExprKind::Decr(l) => {
                self.put("--");
                self.lvalue(l);
            }
            ExprKind::Record(fields) => {
                let nameless = self.types().name(e.ty).is_some_and(|n| n.starts_with("record {"));
                let name = self.types().record(e.ty).and_then(|r| r.name.clone());
                let name = name.filter(|_| !nameless);
                let (open, close) = match &name {
                    Some(n) => {
                        self.put(n);
                        ("(", ")")
                    }
                    None => ("[", "]"),
                };
                self.put(open);
                for (i, (slot, v)) in fields.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    self.put("$");
                    self.field(e.ty, *slot);
                    self.put("=");
                    self.expr(v);
                }
                self.put(close);
            }
            ExprKind::Table(entries, _) => {
                self.put("table(");
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    self.put("[");
                    self.list(key);
                    self.put("] = ");
                    self.expr(value);
                }
                self.put(")");
            }
            ExprKind::Set(elements, _) => {
                self.put("set(");
                for (i, key) in elements.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    if let [single] = &key[..] {
                        self.expr(single);
                    } else {
                        self.put("[");
                        self.list(key);
                        self.put("]");
                    }
                }
                self.put(")");
            }
            ExprKind::Vector(elements) => {
                self.put("vector(");
                self.list(elements);
                self.put(")");
            }
            ExprKind::List(elements) => {
                self.put("[");
                self.list(elements);
                self.put("]");
            }
            ExprKind::Lambda(l) => {
                let name = self.program.functions[l.func.0 as usize].name.clone();
                self.put(&name);
            }
            ExprKind::Schedule(delay, f, args) => {
                self.put("schedule ");
                self.expr(delay);
                self.put(" { ");
                let name = self.program.functions[f.0 as usize].name.clone();
                self.put(&name);
                self.put("(");
                self.list(args);
                self.put(") }");
            }
            ExprKind::Coerce(a) => {
                // Conversions to and from `any` change nothing that one could see.
                if e.ty == builtin::ANY || a.ty == builtin::ANY {
                    self.expr(a);
                    return;
                }
                self.put("(coerce ");
                self.expr(a);
                self.put(" to ");
                self.ty(e.ty);
                self.put(")");
            }
            ExprKind::Cast(a) => {
                self.operand(a, POSTFIX);
                self.put(" as ");
                self.ty(e.ty);
            }
            ExprKind::CanCast(a, t) => {
                self.operand(a, POSTFIX);
                self.put(" ?as ");
                self.ty(*t);
            }
            ExprKind::Is(a, t) => {
                self.operand(a, POSTFIX);
                self.put(" is ");
                self.ty(*t);
            }
            ExprKind::WhenLocal(id, v) => {
                self.put("local ");
                self.local(*id);
                self.put(" = ");
                self.expr(v);
            }
        }
    }

    /// Renders something that has a frame of its own.
    fn with_locals(&mut self, locals: &[Local], f: impl FnOnce(&mut Renderer<'_>)) {
        let mut inner = Renderer {
            program: self.program,
            locals,
            quotes: self.quotes,
            out: std::mem::take(&mut self.out),
        };
        f(&mut inner);
        self.out = inner.out;
    }

    fn membership(&mut self, index: &[Expr], hay: &Expr) {
        if let [single] = index {
            self.operand(single, IN);
        } else {
            self.put("[");
            self.list(index);
            self.put("]");
        }
        self.put(" in ");
        self.operand(hay, IN + 1);
    }

    fn block(&mut self, stmts: &[Stmt]) {
        if stmts.is_empty() {
            self.put(";");
            return;
        }
        self.put("{ \n");
        for s in stmts {
            if matches!(s.kind, StmtKind::Null) {
                continue;
            }
            self.stmt(s);
            self.put("\n");
        }
        self.put("}");
    }

    fn stmt(&mut self, s: &Stmt) {
        match &s.kind {
            StmtKind::Block(stmts) => self.block(stmts),
            StmtKind::Print(args) => {
                self.put("print ");
                self.list(args);
                self.put(";");
            }
            StmtKind::Expr(e) => {
                self.expr(e);
                self.put(";");
            }
            StmtKind::InitLocal(id, e, _) => {
                self.local(*id);
                self.put(" = ");
                self.expr(e);
                self.put(";");
            }
            StmtKind::Event(target, args) => {
                self.put("event ");
                let name = match target {
                    EventTarget::Func(f) => self.program.functions[f.0 as usize].name.clone(),
                    EventTarget::Global(g) => self.program.globals[g.0 as usize].name.clone(),
                };
                self.put(&name);
                self.put("(");
                self.list(args);
                self.put(");");
            }
            StmtKind::If(c, yes, no) => {
                self.put("if (");
                self.expr(c);
                self.put(") \n");
                self.stmt(yes);
                if let Some(no) = no {
                    self.put("\nelse\n");
                    self.stmt(no);
                }
                self.put("\n");
            }
            StmtKind::While(c, b) => {
                self.put("while (");
                self.expr(c);
                self.put(") \n");
                self.stmt(b);
                self.put("\n");
            }
            StmtKind::For(f) => {
                self.put("for ([");
                for (i, k) in f.keys.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    match k {
                        Some(id) => self.local(*id),
                        None => self.put("_"),
                    }
                }
                self.put("]");
                if let Some(v) = f.value {
                    self.put(", ");
                    self.local(v);
                }
                self.put(" in ");
                self.expr(&f.over);
                self.put(") \n");
                self.stmt(&f.body);
                self.put("\n");
            }
            StmtKind::Switch(sw) => {
                self.put("switch (");
                self.expr(&sw.on);
                self.put(") {");
                for (i, b) in sw.blocks.iter().enumerate() {
                    let mine: Vec<&Const> = sw.labels.iter().filter(|l| l.1 as usize == i).map(|l| &l.0).collect();
                    if !mine.is_empty() {
                        self.put("\ncase ");
                        for (j, c) in mine.iter().enumerate() {
                            if j > 0 {
                                self.put(", ");
                            }
                            self.constant(c);
                        }
                        self.put(":");
                    }
                    if sw.default == Some(i as u32) {
                        self.put("\ndefault:");
                    }
                    self.put("\n");
                    self.stmt(b);
                }
                self.put("\n}");
            }
            StmtKind::TypeSwitch(sw) => {
                self.put("switch (");
                self.expr(&sw.on);
                self.put(") {");
                for (i, b) in sw.blocks.iter().enumerate() {
                    for l in sw.labels.iter().filter(|l| l.2 as usize == i) {
                        self.put("\ncase type ");
                        self.ty(l.0);
                        if let Some(id) = l.1 {
                            self.put(" as ");
                            self.local(id);
                        }
                        self.put(":");
                    }
                    if sw.default == Some(i as u32) {
                        self.put("\ndefault:");
                    }
                    self.put("\n");
                    self.stmt(b);
                }
                self.put("\n}");
            }
            StmtKind::Next => self.put("next;"),
            StmtKind::Break => self.put("break;"),
            StmtKind::Fallthrough => self.put("fallthrough;"),
            StmtKind::Return(None) => self.put("return;"),
            StmtKind::Return(Some(e)) => {
                // A conditional brings its own parentheses.
                let bare = matches!(e.kind, ExprKind::Cond(..));
                self.put(if bare { "return " } else { "return (" });
                self.expr(e);
                self.put(if bare { ";" } else { ");" });
            }
            StmtKind::Add(l) => {
                self.put("add ");
                self.lvalue(l);
                self.put(";");
            }
            StmtKind::Delete(l) => {
                self.put("delete ");
                self.lvalue(l);
                self.put(";");
            }
            StmtKind::When(w) => {
                self.put(if w.is_return { "return when (" } else { "when (" });
                let program = self.program;
                self.with_locals(&parts(program, &w.cond).locals, |r| {
                    r.expr(&w.cond_expr);
                    r.put(") \n");
                    for s in &parts(program, &w.body).stmts {
                        r.stmt(s);
                    }
                });
                if let Some(t) = &w.timeout {
                    self.put("\ntimeout ");
                    self.expr(t);
                    self.put(" ");
                    if let Some(b) = &w.timeout_body {
                        let parts = parts(program, b);
                        self.with_locals(&parts.locals, |r| r.block(&parts.stmts));
                    }
                }
            }
            StmtKind::Assert(a) => {
                self.put("assert ");
                self.expr(&a.cond);
                if let Some(m) = &a.message {
                    self.put(", ");
                    self.expr(m);
                }
                self.put(";");
            }
            StmtKind::Null => self.put(";"),
        }
    }
}
