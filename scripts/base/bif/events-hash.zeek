##! Events raised by native code: hash.

global file_hash: event(f: fa_file, kind: string, hash: string);
