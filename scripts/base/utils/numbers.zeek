##! Numbers in text.

## The first (or the last) number in a text, 0 if there is none.
global extract_count: function(s: string, get_first: bool &default=T): count;

function extract_count(s: string, get_first: bool &default=T): count
	{
	local found = find_all_ordered(s, /[0-9]+/);

	if ( |found| == 0 )
		return 0;

	return to_count(get_first ? found[0] : found[|found| - 1]);
	}
