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
    let n: u64 = std::env::var("FIB").ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let t = std::time::Instant::now();
    let v = vm.call_function(&mut host, f, &[Value::Count(n)]).unwrap();
    if n > 20 {
        eprintln!("fib({n}) {:?}", t.elapsed());
    } else {
        assert!(matches!(v, Value::Count(6765)));
    }
    println!("{}", vm.disassemble(&mut host, f).unwrap());
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
