//! Bytecode: instructions of eight bytes over typed registers, and what a compiled body carries beside them.
//!
//! True of every [`Code`]: a register holds scalars only or heap values only, for the whole life of a frame; a scalar
//! is written without dropping the old content; every register index lies below `n_regs`; what is loaded from the
//! heap (fields, elements, globals, results of built-ins) was checked against the kind that the checker promised.
//!
//! Operands named `e`-something are *encoded*: the two top bits say how the value is fetched, see [`enc`].

use std::rc::Rc;

use tapir_data::table::TableAttrs;
use tapir_data::types::TypeId;
use tapir_data::value::{FuncId, Value};
use tapir_script::hir::{Body, GlobalId, Span};
use tapir_script::symbol::FastMap;

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

/// The runtime kind of a value, as a number that instructions carry; the order is that of [`Value`].
pub mod kind {
    use tapir_data::types::{Kind, TypeId, Types};
    use tapir_data::value::Value;

    pub const UNSET: u8 = 0;
    pub const BOOL: u8 = 1;
    pub const INT: u8 = 2;
    pub const COUNT: u8 = 3;
    pub const DOUBLE: u8 = 4;
    pub const TIME: u8 = 5;
    pub const INTERVAL: u8 = 6;
    pub const ENUM: u8 = 7;
    pub const PORT: u8 = 8;
    pub const ADDR: u8 = 9;
    pub const SUBNET: u8 = 10;
    pub const STR: u8 = 11;
    pub const PATTERN: u8 = 12;
    pub const RECORD: u8 = 13;
    pub const TABLE: u8 = 14;
    pub const VECTOR: u8 = 15;
    pub const FUNC: u8 = 16;
    pub const FILE: u8 = 17;
    pub const OPAQUE: u8 = 18;
    pub const TYPE: u8 = 19;
    pub const LIST: u8 = 20;
    /// Any value.
    pub const ANY: u8 = 255;

    /// The kind of a value.
    #[inline(always)]
    pub fn of(v: &Value) -> u8 {
        match v {
            Value::Unset => UNSET,
            Value::Bool(_) => BOOL,
            Value::Int(_) => INT,
            Value::Count(_) => COUNT,
            Value::Double(_) => DOUBLE,
            Value::Time(_) => TIME,
            Value::Interval(_) => INTERVAL,
            Value::Enum(..) => ENUM,
            Value::Port(_) => PORT,
            Value::Addr(_) => ADDR,
            Value::Subnet(_) => SUBNET,
            Value::Str(_) => STR,
            Value::Pattern(_) => PATTERN,
            Value::Record(_) => RECORD,
            Value::Table(_) => TABLE,
            Value::Vector(_) => VECTOR,
            Value::Func(_) => FUNC,
            Value::File(_) => FILE,
            Value::Opaque(_) => OPAQUE,
            Value::Type(_) => TYPE,
            Value::List(_) => LIST,
        }
    }

    /// Whether a value is there and of the kind.
    #[inline(always)]
    pub fn fits(kind: u8, v: &Value) -> bool {
        let k = of(v);
        k == kind || (kind == ANY && k != UNSET)
    }

    /// Whether values of the kind are scalars: no drop code, copied bit by bit.
    #[inline]
    pub fn is_scalar(kind: u8) -> bool {
        (BOOL..=SUBNET).contains(&kind) || kind == TYPE
    }

    /// The kind of a type's values.
    pub fn of_type(types: &Types, ty: TypeId) -> u8 {
        match types.kind(ty) {
            Kind::Error | Kind::Void | Kind::Any | Kind::Empty => ANY,
            Kind::Bool => BOOL,
            Kind::Int => INT,
            Kind::Count => COUNT,
            Kind::Double => DOUBLE,
            Kind::Time => TIME,
            Kind::Interval => INTERVAL,
            Kind::String => STR,
            Kind::Pattern => PATTERN,
            Kind::Port => PORT,
            Kind::Addr => ADDR,
            Kind::Subnet => SUBNET,
            Kind::Enum(_) => ENUM,
            Kind::Record(_) => RECORD,
            Kind::Table { .. } => TABLE,
            Kind::Vector(_) => VECTOR,
            Kind::Func(_) => FUNC,
            Kind::File => FILE,
            Kind::Opaque(_) => OPAQUE,
            Kind::Type => TYPE,
            Kind::List(_) => LIST,
        }
    }
}

