##! Built-in functions: probabilistic.

global bloomfilter_basic_init: function(fp: double, capacity: count, name: string &default=""): opaque of bloomfilter;
global bloomfilter_basic_init2: function(k: count, cells: count, name: string &default=""): opaque of bloomfilter;
global bloomfilter_counting_init: function(k: count, cells: count, max: count, name: string &default=""): opaque of bloomfilter;
global bloomfilter_add: function(bf: opaque of bloomfilter, x: any): any;
global bloomfilter_decrement: function(bf: opaque of bloomfilter, x: any): bool;
global bloomfilter_lookup: function(bf: opaque of bloomfilter, x: any): count;
global bloomfilter_clear: function(bf: opaque of bloomfilter): any;
global bloomfilter_merge: function(bf1: opaque of bloomfilter, bf2: opaque of bloomfilter): opaque of bloomfilter;
global bloomfilter_intersect: function(bf1: opaque of bloomfilter, bf2: opaque of bloomfilter): opaque of bloomfilter;
global bloomfilter_internal_state: function(bf: opaque of bloomfilter): string;
global hll_cardinality_init: function(err: double, confidence: double): opaque of cardinality;
global hll_cardinality_add: function(handle: opaque of cardinality, elem: any): bool;
global hll_cardinality_merge_into: function(handle1: opaque of cardinality, handle2: opaque of cardinality): bool;
global hll_cardinality_estimate: function(handle: opaque of cardinality): double;
global hll_cardinality_copy: function(handle: opaque of cardinality): opaque of cardinality;
global topk_init: function(size: count): opaque of topk;
global topk_add: function(handle: opaque of topk, value: any): any;
global topk_get_top: function(handle: opaque of topk, k: count): any_vec;
global topk_count: function(handle: opaque of topk, value: any): count;
global topk_epsilon: function(handle: opaque of topk, value: any): count;
global topk_size: function(handle: opaque of topk): count;
global topk_sum: function(handle: opaque of topk): count;
global topk_merge: function(handle1: opaque of topk, handle2: opaque of topk): any;
global topk_merge_prune: function(handle1: opaque of topk, handle2: opaque of topk): any;
