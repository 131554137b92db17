//! Names and types: syntax tree to typed program.
//!
//! Declarations arrive in textual order and are checked at once; a name is known from its declaration on. An expression
//! that had an error gets the type `builtin::ERROR`, which goes with everything, so one mistake is told once.
//! Spec: the language reference, sections 1.5, 2, 3 and 4.

mod assign;
mod attrs;
mod call;
mod coerce;
mod construct;
mod decl;
mod expr;
mod flow;
mod func;
mod index;
mod lambda;
mod later;
mod ops;
mod rebind;
mod stmt;
mod types;
mod usage;

use std::sync::Arc;

pub use later::{Held, Later, Waiting};
use tapir_data::types::{EnumId, Flavor, Kind, TypeId, builtin};
use tapir_data::value::FuncId;

use crate::ast;
use crate::diag::{Diagnostic, Severity, nearest};
use crate::hir::{self, Const, Expr, ExprKind, GlobalId, LocalId, Program, Span};
use crate::load::outline::Place;
use crate::symbol::{FastMap, Interner, Symbol};

/// So many errors are told; more would bury the first.
const MAX_ERRORS: usize = 100;

/// So many global names have room at first: more than the scripts have that come with the program. Room that is not used is
/// never touched, and growing leaves holes.
const NAMES: usize = 6000;

/// What a global name stands for.
#[derive(Clone)]
struct Entity {
    meaning: hir::Ident,
    /// The module that the name belongs to.
    module: Symbol,
    exported: bool,
    deprecated: Option<Arc<str>>,
    span: Span,
    /// How many names there were before.
    born: u32,
}

/// What is known about a function beside its entry in the program.
#[derive(Default)]
struct FuncInfo {
    /// Further prototypes: for each parameter its position in the canonical list.
    alternates: Vec<Vec<u32>>,
    is_used: bool,
    /// Declared by native code or a prototype.
    native: bool,
    module: Symbol,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FrameKind {
    Function,
    Event,
    Hook,
    Lambda,
    When,
    TopLevel,
    /// An initialiser, attribute or default: no enclosing body.
    Init,
}

struct LocalInfo {
    name: Symbol,
    ty: TypeId,
    /// False after the end of the block that declared it.
    active: bool,
    span: Span,
    constant: bool,
    /// Captured from outside, and whether it was used.
    captured: bool,
    /// Loop variables live until the end of the function.
    is_loop: bool,
    /// Marked `&is_assigned` or `&is_used`.
    assured: bool,
    used: bool,
}

/// The body that is being checked.
struct Frame {
    kind: FrameKind,
    /// The result; `None` when it follows from the first `return`.
    yields: Option<TypeId>,
    vars: FastMap<Symbol, LocalId>,
    locals: Vec<hir::Local>,
    info: Vec<LocalInfo>,
    loops: u32,
    switches: u32,
    /// Whether the captures were listed.
    has_captures: bool,
    /// Outer names that were used without being captured, so that each is told once.
    missing: Vec<Symbol>,
    /// Globals read, for `when` conditions.
    globals: Vec<GlobalId>,
    in_condition: bool,
}

impl Frame {
    fn new(kind: FrameKind, yields: Option<TypeId>) -> Self {
        Frame {
            kind,
            yields,
            vars: FastMap::default(),
            locals: Vec::new(),
            info: Vec::new(),
            loops: 0,
            switches: 0,
            has_captures: false,
            missing: Vec::new(),
            globals: Vec::new(),
            in_condition: false,
        }
    }
}

/// What a name in an expression means.
enum Found {
    Local(LocalId),
    Global(hir::Ident),
    /// Not found; the error was told.
    Nothing,
}

/// Parameters and locals of one function: what the registers of the machine hold, with room for what is computed.
const LOCALS_MAX: usize = 8192;

/// Fields of one record.
const FIELDS_MAX: usize = 32_768;

/// Arguments of one call.
const ARGUMENTS_MAX: usize = 8192;

/// The state of a check that is going on.
pub struct Checker<'p> {
    pub names: Interner,
    pub program: Held<'p>,
    pub diagnostics: Vec<Diagnostic>,
    /// What global names mean, by symbol.
    scope: Vec<Option<Entity>>,
    /// Whether a symbol is written with `::`, by symbol: 0 unknown, 1 no, 2 yes.
    qualified: Vec<u8>,
    modules: FastMap<Symbol, ()>,
    /// The full names of what modules hold, by module and plain name.
    members: FastMap<(Symbol, Symbol), Symbol>,
    module: Symbol,
    exported: bool,
    frames: Vec<Frame>,
    top: Option<Frame>,
    funcs: Vec<FuncInfo>,
    /// Prototypes that became variables, with their types.
    variables: FastMap<FuncId, (GlobalId, TypeId)>,
    /// Values of constants and options, as far as they are literals.
    values: FastMap<GlobalId, Const>,
    /// Globals that are `const` for good.
    ignore_deprecations: u32,
    fatal: bool,
    /// Whether a statement outside of functions was met, after which nothing can be declared any more.
    has_statements: bool,
    /// Whether locals are analysed (`-u`).
    pub usage_issues: bool,
    errors: usize,
    uses: usage::Uses,
    /// How many lambdas there were of each text, by its hash.
    lambdas: FastMap<u64, u32>,
    /// Expressions within functions nest in expressions, so this bounds the recursion as a whole.
    depth: u32,
    /// The function that is being checked.
    function: Option<FuncId>,
    /// Where the global was declared whose index is being checked.
    indexed_global: Option<Span>,
    type_deprecations: FastMap<TypeId, Arc<str>>,
    /// How many global names were declared.
    births: u32,
    /// Names that were declared when there were so many already are not seen.
    horizon: u32,
    /// By file: functions of which bodies were put off, and where those are.
    later: Vec<Vec<(FuncId, &'static Place)>>,
    /// The file that was last asked about, and whether it declares what native code implements.
    native: (u32, bool),
    /// Whether the enumerators of an enumeration have explicit values; those of native declarations may mix.
    explicit_enums: FastMap<EnumId, bool>,
}

impl Checker<'static> {
    /// A checker that stands for one that is away.
    fn blank() -> Self {
        Self::of(Program::new(), Interner::blank(), 0)
    }

