//! The same events, whatever the segmentation; nothing panics on bytes that were changed, cut, lost or turned around.
//!
//! Every protocol of a stream has a conversation here; those of datagrams meet the same bytes as datagrams.

#[allow(dead_code)]
mod bench;
mod talks;

use bench::Bench;
use proptest::prelude::*;
use talks::{Talk, all};
use tapir_analyzers::core::Transport;
use tapir_analyzers::registry;
use tapir_interface::events;

/// What a conversation raises when each turn's bytes are cut at the places given.
fn events_of(talk: &Talk, cuts: &[usize]) -> Vec<String> {
    let mut b = Bench::new(talk.name, Transport::Tcp);
    for (is_orig, bytes) in &talk.turns {
        let mut at = 0;
        for &cut in cuts.iter().chain(std::iter::once(&bytes.len())) {
            if cut > at && cut <= bytes.len() && (cut >= talk.whole || cut == bytes.len()) {
                b.stream(*is_orig, &bytes[at..cut]);
                at = cut;
            }
        }
    }
    for is_orig in [true, false] {
        b.eof(is_orig);
    }
    let confirmed = format!("{:?}", events::ANALYZER_CONFIRMATION_INFO);
    let mut got = b.events();
    if talk.whole > 0 {
        // Such a protocol counts deliveries before it is sure.
        got.retain(|e| !e.starts_with(&confirmed));
    }
    got
}

/// Protocols that never see a stream of their own, or carry nothing that could be cut.
const NO_STREAM: &[&str] = &[
    "DHCP",
    "DNP3_UDP",
    "DTLS",
    "FTP_DATA",
    "GSSAPI",
    "IRC_DATA",
    "KRB",
    "LDAP_UDP",
    "NTLM",
    "NTP",
    "PIA_TCP",
    "PIA_UDP",
    "QUIC",
    "RADIUS",
    "RDPEUDP",
    "SIP",
    "SNMP",
    "STREAM_EVENT",
    "SYSLOG",
];

#[test]
fn every_stream_has_a_conversation() {
    let talks = all();
    for p in registry::PROTOCOLS {
        let here = talks
            .iter()
            .any(|t| registry::tag_ignore_case(t.name) == registry::tag(p.name));
        assert_ne!(here, NO_STREAM.contains(&p.name), "{}", p.name);
    }
}

#[test]
fn each_conversation_raises_something() {
    for talk in all() {
        let got = events_of(&talk, &[]);
        assert!(!got.is_empty(), "{}: {got:?}", talk.name);
        let bad = format!("{:?}", events::ANALYZER_VIOLATION_INFO);
        assert!(!got.iter().any(|e| e.starts_with(&bad)), "{}: {got:?}", talk.name);
    }
}

#[test]
fn no_single_cut_matters() {
    for talk in all() {
        let whole = events_of(&talk, &[]);
        let longest = talk.turns.iter().map(|t| t.1.len()).max().unwrap_or(0);
        // Of long turns the beginning is the form of the protocol.
        for cut in 1..longest.min(600) {
            assert_eq!(events_of(&talk, &[cut]), whole, "{} cut at {cut}", talk.name);
        }
    }
}

/// Something that happens to a connection.
#[derive(Clone, Debug)]
enum Step {
    /// A stretch of the conversation's turn, from and to parts of 255.
    Stretch(u8, u8, u8),
    Bytes(bool, Vec<u8>),
    Gap(bool, u16),
    Flip,
    Eof(bool),
    Reset,
}

/// Replies raised and violations told when a Redis server says this, and then nothing more.
fn redis_server_says(turns: &[&[u8]], end: impl FnOnce(&mut Bench)) -> (usize, usize) {
    let mut b = Bench::new("REDIS", Transport::Tcp);
    b.stream(true, b"PING\r\n");
    for t in turns {
        b.stream(false, t);
    }
    end(&mut b);
    let got = b.events();
    let raised = |name: String| got.iter().filter(|g| g.starts_with(&name)).count();
    (
        raised(format!("{:?} ", events::REDIS_REPLY)),
        raised(format!("{:?} ", events::ANALYZER_VIOLATION_INFO)),
    )
}

