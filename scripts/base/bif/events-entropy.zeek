##! Events raised by native code: entropy.

global file_entropy: event(f: fa_file, ent: entropy_test_result);
