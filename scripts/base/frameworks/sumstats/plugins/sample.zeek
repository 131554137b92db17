##! A random sample of the observations.

@load ../main

module SumStats;

export {
	redef enum Calculation += {
		SAMPLE,
	};

	redef record Reducer += {
		## How many to keep.
		num_samples: count &default=0;
	};

	redef record ResultVal += {
		samples: vector of Observation &default=vector();
	};
}

redef record ResultVal += {
	# How many there have been.
	sample_elements: count &default=0;
	num_samples: count &default=0;
};

hook init_resultval_hook(r: Reducer, rv: ResultVal)
	{
	if ( SAMPLE in r$apply )
		rv$num_samples = r$num_samples;
	}

# Every observation has the same chance to be among those kept.
function observe_sample(r: Reducer, val: double, obs: Observation, rv: ResultVal)
	{
	++rv$sample_elements;

	if ( |rv$samples| < rv$num_samples )
		rv$samples += obs;
	else
		{
		local at = rand(rv$sample_elements);

		if ( at < rv$num_samples )
			rv$samples[at] = obs;
		}
	}

event zeek_init() &priority=100
	{
	register_observe_plugin(SAMPLE, observe_sample);
	}

hook compose_resultvals_hook(result: ResultVal, rv1: ResultVal, rv2: ResultVal)
	{
	if ( rv1$num_samples != rv2$num_samples )
		{
		Reporter::error("results with different sample sizes cannot be merged");
		return;
		}

	result$num_samples = rv1$num_samples;
	result$sample_elements = rv1$sample_elements + rv2$sample_elements;

	if ( |rv1$samples| + |rv2$samples| <= result$num_samples )
		{
		for ( _, a in rv1$samples )
			result$samples += a;

		for ( _, b in rv2$samples )
			result$samples += b;

		return;
		}

	# Draw from both, in proportion to how many observations each stands for.
	local left1 = copy(rv1$samples);
	local left2 = copy(rv2$samples);

	while ( |result$samples| < result$num_samples && |left1| + |left2| > 0 )
		{
		local from_first = |left2| == 0 ||
		                   (|left1| > 0 && rand(result$sample_elements) < rv1$sample_elements);

		if ( from_first )
			{
			local i = rand(|left1|);
			result$samples += left1[i];
			left1[i] = left1[|left1| - 1];
			resize(left1, |left1| - 1);
			}
		else
			{
			local j = rand(|left2|);
			result$samples += left2[j];
			left2[j] = left2[|left2| - 1];
			resize(left2, |left2| - 1);
			}
		}
	}
