//! The typed program: what the checker makes of source text and what the VM compiles.
//!
//! True of every tree here: names are resolved to ids, every expression carries its type, implicit conversions are
//! explicit [`ExprKind::Coerce`] nodes, `a > b` has become `b < a`, constants are folded, and no node with
//! `builtin::ERROR` type remains in a program whose check gave no error.
//! A program only grows: the VM may run initialisers of what is loaded so far (for `@if`) and go on later.

mod walk;

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use tapir_data::types::{DefaultId, FuncType, TypeId, Types};
use tapir_data::value::{Addr, FuncId, Port, Subnet};

use crate::check::{Later, Waiting};
use crate::symbol::FastMap;

/// A place in the sources: a file of [`Program::files`] and a byte range in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub file: u32,
    pub start: u32,
    pub end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GlobalId(pub u32);

/// A local of a body, by frame slot. Parameters come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(pub u32);

/// Everything that was loaded.
pub struct Program {
    pub types: Types,
    pub globals: Vec<Global>,
    pub functions: Vec<Function>,
    /// `&default` expressions of record fields and parameters; each is evaluated in a frame of its own.
    pub defaults: Vec<Thunk>,
    /// Initialisations and redefs in textual order.
    pub inits: Vec<Init>,
    /// Top-level statements, run before the queued `zeek_init`.
    pub top_level: Body,
    /// Qualified name to meaning.
    pub names: FastMap<Arc<str>, Ident>,
    pub files: Vec<SourceFile>,
    /// Files named by `@load-sigs`, resolved.
    pub signature_files: Vec<std::path::PathBuf>,
    /// Who checks the bodies that were put off.
    pub(crate) late: Waiting,
}

/// A file as loaded.
pub struct SourceFile {
    /// The path shown in messages and in `zeek_script_loaded`.
    pub path: Arc<str>,
    /// Scripts that are part of the program are not copied.
    pub text: Cow<'static, str>,
    /// The depth of `@load` nesting; 0 for files named on the command line or by the start-up sequence.
    pub level: u32,
    /// Byte offset of each line's start, found when a line is first asked for.
    line_starts: OnceLock<Box<[u32]>>,
}

impl SourceFile {
    /// A file with its text.
    pub fn new(path: &str, text: impl Into<Cow<'static, str>>, level: u32) -> Self {
        SourceFile {
            path: path.into(),
            text: text.into(),
            level,
            line_starts: OnceLock::new(),
        }
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let ends = memchr::memchr_iter(b'\n', self.text.as_bytes());
            std::iter::once(0).chain(ends.map(|at| at as u32 + 1)).collect()
        })
    }

    /// The line, counted from 1, of a byte offset.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts().partition_point(|&s| s <= offset) as u32
    }

    /// The byte offset of the beginning of a line, counted from 1.
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.line_starts().get((line as usize).checked_sub(1)?).copied()
    }
}

/// What a global name means.
#[derive(Clone, Debug)]
pub enum Ident {
    Global(GlobalId),
    Func(FuncId),
    Type(TypeId),
    Enumerator(TypeId, i64),
}

/// A global variable, constant or option.
pub struct Global {
    pub name: Arc<str>,
    pub ty: TypeId,
    pub storage: Storage,
    pub exported: bool,
    pub redefinable: bool,
    pub attrs: Attrs,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    Variable,
    Const,
    Option,
}

/// The attributes of something; most things have none, and then this is a null pointer. Reads as an [`AttrSet`]; who writes
/// makes one.
#[derive(Default)]
pub struct Attrs(Option<Box<AttrSet>>);

impl Attrs {
    /// Whether nothing was ever set.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Deref for Attrs {
    type Target = AttrSet;

    #[inline]
    fn deref(&self) -> &AttrSet {
        const NONE: &AttrSet = &AttrSet::NONE;
        self.0.as_deref().unwrap_or(NONE)
    }
}

impl DerefMut for Attrs {
    fn deref_mut(&mut self) -> &mut AttrSet {
        self.0.get_or_insert_with(|| Box::new(AttrSet::NONE))
    }
}

