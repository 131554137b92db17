##! Writes ocsp.log, one line for each certificate status in a response.

@load base/frameworks/files

module OCSP;

export {
	redef enum Log::ID += { LOG };

	global log_policy: Log::PolicyHook;
	type Info: record {
		ts: time &log;
		id: string &log;
		hashAlgorithm: string &log;
		issuerNameHash: string &log;
		issuerKeyHash: string &log;
		serialNumber: string &log;
		certStatus: string &log;
		revoketime: time &log &optional;
		revokereason: string &log &optional;
		thisUpdate: time &log;
		nextUpdate: time &log &optional;
	};

	## Raised for each record that is written to ocsp.log.
	global log_ocsp: event(rec: Info);
}

event zeek_init() &priority=5
	{
	Log::create_stream(OCSP::LOG, Log::Stream($columns=Info, $ev=log_ocsp, $path="ocsp", $policy=log_policy));
	Files::register_for_mime_type(Files::ANALYZER_OCSP_REPLY, "application/ocsp-response");
	}

event ocsp_response_certificate(f: fa_file, hashAlgorithm: string, issuerNameHash: string,
                                issuerKeyHash: string, serialNumber: string, certStatus: string,
                                revokeTime: time, revokeReason: string, thisUpdate: time,
                                nextUpdate: time) &priority=-5
	{
	local rec = Info($ts=f$info$ts, $id=f$id, $hashAlgorithm=hashAlgorithm,
	                 $issuerNameHash=issuerNameHash, $issuerKeyHash=issuerKeyHash,
	                 $serialNumber=serialNumber, $certStatus=certStatus, $thisUpdate=thisUpdate);

	if ( revokeReason != "" )
		rec$revokereason = revokeReason;

	if ( time_to_double(revokeTime) != 0.0 )
		rec$revoketime = revokeTime;

	if ( time_to_double(nextUpdate) != 0.0 )
		rec$nextUpdate = nextUpdate;

	Log::write(OCSP::LOG, rec);
	}
