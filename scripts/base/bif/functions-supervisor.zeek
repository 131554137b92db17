##! Built-in functions: supervisor.

module Supervisor;

export {
	global __status: function(node: string): Supervisor::Status;
	global __create: function(node: Supervisor::NodeConfig): string;
	global __destroy: function(node: string): bool;
	global __restart: function(node: string): bool;
	global __is_supervised: function(): bool;
	global __node: function(): Supervisor::NodeConfig;
	global __is_supervisor: function(): bool;
	global __stem_pid: function(): int;
}