/// Attributes that matter at run time. For tables they bind to the value made by the initialiser.
pub struct AttrSet {
    pub default: Option<Box<Thunk>>,
    pub default_insert: Option<Box<Thunk>>,
    pub read_expire: Option<Box<Thunk>>,
    pub write_expire: Option<Box<Thunk>>,
    pub create_expire: Option<Box<Thunk>>,
    pub expire_func: Option<Box<Thunk>>,
    pub on_change: Option<Box<Thunk>>,
    pub add_func: Option<Box<Thunk>>,
    pub delete_func: Option<Box<Thunk>>,
    pub publish_on_change: Option<Box<Thunk>>,
    pub backend: Option<Box<Thunk>>,
    pub ordered: bool,
    pub raw_output: bool,
    pub is_used: bool,
    pub error_handler: bool,
    pub deprecated: Option<Arc<str>>,
}

impl AttrSet {
    /// No attribute.
    const NONE: AttrSet = AttrSet {
        default: None,
        default_insert: None,
        read_expire: None,
        write_expire: None,
        create_expire: None,
        expire_func: None,
        on_change: None,
        add_func: None,
        delete_func: None,
        publish_on_change: None,
        backend: None,
        ordered: false,
        raw_output: false,
        is_used: false,
        error_handler: false,
        deprecated: None,
    };
}

/// One initialisation step.
pub struct Init {
    pub global: GlobalId,
    pub op: InitOp,
    /// `None` when only attributes were added: the value's attributes are refreshed.
    pub value: Option<Thunk>,
    /// True for `redef` (then `&add_func` / `&delete_func` apply).
    pub redef: bool,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitOp {
    Set,
    Add,
    Remove,
    /// Declaration without initialiser: an empty aggregate or unset.
    Declare,
}

/// An expression with the frame it needs (lambdas and comprehension-like forms inside may use locals).
pub struct Thunk {
    pub expr: Expr,
    pub n_slots: u32,
}

/// A function, event or hook.
pub struct Function {
    pub name: Arc<str>,
    pub ty: TypeId,
    pub sig: FuncType,
    pub kind: FunctionKind,
    pub attrs: Attrs,
    pub exported: bool,
    /// True when a prototype was seen (not only a handler).
    pub declared: bool,
    pub span: Span,
}

pub enum FunctionKind {
    /// Bodies in order of definition; a function has at most one.
    Script(Vec<Arc<Body>>),
    /// Implemented natively under the function's name.
    Builtin,
}

/// One body, or the top-level code.
#[derive(Default)]
pub struct Body {
    pub content: Content,
    /// For each parameter of the body, its position among the canonical parameters (alternate prototypes).
    pub params: Vec<u32>,
    pub priority: i64,
    pub groups: Vec<Arc<str>>,
    /// The module in which the body was written; it is a group as well.
    pub module: Arc<str>,
    /// Captured values are copied into these slots when the body starts and written back when they change.
    pub captures: Vec<LocalId>,
    pub span: Span,
}

/// What a body consists of.
#[derive(Default)]
pub struct Parts {
    pub stmts: Vec<Stmt>,
    pub locals: Vec<Local>,
}

/// The parts of a body, which may not have been read yet: [`Program::parts`] gives them.
pub struct Content(Inner);

enum Inner {
    Now(Parts),
    Later(Box<Later>),
}

impl Content {
    /// Parts that are there.
    pub fn now(parts: Parts) -> Self {
        Content(Inner::Now(parts))
    }

    pub(crate) fn later(later: Later) -> Self {
        Content(Inner::Later(Box::new(later)))
    }

    /// The parts, to be changed; those of a body that was not read yet stay out of it.
    pub(crate) fn done_mut(&mut self) -> Option<&mut Parts> {
        match &mut self.0 {
            Inner::Now(parts) => Some(parts),
            Inner::Later(later) => later.done_mut(),
        }
    }

