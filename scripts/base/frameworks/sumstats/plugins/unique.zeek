##! The number of different observations.

@load ../main

module SumStats;

export {
	redef enum Calculation += {
		UNIQUE,
	};

	redef record Reducer += {
		## Stop counting here.
		unique_max: count &optional;
	};

	redef record ResultVal += {
		unique: count &default=0;
	};
}

redef record ResultVal += {
	unique_max: count &optional;
	unique_vals: set[Observation] &optional;
};

function observe_unique(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	if ( ! rv?$unique_vals )
		rv$unique_vals = set();

	if ( r?$unique_max )
		rv$unique_max = r$unique_max;

	if ( ! r?$unique_max || |rv$unique_vals| <= r$unique_max )
		add rv$unique_vals[obs];

	rv$unique = |rv$unique_vals|;
	}

event zeek_init() &priority=100
	{
	register_observe_plugin(UNIQUE, observe_unique);
	}

hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal)
	{
	if ( ! rv1?$unique_vals && ! rv2?$unique_vals )
		return;

	if ( rv1?$unique_max )
		result$unique_max = rv1$unique_max;
	else if ( rv2?$unique_max )
		result$unique_max = rv2$unique_max;

	result$unique_vals = set();

	if ( rv1?$unique_vals )
		{
		for ( v1 in rv1$unique_vals )
			{
			if ( ! result?$unique_max || |result$unique_vals| <= result$unique_max )
				add result$unique_vals[v1];
			}
		}

	if ( rv2?$unique_vals )
		{
		for ( v2 in rv2$unique_vals )
			{
			if ( ! result?$unique_max || |result$unique_vals| <= result$unique_max )
				add result$unique_vals[v2];
			}
		}

	result$unique = |result$unique_vals|;
	}
