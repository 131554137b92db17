//! Name look-ups for scripts: asynchronous inside `when`, answers collected by [`poll`].
//!
//! Addresses and texts are asked of name servers (RFC 1035) by one thread per process, host names by the system; both are
//! remembered for all engines of the process. With `ZEEK_DNS_RESOLVER` that server is asked for everything, with
//! `ZEEK_DNS_FAKE` every query is answered at once without a network.

mod cache;
mod conf;
mod generations;
mod news;
mod past;
mod queries;
mod silence;
mod thread;
mod wire;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use tapir_data::table::Table;
use tapir_data::types::TypeId;
use tapir_data::value::{Addr, Value};
use tapir_vm::{AsyncToken, CallCtx, RtError, Vm};

pub use cache::{Counts, Remembered};

use crate::util::*;
use news::Asked;
use queries::{Heard, Question};
use thread::Resolver;
use wire::{Answer, Kind, Name};

pub const FAMILY: Family = &[
    ("lookup_addr", lookup_addr),
    ("lookup_hostname", lookup_hostname),
    ("lookup_hostname_txt", lookup_hostname_txt),
    ("blocking_lookup_hostname", blocking_lookup_hostname),
];

/// What this process has looked up so far, and what it remembers.
pub fn stats() -> (Counts, Remembered) {
    Resolver::stats()
}

/// So many queries of one engine are under way at most; further ones fail at once, as after a timeout.
const PENDING_MAX: usize = 4096;
/// Longer ones are names of nothing.
const HOST_MAX: usize = 255;

enum Query {
    Name(Addr),
    Host(String),
    Text(String),
}

impl Query {
    /// What is to be asked, or the answer if that needs no asking.
    fn question(&self) -> Result<Question, Answer> {
        match self {
            Query::Name(a) => Ok(Question::Record(Name::of_addr(*a), Kind::Ptr)),
            Query::Text(host) => match Name::parse(host.as_bytes()) {
                Some(name) => Ok(Question::Record(name.folded(), Kind::Txt)),
                None => Err(Answer::Failed),
            },
            Query::Host(host) => match host.parse::<IpAddr>() {
                Ok(a) => Err(Answer::Addrs([Addr::from(a)].into())),
                Err(_) if host.len() > HOST_MAX => Err(Answer::Failed),
                Err(_) => Ok(Question::Host(host.to_ascii_lowercase().into())),
            },
        }
    }

    /// What look-ups that are compared with earlier ones ask for.
    fn asked(&self) -> Option<Asked> {
        match self {
            Query::Name(a) => Some(Asked::Name(*a)),
            Query::Host(host) => Some(Asked::Host(host.as_str().into())),
            Query::Text(_) => None,
        }
    }
}

struct Waiting {
    token: AsyncToken,
    asked: Option<Asked>,
    /// The type of the set for host names.
    ty: TypeId,
    is_set: bool,
}

struct Dns {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    sender: Sender<Heard>,
    answers: Receiver<Heard>,
    /// It has been said that nothing can be looked up.
    complained: bool,
}

impl Default for Dns {
    fn default() -> Self {
        let (sender, answers) = channel();
        Dns {
            next: 0,
            waiting: BTreeMap::new(),
            sender,
            answers,
            complained: false,
        }
    }
}

/// How the look-ups of an engine stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Look-ups that wait for their answer.
    pub waiting: usize,
    /// Answers that have just come.
    pub arrived: usize,
}

/// Delivers the answers that have arrived.
pub fn poll(vm: &mut Vm) -> Progress {
    let mut p = Progress::default();
    // The common case, at every packet, costs next to nothing.
    if !vm.awaits_answers() {
        return p;
    }
    loop {
        let dns = vm.state::<Dns>();
        p.waiting = dns.waiting.len();
        if p.waiting == 0 {
            return p;
        }
        let Ok((id, answer, news)) = dns.answers.try_recv() else {
            return p;
        };
        if let Some(w) = dns.waiting.remove(&id) {
            p.arrived += 1;
            if let (Some(news), Some(asked)) = (news, &w.asked) {
                news::raise(vm.queue(), asked, &news);
            }
            let v = value(answer, w.ty, w.is_set);
            vm.finish_async(w.token, v);
        }
    }
}

/// Waits no longer: what has had no answer has that of a timeout.
pub fn give_up(vm: &mut Vm) {
    poll(vm);
    if vm.awaits_answers() {
        for (_, w) in std::mem::take(&mut vm.state::<Dns>().waiting) {
            vm.finish_async(w.token, value(Answer::Failed, w.ty, w.is_set));
        }
    }
}

