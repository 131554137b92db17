##! What the supervisor of an instance does for its agent.

@load ./main
