# Broker's data stores: changes, queries, expiry, clones, and files that keep what was stored.
@load base/frameworks/cluster

redef exit_only_after_terminate = T;

global h: opaque of Broker::Store;
global c: opaque of Broker::Store;
global step: event(n: count);

function show(what: string, r: Broker::QueryResult)
	{
	print what, r$status, r$result;
	event step(0);
	}

global todo: vector of string = { "n", "s", "set", "tab", "v", "time", "missing", "short" };

event step(n: count)
	{
	if ( |todo| == 0 )
		return;
	local k = todo[0];
	todo = todo[1:];
	when [k] ( local r = Broker::get(c, k) )
		{
		show(k, r);
		if ( k == "short" )
			event step(1);
		}
	timeout 30sec { print "no answer for", k; terminate(); }
	print "asked", k;
	}

event step(n: count) &priority=-5
	{
	if ( n != 1 )
		return;
	when ( local ks = Broker::keys(h) )
		{
		print ks$result;
		when ( local i = Broker::get_index_from_value(h, "tab", "l") )
			{
			print i$result, i$result as count;
			when ( local u = Broker::put_unique(h, "n", 5) )
				{
				print u;
				print Broker::close(h), Broker::is_closed(h), Broker::is_closed(c);
				print Broker::put(c, "late", 1);
				h = Broker::create_master("kept", Broker::SQLITE);
				when ( local again = Broker::get(h, "n") )
					{
					print again$result as count;
					print Broker::clear(h), Broker::close(h);
					terminate();
					}
				timeout 30sec { print "no answer"; terminate(); }
				}
			timeout 30sec { print "no answer"; terminate(); }
			}
		timeout 30sec { print "no answer"; terminate(); }
		}
	timeout 30sec { print "no answer"; terminate(); }
	}

event zeek_init()
	{
	h = Cluster::create_store("kept", T)$store;
	c = Broker::create_clone("kept");
	print type_name(h), h, Broker::store_name(c), get_broker_stats()$num_stores;
	print Broker::put(h, "n", 3), Broker::increment(h, "n", 2), Broker::decrement(c, "n");
	print Broker::append(h, "s", "abc"), Broker::append(c, "s", "d");
	print Broker::insert_into_set(h, "set", 1.2.3.4), Broker::insert_into_set(h, "set", 1.2.3.5), Broker::remove_from(h, "set", 1.2.3.4);
	print Broker::insert_into_table(h, "tab", "k", 1), Broker::insert_into_table(c, "tab", "l", 2), Broker::remove_from(h, "tab", "k");
	print Broker::push(h, "v", 80/tcp), Broker::push(h, "v", 53/udp), Broker::push(h, "v", 1/tcp), Broker::pop(h, "v");
	print Broker::put(h, "time", 5sec), Broker::increment(h, "time", 1min);
	print Broker::put(h, "short", T, 1usec), Broker::erase(h, "erased");
	event step(0);
	}
