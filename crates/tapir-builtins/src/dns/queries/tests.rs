//! What is done about silence, refusals, aliases and floods, with a wire and a clock made up.

use std::sync::mpsc::{Receiver, channel};

use super::*;

const TRY: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Fake {
    sockets: HashMap<u32, (usize, usize)>,
    /// Server, socket, packet.
    sent: Vec<(usize, u32, Vec<u8>)>,
    hosts: Vec<Arc<str>>,
    is_unreachable: bool,
}

impl Wire for Fake {
    fn open(&mut self, server: usize) -> Option<u32> {
        // One socket for each server.
        let s = self.sockets.entry(server as u32).or_insert((server, 0));
        s.1 += 1;
        Some(server as u32)
    }

    fn send(&mut self, socket: u32, packet: &[u8]) -> bool {
        self.sent.push((self.sockets[&socket].0, socket, packet.to_vec()));
        !self.is_unreachable
    }

    fn close(&mut self, socket: u32) {
        self.sockets.get_mut(&socket).unwrap().1 -= 1;
    }

    fn look_for(&mut self, host: &Arc<str>) -> bool {
        self.hosts.push(host.clone());
        true
    }
}

struct Bench {
    q: Queries,
    wire: Fake,
    now: Instant,
    sender: Sender<Heard>,
    answers: Receiver<Heard>,
    next: u64,
}

impl Bench {
    fn new(servers: usize, given: bool) -> Self {
        let conf = Conf {
            servers: (0..servers).map(|n| ([127, 0, 0, 1], n as u16).into()).collect(),
            timeout: TRY,
            attempts: 3,
            rotate: false,
            given,
        };
        let (sender, answers) = channel();
        Bench {
            q: Queries::new(conf, Arc::default()),
            wire: Fake::default(),
            now: Instant::now(),
            sender,
            answers,
            next: 0,
        }
    }

    fn ask(&mut self, text: &str) {
        let name = Name::parse(text.as_bytes()).unwrap();
        self.ask_for(Question::Record(name, Kind::Txt));
    }

    fn ask_for(&mut self, q: Question) {
        self.next += 1;
        self.q
            .ask(q, (self.sender.clone(), self.next), self.now, &mut self.wire);
    }

    fn pass(&mut self, d: Duration) {
        self.now += d;
        self.q.tick(self.now, &mut self.wire);
    }

    /// Replies to what was sent as number `at`, with an answer section (of `n` records) behind the question.
    fn reply(&mut self, at: usize, code: u8, n: u8, records: &[u8]) {
        let (server, socket, mut s) = self.wire.sent[at].clone();
        s[2] |= 0x80;
        s[3] |= code;
        s[7] = n;
        s.extend(records);
        self.q.received(server, socket, &s, self.now, &mut self.wire);
    }

    fn reply_text(&mut self, at: usize, text: &str) {
        self.reply(at, 0, 1, &record(16, &[&[text.len() as u8], text.as_bytes()].concat()));
    }

    fn servers_asked(&self) -> Vec<usize> {
        self.wire.sent.iter().map(|s| s.0).collect()
    }

    fn take(&mut self) -> Vec<(u64, Answer)> {
        self.answers.try_iter().map(|(id, answer, _)| (id, answer)).collect()
    }

    #[track_caller]
    fn assert_nothing_left(&self) {
        assert!(self.q.is_empty() && self.q.by_id.is_empty() && self.q.timers.is_empty());
        assert!(self.q.by_question.is_empty() && self.q.waiting.is_empty() && self.q.waiting_hosts.is_empty());
        assert_eq!(self.q.on_wire, 0);
        assert!(self.wire.sockets.values().all(|s| s.1 == 0));
    }
}

/// A record of the name in question.
fn record(kind: u8, data: &[u8]) -> Vec<u8> {
    let head = [0xc0, 12, 0, kind, 0, 1, 0, 0, 1, 0, 0, data.len() as u8];
    [&head, data].concat()
}

fn text(s: &str) -> Answer {
    Answer::Text(s.as_bytes().into())
}

#[test]
fn equal_questions_are_asked_once() {
    let mut b = Bench::new(1, false);
    for _ in 0..50 {
        b.ask("a.example");
    }
    assert_eq!(b.wire.sent.len(), 1);
    b.reply_text(0, "x");
    assert_eq!(b.take().len(), 50);
    // And for as long as it holds.
    b.pass(Duration::from_secs(255));
    b.ask("a.example");
    assert_eq!((b.wire.sent.len(), b.take()), (1, vec![(51, text("x"))]));
    b.pass(Duration::from_secs(1));
    b.ask("a.example");
    assert_eq!(b.wire.sent.len(), 2);
    b.reply(1, 3, 0, &[]);
    assert_eq!(b.take(), [(52, Answer::Failed)]);
    b.ask("a.example");
    assert_eq!((b.wire.sent.len(), b.take().len()), (2, 1));
    b.assert_nothing_left();
}

