##! A first-in, first-out queue of any values.

module Queue;

export {
	type Settings: record {
		## Beyond this length the oldest element makes way.
		max_len: count &optional;
	};

	type Queue: record {
		initialized: bool &default=F;
		vals: table[count] of any &optional;
		settings: Settings &optional;
		## One above the newest and the oldest element.
		top: count &default=0;
		bottom: count &default=0;
		size: count &default=0;
	};

	global init: function(s: Settings &default=[]): Queue;
	global put: function(q: Queue, val: any);

	## Takes the oldest element out. The queue must not be empty.
	global get: function(q: Queue): any;

	## The oldest element, which stays.
	global peek: function(q: Queue): any;

	## A queue with the elements of both.
	global merge: function(q1: Queue, q2: Queue): Queue;
	global len: function(q: Queue): count;

	## Copies the elements, oldest first, into a vector.
	global get_vector: function(q: Queue, ret: vector of any);
}

function setup(q: Queue)
	{
	q$vals = table();
	q$initialized = T;

	if ( ! q?$settings )
		q$settings = Settings();
	}

function init(s: Settings &default=[]): Queue
	{
	local q = Queue($settings=copy(s));
	setup(q);
	return q;
	}

function put(q: Queue, val: any)
	{
	if ( ! q$initialized )
		setup(q);

	if ( q$settings?$max_len && q$size >= q$settings$max_len )
		{
		if ( q$settings$max_len == 0 )
			return;

		get(q);
		}

	q$vals[q$top] = val;
	++q$top;
	++q$size;
	}

function get(q: Queue): any
	{
	local val = q$vals[q$bottom];
	delete q$vals[q$bottom];
	++q$bottom;
	--q$size;
	return val;
	}

function peek(q: Queue): any
	{
	return q$vals[q$bottom];
	}

function len(q: Queue): count
	{
	return q$size;
	}

function merge(q1: Queue, q2: Queue): Queue
	{
	local q = init(q1?$settings ? q1$settings : Settings());

	for ( _, source in vector(q1, q2) )
		{
		local i = source$bottom;

		while ( i < source$top )
			{
			put(q, source$vals[i]);
			++i;
			}
		}

	return q;
	}

function get_vector(q: Queue, ret: vector of any)
	{
	local i = q$bottom;
	local at = 0;

	while ( i < q$top )
		{
		ret[at] = q$vals[i];
		++i;
		++at;
		}
	}
