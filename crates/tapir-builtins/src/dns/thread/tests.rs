//! Against a small name server on the loopback.

use std::sync::mpsc::RecvTimeoutError;

use super::super::wire::{Kind, Name};
use super::*;

/// Generous: nothing here depends on how fast it goes.
const LIMIT: Duration = Duration::from_secs(30);
/// For tries that get no answer; there are enough of them.
const SHORT: Duration = Duration::from_millis(200);

/// A name server that does what it is told with each question it gets; it counts them.
struct Server {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// `reply` gets a question and its number, and gives datagrams.
    fn start(mut reply: impl FnMut(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static) -> Server {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let addr = socket.local_addr().unwrap();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (asked.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(buffer[..n].to_vec());
                    seen.len() - 1
                };
                for r in reply(&buffer[..n], number) {
                    // Who asked may have gone.
                    let _ = socket.send_to(&r, from);
                }
            }
        });
        Server {
            addr,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    fn n_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn resolver(&self, timeout: Duration) -> Resolver {
        resolver(&[self.addr], timeout, 2)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

fn resolver(servers: &[SocketAddr], timeout: Duration, attempts: u32) -> Resolver {
    let conf = Conf {
        servers: servers.to_vec(),
        timeout,
        attempts,
        rotate: false,
        given: true,
    };
    Resolver::start(conf).unwrap()
}

/// A reply with the first string of a text.
fn reply(question: &[u8], text: &str) -> Vec<u8> {
    let mut s = question.to_vec();
    (s[2], s[7]) = (0x81, 1);
    s.extend([
        0xc0,
        12,
        0,
        16,
        0,
        1,
        0,
        0,
        1,
        0,
        0,
        text.len() as u8 + 1,
        text.len() as u8,
    ]);
    s.extend(text.bytes());
    s
}

fn no_such_name(question: &[u8]) -> Vec<u8> {
    let mut s = question.to_vec();
    (s[2], s[3]) = (0x81, 0x83);
    s
}

fn question(text: &str) -> Question {
    Question::Record(Name::parse(text.as_bytes()).unwrap(), Kind::Txt)
}

fn text(s: &str) -> Answer {
    Answer::Text(s.as_bytes().into())
}

#[test]
fn answers_and_their_absence() {
    let server = Server::start(|q, _| match q[13] {
        b'a' => vec![reply(q, "yes")],
        _ => vec![no_such_name(q)],
    });
    let r = server.resolver(LIMIT);
    for _ in 0..3 {
        assert_eq!(r.ask_and_wait(question("a.example")).0, text("yes"));
        assert_eq!(r.ask_and_wait(question("b.example")).0, Answer::Failed);
    }
    assert_eq!(server.n_asked(), 2);
    assert_eq!(r.known(&question("a.example")), Some(text("yes")));
}

#[test]
fn many_askers_one_question() {
    let server = Server::start(|q, _| vec![reply(q, "one")]);
    let r = Arc::new(server.resolver(LIMIT));
    // As engines on threads of their own do.
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let r = r.clone();
            std::thread::spawn(move || {
                let (sender, answers) = channel();
                let known = (0..200)
                    .filter_map(|n| r.ask(question("a.example"), (sender.clone(), n)))
                    .count();
                for _ in known..200 {
                    assert_eq!(answers.recv_timeout(LIMIT).unwrap().1, text("one"));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(server.n_asked(), 1);
}

#[test]
fn many_questions_at_once() {
    let server = Server::start(|q, _| vec![reply(q, std::str::from_utf8(&q[13..17]).unwrap())]);
    let r = server.resolver(LIMIT / 4);
    let (sender, answers) = channel();
    for n in 0..2000 {
        r.ask(question(&format!("{n:04}.example")), (sender.clone(), n));
    }
    for _ in 0..2000 {
        let (n, answer, _) = answers.recv_timeout(LIMIT).unwrap();
        assert_eq!(answer, text(&format!("{n:04}")));
    }
    assert!(server.n_asked() >= 2000);
}

#[test]
fn lies_are_not_believed() {
    let server = Server::start(|q, _| {
        let good = reply(q, "good");
        let bad = reply(q, "lie!");
        let (mut id, mut name, mut kind) = (bad.clone(), bad.clone(), bad.clone());
        id[0] ^= 0x55;
        name[13] = b'x';
        kind[q.len() - 3] = 12;
        vec![id, name, kind, q.to_vec(), vec![], vec![0x81; 5], good]
    });
    let r = server.resolver(LIMIT);
    assert_eq!(r.ask_and_wait(question("a.example")).0, text("good"));
}

#[test]
fn a_lost_reply_is_asked_for_again() {
    let server = Server::start(|q, n| if n == 0 { vec![] } else { vec![reply(q, "again")] });
    let r = resolver(&[server.addr], SHORT, 100);
    assert_eq!(r.ask_and_wait(question("a.example")).0, text("again"));
}

#[test]
fn a_reply_to_the_first_try_comes_late() {
    let mut first = None;
    let server = Server::start(move |q, _| match first.take() {
        None => {
            first = Some(q.to_vec());
            vec![]
        }
        Some(earlier) => vec![reply(&earlier, "late")],
    });
    let r = resolver(&[server.addr], SHORT, 100);
    assert_eq!(r.ask_and_wait(question("a.example")).0, text("late"));
}

#[test]
fn silence_ends_the_asking() {
    let server = Server::start(|_, _| vec![]);
    let r = server.resolver(SHORT);
    let (sender, answers) = channel();
    for n in 0..6 {
        r.ask(question(&format!("n{n}.example")), (sender.clone(), n));
    }
    for _ in 0..6 {
        assert_eq!(answers.recv_timeout(LIMIT).unwrap().1, Answer::Failed);
    }
    // Two tries each; nothing is asked from here on but a probe every few seconds.
    let before = server.n_asked();
    assert!(before <= 12);
    let begun = Instant::now();
    for n in 0..500 {
        r.ask(question(&format!("m{n}.example")), (sender.clone(), n));
    }
    for _ in 0..500 {
        assert_eq!(answers.recv_timeout(LIMIT).unwrap().1, Answer::Failed);
    }
    let probes = begun.elapsed().as_secs() as usize / 5 + 1;
    assert!(server.n_asked() <= before + probes);
}

#[test]
fn nobody_is_there() {
    // A port that was free a moment ago.
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let r = resolver(&[port], LIMIT * 4, 2);
    let begun = Instant::now();
    assert_eq!(r.ask_and_wait(question("a.example")).0, Answer::Failed);
    assert!(begun.elapsed() < LIMIT);
    // Another server then.
    let server = Server::start(|q, _| vec![reply(q, "other")]);
    let r = resolver(&[port, server.addr], LIMIT * 4, 2);
    assert_eq!(r.ask_and_wait(question("a.example")).0, text("other"));
}

#[test]
fn the_system_knows_this_host() {
    let conf = Conf {
        servers: vec![(Ipv4Addr::LOCALHOST, 9).into()],
        ..Conf::default()
    };
    let r = Resolver::start(conf).unwrap();
    let Answer::Addrs(addrs) = r.ask_and_wait(Question::Host("localhost".into())).0 else {
        panic!("no addresses");
    };
    assert!(
        addrs.contains(&Addr::v4([127, 0, 0, 1]))
            || addrs.contains(&Addr::from(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST)))
    );
}

#[test]
fn the_thread_ends_with_its_resolver() {
    let server = Server::start(|_, _| vec![]);
    let r = server.resolver(LIMIT);
    let (sender, answers) = channel();
    r.ask(question("a.example"), (sender, 0));
    drop(r);
    // Its senders go with it.
    assert_eq!(answers.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
}
