//! One connection with one analyzer, outside of any engine: what tests and fuzz targets of analyzers stand on.

use tapir_analyzers::core::{ConnInfo, Shared, Transport, Tree, pia};
use tapir_analyzers::registry;
use tapir_data::value::{Addr, Value};
use tapir_interface::events;
use tapir_interface::queue::{EventId, EventQueue};

/// A connection to the port of one protocol, and what is needed to run it.
pub struct Bench {
    q: EventQueue,
    sh: Shared,
    conn: ConnInfo,
    tree: Tree,
}

impl Bench {
    /// A fresh connection; all events are wanted.
    pub fn new(name: &str, transport: Transport) -> Self {
        let mut q = EventQueue::new();
        q.want_all();
        let mut sh = Shared::new();
        let tag = registry::tag_ignore_case(name).expect("a known protocol");
        sh.register_port(tag, 4000, transport == Transport::Tcp);
        let ends = ((Addr::v4([10, 0, 0, 1]), 1024), (Addr::v4([10, 0, 0, 2]), 4000));
        let number = if transport == Transport::Tcp { 6 } else { 17 };
        let mut conn = ConnInfo::new(ends.0, ends.1, transport, number, 1.0);
        conn.value = Some(Value::Count(1));
        let mut tree = Tree::default();
        pia::attach(&mut tree, &conn, &mut sh);
        Bench { q, sh, conn, tree }
    }

    /// Bytes of a stream.
    pub fn stream(&mut self, is_orig: bool, data: &[u8]) {
        self.tree
            .deliver(&mut self.q, &mut self.conn, &mut self.sh, is_orig, data);
    }

    /// A datagram.
    pub fn packet(&mut self, is_orig: bool, data: &[u8]) {
        self.tree
            .packet(&mut self.q, &mut self.conn, &mut self.sh, is_orig, data);
    }

    /// Bytes that were never seen.
    pub fn gap(&mut self, is_orig: bool, seq: u64, len: u64) {
        self.conn.gaps[is_orig as usize] = true;
        self.tree
            .gap(&mut self.q, &mut self.conn, &mut self.sh, is_orig, seq, len);
    }

    /// A side has ended.
    pub fn eof(&mut self, is_orig: bool) {
        self.tree.eof(&mut self.q, &mut self.conn, &mut self.sh, is_orig);
    }

    /// What was raised since the last call, as text. Events that follow the segmentation are left out.
    pub fn events(&mut self) -> Vec<String> {
        let of_segments = [events::HTTP_ENTITY_DATA, events::WEBSOCKET_FRAME_DATA];
        self.q
            .take_all()
            .into_iter()
            .filter(|e| !of_segments.contains(&e.id))
            .map(|e| format!("{:?} {}", e.id, e.args.iter().map(show).collect::<Vec<_>>().join(" ")))
            .collect()
    }

    /// The sides are exchanged.
    pub fn flip(&mut self) {
        self.tree.flip(&mut self.q, &mut self.conn, &mut self.sh);
    }

    /// The connection is reset.
    pub fn reset(&mut self) {
        self.tree.reset(&mut self.q, &mut self.conn, &mut self.sh);
    }

    /// The connection is removed.
    pub fn done(&mut self) {
        self.tree.done(&mut self.q, &mut self.conn, &mut self.sh);
    }
}

/// An event and the arguments behind its connection as text; `?` stands for ports, records and tables.
pub type Told = (EventId, &'static str);

/// What a conversation raised, up to its end.
pub fn talk(name: &str, transport: Transport, turns: &[(bool, &[u8])]) -> Vec<String> {
    let mut b = Bench::new(name, transport);
    for (is_orig, data) in turns {
        match transport {
            Transport::Tcp => b.stream(*is_orig, data),
            _ => b.packet(*is_orig, data),
        }
    }
    b.done();
    b.events()
}

/// That a conversation raises these events.
pub fn tells(name: &str, transport: Transport, turns: &[(bool, &[u8])], told: &[Told]) {
    let got = talk(name, transport, turns);
    for (id, args) in told {
        let whole = format!("{id:?} ? {args}");
        assert!(
            got.iter().any(|e| e.trim_end() == whole.trim_end()),
            "{name}: no {id:?} with '{args}' in {got:#?}"
        );
    }
}

/// A value as text, deep.
fn show(v: &Value) -> String {
    let list = |i: Vec<String>| format!("[{}]", i.join(", "));
    match v {
        Value::Unset => "-".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) | Value::Enum(_, n) => n.to_string(),
        Value::Count(n) => n.to_string(),
        Value::Double(d) | Value::Time(d) | Value::Interval(d) => d.to_string(),
        Value::Str(s) => String::from_utf8_lossy(s).into_owned(),
        Value::List(l) => list(l.iter().map(show).collect()),
        Value::Vector(v) => list((0..v.len()).map(|i| show(&v.get(i))).collect()),
        _ => "?".into(),
    }
}
