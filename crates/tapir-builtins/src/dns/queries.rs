//! The look-ups under way: merging, servers in turn, retries, silence, aliases. No sockets and no clock of its own, so
//! that all of it can be tested: the thread (`thread.rs`) tells it what happened and when.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tapir_data::value::Addr;

use super::cache::{Cache, Holds};
use super::conf::Conf;
use super::past::{News, Past, Said};
use super::silence::Silence;
use super::wire::{ADDRS_MAX, Answer, Kind, Name, Reply, decode, encode, reply_id};

/// Questions with the servers at the same time: enough for any server that is near, few enough not to flood it.
const ON_WIRE_MAX: usize = 100;
/// Questions that are under way or wait for their turn.
const JOBS_MAX: usize = 8192;
/// Aliases that are followed by asking again.
const ALIASES_MAX: u32 = 8;
/// Host names that the system looks up at the same time, each on a thread.
const HOSTS_MAX: usize = 4;
/// What the system has not found by then does not matter any more; its thread may still be busy.
const HOST_TIME: Duration = Duration::from_secs(30);

/// The least time after which a question is sent again to a server that answers others: datagrams get lost, and servers
/// drop what comes too fast.
const AGAIN_MIN: Duration = Duration::from_millis(250);
/// Such a server is given so many times as long as it usually takes.
const AGAIN_TIMES: u32 = 8;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Question {
    /// A record of a name, in lower case.
    Record(Name, Kind),
    /// The addresses of a host, as the system finds them.
    Host(Arc<str>),
}

/// An answer to the question of that number; with what has changed, where a look-up has just been done that was done before.
pub type Heard = (u64, Answer, Option<Box<News>>);

/// Where an answer goes, with the number under which it was asked.
pub type Asker = (Sender<Heard>, u64);

/// What carries questions.
pub trait Wire {
    /// A socket to a server, by number; `None` if there can be none.
    fn open(&mut self, server: usize) -> Option<u32>;
    /// Whether a question could be sent.
    fn send(&mut self, socket: u32, packet: &[u8]) -> bool;
    /// One question fewer on a socket.
    fn close(&mut self, socket: u32);
    /// Lets the system look for a host; the result comes to [`Queries::host_found`]. False if that is not possible.
    fn look_for(&mut self, host: &Arc<str>) -> bool;
}

/// A question that was sent to one server.
struct Sent {
    server: usize,
    socket: u32,
    id: u16,
    at: Instant,
    /// The reply may be one to an earlier datagram.
    again: bool,
}

/// A server, and how it does.
#[derive(Default)]
struct Server {
    silence: Silence,
    /// How long its replies take.
    takes: Option<Duration>,
}

impl Server {
    fn answered(&mut self, took: Option<Duration>) {
        self.silence.answered();
        if let Some(took) = took {
            self.takes = Some(self.takes.map_or(took, |t| (t * 7 + took) / 8));
        }
    }

    /// When a question is to be sent again within a try; never, if the server has not answered anything yet.
    fn again(&self) -> Option<Duration> {
        self.takes.map(|t| (t * AGAIN_TIMES).max(AGAIN_MIN))
    }
}

struct Job {
    question: Question,
    askers: Vec<Asker>,
    /// Hosts that wait for this record.
    hosts: Vec<u64>,
    state: State,
}

enum State {
    Record(RecordJob),
    /// The system is looking, or will.
    Host {
        until: Option<Instant>,
    },
    /// The addresses of a host are put together from two records.
    Parts {
        left: u32,
        addrs: Vec<Addr>,
        /// Some server has said something, if only that there is nothing.
        was_answered: bool,
    },
}

struct RecordJob {
    /// What is asked for now, behind aliases.
    name: Name,
    kind: Kind,
    aliases: u32,
    ttl: u32,
    /// The servers that may still answer, the one that is waited for last.
    sent: Vec<Sent>,
    /// The first server, and how many tries there were.
    first: usize,
    tries: u32,
    refusals: u32,
    /// Some server was there, or at least not known to be away: it had its time, or said that it cannot.
    was_heard: bool,
    /// Only to find out whether a silent server answers again.
    is_probe: bool,
    is_on_wire: bool,
    /// When this try ends, and how long it is until the question is sent again within it.
    ends: Option<Instant>,
    again: Option<Duration>,
    until: Option<Instant>,
}

