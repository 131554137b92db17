##! Counts what goes between Broker's peers.

@load base/frameworks/telemetry
