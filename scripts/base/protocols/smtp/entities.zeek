##! The parts of mail messages.

@load base/frameworks/files
@load base/utils/strings
@load base/utils/files
@load ./main

module SMTP;

export {
	type Entity: record {
		filename: string &optional;
	};

	redef record Info += {
		entity_count: count &default=0;
		entity: Entity &optional;
	};

	redef record State += {
		mime_depth: count &default=0;
	};
}

event mime_begin_entity(c: connection) &priority=10
	{
	if ( ! c?$smtp )
		return;

	c$smtp$entity = Entity();
	++c$smtp$entity_count;

	# Headers of parts are not those of the message.
	if ( c$smtp$entity_count > 1 )
		c$smtp$process_smtp_headers = F;

	++c$smtp_state$mime_depth;
	}

event mime_one_header(c: connection, h: mime_header_rec) &priority=3
	{
	if ( ! c?$smtp || ! c$smtp?$entity )
		return;

	if ( h$name == "CONTENT-DISPOSITION" )
		{
		if ( /[fF][iI][lL][eE][nN][aA][mM][eE]/ in h$value )
			c$smtp$entity$filename = extract_filename_from_content_disposition(h$value);
		}
	else if ( h$name == "CONTENT-TYPE" )
		{
		if ( /[nN][aA][mM][eE][[:blank:]]*=/ in h$value )
			c$smtp$entity$filename = extract_filename_from_content_disposition(h$value);
		}
	}

event mime_end_entity(c: connection) &priority=5
	{
	if ( c?$smtp && c$smtp?$entity )
		delete c$smtp$entity;
	}
