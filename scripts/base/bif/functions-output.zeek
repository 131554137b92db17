##! Built-in functions: output.

global open: function(f: string): file;
global open_for_append: function(f: string): file;
global close: function(f: file): bool;
global write_file: function(f: file, data: string): bool;
global set_buf: function(f: file, buffered: bool): any;
global flush_all: function(): bool;
global mkdir: function(f: string): bool;
global rmdir: function(d: string): bool;
global unlink: function(f: string): bool;
global rename: function(src_f: string, dst_f: string): bool;
global active_file: function(f: file): bool;
global get_file_name: function(f: file): string;
global rotate_file: function(f: file): rotate_info;
global rotate_file_by_name: function(f: string): rotate_info;
global calc_next_rotate: function(i: interval): interval;
global file_size: function(f: string): double;
global enable_raw_output: function(f: file): any;