fn addr_set(ty: TypeId, addrs: impl IntoIterator<Item = Addr>) -> Value {
    let t = Table::new(ty);
    for a in addrs {
        t.insert(&[Value::Addr(a)], Value::Unset, 0.0);
    }
    Value::Table(t)
}

fn value(answer: Answer, ty: TypeId, is_set: bool) -> Value {
    match answer {
        Answer::Addrs(all) => addr_set(ty, all.iter().copied()),
        Answer::Text(s) => string(s),
        Answer::Failed if is_set => addr_set(ty, [Addr::v4([0; 4])]),
        Answer::Failed => string("<???>"),
    }
}

fn fake() -> bool {
    std::env::var_os("ZEEK_DNS_FAKE").is_some_and(|v| !v.is_empty())
}

fn fake_answer(q: &Query) -> Answer {
    match q {
        Query::Name(a) => Answer::Text(format!("fake_addr_lookup_result_{a}").into_bytes().into()),
        Query::Text(host) => Answer::Text(format!("fake_lookup_result_16_{host}").into_bytes().into()),
        Query::Host(host) => {
            let h = crate::hash::fnv1a64(host.as_bytes()).to_be_bytes();
            let mut b = [0; 16];
            b[..8].copy_from_slice(&h);
            b[8..].copy_from_slice(&crate::hash::fnv1a64(&h).to_be_bytes());
            Answer::Addrs([Addr(b)].into())
        }
    }
}

/// The resolver of the process. Without one it is said why, once.
fn resolver(ctx: &mut CallCtx<'_>) -> Option<&'static Resolver> {
    match Resolver::shared() {
        Ok(r) => Some(r),
        Err(why) => {
            if !std::mem::replace(&mut ctx.vm.state::<Dns>().complained, true) {
                ctx.error(why);
            }
            None
        }
    }
}

fn start(ctx: &mut CallCtx<'_>, q: &Query, name: &str) -> Res {
    let (ty, is_set) = (ctx.result_type, matches!(q, Query::Host(_)));
    let Some(token) = ctx.begin_async() else {
        ctx.error(format!("{name}() can only be called inside a when-condition"));
        return Ok(if is_set { Value::Unset } else { string("<error>") });
    };
    if let Some(answer) = ask(
        ctx,
        q,
        Waiting {
            token,
            asked: q.asked(),
            ty,
            is_set,
        },
    ) {
        ctx.vm.finish_async(token, value(answer, ty, is_set));
    }
    Err(RtError::Pending)
}

/// Gives the answer if it is there, or asks for it.
fn ask(ctx: &mut CallCtx<'_>, q: &Query, waiting: Waiting) -> Option<Answer> {
    if fake() {
        return Some(fake_answer(q));
    }
    let question = match q.question() {
        Ok(q) => q,
        Err(answer) => return Some(answer),
    };
    let Some(resolver) = resolver(ctx) else {
        return Some(Answer::Failed);
    };
    // At the end of the run nobody waits any more.
    let is_over = ctx.vm.is_terminating();
    let dns = ctx.vm.state::<Dns>();
    if is_over || dns.waiting.len() >= PENDING_MAX {
        return Some(resolver.known(&question).unwrap_or(Answer::Failed));
    }
    dns.next += 1;
    let known = resolver.ask(question, (dns.sender.clone(), dns.next));
    if known.is_none() {
        dns.waiting.insert(dns.next, waiting);
    }
    known
}

fn lookup_addr(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    start(ctx, &Query::Name(a.addr(0)?), "lookup_addr")
}

fn lookup_hostname(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    start(ctx, &Query::Host(lossy(a.str(0)?)), "lookup_hostname")
}

fn lookup_hostname_txt(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    start(ctx, &Query::Text(lossy(a.str(0)?)), "lookup_hostname_txt")
}

fn blocking_lookup_hostname(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let q = Query::Host(lossy(a.str(0)?));
    let answer = if fake() {
        fake_answer(&q)
    } else {
        match q.question() {
            Ok(question) => {
                let heard = resolver(ctx).map(|r| r.ask_and_wait(question));
                let (answer, news) = heard.unwrap_or((Answer::Failed, None));
                if let (Some(news), Some(asked)) = (news, q.asked()) {
                    news::raise(ctx.queue(), &asked, &news);
                }
                answer
            }
            Err(answer) => answer,
        }
    };
    Ok(value(answer, ctx.result_type, true))
}
