//! Every kind of point that DNP3 has an event for, made by hand after IEEE 1815, annex A.

#[allow(dead_code)]
mod bench;
#[path = "talks/dnp3.rs"]
mod dnp3;

use bench::talk;
use dnp3::dnp3;
use tapir_analyzers::core::Transport;
use tapir_interface::events;
use tapir_interface::queue::EventId;

#[test]
fn points_of_dnp3() {
    let time = [6, 5, 4, 3, 2, 1];
    let t48 = 0x0102_0304_0506u64;
    let flag = [0x81u8];
    let (n4, n2, n8) = ([4, 3, 2, 1], [2, 1], [4, 3, 2, 1, 8, 7, 6, 5]);
    let (v4, v2) = (0x0102_0304u64, 0x0102u64);
    let two = format!("{v4} {}", 0x0506_0708u64);
    // Group, variation, the object, and what the event says of it.
    let cases: Vec<(u8, u8, Vec<u8>, EventId, String)> = {
        use events::*;
        let mut c = Vec::new();
        let mut add =
            |g: u8, v: u8, parts: &[&[u8]], id: EventId, told: String| c.push((g, v, parts.concat(), id, told));
        for (v, id) in [(1, DNP3_COUNTER_32WFLAG), (3, DNP3_COUNTER_32WFLAG)] {
            add(20, v, &[&flag, &n4], id, format!("129 {v4}"));
        }
        add(20, 2, &[&flag, &n2], DNP3_COUNTER_16WFLAG, format!("129 {v2}"));
        add(20, 5, &[&n4], DNP3_COUNTER_32WOFLAG, format!("{v4}"));
        add(20, 6, &[&n2], DNP3_COUNTER_16WOFLAG, format!("{v2}"));
        add(21, 1, &[&flag, &n4], DNP3_FROZEN_COUNTER_32WFLAG, format!("129 {v4}"));
        add(21, 2, &[&flag, &n2], DNP3_FROZEN_COUNTER_16WFLAG, format!("129 {v2}"));
        add(
            21,
            5,
            &[&flag, &n4, &time],
            DNP3_FROZEN_COUNTER_32WFLAGTIME,
            format!("129 {v4} {t48}"),
        );
        add(
            21,
            6,
            &[&flag, &n2, &time],
            DNP3_FROZEN_COUNTER_16WFLAGTIME,
            format!("129 {v2} {t48}"),
        );
        add(21, 9, &[&n4], DNP3_FROZEN_COUNTER_32WOFLAG, format!("{v4}"));
        add(21, 10, &[&n2], DNP3_FROZEN_COUNTER_16WOFLAG, format!("{v2}"));
        add(30, 1, &[&flag, &n4], DNP3_ANALOG_INPUT_32WFLAG, format!("129 {v4}"));
        add(30, 2, &[&flag, &n2], DNP3_ANALOG_INPUT_16WFLAG, format!("129 {v2}"));
        add(30, 3, &[&n4], DNP3_ANALOG_INPUT_32WOFLAG, format!("{v4}"));
        add(30, 4, &[&n2], DNP3_ANALOG_INPUT_16WOFLAG, format!("{v2}"));
        add(30, 5, &[&flag, &n4], DNP3_ANALOG_INPUT_SPWFLAG, format!("129 {v4}"));
        add(30, 6, &[&flag, &n8], DNP3_ANALOG_INPUT_DPWFLAG, format!("129 {two}"));
        add(
            31,
            1,
            &[&flag, &n4],
            DNP3_FROZEN_ANALOG_INPUT_32WFLAG,
            format!("129 {v4}"),
        );
        add(
            31,
            2,
            &[&flag, &n2],
            DNP3_FROZEN_ANALOG_INPUT_16WFLAG,
            format!("129 {v2}"),
        );
        add(
            31,
            3,
            &[&flag, &n4, &time],
            DNP3_FROZEN_ANALOG_INPUT_32WTIME,
            format!("129 {v4} {t48}"),
        );
        add(
            31,
            4,
            &[&flag, &n2, &time],
            DNP3_FROZEN_ANALOG_INPUT_16WTIME,
            format!("129 {v2} {t48}"),
        );
        add(31, 5, &[&n4], DNP3_FROZEN_ANALOG_INPUT_32WOFLAG, format!("{v4}"));
        add(31, 6, &[&n2], DNP3_FROZEN_ANALOG_INPUT_16WOFLAG, format!("{v2}"));
        add(
            31,
            7,
            &[&flag, &n4],
            DNP3_FROZEN_ANALOG_INPUT_SPWFLAG,
            format!("129 {v4}"),
        );
        add(
            31,
            8,
            &[&flag, &n8],
            DNP3_FROZEN_ANALOG_INPUT_DPWFLAG,
            format!("129 {two}"),
        );
        add(
            32,
            1,
            &[&flag, &n4],
            DNP3_ANALOG_INPUT_EVENT_32WOTIME,
            format!("129 {v4}"),
        );
        add(
            32,
            2,
            &[&flag, &n2],
            DNP3_ANALOG_INPUT_EVENT_16WOTIME,
            format!("129 {v2}"),
        );
        add(
            32,
            3,
            &[&flag, &n4, &time],
            DNP3_ANALOG_INPUT_EVENT_32WTIME,
            format!("129 {v4} {t48}"),
        );
        add(
            32,
            4,
            &[&flag, &n2, &time],
            DNP3_ANALOG_INPUT_EVENT_16WTIME,
            format!("129 {v2} {t48}"),
        );
        add(
            32,
            5,
            &[&flag, &n4],
            DNP3_ANALOG_INPUT_EVENT_SPWOTIME,
            format!("129 {v4}"),
        );
        add(
            32,
            6,
            &[&flag, &n8],
            DNP3_ANALOG_INPUT_EVENT_DPWOTIME,
            format!("129 {two}"),
        );
        add(
            32,
            7,
            &[&flag, &n4, &time],
            DNP3_ANALOG_INPUT_EVENT_SPWTIME,
            format!("129 {v4} {t48}"),
        );
        add(
            32,
            8,
            &[&flag, &n8, &time],
            DNP3_ANALOG_INPUT_EVENT_DPWTIME,
            format!("129 {two} {t48}"),
        );
        add(
            33,
            1,
            &[&flag, &n4],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_32WOTIME,
            format!("129 {v4}"),
        );
        add(
            33,
            2,
            &[&flag, &n2],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_16WOTIME,
            format!("129 {v2}"),
        );
        add(
            33,
            3,
            &[&flag, &n4, &time],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_32WTIME,
            format!("129 {v4} {t48}"),
        );
        add(
            33,
            4,
            &[&flag, &n2, &time],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_16WTIME,
            format!("129 {v2} {t48}"),
        );
        add(
            33,
            5,
            &[&flag, &n4],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_SPWOTIME,
            format!("129 {v4}"),
        );
        add(
            33,
            6,
            &[&flag, &n8],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_DPWOTIME,
            format!("129 {two}"),
        );
        add(
            33,
            7,
            &[&flag, &n4, &time],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_SPWTIME,
            format!("129 {v4} {t48}"),
        );
        add(
            33,
            8,
            &[&flag, &n8, &time],
            DNP3_FROZEN_ANALOG_INPUT_EVENT_DPWTIME,
            format!("129 {two} {t48}"),
        );
        add(12, 1, &[&[3, 1], &n4, &n4, &[0]], DNP3_CROB, format!("3 1 {v4} {v4} 0"));
        add(12, 2, &[&[3, 1], &n4, &n4, &[0]], DNP3_PCB, format!("3 1 {v4} {v4} 0"));
        add(0, 240, &[&[2, 2], b"ab"], DNP3_ATTRIBUTE_COMMON, "2 2 ab".into());
        add(
            70,
            5,
            &[&n4, &n4, b"data"],
            DNP3_FILE_TRANSPORT,
            format!("{v4} {v4} data"),
        );
        add(1, 2, &[&flag], DNP3_RESPONSE_DATA_OBJECT, "129".into());
        c
    };
    for (group, variation, object, id, told) in cases {
        // A range of one point, and the same with a prefix of one byte before it.
        for (qualifier, number) in [(&[0x00, 7, 7][..], None), (&[0x17, 1], Some(9))] {
            let mut app = vec![0xc0, 0x81, 0, 0, group, variation];
            app.extend(qualifier);
            app.extend(number);
            app.extend(&object);
            let got = talk("DNP3_TCP", Transport::Tcp, &[(false, &dnp3(&app))]);
            let whole = format!("{id:?} ? false {told}");
            assert!(got.contains(&whole), "{group}.{variation}: no {whole} in {got:#?}");
            let obj = u64::from(group) << 8 | u64::from(variation);
            let header = match number {
                None => format!("{:?} ? false {obj} 0 1 7 7", events::DNP3_OBJECT_HEADER),
                Some(_) => format!("{:?} ? false {obj} 23 1 65535 65535", events::DNP3_OBJECT_HEADER),
            };
            assert!(got.contains(&header), "{group}.{variation}: no {header} in {got:#?}");
            if let Some(n) = number {
                let prefix = format!("{:?} ? false {n}", events::DNP3_OBJECT_PREFIX);
                assert!(got.contains(&prefix), "{got:#?}");
            }
        }
    }
}
