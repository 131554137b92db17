##! Keeps the beginning of each part of a mail.

@load base/protocols/smtp/entities

module SMTP;

export {
	redef record SMTP::Entity += {
		excerpt: string &log &default="";
	};

	## How many bytes are kept.
	option default_entity_excerpt_len = 0;
}

function take_excerpt(f: fa_file)
	{
	if ( f$source != "SMTP" || default_entity_excerpt_len == 0 || ! f?$bof_buffer || ! f?$conns )
		return;

	for ( cid, c in f$conns )
		{
		if ( c?$smtp && c$smtp?$entity )
			c$smtp$entity$excerpt = f$bof_buffer[0:default_entity_excerpt_len];
		}
	}

event file_new(f: fa_file) &priority=5
	{
	take_excerpt(f);
	}

# The beginning of the file is there when its type is looked for.
event file_sniff(f: fa_file, meta: fa_metadata) &priority=5
	{
	take_excerpt(f);
	}
