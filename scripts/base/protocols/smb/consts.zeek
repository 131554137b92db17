##! Names of the numbers in SMB.

module SMB;

export {
	type StatusCode: record {
		id: string;
		desc: string;
	};

	## Status codes, of NT and of DOS.
	const statuses: table[count] of StatusCode = { } &redef
		&default=function(i: count): StatusCode
			{
			local unknown = fmt("unknown-%d", i);
			return StatusCode($id=unknown, $desc=unknown);
			};

	## Operations of the server service …
	const srv_cmds: table[count] of string = {
		[8] = "NetrConnectionEnum",
		[9] = "NetrFileEnum",
		[10] = "NetrFileGetInfo",
		[11] = "NetrFileClose",
		[12] = "NetrSessionEnum",
		[13] = "NetrSessionDel",
		[14] = "NetrShareAdd",
		[15] = "NetrShareEnum",
		[16] = "NetrShareGetInfo",
		[17] = "NetrShareSetInfo",
		[18] = "NetrShareDel",
		[19] = "NetrShareDelSticky",
		[20] = "NetrShareCheck",
		[21] = "NetrServerGetInfo",
		[22] = "NetrServerSetInfo",
		[23] = "NetrServerDiskEnum",
		[24] = "NetrServerStatisticsGet",
		[25] = "NetrServerTransportAdd",
		[26] = "NetrServerTransportEnum",
		[27] = "NetrServerTransportDel",
		[28] = "NetrRemoteTOD",
		[30] = "NetprPathType",
		[31] = "NetprPathCanonicalize",
		[32] = "NetprPathCompare",
		[33] = "NetprNameValidate",
		[34] = "NetprNameCanonicalize",
		[35] = "NetprNameCompare",
		[36] = "NetrShareEnumSticky",
		[37] = "NetrShareDelStart",
		[38] = "NetrShareDelCommit",
		[39] = "NetrGetFileSecurity",
		[40] = "NetrSetFileSecurity",
		[41] = "NetrServerTransportAddEx",
		[43] = "NetrDfsGetVersion",
		[44] = "NetrDfsCreateLocalPartition",
		[45] = "NetrDfsDeleteLocalPartition",
		[46] = "NetrDfsSetLocalVolumeState",
		[48] = "NetrDfsCreateExitPoint",
		[49] = "NetrDfsDeleteExitPoint",
		[50] = "NetrDfsModifyPrefix",
		[51] = "NetrDfsFixLocalVolume",
		[52] = "NetrDfsManagerReportSiteInfo",
		[53] = "NetrServerTransportDelEx",
		[54] = "NetrServerAliasAdd",
		[55] = "NetrServerAliasEnum",
		[56] = "NetrServerAliasDel",
		[57] = "NetrShareDelEx",
	} &default=function(i: count): string { return fmt("unknown-srv-command-%d", i); } &redef;

	## … and of the workstation service.
	const wksta_cmds: table[count] of string = {
		[0] = "NetrWkstaGetInfo",
		[1] = "NetrWkstaSetInfo",
		[2] = "NetrWkstaUserEnum",
		[5] = "NetrWkstaTransportEnum",
		[6] = "NetrWkstaTransportAdd",
		[7] = "NetrWkstaTransportDel",
		[8] = "NetrUseAdd",
		[9] = "NetrUseGetInfo",
		[10] = "NetrUseDel",
		[11] = "NetrUseEnum",
		[13] = "NetrWorkstationStatisticsGet",
		[20] = "NetrGetJoinInformation",
		[22] = "NetrJoinDomain2",
		[23] = "NetrUnjoinDomain2",
		[24] = "NetrRenameMachineInDomain2",
		[25] = "NetrValidateName2",
		[26] = "NetrGetJoinableOUs2",
		[27] = "NetrAddAlternateComputerName",
		[28] = "NetrRemoveAlternateComputerName",
		[29] = "NetrSetPrimaryComputerName",
		[30] = "NetrEnumerateComputerNames",
	} &default=function(i: count): string { return fmt("unknown-wksta-command-%d", i); } &redef;

	## Operations of one service.
	type rpc_cmd_table: table[count] of string;

	## Services by the ids of their interfaces.
	const rpc_uuids: table[string] of string = {
		["4b324fc8-1670-01d3-1278-5a47bf6ee188"] = "Server Service",
		["6bffd098-a112-3610-9833-46c3f87e345a"] = "Workstation Service",
	} &default=function(i: string): string { return fmt("unknown-uuid-%s", i); } &redef;

	## Operations by service.
	const rpc_sub_cmds: table[string] of rpc_cmd_table = {
		["4b324fc8-1670-01d3-1278-5a47bf6ee188"] = srv_cmds,
		["6bffd098-a112-3610-9833-46c3f87e345a"] = wksta_cmds,
	} &redef &default=function(i: string): rpc_cmd_table
		{
		return table();
		};
}