#[test]
fn servers_are_asked_in_turn() {
    let mut b = Bench::new(2, false);
    b.ask("a.example");
    b.pass(TRY);
    b.pass(TRY);
    b.pass(TRY / 2);
    assert_eq!(b.servers_asked(), [0, 1, 0]);
    // The second try of the first server has the id of the first.
    assert_eq!(b.wire.sent[0].2, b.wire.sent[2].2);
    // Late, from one that is no longer waited for.
    b.reply_text(1, "late");
    assert_eq!(b.take(), [(1, text("late"))]);
    // In six tries nobody says anything; it is not asked again at once, since others may have answers.
    b.ask("b.example");
    (0..6).for_each(|_| b.pass(TRY));
    assert_eq!(b.take(), [(2, Answer::Failed)]);
    assert_eq!(b.servers_asked(), [0, 1, 0, 0, 1, 0, 1, 0, 1]);
    b.ask("b.example");
    assert_eq!((b.take().len(), b.wire.sent.len()), (1, 9));
    b.assert_nothing_left();
}

#[test]
fn refusals_go_to_the_next_server_at_once() {
    let mut b = Bench::new(2, false);
    b.ask("a.example");
    b.reply(0, 2, 0, &[]);
    assert_eq!(b.servers_asked(), [0, 1]);
    b.reply_text(1, "x");
    assert_eq!(b.take(), [(1, text("x"))]);
    b.ask("b.example");
    b.reply(2, 5, 0, &[]);
    b.reply(3, 2, 0, &[]);
    assert_eq!(b.take(), [(2, Answer::Failed)]);
    // Nobody there, and then no network.
    b.ask("c.example");
    b.q.unreachable(0, b.now, &mut b.wire);
    b.q.unreachable(1, b.now, &mut b.wire);
    assert_eq!(b.take(), [(3, Answer::Failed)]);
    b.wire.is_unreachable = true;
    b.ask("d.example");
    assert_eq!(b.take(), [(4, Answer::Failed)]);
    // That is not remembered.
    b.wire.is_unreachable = false;
    b.ask("d.example");
    b.reply_text(b.wire.sent.len() - 1, "back");
    assert_eq!(b.take(), [(5, text("back"))]);
    b.assert_nothing_left();
}

#[test]
fn replies_to_something_else_are_ignored() {
    let mut b = Bench::new(1, false);
    b.ask("a.example");
    let (_, socket, packet) = b.wire.sent[0].clone();
    let mut reply = [&packet[..], &record(16, &[1, b'x'])].concat();
    (reply[2], reply[7]) = (0x81, 1);
    let mut wrong_id = reply.clone();
    wrong_id[1] ^= 1;
    let mut wrong_name = reply.clone();
    wrong_name[13] ^= 1;
    let mut wrong_type = reply.clone();
    wrong_type[packet.len() - 3] ^= 1;
    for wrong in [wrong_id, wrong_name, wrong_type, packet] {
        b.q.received(0, socket, &wrong, b.now, &mut b.wire);
    }
    // On another socket, too.
    b.q.received(0, socket + 1, &reply, b.now, &mut b.wire);
    assert_eq!(b.take(), []);
    b.q.received(0, socket, &reply, b.now, &mut b.wire);
    assert_eq!(b.take(), [(1, text("x"))]);
    b.assert_nothing_left();
}

#[test]
fn silence_is_noticed_and_its_end() {
    let mut b = Bench::new(1, false);
    for n in 0..200 {
        b.ask(&format!("n{n}.example"));
    }
    assert_eq!(b.wire.sent.len(), ON_WIRE_MAX);
    b.pass(TRY);
    // What waits for its turn is told, and what comes.
    assert_eq!(b.take().len(), 200 - ON_WIRE_MAX);
    b.ask("x.example");
    assert_eq!(b.take(), [(201, Answer::Failed)]);
    b.pass(TRY);
    b.pass(TRY);
    assert_eq!(b.take().len(), ON_WIRE_MAX);
    b.assert_nothing_left();
    let sent = b.wire.sent.len();
    assert_eq!(sent, 3 * ON_WIRE_MAX);
    // One question in five seconds tries.
    for _ in 0..10 {
        b.pass(TRY / 2);
        b.ask("x.example");
        b.ask("y.example");
    }
    assert_eq!(b.wire.sent.len(), sent + 2);
    (0..3).for_each(|_| b.pass(TRY));
    assert_eq!(b.take().len(), 20);
    b.assert_nothing_left();
    b.ask("x.example");
    b.reply_text(sent + 2, "awake");
    assert_eq!(b.take(), [(222, text("awake"))]);
    b.ask("y.example");
    b.ask("z.example");
    assert_eq!(b.wire.sent.len(), sent + 5);
}

