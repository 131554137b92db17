##! Gives the bodies of messages to the file analysis.

@load base/frameworks/files
@load base/utils/conn-ids
@load ./main
@load ./entities
@load ./utils

module HTTP;

export {
	## Names the file that a body belongs to.
	global get_file_handle: function(c: connection, is_orig: bool): string;

	## Describes a file by the request it came with.
	global describe_file: function(f: fa_file): string;
}

function get_file_handle(c: connection, is_orig: bool): string
	{
	if ( ! c?$http )
		return "";

	# Ranges of one document are put together over connections.
	if ( c$http$range_request && ! is_orig )
		return cat(Analyzer::ANALYZER_HTTP, is_orig, c$id$orig_h, build_url(c$http));

	return cat(Analyzer::ANALYZER_HTTP, c$start_time, is_orig, c$http$trans_depth,
	           is_orig ? c$http$orig_mime_depth : c$http$resp_mime_depth, id_string(c$id));
	}

function describe_file(f: fa_file): string
	{
	if ( f$source != "HTTP" || ! f?$conns )
		return "";

	for ( cid, c in f$conns )
		if ( c?$http )
			return build_url_http(c$http);

	return "";
	}

event zeek_init() &priority=5
	{
	Files::register_protocol(Analyzer::ANALYZER_HTTP, Files::ProtoRegistration(
		$get_file_handle=HTTP::get_file_handle, $describe=HTTP::describe_file));
	}
