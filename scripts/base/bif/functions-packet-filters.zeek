##! Built-in functions: packet filters.

global install_src_addr_filter: function(ip: addr, tcp_flags: count, prob: double): bool;
global install_src_net_filter: function(snet: subnet, tcp_flags: count, prob: double): bool;
global uninstall_src_addr_filter: function(ip: addr): bool;
global uninstall_src_net_filter: function(snet: subnet): bool;
global install_dst_addr_filter: function(ip: addr, tcp_flags: count, prob: double): bool;
global install_dst_net_filter: function(snet: subnet, tcp_flags: count, prob: double): bool;
global uninstall_dst_addr_filter: function(ip: addr): bool;
global uninstall_dst_net_filter: function(snet: subnet): bool;
