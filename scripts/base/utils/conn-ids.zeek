##! Connections in text.

module GLOBAL;

export {
	## ``A:P > B:Q``, from the originator to the responder.
	global id_string: function(id: conn_id): string;

	## ``A:P < B:Q``.
	global reverse_id_string: function(id: conn_id): string;

	## The first form for the originator's side, else the second.
	global directed_id_string: function(id: conn_id, is_orig: bool): string;
}

function id_string(id: conn_id): string
	{
	return fmt("%s:%d > %s:%d", id$orig_h, id$orig_p, id$resp_h, id$resp_p);
	}

function reverse_id_string(id: conn_id): string
	{
	return fmt("%s:%d < %s:%d", id$orig_h, id$orig_p, id$resp_h, id$resp_p);
	}

function directed_id_string(id: conn_id, is_orig: bool): string
	{
	return is_orig ? id_string(id) : reverse_id_string(id);
	}
