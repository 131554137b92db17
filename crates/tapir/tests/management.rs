//! The management framework: a supervisor with a controller and an agent, a client of the WebSocket API that hands over
//! configurations, and the cluster that comes of them.

mod background;

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use background::{Background, folder, ports};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(120);
const TOPIC: &str = "zeek/management/controller";

/// A supervisor that runs controller and agent, with a folder for all that they write.
struct Instance {
    process: Background,
    clients: u16,
}

impl Instance {
    fn new(name: &str) -> Self {
        let dir = folder(format!("management/{name}"));
        let [clients, agents, nodes, supervisor, start] = ports();
        let (state, spool) = (dir.join("state"), dir.join("spool"));
        let process = Background::tapir(dir, |c| {
            c.args([
                "-j",
                "policy/frameworks/management/controller",
                "policy/frameworks/management/agent",
                "Management::default_address=127.0.0.1",
                // Nobody knows how long a loaded machine takes.
                "Management::Request::timeout_interval=90sec",
                "Management::Agent::name=agent",
                "Management::Controller::auto_assign_metrics_ports=F",
            ])
            .arg(format!("Management::Controller::default_port_websocket={clients}/tcp"))
            // Where the controller listens is where its agent connects to.
            .arg(format!("Management::Controller::default_port={agents}/tcp"))
            .arg(format!("Management::Agent::default_port={nodes}/tcp"))
            .arg(format!("Broker::default_port={supervisor}/tcp"))
            .arg(format!(
                "Management::Controller::auto_assign_broker_start_port={start}/tcp"
            ))
            .env("ZEEK_MANAGEMENT_STATE_DIR", state)
            .env("ZEEK_MANAGEMENT_SPOOL_DIR", spool)
            .env("TZ", "UTC")
        });
        Instance { process, clients }
    }

    fn read(&self, file: &str) -> String {
        self.process.read(file)
    }

    /// What there is to see of a failure.
    fn story(&self) -> String {
        let nodes = std::fs::read_dir(self.process.dir.join("state/nodes"))
            .into_iter()
            .flatten()
            .flatten();
        let files = nodes.flat_map(|n| ["management.log", "stderr", "stdout"].map(|f| n.path().join(f)));
        let texts = files.filter_map(|f| Some(format!("{}:\n{}", f.display(), std::fs::read_to_string(&f).ok()?)));
        format!("{}\n{}", self.read("err"), texts.collect::<Vec<_>>().join("\n"))
    }