/// One instruction. Jumps are relative to the instruction after the jump.
#[derive(Clone, Copy, Debug)]
pub enum Instr {
    // ---- data words that follow an instruction ----
    Args {
        a: u16,
        b: u16,
        c: u16,
    },
    Ext {
        v: u32,
    },

    // ---- seldom; those that the dispatch loop handles itself come last ----
    /// The default of a parameter.
    Default {
        dst: u16,
        id: u32,
    },

    // ---- when, assert ----
    When {
        n: u16,
        site: u16,
        etimeout: u16,
    },
    Watch {
        ea: u16,
    },
    StoreTrigger {
        idx: u16,
        esrc: u16,
    },
    CacheCheck {
        dst: u16,
        key: u16,
        off: i16,
    },
    SetCall {
        key: u16,
    },
    AssertCheck {
        a: u16,
        off: i16,
    },
    /// Jumps when the engine shuts down: nothing is scheduled then.
    JTerminating {
        off: i16,
    },
    Assert {
        a: u16,
        emsg: u16,
        site: u16,
    },

    // ---- moves ----
    Mov {
        dst: u16,
        src: u16,
    },
    MovM {
        dst: u16,
        src: u16,
    },
    TakeM {
        dst: u16,
        src: u16,
    },
    LoadK {
        dst: u16,
        k: u16,
    },
    LoadKM {
        dst: u16,
        k: u16,
    },
    LoadBool {
        v: bool,
        dst: u16,
    },
    Clear {
        dst: u16,
    },
    CheckSet {
        src: u16,
    },
    GetGlobal {
        kind: u8,
        dst: u16,
        g: u32,
    },
    SetGlobal {
        esrc: u16,
        g: u32,
    },
    LoadCapture {
        dst: u16,
        clos: u16,
        idx: u16,
    },
    StoreCapture {
        clos: u16,
        idx: u16,
        esrc: u16,
    },

    // ---- arithmetic on scalar registers; K: second operand from the constants ----
    AddInt {
        dst: u16,
        a: u16,
        b: u16,
    },
    SubInt {
        dst: u16,
        a: u16,
        b: u16,
    },
    MulInt {
        dst: u16,
        a: u16,
        b: u16,
    },
    AddIntK {
        dst: u16,
        a: u16,
        k: u16,
    },
    SubIntK {
        dst: u16,
        a: u16,
        k: u16,
    },
    MulIntK {
        dst: u16,
        a: u16,
        k: u16,
    },
    DivInt {
        dst: u16,
        a: u16,
        b: u16,
    },
    ModInt {
        dst: u16,
        a: u16,
        b: u16,
    },
    NegInt {
        dst: u16,
        a: u16,
    },
    AddCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    SubCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    MulCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    AddCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    SubCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    MulCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    DivCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    ModCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    DivCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    ModCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    AndCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    AndCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    ShrCountK {
        dst: u16,
        a: u16,
        k: u16,
    },
    OrCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    XorCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    ShlCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    ShrCount {
        dst: u16,
        a: u16,
        b: u16,
    },
    AddDbl {
        dst: u16,
        a: u16,
        b: u16,
    },
    SubDbl {
        dst: u16,
        a: u16,
        b: u16,
    },
    MulDbl {
        dst: u16,
        a: u16,
        b: u16,
    },
    DivDbl {
        dst: u16,
        a: u16,
        b: u16,
    },
    AddDblK {
        dst: u16,
        a: u16,
        k: u16,
    },
    SubDblK {
        dst: u16,
        a: u16,
        k: u16,
    },
    MulDblK {
        dst: u16,
        a: u16,
        k: u16,
    },
    DivDblK {
        dst: u16,
        a: u16,
        k: u16,
    },
    /// Floating point with a result kind: time and interval.
    AddF {
        kind: u8,
        dst: u16,
        a: u16,
        b: u16,
    },
    SubF {
        kind: u8,
        dst: u16,
        a: u16,
        b: u16,
    },
    MulF {
        kind: u8,
        dst: u16,
        a: u16,
        b: u16,
    },
    DivF {
        kind: u8,
        dst: u16,
        a: u16,
        b: u16,
    },
    NegF {
        kind: u8,
        dst: u16,
        a: u16,
    },
    Not {
        dst: u16,
        a: u16,
    },
    CountToInt {
        dst: u16,
        a: u16,
    },
    CountToDbl {
        dst: u16,
        a: u16,
    },
    IntToDbl {
        dst: u16,
        a: u16,
    },

