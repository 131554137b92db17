//! Files fed by hand, with a host that answers events as scripts do.

use super::*;
use tapir_interface::queue::EventId;

/// Adds analyzers when the file is new, as scripts do, and keeps what was raised.
struct Scripts {
    manager: Rc<FileManager>,
    on_new: Vec<Kind>,
    on_sniff: Vec<Kind>,
    seen: Vec<(EventId, Vec<Value>)>,
    postpone: u32,
}

impl Scripts {
    fn count(&self, id: EventId) -> usize {
        self.seen.iter().filter(|e| e.0 == id).count()
    }
}

impl FileHost for Scripts {
    fn drain(&mut self, q: &mut EventQueue) {
        let manager = self.manager.clone();
        for e in q.take_all() {
            if e.id == events::FILE_WEIRD {
                self.seen.push((e.id, e.args));
                continue;
            }
            let Value::Record(f) = &e.args[0] else {
                panic!("an event about a file")
            };
            let Value::Str(id) = f.get(fa_file::ID) else {
                panic!("a file has an id")
            };
            let id = String::from_utf8_lossy(&id).into_owned();
            if e.id == events::FILE_NEW {
                manager.set_reassembly(&id, true);
                manager.set_reassembly_buffer(&id, 100);
                for k in self.on_new.clone() {
                    assert!(manager.add_analyzer(self, &id, k, &Value::Unset));
                }
            } else if e.id == events::FILE_SNIFF {
                for k in self.on_sniff.clone() {
                    assert!(manager.add_analyzer(self, &id, k, &Value::Unset));
                }
            } else if e.id == events::FILE_TIMEOUT && self.postpone > 0 {
                self.postpone -= 1;
                manager.set_timeout_interval(&id, 60.0);
            }
            self.seen.push((e.id, e.args));
        }
    }
    fn identify(&mut self, _: &[u8]) -> Vec<(i64, String)> {
        vec![(1, "a/b".to_string())]
    }
    fn raise(&mut self, _: &mut EventQueue, _: &Value, _: Vec<Value>) {}
    fn weird(&mut self, _: &mut EventQueue, _: &str, _: Value, _: &str) {}
    fn confirmation(&mut self, _: &mut EventQueue, _: Kind, _: Value) {}
    fn violation(&mut self, _: &mut EventQueue, _: Kind, _: Value, _: &str) {}
    fn error(&mut self, _: &str) {}
    fn nested(&mut self, _: &mut EventQueue, _: &Rc<str>, _: u64, _: Option<&[u8]>, _: bool) -> Rc<str> {
        "nested".into()
    }
}

fn start() -> (EventQueue, Scripts, Rc<str>) {
    let mut q = EventQueue::new();
    q.want_all();
    let manager = Rc::new(FileManager::default());
    let scripts = Scripts {
        manager,
        on_new: vec![],
        on_sniff: vec![],
        seen: vec![],
        postpone: 0,
    };
    (q, scripts, "F1".into())
}

fn feed(q: &mut EventQueue, s: &mut Scripts, id: &Rc<str>, offset: Option<u64>, data: &[u8]) {
    let m = s.manager.clone();
    m.data(
        q,
        s,
        id,
        &mut NoConnection("TEST"),
        Chunk {
            offset,
            data,
            mime: None,
        },
    );
}

fn md5_of(s: &Scripts) -> Option<String> {
    s.seen.iter().find(|e| e.0 == events::FILE_HASH).map(|e| match &e.1[2] {
        Value::Str(h) => String::from_utf8_lossy(h).into_owned(),
        _ => panic!("a hash is a string"),
    })
}

#[test]
fn late_analyzers_see_the_beginning_and_order_is_restored() {
    let (mut q, mut s, id) = start();
    s.on_sniff = vec![Kind::Md5];
    feed(&mut q, &mut s, &id, Some(3), b"lo");
    feed(&mut q, &mut s, &id, Some(0), b"hel");
    let m = s.manager.clone();
    m.set_size(&mut q, &mut s, &id, &mut NoConnection("TEST"), 5);
    s.drain(&mut q);
    assert_eq!(md5_of(&s).as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(
        (s.count(events::FILE_SNIFF), s.count(events::FILE_STATE_REMOVE), m.len()),
        (1, 1, 0)
    );
}

#[test]
fn gaps_end_hashes_and_overflow_sheds() {
    let (mut q, mut s, id) = start();
    s.on_new = vec![Kind::Md5];
    feed(&mut q, &mut s, &id, Some(0), b"abc");
    feed(&mut q, &mut s, &id, Some(10), &[b'x'; 101]);
    s.drain(&mut q);
    assert_eq!(
        (s.count(events::FILE_REASSEMBLY_OVERFLOW), s.count(events::FILE_GAP)),
        (1, 1)
    );
    let m = s.manager.clone();
    m.finish(&mut q, &mut s);
    s.drain(&mut q);
    assert_eq!((md5_of(&s), s.count(events::FILE_TIMEOUT)), (None, 1));
}

#[test]
fn timeouts_can_be_postponed() {
    let (mut q, mut s, id) = start();
    s.postpone = 1;
    feed(&mut q, &mut s, &id, None, b"abc");
    let m = s.manager.clone();
    for (now, left) in [(119.0, 1), (121.0, 1), (180.0, 1), (182.0, 0)] {
        m.advance(&mut q, &mut s, now);
        assert_eq!(m.len(), left, "at {now}");
    }
    s.drain(&mut q);
    assert_eq!(
        (s.count(events::FILE_TIMEOUT), s.count(events::FILE_STATE_REMOVE)),
        (2, 1)
    );
}

#[test]
fn what_would_end_beyond_64_bits_is_left_out() {
    let (mut q, mut s, id) = start();
    s.on_new = vec![Kind::Md5];
    feed(&mut q, &mut s, &id, Some(0), b"hel");
    feed(&mut q, &mut s, &id, Some(u64::MAX - 1), b"xyz");
    let m = s.manager.clone();
    m.gap(&mut q, &mut s, &id, &mut NoConnection("TEST"), u64::MAX, 2);
    feed(&mut q, &mut s, &id, Some(3), b"lo");
    m.set_size(&mut q, &mut s, &id, &mut NoConnection("TEST"), 5);
    s.drain(&mut q);
    assert_eq!(md5_of(&s).as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(s.count(events::FILE_WEIRD), 1);
}
