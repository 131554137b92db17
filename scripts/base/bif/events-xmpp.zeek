##! Events raised by native code: xmpp.

global xmpp_starttls: event(c: connection);
