@load ./ja3
@load ./ja3s