#[test]
fn redis_replies_are_found_again_behind_an_error() {
    let eof = |b: &mut Bench| b.eof(false);
    assert_eq!(redis_server_says(&[b"+OK\r\nno reply\r\n+OK\r\n"], eof), (2, 0));
    assert_eq!(
        redis_server_says(&[b"+OK\r\nno reply\r", b"\n+O", b"K\r\n"], eof),
        (2, 0)
    );
    // No line ends behind the error; none of the lines behind it is a reply.
    assert_eq!(redis_server_says(&[b"+OK\r\n\n"], eof), (1, 1));
    assert_eq!(
        redis_server_says(&[b"+OK\r\nno\r\nStill\r\nNope\r\n"], Bench::reset),
        (1, 1)
    );
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(t, a, b)| Step::Stretch(t, a, b)),
        3 => (any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(o, b)| Step::Bytes(o, b)),
        2 => (any::<bool>(), any::<u16>()).prop_map(|(o, n)| Step::Gap(o, n)),
        1 => Just(Step::Flip),
        1 => any::<bool>().prop_map(Step::Eof),
        1 => Just(Step::Reset),
    ];
    prop::collection::vec(step, 1..24)
}

/// Runs the steps against a protocol, with a conversation's bytes.
fn run(name: &str, talk: &Talk, steps: &[Step], transport: Transport, changes: &[(u8, u8)]) {
    let mut b = Bench::new(name, transport);
    let mut seq = [1u64, 1];
    for s in steps {
        match s {
            Step::Stretch(t, from, to) => {
                let (is_orig, bytes) = &talk.turns[*t as usize % talk.turns.len()];
                let mut bytes = bytes.clone();
                for (i, v) in changes {
                    let n = bytes.len();
                    if n > 0 {
                        bytes[*i as usize * n / 256] = *v;
                    }
                }
                let at = |x: u8| x as usize * (bytes.len() + 1) / 256;
                // Most stretches are whole, or the conversation would rarely come further.
                let (from, to) = match (*from, *to) {
                    (f, t) if f < 128 && t >= 128 => (0, bytes.len()),
                    (f, t) => (at(f.min(t)), at(f.max(t))),
                };
                let part = &bytes[from..to];
                seq[*is_orig as usize] += part.len() as u64;
                match transport {
                    Transport::Tcp => b.stream(*is_orig, part),
                    _ => b.packet(*is_orig, part),
                }
            }
            Step::Bytes(is_orig, bytes) => match transport {
                Transport::Tcp => b.stream(*is_orig, bytes),
                _ => b.packet(*is_orig, bytes),
            },
            Step::Gap(is_orig, n) => {
                let at = seq[*is_orig as usize];
                seq[*is_orig as usize] += *n as u64;
                b.gap(*is_orig, at, *n as u64);
            }
            Step::Flip => b.flip(),
            Step::Eof(is_orig) => b.eof(*is_orig),
            Step::Reset => b.reset(),
        }
        assert!(b.events().len() < 20_000, "{name}: a flood of events");
    }
    b.done();
    b.events();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segmentation_does_not_matter(mut cuts in prop::collection::vec(0usize..300, 0..20)) {
        cuts.sort_unstable();
        for talk in all() {
            prop_assert_eq!(events_of(&talk, &[]), events_of(&talk, &cuts), "{}", talk.name);
        }
    }

    #[test]
    fn changed_bytes_do_no_harm(
        mut cuts in prop::collection::vec(0usize..200, 0..6),
        changes in prop::collection::vec((any::<u8>(), 0usize..300, any::<u8>()), 1..8),
    ) {
        cuts.sort_unstable();
        for mut talk in all() {
            for (turn, i, b) in &changes {
                let n = talk.turns.len();
                let bytes = &mut talk.turns[*turn as usize % n].1;
                if let Some(x) = bytes.get_mut(*i) { *x = *b; }
            }
            events_of(&talk, &cuts);
        }
    }

    /// Every protocol with its own conversation and with another one's, in pieces, with gaps, turned around.
    #[test]
    fn whatever_happens_does_no_harm(
        steps in steps(),
        other in any::<usize>(),
        changes in prop::collection::vec((any::<u8>(), any::<u8>()), 0..5),
    ) {
        let talks = all();
        let strange = &talks[other % talks.len()];
        for p in registry::PROTOCOLS {
            let own = talks.iter().find(|t| registry::tag_ignore_case(t.name) == registry::tag(p.name));
            for talk in own.into_iter().chain(std::iter::once(strange)) {
                for transport in [Transport::Tcp, Transport::Udp] {
                    if p.transports.is_empty() || p.transports.contains(&transport) {
                        run(p.name, talk, &steps, transport, &changes);
                    }
                }
            }
        }
    }
}
