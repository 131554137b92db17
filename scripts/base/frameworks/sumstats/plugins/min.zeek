##! The smallest number.

@load ../main

module SumStats;

export {
	redef enum Calculation += {
		MIN,
	};

	redef record ResultVal += {
		min: double &optional;
	};
}

function observe_min(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	if ( ! rv?$min || val < rv$min )
		rv$min = val;
	}

event zeek_init() &priority=100
	{
	register_observe_plugin(MIN, observe_min);
	}

hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal)
	{
	if ( rv1?$min && rv2?$min )
		result$min = rv1$min < rv2$min ? rv1$min : rv2$min;
	else if ( rv1?$min )
		result$min = rv1$min;
	else if ( rv2?$min )
		result$min = rv2$min;
	}