    // ---- jumps ----
    Jmp {
        off: i32,
    },
    /// Backward, counting a step.
    Loop {
        off: i32,
    },
    JBool {
        sense: bool,
        a: u16,
        off: i16,
    },
    JLtInt {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JLeInt {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JEqInt {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JLtIntK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JLeIntK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JEqIntK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JLtCount {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JLeCount {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JEqCount {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JLtCountK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JLeCountK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JEqCountK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JLtF {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JLeF {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JEqF {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    /// `a & k == v`, where `v` is the constant behind `k`.
    JAndEqCountK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JLtFK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JLeFK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    /// The constant stands on the left: not-a-number is neither less nor greater.
    JGtFK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JGeFK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JEqFK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    JEqEnum {
        sense: bool,
        a: u16,
        b: u16,
        off: i16,
    },
    JEqEnumK {
        sense: bool,
        a: u16,
        k: u16,
        off: i16,
    },
    /// Strings, addresses, ports, subnets, booleans by value.
    JEqVal {
        sense: bool,
        ea: u16,
        eb: u16,
        off: i16,
    },
    JHas {
        sense: bool,
        erec: u16,
        slot: u16,
        off: i16,
    },
    JIn1 {
        sense: bool,
        et: u16,
        ek: u16,
        off: i16,
    },
    /// `++i; if (i < n)` back to the loop's body.
    IncLoopCount {
        a: u16,
        b: u16,
        off: i16,
    },
    IncLoopCountK {
        a: u16,
        k: u16,
        off: i16,
    },
    IncLoopInt {
        a: u16,
        b: u16,
        off: i16,
    },
    IncLoopIntK {
        a: u16,
        k: u16,
        off: i16,
    },
    /// `++i; if (i <= n)` likewise.
    IncLoopLeCount {
        a: u16,
        b: u16,
        off: i16,
    },
    IncLoopLeCountK {
        a: u16,
        k: u16,
        off: i16,
    },
    IncLoopLeInt {
        a: u16,
        b: u16,
        off: i16,
    },
    IncLoopLeIntK {
        a: u16,
        k: u16,
        off: i16,
    },
    /// An element of a vector of `bool` as the condition.
    JVBool {
        sense: bool,
        ev: u16,
        i: u16,
        off: i16,
    },

    // ---- records ----
    GetField {
        kind: u8,
        dst: u16,
        erec: u16,
        slot: u16,
    },
    GetField2 {
        slot1: u8,
        dst: u16,
        erec: u16,
        slot2: u8,
        kind: u8,
    },
    SetField {
        erec: u16,
        slot: u16,
        esrc: u16,
    },
    /// `r$f = r$f + d` and `- d` for integers.
    FBump {
        sub: bool,
        erec: u16,
        slot: u16,
        ed: u16,
    },
    DelField {
        erec: u16,
        slot: u16,
    },
    /// Arguments follow.
    NewRecord {
        dst: u16,
        site: u16,
        n: u16,
    },

    // ---- tables and sets ----
    TGet1 {
        kind: u8,
        dst: u16,
        et: u16,
        ek: u16,
    },
    TGetN {
        kind: u8,
        dst: u16,
        et: u16,
        n: u16,
    },
    InN {
        dst: u16,
        et: u16,
        n: u16,
    },
    TSet1 {
        et: u16,
        ek: u16,
        esrc: u16,
    },
    TSetN {
        et: u16,
        esrc: u16,
        n: u16,
    },
    /// `t[k] = t[k] + d` and `- d` for integers: one look-up where the entry is there.
    TBump1 {
        sub: bool,
        et: u16,
        ek: u16,
        ed: u16,
    },
    Add1 {
        et: u16,
        ek: u16,
    },
    AddN {
        et: u16,
        n: u16,
    },
    Del1 {
        et: u16,
        ek: u16,
    },
    DelN {
        et: u16,
        n: u16,
    },
    ClearAll {
        ea: u16,
    },
    NewTable {
        dst: u16,
        site: u16,
        n: u16,
    },

    // ---- vectors and strings ----
    VGet {
        kind: u8,
        dst: u16,
        ev: u16,
        i: u16,
    },
    VSet {
        ev: u16,
        i: u16,
        esrc: u16,
    },
    VPush {
        ev: u16,
        esrc: u16,
    },
    NewVector {
        dst: u16,
        site: u16,
        n: u16,
    },
    Concat {
        dst: u16,
        ea: u16,
        eb: u16,
    },
    ConcatN {
        dst: u16,
        n: u16,
    },
    /// A slice; the type decides. Bounds may be absent.
    Slice {
        dst: u16,
        ev: u16,
        elo: u16,
    },
    SetSlice {
        ev: u16,
        elo: u16,
        esrc: u16,
    },
    SIndex {
        dst: u16,
        es: u16,
        i: u16,
    },
    Size {
        dst: u16,
        ea: u16,
    },

    // ---- generic operations on values ----
    Bin {
        op: u8,
        dst: u16,
        ea: u16,
        eb: u16,
    },
    /// Elementwise; the result type follows.
    BinVec {
        op: u8,
        dst: u16,
        ea: u16,
        eb: u16,
    },
    Un {
        op: u8,
        dst: u16,
        ea: u16,
    },
    CondVec {
        dst: u16,
        ea: u16,
        eb: u16,
    },
    AddAssign {
        dst: u16,
        ea: u16,
        eb: u16,
    },
    SubAssign {
        dst: u16,
        ea: u16,
        eb: u16,
    },
    NewList {
        dst: u16,
        n: u16,
    },
    ListItem {
        kind: u8,
        dst: u16,
        el: u16,
        idx: u16,
    },
    /// To the type that follows.
    Coerce {
        dst: u16,
        ea: u16,
    },
    Cast {
        dst: u16,
        ea: u16,
    },
    CanCast {
        dst: u16,
        ea: u16,
    },
    Is {
        dst: u16,
        ea: u16,
    },
    /// An element must be of the type that follows.
    CheckElement {
        ea: u16,
    },
    /// As `Un` on a vector; the result type follows.
    UnVec {
        op: u8,
        dst: u16,
        ea: u16,
    },
    CheckKind {
        kind: u8,
        src: u16,
    },
    SetAttrs {
        ea: u16,
        site: u16,
    },

    // ---- loops ----
    Iter {
        ea: u16,
    },
    /// Takes the next entry and jumps back to the loop's body, or goes on if there is none. `kind` is that of the key.
    IterNext {
        kind: u8,
        key: u16,
        val: u16,
        off: i16,
    },
    /// As `IterNext` over a vector; `kind` is that of the element.
    VecNext {
        kind: u8,
        key: u16,
        val: u16,
        off: i16,
    },
    /// Takes the next entry, or leaves the loop.
    IterNextN {
        n: u16,
        val: u16,
        off: i16,
    },
    IterPop,
    Switch {
        ea: u16,
        site: u16,
    },

    // ---- calls ----
    Call {
        dst: u16,
        func: u32,
    },
    CallBuiltin {
        n: u8,
        dst: u16,
        site: u16,
    },
    CallValue {
        n: u8,
        dst: u16,
        ef: u16,
        site: u16,
    },
    HookCall {
        n: u8,
        dst: u16,
        func: u32,
    },
    HookValue {
        n: u8,
        dst: u16,
        ef: u16,
        site: u16,
    },
    Raise {
        n: u8,
        func: u32,
    },
    RaiseGlobal {
        n: u8,
        g: u32,
    },
    Schedule {
        n: u8,
        dst: u16,
        ewhen: u16,
        site: u16,
    },
    Lambda {
        dst: u16,
        site: u16,
        n: u16,
    },
    Print {
        n: u16,
        site: u16,
    },
    Ret {
        esrc: u16,
    },
    /// A scalar register that certainly holds a value.
    RetS {
        src: u16,
    },
    RetNone,
    /// The end of a function that should have yielded a value.
    RetMissing,
}

const _: () = assert!(std::mem::size_of::<Instr>() == 8);

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
    Text(Rc<str>),
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
    pub name: Rc<str>,
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
    pub body: Option<Rc<Body>>,
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

    /// The instructions as text, one per line; jumps show their absolute target.
    pub fn disassemble(&self) -> String {
        use std::fmt::Write;
        let mut out = format!("{} ({} params, {} regs)\n", self.name, self.n_params, self.n_regs);
        for (pc, i) in self.instrs.iter().enumerate() {
            let mut text = format!("{i:?}");
            text.retain(|c| c != ',' && c != '{' && c != '}' && c != ':');
            let words: Vec<&str> = text.split_whitespace().collect();
            let mut line = words[0].to_string();
            for pair in words[1..].chunks(2) {
                let shown = match pair {
                    [name, v] if name.starts_with('e') && name.len() <= 8 && *name != "end" => {
                        format!("{}={}", &name[1..], show_encoded(v.parse().unwrap_or(0), self))
                    }
                    [name, v] if *name == "off" => {
                        let to = pc as i64 + 1 + v.parse::<i64>().unwrap_or(0);
                        format!("->{to}")
                    }
                    [name, v] if *name == "k" => {
                        format!("k={}", show_const(&self.consts[v.parse::<usize>().unwrap_or(0)]))
                    }
                    [name, v] => format!("{name}={v}"),
                    _ => pair.concat(),
                };
                let _ = write!(line, " {shown}");
            }
            if let Instr::Args { a, b, c } = i {
                line = "  args".into();
                for e in [a, b, c] {
                    if *e != enc::NONE {
                        let _ = write!(line, " {}", show_encoded(*e, self));
                    }
                }
            }
            let _ = writeln!(out, "{pc:4} {line}");
        }
        out
    }
}

fn show_encoded(e: u16, code: &Code) -> String {
    if e == enc::NONE {
        return "-".into();
    }
    match e & enc::MODE {
        enc::SCALAR => format!("r{}", e & enc::INDEX),
        enc::CLONE => format!("r{}", e & enc::INDEX),
        enc::TAKE => format!("r{}!", e & enc::INDEX),
        _ if e & enc::GLOBAL_BIT != 0 => format!("g{}", e & enc::POOL_INDEX),
        _ => show_const(&code.consts[(e & enc::POOL_INDEX) as usize]),
    }
}

fn show_const(v: &Value) -> String {
    match v {
        Value::Bool(b) => (if *b { "T" } else { "F" }).into(),
        Value::Int(n) => format!("{n:+}"),
        Value::Count(n) => n.to_string(),
        Value::Double(d) => format!("{d:?}"),
        Value::Time(d) | Value::Interval(d) => format!("{d:?}s"),
        Value::Enum(_, n) => format!("enum:{n}"),
        Value::Str(s) => format!("{:?}", String::from_utf8_lossy(s)),
        Value::Addr(a) => a.to_string(),
        v => format!("k{}", kind::of(v)),
    }
}