    /// Parts that are there, to be added to.
    pub(crate) fn now_mut(&mut self) -> &mut Parts {
        if let Inner::Later(_) = self.0 {
            *self = Content::default();
        }
        match &mut self.0 {
            Inner::Now(parts) => parts,
            Inner::Later(_) => unreachable!("it was replaced"),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Content::now(Parts::default())
    }
}

pub struct Local {
    /// As shown in messages.
    pub name: Arc<str>,
    pub ty: TypeId,
    /// Created once at entry when the type is an aggregate and no initialiser was given.
    pub create_at_entry: bool,
}

pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

pub enum StmtKind {
    Block(Vec<Stmt>),
    Print(Vec<Expr>),
    Expr(Expr),
    /// `local x = e`; the value has the local's type.
    InitLocal(LocalId, Expr, Attrs),
    Event(EventTarget, Vec<Expr>),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    For(Box<For>),
    Switch(Box<Switch>),
    TypeSwitch(Box<TypeSwitch>),
    Next,
    Break,
    Fallthrough,
    Return(Option<Expr>),
    Add(LValue),
    Delete(LValue),
    When(Box<When>),
    Assert(Box<Assert>),
    Null,
}

/// An `assert` statement.
pub struct Assert {
    pub cond: Expr,
    pub message: Option<Expr>,
    /// The condition as it is shown.
    pub text: Arc<str>,
}

/// What an `event` statement raises.
pub enum EventTarget {
    Func(FuncId),
    /// Through a variable of event type, whose value counts at dispatch time.
    Global(GlobalId),
}

pub struct For {
    /// Variables for the (composite) key; `None` for `_`.
    pub keys: Vec<Option<LocalId>>,
    pub value: Option<LocalId>,
    pub over: Expr,
    pub body: Stmt,
}

pub struct Switch {
    pub on: Expr,
    /// Constant labels, each with the block that it enters.
    pub labels: Vec<(Const, u32)>,
    pub blocks: Vec<Stmt>,
    pub default: Option<u32>,
}

pub struct TypeSwitch {
    pub on: Expr,
    pub labels: Vec<(TypeId, Option<LocalId>, u32)>,
    pub blocks: Vec<Stmt>,
    pub default: Option<u32>,
}

/// A `when` statement: each part is a lambda over the captures.
pub struct When {
    /// Expressions evaluated in the enclosing frame, in order; `true` asks for a deep copy.
    pub captures: Vec<(Expr, bool)>,
    /// Describes the frame that condition and bodies share: its `locals` (those of the three bodies are equal), of
    /// which slots 0.. are the captures, in order. It has no statements; the condition is `cond_expr`, which yields bool.
    pub cond: Arc<Body>,
    pub cond_expr: Expr,
    pub body: Arc<Body>,
    pub timeout: Option<Expr>,
    pub timeout_body: Option<Arc<Body>>,
    /// `return when`.
    pub is_return: bool,
    /// Globals whose change wakes the condition.
    pub globals: Vec<GlobalId>,
}

pub struct Expr {
    pub kind: ExprKind,
    pub ty: TypeId,
    pub span: Span,
}

/// A constant that needs no evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Const {
    Bool(bool),
    Int(i64),
    Count(u64),
    Double(f64),
    Time(f64),
    Interval(f64),
    Enum(TypeId, i64),
    Port(Port),
    Addr(Addr),
    Subnet(Subnet),
    Str(Arc<[u8]>),
    /// A pattern in source form with its flags.
    Pattern {
        text: Arc<[u8]>,
        ignore_case: bool,
        single_line: bool,
    },
    Type(TypeId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    /// On integers bitwise, on sets union, on patterns alternative.
    BitOr,
    /// On integers bitwise, on sets intersection, on patterns concatenation.
    BitAnd,
    BitXor,
    Shl,
    Shr,
    /// Set difference.
    SetSub,
    /// `addr / count`: a subnet.
    Mask,
    Lt,
    Le,
    Eq,
    Ne,
    /// Elementwise on vectors only; scalars use [`ExprKind::And`].
    VecAnd,
    VecOr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnOp {
    Not,
    BitNot,
    Neg,
    Pos,
    Size,
    Copy,
}

pub enum ExprKind {
    Const(Const),
    Local(LocalId),
    Global(GlobalId),
    /// A named function as a value.
    Func(FuncId),
    Unary(UnOp, Box<Expr>),
    /// Both operands have the operation's operand type (after coercion). Vector types work elementwise.
    Binary(BinOp, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `r$f`: slot of the record's type.
    Field(Box<Expr>, u32),
    /// `r?$f`.
    HasField(Box<Expr>, u32),
    /// `t[i, …]`, `v[i]`, `s[i]`; by the type of the first.
    Index(Box<Expr>, Vec<Expr>),
    /// `e[lo:hi]`.
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    /// Composite or single index `in` a table, set, vector; string, pattern, address membership by type.
    In(Vec<Expr>, Box<Expr>),
    Call(Callee, Vec<Expr>),
    /// `hook h(…)`.
    HookCall(Callee, Vec<Expr>),
    /// `x = e`; yields e. The value is evaluated before the target.
    Assign(LValue, Box<Expr>),
    /// `x += e` on containers, strings and patterns (in place where the type is a reference). Arithmetic forms are
    /// lowered to `Assign(x, x + e)`.
    AddAssign(LValue, Box<Expr>),
    SubAssign(LValue, Box<Expr>),
    Incr(LValue),
    Decr(LValue),
    /// `R($a=1)`, `[$a=1]`, `record(…)`: slot and value.
    Record(Vec<(u32, Expr)>),
    /// `table(...)`, `{ [k] = v }` with the table's type. Each entry: index list, value.
    Table(Vec<(Vec<Expr>, Expr)>, Attrs),
    Set(Vec<Vec<Expr>>, Attrs),
    Vector(Vec<Expr>),
    /// `[a, b]` where a list is wanted as one value.
    List(Vec<Expr>),
    Lambda(Box<Lambda>),
    /// `schedule d { e(args) }`; the type of the first tells a delay from a point in time.
    Schedule(Box<Expr>, FuncId, Vec<Expr>),
    /// Implicit conversion to this expression's type: arithmetic, record by field name, empty container, `any`.
    Coerce(Box<Expr>),
    /// `e as T`.
    Cast(Box<Expr>),
    /// `e ?as T`.
    CanCast(Box<Expr>, TypeId),
    /// `e is T`.
    Is(Box<Expr>, TypeId),
    /// `local x = e` inside a `when` condition: stores and yields T.
    WhenLocal(LocalId, Box<Expr>),
}

pub enum Callee {
    Func(FuncId),
    Value(Box<Expr>),
}

pub struct Lambda {
    pub func: FuncId,
    /// Slots of the enclosing frame; `true` asks for a deep copy.
    pub captures: Vec<(LocalId, bool)>,
}

/// Something that can be assigned to.
pub enum LValue {
    Local(LocalId),
    Global(GlobalId),
    Field(Box<Expr>, u32),
    Index(Box<Expr>, Vec<Expr>),
    /// `v[lo:hi] = w`.
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    /// `[a, b] = e` in list assignments.
    List(Vec<LValue>),
    /// `delete t`.
    Whole(Box<Expr>),
}

impl Default for Program {
    fn default() -> Self {
        Program::new()
    }
}

/// Default expressions referred to by record fields and parameters.
impl Program {
    /// A program in which nothing is declared.
    pub fn new() -> Self {
        Program {
            types: Types::new(),
            globals: Vec::new(),
            functions: Vec::new(),
            defaults: Vec::new(),
            inits: Vec::new(),
            top_level: Body::default(),
            names: FastMap::default(),
            files: Vec::new(),
            signature_files: Vec::new(),
            late: Waiting::default(),
        }
    }

    /// The parts of one of the program's bodies. A body that was put off is read and checked now.
    ///
    /// # Errors
    /// Why that is not possible. Such bodies come with the program and have no errors, so this would be one of its own.
    pub fn parts<'p>(&'p self, body: &'p Body) -> Result<&'p Parts, &'p str> {
        match &body.content.0 {
            Inner::Now(parts) => Ok(parts),
            Inner::Later(later) => later.parts(self),
        }
    }

    /// The expression behind a [`DefaultId`].
    pub fn default(&self, id: DefaultId) -> &Thunk {
        &self.defaults[id.0 as usize]
    }
}
