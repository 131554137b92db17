##! Built-in functions: core.

global current_time: function(): time;
global network_time: function(): time;
global set_network_time: function(nt: time): bool;
global current_event_time: function(): time;
global getenv: function(var: string): string;
global setenv: function(var: string, val: string): bool;
global exit: function(code: int): any;
global terminate: function(): bool;
global system: function(str: string): int;
global system_env: function(str: string, env: table_string_of_string): int;
global piped_exec: function(program: string, to_write: string): bool;
global sleep: function(i: interval): interval;
global syslog: function(s: string): any;
global unique_id: function(prefix: string): string;
global unique_id_from: function(pool: int, prefix: string): string;
global cat: function(va_args: any): string;
global cat_sep: function(va_args: any): string;
global fmt: function(va_args: any): string;
global print_raw: function(va_args: any): bool;
global is_remote_event: function(): bool;
global suspend_processing: function(): any;
global continue_processing: function(): any;
global is_processing_suspended: function(): bool;
global match_signatures: function(c: connection, pattern_type: int, s: string, bol: bool, eol: bool, from_orig: bool, clear: bool): bool;
global generate_all_events: function(): bool;
global is_event_handled: function(event_name: string): bool;
global __init_secondary_bifs: function(): bool;
global compress_path: function(dir: string): string;
global set_max_recursion_depth: function(c: count);
global get_max_recursion_depth: function(): count;

module EventMetadata;

export {
	global register: function(id: EventMetadata::ID, t: any): bool;
	global current: function(id: EventMetadata::ID): any_vec;
	global current_all: function(): event_metadata_vec;
}
