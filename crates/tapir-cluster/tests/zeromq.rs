//! Nodes and a forwarder over loopback TCP in one process. Without libzmq the tests say so and pass.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::zeromq::{Config, Curve, Forwarder, ForwarderConfig, Lib, ZeroMq};
use tapir_cluster::{Backend, EventSerializer, Incoming, LogBatch, Refused};
use tapir_data::broker::Data;
use tapir_data::broker::event::EventMessage;
use tapir_logging::{CellRef, Column, RowEncoder};

const PATIENCE: Duration = Duration::from_secs(20);

fn lib() -> Option<Arc<Lib>> {
    Lib::load().inspect_err(|e| eprintln!("skipped: {e}")).ok()
}

fn forwarder(lib: &Arc<Lib>, curve: &Curve) -> Forwarder {
    let config = ForwarderConfig {
        listen_xpub_endpoint: "tcp://127.0.0.1:*".into(),
        listen_xsub_endpoint: "tcp://127.0.0.1:*".into(),
        curve: curve.clone(),
        ..ForwarderConfig::default()
    };
    Forwarder::start(lib, &config).unwrap()
}

fn config(name: &str, f: &Forwarder) -> Config {
    Config {
        node_id: format!("id-{name}"),
        connect_xpub_endpoint: f.xsub_endpoint.clone(),
        connect_xsub_endpoint: f.xpub_endpoint.clone(),
        ..Config::default()
    }
}

fn started(config: Config) -> ZeroMq {
    let mut node = ZeroMq::new(config).unwrap();
    node.start().unwrap();
    node
}

/// Takes messages until one is as wanted.
fn until(node: &mut ZeroMq, what: &str, mut wanted: impl FnMut(&Incoming) -> bool) -> Incoming {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let mut out = Vec::new();
        node.poll(1, &mut out);
        match out.pop() {
            Some(m) if wanted(&m) => return m,
            Some(m) => eprintln!("{}: {m:?}", node.node_id()),
            None => node.wait(Duration::from_millis(100)),
        }
    }
    panic!("{} waits for {what} in vain", node.node_id());
}

fn until_subscribed(node: &mut ZeroMq, topic: &str) {
    until(node, topic, |m| *m == Incoming::Subscribed(topic.into()));
}

fn rows(n: u32) -> LogBatch {
    let mut rows = Vec::new();
    for i in 0..n {
        let mut enc = RowEncoder::new(&mut rows);
        enc.cell(CellRef::Time(f64::from(i)));
        enc.cell(CellRef::Str(b"10.0.0.1 is a text of some length"));
        enc.cell(CellRef::Count(7));
        enc.cell(CellRef::Unset);
    }
    let column = |name: &str, type_name: &str| Column {
        name: name.into(),
        type_name: type_name.into(),
        optional: true,
    };
    LogBatch {
        stream: "T::LOG".into(),
        writer: "Log::WRITER_ASCII".into(),
        filter: "default".into(),
        path: "t".into(),
        topic: None,
        columns: Arc::from([
            column("ts", "time"),
            column("s", "string"),
            column("n", "count"),
            column("m", "set[addr]"),
        ]),
        n_rows: n,
        rows,
    }
}

