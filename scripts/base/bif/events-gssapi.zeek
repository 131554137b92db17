##! Events raised by native code: gssapi.

global gssapi_neg_result: event(c: connection, state: count);
