##! Built-in functions: containers.

global clear_table: function(v: any): any;
global table_values: function(t: any): any_vec;
global table_keys: function(t: any): any;
global matching_subnets: function(search: subnet, t: any): subnet_vec;
global filter_subnet_table: function(search: subnet, t: any): any;
global check_subnet: function(search: subnet, t: any): bool;
global same_object: function(o1: any, o2: any): bool;
global resize: function(aggr: any, newsize: count): count;
global any_set: function(v: any): bool;
global all_set: function(v: any): bool;
global sort: function(va_args: any): any;
global order: function(va_args: any): index_vec;