impl RecordJob {
    /// Notes a datagram to the last server. Gives when there is something to do next.
    fn went(&mut self, now: Instant) -> Instant {
        let ends = self.ends.unwrap_or(now);
        let next = self.again.map_or(ends, |d| (now + d).min(ends));
        self.again = self.again.map(|d| d * 2);
        self.until = Some(next);
        next
    }
}

/// All look-ups under way.
pub struct Queries {
    conf: Conf,
    servers: Vec<Server>,
    system: Silence,
    cache: Arc<Mutex<Cache>>,
    past: Past,
    jobs: HashMap<u64, Job>,
    by_question: HashMap<Question, u64>,
    by_id: HashMap<(u32, u16), u64>,
    timers: BTreeSet<(Instant, u64)>,
    /// Records that wait to be sent.
    waiting: VecDeque<u64>,
    on_wire: usize,
    waiting_hosts: VecDeque<u64>,
    /// Hosts that the system is looking for.
    looking: usize,
    next: u64,
    random: RandomState,
    drawn: u64,
}

impl Queries {
    pub fn new(conf: Conf, cache: Arc<Mutex<Cache>>) -> Self {
        Queries {
            servers: conf.servers.iter().map(|_| Server::default()).collect(),
            conf,
            system: Silence::default(),
            cache,
            past: Past::default(),
            jobs: HashMap::new(),
            by_question: HashMap::new(),
            by_id: HashMap::new(),
            timers: BTreeSet::new(),
            waiting: VecDeque::new(),
            on_wire: 0,
            waiting_hosts: VecDeque::new(),
            looking: 0,
            next: 0,
            random: RandomState::new(),
            drawn: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.looking == 0
    }

    pub fn conf(&self) -> &Conf {
        &self.conf
    }

    /// Takes other servers into use. Only when nothing is under way.
    pub fn set_conf(&mut self, conf: Conf) {
        self.servers = conf.servers.iter().map(|_| Server::default()).collect();
        self.conf = conf;
    }

    /// When [`Queries::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|t| t.0)
    }

    /// Begins a look-up, or joins one that is under way.
    pub fn ask(&mut self, q: Question, asker: Asker, now: Instant, wire: &mut dyn Wire) {
        let known = self.lock_cache().get(&q, now);
        if let Some(answer) = known {
            return tell(asker, answer, None);
        }
        match self.job_for(q) {
            Some((job, is_new)) => {
                if let Some(j) = self.jobs.get_mut(&job) {
                    j.askers.push(asker);
                }
                self.lock_cache().counts.asked += 1;
                if is_new {
                    self.begin(job, now, wire);
                }
            }
            None => {
                let counts = &mut self.lock_cache().counts;
                counts.asked += 1;
                counts.failed += 1;
                tell(asker, Answer::Failed, None);
            }
        }
    }

    fn lock_cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job of a question, and whether it is new. `None` when there are too many.
    fn job_for(&mut self, q: Question) -> Option<(u64, bool)> {
        if let Some(job) = self.by_question.get(&q) {
            return Some((*job, false));
        }
        if self.jobs.len() >= JOBS_MAX {
            return None;
        }
        let state = match &q {
            Question::Record(name, kind) => State::Record(RecordJob {
                name: name.clone(),
                kind: *kind,
                aliases: 0,
                ttl: u32::MAX,
                sent: Vec::new(),
                first: 0,
                tries: 0,
                refusals: 0,
                was_heard: false,
                is_probe: false,
                is_on_wire: false,
                ends: None,
                again: None,
                until: None,
            }),
            Question::Host(_) if self.conf.given => State::Parts {
                left: 2,
                addrs: Vec::new(),
                was_answered: false,
            },
            Question::Host(_) => State::Host { until: None },
        };
        self.next += 1;
        self.by_question.insert(q.clone(), self.next);
        let job = Job {
            question: q,
            askers: Vec::new(),
            hosts: Vec::new(),
            state,
        };
        self.jobs.insert(self.next, job);
        Some((self.next, true))
    }

    fn begin(&mut self, job: u64, now: Instant, wire: &mut dyn Wire) {
        let Some(j) = self.jobs.get(&job) else { return };
        match (&j.state, &j.question) {
            (State::Record(_), _) => self.waiting.push_back(job),
            (State::Host { .. }, _) => self.waiting_hosts.push_back(job),
            (State::Parts { .. }, Question::Host(host)) => match Name::parse(host.as_bytes()) {
                Some(name) => {
                    for kind in [Kind::A, Kind::Aaaa] {
                        self.begin_part(job, Question::Record(name.clone(), kind), now);
                    }
                    self.finish_parts(job, now, wire);
                }
                None => self.finish(job, Answer::Failed, Holds::Not, now, wire),
            },
            (State::Parts { .. }, Question::Record(..)) => {}
        }
        self.go_on(now, wire);
    }

