//! The events `dns_mapping_*`: what a look-up gave compared with the one before.

use std::collections::BTreeSet;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tapir_data::value::{Addr, Value};
use tapir_interface::queue::EventQueue;
use tapir_interface::{events, records, types};

use super::past::{News, Said};

/// What was looked up.
#[derive(Clone)]
pub enum Asked {
    Host(Box<str>),
    Name(Addr),
}

/// Stands for the name where an answer says that there is none.
const NO_NAME: &[u8] = b"<none>";

fn addrs(q: &EventQueue, all: impl IntoIterator<Item = Addr>) -> Value {
    let set = q.bindings().table(types::ADDR_SET);
    for a in all {
        set.insert(&[Value::Addr(a)], Value::Unset, 0.0);
    }
    Value::Table(set)
}

/// The record `dns_mapping` of a look-up. It is made by the wall clock, on which answers come.
fn mapping(q: &EventQueue, asked: &Asked, (at, said): &(Instant, Said)) -> Value {
    let made = SystemTime::now().checked_sub(at.elapsed()).unwrap_or(UNIX_EPOCH);
    let made = made.duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let mut m = records::DnsMapping {
        creation_time: made,
        req_addr: Addr::v4([0; 4]),
        valid: *said != Said::Silence,
        ..Default::default()
    };
    match asked {
        Asked::Host(host) => m.req_host = host.as_bytes().into(),
        Asked::Name(a) => m.req_addr = *a,
    }
    match said {
        Said::Name(name) => m.hostname = (&**name).into(),
        Said::Nothing => m.hostname = NO_NAME.into(),
        Said::Addrs(_) | Said::Silence => {}
    }
    m.addrs = match said {
        Said::Addrs(all) => addrs(q, all.iter().copied()),
        _ => addrs(q, []),
    };
    m.build(q.bindings())
}

/// Raises the event that tells of a look-up, where somebody handles it.
pub fn raise(q: &mut EventQueue, asked: &Asked, news: &News) {
    let (before, now) = (&news.before, &news.now);
    let one = |q: &mut EventQueue, raise: fn(&mut EventQueue, Value), what: &(Instant, Said)| {
        let dm = mapping(q, asked, what);
        raise(q, dm);
    };
    match (&before.1, &now.1) {
        (Said::Silence, Said::Silence) => {}
        (a, b) if a == b => one(q, events::dns_mapping_valid, now),
        (a, Said::Silence) if a.is_found() => one(q, events::dns_mapping_unverified, before),
        (a, Said::Nothing) if a.is_found() => one(q, events::dns_mapping_lost_name, before),
        (Said::Addrs(a), Said::Addrs(b)) => {
            let (a, b): (BTreeSet<Addr>, BTreeSet<Addr>) = (a.iter().copied().collect(), b.iter().copied().collect());
            let (gone, new) = (addrs(q, a.difference(&b).copied()), addrs(q, b.difference(&a).copied()));
            let dm = mapping(q, asked, now);
            events::dns_mapping_altered(q, dm, gone, new);
        }
        (a, b) if a.is_found() && b.is_found() => {
            let (a, b) = (mapping(q, asked, before), mapping(q, asked, now));
            events::dns_mapping_name_changed(q, a, b);
        }
        (_, b) if b.is_found() => one(q, events::dns_mapping_new_name, now),
        _ => {}
    }
}
