# A marker in the payload of any TCP connection to port 9000.
signature malicious-marker {
	ip-proto == tcp
	dst-port == 9000
	payload /.*malicious-marker-[0-9]+/
	event "malicious marker in TCP payload"
}
