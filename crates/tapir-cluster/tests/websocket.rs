//! Clients of the WebSocket API: our own over a socket, and Python's `websockets` where it is installed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapir_cluster::websocket::{ServerOptions, Servers, TlsOptions};
use tapir_cluster::{Hub, Incoming, Meter};
use tapir_data::broker::event::EventMessage;
use tapir_data::broker::{Data, json};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// A node that knows the event `demo::seen` only, and what it has seen.
struct Node {
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Node {
    fn new(options: ServerOptions, stall: Duration) -> Self {
        let hub = Hub::new();
        let mut node = hub.node("manager");
        node.subscribe(b"to.node");
        node.start().unwrap();
        let mut servers = Servers::new(&*node, "8.0.0");
        let meter = Arc::new(Meter::new(vec![1e6]));
        servers.set_meter(meter.clone());
        let options = ServerOptions {
            listen_port: 0,
            ..options
        };
        let address = servers.listen(&options).unwrap();
        let (log, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (l, s) = (log.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut out = Vec::new();
            while !s.load(Ordering::Relaxed) {
                node.wait(Duration::from_millis(20));
                node.poll(100, &mut out);
                for m in out.drain(..) {
                    std::thread::sleep(stall);
                    let line = match m {
                        Incoming::ClientAdded { client, subscriptions } => {
                            format!("added {} {:?} {:?}", client.id.len(), client.application, subscriptions)
                        }
                        Incoming::ClientLost { code, reason, .. } => format!("lost {code} {reason}"),
                        Incoming::ClientEvent(e) if &*e.event.name == "demo::seen" => {
                            e.accept(&e.event.clone()).unwrap();
                            continue;
                        }
                        Incoming::ClientEvent(e) => {
                            e.reject();
                            continue;
                        }
                        Incoming::Event { topic, event } => {
                            node.publish(b"from.node", &event).unwrap();
                            format!("event {} {}", String::from_utf8_lossy(&topic), event.args.len())
                        }
                        _ => continue,
                    };
                    l.lock().unwrap().push(line);
                }
            }
            for (name, t) in servers.traffic() {
                l.lock().unwrap().push(format!("{name} {} {}", t.outgoing, t.incoming));
            }
            for (flow, n) in meter.read() {
                let (app, topic) = (flow.app.unwrap(), String::from_utf8(flow.topic).unwrap());
                let line = format!("{app} {} {topic} {} {}", flow.outgoing, flow.handler, n.events);
                l.lock().unwrap().push(line);
                assert!(n.bytes > 0 && n.buckets[0] == n.events);
            }
            for (name, n) in servers.blocks() {
                l.lock()
                    .unwrap()
                    .push(format!("{} {}", name.split(':').next().unwrap(), n > 0));
            }
            drop(servers);
        });
        Node {
            address,
            log,
            stop,
            thread: Some(thread),
        }
    }

    fn end(&mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.log.lock().unwrap().clone()
    }
}

type Client = WebSocket<TcpStream>;

fn handshake(address: SocketAddr, request: &str) -> (TcpStream, String) {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut b = [0];
        tcp.read_exact(&mut b).unwrap();
        answer.extend(b);
    }
    (tcp, String::from_utf8(answer).unwrap())
}

fn client_at(address: SocketAddr, path: &str, more: &str) -> Client {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    );
    let (tcp, answer) = handshake(address, &request);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    WebSocket::from_raw_socket(tcp, Role::Client, None)
}

fn client(node: &Node) -> Client {
    client_at(node.address, "/v1/messages/json", "X-Application-Name: test/1\r\n")
}

