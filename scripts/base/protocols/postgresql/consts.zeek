##! Names of the numbers and letters in PostgreSQL's protocol.

module PostgreSQL;

export {
	## Fields of errors and notices.
	global error_ids: table[string] of string = {
		["C"] = "Code",
		["D"] = "Detail",
		["F"] = "File",
		["H"] = "Hint",
		["L"] = "Line",
		["M"] = "Message",
		["P"] = "Position",
		["R"] = "Routine",
		["S"] = "SeverityLocalized",
		["V"] = "Severity",
		["W"] = "Where",
		["c"] = "Column",
		["d"] = "Data",
		["n"] = "Constraint",
		["p"] = "InternalPosition",
		["q"] = "InternalQuery",
		["s"] = "Schema",
		["t"] = "Table",
	} &default=function(s: string): string { return fmt("Unknown_%s", s); } &redef;

	## Ways to authenticate.
	global auth_ids: table[count] of string = {
		[2] = "KerberosV5",
		[3] = "CleartextPassword",
		[5] = "MD5Password",
		[7] = "GSSAPI",
		[8] = "GSSAPIContinue",
		[9] = "SSPI",
		[10] = "SASL",
		[11] = "SASLContinue",
		[12] = "SASLFinal",
	} &default=function(id: count): string { return fmt("unknown (%s)", id); } &redef;
}
