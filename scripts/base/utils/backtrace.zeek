##! Prints the stack of script calls.

## Prints one line per call, or all on one line, to a file.
##
## show_args: also print arguments.
## skip: how many of the innermost calls to leave out.
global print_backtrace: function(show_args: bool &default=F, one_line: bool &default=F, one_line_delim: string &default="|",
                                 skip: count &default=1, to_file: file &default=open("/dev/stdout"));

function print_backtrace(show_args: bool &default=F, one_line: bool &default=F, one_line_delim: string &default="|",
                         skip: count &default=1, to_file: file &default=open("/dev/stdout"))
	{
	local calls = backtrace();
	local lines: string_vec = vector();
	local n = 0;

	for ( i, call in calls )
		{
		# The built-in itself is the innermost.
		if ( i <= skip )
			next;

		local args: string_vec = vector();

		for ( _, a in call$function_args )
			{
			if ( show_args && a?$value )
				args += fmt("%s=%s", a$name, a$value);
			else
				args += fmt("%s: %s", a$name, a$type_name);
			}

		local where = "";

		if ( call?$file_location )
			where = call?$line_location ? fmt(" at %s:%d", call$file_location, call$line_location)
			                            : fmt(" at %s", call$file_location);

		lines += fmt("#%d %s(%s)%s", n, call$function_name, join_string_vec(args, ", "), where);
		++n;
		}

	if ( one_line )
		print to_file, join_string_vec(lines, fmt(" %s ", one_line_delim));
	else
		for ( _, l in lines )
			print to_file, l;
	}
