##! Small helpers for strings.

## Whether at least a quarter of the bytes is no ASCII. The string must not be empty.
global is_string_binary: function(s: string): bool;

## Puts a backslash before each of some characters, and before backslashes.
global string_escape: function(s: string, chars: string): string;

## Drops the end of a string.
global cut_tail: function(s: string, tail_len: count): string;

function is_string_binary(s: string): bool
	{
	return |gsub(s, /[^\x80-\xff]/, "")| * 100 / |s| >= 25;
	}

function string_escape(s: string, chars: string): string
	{
	local out = subst_string(s, "\\", "\\\\");

	for ( c in chars )
		out = subst_string(out, c, "\\" + c);

	return out;
	}

function cut_tail(s: string, tail_len: count): string
	{
	if ( tail_len >= |s| )
		return "";

	return sub_bytes(s, 1, +(|s| - tail_len));
	}
