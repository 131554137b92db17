##! Writes prof.log with figures about the process itself.

module Profiling;

redef profiling_file = open("prof.log");
redef profiling_interval = 15secs;
redef expensive_profiling_multiple = 20;

event write_profile()
	{
	do_profiling();
	schedule profiling_interval { write_profile() };
	}

event zeek_init()
	{
	set_buf(profiling_file, F);
	schedule profiling_interval { write_profile() };
	}

event zeek_done() &priority=-10
	{
	do_profiling();
	}
