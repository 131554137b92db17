##! Events raised by native code: ntp.

global ntp_message: event(c: connection, is_orig: bool, msg: NTP::Message);
