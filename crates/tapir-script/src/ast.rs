//! The syntax tree: what was written, names unresolved.
//!
//! Declarations come out of the parser one by one and are checked before the next is read, because names resolve in
//! textual order and `@if` asks about everything that stands above it.

use std::sync::Arc;

use tapir_data::types::Flavor;
use tapir_data::value::{Addr, Port, Subnet};

use crate::hir::{BinOp, InitOp, Span, UnOp};
use crate::load::outline::Place;
use crate::symbol::Symbol;

pub use crate::lex::Attr as AttrName;

/// A name and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Ident {
    pub name: Symbol,
    pub span: Span,
}

/// A declaration, or a statement outside of any function.
#[derive(Debug)]
pub struct Decl {
    pub kind: DeclKind,
    pub span: Span,
    /// The module in force; [`Symbol::EMPTY`] for the global namespace.
    pub module: Symbol,
    pub exported: bool,
}

#[derive(Debug)]
pub enum DeclKind {
    Var {
        kind: VarKind,
        name: Ident,
        ty: Option<Type>,
        init: Option<(InitOp, Expr)>,
        attrs: Vec<Attr>,
    },
    RedefEnum {
        name: Ident,
        items: Vec<EnumItem>,
    },
    RedefRecord {
        name: Ident,
        fields: Vec<Field>,
        attrs: Vec<Attr>,
    },
    /// `redef record R$f += { &log };`
    RedefField {
        name: Ident,
        field: Ident,
        add: bool,
        attrs: Vec<Attr>,
    },
    Type {
        name: Ident,
        ty: Type,
        attrs: Vec<Attr>,
    },
    /// A function, event or hook with its body.
    Func {
        redef: bool,
        name: Ident,
        sig: Signature,
        attrs: Vec<Attr>,
        body: FuncBody,
        /// From the opening brace to the closing one.
        body_span: Span,
    },
    Stmt(Stmt),
}

/// The body of a function, event or hook.
#[derive(Debug)]
pub enum FuncBody {
    Stmts(Vec<Stmt>),
    /// Passed by, to be read when it is needed.
    Later(&'static Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarKind {
    Global,
    Const,
    Option,
    Redef,
}

/// `&name` or `&name=value`.
#[derive(Debug)]
pub struct Attr {
    pub name: AttrName,
    pub value: Option<Expr>,
    pub span: Span,
}

/// The parameters and result of a function type or header.
#[derive(Debug)]
pub struct Signature {
    pub flavor: Flavor,
    pub params: Vec<Field>,
    pub yields: Option<Box<Type>>,
    pub variadic: bool,
}

/// A record field or a parameter.
#[derive(Debug)]
pub struct Field {
    pub name: Ident,
    pub ty: Type,
    pub attrs: Vec<Attr>,
}

#[derive(Debug)]
pub struct EnumItem {
    pub name: Ident,
    pub value: Option<(i64, Span)>,
    /// The text of `&deprecated`, empty when none was given.
    pub deprecated: Option<Arc<str>>,
}

#[derive(Debug)]
pub struct Type {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Debug)]
pub enum TypeKind {
    Any,
    Bool,
    Int,
    Count,
    Double,
    Time,
    Interval,
    String,
    Pattern,
    Port,
    Addr,
    Subnet,
    Table(Vec<Type>, Box<Type>),
    Set(Vec<Type>),
    Vector(Box<Type>),
    Record(Vec<Field>),
    Enum(Vec<EnumItem>),
    Func(Box<Signature>),
    File,
    Opaque(Symbol),
    Name(Symbol),
}

#[derive(Debug)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Debug)]
pub enum StmtKind {
    Block(Vec<Stmt>),
    Print(Vec<Expr>),
    Expr(Expr),
    Local {
        constant: bool,
        name: Ident,
        ty: Option<Type>,
        /// Boxed, as all big parts of statements, which are moved often.
        init: Option<Box<Expr>>,
        attrs: Vec<Attr>,
    },
    Event(Ident, Vec<Expr>),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    For {
        keys: Vec<Ident>,
        /// `[a, b]` rather than a single name.
        bracketed: bool,
        value: Option<Ident>,
        over: Box<Expr>,
        body: Box<Stmt>,
    },
    Switch(Expr, Vec<Case>),
    Next,
    Break,
    Fallthrough,
    Return(Option<Expr>),
    When(Box<When>),
    Assert(Expr, Option<Expr>),
    Null,
}

#[derive(Debug)]
pub struct When {
    pub captures: Option<Vec<Capture>>,
    pub cond: Expr,
    pub body: Stmt,
    pub timeout: Option<(Expr, Vec<Stmt>)>,
    pub is_return: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Capture {
    pub name: Ident,
    pub copy: bool,
}

#[derive(Debug)]
pub struct Case {
    /// Empty for `default`.
    pub labels: Vec<Expr>,
    /// `case type T as x`.
    pub types: Vec<(Type, Option<Ident>)>,
    pub body: Vec<Stmt>,
    pub span: Span,
}

#[derive(Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
    /// Height of the tree, so that no input makes the passes over it recurse without bound.
    pub depth: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssignOp {
    Set,
    Add,
    Sub,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constructor {
    Table,
    Set,
    Vector,
    Record,
}

#[derive(Debug)]
pub enum ExprKind {
    Bool(bool),
    Count(u64),
    Double(f64),
    Interval(f64),
    Port(Port),
    Addr(Addr),
    Subnet(Subnet),
    Str(Arc<[u8]>),
    Pattern {
        text: Arc<[u8]>,
        ignore_case: bool,
        single_line: bool,
    },
    Name(Symbol),
    Unary(UnOp, Box<Expr>),
    Binary(BinOp, Box<Expr>, Box<Expr>),
    /// `a > b`, `a >= b`: operands already swapped into `Lt` / `Le`, written order kept for messages.
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    In {
        needle: Box<Expr>,
        hay: Box<Expr>,
        negated: bool,
    },
    Assign(AssignOp, Box<Expr>, Box<Expr>),
    Incr(Box<Expr>),
    Decr(Box<Expr>),
    Add(Box<Expr>),
    Delete(Box<Expr>),
    Field(Box<Expr>, Ident),
    HasField(Box<Expr>, Ident),
    Index(Box<Expr>, Vec<Expr>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Call(Box<Expr>, Vec<Expr>),
    HookCall(Box<Expr>),
    /// `$f = e` within a record constructor.
    FieldAssign(Ident, Box<Expr>),
    /// `[a, b]` or `[$a=1]`; `[]` when empty.
    List(Vec<Expr>),
    /// `{ … }` after an assignment.
    Brace(Vec<Expr>),
    Constructor(Constructor, Vec<Expr>, Vec<Attr>),
    Lambda(Box<Lambda>),
    Schedule(Box<Expr>, Ident, Vec<Expr>),
    Size(Box<Expr>),
    Copy(Box<Expr>),
    Cast(Box<Expr>, Box<Type>),
    CanCast(Box<Expr>, Box<Type>),
    Is(Box<Expr>, Box<Type>),
    /// `local x = e` within a `when` condition.
    Local(Ident, Option<Box<Type>>, Box<Expr>),
    /// A type that is no plain name, used as a value.
    Type(Box<Type>),
    Paren(Box<Expr>),
}

#[derive(Debug)]
pub struct Lambda {
    pub captures: Option<Vec<Capture>>,
    pub sig: Signature,
    pub attrs: Vec<Attr>,
    pub body: Vec<Stmt>,
    pub body_span: Span,
}
