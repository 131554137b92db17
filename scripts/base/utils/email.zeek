##! E-mail addresses in text.

module GLOBAL;

export {
	global extract_email_addrs_vec: function(str: string): string_vec;
	global extract_email_addrs_set: function(str: string): set[string];

	## The first address, or an empty string.
	global extract_first_email_addr: function(str: string): string;

	## The entries of a header field with several recipients, each with its display name.
	global split_mime_email_addresses: function(line: string): set[string];
}

const email_addr_regex = /[^[:space:]"<>(),:;\\@\[\]]+@[^[:space:]"<>(),:;\\@\[\]]+/;
const mime_recipient_regex = /(\"[^\"]*\"|[^\",])+/;

function extract_email_addrs_vec(str: string): string_vec
	{
	return find_all_ordered(str, email_addr_regex);
	}

function extract_email_addrs_set(str: string): set[string]
	{
	return find_all(str, email_addr_regex);
	}

function extract_first_email_addr(str: string): string
	{
	return find_first(str, email_addr_regex);
	}

function split_mime_email_addresses(line: string): set[string]
	{
	local out: set[string] = set();

	for ( _, part in find_all_ordered(line, mime_recipient_regex) )
		{
		if ( "@" in part )
			add out[strip(part)];
		}

	return out;
	}
