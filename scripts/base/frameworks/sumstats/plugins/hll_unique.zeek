##! An estimate of the number of different observations, in little memory.

@load ../main

module SumStats;

export {
	redef enum Calculation += {
		HLL_UNIQUE,
	};

	redef record Reducer += {
		hll_error_margin: double &default=0.01;
		hll_confidence: double &default=0.95;
	};

	redef record ResultVal += {
		hll_unique: count &default=0;
	};
}

redef record ResultVal += {
	card: opaque of cardinality &optional;

	# For merging.
	hll_error_margin: double &optional;
	hll_confidence: double &optional;
};

hook init_resultval_hook(r: Reducer, rv: ResultVal)
	{
	if ( HLL_UNIQUE in r$apply && ! rv?$card )
		{
		rv$card = hll_cardinality_init(r$hll_error_margin, r$hll_confidence);
		rv$hll_error_margin = r$hll_error_margin;
		rv$hll_confidence = r$hll_confidence;
		rv$hll_unique = 0;
		}
	}

function observe_hll_unique(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	hll_cardinality_add(rv$card, obs);
	rv$hll_unique = double_to_count(hll_cardinality_estimate(rv$card));
	}

event zeek_init() &priority=100
	{
	register_observe_plugin(HLL_UNIQUE, observe_hll_unique);
	}

hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal)
	{
	local first = rv1?$card ? rv1 : rv2;

	if ( ! first?$card )
		return;

	result$card = hll_cardinality_init(first$hll_error_margin, first$hll_confidence);
	result$hll_error_margin = first$hll_error_margin;
	result$hll_confidence = first$hll_confidence;

	if ( rv1?$card )
		hll_cardinality_merge_into(result$card, rv1$card);

	if ( rv2?$card )
		hll_cardinality_merge_into(result$card, rv2$card);

	result$hll_unique = double_to_count(hll_cardinality_estimate(result$card));
	}
