##! Calls a function about a connection again and again while it lives.

module ConnPolling;

export {
	## Calls *callback* with *cnt* after *i*. The interval that the callback
	## returns is the time to the next call; a negative one ends the polling.
	global watch: function(c: connection, callback: function(c: connection, cnt: count): interval,
	                       cnt: count, i: interval);
}

global check: event(c: connection, callback: function(c: connection, cnt: count): interval, cnt: count);

function watch(c: connection, callback: function(c: connection, cnt: count): interval,
               cnt: count, i: interval)
	{
	schedule i { ConnPolling::check(c, callback, cnt) };
	}

event check(c: connection, callback: function(c: connection, cnt: count): interval, cnt: count)
	{
	if ( ! connection_exists(c$id) )
		return;

	# Brings the record up to date with what the connection did since.
	local now = lookup_connection(c$id);
	local again = callback(now, cnt);

	if ( again >= 0secs )
		watch(now, callback, cnt + 1, again);
	}
