##! Built-in functions: spicy.

module Spicy;

export {
	global __toggle_analyzer: function(tag: any, enable: bool): bool;
	global __resource_usage: function(): Spicy::ResourceUsage;
}
