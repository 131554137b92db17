//! The machine on small programs built by hand.

mod common;

use common::*;
use tapir_data::types::{Flavor, Kind, builtin as b};
use tapir_data::value::Value;
use tapir_script::hir::*;

fn fib_program() -> Program {
    let mut p = program();
    let id = tapir_data::value::FuncId(0);
    let n = || local(0, b::COUNT);
    let below = |k| bin(BinOp::Sub, n(), count(k), b::COUNT);
    function(
        &mut p,
        "fib",
        Flavor::Function,
        &[b::COUNT],
        b::COUNT,
        &[],
        vec![(
            vec![
                stmt(StmtKind::If(
                    bin(BinOp::Lt, n(), count(2), b::BOOL),
                    Box::new(ret(n())),
                    None,
                )),
                ret(bin(
                    BinOp::Add,
                    call(id, vec![below(1)], b::COUNT),
                    call(id, vec![below(2)], b::COUNT),
                    b::COUNT,
                )),
            ],
            0,
        )],
    );
    p
}

#[test]
fn recursion_gives_the_right_number() {
    let (mut vm, mut host) = start(fib_program());
    let f = vm.func_id("fib").unwrap();
    let v = vm.call_function(&mut host, f, &[Value::Count(20)]);
    assert!(matches!(v, Ok(Value::Count(6765))));
}

#[test]
fn comparisons_are_fused_and_constants_are_operands() {
    let (mut vm, mut host) = start(fib_program());
    let f = vm.func_id("fib").unwrap();
    let text = vm.disassemble(&mut host, f).ok().unwrap();
    let want = "\
fib (1 params, 4 regs)
   0 JLtCountK sense=false a=0 k=2 ->2
   1 RetS src=0
   2 SubCountK dst=2 a=0 k=1
   3 Call dst=1 func=0
   4   args r2
   5 SubCountK dst=3 a=0 k=2
   6 Call dst=2 func=0
   7   args r3
   8 AddCount dst=2 a=1 b=2
   9 RetS src=2
  10 RetNone
  11 RetMissing
";
    assert_eq!(text, want);
}

#[test]
fn endless_loops_end_in_an_error() {
    let mut p = program();
    let t = e(ExprKind::Const(Const::Bool(true)), b::BOOL);
    function(
        &mut p,
        "spin",
        Flavor::Event,
        &[],
        b::VOID,
        &[],
        vec![
            (vec![stmt(StmtKind::While(t, Box::new(block(Vec::new()))))], 1),
            (vec![print(vec![string("the next body runs")])], 0),
        ],
    );
    let (mut vm, mut host) = start(p);
    let mut limits = vm.limits().clone();
    limits.steps_max = 4_000_000;
    vm.set_limits(limits);
    vm.raise_named("spin", Vec::new());
    assert!(vm.drain(&mut host).is_ok());
    assert_eq!(host.out, ["the next body runs"]);
    assert!(host.messages[0].contains("execution limit"), "{:?}", host.messages);
}

#[test]
fn rounds_that_end_with_next_count_as_steps() {
    let mut p = program();
    let below = |k| bin(BinOp::Lt, local(0, b::COUNT), count(k), b::BOOL);
    let body = vec![
        stmt(StmtKind::If(below(5), Box::new(stmt(StmtKind::Next)), None)),
        stmt(StmtKind::Expr(e(ExprKind::Incr(LValue::Local(LocalId(0))), b::COUNT))),
    ];
    function(
        &mut p,
        "stuck",
        Flavor::Event,
        &[],
        b::VOID,
        &[b::COUNT],
        vec![(
            vec![
                assign(0, count(0)),
                stmt(StmtKind::While(below(10), Box::new(block(body)))),
            ],
            0,
        )],
    );
    let (mut vm, mut host) = start(p);
    let mut limits = vm.limits().clone();
    limits.steps_max = 4_000_000;
    vm.set_limits(limits);
    vm.raise_named("stuck", Vec::new());
    assert!(vm.drain(&mut host).is_ok());
    assert!(host.messages[0].contains("execution limit"), "{:?}", host.messages);
}

