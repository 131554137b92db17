##! Sends HTTP requests of its own, with curl.

@load base/utils/exec

module ActiveHTTP;

export {
	## How long a request may take.
	option default_max_time: interval = 1min &redef;
	option default_method: string = "GET" &redef;

	type Request: record {
		url: string;
		method: string &default=default_method;
		## The body to send.
		client_data: string &optional;
		max_time: interval &default=default_max_time;
		## More arguments for curl.
		addl_curl_args: string &optional;
	};

	type Response: record {
		code: count;
		msg: string;
		body: string &optional;
		headers: table[string] of string &optional;
	};

	## Sends a request; to be called in the condition of a `when`.
	global request: function(req: ActiveHTTP::Request): ActiveHTTP::Response;
}

function command_line(req: Request, body_file: string, header_file: string): string
	{
	local cmd = fmt("curl -s -g -o %s -D %s -X %s", safe_shell_quote(body_file), safe_shell_quote(header_file),
	                safe_shell_quote(req$method));

	cmd = fmt("%s -m %.0f", cmd, req$max_time);

	if ( req?$client_data )
		cmd = fmt("%s -d @-", cmd);

	if ( req?$addl_curl_args )
		cmd = fmt("%s %s", cmd, req$addl_curl_args);

	# An empty answer leaves no body file otherwise.
	return fmt("%s %s && touch %s", cmd, safe_shell_quote(req$url), safe_shell_quote(body_file));
	}

function request(req: Request): ActiveHTTP::Response
	{
	local tmp = "/tmp/zeek-activehttp-" + unique_id("");
	local body_file = fmt("%s_body", tmp);
	local header_file = fmt("%s_headers", tmp);

	local cmd = Exec::Command($cmd=command_line(req, body_file, header_file), $read_files=set(body_file, header_file));

	if ( req?$client_data )
		cmd$stdin = req$client_data;

	return when [cmd, body_file, header_file, req] ( local result = Exec::run(cmd) )
		{
		local response = Response($code=0, $msg="", $body="", $headers=table());

		if ( result$exit_code != 0 || ! result?$files || header_file !in result$files )
			{
			Reporter::warning(fmt("HTTP request to %s failed (exit code %d)", req$url, result$exit_code));
			return response;
			}

		if ( body_file in result$files )
			response$body = join_string_vec(result$files[body_file], "\n");

		for ( _, l in result$files[header_file] )
			{
			local text = rstrip(l, "\r\n");

			if ( /^HTTP\// in text )
				{
				local status = split_string_n(text, /[ ]+/, F, 2);

				if ( |status| >= 2 && is_num(status[1]) )
					response$code = to_count(status[1]);

				if ( |status| >= 3 )
					response$msg = status[2];

				next;
				}

			local kv = split_string1(text, /:[ \t]*/);

			if ( |kv| == 2 )
				response$headers[kv[0]] = kv[1];
			}

		return response;
		}
	}
