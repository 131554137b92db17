##! Notices when software that matters changes its version.

@load base/frameworks/notice
@load base/frameworks/software

module Software;

export {
	redef enum Notice::Type += {
		Software_Version_Change
	};

	## Names of software that matters.
	option interesting_version_changes: set[string] = { };
}

event Software::version_change(old: Software::Info, new: Software::Info)
	{
	if ( old$name !in interesting_version_changes )
		return;

	NOTICE(Notice::Info($note=Software_Version_Change, $src=new$host,
	       $msg=fmt("%.6f %s '%s' changed from %s to %s (previously %s)", network_time(), old$software_type,
	                old$name, version_text(old$version), version_text(new$version),
	                fmt("%s %s", old$name, version_text(old$version))),
	       $sub=fmt("%s %s", new$name, version_text(new$version))));
	}
