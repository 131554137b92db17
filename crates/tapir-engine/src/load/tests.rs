//! Nodes with one program, and bodies that are checked when they are needed.

use tapir_script::hir::FunctionKind;
use tapir_script::render;

use super::*;

/// Whether a global is declared, read by a node with a variable of its environment.
fn node(shared: &SharedProgram, role: &str) -> (Arc<Program>, bool) {
    let mut config = Config {
        bare: true,
        programs: vec![shared.clone()],
        code: vec!["@if ( getenv(\"ROLE\") == \"a\" )\nglobal of_a = 1;\n@endif\n".into()],
        ..Config::default()
    };
    config.environment.push(("ROLE".into(), role.into()));
    let loaded = load(&config).unwrap_or_else(|status| panic!("the scripts load: {status}"));
    let program = loaded.core.vm.shared_program().expect("the program was set");
    let declared = program.names.contains_key("of_a");
    (program, declared)
}

#[test]
fn nodes_share_what_they_read_when_their_conditions_come_out_alike() {
    let shared = SharedProgram::default();
    let (first, declared) = node(&shared, "a");
    assert!(declared);
    let (second, _) = node(&shared, "a");
    assert!(Arc::ptr_eq(&first, &second));
    let (third, declared) = node(&shared, "b");
    assert!(!Arc::ptr_eq(&first, &third));
    assert!(!declared);
}

#[test]
fn all_nodes_of_one_process_have_one_program() {
    let shared = SharedProgram::default();
    let mut scripts: Vec<String> = vec!["frameworks/cluster/backend/inproc/capture".into(), "local".into()];
    scripts.push("frameworks/cluster/experimental".into());
    scripts.push("frameworks/cluster/backend/inproc".into());
    let read = |node: &str| {
        let mut config = Config {
            scripts: scripts.clone(),
            programs: vec![shared.clone()],
            ..Config::default()
        };
        config.environment.push(("CLUSTER_NODE".into(), node.into()));
        let layout = crate::parallel::layout(2, true);
        config.texts.push(("cluster-layout.zeek".into(), layout));
        let loaded = load(&config).unwrap_or_else(|status| panic!("the scripts load: {status}"));
        let logs_here = crate::globals::flag(&loaded.core.vm, "Log::enable_local_logging");
        assert_eq!(logs_here, Some(node == "manager"), "{node}");
        loaded.core.vm.shared_program().expect("the program was set")
    };
    let first = read("worker-1");
    for node in ["worker-2", "proxy-1", "manager"] {
        assert!(Arc::ptr_eq(&first, &read(node)), "{node} reads for itself");
    }
}

/// What a configuration loads, in full: what is said about it, and everything that functions consist of.
fn loads(config: &Config, puts_off: bool) -> (String, String) {
    let seeds = seeds(config).expect("there are seeds");
    let (program, diagnostics) = check(config, &mut machine(config, &seeds), puts_off).expect("the settings are right");
    let said = diagnostics.iter().map(|d| d.render(&program.files)).collect();
    let mut text = String::new();
    let ty = |t| tapir_data::text::type_text(&program.types, t);
    for f in &program.functions {
        text += &format!("{} {}\n", f.name, ty(f.ty));
        let FunctionKind::Script(bodies) = &f.kind else {
            continue;
        };
        for b in bodies {
            let parts = program.parts(b).unwrap_or_else(|why| panic!("{}: {why}", f.name));
            for l in &parts.locals {
                text += &format!("{} {} {}\n", l.name, ty(l.ty), l.create_at_entry);
            }
            text += &render::body(&program, b);
        }
    }
    (said, text)
}

fn same_either_way(config: &Config) -> (String, String) {
    let (said, text) = loads(config, false);
    let (said_later, text_later) = loads(config, true);
    assert_eq!(said, said_later, "{:?}", config.scripts);
    let lines = text.lines().zip(text_later.lines());
    for (a, b) in lines {
        assert_eq!(a, b, "{:?}", config.scripts);
    }
    assert_eq!(text.len(), text_later.len());
    (said, text)
}

fn policy_scripts() -> impl Iterator<Item = String> {
    let scripts = embedded::FILES.iter().filter_map(|f| f.path.strip_prefix("policy/"));
    scripts.filter(|f| f.ends_with(".zeek")).map(str::to_string)
}

#[test]
fn bodies_that_were_put_off_are_what_they_would_have_been() {
    let (said, text) = same_either_way(&Config {
        scripts: vec!["local".into()],
        ..Config::default()
    });
    assert_eq!(said, "");
    assert!(text.contains("Log::write"));
}

#[test]
fn every_script_loads_either_way() {
    let mut nodes = vec![None];
    for kind in ["MANAGER", "PROXY", "WORKER", "LOGGER"] {
        let layout = format!("redef Cluster::nodes = {{ [\"a\"] = [$node_type=Cluster::{kind}, $ip=127.0.0.1] }};\n");
        nodes.push(Some(layout));
    }
    for layout in nodes {
        for bare in [true, false] {
            let mut config = Config {
                bare,
                scripts: policy_scripts().collect(),
                ..Config::default()
            };
            if let Some(layout) = &layout {
                config.environment.push(("CLUSTER_NODE".into(), "a".into()));
                config.texts.push(("cluster-layout.zeek".into(), layout.clone()));
            }
            let (said, _) = same_either_way(&config);
            assert!(!said.contains("error"), "{said}");
        }
    }
}

#[test]
fn warnings_about_scripts_alone_are_the_same_either_way() {
    for script in policy_scripts() {
        let config = Config {
            bare: true,
            scripts: vec![script],
            ..Config::default()
        };
        let (seeds, mut said) = (seeds(&config).expect("there are seeds"), Vec::new());
        for puts_off in [false, true] {
            let mut machine = machine(&config, &seeds);
            let (program, diagnostics) = check(&config, &mut machine, puts_off).expect("the settings are right");
            said.push(diagnostics.iter().map(|d| d.render(&program.files)).collect::<String>());
        }
        assert_eq!(said[0], said[1], "{:?}", config.scripts);
    }
}

/// A configuration with code of a user's behind the default scripts.
fn code(text: &str) -> Config {
    Config {
        code: vec![text.into()],
        ..Config::default()
    }
}

#[test]
fn what_users_add_behind_bodies_has_no_meaning_in_them() {
    // Each of these names is one that bodies of the module use for something else.
    let hides = [
        "module HTTP; export { global fmt = 1; } event zeek_init() { print fmt; }",
        "module Notice; global network_time = 2; event zeek_init() { print network_time; }",
        "module Conn; type connection: count; global x: connection = 3; event zeek_init() { print x; }",
        "redef record connection += { uid_too: string &optional; };",
        "redef enum Notice::Type += { Mine }; function f(): Notice::Type { return Mine; } event zeek_init() { f(); }",
    ];
    for text in hides {
        let (said, _) = same_either_way(&code(text));
        assert_eq!(said, "", "{text}");
    }
}

#[test]
fn what_users_write_is_told_of_as_ever() {
    let wrong = [
        "module HTTP; function nobody() { print 1; }",
        "event no_such_event() { print 1; } function f(x: count) { x = \"a\"; }",
        "module M; function helper() { } function caller() { helper(); } event zeek_init() { }",
        "event zeek_init() { Log::write(1); }",
    ];
    for text in wrong {
        let (said, _) = same_either_way(&code(text));
        assert_ne!(said, "", "{text}");
    }
}