    /// A record whose answer is part of a host's.
    fn begin_part(&mut self, host: u64, q: Question, now: Instant) {
        let known = self.lock_cache().get(&q, now);
        let part = if known.is_none() { self.job_for(q) } else { None };
        let Some((part, is_new)) = part else {
            // With neither an answer nor room for a question there are no such addresses.
            let was_answered = known.is_some();
            self.add_part(host, &known.unwrap_or(Answer::Failed), was_answered);
            return;
        };
        if let Some(p) = self.jobs.get_mut(&part) {
            p.hosts.push(host);
        }
        if is_new {
            self.waiting.push_back(part);
        }
    }

    fn add_part(&mut self, host: u64, answer: &Answer, is_answer: bool) {
        if let Some(Job {
            state:
                State::Parts {
                    left,
                    addrs,
                    was_answered,
                },
            ..
        }) = self.jobs.get_mut(&host)
        {
            *left = left.saturating_sub(1);
            *was_answered |= is_answer;
            if let Answer::Addrs(all) = answer {
                addrs.extend(all.iter().take(ADDRS_MAX));
            }
        }
    }

    /// Sends what waits, as far as there is room, and ends what nobody would answer.
    fn go_on(&mut self, now: Instant, wire: &mut dyn Wire) {
        while let Some(&job) = self.waiting.front() {
            if self.servers.iter().all(|s| s.silence.is_silent(now)) {
                self.waiting.pop_front();
                self.finish(job, Answer::Failed, Holds::Not, now, wire);
            } else if self.on_wire < ON_WIRE_MAX {
                self.waiting.pop_front();
                if let Some(State::Record(r)) = self.jobs.get_mut(&job).map(|j| &mut j.state) {
                    r.is_on_wire = true;
                    self.on_wire += 1;
                }
                self.try_next(job, now, wire);
            } else {
                break;
            }
        }
        while let Some(&job) = self.waiting_hosts.front() {
            let Some(Job {
                question: Question::Host(host),
                state: State::Host { until },
                ..
            }) = self.jobs.get_mut(&job)
            else {
                self.waiting_hosts.pop_front();
                continue;
            };
            if self.system.is_silent(now) {
                self.waiting_hosts.pop_front();
                self.finish(job, Answer::Failed, Holds::Not, now, wire);
                continue;
            }
            if self.looking >= HOSTS_MAX {
                break;
            }
            self.waiting_hosts.pop_front();
            if wire.look_for(host) {
                self.system.begin_try(now);
                self.looking += 1;
                *until = Some(now + HOST_TIME);
                self.timers.insert((now + HOST_TIME, job));
            } else {
                self.finish(job, Answer::Failed, Holds::Not, now, wire);
            }
        }
    }

    /// Asks the next server, or gives up.
    fn try_next(&mut self, job: u64, now: Instant, wire: &mut dyn Wire) {
        let n = self.servers.len();
        let Some(j) = self.jobs.get_mut(&job) else { return };
        let State::Record(r) = &mut j.state else { return };
        if r.tries == 0 && self.conf.rotate {
            r.first = job as usize % n;
        }
        let tries_max = self.conf.attempts * n as u32;
        loop {
            if r.tries >= tries_max || r.is_probe || r.refusals >= n as u32 {
                // Servers that answer others have said all that they will.
                let alive = self.servers.iter().any(|s| !s.silence.is_silent(now));
                let holds = if r.was_heard && alive {
                    Holds::Failed
                } else {
                    Holds::Not
                };
                self.finish(job, Answer::Failed, holds, now, wire);
                return;
            }
            // Silent ones are passed over while there is another; a question that is under way stays with them otherwise.
            let mut server = (r.first + r.tries as usize) % n;
            let awake = (0..n)
                .map(|k| (server + k) % n)
                .find(|s| !self.servers[*s].silence.is_silent(now));
            server = awake.unwrap_or(server);
            r.tries += 1;
            let is_probe = self.servers[server].silence.begin_try(now);
            r.is_probe = is_probe && self.servers.iter().all(|s| s.silence.is_silent(now));
            let earlier = r.sent.iter().position(|s| s.server == server).map(|i| Sent {
                again: true,
                ..r.sent.remove(i)
            });
            let sent = earlier.or_else(|| {
                let socket = wire.open(server)?;
                for _ in 0..16 {
                    self.drawn += 1;
                    let id = self.random.hash_one(self.drawn) as u16;
                    if let std::collections::hash_map::Entry::Vacant(e) = self.by_id.entry((socket, id)) {
                        e.insert(job);
                        return Some(Sent {
                            server,
                            socket,
                            id,
                            at: now,
                            again: false,
                        });
                    }
                }
                wire.close(socket);
                None
            });
            let Some(sent) = sent else {
                r.refusals += 1;
                continue;
            };
            let went = wire.send(sent.socket, &encode(sent.id, &r.name, r.kind));
            // The same id again: whichever reply comes is one.
            r.sent.push(sent);
            if !went {
                r.refusals += 1;
                continue;
            }
            if let Some(t) = r.until.take() {
                self.timers.remove(&(t, job));
            }
            r.ends = Some(now + self.conf.timeout);
            r.again = self.servers[server].again();
            self.timers.insert((r.went(now), job));
            return;
        }
    }

