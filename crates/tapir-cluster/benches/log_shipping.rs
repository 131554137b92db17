//! How many log lines a second go from a worker to a logger over TCP, and what a stalled logger does to its senders.
//!
//!     cargo bench -p tapir-cluster

use std::sync::Arc;
use std::time::{Duration, Instant};

use tapir_cluster::zeromq::{Config, Forwarder, ForwarderConfig, Lib, ZeroMq};
use tapir_cluster::{Backend, Incoming, LogBatch};
use tapir_logging::{CellRef, Column, RowEncoder};

/// Lines per batch, as `Log::write_buffer_size`.
const BATCH: u32 = 1000;
const LINES: u32 = 1_000_000;

/// Rows like those of conn.log.
fn batch() -> LogBatch {
    let columns: Vec<Column> = [
        "time",
        "string",
        "addr",
        "port",
        "addr",
        "port",
        "enum",
        "string",
        "interval",
        "count",
        "count",
        "string",
        "bool",
        "bool",
        "count",
        "string",
        "count",
        "count",
        "count",
        "count",
        "set[string]",
        "count",
    ]
    .iter()
    .enumerate()
    .map(|(i, t)| Column {
        name: format!("field{i}"),
        type_name: (*t).into(),
        optional: i > 6,
    })
    .collect();
    let mut rows = Vec::new();
    let mut enc = RowEncoder::new(&mut rows);
    for i in 0..BATCH {
        let mut addr = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
        addr[14] = i as u8;
        for cell in [
            CellRef::Time(1_700_000_000.0 + f64::from(i)),
            CellRef::Str(b"CHhAvVGS1DHFjwGM9"),
            CellRef::Addr(addr),
            CellRef::Port(50_000, 6),
            CellRef::Addr(addr),
            CellRef::Port(443, 6),
            CellRef::Name(b"tcp"),
            CellRef::Str(b"ssl"),
            CellRef::Interval(1.25),
            CellRef::Count(512),
            CellRef::Count(4096),
            CellRef::Str(b"SF"),
            CellRef::Bool(true),
            CellRef::Bool(false),
            CellRef::Count(0),
            CellRef::Str(b"ShADadFf"),
            CellRef::Count(10),
            CellRef::Count(1032),
            CellRef::Count(12),
            CellRef::Count(5000),
            CellRef::Unset,
            CellRef::Count(6),
        ] {
            enc.cell(cell);
        }
    }
    LogBatch {
        stream: "Conn::LOG".into(),
        writer: "Log::WRITER_ASCII".into(),
        filter: "default".into(),
        path: "conn".into(),
        topic: None,
        columns: Arc::from(columns),
        n_rows: BATCH,
        rows,
    }
}

fn node(f: &Forwarder, config: Config) -> ZeroMq {
    let mut node = ZeroMq::new(Config {
        connect_xpub_endpoint: f.xsub_endpoint.clone(),
        connect_xsub_endpoint: f.xpub_endpoint.clone(),
        ..config
    })
    .expect("a node");
    node.start().expect("a node that runs");
    node
}

fn main() {
    let lib = match Lib::load() {
        Ok(lib) => lib,
        Err(e) => return eprintln!("skipped: {e}"),
    };
    let any = || "tcp://127.0.0.1:*".to_owned();
    let forwarder = Forwarder::start(
        &lib,
        &ForwarderConfig {
            listen_xpub_endpoint: any(),
            listen_xsub_endpoint: any(),
            ..ForwarderConfig::default()
        },
    )
    .expect("a forwarder");
    let logger = || {
        node(
            &forwarder,
            Config {
                listen_log_endpoint: any(),
                ..Config::default()
            },
        )
    };
    let worker = |logger: &ZeroMq| {
        node(
            &forwarder,
            Config {
                connect_log_endpoints: vec![logger.log_endpoint().expect("an endpoint").into()],
                ..Config::default()
            },
        )
    };
    let rows = batch();

    let mut sink = logger();
    let mut source = worker(&sink);
    let start = Instant::now();
    let sender = std::thread::spawn({
        let rows = rows.clone();
        move || {
            let mut sent = 0;
            while sent < LINES {
                match source.ship(rows.clone()) {
                    Ok(()) => sent += BATCH,
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
            // The worker must live until all is there.
            source
        }
    });
    let (mut got, mut out) = (0, Vec::new());
    while got < LINES {
        sink.wait(Duration::from_secs(1));
        sink.poll(100, &mut out);
        for message in out.drain(..) {
            if let Incoming::Logs(batch) = message {
                got += batch.n_rows;
            }
        }
    }
    let took = start.elapsed().as_secs_f64();
    println!("{:.0} lines/s through PUSH and PULL", f64::from(LINES) / took);
    drop(sender.join());

    // Nobody takes from this one.
    let stalled = logger();
    let mut source = worker(&stalled);
    let (mut longest, mut refused) = (Duration::ZERO, 0u64);
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let rows = rows.clone();
        let start = Instant::now();
        if source.ship(rows).is_err() {
            refused += u64::from(BATCH);
            std::thread::sleep(Duration::from_micros(200));
        }
        longest = longest.max(start.elapsed());
    }
    let counters = source.counters();
    println!(
        "a stalled logger: {} lines sent, {} refused and counted, longest call {longest:?}",
        counters.log_rows_out, counters.log_row_drops
    );
    assert_eq!(counters.log_row_drops, refused);
}
