##! Unpacks every ZIP archive.

@load base/files/zip

event zeek_init() &priority=5
	{
	Files::register_for_mime_type(Files::ANALYZER_ZIP, "application/zip");
	}
