##! Handles peers that do not keep up.

@load base/frameworks/broker/backpressure
