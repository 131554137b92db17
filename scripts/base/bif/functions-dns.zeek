##! Built-in functions: dns.

global lookup_addr: function(host: addr): string;
global lookup_hostname_txt: function(host: string): string;
global lookup_hostname: function(host: string): addr_set;
global blocking_lookup_hostname: function(host: string): addr_set;
