//! Properties of streams and of the table: however a stream is cut, repeated and shuffled, the same bytes come out; no
//! bytes make the decoders fail; floods stay within bounds.

use proptest::prelude::*;
use tapir_flow::sink::FlowSink;
use tapir_flow::{Conn, FlowTable, Options, RawPacket, UidGenerator};

#[derive(Default)]
struct Collect {
    orig: Vec<u8>,
    resp: Vec<u8>,
    gaps: u64,
    removed: usize,
    made: usize,
    eof: usize,
}

impl FlowSink<()> for Collect {
    fn on_new_connection(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>, _: &tapir_flow::Packet<'_>) {
        self.made += 1;
    }

    fn on_stream_data(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>, is_orig: bool, seq: u64, data: &[u8]) {
        let stream = if is_orig { &mut self.orig } else { &mut self.resp };
        assert_eq!(seq, 1 + stream.len() as u64 + if is_orig { self.gaps } else { 0 });
        stream.extend_from_slice(data);
    }

    fn on_gap(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>, is_orig: bool, _: u64, len: u64) {
        assert!(is_orig);
        self.gaps += len;
    }

    fn on_eof(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>, _: bool) {
        self.eof += 1;
    }

    fn on_remove(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>) {
        self.removed += 1;
    }
}

fn table(options: Options) -> FlowTable<()> {
    FlowTable::new(options, UidGenerator::new([7; 16], 1))
}

fn segment(orig: bool, flags: u8, seq: u32, ack: u32, data: &[u8]) -> Vec<u8> {
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let (src, dst, sport, dport) = if orig {
        (a, b, 4000u16, 9999u16)
    } else {
        (b, a, 9999, 4000)
    };
    let total = (40 + data.len()) as u16;
    let mut p = vec![0x45, 0];
    p.extend(total.to_be_bytes());
    p.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
    p.extend(src);
    p.extend(dst);
    p.extend(sport.to_be_bytes());
    p.extend(dport.to_be_bytes());
    p.extend(seq.to_be_bytes());
    p.extend(ack.to_be_bytes());
    p.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    p.extend_from_slice(data);
    p
}

fn feed(t: &mut FlowTable<()>, sink: &mut Collect, us: u32, data: &[u8]) {
    let raw = RawPacket {
        ts_sec: 1000,
        ts_usec: us,
        len: data.len() as u32,
        data,
        link_type: 101,
    };
    t.advance(raw.ts(), sink);
    t.process(&raw, sink);
}

