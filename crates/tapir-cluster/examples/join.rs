//! Joins a running cluster, prints the events of a topic prefix, and publishes one if asked to.
//!
//!     cargo run -p tapir-cluster --example join -- zeek.cluster.
//!     cargo run -p tapir-cluster --example join -- my.topic. zeek.cluster.manager Demo::seen text more-text
//!
//! The addresses of the cluster's forwarder are taken from the environment variables XPUB and XSUB when they are not on this
//! host; the keys of an encrypted one from `ZEEK_CLUSTER_BACKEND_ZEROMQ_CURVE_…`.

use std::time::Duration;

use tapir_cluster::zeromq::{Config, Curve, ZeroMq};
use tapir_cluster::{Backend, Incoming, ident};
use tapir_data::broker::Data;
use tapir_data::broker::event::EventMessage;

fn main() -> Result<(), String> {
    let mut args = std::env::args().skip(1);
    let prefix = args
        .next()
        .ok_or("usage: join PREFIX [TOPIC EVENT ARGUMENT...]; arguments are strings")?;
    let topic = args.next();
    let event = args
        .next()
        .map(|name| EventMessage::new(name, args.map(Data::str).collect()));

    let environment = |name: &str| std::env::var(name).ok();
    let mut config = Config {
        node_id: ident::node_id("zeromq", "example"),
        curve: Curve::default().with_environment(environment)?,
        ..Config::default()
    };
    // What nodes publish comes out of the forwarder's XPUB; what this one publishes goes in at its XSUB.
    if let Some(endpoint) = environment("XPUB") {
        config.connect_xsub_endpoint = endpoint;
    }
    if let Some(endpoint) = environment("XSUB") {
        config.connect_xpub_endpoint = endpoint;
    }
    let mut node = ZeroMq::new(config)?;
    node.subscribe(prefix.as_bytes());
    node.start()?;
    // Before the others' subscriptions are known here, events would reach nobody.
    node.probe();
    loop {
        let mut incoming = Vec::new();
        node.wait(Duration::from_secs(10));
        node.poll(100, &mut incoming);
        for message in incoming {
            match message {
                Incoming::Ready => {
                    if let (Some(topic), Some(event)) = (&topic, &event) {
                        node.publish(topic.as_bytes(), event)
                            .map_err(|why| format!("not published: {why:?}"))?;
                    }
                }
                Incoming::Event { topic, event } => {
                    let mut text = Vec::new();
                    Data::Vector(event.args.to_vec()).text(&mut text);
                    let (topic, args) = (String::from_utf8_lossy(&topic), String::from_utf8_lossy(&text));
                    println!("{topic} {}{args}", event.name);
                }
                Incoming::Fatal(why) => return Err(why),
                Incoming::Error { message, .. } => eprintln!("{message}"),
                _ => {}
            }
        }
    }
}