#[test]
fn events_pass_and_ends_are_seen() {
    let Some(lib) = lib() else { return };
    for serializer in [EventSerializer::BrokerBinV1, EventSerializer::BrokerJsonV1] {
        let f = forwarder(&lib, &Curve::default());
        let with = |name: &str| Config {
            event_serializer: serializer,
            ..config(name, &f)
        };
        // A subscription made before the start.
        let mut a = ZeroMq::new(with("a")).unwrap();
        a.subscribe(b"to.a");
        let event = EventMessage::new("Demo::x", vec![Data::Count(1), Data::str(b"y\xff")]);
        assert_eq!(a.publish(b"to.b", &event), Err(Refused::Closed));
        a.start().unwrap();
        let mut b = started(with("b"));
        b.subscribe(b"to.b");
        b.subscribe(b"to.");
        until_subscribed(&mut a, "to.b");
        until_subscribed(&mut b, "to.a");
        b.probe();
        until(&mut b, "readiness", |m| *m == Incoming::Ready);
        b.publish(b"to.a.x", &event).unwrap();
        let got = until(&mut a, "the event", |m| matches!(m, Incoming::Event { .. }));
        let wanted = Incoming::Event {
            topic: b"to.a.x".to_vec(),
            event: event.clone(),
        };
        assert_eq!(got, wanted);
        // Nobody gets its own: the next that b has is the other's.
        b.publish(b"to.b.own", &event).unwrap();
        a.publish(b"to.b.other", &event).unwrap();
        match until(&mut b, "the event", |m| matches!(m, Incoming::Event { .. })) {
            Incoming::Event { topic, .. } => assert_eq!(topic, b"to.b.other"),
            _ => unreachable!(),
        }
        // A client of b sees what b publishes.
        let mut c = b.clients()("id-b-websocket-0").unwrap();
        c.subscribe(b"to.c");
        c.start().unwrap();
        until_subscribed(&mut b, "to.c");
        b.publish(b"to.c", &event).unwrap();
        let end = Instant::now() + PATIENCE;
        let mut out = Vec::new();
        while !out.iter().any(|m| matches!(m, Incoming::Event { .. })) {
            assert!(Instant::now() < end);
            c.wait(Duration::from_millis(50));
            c.poll(10, &mut out);
        }
        drop(c);
        b.close();
        assert_eq!(b.publish(b"x", &event), Err(Refused::Closed));
        until(&mut a, "the end of b", |m| {
            *m == Incoming::Unsubscribed(b"to.b".to_vec())
        });
        assert!(f.counters().backend.messages_sent >= 12);
        assert!(f.counters().frontend.messages_received >= 12);
    }
}

#[test]
fn logs_are_shared_out_and_a_stalled_logger_stalls_nobody() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    let logger = |name: &str, bytes: usize| {
        started(Config {
            listen_log_endpoint: "tcp://127.0.0.1:*".into(),
            log_inbox_bytes: bytes,
            log_rcvhwm: 2,
            log_rcvbuf: 4096,
            ..config(name, &f)
        })
    };
    let worker = |endpoints: Vec<String>| {
        started(Config {
            connect_log_endpoints: endpoints,
            log_sndhwm: 2,
            log_sndbuf: 4096,
            log_queue_bytes: 100_000,
            ..config("w", &f)
        })
    };
    let (mut one, mut two) = (logger("l1", 1 << 20), logger("l2", 1 << 20));
    let endpoint = |l: &ZeroMq| l.log_endpoint().unwrap().to_owned();
    let mut w = worker(vec![endpoint(&one), endpoint(&two)]);
    for n in 0..10 {
        w.ship(rows(n + 1)).unwrap();
    }
    let (mut got, mut both) = (0, [0, 0]);
    let end = Instant::now() + PATIENCE;
    while got < 55 && Instant::now() < end {
        for (l, n) in [&mut one, &mut two].into_iter().zip(&mut both) {
            l.wait(Duration::from_millis(10));
            let mut out = Vec::new();
            l.poll(100, &mut out);
            for m in out {
                if let Incoming::Logs(b) = m {
                    assert_eq!(b, rows(b.n_rows));
                    got += b.n_rows;
                    *n += 1;
                }
            }
        }
    }
    assert_eq!(got, 55);
    assert!(both[0] > 0 && both[1] > 0, "{both:?}");
    drop((w, one, two));

    // A logger whose node does nothing: the sender's rows are refused at once, and counted.
    let mut stalled = logger("l3", 1);
    let mut w = worker(vec![endpoint(&stalled)]);
    let (mut refused, mut longest) = (0u64, Duration::ZERO);
    let end = Instant::now() + PATIENCE;
    while refused < 1000 && Instant::now() < end {
        let start = Instant::now();
        refused += u64::from(w.ship(rows(100)).is_err());
        longest = longest.max(start.elapsed());
    }
    assert_eq!(refused, 1000);
    assert_eq!(w.counters().log_row_drops, 100_000);
    assert!(longest < Duration::from_secs(2), "ship took {longest:?}");
    // It goes on: what was taken arrives.
    let queued = w.counters();
    let mut out = Vec::new();
    let end = Instant::now() + PATIENCE;
    while w.counters().log_rows_out <= queued.log_rows_out && Instant::now() < end {
        stalled.wait(Duration::from_millis(10));
        stalled.poll(100, &mut out);
    }
    assert!(w.counters().log_rows_out > queued.log_rows_out);
}

