##! The variance of numbers.

@load ../main
@load ./average

module SumStats;

export {
	redef enum Calculation += {
		VARIANCE,
	};

	redef record ResultVal += {
		variance: double &optional;
	};
}

redef record ResultVal += {
	# For the next step of the running computation.
	prev_avg: double &optional;
	var_s: double &default=0.0;
};

function set_variance(rv: ResultVal)
	{
	rv$variance = rv$num > 1 ? rv$var_s / (rv$num - 1) : 0.0;
	}

function observe_variance(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	if ( rv$num > 1 && rv?$prev_avg )
		rv$var_s += (val - rv$prev_avg) * (val - rv$average);

	set_variance(rv);
	rv$prev_avg = rv$average;
	}

event zeek_init() &priority=100
	{
	add_observe_plugin_dependency(VARIANCE, AVERAGE);
	register_observe_plugin(VARIANCE, observe_variance);
	}

# Needs the averages, which are merged with a higher priority.
hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal) &priority=-5
	{
	if ( rv1?$average && rv2?$average )
		{
		local delta = rv2$average - rv1$average;
		local n1: double = rv1$num;
		local n2: double = rv2$num;
		result$var_s = rv1$var_s + rv2$var_s + delta * delta * n1 * n2 / (n1 + n2);
		}
	else if ( rv1?$average )
		result$var_s = rv1$var_s;
	else if ( rv2?$average )
		result$var_s = rv2$var_s;

	if ( rv1?$variance || rv2?$variance )
		set_variance(result);

	if ( result?$average )
		result$prev_avg = result$average;
	}
