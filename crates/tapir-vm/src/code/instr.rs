//! The instructions.

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