#[test]
fn rows_that_nobody_has_taken_at_the_end_are_counted() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    let mut logger = started(Config {
        listen_log_endpoint: "tcp://127.0.0.1:*".into(),
        ..config("logger", &f)
    });
    let endpoint = logger.log_endpoint().unwrap().to_string();
    let shipped = || {
        let mut node = started(Config {
            connect_log_endpoints: vec![endpoint.clone()],
            ..config("node", &f)
        });
        node.ship(rows(3)).unwrap();
        node
    };
    let mut node = shipped();
    until(&mut logger, "rows", |m| matches!(m, Incoming::Logs(_)));
    node.close();
    assert_eq!(node.counters().log_row_drops, 0);
    logger.close();
    let mut node = shipped();
    let end = Instant::now() + PATIENCE;
    while node.counters().log_rows_out == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    node.close();
    assert_eq!(node.counters().log_row_drops, 3);
}

#[test]
fn what_is_too_much_is_counted() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    let mut slow = started(Config {
        onloop_queue_hwm: 5,
        ..config("slow", &f)
    });
    slow.subscribe(b"t");
    let mut quick = started(config("quick", &f));
    until_subscribed(&mut quick, "t");
    let event = EventMessage::new("x", Vec::new());
    for _ in 0..20 {
        quick.publish(b"t", &event).unwrap();
    }
    let end = Instant::now() + PATIENCE;
    while slow.counters().events_in + slow.counters().incoming_drops < 20 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(slow.counters().events_in, 5);
    assert_eq!(slow.counters().incoming_drops, 15);
    assert_eq!(quick.counters().events_out, 20);
}

#[test]
fn keys_let_members_in_and_keep_others_out() {
    let Some(lib) = lib() else { return };
    if !lib.has_curve() {
        eprintln!("skipped: this libzmq has no CURVE");
        return;
    }
    let ((server_publickey, server_secretkey), (client_publickey, client_secretkey)) =
        (lib.keypair().unwrap(), lib.keypair().unwrap());
    assert_eq!(lib.public_of(&server_secretkey).as_ref(), Ok(&server_publickey));
    let curve = Curve {
        server_publickey,
        server_secretkey,
        client_publickey,
        client_secretkey,
    };
    let f = forwarder(&lib, &curve);
    let with = |name: &str, curve: &Curve| Config {
        curve: curve.clone(),
        ..config(name, &f)
    };
    let mut logger = started(Config {
        listen_log_endpoint: "tcp://127.0.0.1:*".into(),
        ..with("logger", &curve)
    });
    let mut worker = started(Config {
        connect_log_endpoints: vec![logger.log_endpoint().unwrap().into()],
        ..with("worker", &curve)
    });
    logger.subscribe(b"t");
    until_subscribed(&mut worker, "t");
    worker.publish(b"t", &EventMessage::new("x", Vec::new())).unwrap();
    until(&mut logger, "the event", |m| matches!(m, Incoming::Event { .. }));
    worker.ship(rows(3)).unwrap();
    until(
        &mut logger,
        "log rows",
        |m| matches!(m, Incoming::Logs(b) if *b == rows(3)),
    );

    let (public, secret) = lib.keypair().unwrap();
    let stranger = Curve {
        client_publickey: public,
        client_secretkey: secret,
        ..curve.clone()
    };
    for (name, keys) in [("stranger", stranger), ("plain", Curve::default())] {
        let mut node = started(with(name, &keys));
        node.subscribe(b"t");
        until(&mut node, "being refused", |m| matches!(m, Incoming::Fatal(_)));
    }
    assert!(
        ZeroMq::new(with(
            "half",
            &Curve {
                server_secretkey: String::new(),
                client_secretkey: String::new(),
                ..curve.clone()
            }
        ))
        .is_err()
    );
    assert!(
        ZeroMq::new(with(
            "bad",
            &Curve {
                server_publickey: "x".into(),
                ..curve.clone()
            }
        ))
        .is_err()
    );
    let get = |name: &str| name.ends_with("CURVE_SERVER_PUBLICKEY").then(|| "key".to_owned());
    assert!(curve.with_environment(get).is_err());
    assert_eq!(Curve::default().with_environment(get).unwrap().server_publickey, "key");
}

#[test]
fn an_address_in_use_is_an_error() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    let config = ForwarderConfig {
        listen_xpub_endpoint: f.xpub_endpoint.clone(),
        ..ForwarderConfig::default()
    };
    let e = Forwarder::start(&lib, &config).unwrap_err();
    assert!(e.contains("XPUB") && e.contains(&f.xpub_endpoint), "{e}");
}

