//! Asking running nodes: events over the manager's WebSocket API.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::config::Options;

/// A connection to the cluster.
pub struct Control {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    timeout: Duration,
    topic: String,
}

impl Control {
    /// Connects to the manager and subscribes to answers.
    ///
    /// # Errors
    /// Why that is not possible.
    pub fn connect(options: &Options) -> Result<Self, String> {
        let url = options.get("WebSocketUrl");
        let timeout = Duration::from_secs(options.number("WebSocketTimeout").max(1));
        let fail = |e: String| format!("cannot reach the cluster at {url} (does the manager run?): {e}");
        let (socket, _) = tungstenite::connect(&url).map_err(|e| fail(e.to_string()))?;
        if let MaybeTlsStream::Plain(s) = socket.get_ref() {
            s.set_read_timeout(Some(Duration::from_millis(200)))
                .map_err(|e| fail(e.to_string()))?;
        }
        let mut c = Control {
            socket,
            timeout,
            topic: options.get("ControlTopic"),
        };
        c.send(&json!([c.topic]).to_string())?;
        let acked = c.wait(|v| (v["type"] == "ack").then_some(()))?;
        acked.map(|()| c).ok_or_else(|| fail("no answer".into()))
    }

    fn send(&mut self, text: &str) -> Result<(), String> {
        let sent = self.socket.send(Message::text(text));
        sent.map_err(|e| format!("cannot send to the cluster: {e}"))
    }

    /// Waits for the first message that `pick` takes.
    fn wait<T>(&mut self, pick: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, String> {
        let until = Instant::now() + self.timeout;
        while Instant::now() < until {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let Ok(v) = serde_json::from_str::<Value>(&text) else {
                        continue;
                    };
                    if v["type"] == "error" {
                        return Err(format!("the cluster says: {}", v["context"]));
                    }
                    if let Some(found) = pick(&v) {
                        return Ok(Some(found));
                    }
                }
                Ok(Message::Close(_)) => return Err("the cluster closed the connection".into()),
                Ok(_) => {}
                Err(tungstenite::Error::Io(e))
                    if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                Err(e) => return Err(format!("the connection to the cluster broke: {e}")),
            }
        }
        Ok(None)
    }

    /// Asks one node something; gives the answer's arguments, or nothing when none comes.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ask(
        &mut self,
        node: &str,
        standalone: bool,
        request: &str,
        args: &[&str],
    ) -> Result<Option<Vec<Value>>, String> {
        let topic = if standalone {
            format!("{}/{node}", self.topic)
        } else {
            format!("zeek.cluster.node.{node}.")
        };
        let texts: Vec<_> = args
            .iter()
            .map(|a| json!({"@data-type": "string", "data": a}))
            .collect();
        let event = json!({
            "type": "data-message", "topic": topic, "@data-type": "vector", "data": [
                {"@data-type": "count", "data": 1}, {"@data-type": "count", "data": 1},
                {"@data-type": "vector", "data": [
                    {"@data-type": "string", "data": format!("Control::{request}_request")},
                    {"@data-type": "vector", "data": texts}]}]});
        self.send(&event.to_string())?;
        let name = format!("Control::{request}_response");
        let ending = format!("/{node}");
        self.wait(|v| {
            let event = &v["data"][2]["data"];
            let from = v["topic"].as_str().unwrap_or_default();
            (event[0]["data"] == name.as_str() && (standalone || from.ends_with(&ending)))
                .then(|| event[1]["data"].as_array().cloned().unwrap_or_default())
        })
    }
}
