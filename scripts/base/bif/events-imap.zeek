##! Events raised by native code: imap.

global imap_capabilities: event(c: connection, capabilities: string_vec);
global imap_starttls: event(c: connection);