fn run_stream(start: u32, data: &[u8], pieces: &[(usize, usize)], keep: bool) -> Collect {
    let mut t = table(Options {
        ignore_checksums: true,
        ..Options::default()
    });
    t.wants.rexmit_inconsistency = keep;
    let mut sink = Collect::default();
    feed(&mut t, &mut sink, 0, &segment(true, 2, start, 0, &[]));
    feed(
        &mut t,
        &mut sink,
        1,
        &segment(false, 0x12, 500, start.wrapping_add(1), &[]),
    );
    feed(
        &mut t,
        &mut sink,
        2,
        &segment(true, 0x10, start.wrapping_add(1), 501, &[]),
    );
    for (i, &(from, to)) in pieces.iter().enumerate() {
        let seq = start.wrapping_add(1).wrapping_add(from as u32);
        feed(
            &mut t,
            &mut sink,
            3 + i as u32,
            &segment(true, 0x18, seq, 501, &data[from..to]),
        );
        if i % 3 == 2 {
            let ack = start.wrapping_add(1).wrapping_add(sink.orig.len() as u32);
            feed(&mut t, &mut sink, 3 + i as u32, &segment(false, 0x10, 501, ack, &[]));
        }
    }
    let end = start.wrapping_add(1).wrapping_add(data.len() as u32);
    feed(&mut t, &mut sink, 900_000, &segment(false, 0x10, 501, end, &[]));
    feed(&mut t, &mut sink, 900_001, &segment(true, 0x11, end, 501, &[]));
    feed(
        &mut t,
        &mut sink,
        900_002,
        &segment(false, 0x11, 501, end.wrapping_add(1), &[]),
    );
    t.finish_timers(&mut sink);
    t.finish_conns(&mut sink);
    assert_eq!((sink.made, sink.removed, sink.eof), (1, 1, 2));
    sink
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentation_gives_the_same_stream(
        start in prop_oneof![any::<u32>(), (u32::MAX - 3000)..=u32::MAX],
        len in 1usize..3000,
        cuts in prop::collection::vec(0usize..3000, 0..20),
        repeats in prop::collection::vec((0usize..3000, 1usize..600), 0..8),
        order in any::<u64>(),
        keep in any::<bool>(),
    ) {
        let data: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % len).chain([0, len]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut pieces: Vec<(usize, usize)> = cuts.windows(2).map(|w| (w[0], w[1])).collect();
        pieces.extend(repeats.into_iter().map(|(a, n)| (a % len, (a % len + n).min(len))));
        // A shuffle from the generated number, so that failures repeat.
        let mut x = order | 1;
        for i in (1..pieces.len()).rev() {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            pieces.swap(i, (x >> 33) as usize % (i + 1));
        }
        let got = run_stream(start, &data, &pieces, keep);
        prop_assert_eq!(got.gaps, 0);
        prop_assert_eq!(got.orig, data);
    }

    #[test]
    fn damaged_packets_never_panic(
        link_type in prop_oneof![Just(0u32), Just(1), Just(9), Just(10), Just(50), Just(101), Just(105), Just(113), Just(127), Just(239), Just(276)],
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), 0usize..12, any::<u16>()), 1..20),
    ) {
        const TYPES: &[&[u8]] = &[
            &[8, 0, 0x45, 0, 0, 60], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 20], &[8, 6, 0, 1, 8, 0, 6, 4], &[0x81, 0, 0, 1, 8, 0],
            &[0x88, 0x47, 0, 0, 1, 0], &[0x88, 0x64, 0x11, 0], &[0x88, 0xe7, 0, 0], &[0x89, 0x26, 0, 0], &[0, 40, 0xaa, 0xaa, 3],
            &[8, 0, 0x45, 0, 0, 80, 0, 0, 0, 0, 64, 47], &[8, 0, 0x45, 0, 0, 80, 0, 0, 0x20, 0, 64, 17], &[],
        ];
        let mut t = table(Options { ignore_checksums: true, ..Options::default() });
        t.wants.rexmit_inconsistency = true;
        let mut sink = Anything;
        for (i, (mut bytes, kind, port)) in packets.into_iter().enumerate() {
            let head = TYPES[kind];
            for (j, b) in head.iter().enumerate() {
                let at = j + if link_type == 1 { 12 } else { 0 };
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = *b;
                }
            }
            if bytes.len() > 38 {
                bytes[36..38].copy_from_slice(&[4789u16, 6081, 3544, 2152, 5072, 4754][usize::from(port) % 6].to_be_bytes()[..]);
            }
            let raw = RawPacket { ts_sec: i as i64 * 3, ts_usec: 0, len: bytes.len() as u32, data: &bytes, link_type };
            t.advance(raw.ts(), &mut sink);
            t.process(&raw, &mut sink);
        }
        t.finish_timers(&mut sink);
        t.finish_conns(&mut sink);
        t.forget_conns();
        prop_assert_eq!(t.len(), 0);
    }
}

struct Anything;
impl FlowSink<()> for Anything {}

#[test]
fn a_flood_stays_within_bounds() {
    let mut t = table(Options {
        ignore_checksums: true,
        max_connections: 20_000,
        ..Options::default()
    });
    let mut sink = Anything;
    let mut packet = segment(true, 2, 1, 0, &[]);
    for i in 0..300_000u32 {
        packet[12..16].copy_from_slice(&i.wrapping_mul(2_654_435_761).to_be_bytes());
        let (sec, usec) = (i64::from(i / 100_000), i % 100_000 * 10);
        let raw = RawPacket {
            ts_sec: sec,
            ts_usec: usec,
            len: packet.len() as u32,
            data: &packet,
            link_type: 101,
        };
        t.advance(raw.ts(), &mut sink);
        t.process(&raw, &mut sink);
        assert!(t.len() <= 20_000);
        assert!(t.timer_count() <= 300_000, "{} timers", t.timer_count());
    }
    assert!(t.stats.shed > 200_000);
}

