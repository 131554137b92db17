##! Requests that wait for answers of others: what connects the one with the other, and gives up after a while.

@load ./config
@load ./types

module Management::Request;

export {
	## What is known of a request. Who waits for something adds what it needs.
	type Request: record {
		id: string;
		## The request that this one is for.
		parent_id: string &optional;
		## What will be answered, as far as it is known.
		results: Management::ResultVec &default=vector();
		finished: bool &default=F;
	};

	redef record Request += {
		## Called when the request is finished.
		finish: function(req: Request) &optional;
	};

	## How long a request may take.
	const timeout_interval = 10sec &redef;

	## Stands for no request.
	global null_req = Request($id="", $finished=T);

	## A request took too long.
	global request_expired: event(req: Request);

	global create: function(reqid: string &default=unique_id("")): Request;

	## The request of an id, or null_req.
	global lookup: function(reqid: string): Request;

	## Ends a request. Gives whether there was one.
	global finish: function(reqid: string): bool;

	global is_null: function(request: Request): bool;

	## For people.
	global to_string: function(request: Request): string;
}

function give_up(pending: table[string] of Request, reqid: string): interval
	{
	local req = pending[reqid];

	if ( ! req$finished )
		event request_expired(req);

	return 0sec;
	}

global pending: table[string] of Request &create_expire=timeout_interval &expire_func=give_up;

function create(reqid: string &default=unique_id("")): Request
	{
	local req = Request($id=reqid);
	pending[reqid] = req;
	return req;
	}

function lookup(reqid: string): Request
	{
	return reqid in pending ? pending[reqid] : null_req;
	}

function finish(reqid: string): bool
	{
	if ( reqid !in pending )
		return F;

	local req = pending[reqid];
	delete pending[reqid];
	req$finished = T;

	if ( req?$finish )
		req$finish(req);

	return T;
	}

function is_null(request: Request): bool
	{
	return request$id == "";
	}

function to_string(request: Request): string
	{
	local parent = request?$parent_id ? fmt(" for %s", request$parent_id) : "";
	local results = Management::result_vec_to_string(request$results);
	return fmt("request %s%s, %s, results: [%s]", request$id, parent, request$finished ? "finished" : "pending", results);
	}
