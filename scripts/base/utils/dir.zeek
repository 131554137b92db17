##! Watches directories for new files.

@load base/utils/exec
@load base/utils/paths

module Dir;

export {
	## How often to look.
	option polling_interval: interval = 30sec &redef;

	## Calls `callback` once for each file that appears in `dir`, also for those that are there already.
	global monitor: function(dir: string, callback: function(fname: string), poll_interval: interval &default=polling_interval);
}

global look: event(dir: string, seen: set[string], callback: function(fname: string), poll_interval: interval);

event Dir::look(dir: string, seen: set[string], callback: function(fname: string), poll_interval: interval)
	{
	when [dir, seen, callback, poll_interval] ( local r = Exec::run(Exec::Command($cmd=fmt("ls -1 %s", safe_shell_quote(dir)))) )
		{
		if ( r$exit_code != 0 )
			Reporter::warning(fmt("cannot list directory %s (exit code %d)", dir, r$exit_code));
		else
			{
			local now: set[string] = set();

			if ( r?$stdout )
				for ( _, name in r$stdout )
					{
					add now[name];

					if ( name !in seen )
						callback(build_path(dir, name));
					}

			seen = now;
			}

		schedule poll_interval { Dir::look(dir, seen, callback, poll_interval) };
		}
	}

function monitor(dir: string, callback: function(fname: string), poll_interval: interval &default=polling_interval)
	{
	event Dir::look(dir, set(), callback, poll_interval);
	}
