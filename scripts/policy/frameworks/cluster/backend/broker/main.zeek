##! Connects the nodes of a cluster with Broker.

@load base/frameworks/cluster
@load base/frameworks/broker

redef Cluster::backend = Cluster::CLUSTER_BACKEND_BROKER;