#[test]
fn nodes_outlive_their_forwarder() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    let mut a = started(config("a", &f));
    let mut b = started(config("b", &f));
    a.subscribe(b"to.a");
    until_subscribed(&mut b, "to.a");
    let same = ForwarderConfig {
        listen_xpub_endpoint: f.xpub_endpoint.clone(),
        listen_xsub_endpoint: f.xsub_endpoint.clone(),
        ..ForwarderConfig::default()
    };
    drop(f);
    // A subscription made while nobody forwards.
    b.subscribe(b"to.b");
    let _f = Forwarder::start(&lib, &same).unwrap();
    until_subscribed(&mut a, "to.b");
    b.probe();
    until(&mut b, "readiness", |m| *m == Incoming::Ready);
    let event = EventMessage::new("x", Vec::new());
    let end = Instant::now() + PATIENCE;
    // The other's connections may take a little longer. Until they stand, what is published waits in a bounded queue, so a full
    // one only says that it is not time yet.
    let mut seen = Vec::new();
    while a.counters().events_in == 0 && Instant::now() < end {
        match b.publish(b"to.a", &event) {
            Ok(()) | Err(Refused::Full) => {}
            Err(e) => panic!("{e:?}"),
        }
        // What has come in already must be taken, or there is nothing to wait for.
        a.poll(usize::MAX, &mut seen);
        a.wait(Duration::from_millis(50));
    }
    assert!(a.counters().events_in > 0);
}

#[test]
fn subscriptions_of_others_have_an_end() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    // More than one connection may subscribe to.
    let mut hostile: Vec<_> = (0..3).map(|i| started(config(&format!("hostile-{i}"), &f))).collect();
    let mut node = started(config("node", &f));
    // Who asks for too much at once loses some of it in libzmq already.
    const PORTION: usize = 250;
    hostile[0].subscribe(&vec![b'x'; 100_000]);
    until(
        &mut hostile[0],
        "a complaint",
        |m| matches!(m, Incoming::Error { message, .. } if message.contains("too long")),
    );
    let end = Instant::now() + 3 * PATIENCE;
    let mut heard = 0;
    for portion in 1..=402 {
        (0..PORTION).for_each(|i| hostile[portion % 3].subscribe(format!("t/{portion}/{i}").as_bytes()));
        while heard as u64 + f.counters().refused_subscriptions < (portion * PORTION) as u64 {
            assert!(Instant::now() < end, "{heard} heard, {:?}", f.counters());
            let mut out = Vec::new();
            node.poll(1000, &mut out);
            heard += out.iter().filter(|m| matches!(m, Incoming::Subscribed(_))).count();
            if out.is_empty() {
                node.wait(Duration::from_millis(10));
            }
        }
    }
    assert_eq!((f.counters().refused_subscriptions, heard), (500, 100_000));
    assert_eq!(f.counters().cut_connections, 0);
    // There is room again when it has gone.
    hostile.iter_mut().for_each(Backend::close);
    until(&mut node, "the end of subscriptions", |m| {
        matches!(m, Incoming::Unsubscribed(_))
    });
    let mut other = started(config("other", &f));
    let end = Instant::now() + PATIENCE;
    loop {
        // What is refused is not kept for later.
        other.unsubscribe(b"something");
        other.subscribe(b"something");
        let mut out = Vec::new();
        node.poll(100_000, &mut out);
        if out.contains(&Incoming::Subscribed(b"something".to_vec())) {
            break;
        }
        assert!(Instant::now() < end, "no room");
        node.wait(Duration::from_millis(100));
    }
}

/// The first bytes of a subscriber that uses no encryption, up to its READY (ZMTP 3.0, RFC 23).
fn greeting() -> Vec<u8> {
    let mut hello = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0];
    hello.extend(b"NULL");
    hello.resize(64, 0);
    hello.extend([4, 26, 5]);
    hello.extend(b"READY\x0bSocket-Type\0\0\0\x04XSUB");
    hello
}

/// A message that subscribes to a prefix.
fn subscribe(prefix: &[u8]) -> Vec<u8> {
    let mut m = match u8::try_from(prefix.len() + 1) {
        Ok(short) => vec![0, short],
        Err(_) => [&[2][..], &(prefix.len() as u64 + 1).to_be_bytes()].concat(),
    };
    m.push(1);
    m.extend(prefix);
    m
}

fn port(endpoint: &str) -> u16 {
    endpoint
        .rsplit(':')
        .next()
        .and_then(|p| p.parse().ok())
        .expect("a port")
}

