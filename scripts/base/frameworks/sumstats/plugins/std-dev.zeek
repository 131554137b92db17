##! The standard deviation of numbers.

@load ../main
@load ./variance

module SumStats;

export {
	redef enum Calculation += {
		STD_DEV,
	};

	redef record ResultVal += {
		std_dev: double &default=0.0;
	};
}

function set_std_dev(rv: ResultVal)
	{
	if ( rv?$variance )
		rv$std_dev = sqrt(rv$variance);
	}

function observe_std_dev(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	set_std_dev(rv);
	}

event zeek_init() &priority=100
	{
	add_observe_plugin_dependency(STD_DEV, VARIANCE);
	register_observe_plugin(STD_DEV, observe_std_dev);
	}

hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal) &priority=-10
	{
	set_std_dev(result);
	}
