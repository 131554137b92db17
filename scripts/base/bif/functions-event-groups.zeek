##! Built-in functions: event groups.

global enable_event_group: function(group: string): bool;
global disable_event_group: function(group: string): bool;
global has_event_group: function(group: string): bool;
global enable_module_events: function(module_name: string): bool;
global disable_module_events: function(module_name: string): bool;
global has_module_events: function(group: string): bool;
