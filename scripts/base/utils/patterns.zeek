##! Patterns from texts, and where they match.

module GLOBAL;

export {
	## A pattern that has the alternatives of a set in place of ``~~``.
	global set_to_regex: function(ss: set[string], pat: string): pattern;

	## The first match of a pattern.
	global match_pattern: function(s: string, p: pattern): PatternMatchResult;
}

function set_to_regex(ss: set[string], pat: string): pattern
	{
	local alternatives: string_vec = vector();

	for ( s in ss )
		alternatives += convert_for_pattern(s);

	return string_to_pattern(sub(pat, /~~/, join_string_vec(alternatives, "|")), F);
	}

function match_pattern(s: string, p: pattern): PatternMatchResult
	{
	local parts = split_string_n(s, p, T, 1);

	if ( |parts| < 3 )
		return PatternMatchResult($matched=F, $str="", $off=0);

	return PatternMatchResult($matched=T, $str=parts[1], $off=|parts[0]| + 1);
	}