module SMB1;

export {
	## Commands.
	const commands: table[count] of string = {
		[0x0] = "CREATE_DIRECTORY",
		[0x1] = "DELETE_DIRECTORY",
		[0x2] = "OPEN",
		[0x3] = "CREATE",
		[0x4] = "CLOSE",
		[0x5] = "FLUSH",
		[0x6] = "DELETE",
		[0x7] = "RENAME",
		[0x8] = "QUERY_INFORMATION",
		[0x9] = "SET_INFORMATION",
		[0xa] = "READ",
		[0xb] = "WRITE",
		[0xc] = "LOCK_BYTE_RANGE",
		[0xd] = "UNLOCK_BYTE_RANGE",
		[0xe] = "CREATE_TEMPORARY",
		[0xf] = "CREATE_NEW",
		[0x10] = "CHECK_DIRECTORY",
		[0x11] = "PROCESS_EXIT",
		[0x12] = "SEEK",
		[0x13] = "LOCK_AND_READ",
		[0x14] = "WRITE_AND_UNLOCK",
		[0x1a] = "READ_RAW",
		[0x1b] = "READ_MPX",
		[0x1c] = "READ_MPX_SECONDARY",
		[0x1d] = "WRITE_RAW",
		[0x1e] = "WRITE_MPX",
		[0x1f] = "WRITE_MPX_SECONDARY",
		[0x20] = "WRITE_COMPLETE",
		[0x21] = "QUERY_SERVER",
		[0x22] = "SET_INFORMATION2",
		[0x23] = "QUERY_INFORMATION2",
		[0x24] = "LOCKING_ANDX",
		[0x25] = "TRANSACTION",
		[0x26] = "TRANSACTION_SECONDARY",
		[0x27] = "IOCTL",
		[0x28] = "IOCTL_SECONDARY",
		[0x29] = "COPY",
		[0x2a] = "MOVE",
		[0x2b] = "ECHO",
		[0x2c] = "WRITE_AND_CLOSE",
		[0x2d] = "OPEN_ANDX",
		[0x2e] = "READ_ANDX",
		[0x2f] = "WRITE_ANDX",
		[0x30] = "NEW_FILE_SIZE",
		[0x31] = "CLOSE_AND_TREE_DISC",
		[0x32] = "TRANSACTION2",
		[0x33] = "TRANSACTION2_SECONDARY",
		[0x34] = "FIND_CLOSE2",
		[0x35] = "FIND_NOTIFY_CLOSE",
		[0x70] = "TREE_CONNECT",
		[0x71] = "TREE_DISCONNECT",
		[0x72] = "NEGOTIATE",
		[0x73] = "SESSION_SETUP_ANDX",
		[0x74] = "LOGOFF_ANDX",
		[0x75] = "TREE_CONNECT_ANDX",
		[0x80] = "QUERY_INFORMATION_DISK",
		[0x81] = "SEARCH",
		[0x82] = "FIND",
		[0x83] = "FIND_UNIQUE",
		[0x84] = "FIND_CLOSE",
		[0xa0] = "NT_TRANSACT",
		[0xa1] = "NT_TRANSACT_SECONDARY",
		[0xa2] = "NT_CREATE_ANDX",
		[0xa4] = "NT_CANCEL",
		[0xa5] = "NT_RENAME",
		[0xc0] = "OPEN_PRINT_FILE",
		[0xc1] = "WRITE_PRINT_FILE",
		[0xc2] = "CLOSE_PRINT_FILE",
		[0xc3] = "GET_PRINT_QUEUE",
		[0xd8] = "READ_BULK",
		[0xd9] = "WRITE_BULK",
		[0xda] = "WRITE_BULK_DATA",
		[0xfe] = "INVALID",
		[0xff] = "NO_ANDX_COMMAND",
	} &default=function(i: count): string { return fmt("unknown-%d", i); };

	const trans2_sub_commands: table[count] of string = {
		[0] = "OPEN2",
		[1] = "FIND_FIRST2",
		[2] = "FIND_NEXT2",
		[3] = "QUERY_FS_INFORMATION",
		[4] = "SET_FS_INFORMATION",
		[5] = "QUERY_PATH_INFORMATION",
		[6] = "SET_PATH_INFORMATION",
		[7] = "QUERY_FILE_INFORMATION",
		[8] = "SET_FILE_INFORMATION",
		[9] = "FSCTL",
		[10] = "IOCTL",
		[11] = "FIND_NOTIFY_FIRST",
		[12] = "FIND_NOTIFY_NEXT",
		[13] = "CREATE_DIRECTORY",
		[14] = "SESSION_SETUP",
		[16] = "GET_DFS_REFERRAL",
		[17] = "REPORT_DFS_INCONSISTENCY",
	} &default=function(i: count): string { return fmt("unknown-trans2-sub-cmd-%d", i); };

	const trans_sub_commands: table[count] of string = {
		[1] = "SET_NMPIPE_STATE",
		[17] = "RAW_READ_NMPIPE",
		[33] = "QUERY_NMPIPE_STATE",
		[34] = "QUERY_NMPIPE_INFO",
		[35] = "PEEK_NMPIPE",
		[38] = "TRANSACT_NMPIPE",
		[49] = "RAW_WRITE_NMPIPE",
		[54] = "READ_NMPIPE",
		[55] = "WRITE_NMPIPE",
		[83] = "WAIT_NMPIPE",
		[84] = "CALL_NMPIPE",
	} &default=function(i: count): string { return fmt("unknown-trans-sub-cmd-%d", i); };
}

