##! Removes indicators by an entry in the files.

@load base/frameworks/intel

module Intel;

export {
	redef record Intel::MetaData += {
		## Whether the entry takes the indicator away.
		remove: bool &default=F;
	};
}

hook Intel::filter_item(item: Intel::Item)
	{
	if ( item$meta$remove )
		{
		# A row of a file that takes something away adds nothing.
		Intel::remove(item);
		break;
		}
	}