#[test]
fn what_gets_lost_is_sent_again_soon() {
    let mut b = Bench::new(2, false);
    let part = Duration::from_millis(50);
    b.ask("a.example");
    (0..20).for_each(|_| b.pass(part));
    // Nobody knows how long this server takes.
    assert_eq!(b.servers_asked(), [0]);
    b.reply_text(0, "x");
    // Now it is a second: the try ends before.
    b.ask("b.example");
    (0..39).for_each(|_| b.pass(part));
    assert_eq!(b.servers_asked(), [0, 0]);
    b.pass(part);
    assert_eq!(b.servers_asked(), [0, 0, 1]);
    b.reply_text(2, "x");
    // After being quick many times, it is sent again after 250 ms, 500 ms, 1 s; then comes the next server.
    for n in 0..40 {
        b.ask(&format!("n{n}.example"));
        b.reply_text(b.wire.sent.len() - 1, "x");
    }
    b.wire.sent.clear();
    b.ask("d.example");
    let times: Vec<usize> = (0..40)
        .map(|_| {
            b.pass(part);
            b.wire.sent.len()
        })
        .collect();
    assert_eq!(
        [
            times[3], times[4], times[13], times[14], times[33], times[34], times[38], times[39]
        ],
        [1, 2, 2, 3, 3, 4, 4, 5]
    );
    assert_eq!(b.servers_asked(), [0, 0, 0, 0, 1]);
    // Whichever it replies to; that says nothing about how long it takes.
    b.reply_text(0, "x");
    assert_eq!(b.take().len(), 43);
    b.assert_nothing_left();
    assert_eq!(b.q.servers[0].again(), Some(AGAIN_MIN));
}

#[test]
fn late_is_not_silent() {
    let mut b = Bench::new(1, false);
    for n in 0..ON_WIRE_MAX {
        b.ask(&format!("n{n}.example"));
    }
    b.pass(TRY);
    // All have timed out once; their second try carries the same ids, so that late answers count.
    (0..ON_WIRE_MAX).for_each(|n| b.reply_text(n, "late"));
    let told = b.take();
    assert!(told.len() == ON_WIRE_MAX && told.iter().all(|a| a.1 == text("late")));
    b.ask("more.example");
    assert_eq!(b.wire.sent.len(), 2 * ON_WIRE_MAX + 1);
}

#[test]
fn a_silent_server_is_passed_over() {
    let mut b = Bench::new(2, false);
    for n in 0..6 {
        b.ask(&format!("n{n}.example"));
    }
    b.pass(TRY);
    (6..12).for_each(|n| b.reply_text(n, "x"));
    assert_eq!(b.take().len(), 6);
    b.ask("a.example");
    assert_eq!(b.servers_asked().last(), Some(&1));
}

#[test]
fn aliases_are_followed_so_far() {
    let mut b = Bench::new(1, false);
    b.ask("a.example");
    let alias = |to: &[u8]| record(5, to);
    b.reply(0, 0, 1, &alias(&[1, b'b', 0xc0, 14]));
    let asked = encode(0, &Name::parse(b"b.example").unwrap(), Kind::Txt);
    assert_eq!(b.wire.sent[1].2[2..], asked[2..]);
    b.reply_text(1, "x");
    assert_eq!(b.take(), [(1, text("x"))]);
    // Without an end.
    b.ask("c.example");
    for n in 0u8..=8 {
        assert_eq!(b.take(), []);
        b.reply(usize::from(n) + 2, 0, 1, &alias(&[1, b'f' + n, 0xc0, 14]));
    }
    assert_eq!(b.take(), [(2, Answer::Failed)]);
    b.assert_nothing_left();
}

#[test]
fn floods_are_bounded() {
    let mut b = Bench::new(1, false);
    for n in 0..JOBS_MAX + 10 {
        b.ask(&format!("n{n}.example"));
    }
    assert_eq!(b.take().len(), 10);
    assert_eq!((b.wire.sent.len(), b.q.jobs.len()), (ON_WIRE_MAX, JOBS_MAX));
    let mut at = 0;
    while at < b.wire.sent.len() {
        b.reply_text(at, "x");
        at += 1;
    }
    assert_eq!((at, b.take().len()), (JOBS_MAX, JOBS_MAX));
    b.assert_nothing_left();
}

fn host(s: &str) -> Question {
    Question::Host(s.into())
}

