##! Built-in functions: entropy.

global find_entropy: function(data: string): entropy_test_result;
global entropy_test_init: function(): opaque of entropy;
global entropy_test_add: function(handle: opaque of entropy, data: string): bool;
global entropy_test_finish: function(handle: opaque of entropy): entropy_test_result;
