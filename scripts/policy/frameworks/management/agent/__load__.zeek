##! Loaded in a supervisor, starts the agent that manages this instance: `tapir -j policy/frameworks/management/agent`.

@load ./boot
