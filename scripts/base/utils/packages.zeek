##! Questions about what can be loaded.

## Whether `@load p` would find something.
global can_load: function(p: string): bool;

function can_load(p: string): bool
	{
	return find_in_zeekpath(p) != "";
	}
