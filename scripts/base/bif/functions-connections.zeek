##! Built-in functions: connections.

global lookup_connection_analyzer_id: function(cid: conn_id, atype: AllAnalyzers::Tag): count;
global disable_analyzer: function(cid: conn_id, aid: count, err_if_no_conn: bool &default=T, prevent: bool &default=F): bool;
global skip_further_processing: function(cid: conn_id): bool;
## Whether packets of a connection from now on are written to the file of `-w`; `record_all_packets` writes them all the same.
## False for a connection that is not there.
global set_record_packets: function(cid: conn_id, do_record: bool): bool;
global set_inactivity_timeout: function(cid: conn_id, t: interval): interval;

module Conn;

# The record of conn.log, in the field `conn`: begun with a connection, filled when it ends.
global __begin_record: function(c: connection);
global __finish_record: function(c: connection);

module FilteredTraceDetection;

# Whether all connections that have ended were of TCP, and none had data.
global __saw_only_control: function(): bool;