fn told(c: &mut Client) -> String {
    loop {
        match c.read().unwrap() {
            Message::Text(t) => return t.to_string(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn say(c: &mut Client, text: &str) {
    c.send(Message::text(text)).unwrap();
}

fn subscribed(node: &Node, topics: &str) -> Client {
    let mut c = client(node);
    say(&mut c, topics);
    let ack = told(&mut c);
    assert!(ack.starts_with(r#"{"type":"ack","endpoint":"inproc_manager_"#), "{ack}");
    assert!(ack.ends_with(r#","version":"8.0.0"}"#), "{ack}");
    c
}

fn event(topic: &str, name: &str, args: Vec<Data>) -> String {
    let mut out = format!("{{\"type\":\"x\",\"topic\":\"{topic}\",").into_bytes();
    json::members(&EventMessage::new(name, args).to_data(), &mut out);
    out.push(b'}');
    String::from_utf8(out).unwrap()
}

fn closed(c: &mut Client) -> (u16, String) {
    loop {
        match c.read().unwrap() {
            Message::Close(Some(f)) => return (f.code.into(), f.reason.to_string()),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until the node has seen all that.
fn await_lines(node: &Node, wanted: &[String]) {
    for _ in 0..1000 {
        let log = node.log.lock().unwrap();
        if wanted.iter().all(|w| log.contains(w)) {
            return;
        }
        drop(log);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn clients_meet_each_other_and_the_node() {
    let mut node = Node::new(ServerOptions::default(), Duration::ZERO);
    let mut a = subscribed(&node, r#"["chat", "from", "chat"]"#);
    let mut b = subscribed(&node, r#"["chat"]"#);
    say(&mut a, &event("chat.x", "demo::seen", vec![Data::str("a")]));
    say(&mut b, &event("chat.x", "demo::seen", vec![Data::str("b")]));
    // Each sees the other's only.
    assert!(told(&mut b).contains(r#""data":"a""#));
    assert!(told(&mut a).contains(r#""data":"b""#));
    say(
        &mut b,
        &event("to.node", "demo::seen", vec![Data::Count(1), Data::Count(2)]),
    );
    let t = told(&mut a);
    assert!(
        t.starts_with(r#"{"type":"data-message","topic":"from.node","@data-type":"vector","data":["#),
        "{t}"
    );
    for (text, context) in [
        ("[", "failed to decode JSON object"),
        (
            r#"{"@data-type":"count","data":1}"#,
            "no topic in top-level JSON object",
        ),
        (&event("t", "unknown", vec![]), "failed to create Zeek event"),
    ] {
        say(&mut b, text);
        let wanted = format!(r#"{{"type":"error","code":"deserialization_failed","context":"{context}"}}"#);
        assert_eq!(told(&mut b), wanted);
    }
    b.close(None).unwrap();
    while b.read().is_ok() {}
    // Sent before the acknowledgement.
    let mut c = client(&node);
    say(&mut c, "[]");
    say(&mut c, &event("chat", "demo::seen", vec![Data::str("early")]));
    assert!(told(&mut c).contains("ack"));
    assert!(told(&mut a).contains("early"));
    let log = node.end();
    assert_eq!(closed(&mut a), (1001, "Terminating".into()));
    assert!(log[0].ends_with(r#"Some("test/1") ["chat", "from"]"#), "{log:?}");
    assert!(log.contains(&"event to.node 2".into()), "{log:?}");
    assert!(log.contains(&"test/1 4 4".into()), "{log:?}");
    assert!(log.contains(&"test/1 true chat.x demo::seen 2".into()), "{log:?}");
    assert!(log.contains(&"test/1 false from.node demo::seen 1".into()), "{log:?}");
    assert!(log.contains(&"lost 1005 ".into()), "{log:?}");
}

#[test]
fn what_is_wrong_at_the_start_is_answered() {
    let mut node = Node::new(ServerOptions::default(), Duration::ZERO);
    let (_, answer) = handshake(node.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let mut c = client_at(node.address, "/v2", "");
    assert_eq!(
        told(&mut c),
        r#"{"type":"error","code":"invalid_uri","context":"Invalid URI - use /v1/messages/json"}"#
    );
    assert_eq!(closed(&mut c), (1008, "Invalid URI - use /v1/messages/json".into()));
    let mut c = client_at(node.address, "/v1/messages/json", "x-application-name: a b\r\n");
    assert!(told(&mut c).contains("invalid_application_name"));
    assert_eq!(closed(&mut c), (1008, "Invalid X-Application-Name".into()));
    let mut c = client(&node);
    say(&mut c, "{}");
    assert!(told(&mut c).contains("subscriptions not an array"));
    let mut d = client(&node);
    say(&mut d, "[1]");
    assert!(told(&mut d).contains("individual subscription not a string"));
    // A text that is none.
    let frame = tungstenite::protocol::frame::Frame::message(
        vec![0xff, 0xfe],
        tungstenite::protocol::frame::coding::OpCode::Data(tungstenite::protocol::frame::coding::Data::Text),
        true,
    );
    d.send(Message::Frame(frame)).unwrap();
    assert_eq!(closed(&mut d).0, 1007);
    drop(c);
    let wanted = [
        "lost 1007 Invalid UTF-8".to_owned(),
        "lost 1006 Connection lost".to_owned(),
    ];
    await_lines(&node, &wanted);
    let log = node.end();
    assert!(
        wanted.iter().all(|w| log.contains(w)) && log.iter().filter(|l| l.starts_with("lost")).count() == 2,
        "{log:?}"
    );
}

#[test]
fn a_client_without_pongs_is_dropped_and_others_wait_their_turn() {
    let options = ServerOptions {
        // Long enough for a client that answers to be heard on a busy machine.
        ping_interval: Some(Duration::from_secs(1)),
        max_event_queue_size: 1,
        ..ServerOptions::default()
    };
    let mut node = Node::new(options, Duration::from_millis(100));
    let mut a = subscribed(&node, r#"["chat"]"#);
    let mut b = subscribed(&node, "[]");
    for i in 0..20 {
        say(&mut b, &event("chat", "demo::seen", vec![Data::Count(i)]));
    }
    for i in 0..20 {
        assert!(told(&mut a).contains(&format!(r#"[{{"@data-type":"count","data":{i}}}]"#)));
    }
    // b does not read, so it answers no pings.
    await_lines(&node, &["lost 1011 Ping timeout".to_owned()]);
    let log = node.end();
    assert!(log.contains(&"lost 1011 Ping timeout".into()), "{log:?}");
    assert!(log.contains(&"WebSocketEventDispatcher true".into()), "{log:?}");
}

const PYTHON: &str = r#"
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as ws:
        await ws.send(json.dumps(["from.node"]))
        ack = json.loads(await ws.recv())
        assert ack["type"] == "ack" and ack["endpoint"].endswith("-websocket-0"), ack
        args = [{"@data-type": "string", "data": "py"}, {"@data-type": "count", "data": 3}]
        content = [{"@data-type": "string", "data": "demo::seen"}, {"@data-type": "vector", "data": args}]
        event = [{"@data-type": "count", "data": 1}, {"@data-type": "count", "data": 1}, {"@data-type": "vector", "data": content}]
        await ws.send(json.dumps({"type": "data-message", "topic": "to.node", "@data-type": "vector", "data": event}))
        back = json.loads(await ws.recv())
        assert back["topic"] == "from.node" and back["data"] == event, back
        await ws.send("nonsense")
        assert json.loads(await ws.recv())["context"] == "failed to decode JSON object"
asyncio.run(main())
"#;

/// Makes certificates, connects without one, with one, and with one of a stranger.
const PYTHON_TLS: &str = r#"
import asyncio, json, ssl, sys, websockets
uri, dir = sys.argv[1:]
async def ask(cert):
    ctx = ssl.create_default_context(cafile=dir + "/ca.pem")
    if cert:
        ctx.load_cert_chain(f"{dir}/{cert}.pem", f"{dir}/{cert}.key")
    try:
        async with websockets.connect(uri, ssl=ctx) as ws:
            await ws.send("[]")
            return json.loads(await ws.recv())["type"]
    except (ssl.SSLError, OSError, websockets.exceptions.WebSocketException) as e:
        return "refused"
print(*[asyncio.run(ask(c)) for c in (None, "client", "stranger")])
"#;

const OPENSSL: &str = r#"
set -e
cd "$1"
printf '[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n[leaf]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n' > cnf
cert() { openssl req -config cnf -newkey rsa:2048 -nodes -keyout $1.key -subj /CN=$1 -extensions $2 "${@:3}" -out $1.pem -days 2 -x509; }
cert ca ca
cert server leaf -CA ca.pem -CAkey ca.key
cert client leaf -CA ca.pem -CAkey ca.key
cert stranger leaf
"#;

#[test]
fn connections_can_be_encrypted_and_clients_asked_for_certificates() {
    let python = Command::new("python3").args(["-c", "import websockets"]).status();
    if !python.is_ok_and(|s| s.success()) {
        return eprintln!("skipped: no Python with the module websockets");
    }
    let dir = std::env::temp_dir().join(format!("tapir-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let made = Command::new("bash").args(["-c", OPENSSL, "-", &path("")]).output();
    if !made.is_ok_and(|o| o.status.success()) {
        return eprintln!("skipped: openssl cannot make certificates here");
    }
    for (enable_peer_verification, wanted) in [(false, "ack ack ack"), (true, "refused ack refused")] {
        let options = ServerOptions {
            tls: TlsOptions {
                cert_file: path("server.pem"),
                key_file: path("server.key"),
                ca_file: path("ca.pem"),
                enable_peer_verification,
                ..TlsOptions::default()
            },
            ..ServerOptions::default()
        };
        let mut node = Node::new(options, Duration::ZERO);
        let uri = format!("wss://localhost:{}/v1/messages/json", node.address.port());
        let out = Command::new("python3")
            .args(["-c", PYTHON_TLS, &uri, &path("")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(text.trim(), wanted, "{}", String::from_utf8_lossy(&out.stderr));
        node.end();
    }
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn python_clients_understand() {
    if !Command::new("python3")
        .args(["-c", "import websockets"])
        .status()
        .is_ok_and(|s| s.success())
    {
        eprintln!("skipped: no Python with the module websockets");
        return;
    }
    let mut node = Node::new(ServerOptions::default(), Duration::ZERO);
    let uri = format!("ws://{}/v1/messages/json", node.address);
    let out = Command::new("python3").args(["-c", PYTHON, &uri]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let log = node.end();
    assert!(log.contains(&"lost 1000 ".into()), "{log:?}");
}
