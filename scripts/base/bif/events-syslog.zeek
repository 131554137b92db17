##! Events raised by native code: syslog.

global syslog_message: event(c: connection, facility: count, severity: count, msg: string);
