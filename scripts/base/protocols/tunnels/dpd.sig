# Tunnels are recognised by the packet analyzers themselves, which look at whole
# packets; there is nothing for the stream matcher to do.
