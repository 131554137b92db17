##! Built-in functions: profiling.

global load_CPP: function(h: count): bool;

module ZAM::Prof;

export {
	global set_module_profiling: function(mod: string, active: bool): count;
	global get_module_profile: function(mod: string): ZAM::Prof::Profile;
	global estimated_profiling_overhead: function(): interval;
}