#[test]
fn tests_of_loops_stand_at_their_ends() {
    // i: 0, sum: 1
    let mut p = program();
    let i = || local(0, b::COUNT);
    let step = |by| assign(0, bin(BinOp::Add, i(), count(by), b::COUNT));
    let add = || assign(1, bin(BinOp::Add, local(1, b::COUNT), i(), b::COUNT));
    let up_to = |op, limit, by| {
        stmt(StmtKind::While(
            bin(op, i(), count(limit), b::BOOL),
            Box::new(block(vec![add(), step(by)])),
        ))
    };
    let odd = bin(BinOp::Eq, bin(BinOp::Mod, i(), count(8), b::COUNT), count(7), b::BOOL);
    let skipping = block(vec![
        step(1),
        stmt(StmtKind::If(odd, Box::new(stmt(StmtKind::Next)), None)),
        add(),
    ]);
    function(
        &mut p,
        "sums",
        Flavor::Function,
        &[],
        b::COUNT,
        &[b::COUNT, b::COUNT],
        vec![(
            vec![
                assign(0, count(0)),
                assign(1, count(0)),
                up_to(BinOp::Lt, 10, 1), // 45
                up_to(BinOp::Le, 12, 1), // 10 + 11 + 12
                up_to(BinOp::Le, 20, 3), // 13 + 16 + 19
                up_to(BinOp::Lt, 5, 1),  // nothing
                stmt(StmtKind::While(
                    bin(BinOp::Ne, i(), count(40), b::BOOL),
                    Box::new(skipping),
                )), // 23 + … + 40 without 23, 31 and 39
                ret(local(1, b::COUNT)),
            ],
            0,
        )],
    );
    let (mut vm, mut host) = start(p);
    let f = vm.func_id("sums").unwrap();
    let v = vm.call_function(&mut host, f, &[]);
    let want = 45 + 33 + 48 + (23..=40).sum::<u64>() - 23 - 31 - 39;
    assert!(
        matches!(v, Ok(Value::Count(n)) if n == want),
        "{:?}",
        v.ok().map(|v| match v {
            Value::Count(n) => n,
            _ => 0,
        })
    );
    let text = vm.disassemble(&mut host, f).ok().unwrap();
    assert!(
        text.contains("IncLoopCountK") && text.contains("IncLoopLeCountK") && text.contains("JAndEqCountK"),
        "{text}"
    );
}

#[test]
fn scheduled_events_fire_in_order_of_time() {
    let mut p = program();
    let ev = function(
        &mut p,
        "late",
        Flavor::Event,
        &[b::COUNT],
        b::VOID,
        &[],
        vec![(vec![print(vec![local(0, b::COUNT)])], 0)],
    );
    let at = |secs: f64, n: u64| {
        let delay = e(ExprKind::Const(Const::Interval(secs)), b::INTERVAL);
        stmt(StmtKind::Expr(e(
            ExprKind::Schedule(Box::new(delay), ev, vec![count(n)]),
            b::VOID,
        )))
    };
    function(
        &mut p,
        "zeek_init",
        Flavor::Event,
        &[],
        b::VOID,
        &[],
        vec![(vec![at(5.0, 3), at(1.0, 1), at(1.0, 2), at(100.0, 4)], 0)],
    );
    let (mut vm, mut host) = start(p);
    vm.set_network_time(1000.0);
    vm.raise_named("zeek_init", Vec::new());
    assert!(vm.drain(&mut host).is_ok());
    assert_eq!(vm.next_timer(), Some(1001.0));
    assert!(matches!(vm.advance_time(&mut host, 1010.0), Ok(3)));
    assert!(vm.drain(&mut host).is_ok());
    assert_eq!(host.out, ["1", "2", "3"]);
    vm.set_terminating();
    assert!(vm.expire_all_timers(&mut host).is_ok());
    assert!(vm.drain(&mut host).is_ok());
    assert_eq!(host.out.last().map(String::as_str), Some("4"));
}