module SMB2;

export {
	## Commands.
	const commands: table[count] of string = {
		[0] = "NEGOTIATE_PROTOCOL",
		[1] = "SESSION_SETUP",
		[2] = "LOGOFF",
		[3] = "TREE_CONNECT",
		[4] = "TREE_DISCONNECT",
		[5] = "CREATE",
		[6] = "CLOSE",
		[7] = "FLUSH",
		[8] = "READ",
		[9] = "WRITE",
		[10] = "LOCK",
		[11] = "IOCTL",
		[12] = "CANCEL",
		[13] = "ECHO",
		[14] = "QUERY_DIRECTORY",
		[15] = "CHANGE_NOTIFY",
		[16] = "QUERY_INFO",
		[17] = "SET_INFO",
		[18] = "OPLOCK_BREAK",
	} &default=function(i: count): string { return fmt("unknown-%d", i); };

	const dialects: table[count] of string = {
		[514] = "2.0.2",
		[528] = "2.1",
		[767] = "2.1+",
		[768] = "3.0",
		[770] = "3.0.2",
		[785] = "3.1.1",
	} &default=function(i: count): string { return fmt("unknown-%d", i); };

	const share_types: table[count] of string = { [1] = "DISK", [2] = "PIPE", [3] = "PRINT" } &default=function(i: count): string { return fmt("unknown-%d", i); };
}
