##! Built-in functions: anonymization.

global preserve_prefix: function(a: addr, width: count): any;
global preserve_subnet: function(a: subnet): any;
global anonymize_addr: function(a: addr, cl: IPAddrAnonymizationClass): addr;