    /// A checker of an empty program.
    pub fn new() -> Self {
        let mut program = Program::new();
        program.names.reserve(NAMES);
        program.functions.reserve(NAMES / 2);
        program.globals.reserve(NAMES / 3);
        program.inits.reserve(NAMES / 3);
        program.types.reserve(NAMES / 2);
        program.defaults.reserve(NAMES / 3);
        Self::of(program, Interner::new(), NAMES)
    }

    fn of(program: Program, names: Interner, room: usize) -> Self {
        Checker {
            names,
            program: Held::Own(Box::new(program)),
            diagnostics: Vec::new(),
            scope: Vec::with_capacity(2 * room),
            qualified: Vec::with_capacity(2 * room),
            modules: FastMap::default(),
            members: FastMap::with_capacity_and_hasher(room, Default::default()),
            module: Symbol::EMPTY,
            exported: false,
            frames: Vec::new(),
            top: None,
            funcs: Vec::new(),
            variables: FastMap::default(),
            values: FastMap::default(),
            ignore_deprecations: 0,
            fatal: false,
            has_statements: false,
            usage_issues: false,
            errors: 0,
            uses: usage::Uses::default(),
            lambdas: FastMap::default(),
            depth: 0,
            function: None,
            indexed_global: None,
            type_deprecations: FastMap::default(),
            explicit_enums: FastMap::default(),
            births: 0,
            horizon: u32::MAX,
            later: Vec::new(),
            native: (u32::MAX, false),
        }
    }

    /// Gives up the program. Warnings of usage analysis come last.
    pub fn finish(mut self, unused: bool) -> (Program, Vec<Diagnostic>) {
        if let Some(top) = self.top.take() {
            self.program.top_level.content.now_mut().locals = top.locals;
        }
        if self.errors == 0 {
            self.rebind();
        }
        if unused && self.errors == 0 {
            self.report_unused();
        }
        let diagnostics = std::mem::take(&mut self.diagnostics);
        (self.into_program(), diagnostics)
    }
}

