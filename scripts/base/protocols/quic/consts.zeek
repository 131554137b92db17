##! Versions of QUIC.

module QUIC;

export {
	const version_strings: table[count] of string = {
		[1] = "1",
		[1798521807] = "quicv2",
		[4207849473] = "mvfst (faceb001)",
		[4207849474] = "mvfst (faceb002)",
		[4207849486] = "mvfst (faceb00e)",
		[4207849489] = "mvfst (faceb011)",
		[4207849490] = "mvfst (faceb012)",
		[4207849491] = "mvfst (faceb013)",
		[4278190102] = "draft-22",
		[4278190103] = "draft-23",
		[4278190104] = "draft-24",
		[4278190105] = "draft-25",
		[4278190106] = "draft-26",
		[4278190107] = "draft-27",
		[4278190108] = "draft-28",
		[4278190109] = "draft-29",
		[4278190110] = "draft-30",
		[4278190111] = "draft-30",
		[4278190112] = "draft-32",
		[4278190113] = "draft-33",
		[4278190114] = "draft-34",
	} &default=function(version: count): string { return fmt("unknown-%x", version); };
}
