//! Settings of the ZeroMQ backend, named as the options of `Cluster::Backend::ZeroMQ`.

use crate::serializer::EventSerializer;
use crate::zeromq::ffi::Lib;
use crate::zeromq::guard;

/// Settings of one node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's id; see [`crate::ident::node_id`].
    pub node_id: String,
    /// Where to run the central forwarder, if this node does.
    pub forwarder: Option<ForwarderConfig>,
    /// Where the node's own XPUB socket connects: the forwarder's XSUB.
    pub connect_xpub_endpoint: String,
    /// Where the node's own XSUB socket connects: the forwarder's XPUB.
    pub connect_xsub_endpoint: String,
    pub connect_xpub_nodrop: bool,
    /// The loggers' PULL sockets.
    pub connect_log_endpoints: Vec<String>,
    /// Where to take log rows of others; empty for not at all.
    pub listen_log_endpoint: String,
    pub ipv6: bool,
    pub linger_ms: i32,
    pub xpub_sndhwm: i32,
    pub xpub_sndbuf: i32,
    pub xsub_rcvhwm: i32,
    pub xsub_rcvbuf: i32,
    pub log_sndhwm: i32,
    pub log_sndbuf: i32,
    pub log_immediate: bool,
    pub log_rcvhwm: i32,
    pub log_rcvbuf: i32,
    /// Messages read from a socket before the others have their turn.
    pub poll_max_messages: usize,
    /// Events that wait for the node; more are dropped. Zero is no limit.
    pub onloop_queue_hwm: usize,
    /// Begins the topics of [`crate::Backend::probe`].
    pub internal_topic_prefix: String,
    pub event_serializer: EventSerializer,
    /// What to tell about on standard error: 1 for messages, 2 for subscriptions.
    pub debug_flags: u64,
    pub curve: Curve,
    /// Events that wait for the backend's thread; more are refused.
    pub event_queue: usize,
    /// Bytes of log rows that wait for the backend's thread while the loggers take none; more are refused.
    pub log_queue_bytes: usize,
    /// Bytes of log rows that wait for a logger's node; the senders wait beyond.
    pub log_inbox_bytes: usize,
    /// Larger messages are refused and their sender is cut off.
    pub max_message_bytes: i64,
    /// Larger events are dropped: what they hold takes many times the room that they take on the wire.
    pub max_event_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            node_id: String::new(),
            forwarder: None,
            connect_xpub_endpoint: "tcp://127.0.0.1:5556".into(),
            connect_xsub_endpoint: "tcp://127.0.0.1:5555".into(),
            connect_xpub_nodrop: true,
            connect_log_endpoints: Vec::new(),
            listen_log_endpoint: String::new(),
            ipv6: false,
            linger_ms: 500,
            xpub_sndhwm: 1000,
            xpub_sndbuf: -1,
            xsub_rcvhwm: 1000,
            xsub_rcvbuf: -1,
            log_sndhwm: 1000,
            log_sndbuf: -1,
            log_immediate: false,
            log_rcvhwm: 1000,
            log_rcvbuf: -1,
            poll_max_messages: 100,
            onloop_queue_hwm: 10_000,
            internal_topic_prefix: "zeek.zeromq.internal.".into(),
            event_serializer: EventSerializer::BrokerBinV1,
            debug_flags: 0,
            curve: Curve::default(),
            event_queue: 2000,
            log_queue_bytes: 64 << 20,
            log_inbox_bytes: 64 << 20,
            max_message_bytes: 256 << 20,
            max_event_bytes: 128 << 20,
        }
    }
}

/// Settings of the central forwarder.
#[derive(Clone, Debug)]
pub struct ForwarderConfig {
    pub listen_xpub_endpoint: String,
    pub listen_xsub_endpoint: String,
    pub listen_xpub_nodrop: bool,
    pub proxy_io_threads: i32,
    pub ipv6: bool,
    pub linger_ms: i32,
    pub max_message_bytes: i64,
    /// Connections that each socket takes; new ones beyond are cut.
    pub max_connections: usize,
    pub curve: Curve,
}

impl Default for ForwarderConfig {
    fn default() -> Self {
        ForwarderConfig {
            listen_xpub_endpoint: "tcp://127.0.0.1:5555".into(),
            listen_xsub_endpoint: "tcp://127.0.0.1:5556".into(),
            listen_xpub_nodrop: true,
            proxy_io_threads: 2,
            ipv6: false,
            linger_ms: 500,
            max_message_bytes: 256 << 20,
            max_connections: guard::connections_max(),
            curve: Curve::default(),
        }
    }
}

/// Keys in Z85. All nodes of a cluster share one pair for those who listen and one for those who connect. Empty is unset.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Curve {
    pub server_publickey: String,
    pub server_secretkey: String,
    pub client_publickey: String,
    pub client_secretkey: String,
}

impl std::fmt::Debug for Curve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Keys are not for logs.
        f.write_str(if self.is_set() { "Curve(set)" } else { "Curve(unset)" })
    }
}

impl Curve {
    fn named(&mut self) -> [(&'static str, &mut String); 4] {
        [
            ("server_publickey", &mut self.server_publickey),
            ("server_secretkey", &mut self.server_secretkey),
            ("client_publickey", &mut self.client_publickey),
            ("client_secretkey", &mut self.client_secretkey),
        ]
    }

    fn is_set(&self) -> bool {
        *self != Curve::default()
    }

    /// Adds the keys that the environment has, read with `get`: `ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_SERVER_PUBLICKEY` and so on.
    ///
    /// # Errors
    /// A key is set in both places.
    pub fn with_environment(mut self, get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        for (name, key) in self.named() {
            let variable = format!("ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_{}", name.to_ascii_uppercase());
            if let Some(value) = get(&variable).filter(|v| !v.is_empty()) {
                if !key.is_empty() {
                    return Err(format!(
                        "Cluster::Backend::ZeroMQ::curve_{name} and the environment variable {variable} are both set; unset one"
                    ));
                }
                *key = value;
            }
        }
        Ok(self)
    }

    /// Whether sockets that are bound encrypt.
    pub fn for_servers(&self) -> bool {
        !self.server_secretkey.is_empty() && !self.client_publickey.is_empty()
    }

    /// Whether sockets that connect encrypt.
    pub fn for_clients(&self) -> bool {
        !self.server_publickey.is_empty() && !self.client_secretkey.is_empty() && !self.client_publickey.is_empty()
    }

    /// Tests the keys' form, and that there are enough of them: forgotten keys must not mean plain text.
    ///
    /// # Errors
    /// What to mend.
    pub fn check(&self, lib: &Lib) -> Result<(), String> {
        if !self.is_set() {
            return Ok(());
        }
        if !lib.has_curve() {
            return Err("CURVE keys are set, but this libzmq was built without encryption".into());
        }
        for (name, key) in self.clone().named() {
            if !key.is_empty() && lib.z85_key(key).is_none() {
                return Err(format!(
                    "Cluster::Backend::ZeroMQ::curve_{name} is no key: it must be 40 characters in Z85"
                ));
            }
        }
        if !self.for_servers() && !self.for_clients() {
            return Err(
                "some CURVE keys are missing: connecting needs curve_server_publickey, curve_client_publickey and \
                 curve_client_secretkey, listening needs curve_server_secretkey and curve_client_publickey"
                    .into(),
            );
        }
        Ok(())
    }
}
