##! What makes a node of a cluster one that is managed. Agents load it in the nodes that they start.

@load ./main
