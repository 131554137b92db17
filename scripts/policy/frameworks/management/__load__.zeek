##! What controllers, agents and nodes have in common. Load `management/controller` or `management/agent` to run one.

@load ./types
@load ./config
@load ./log
@load ./persistence
@load ./request
@load ./util
