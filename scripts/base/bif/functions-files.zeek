##! Built-in functions: files.

global set_file_handle: function(handle: string): any;
global identify_data: function(data: string, return_mime: bool &default=T): string;
global file_magic: function(data: string): mime_matches;
global file_mode: function(mode: count): string;

module FileExtract;

export {
	global __set_limit: function(file_id: string, args: any, n: count): bool;
}

module Files;

export {
	global __set_timeout_interval: function(file_id: string, t: interval): bool;
	global __enable_reassembly: function(file_id: string): bool;
	global __disable_reassembly: function(file_id: string): bool;
	global __set_reassembly_buffer: function(file_id: string, max: count): bool;
	global __enable_analyzer: function(tag: Files::Tag): bool;
	global __disable_analyzer: function(tag: Files::Tag): bool;
	global __analyzer_enabled: function(tag: Files::Tag): bool;
	global __add_analyzer: function(file_id: string, tag: Files::Tag, args: any): bool;
	global __remove_analyzer: function(file_id: string, tag: Files::Tag, args: any): bool;
	global __stop: function(file_id: string): bool;
	global __analyzer_name: function(tag: Files::Tag): string;
	global __file_exists: function(fuid: string): bool;
	global __lookup_file: function(fuid: string): fa_file;
}
