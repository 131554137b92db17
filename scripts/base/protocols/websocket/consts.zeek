##! Frames of the WebSocket protocol.

module WebSocket;

export {
	## Types of frames.
	const opcodes: table[count] of string = {
		[0] = "continuation",
		[1] = "text",
		[2] = "binary",
		[8] = "close",
		[9] = "ping",
		[10] = "pong",
	} &default=function(opcode: count): string { return fmt("unknown-%x", opcode); } &redef;
}