    /// Waits for a text in a file.
    fn until(&self, file: &str, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.read(file).contains(wanted) {
            assert!(
                Instant::now() < end,
                "'{wanted}' is not in {file}:\n{}\n{}",
                self.read(file),
                self.story()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A client, as soon as the controller takes one.
    fn client(&self) -> Client {
        let end = Instant::now() + PATIENCE;
        loop {
            match Client::connect(self.clients) {
                Some(c) => return c,
                None => assert!(Instant::now() < end, "nobody listens\n{}", self.story()),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Its nodes end with it.
        let child = &mut self.process.child;
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let end = Instant::now() + PATIENCE;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn typed(ty: &str, data: impl Into<Value>) -> Value {
    json!({"@data-type": ty, "data": data.into()})
}

fn string(s: &str) -> Value {
    typed("string", s)
}

fn set(of: Vec<Value>) -> Value {
    typed("set", of)
}

fn record(fields: Vec<Value>) -> Value {
    typed("vector", fields)
}

fn none() -> Value {
    typed("none", json!({}))
}

/// A record of `Management::Node`.
fn node(name: &str, instance: &str, role: &str, options: &[(&str, &str)]) -> Value {
    let options = options.iter().map(|(n, v)| record(vec![string(n), string(v)]));
    record(vec![
        string(name),
        string(instance),
        typed("enum-value", format!("Supervisor::{role}")),
        typed("enum-value", "Management::PENDING"),
        none(),
        none(),
        set(options.collect()),
        none(),
        none(),
        typed("table", json!([])),
        none(),
    ])
}

/// A record of `Management::Configuration`.
fn configuration(id: &str, nodes: Vec<Value>) -> Value {
    let instance = record(vec![string("agent"), typed("address", "127.0.0.1"), none()]);
    record(vec![string(id), set(vec![instance]), set(nodes)])
}

/// The values without their types.
fn plain(v: &Value) -> Value {
    let data = &v["data"];
    match (v["@data-type"].as_str(), data) {
        (Some("none"), _) => Value::Null,
        (Some("vector" | "set"), Value::Array(all)) => all.iter().map(plain).collect(),
        (Some("table"), _) => Value::Null,
        _ => data.clone(),
    }
}

/// One result, as `Management::Result`.
#[derive(Debug)]
struct Answer {
    success: bool,
    instance: Option<String>,
    data: Value,
    error: Option<String>,
    node: Option<String>,
}

impl Answer {
    fn new(v: &Value) -> Self {
        let text = |i: usize| v[i].as_str().map(str::to_string);
        Answer {
            success: v[1] == true,
            instance: text(2),
            data: v[3].clone(),
            error: text(4),
            node: text(5),
        }
    }
}

/// A client of the WebSocket API.
struct Client {
    socket: WebSocket<TcpStream>,
    requests: usize,
}

impl Client {
    /// One try; a controller that is about to end may end this as well.
    fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let url = format!("ws://127.0.0.1:{port}/v1/messages/json");
        let (socket, _) = tungstenite::client(url, stream).ok()?;
        let mut c = Client { socket, requests: 0 };
        c.socket.send(Message::text(json!([TOPIC]).to_string())).ok()?;
        c.next()?.contains("\"ack\"").then_some(c)
    }

    fn next(&mut self) -> Option<String> {
        loop {
            if let Message::Text(t) = self.socket.read().ok()? {
                return Some(t.to_string());
            }
        }
    }

    /// Sends a request of the controller's API and gives what its response says.
    fn ask(&mut self, request: &str, args: Vec<Value>) -> Vec<Answer> {
        self.requests += 1;
        let id = format!("r{}", self.requests);
        let name = |kind: &str| format!("Management::Controller::API::{request}_{kind}");
        let args = [vec![string(&id)], args].concat();
        let event = record(vec![string(&name("request")), record(args)]);
        let count = || typed("count", 1);
        let message = json!({
            "type": "data-message", "topic": TOPIC,
            "@data-type": "vector", "data": [count(), count(), event],
        });
        self.socket
            .send(Message::text(message.to_string()))
            .expect("it is sent");
        loop {
            let text = self.next().expect("a response");
            let message: Value = serde_json::from_str(&text).expect("JSON");
            assert_ne!(message["type"], "error", "{text}");
            let event = plain(&message["data"][2]);
            if event[0] != name("response") || event[1][0] != id.as_str() {
                continue;
            }
            let result = &event[1][1];
            // One or many.
            return match &result[0] {
                Value::Array(_) => result.as_array().expect("results").iter().map(Answer::new).collect(),
                _ => vec![Answer::new(result)],
            };
        }
    }

    /// The state of a node of the cluster, with its process.
    fn state(&mut self, node: &str) -> (String, Option<u64>) {
        let answers = self.ask("get_nodes", vec![]);
        let all = answers[0].data.as_array().expect("nodes");
        let found = all.iter().find(|n| n[0] == node);
        let found = found.unwrap_or_else(|| panic!("{node} is not among {answers:?}"));
        (found[1].as_str().expect("a state").into(), found[4].as_u64())
    }
}

fn errors(answers: &[Answer]) -> String {
    answers
        .iter()
        .filter_map(|a| a.error.clone())
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn a_cluster_is_deployed_and_looked_after() {
    let s = Instance::new("cluster");
    let mut c = s.client();
    let end = Instant::now() + PATIENCE;
    while c.ask("get_instances", vec![])[0].data != json!([["agent", "127.0.0.1", null]]) {
        assert!(Instant::now() < end, "the agent does not come\n{}", s.story());
        std::thread::sleep(Duration::from_millis(50));
    }

    // What is wrong is said, and changes nothing.
    assert_eq!(errors(&c.ask("deploy", vec![])), "no configuration is staged");
    let manager = || node("manager", "agent", "MANAGER", &[]);
    for (nodes, wrong) in [
        (
            vec![manager(), node("manager", "agent", "WORKER", &[])],
            "several nodes are called 'manager'",
        ),
        (
            vec![node("manager", "nobody", "MANAGER", &[])],
            "node 'manager' is of the unknown instance 'nobody'",
        ),
        (vec![manager(), node("w", "agent", "NONE", &[])], "node 'w' has no role"),
    ] {
        let answers = c.ask("stage_configuration", vec![configuration("wrong", nodes)]);
        assert_eq!(errors(&answers), wrong);
    }
    let staged = c.ask("get_configuration", vec![typed("boolean", false)]);
    assert_eq!(errors(&staged), "no configuration is staged");

    // A cluster of two.
    let worker = node("worker", "agent", "WORKER", &[("Site::local_nets", "{ 192.0.2.0/24 }")]);
    let answers = c.ask(
        "stage_configuration",
        vec![configuration("one", vec![manager(), worker])],
    );
    assert!(answers[0].success && answers[0].data == "one", "{answers:?}");
    let answers = c.ask("deploy", vec![]);
    let done = |name: &str| {
        let of = |a: &&Answer| a.node.as_deref() == Some(name) && a.instance.as_deref() == Some("agent");
        answers.iter().find(of).is_some_and(|a| a.success)
    };
    assert!(
        done("manager") && done("worker") && answers.iter().any(|a| a.data == "one"),
        "{answers:?}\n{}",
        s.story()
    );
    for name in ["manager", "worker"] {
        let (state, pid) = c.state(name);
        assert_eq!(state, "Management::RUNNING");
        assert!(pid.is_some());
        assert!(s.process.dir.join("state/nodes").join(name).join("stderr").exists());
    }
    s.until("state/nodes/manager/cluster.log", "\tmanager\tgot hello from worker ");
    s.until("state/nodes/manager/cluster.log", "\tworker\tgot hello from manager ");
    let deployed = c.ask("get_configuration", vec![typed("boolean", true)]);
    assert_eq!(deployed[0].data[0], "one");
    assert!(
        deployed[0].data[2].to_string().contains("/tcp"),
        "the manager has got a port: {deployed:?}"
    );

    // Nodes are asked, one and all.
    let ask = |c: &mut Client, id: &str, nodes: &[&str]| {
        let nodes = set(nodes.iter().map(|n| string(n)).collect());
        let mut all = c.ask("get_id_value", vec![string(id), nodes]);
        all.sort_by(|a, b| a.node.cmp(&b.node));
        all
    };
    let all = ask(&mut c, "Cluster::node", &[]);
    assert_eq!(
        all.iter().map(|a| a.data.clone()).collect::<Vec<_>>(),
        [json!("\"manager\""), json!("\"worker\"")]
    );
    let nets = ask(&mut c, "Site::local_nets", &["worker"]);
    assert!(nets[0].data.to_string().contains("192.0.2.0/24"), "{nets:?}");
    assert_eq!(
        errors(&ask(&mut c, "no::such", &["worker"])),
        "unknown identifier no::such"
    );
    assert_eq!(
        errors(&ask(&mut c, "Cluster::node", &["other"])),
        "unknown cluster node"
    );

    // A node that is started again, and one that dies: both come back as other processes.
    let (_, before) = c.state("worker");
    let answers = c.ask("restart", vec![set(vec![string("worker")])]);
    assert!(answers.len() == 1 && answers[0].success, "{answers:?}");
    let back = |c: &mut Client, before: Option<u64>| {
        let end = Instant::now() + PATIENCE;
        loop {
            let (state, pid) = c.state("worker");
            if state == "Management::RUNNING" && pid.is_some() && pid != before {
                return pid;
            }
            assert!(Instant::now() < end, "{state} {pid:?}\n{}", s.story());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let second = back(&mut c, before);
    let pid = second.expect("a process").to_string();
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .expect("kill runs")
            .success()
    );
    back(&mut c, second);

    // Another configuration takes the place of the first.
    let answers = c.ask("stage_configuration", vec![configuration("two", vec![manager()])]);
    assert!(answers[0].success, "{answers:?}");
    let answers = c.ask("deploy", vec![]);
    assert_eq!(errors(&answers), "", "{}", s.story());
    let nodes = c.ask("get_nodes", vec![]);
    let names: Vec<_> = nodes[0]
        .data
        .as_array()
        .expect("nodes")
        .iter()
        .map(|n| n[0].clone())
        .collect();
    assert!(
        names.contains(&json!("manager")) && !names.contains(&json!("worker")),
        "{nodes:?}"
    );

    // A controller that comes back remembers it.
    let controller = nodes[0]
        .data
        .as_array()
        .expect("nodes")
        .iter()
        .find(|n| n[2] == "Management::CONTROLLER");
    let pid = controller.and_then(|n| n[4].as_u64()).expect("its process").to_string();
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .expect("kill runs")
            .success()
    );
    // The other one has its port only when it is gone.
    let end = Instant::now() + PATIENCE;
    while Path::new("/proc").join(&pid).join("exe").exists() {
        assert!(Instant::now() < end, "{pid} does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut c = s.client();
    let answers = c.ask("get_configuration", vec![typed("boolean", true)]);
    assert_eq!(answers[0].data[0], "two", "{answers:?}");
    let end = Instant::now() + PATIENCE;
    while c.ask("get_instances", vec![])[0].data == json!([]) {
        assert!(Instant::now() < end, "the agent does not come back\n{}", s.story());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(c.state("manager").0, "Management::RUNNING");
}
