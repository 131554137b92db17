##! Events raised by native code: postgresql.

module PostgreSQL;

export {
	global not_implemented: event(c: connection, is_orig: bool, typ: string, chunk: string);
	global authentication_request: event(c: connection, identifier: count, data: string);
	global authentication_ok: event(c: connection);
	global authentication_response: event(c: connection, data: string);
	global ssl_request: event(c: connection);
	global ssl_reply: event(c: connection, data: string);
	global startup_parameter: event(c: connection, name: string, value: string);
	global startup_message: event(c: connection, major: count, minor: count);
	global error_response_identified_field: event(c: connection, code: string, value: string);
	global error_response: event(c: connection);
	global simple_query: event(c: connection, query: string);
	global ready_for_query: event(c: connection, transaction_status: string);
	global notice_response_identified_field: event(c: connection, code: string, value: string);
	global notice_response: event(c: connection);
	global terminate: event(c: connection);
	global data_row: event(c: connection, column_values: count);
	global parameter_status: event(c: connection, name: string, value: string);
	global backend_key_data: event(c: connection, process_id: count, secret_key: count);
}
