##! What every run has, also in bare mode: logging, input, files, analyzers, the cluster, and the packet analyzers.

@load base/frameworks/logging
@load base/frameworks/broker
@load base/frameworks/supervisor
@load base/frameworks/input
@load base/frameworks/cluster
@load base/frameworks/analyzer
@load base/frameworks/files
@load base/frameworks/storage/main
@load base/frameworks/telemetry/options
@load base/packet-protocols
