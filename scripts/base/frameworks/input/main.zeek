##! Reading files and other sources into tables and events.

module Input;

export {
	## Keeps a table up to date with a source.
	global add_table: function(description: Input::TableDescription): bool;

	## Raises an event for each record of a source.
	global add_event: function(description: Input::EventDescription): bool;

	## Hands a source to the file analysis.
	global add_analysis: function(description: Input::AnalysisDescription): bool;

	global remove: function(id: string): bool;

	## Reads the source again, or looks for more data.
	global force_update: function(id: string): bool;

	## A source has been read completely.
	global end_of_data: event(name: string, source: string);
}

function add_table(description: Input::TableDescription): bool
	{
	return __create_table_stream(description);
	}

function add_event(description: Input::EventDescription): bool
	{
	return __create_event_stream(description);
	}

function add_analysis(description: Input::AnalysisDescription): bool
	{
	return __create_analysis_stream(description);
	}

function remove(id: string): bool
	{
	return __remove_stream(id);
	}

function force_update(id: string): bool
	{
	return __force_update(id);
	}