#[test]
fn the_system_finds_hosts() {
    let mut b = Bench::new(1, false);
    for n in 0..10 {
        b.ask_for(host(&format!("h{n}")));
        b.ask_for(host("h0"));
    }
    assert_eq!(b.wire.hosts.len(), HOSTS_MAX);
    let addrs = Answer::Addrs([Addr::v4([192, 0, 2, 1])].into());
    b.q.host_found(&"h0".into(), addrs.clone(), TRY / 2, b.now, &mut b.wire);
    assert_eq!(b.wire.hosts.len(), HOSTS_MAX + 1);
    assert_eq!(b.take().len(), 11);
    b.ask_for(host("h0"));
    assert_eq!(b.take(), [(21, addrs)]);
    // Hosts that take a whole try and then do not exist: the system asks in vain.
    for n in 1..=5 {
        b.q.host_found(&format!("h{n}").into(), Answer::Failed, TRY, b.now, &mut b.wire);
    }
    // Three had been begun, and the last is told at once.
    assert_eq!((b.take().len(), b.wire.hosts.len()), (6, 9));
    for n in 6..=8 {
        b.q.host_found(&format!("h{n}").into(), Answer::Failed, TRY, b.now, &mut b.wire);
    }
    b.take();
    b.ask_for(host("new"));
    assert_eq!(b.take().len(), 1);
    // After a while one is tried; what never comes back is not waited for.
    b.pass(Duration::from_secs(5));
    b.ask_for(host("probe"));
    b.ask_for(host("other"));
    assert_eq!((b.take().len(), b.wire.hosts.last().map(|h| &**h)), (1, Some("probe")));
    b.pass(HOST_TIME);
    assert_eq!(b.take().len(), 1);
    b.q.host_found(&"probe".into(), Answer::Failed, Duration::ZERO, b.now, &mut b.wire);
    b.ask_for(host("again"));
    b.q.host_found(&"again".into(), Answer::Failed, Duration::ZERO, b.now, &mut b.wire);
    assert_eq!(b.take().len(), 1);
    b.assert_nothing_left();
}

#[test]
fn a_named_server_knows_hosts() {
    let mut b = Bench::new(1, true);
    b.ask_for(host("h.example"));
    b.ask_for(host("h.example"));
    assert_eq!((b.wire.hosts.len(), b.wire.sent.len()), (0, 2));
    b.reply(1, 0, 0, &[]);
    assert_eq!(b.take(), []);
    b.reply(0, 0, 1, &record(1, &[192, 0, 2, 1]));
    let addrs = Answer::Addrs([Addr::v4([192, 0, 2, 1])].into());
    assert_eq!(b.take(), [(1, addrs.clone()), (2, addrs.clone())]);
    // From memory.
    b.ask_for(host("h.example"));
    assert_eq!((b.take(), b.wire.sent.len()), (vec![(3, addrs)], 2));
    b.ask_for(host("no..name"));
    assert_eq!(b.take(), [(4, Answer::Failed)]);
    b.assert_nothing_left();
}

#[test]
fn whatever_happens_everybody_is_told_once() {
    use proptest::prelude::*;

    /// What happens, to whom.
    fn events() -> impl Strategy<Value = Vec<(u8, u16)>> {
        proptest::collection::vec((0u8..10, any::<u16>()), 0..200)
    }
    proptest!(|(servers in 1usize..4, given in any::<bool>(), events in events())| {
        let mut b = Bench::new(servers, given);
        for (what, n) in events {
            let at = usize::from(n).checked_rem(b.wire.sent.len());
            match (what, at) {
                (0..=2, _) => b.ask(&format!("n{}.example", n % 300)),
                (3, _) => b.ask_for(host(&format!("h{}", n % 20))),
                (4, Some(at)) => b.reply_text(at, "x"),
                (5, Some(at)) => b.reply(at, (n >> 8) as u8 & 15, 0, &[]),
                (6, Some(at)) => b.reply(at, 0, 1, &record(5, &[1, b'a' + (n % 20) as u8, 0xc0, 14])),
                (7, _) => b.pass(TRY * u32::from(n % 4) / 2),
                (8, _) => {
                    b.q.unreachable(u32::from(n) % 4, b.now, &mut b.wire);
                    b.wire.is_unreachable = n % 7 == 0;
                }
                _ => {
                    if let Some(h) = b.wire.hosts.pop() {
                        b.q.host_found(&h, Answer::Failed, TRY * u32::from(n % 2), b.now, &mut b.wire);
                    }
                }
            }
        }
        while let Some(at) = b.q.next_deadline() {
            b.now = at.max(b.now);
            b.q.tick(b.now, &mut b.wire);
        }
        while let Some(h) = b.wire.hosts.pop() {
            b.q.host_found(&h, Answer::Failed, TRY, b.now, &mut b.wire);
        }
        let mut told: Vec<u64> = b.take().iter().map(|a| a.0).collect();
        told.sort_unstable();
        prop_assert_eq!(told, (1..=b.next).collect::<Vec<_>>());
        b.assert_nothing_left();
    });
}
