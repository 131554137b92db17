//! Options that scripts know and that have nothing to do here: they tune libraries or ways of working that this program does
//! without. Who sets one is told, so that nobody waits for an effect.

use tapir_builtins::util::VmText;
use tapir_data::text::{Style, render};
use tapir_vm::{Host as _, Severity, Vm};

use crate::host::EngineHost;

const ANALYZERS: &str = "analyzers share one limit, BinPAC::flowbuffer_capacity_max";
const CAPTURE: &str = "packets are waited for with the system's own means";
const PEERINGS: &str = "peerings need no threads of a library that could be tuned";
const PEERING_LOG: &str = "what peerings have to say goes to reporter.log";
const METRICS: &str = "metrics are made before anybody asks for them, and served by one thread";
const SPICY: &str = "Spicy analyzers are not built in";

/// The options, their defaults as they are printed, and why they have no effect.
const IDLE: [(&str, &str, &str); 29] = [
    ("BinPAC::flowbuffer_capacity_min", "512", ANALYZERS),
    ("BinPAC::flowbuffer_contract_threshold", "2097152", ANALYZERS),
    ("Broker::aggressive_interval", "4", PEERINGS),
    ("Broker::aggressive_polls", "5", PEERINGS),
    ("Broker::disable_ssl", "F", "peerings are never encrypted"),
    ("Broker::log_severity_level", "Broker::LOG_WARNING", PEERING_LOG),
    ("Broker::log_stderr_severity_level", "Broker::LOG_CRITICAL", PEERING_LOG),
    ("Broker::max_threads", "1", PEERINGS),
    ("Broker::moderate_interval", "2", PEERINGS),
    ("Broker::moderate_polls", "5", PEERINGS),
    ("Broker::moderate_sleep", "16.0 msecs", PEERINGS),
    ("Broker::relaxed_interval", "1", PEERINGS),
    ("Broker::relaxed_sleep", "64.0 msecs", PEERINGS),
    ("Broker::scheduler_policy", "sharing", PEERINGS),
    ("Pcap::non_fd_timeout", "20.0 usecs", CAPTURE),
    ("Spicy::abort_on_exceptions", "F", SPICY),
    ("Spicy::enable_print", "F", SPICY),
    ("Spicy::enable_profiling", "F", SPICY),
    ("Spicy::max_file_depth", "5", SPICY),
    ("Spicy::show_backtraces", "F", SPICY),
    ("Telemetry::callback_timeout", "5.0 secs", METRICS),
    ("Telemetry::civetweb_threads", "2", METRICS),
    ("WebSocket::use_spicy_analyzer", "F", SPICY),
    ("io_poll_interval_default", "100", CAPTURE),
    ("io_poll_interval_live", "10", CAPTURE),
    ("login_prompts", "{\n\n}", "logins are recognized without their prompts"),
    (
        "sig_max_group_size",
        "50",
        "patterns of signatures are matched all at once",
    ),
    (
        "watchdog_interval",
        "10.0 secs",
        "analysis is bounded, and needs no watchdog",
    ),
    (
        "Pcap::bufsize_offline_bytes",
        "131072",
        "captures are read in pieces of their own size",
    ),
];

/// Says which options have been set in vain.
pub fn tell(vm: &mut Vm, host: &mut EngineHost) {
    for (name, default, why) in IDLE {
        let Some(value) = vm.global_value(name) else {
            continue;
        };
        if render(&VmText(vm), &value, Style::Print) == default.as_bytes() {
            continue;
        }
        let text = format!("{name} has no effect: {why}");
        if host.says_first(&text) {
            let place = vm.origin_of(name);
            vm.report(host, Severity::Warning, text, place);
        }
    }
}
