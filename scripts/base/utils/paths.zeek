##! Paths of files.

## An absolute path, also of Windows.
const absolute_path_pat: pattern = /(\/|[A-Za-z]:[\\\/]).*/;

## The first path in a text, or an empty string.
global extract_path: function(input: string): string;

## Joins a directory and a name; an absolute name stays alone.
global build_path: function(dir: string, file_name: string): string;

## The same without superfluous parts.
global build_path_compressed: function(dir: string, file_name: string): string;

function extract_path(input: string): string
	{
	return find_first(input, /(\/|[A-Za-z]:[\\\/])([^\\"[:space:]]|\\.)*/);
	}

function build_path(dir: string, file_name: string): string
	{
	if ( dir == "" || absolute_path_pat == file_name )
		return file_name;

	return ends_with(dir, "/") ? dir + file_name : dir + "/" + file_name;
	}

function build_path_compressed(dir: string, file_name: string): string
	{
	return compress_path(build_path(dir, file_name));
	}