#[test]
fn endless_recursion_is_an_error_and_the_next_call_works() {
    let mut p = program();
    let id = tapir_data::value::FuncId(0);
    function(
        &mut p,
        "deep",
        Flavor::Function,
        &[b::COUNT],
        b::COUNT,
        &[],
        vec![(
            vec![ret(call(
                id,
                vec![bin(BinOp::Add, local(0, b::COUNT), count(1), b::COUNT)],
                b::COUNT,
            ))],
            0,
        )],
    );
    let (mut vm, mut host) = start(p);
    let e = vm.call_function(&mut host, id, &[Value::Count(0)]).err().unwrap();
    assert!(e.to_string().contains("maximum recursion depth 1000"));
    assert!(vm.call_function(&mut host, id, &[Value::Count(0)]).is_err());
}

#[test]
fn loops_tables_and_strings() {
    let mut p = program();
    let table = p.types.intern(Kind::Table {
        index: vec![b::COUNT],
        yields: Some(b::STRING),
    });
    let t = || local(0, table);
    let i = || local(1, b::COUNT);
    let at = |x: Expr| LValue::Index(Box::new(local(0, table)), vec![x]);
    let step = stmt(StmtKind::Expr(e(ExprKind::Incr(LValue::Local(LocalId(1))), b::COUNT)));
    function(
        &mut p,
        "zeek_init",
        Flavor::Event,
        &[],
        b::VOID,
        &[table, b::COUNT, b::COUNT, b::STRING],
        vec![(
            vec![
                assign(1, count(0)),
                stmt(StmtKind::While(
                    bin(BinOp::Lt, i(), count(5), b::BOOL),
                    Box::new(block(vec![
                        stmt(StmtKind::Expr(e(
                            ExprKind::Assign(at(i()), Box::new(bin(BinOp::Add, string("v"), string("!"), b::STRING))),
                            b::STRING,
                        ))),
                        step,
                    ])),
                )),
                stmt(StmtKind::Delete(at(count(3)))),
                stmt(StmtKind::For(Box::new(For {
                    keys: vec![Some(LocalId(2))],
                    value: Some(LocalId(3)),
                    over: t(),
                    body: print(vec![local(2, b::COUNT), local(3, b::STRING)]),
                }))),
                print(vec![e(ExprKind::In(vec![count(3)], Box::new(t())), b::BOOL)]),
                print(vec![e(ExprKind::Index(Box::new(t()), vec![count(3)]), b::STRING)]),
                print(vec![string("not reached")]),
            ],
            0,
        )],
    );
    let (mut vm, mut host) = start(p);
    vm.raise_named("zeek_init", Vec::new());
    vm.drain(&mut host).unwrap();
    assert_eq!(host.out, ["0, v!", "1, v!", "2, v!", "4, v!", "F"]);
    assert_eq!(host.messages.len(), 1, "{:?}", host.messages);
    assert!(host.messages[0].contains("no such index"));
}

#[test]
fn bodies_run_by_priority_and_are_isolated() {
    let mut p = program();
    let fail = e(
        ExprKind::Binary(BinOp::Div, Box::new(count(1)), Box::new(local(0, b::COUNT))),
        b::COUNT,
    );
    function(
        &mut p,
        "ev",
        Flavor::Event,
        &[b::COUNT],
        b::VOID,
        &[],
        vec![
            (vec![print(vec![string("second"), local(0, b::COUNT)])], 0),
            (vec![print(vec![fail]), print(vec![string("no")])], 5),
            (vec![print(vec![string("third")])], -1),
        ],
    );
    let (mut vm, mut host) = start(p);
    vm.raise_named("ev", vec![Value::Count(0)]);
    vm.raise_named("ev", vec![Value::Str(b"of the wrong type"[..].into())]);
    vm.drain(&mut host).unwrap();
    assert_eq!(host.out, ["second, 0", "third"]);
    assert_eq!(host.messages.len(), 2, "{:?}", host.messages);
}
