##! Takes the version of Windows from requests that its crypto interface sends.

@load base/frameworks/software
@load base/protocols/http

module OS;

export {
	redef enum Software::Type += {
		WINDOWS,
	};

	type Software::name_and_version: record {
		name: string;
		version: Software::Version;
	};

	## Versions of Windows by user agents of the crypto interface.
	const crypto_api_mapping: table[string] of Software::name_and_version = {
		["Microsoft-CryptoAPI/5.131.2195.6661"] = [$name="Windows 2000 SP4", $version=[$major=5, $minor=0, $minor2=2195, $addl="SP4"]],
		["Microsoft-CryptoAPI/5.131.2600.1106"] = [$name="Windows XP SP1", $version=[$major=5, $minor=1, $minor2=2600, $addl="SP1"]],
		["Microsoft-CryptoAPI/5.131.2600.2180"] = [$name="Windows XP SP2", $version=[$major=5, $minor=1, $minor2=2600, $addl="SP2"]],
		["Microsoft-CryptoAPI/5.131.2600.5512"] = [$name="Windows XP SP3", $version=[$major=5, $minor=1, $minor2=2600, $addl="SP3"]],
		["Microsoft-CryptoAPI/5.131.3790.1830"] = [$name="Windows Server 2003 SP1", $version=[$major=5, $minor=2, $minor2=3790, $addl="SP1"]],
		["Microsoft-CryptoAPI/5.131.3790.3959"] = [$name="Windows Server 2003 SP2", $version=[$major=5, $minor=2, $minor2=3790, $addl="SP2"]],
		["Microsoft-CryptoAPI/6.0"] = [$name="Windows Vista or Server 2008", $version=[$major=6, $minor=0]],
		["Microsoft-CryptoAPI/6.1"] = [$name="Windows 7 or Server 2008 R2", $version=[$major=6, $minor=1]],
		["Microsoft-CryptoAPI/6.2"] = [$name="Windows 8 or Server 2012", $version=[$major=6, $minor=2]],
		["Microsoft-CryptoAPI/6.3"] = [$name="Windows 8.1 or Server 2012 R2", $version=[$major=6, $minor=3]],
		["Microsoft-CryptoAPI/6.4"] = [$name="Windows 10 Technical Preview", $version=[$major=6, $minor=4]],
		["Microsoft-CryptoAPI/10.0"] = [$name="Windows 10", $version=[$major=10, $minor=0]],
	} &redef;
}

event HTTP::log_http(rec: HTTP::Info) &priority=5
	{
	if ( ! rec?$host || ! rec?$user_agent || /crl.microsoft.com/ !in rec$host ||
	     /Microsoft-CryptoAPI\// !in rec$user_agent )
		return;

	if ( rec$user_agent !in crypto_api_mapping )
		{
		Software::found(rec$id, Software::Info($unparsed_version=sub(rec$user_agent, /Microsoft-CryptoAPI/, "Unknown CryptoAPI Version"),
		                $host=rec$id$orig_h, $software_type=WINDOWS));
		return;
		}

	local m = crypto_api_mapping[rec$user_agent];
	Software::found(rec$id, Software::Info($version=m$version, $name=m$name, $host=rec$id$orig_h,
	                $software_type=WINDOWS, $unparsed_version=rec$user_agent));
	}
