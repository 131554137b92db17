@load ./utils
@load ./main
@load ./netstats
@load ./cluster