    /// Ends what has waited long enough.
    pub fn tick(&mut self, now: Instant, wire: &mut dyn Wire) {
        while let Some(&(at, job)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, job));
            match self.jobs.get_mut(&job).map(|j| &mut j.state) {
                Some(State::Record(r)) => {
                    r.until = None;
                    if r.ends.is_some_and(|t| now < t) {
                        self.send_again(job, now, wire);
                        continue;
                    }
                    r.was_heard = true;
                    if let Some(s) = r.sent.last() {
                        self.servers[s.server].silence.timed_out(now);
                    }
                    self.try_next(job, now, wire);
                }
                Some(State::Host { .. }) => self.finish(job, Answer::Failed, Holds::Failed, now, wire),
                Some(State::Parts { .. }) | None => {}
            }
        }
        self.go_on(now, wire);
    }

    /// Asks the same server again before a try ends.
    fn send_again(&mut self, job: u64, now: Instant, wire: &mut dyn Wire) {
        let Some(State::Record(r)) = self.jobs.get_mut(&job).map(|j| &mut j.state) else {
            return;
        };
        let Some(last) = r.sent.last_mut() else { return };
        last.again = true;
        let socket = last.socket;
        if wire.send(socket, &encode(last.id, &r.name, r.kind)) {
            self.timers.insert((r.went(now), job));
        } else {
            self.refused(job, socket, now, wire);
        }
    }

    /// Takes a datagram that a server sent to a socket.
    pub fn received(&mut self, server: usize, socket: u32, data: &[u8], now: Instant, wire: &mut dyn Wire) {
        let Some(id) = reply_id(data) else { return };
        // Late or not: it answers.
        if let Some(s) = self.servers.get_mut(server) {
            s.answered(None);
        }
        let Some(&job) = self.by_id.get(&(socket, id)) else {
            return;
        };
        let Some(j) = self.jobs.get_mut(&job) else { return };
        let State::Record(r) = &mut j.state else { return };
        let Some(reply) = decode(data, &r.name, r.kind) else {
            return;
        };
        if let Some(sent) = r.sent.iter().find(|s| s.socket == socket && !s.again) {
            self.servers[sent.server].answered(Some(now.saturating_duration_since(sent.at)));
        }
        match reply {
            Reply::Found(answer, ttl) => {
                let ttl = ttl.min(r.ttl);
                self.finish(job, answer, Holds::Found(ttl), now, wire);
            }
            Reply::Nothing(ttl) => {
                let ttl = ttl.map(|t| t.min(r.ttl));
                self.finish(job, Answer::Failed, Holds::Nothing(ttl), now, wire);
            }
            Reply::Elsewhere(name, ttl) if r.aliases < ALIASES_MAX => {
                (r.name, r.ttl) = (name, ttl.min(r.ttl));
                r.aliases += 1;
                (r.tries, r.refusals, r.is_probe) = (0, 0, false);
                let sent = std::mem::take(&mut r.sent);
                self.forget(sent, wire);
                self.try_next(job, now, wire);
            }
            Reply::Elsewhere(..) => self.finish(job, Answer::Failed, Holds::Failed, now, wire),
            Reply::Refused => {
                r.was_heard = true;
                self.refused(job, socket, now, wire);
            }
        }
        self.go_on(now, wire);
    }

    /// The network said of a socket that nobody is there.
    pub fn unreachable(&mut self, socket: u32, now: Instant, wire: &mut dyn Wire) {
        let jobs: Vec<u64> = self
            .by_id
            .iter()
            .filter(|(k, _)| k.0 == socket)
            .map(|(_, job)| *job)
            .collect();
        for job in jobs {
            self.refused(job, socket, now, wire);
        }
        self.go_on(now, wire);
    }

    /// The server of a socket will not answer a question: the next one, if it was waited for.
    fn refused(&mut self, job: u64, socket: u32, now: Instant, wire: &mut dyn Wire) {
        let Some(j) = self.jobs.get_mut(&job) else { return };
        let State::Record(r) = &mut j.state else { return };
        let Some(at) = r.sent.iter().position(|s| s.socket == socket) else {
            return;
        };
        let is_current = at + 1 == r.sent.len();
        let sent = r.sent.remove(at);
        r.refusals += 1;
        self.forget(vec![sent], wire);
        if is_current {
            self.try_next(job, now, wire);
        }
    }

    /// The system has found a host, or not.
    pub fn host_found(&mut self, host: &Arc<str>, answer: Answer, took: Duration, now: Instant, wire: &mut dyn Wire) {
        self.looking = self.looking.saturating_sub(1);
        let found = answer != Answer::Failed;
        // What takes so long and finds nothing had no answer.
        if !found && took >= self.conf.timeout {
            self.system.timed_out(now);
        } else {
            self.system.answered();
        }
        let q = Question::Host(host.clone());
        let holds = Holds::Host { found };
        match self.by_question.get(&q) {
            Some(&job) => self.finish(job, answer, holds, now, wire),
            None => self.lock_cache().put(&q, &answer, holds, now),
        }
        self.go_on(now, wire);
    }

    fn forget(&mut self, sent: Vec<Sent>, wire: &mut dyn Wire) {
        for s in sent {
            self.by_id.remove(&(s.socket, s.id));
            wire.close(s.socket);
        }
    }

    /// Tells everybody who waits for a look-up.
    fn finish(&mut self, job: u64, answer: Answer, holds: Holds, now: Instant, wire: &mut dyn Wire) {
        let said = Said::of(&answer, holds);
        self.finish_saying(job, answer, holds, said, now, wire);
    }

    fn finish_saying(&mut self, job: u64, answer: Answer, holds: Holds, said: Said, now: Instant, wire: &mut dyn Wire) {
        let Some(j) = self.jobs.remove(&job) else { return };
        self.by_question.remove(&j.question);
        let until = match j.state {
            State::Record(r) => {
                if r.is_on_wire {
                    self.on_wire -= 1;
                }
                self.forget(r.sent, wire);
                r.until
            }
            State::Host { until } => until,
            State::Parts { .. } => None,
        };
        if let Some(t) = until {
            self.timers.remove(&(t, job));
        }
        self.lock_cache().put(&j.question, &answer, holds, now);
        for host in j.hosts {
            self.add_part(host, &answer, said != Said::Silence);
            self.finish_parts(host, now, wire);
        }
        {
            let counts = &mut self.lock_cache().counts;
            match answer {
                Answer::Failed => counts.failed += j.askers.len() as u64,
                _ => counts.found += j.askers.len() as u64,
            }
        }
        let news = match j.askers.is_empty() {
            true => None,
            false => self.past.note(&j.question, said, now),
        };
        let mut news = news.map(Box::new);
        for asker in j.askers {
            tell(asker, answer.clone(), news.take());
        }
    }

    /// Ends a host all of whose records are known.
    fn finish_parts(&mut self, host: u64, now: Instant, wire: &mut dyn Wire) {
        let Some(Job {
            state:
                State::Parts {
                    left: 0,
                    addrs,
                    was_answered,
                },
            ..
        }) = self.jobs.get_mut(&host)
        else {
            return;
        };
        let answer = host_answer(std::mem::take(addrs));
        let said = match (&answer, *was_answered) {
            (Answer::Failed, true) => Said::Nothing,
            (other, _) => Said::of(other, Holds::Not),
        };
        // The records are remembered, each for its time.
        self.finish_saying(host, answer, Holds::Not, said, now, wire);
    }
}

/// The addresses of a host in order, each once.
pub fn host_answer(mut all: Vec<Addr>) -> Answer {
    all.sort();
    all.dedup();
    all.truncate(ADDRS_MAX);
    if all.is_empty() {
        Answer::Failed
    } else {
        Answer::Addrs(all.into())
    }
}

fn tell((sender, id): Asker, answer: Answer, news: Option<Box<News>>) {
    // Whoever has ended does not wait.
    let _ = sender.send((id, answer, news));
}

#[cfg(test)]
mod tests;
