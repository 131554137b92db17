//! What all analyzers stand on: the trait, the tree per connection, the context, dynamic protocol detection.
//!
//! Must not know: any single protocol, the VM, log streams.

pub mod conn;
pub mod cx;
pub mod hosts;
pub mod options;
pub mod pia;
pub mod shared;
pub mod tree;

pub use conn::{Asks, Begun, ConnInfo, ConnStats, EndStats, Transport};
pub use cx::Cx;
pub use hosts::{ConnMatcher, Enable, FileChunk, FileHandler, PatKind, SigHost};
pub use options::Options;
pub use pia::Idle;
pub use shared::{Expectation, Shared, ShownNodes};
pub use tree::{AnalyzerId, Tree};

/// A protocol, as an index into [`crate::registry::PROTOCOLS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u16);

/// A request to an analyzer from a built-in function.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Deliver no more data of the current HTTP entity (`skip_http_entity_data`).
    SkipEntityData { is_orig: bool },
    /// Treat the rest of an SMTP transaction as data without looking (`skip_smtp_data`).
    SkipSmtpData,
    /// The handshake counts as finished: no event tells of it any more (`set_ssl_established`).
    SslEstablished,
    /// Decrypt a TLS session with this (`set_secret`, `set_keys`).
    TlsSecret(crate::ssl::Secret),
    /// Configure a WebSocket analyzer (`WebSocket::__configure_analyzer`).
    WebSocket(Box<WebSocketConfig>),
    /// Set the state of a login session (`set_login_state`).
    LoginState(u64),
    /// The transport protocol of a GSSAPI or similar carrier has ended.
    Flush,
}

/// What `WebSocket::configure_analyzer` sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebSocketConfig {
    pub analyzer: Option<Tag>,
    pub use_dpd: bool,
    pub subprotocol: Option<Vec<u8>>,
    pub server_extensions: Vec<Vec<u8>>,
}

/// A protocol's parser for one connection.
///
/// Streams arrive by [`deliver`](Analyzer::deliver) in any segmentation, datagrams by [`packet`](Analyzer::packet).
/// An analyzer keeps no more than its limits allow and never panics on input.
pub trait Analyzer {
    /// Takes out what the detector `id` has kept, if it has seen nothing but one datagram and found nothing in it.
    fn take_idle(&mut self, _id: AnalyzerId) -> Option<Idle> {
        None
    }

    /// The analyzer was attached as a child.
    fn attached(&mut self, _cx: &mut Cx) {}

    /// Bytes of a stream, in order.
    fn deliver(&mut self, _cx: &mut Cx, _is_orig: bool, _data: &[u8]) {}

    /// One datagram.
    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.deliver(cx, is_orig, data);
    }

    /// `len` bytes of a stream were never seen.
    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {}

    /// One direction has ended.
    fn eof(&mut self, _cx: &mut Cx, _is_orig: bool) {}

    /// The connection was reset.
    fn reset(&mut self, _cx: &mut Cx) {}

    /// The connection is removed.
    fn done(&mut self, _cx: &mut Cx) {}

    /// Originator and responder were exchanged.
    fn flip(&mut self) {}

    /// A built-in function asks for something.
    fn command(&mut self, _cx: &mut Cx, _cmd: &Command) {}
}

/// Raises an event of a connection: `raise!(cx, http_request, method, uri)`. The arguments after the connection are
/// evaluated only if somebody listens; they must not use `cx` themselves.
#[macro_export]
macro_rules! raise {
    ($cx:expr, $name:ident $(, $arg:expr)* $(,)?) => {
        if $cx.q.wants($crate::iface::events::ids::$name) {
            let c = $cx.conn_value();
            $crate::iface::events::$name($cx.q, c $(, $arg)*);
        }
    };
}

/// Whether anybody listens to one of some events: `wants!(cx, http_header | http_all_headers)`.
#[macro_export]
macro_rules! wants {
    ($cx:expr, $($name:ident)|+) => { $($cx.q.wants($crate::iface::events::ids::$name))||+ };
}
