//! Captures that break off: everything before the break comes out, then an error.

use std::io::Cursor;

use crate::source::{SourceError, read_capture};
use crate::types::Weirds;

fn capture(swapped: bool, nanos: bool) -> Vec<u8> {
    let u32b = |v: u32| if swapped { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut f = u32b(if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    f.extend([0; 12]);
    f.extend(u32b(65_535));
    f.extend(u32b(1));
    for i in 0..3u32 {
        f.extend(u32b(100 + i));
        f.extend(u32b(if nanos { 5_000_999 } else { 5_000 }));
        f.extend(u32b(20));
        f.extend(u32b(60));
        f.extend([i as u8; 20]);
    }
    f
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len().next_multiple_of(4) + 12) as u32;
    let mut b = kind.to_le_bytes().to_vec();
    b.extend(len.to_le_bytes());
    b.extend_from_slice(body);
    b.resize(len as usize - 4, 0);
    b.extend(len.to_le_bytes());
    b
}

fn pcapng() -> Vec<u8> {
    let mut f = block(
        0x0a0d_0d0a,
        &[
            0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
    );
    // Nanoseconds by option 9.
    f.extend(block(1, &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]));
    for i in 0..3u64 {
        let stamp = (100 + i) * 1_000_000_000 + 5_000_999;
        let mut body = vec![0; 4];
        body.extend(((stamp >> 32) as u32).to_le_bytes());
        body.extend((stamp as u32).to_le_bytes());
        body.extend(18u32.to_le_bytes());
        body.extend(60u32.to_le_bytes());
        body.extend([i as u8; 18]);
        f.extend(block(6, &body));
    }
    f
}

fn read(bytes: &[u8]) -> (Vec<(i64, u32, u8)>, Option<SourceError>) {
    let mut source = match read_capture(Box::new(Cursor::new(bytes.to_vec())), "test".into()) {
        Ok(s) => s,
        Err(e) => return (Vec::new(), Some(e)),
    };
    let mut weirds = Weirds::default();
    let mut got = Vec::new();
    loop {
        match source.next_packet(&mut weirds) {
            Ok(Some(p)) => {
                assert!(p.data.len() >= 18 && p.len == 60);
                got.push((p.ts_sec, p.ts_usec, p.data[0]));
            }
            Ok(None) => return (got, None),
            Err(e) => return (got, Some(e)),
        }
    }
}

#[test]
fn byte_orders_and_resolutions() {
    for bytes in [
        capture(false, false),
        capture(true, false),
        capture(false, true),
        capture(true, true),
        pcapng(),
    ] {
        let (got, error) = read(&bytes);
        assert!(error.is_none());
        assert_eq!(got, [(100, 5_000, 0), (101, 5_000, 1), (102, 5_000, 2)]);
    }
}

#[test]
fn truncation_keeps_what_came_before() {
    for bytes in [capture(false, false), pcapng()] {
        let whole = read(&bytes).0;
        for n in 0..bytes.len() {
            let (got, error) = read(&bytes[..n]);
            assert!(whole.starts_with(&got));
            assert!(got.len() < 3);
            // A cut between records cannot be noticed.
            if let Some(e) = error {
                assert!(e.to_string().contains("test"));
            }
        }
    }
}

#[test]
fn a_compressed_capture_says_how_to_read_it() {
    for (head, command) in [
        ([0x1f, 0x8b, 8, 0], "zcat"),
        ([0x28, 0xb5, 0x2f, 0xfd], "zstdcat"),
        ([0xfd, 0x37, 0x7a, 0x58], "xzcat"),
        (*b"BZh9", "bzcat"),
    ] {
        let (got, error) = read(&head);
        let text = error.expect("an error").to_string();
        assert!(got.is_empty() && text.contains(command), "{text}");
    }
}
