##! Frames of the WebSocket protocol.

module WebSocket;

export {
	const OPCODE_CONTINUATION = 0;
	const OPCODE_TEXT = 1;
	const OPCODE_BINARY = 2;
	const OPCODE_CLOSE = 8;
	const OPCODE_PING = 9;
	const OPCODE_PONG = 10;

	const opcodes: table[count] of string = {
		[0] = "continuation",
		[1] = "text",
		[2] = "binary",
		[8] = "close",
		[9] = "ping",
		[10] = "pong",
	} &default=function(opcode: count): string { return fmt("unknown-%x", opcode); } &redef;

	## Mixed into the key that the server answers.
	const HANDSHAKE_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
}
