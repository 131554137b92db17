use tapir_data::broker::Data;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn node(id: &str) -> Peering {
    let mut node = Peering::new(Config {
        node_id: id.into(),
        peer_buffer: 100,
        overflow: Overflow::DropOldest,
        recently: Duration::from_secs(60),
        logger_topic: "logger".into(),
        log_prefix: "logs/".into(),
        expects_loggers: true,
    });
    node.start().unwrap();
    node
}

fn rows(n: u32) -> LogBatch {
    let cells: Vec<_> = (0..n).map(|i| tapir_logging::CellRef::Count(i.into())).collect();
    crate::logwire::tests::batch(&[("n", "count", false)], n, &cells)
}

/// Has nodes look for messages until the first has one that fits.
fn until(nodes: &mut [&mut Peering], fits: impl Fn(&Incoming) -> bool) -> Incoming {
    let end = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        for (i, node) in nodes.iter_mut().enumerate() {
            let mut out = Vec::new();
            // The others only begin to take part.
            node.poll(if i == 0 { 100 } else { 0 }, &mut out);
            if i == 0 {
                if let Some(found) = out.iter().find(|m| fits(m)) {
                    return found.clone();
                }
                seen.extend(out);
            }
        }
        assert!(Instant::now() < end, "{seen:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn news(change: PeerChange) -> impl Fn(&Incoming) -> bool {
    move |m| matches!(m, Incoming::Peer(p) if p.change == change)
}

fn event() -> EventMessage {
    EventMessage::new("x", vec![Data::str("y")])
}

#[test]
fn events_go_to_peers_that_subscribe_and_no_further() {
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    let port = b.peers().listen("127.0.0.1", 0).unwrap();
    for x in [&mut a, &mut c] {
        x.subscribe(b"t/");
        assert_eq!(
            x.peers().peer("127.0.0.1", port, Some(Duration::from_millis(50))),
            Ok(true)
        );
        assert_eq!(
            x.peers().peer("127.0.0.1", port, Some(Duration::from_millis(50))),
            Ok(false)
        );
    }
    until(&mut [&mut a, &mut b, &mut c], news(PeerChange::Added));
    until(&mut [&mut c, &mut b, &mut a], news(PeerChange::Added));
    let both = |b: &Peering| b.peers().all().iter().filter(|p| p.up && !p.outbound).count() == 2;
    let end = Instant::now() + PATIENCE;
    while !both(&b) {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    }
    // From the middle it reaches both.
    b.publish(b"t/1", &event()).unwrap();
    let got = Incoming::Event {
        topic: b"t/1".to_vec(),
        event: event(),
    };
    assert_eq!(
        until(&mut [&mut a, &mut b, &mut c], |m| matches!(m, Incoming::Event { .. })),
        got
    );
    assert_eq!(
        until(&mut [&mut c, &mut b, &mut a], |m| matches!(m, Incoming::Event { .. })),
        got
    );
    // From one end it does not reach the other; a later message of the middle comes first.
    b.subscribe(b"t/");
    let end = Instant::now() + PATIENCE;
    loop {
        // Until the end knows of the subscription.
        a.publish(b"t/2", &event()).unwrap();
        let mut out = Vec::new();
        b.poll(100, &mut out);
        if out
            .iter()
            .any(|m| matches!(m, Incoming::Event { topic, .. } if topic == b"t/2"))
        {
            break;
        }
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    }
    b.publish(b"t/3", &event()).unwrap();
    let any = until(&mut [&mut c, &mut b], |m| matches!(m, Incoming::Event { .. }));
    assert!(matches!(any, Incoming::Event { topic, .. } if topic == b"t/3"));
    // Clients of the middle see what peers publish, and reach them.
    let mut client = b.clients()("b-websocket-0").unwrap();
    client.subscribe(b"t/");
    client.start().unwrap();
    a.publish(b"t/4", &event()).unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let mut out = Vec::new();
        client.poll(10, &mut out);
        if out.iter().any(|m| matches!(m, Incoming::Event { .. })) {
            break;
        }
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn peerings_end_and_come_back() {
    let (mut a, mut b) = (node("a"), node("b"));
    let port = b.peers().listen("127.0.0.1", 0).unwrap();
    a.peers()
        .peer("127.0.0.1", port, Some(Duration::from_millis(50)))
        .unwrap();
    until(&mut [&mut a, &mut b], news(PeerChange::Added));
    assert!(a.peers().is_outbound("127.0.0.1", port));
    drop(b);
    until(&mut [&mut a], news(PeerChange::Lost));
    // Another one in its place.
    let mut b = node("b2");
    let end = Instant::now() + PATIENCE;
    while let Err(why) = b.peers().listen("127.0.0.1", port) {
        assert!(Instant::now() < end, "{why}");
        std::thread::sleep(Duration::from_millis(10));
    }
    until(&mut [&mut a, &mut b], news(PeerChange::Added));
    until(&mut [&mut b, &mut a], news(PeerChange::Added));
    assert!(a.peers().unpeer("127.0.0.1", port) && !a.peers().unpeer("127.0.0.1", port));
    until(&mut [&mut a, &mut b], news(PeerChange::Removed));
    until(&mut [&mut b, &mut a], news(PeerChange::Lost));
    assert_eq!(a.peers().all(), []);
}

#[test]
fn two_that_connect_to_each_other_keep_one_connection() {
    let (mut a, mut b) = (node("a"), node("b"));
    let at_a = a.peers().listen("127.0.0.1", 0).unwrap();
    let at_b = b.peers().listen("127.0.0.1", 0).unwrap();
    a.subscribe(b"t");
    let soon = Some(Duration::from_millis(20));
    a.peers().peer("127.0.0.1", at_b, soon).unwrap();
    b.peers().peer("127.0.0.1", at_a, soon).unwrap();
    let settled = |x: &Peering, outbound| {
        let all = x.peers().all();
        all.iter().filter(|p| !p.id.is_empty()).count() == 1 && all.iter().any(|p| p.up && p.outbound == outbound)
    };
    let end = Instant::now() + PATIENCE;
    while !(settled(&a, true) && settled(&b, false)) {
        for x in [&mut a, &mut b] {
            x.poll(100, &mut Vec::new());
        }
        assert!(Instant::now() < end, "{:?} {:?}", a.peers().all(), b.peers().all());
        std::thread::sleep(Duration::from_millis(2));
    }
    b.publish(b"t", &event()).unwrap();
    b.publish(b"t", &EventMessage::new("end", Vec::new())).unwrap();
    let mut n = 0;
    let end = Instant::now() + PATIENCE;
    'all: loop {
        let mut out = Vec::new();
        a.poll(100, &mut out);
        for m in out {
            match m {
                Incoming::Event { event, .. } if &*event.name == "x" => n += 1,
                Incoming::Event { .. } => break 'all,
                _ => {}
            }
        }
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(n, 1);
}

#[test]
fn rows_wait_for_a_logger_and_reach_it() {
    let (mut worker, mut logger) = (node("worker"), node("logger"));
    logger.subscribe(b"logger");
    worker.ship(rows(1)).unwrap();
    let port = logger.peers().listen("127.0.0.1", 0).unwrap();
    worker.peers().peer("127.0.0.1", port, None).unwrap();
    let got = until(&mut [&mut logger, &mut worker], |m| matches!(m, Incoming::Logs(_)));
    assert_eq!(got, Incoming::Logs(rows(1)));
    worker.ship(rows(2)).unwrap();
    let got = until(&mut [&mut logger, &mut worker], |m| matches!(m, Incoming::Logs(_)));
    assert_eq!(got, Incoming::Logs(rows(2)));
}

#[test]
fn others_are_told_apart() {
    let mut a = node("a");
    let port = {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap().port()
    };
    a.peers().peer("127.0.0.1", port, None).unwrap();
    until(&mut [&mut a], news(PeerChange::Unavailable));
    // Somebody who speaks something else, in both directions.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    a.peers()
        .peer("127.0.0.1", other.local_addr().unwrap().port(), None)
        .unwrap();
    let (mut tcp, _) = other.accept().unwrap();
    std::io::Write::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    until(&mut [&mut a], news(PeerChange::Incompatible));
    let port = a.peers().listen("127.0.0.1", 0).unwrap();
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Write::write_all(&mut tcp, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut got = Vec::new();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    // It says hello and ends; with what this side has sent unread, perhaps rudely.
    let _ = std::io::Read::read_to_end(&mut tcp, &mut got);
    assert!(got.starts_with(wire::MAGIC));
    assert!(a.peers().all().iter().all(|p| !p.up));
}

#[test]
fn damaged_frames_are_refused() {
    let mut out = Vec::new();
    let frames = [
        wire::Frame::Hello("me".into()),
        wire::Frame::Subscribe(b"t".to_vec()),
        wire::Frame::Event {
            topic: b"t".to_vec(),
            event: event(),
        },
        wire::Frame::Logs(rows(1)),
        wire::Frame::Ready,
        wire::Frame::Alive,
    ];
    for f in &frames {
        wire::encode(f, &mut out);
    }
    let mut from = &out[..];
    for f in &frames {
        assert_eq!(wire::read(&mut from, &mut Vec::new()).unwrap(), *f);
    }
    for at in 0..out.len() {
        for b in [0, 1, 0x7f, 0xff] {
            let mut bytes = out.clone();
            bytes[at] = b;
            let mut from = &bytes[..];
            let mut buffer = Vec::new();
            while wire::read(&mut from, &mut buffer).is_ok() {}
        }
    }
}
