##! What is different where the nodes of one process read a capture.

@load ./__load__

# A capture ends, and its logs with it: they stay as they are, as those of a node alone do.
redef Log::default_rotation_interval = 0secs;

# A worker whose share is small is no sign of loss here.
@ifdef ( CaptureLoss::minimum_acks )
redef CaptureLoss::minimum_acks = 0;
@endif