impl<'p> Checker<'p> {
    /// The same with another program in place of this.
    fn hold<'q>(self, f: impl FnOnce(Held<'p>) -> Held<'q>) -> Checker<'q> {
        Checker {
            program: f(self.program),
            names: self.names,
            diagnostics: self.diagnostics,
            scope: self.scope,
            qualified: self.qualified,
            modules: self.modules,
            members: self.members,
            module: self.module,
            exported: self.exported,
            frames: self.frames,
            top: self.top,
            funcs: self.funcs,
            variables: self.variables,
            values: self.values,
            ignore_deprecations: self.ignore_deprecations,
            fatal: self.fatal,
            has_statements: self.has_statements,
            usage_issues: self.usage_issues,
            errors: self.errors,
            uses: self.uses,
            lambdas: self.lambdas,
            depth: self.depth,
            function: self.function,
            indexed_global: self.indexed_global,
            type_deprecations: self.type_deprecations,
            explicit_enums: self.explicit_enums,
            births: self.births,
            horizon: self.horizon,
            later: self.later,
            native: self.native,
        }
    }

    /// Whether a fatal error was reported.
    pub fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// Whether any error was reported.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Takes a diagnostic.
    pub fn report(&mut self, d: Diagnostic) {
        match d.severity {
            Severity::Warning => {}
            Severity::Error => {
                self.errors += 1;
                if self.errors > MAX_ERRORS {
                    if !self.fatal {
                        self.fatal = true;
                        self.diagnostics
                            .push(Diagnostic::fatal("too-many-errors", d.span, "too many errors"));
                    }
                    return;
                }
            }
            Severity::Fatal => {
                self.errors += 1;
                self.fatal = true;
            }
        }
        self.diagnostics.push(d);
    }

    /// Switches warnings about deprecated names off and on again; pairs nest.
    pub fn ignore_deprecations(&mut self, on: bool) {
        if on {
            self.ignore_deprecations += 1;
        } else {
            self.ignore_deprecations = self.ignore_deprecations.saturating_sub(1);
        }
    }

    fn err(&mut self, id: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(id, span, message));
    }

    fn warn(&mut self, id: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::warning(id, span, message));
    }

    fn kind(&self, ty: TypeId) -> &Kind {
        self.program.types.kind(ty)
    }

    fn text(&self, name: Symbol) -> &Arc<str> {
        self.names.text(name)
    }

    /// An expression that stands for one with an error.
    fn bad(&self, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Const(Const::Bool(false)),
            ty: builtin::ERROR,
            span,
        }
    }

    /// Reports an error about an expression whose text is part of the message.
    fn bad_expr(&mut self, id: &'static str, span: Span, message: impl Into<String>) -> Expr {
        self.err(id, span, message);
        self.bad(span)
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(FrameKind::Init, None));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn is_qualified(&mut self, name: Symbol) -> bool {
        let i = name.0 as usize;
        if i >= self.qualified.len() {
            self.qualified.resize(self.names.len().max(i + 1), 0);
        }
        if self.qualified[i] == 0 {
            self.qualified[i] = 1 + u8::from(self.names.is_qualified(name));
        }
        self.qualified[i] == 2
    }

    /// The module part of a full name, and its plain name within that.
    fn module_of(&mut self, name: Symbol) -> (Symbol, Symbol) {
        if !self.is_qualified(name) {
            return (Symbol::EMPTY, name);
        }
        let text = self.names.text(name).clone();
        match text.rsplit_once("::") {
            Some((module, plain)) => (self.names.intern(module), self.names.intern(plain)),
            None => (Symbol::EMPTY, name),
        }
    }

    fn entity(&self, name: Symbol) -> Option<&Entity> {
        let entity = self.scope.get(name.0 as usize)?.as_ref()?;
        (entity.born < self.horizon).then_some(entity)
    }

    /// Makes a global name known.
    fn define(&mut self, name: Symbol, meaning: hir::Ident, exported: bool, span: Span) {
        let (module, plain) = self.module_of(name);
        if module != Symbol::EMPTY {
            self.modules.insert(module, ());
            self.members.insert((module, plain), name);
        }
        let i = name.0 as usize;
        if i >= self.scope.len() {
            self.scope.resize(self.names.len().max(i + 1), None);
        }
        self.program
            .names
            .insert(self.names.text(name).clone(), meaning.clone());
        // What becomes something else was there before.
        let born = self.scope[i].as_ref().map_or(self.births, |e| e.born);
        self.births += 1;
        self.scope[i] = Some(Entity {
            meaning,
            module,
            exported: exported || module == Symbol::EMPTY,
            deprecated: None,
            span,
            born,
        });
    }

    /// The full name that a declaration of `name` gets in the current module.
    fn full_name(&mut self, name: Symbol) -> Symbol {
        self.names.qualify(self.module, name)
    }

    /// The full name under which a name is found from the current module.
    fn find_global(&mut self, name: Symbol) -> Option<Symbol> {
        if self.module != Symbol::EMPTY {
            if let Some(&full) = self.members.get(&(self.module, name)) {
                if self.entity(full).is_some() {
                    return Some(full);
                }
            }
        }
        if self.entity(name).is_some() {
            return Some(name);
        }
        if self.is_qualified(name) {
            let text = self.names.text(name).clone();
            if let Some(plain) = text.strip_prefix("::") {
                let plain = self.names.intern(plain);
                return self.entity(plain).map(|_| plain);
            }
        }
        None
    }

    /// Whether `@ifdef` knows a name: a global, or a module.
    pub fn is_defined(&mut self, name: Symbol, module: Symbol) -> bool {
        self.module = module;
        self.find_global(name).is_some() || self.modules.contains_key(&name)
    }

    /// What a name means here. Reports an unknown one, a private one and the use of a deprecated one.
    fn resolve(&mut self, name: Symbol, span: Span) -> Found {
        if name == Symbol::BLANK {
            self.err("blank", span, "blank identifier used in expression");
            return Found::Nothing;
        }
        if let Some(found) = self.find_local(name, span) {
            return found;
        }
        let Some(full) = self.find_global(name) else {
            self.unknown(name, span);
            return Found::Nothing;
        };
        match self.visible(full, span) {
            Some(meaning) => Found::Global(meaning),
            None => Found::Nothing,
        }
    }

    /// The meaning of a global that exists, if it may be used from here.
    fn visible(&mut self, full: Symbol, span: Span) -> Option<hir::Ident> {
        let entity = self.entity(full)?;
        let meaning = entity.meaning.clone();
        let module = entity.module;
        let deprecated = entity.deprecated.clone();
        if !entity.exported && module != self.module {
            let text = format!("identifier is not exported: {}", self.text(full));
            self.err("not-exported", span, text);
            return None;
        }
        if let Some(text) = deprecated {
            self.warn_deprecated(full, &text, span);
        }
        match meaning {
            hir::Ident::Func(f) => self.uses.func(f),
            hir::Ident::Global(g) => {
                if let Some(frame) = self.frames.last_mut().filter(|f| f.in_condition) {
                    if !frame.globals.contains(&g) {
                        frame.globals.push(g);
                    }
                }
            }
            _ => {}
        }
        Some(meaning)
    }

    fn warn_deprecated(&mut self, name: Symbol, text: &str, span: Span) {
        let name = self.text(name).clone();
        self.warn_deprecated_text(&name, text, span);
    }

    fn warn_deprecated_text(&mut self, name: &str, text: &str, span: Span) {
        if self.ignore_deprecations > 0 {
            return;
        }
        let message = if text.is_empty() {
            format!("deprecated ({name})")
        } else {
            format!("deprecated ({name}): {text}")
        };
        self.warn("deprecated", span, message);
    }

    fn find_local(&mut self, name: Symbol, span: Span) -> Option<Found> {
        let innermost = self.frames.len().checked_sub(1)?;
        if let Some(&id) = self.frames[innermost].vars.get(&name) {
            let info = &mut self.frames[innermost].info[id.0 as usize];
            info.used = true;
            if !info.active {
                let declared = info.span;
                let text = format!(
                    "use of out-of-scope local; move declaration to outer scope ({})",
                    self.text(name)
                );
                self.report(Diagnostic::error("out-of-scope", declared, text).label(span, "used here"));
            }
            return Some(Found::Local(id));
        }
        let kind = self.frames[innermost].kind;
        if kind == FrameKind::Init && self.outer_has(name) {
            let text = format!("non-constant default attribute ({})", self.text(name));
            self.err("attribute-value", span, text);
            return Some(Found::Nothing);
        }
        if !matches!(kind, FrameKind::Lambda | FrameKind::When) || innermost == 0 {
            return None;
        }
        let outer = self.frames[..innermost]
            .iter()
            .rev()
            .any(|f| f.vars.get(&name).is_some_and(|&id| f.info[id.0 as usize].active) && f.kind != FrameKind::Init);
        if !outer {
            return None;
        }
        if !self.frames[innermost].missing.contains(&name) {
            self.frames[innermost].missing.push(name);
            let text = self.text(name).clone();
            let what = if kind == FrameKind::When {
                "\"when\" statement"
            } else {
                "lambda"
            };
            let message = if self.frames[innermost].has_captures {
                format!("{text} is used inside {what} but not captured")
            } else if kind == FrameKind::When {
                format!("{text} is used inside \"when\" statement but not captured")
            } else {
                format!("lambda uses outer identifiers without [] captures: {text}")
            };
            let d = Diagnostic::error("not-captured", span, message).suggest(format!(
                "list it: {} …",
                if kind == FrameKind::When {
                    format!("when [{text}] (")
                } else {
                    format!("function[{text}](")
                }
            ));
            self.report(d);
        }
        Some(Found::Nothing)
    }

    fn outer_has(&self, name: Symbol) -> bool {
        self.frames
            .iter()
            .rev()
            .skip(1)
            .any(|f| f.vars.get(&name).is_some_and(|&id| f.info[id.0 as usize].active))
    }

    /// Reports a name that nothing declares, with what may have been meant.
    fn unknown(&mut self, name: Symbol, span: Span) {
        let text = self.text(name).clone();
        if let Some(rest) = text.strip_prefix("GLOBAL::") {
            let d = Diagnostic::error(
                "global-prefix",
                span,
                "Using GLOBAL:: as a prefix is invalid. Use :: instead",
            )
            .suggest(format!("write ::{rest}"));
            self.report(d);
            return;
        }
        let mut d = Diagnostic::error(
            "unknown-identifier",
            span,
            format!("unknown identifier {text}, at or near \"{text}\""),
        );
        if let Some(s) = self.near_name(&text, |_| true) {
            d = d.suggest(format!("did you mean {s}?"));
        } else if let Some(habit) = crate::parse::habits::name(&text) {
            d = d.suggest(habit);
        } else if self.is_assigned(span) && !text.contains(':') {
            d = d.suggest(format!("a variable is declared before it is used: local {text} = …;"));
        }
        self.report(d);
    }

    /// Whether an `=` follows in the source.
    fn is_assigned(&self, span: Span) -> bool {
        let Some(file) = self.program.files.get(span.file as usize) else {
            return false;
        };
        let rest = file.text.get(span.end as usize..).unwrap_or("").trim_start();
        rest.starts_with('=') && !rest.starts_with("==")
    }

    /// A variable or constant whose name looks like `text`.
    pub(crate) fn near_variable(&self, text: &str) -> Option<String> {
        self.near_name(text, |e| matches!(e.meaning, hir::Ident::Global(_)))
    }

    /// A known name that looks like `text` and satisfies a condition.
    fn near_name(&self, text: &str, accept: impl Fn(&Entity) -> bool) -> Option<String> {
        // Looking through all names takes its time; who has that many errors needs no hint for each.
        if self.errors > MAX_ERRORS / 4 {
            return None;
        }
        let mut candidates: Vec<&str> = Vec::new();
        let module = self.text(self.module);
        for (i, entity) in self.scope.iter().enumerate() {
            let Some(entity) = entity else { continue };
            if !accept(entity) {
                continue;
            }
            let name: &str = &self.names.all()[i];
            candidates.push(name);
            if !module.is_empty() {
                if let Some(rest) = name.strip_prefix(&**module).and_then(|r| r.strip_prefix("::")) {
                    candidates.push(rest);
                }
            }
        }
        for frame in self.frames.iter().rev().take(1) {
            for (id, info) in frame.info.iter().enumerate() {
                if info.active && id < frame.locals.len() {
                    candidates.push(self.text(info.name));
                }
            }
        }
        if let Some(n) = nearest(text, candidates.iter().copied()) {
            return Some(n.to_string());
        }
        // The right name in another module, or a name that shares its beginning or end.
        let tail = format!("::{text}");
        if let Some(n) = candidates.iter().filter(|c| c.ends_with(&tail)).min() {
            return Some((*n).to_string());
        }
        None
    }

    /// Checks something with a frame of its own, as for initialisers.
    fn with_frame<T>(&mut self, frame: Frame, f: impl FnOnce(&mut Self) -> T) -> (T, Frame) {
        self.frames.push(frame);
        let depth = self.frames.len();
        let result = f(self);
        self.frames.truncate(depth);
        let frame = self.frames.pop().unwrap_or_else(|| Frame::new(FrameKind::Init, None));
        (result, frame)
    }

    fn thunk(&mut self, f: impl FnOnce(&mut Self) -> Expr) -> hir::Thunk {
        let (expr, frame) = self.with_frame(Frame::new(FrameKind::Init, None), f);
        hir::Thunk {
            expr,
            n_slots: frame.locals.len() as u32,
        }
    }

    /// Checks one declaration.
    pub fn declare(&mut self, decl: ast::Decl) {
        if self.fatal {
            return;
        }
        self.module = decl.module;
        self.exported = decl.exported;
        if decl.module != Symbol::EMPTY {
            self.modules.insert(decl.module, ());
        }
        self.frames.clear();
        self.depth = 0;
        self.function = None;
        self.uses.owner = None;
        let is_argument = |f: &hir::SourceFile| &*f.path == "<params>";
        let given = self.program.files.get(decl.span.file as usize).is_some_and(is_argument);
        if !matches!(decl.kind, ast::DeclKind::Stmt(_)) && self.has_statements && !given {
            let word = self.source(decl.span);
            let word = word.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
            let text = format!("syntax error, at or near \"{word}\"");
            let note = "statements outside of functions come after all declarations, over all files together";
            self.report(Diagnostic::error("late-declaration", decl.span, text).note(note));
            self.fatal = true;
            return;
        }
        self.declaration(decl);
    }

    /// The expression of an `@if`: a bool that mentions no locals.
    pub fn condition(&mut self, cond: &ast::Expr, module: Symbol) -> Option<hir::Thunk> {
        // The frames of a body that is being read are not known here: it is checked when it is complete.
        self.module = module;
        let before = self.errors;
        let frames = std::mem::take(&mut self.frames);
        let owner = self.uses.owner.take();
        let thunk = self.thunk(|c| c.value_as(cond, builtin::BOOL));
        self.uses.owner = owner;
        self.frames = frames;
        (self.errors == before).then_some(thunk)
    }

    /// The source of a span, in one line.
    pub fn source(&self, span: Span) -> String {
        let text = self
            .program
            .files
            .get(span.file as usize)
            .and_then(|f| f.text.get(span.start as usize..span.end as usize))
            .unwrap_or("");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// `FILE:LINE` of a span.
    pub fn place_of(&self, span: Span) -> String {
        self.place(span)
    }

    /// What `X=Y` on the command line may set: `Some(true)` for a string, `None` for an unknown name.
    pub fn argument_kind(&mut self, name: &str) -> Option<bool> {
        let symbol = self.names.intern(name);
        match self.entity(symbol)?.meaning {
            hir::Ident::Global(g) => Some(self.canonical(self.program.globals[g.0 as usize].ty) == builtin::STRING),
            _ => None,
        }
    }

    /// The value of an expression, as far as it follows from literals and constants.
    pub fn fold(&self, e: &Expr) -> Option<Const> {
        ops::fold(e, &self.values)
    }

    fn flavor_text(flavor: Flavor) -> &'static str {
        match flavor {
            Flavor::Function => "function",
            Flavor::Event => "event",
            Flavor::Hook => "hook",
        }
    }
}
