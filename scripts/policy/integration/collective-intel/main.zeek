##! Takes what the Collective Intelligence Framework knows of indicators into
##! intel.log.

@load base/frameworks/intel

module Intel;

export {
	redef record Intel::MetaData += {
		cif_tags: string &optional;
		cif_confidence: double &optional;
		cif_source: string &optional;
		cif_description: string &optional;
		cif_firstseen: string &optional;
		cif_lastseen: string &optional;
	};

	type CIF: record {
		tags: string &optional &log;
		confidence: double &optional &log;
		source: string &optional &log;
		description: string &optional &log;
		firstseen: string &optional &log;
		lastseen: string &optional &log;
	};

	redef record Info += {
		cif: CIF &log &optional;
	};
}

hook extend_match(info: Info, s: Seen, items: set[Item]) &priority=5
	{
	for ( item in items )
		{
		local m = item$meta;
		local cif = info?$cif ? info$cif : CIF();
		local some = F;

		if ( m?$cif_tags )
			{
			cif$tags = m$cif_tags;
			some = T;
			}

		if ( m?$cif_confidence )
			{
			cif$confidence = m$cif_confidence;
			some = T;
			}

		if ( m?$cif_source )
			{
			cif$source = m$cif_source;
			some = T;
			}

		if ( m?$cif_description )
			{
			cif$description = m$cif_description;
			some = T;
			}

		if ( m?$cif_firstseen )
			{
			cif$firstseen = m$cif_firstseen;
			some = T;
			}

		if ( m?$cif_lastseen )
			{
			cif$lastseen = m$cif_lastseen;
			some = T;
			}

		if ( some )
			info$cif = cif;
		}
	}
