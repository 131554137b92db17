##! Built-in functions: option.

module Option;

export {
	global set: function(ID: string, val: any, location: string &default=""): bool;
	global set_change_handler: function(ID: string, on_change: any, priority: int &default=0): bool;
	global any_set_to_any_vec: function(v: any): any_vec;
}
