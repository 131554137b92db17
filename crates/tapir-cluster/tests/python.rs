//! The frames as another program sees them: Python's `zmq`, where it is installed, is forwarder, subscriber, publisher and
//! logger for a node of ours.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::zeromq::{Config, Lib, ZeroMq};
use tapir_cluster::{Backend, Incoming, LogBatch};
use tapir_data::broker::Data;
use tapir_data::broker::event::EventMessage;
use tapir_logging::{CellRef, Column, RowEncoder};

const PYTHON: &str = r#"
import threading, zmq
c = zmq.Context()
xsub, xpub, pull = c.socket(zmq.XSUB), c.socket(zmq.XPUB), c.socket(zmq.PULL)
xpub.setsockopt(zmq.XPUB_VERBOSER, 1)
ports = [s.bind_to_random_port("tcp://127.0.0.1") for s in (xpub, xsub, pull)]
threading.Thread(target=zmq.proxy, args=(xsub, xpub), daemon=True).start()
pub, sub = c.socket(zmq.XPUB), c.socket(zmq.SUB)
sub.connect("tcp://127.0.0.1:%d" % ports[0])
sub.setsockopt(zmq.SUBSCRIBE, b"to.py")
pub.connect("tcp://127.0.0.1:%d" % ports[1])
print(*ports, flush=True)
def show(frames):
    print(*[f.hex() or "-" for f in frames], flush=True)
while pub.recv() != b"\x01to.node":
    pass
hello = bytes.fromhex("0e030200000000000000010200000000000000010e02050e436c75737465723a3a68656c6c6f0e020502773905046964" "2d37")
pub.send_multipart([b"to.node", b"foreign", b"broker-bin-v1"])
pub.send_multipart([b"to.node", b"foreign", b"broker-json-v1", b"{}"])
pub.send_multipart([b"to.node", b"foreign", b"broker-bin-v1", b"\xff"])
pub.send_multipart([b"to.node", b"id-node", b"broker-bin-v1", hello])
pub.send_multipart([b"to.node.x", b"foreign", b"broker-bin-v1", hello])
show(sub.recv_multipart())
show(pull.recv_multipart())
sub.setsockopt(zmq.UNSUBSCRIBE, b"to.py")
while pub.recv() != b"\x00to.node":
    pass
print("unsubscribed", flush=True)
"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn frames_are_those_of_the_protocol() {
    if let Err(e) = Lib::load() {
        return eprintln!("skipped: {e}");
    }
    if !Command::new("python3")
        .args(["-c", "import zmq"])
        .status()
        .is_ok_and(|s| s.success())
    {
        return eprintln!("skipped: no Python with the module zmq");
    }
    let mut python = Command::new("timeout")
        .args(["60", "python3", "-c", PYTHON])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(python.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let ports = lines.next().unwrap();
    let endpoints: Vec<String> = ports.split(' ').map(|p| format!("tcp://127.0.0.1:{p}")).collect();
    let mut node = ZeroMq::new(Config {
        node_id: "id-node".into(),
        connect_xsub_endpoint: endpoints[0].clone(),
        connect_xpub_endpoint: endpoints[1].clone(),
        connect_log_endpoints: vec![endpoints[2].clone()],
        ..Config::default()
    })
    .unwrap();
    node.subscribe(b"to.node");
    node.start().unwrap();

    let (mut seen, mut end) = (Vec::new(), Instant::now() + Duration::from_secs(30));
    let subscribed = Incoming::Subscribed(b"to.py".to_vec());
    let event_seen = |m: &Incoming| matches!(m, Incoming::Event { .. });
    while !(seen.iter().any(event_seen) && seen.contains(&subscribed)) && Instant::now() < end {
        node.wait(Duration::from_millis(100));
        node.poll(10, &mut seen);
    }
    let hello = EventMessage::new("Cluster::hello", vec![Data::str("w9"), Data::str("id-7")]);
    let event = Incoming::Event {
        topic: b"to.node.x".to_vec(),
        event: hello.clone(),
    };
    assert!(seen.contains(&event), "{seen:?}");
    assert!(seen.contains(&subscribed));
    assert_eq!(node.counters().malformed, 3);
    assert_eq!(node.counters().events_in, 1);

    node.publish(b"to.py", &hello).unwrap();
    let frames = lines.next().unwrap();
    let payload =
        "0e030200000000000000010200000000000000010e02050e436c75737465723a3a68656c6c6f0e0205027739050469642d37";
    let wanted = [hex(b"to.py"), hex(b"id-node"), hex(b"broker-bin-v1"), payload.into()].join(" ");
    assert_eq!(frames, wanted);

    let mut rows = Vec::new();
    RowEncoder::new(&mut rows).cell(CellRef::Port(443, 6));
    let column = Column {
        name: "p".into(),
        type_name: "port".into(),
        optional: false,
    };
    node.ship(LogBatch {
        stream: "T::LOG".into(),
        writer: "Log::WRITER_ASCII".into(),
        filter: "default".into(),
        path: "t".into(),
        topic: None,
        columns: Arc::from([column]),
        n_rows: 1,
        rows,
    })
    .unwrap();
    let frames = lines.next().unwrap();
    let frames: Vec<&str> = frames.split(' ').collect();
    assert_eq!(
        frames[..3],
        [hex(b"log-write"), hex(b"id-node"), hex(b"zeek-bin-serializer")]
    );
    let batch = "00000006543a3a4c4f47000000114c6f673a3a5752495445525f41534349490000000764656661756c740000000174\
                 0000000100000000 01700000000a0000000000000000010000000a000000000100000000000001bb00000001";
    assert_eq!(frames[3], batch.replace(' ', ""));

    node.close();
    assert_eq!(lines.next().as_deref(), Some("unsubscribed"));
    end = Instant::now() + Duration::from_secs(30);
    while python.try_wait().unwrap().is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
}