/// Sends until the other end does not take it any more, or for so many bytes. Gives how many it took.
fn pour(tcp: &mut TcpStream, most: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> usize {
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    let (mut sent, mut i) = (0, 0);
    while sent < most {
        let mut portion = Vec::new();
        while portion.len() < 100_000 {
            portion.extend(next(i));
            i += 1;
        }
        if tcp.write_all(&portion).is_err() {
            break;
        }
        sent += portion.len();
    }
    sent
}

/// Kilobytes of memory that this process has in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// What libzmq keeps of subscriptions has a bound too: who goes on and on is cut.
#[test]
fn who_subscribes_without_end_is_cut_off() {
    let Some(lib) = lib() else { return };
    let f = forwarder(&lib, &Curve::default());
    let mut node = started(config("node", &f));
    node.subscribe(b"mine");
    until_subscribed(&mut node, "mine");
    let connect = || {
        let mut tcp = TcpStream::connect(("127.0.0.1", port(&f.xpub_endpoint))).unwrap();
        tcp.write_all(&greeting()).unwrap();
        // The other end's greeting and READY, before which nothing may be said.
        tcp.read_exact(&mut [0; 64 + 28]).unwrap();
        tcp
    };
    let before = resident();
    // Many short ones, long ones of which each byte is another, and one that is too long for anything.
    let mut few = connect();
    let short = pour(&mut few, 64 << 20, |i| subscribe(format!("short/{i}").as_bytes()));
    let text = |i: usize| -> Vec<u8> { (0..4000usize).map(|j| (i * 31 + j * 7 + j / 251) as u8).collect() };
    let long = pour(&mut connect(), 512 << 20, |i| {
        subscribe(&[&i.to_be_bytes()[..], &text(i)].concat())
    });
    let huge = pour(&mut connect(), 512 << 20, |_| subscribe(&vec![b'h'; 100 << 20]));
    let peak = resident().saturating_sub(before) >> 10;
    let end = Instant::now() + PATIENCE;
    while f.counters().cut_connections < 2 {
        assert!(Instant::now() < end, "{:?}", f.counters());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(f.last_cut().contains("127.0.0.1:") && f.last_cut().contains("it subscribes "));
    // The system's buffers take some as well.
    assert!(
        short < 32 << 20 && long < 64 << 20 && huge < 256 << 20,
        "{short} {long} {huge}"
    );
    let grown = resident().saturating_sub(before) >> 10;
    eprintln!("{peak}, then {grown} MB more than before; taken were {short}, {long} and {huge} bytes");
    assert!(peak.max(grown) < 1024, "{peak}, then {grown} MB more than before");
    // The others go on.
    let mut other = started(config("other", &f));
    until_subscribed(&mut other, "mine");
    other.publish(b"mine", &EventMessage::new("e", Vec::new())).unwrap();
    until(&mut node, "an event", |m| matches!(m, Incoming::Event { .. }));
}

#[test]
fn connections_have_a_number() {
    let Some(lib) = lib() else { return };
    let config = ForwarderConfig {
        listen_xpub_endpoint: "tcp://127.0.0.1:*".into(),
        listen_xsub_endpoint: "tcp://127.0.0.1:*".into(),
        max_connections: 5,
        ..ForwarderConfig::default()
    };
    let f = Forwarder::start(&lib, &config).unwrap();
    let connect = || TcpStream::connect(("127.0.0.1", port(&f.xsub_endpoint))).unwrap();
    let kept: Vec<TcpStream> = (0..5).map(|_| connect()).collect();
    let mut late = connect();
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut said = Vec::new();
    // It hears a greeting at most, and then the end.
    let _ = late.read_to_end(&mut said);
    // It is counted a moment after it was cut.
    let end = Instant::now() + PATIENCE;
    while f.last_cut().is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(f.counters().cut_connections, 1);
    assert!(
        f.last_cut().contains("there are more than 5 connections"),
        "{}",
        f.last_cut()
    );
    // There is room again, as soon as libzmq has noticed that the others are gone.
    drop(kept);
    let end = Instant::now() + PATIENCE;
    let stays = || {
        let mut later = connect();
        later.set_read_timeout(Some(PATIENCE)).unwrap();
        later.read_exact(&mut [0; 10]).is_ok()
    };
    let mut too_early = 0;
    while !stays() {
        assert!(Instant::now() < end, "{}", f.last_cut());
        too_early += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!((1..=1 + too_early).contains(&f.counters().cut_connections));
}
