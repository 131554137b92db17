//! Bytecode: instructions of eight bytes over typed registers, and what a compiled body carries beside them.
//!
//! True of every [`Code`]: a register holds scalars only or heap values only, for the whole life of a frame; a scalar
//! is written without dropping the old content; every register index lies below `n_regs`; what is loaded from the
//! heap (fields, elements, globals, results of built-ins) was checked against the kind that the checker promised.
//!
//! Operands named `e`-something are *encoded*: the two top bits say how the value is fetched, see [`enc`].

mod instr;
pub mod kind;
mod show;

use std::rc::Rc;
use std::sync::Arc;

use tapir_data::table::TableAttrs;
use tapir_data::types::TypeId;
use tapir_data::value::{FuncId, Value};
use tapir_script::hir::{Body, GlobalId, Span};
use tapir_script::symbol::FastMap;

pub use instr::Instr;

/// Encoded operands.
pub mod enc {
    /// Bit copy of a scalar register.
    pub const SCALAR: u16 = 0 << 14;
    /// Clone of a heap register.
    pub const CLONE: u16 = 1 << 14;
    /// Move out of a heap register.
    pub const TAKE: u16 = 2 << 14;
    /// Constant; with [`GLOBAL_BIT`] a global (only as the container of an operation that checks what it gets).
    pub const POOL: u16 = 3 << 14;
    pub const GLOBAL_BIT: u16 = 1 << 13;
    pub const MODE: u16 = 3 << 14;
    pub const INDEX: u16 = (1 << 14) - 1;
    pub const POOL_INDEX: u16 = (1 << 13) - 1;
    /// No operand.
    pub const NONE: u16 = u16::MAX;
}

/// What an instruction refers to when eight bytes are too few.
pub enum Site {
    Call(CallSite),
    Record(RecordSite),
    Table(TableSite),
    Type(TypeId),
    Lambda(LambdaSite),
    When(Box<WhenSite>),
    Switch(SwitchSite),
    Attrs(Rc<TableAttrs>),
    Text(Arc<str>),
    Schedule(FuncId),
    /// Static types of printed values.
    Types(Vec<TypeId>),
}

pub struct CallSite {
    pub func: FuncId,
    pub arg_types: Vec<TypeId>,
    pub result: TypeId,
    pub result_kind: u8,
    /// Whether nothing uses the result.
    pub statement: bool,
}

pub struct RecordSite {
    pub ty: TypeId,
    /// The slot of each argument; the flag asks for a shallow copy of a vector.
    pub slots: Vec<(u16, bool)>,
    /// One past the highest slot.
    pub n_slots: u16,
}

impl RecordSite {
    pub fn new(ty: TypeId, slots: Vec<(u16, bool)>) -> Self {
        let n_slots = slots.iter().map(|s| s.0 + 1).max().unwrap_or(0);
        RecordSite { ty, slots, n_slots }
    }
}

pub struct TableSite {
    pub ty: TypeId,
    /// Index values per entry.
    pub width: u16,
    pub is_set: bool,
    pub attrs: Option<Rc<TableAttrs>>,
    /// Words of [`Instr::Args`] hold at most this many values per instruction; long constructors are split.
    pub append: bool,
}

pub struct LambdaSite {
    pub func: FuncId,
    pub ty: TypeId,
    pub deep: Vec<bool>,
}

pub struct WhenSite {
    pub cond: Rc<Code>,
    pub body: Rc<Code>,
    pub timeout: Option<Rc<Code>>,
    pub n_slots: u16,
    pub deep: Vec<bool>,
    pub is_return: bool,
    pub globals: Vec<GlobalId>,
}

pub struct SwitchSite {
    /// Labels with absolute targets.
    pub labels: Vec<(Value, u32)>,
    /// From hashed label to positions in `labels`, when there are many.
    pub index: FastMap<u64, Vec<u32>>,
    /// Types with the register that takes the value.
    pub types: Vec<(TypeId, u16, u32)>,
    pub default: u32,
}

/// A compiled body.
pub struct Code {
    pub name: Arc<str>,
    pub func: Option<FuncId>,
    pub instrs: Vec<Instr>,
    pub consts: Vec<Value>,
    pub sites: Vec<Site>,
    pub n_regs: u16,
    pub n_params: u16,
    /// The register that takes the function value, for its captures; [`enc::NONE`] without captures.
    pub closure_reg: u16,
    /// Canonical position of each parameter, where the body's order is another.
    pub param_map: Option<Vec<u32>>,
    /// Ranges of registers that may hold heap values, cleared at exit.
    pub managed: Vec<(u16, u16)>,
    /// Locals that start without a value.
    pub clear: Vec<u16>,
    /// First instruction of each stretch with one source position.
    pub spans: Vec<(u32, Span)>,
    /// Stretches of statements: where a call without a value goes on. Innermost last.
    pub nil: Vec<NilRange>,
    /// The kind that the caller was promised; `ANY` also for nothing.
    pub result_kind: u8,
    pub yields: bool,
    pub span: Span,
    /// Keeps the tree alive that messages point into.
    pub body: Option<Arc<Body>>,
}

#[derive(Clone, Copy, Debug)]
pub struct NilRange {
    pub start: u32,
    pub end: u32,
    pub target: u32,
}

impl Code {
    /// The source position of an instruction.
    pub fn span_at(&self, pc: usize) -> Span {
        let i = self.spans.partition_point(|s| s.0 as usize <= pc);
        match i.checked_sub(1) {
            Some(i) => self.spans[i].1,
            None => self.span,
        }
    }

    /// Where execution goes on when the instruction at `pc` got no value.
    pub fn nil_target(&self, pc: usize) -> Option<u32> {
        let pc = pc as u32;
        self.nil
            .iter()
            .filter(|r| r.start <= pc && pc < r.end)
            .min_by_key(|r| r.end - r.start)
            .map(|r| r.target)
    }
}
