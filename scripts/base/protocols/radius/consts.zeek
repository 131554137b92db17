##! Types of messages in RADIUS.

module RADIUS;

const msg_types: table[count] of string = {
	[1] = "Access-Request",
	[2] = "Access-Accept",
	[3] = "Access-Reject",
	[4] = "Accounting-Request",
	[5] = "Accounting-Response",
	[6] = "Access-Status",
	[7] = "Password-Request",
	[8] = "Password-Ack",
	[9] = "Password-Reject",
	[10] = "Accounting-Message",
	[11] = "Access-Challenge",
	[12] = "Status-Server",
	[13] = "Status-Client",
} &default=function(i: count): string { return fmt("unknown-%d", i); };