#[test]
fn early_data_is_bounded() {
    let mut t = table(Options {
        ignore_checksums: true,
        ..Options::default()
    });
    let mut sink = Collect::default();
    feed(&mut t, &mut sink, 0, &segment(true, 2, 0, 0, &[]));
    feed(&mut t, &mut sink, 1, &segment(false, 0x12, 500, 1, &[]));
    // The first byte never comes.
    for i in 0..10_000u32 {
        feed(
            &mut t,
            &mut sink,
            2 + i,
            &segment(true, 0x18, 2 + i * 1000, 501, &[b'x'; 1000]),
        );
    }
    assert!(sink.orig.is_empty());
    t.finish_conns(&mut sink);
}

/// Takes data as it comes, and wants order from the first segment on that begins with `!`.
#[derive(Default)]
struct OnDemand {
    ordered: bool,
    data: Vec<u8>,
    gaps: u64,
}

impl FlowSink<()> for OnDemand {
    fn reassembles(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>) -> bool {
        self.ordered
    }

    fn on_stream_data(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>, is_orig: bool, _: u64, data: &[u8]) {
        if is_orig {
            self.data.extend_from_slice(data);
            self.ordered |= data.starts_with(b"!");
        }
    }

    fn on_gap(&mut self, _: &mut FlowTable<()>, _: &mut Conn<()>, _: bool, _: u64, len: u64) {
        self.gaps += len;
    }
}

#[test]
fn without_reassembly_data_comes_as_it_was_captured_until_somebody_needs_it_in_order() {
    let options = Options {
        ignore_checksums: true,
        reassemble: false,
        ..Options::default()
    };
    let mut t = table(options);
    let mut sink = OnDemand::default();
    let segments: [(u8, u32, &[u8]); 8] = [
        (2, 99, b""),
        (0x18, 104, b"world"),
        (0x18, 100, b"hello"),
        (0x18, 109, b"!one "),
        // From here on the order is that of the stream.
        (0x18, 114, b"two "),
        (0x18, 124, b"four "),
        (0x18, 118, b"three "),
        (0x18, 129, b"five"),
    ];
    for (i, (flags, seq, data)) in segments.into_iter().enumerate() {
        let packet = segment(true, flags, seq, 0, data);
        let raw = RawPacket {
            ts_sec: 1000,
            ts_usec: i as u32,
            len: packet.len() as u32,
            data: &packet,
            link_type: 101,
        };
        t.advance(raw.ts(), &mut sink);
        t.process(&raw, &mut sink);
    }
    let text = String::from_utf8(sink.data).unwrap();
    assert_eq!((text.as_str(), sink.gaps), ("worldhello!one two three four five", 0));
}

/// As from a chained table that grows: the newest first, the others as they lay when it grew.
#[test]
fn connections_left_at_the_end_go_newest_first() {
    let cases: [(u32, Vec<u32>); 3] = [
        (13, (0..13).rev().collect()),
        (14, std::iter::once(13).chain(0..13).collect()),
        (40, (29..40).rev().chain((0..13).rev()).chain(13..29).collect()),
    ];
    for (n, expected) in cases {
        let mut t = table(Options {
            ignore_checksums: true,
            sorted_removal: false,
            ..Options::default()
        });
        let mut sink = Collect::default();
        for i in 0..n {
            let mut syn = segment(true, 2, 1, 0, b"");
            syn[20..22].copy_from_slice(&(2000 + i as u16).to_be_bytes());
            feed(&mut t, &mut sink, i, &syn);
        }
        let order = t.finish_order();
        let number = |id| t.iter().find(|c| c.id == id).map(|c| u32::from(c.tuple().sport) - 2000);
        let got: Vec<u32> = order.into_iter().filter_map(number).collect();
        assert_eq!(got, expected, "{n}");
    }
}
