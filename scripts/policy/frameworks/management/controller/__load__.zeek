##! Loaded in a supervisor, starts the controller of a cluster: `tapir -j policy/frameworks/management/controller`.

@load ./boot
