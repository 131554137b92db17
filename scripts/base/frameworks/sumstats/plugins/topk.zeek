##! The most frequent observations.

@load ../main

module SumStats;

export {
	redef enum Calculation += {
		TOPK,
	};

	redef record Reducer += {
		## How many to keep track of.
		topk_size: count &default=500;
	};

	redef record ResultVal += {
		topk: opaque of topk &optional;
	};
}

hook init_resultval_hook(r: Reducer, rv: ResultVal)
	{
	if ( TOPK in r$apply && ! rv?$topk )
		rv$topk = topk_init(r$topk_size);
	}

function observe_topk(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	topk_add(rv$topk, obs);
	}

event zeek_init() &priority=100
	{
	register_observe_plugin(TOPK, observe_topk);
	}

hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal)
	{
	local first = rv1?$topk ? rv1 : rv2;

	if ( ! first?$topk )
		return;

	result$topk = topk_init(topk_size(first$topk));

	if ( rv1?$topk )
		topk_merge(result$topk, rv1$topk);

	if ( rv2?$topk )
		topk_merge(result$topk, rv2$topk);
	}
