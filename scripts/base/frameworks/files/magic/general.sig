# Types that belong to no family: text in its common forms, markup, and data that the
# engine recognises for analyzers of its own. Strengths order the answers when several
# types fit; plain text is the weakest of all.

signature file-text-plain {
	file-mime "text/plain", -20
	file-magic /^(\xef\xbb\xbf)?([[:print:]\t\n\r\f\x08\x1b]|[\xc2-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}|\xe0[\xa0-\xbf][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf4][\x80-\xbf]{3}){10}/
}

signature file-text-utf16 {
	file-mime "text/plain", -20
	file-magic /^(\xff\xfe([[:print:]\t\n\r]\x00){4}|\xfe\xff(\x00[[:print:]\t\n\r]){4})/
}

signature file-html-element {
	file-mime "text/html", 100
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?(<!--([^-]|-[^-]|--[^>])*-->[ \t\r\n]*)*<(![dD][oO][cC][tT][yY][pP][eE][ \t\r\n]+)?[hH][tT][mM][lL]/
}

signature file-html-doctype {
	file-mime "text/html", 49
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?(<!--([^-]|-[^-]|--[^>])*-->[ \t\r\n]*)*<![dD][oO][cC][tT][yY][pP][eE][ \t\r\n]+[hH][tT][mM][lL]/
}

signature file-html-start {
	file-mime "text/html", 20
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*<([hH][eE][aA][dD]|[hH][tT][mM][lL]|[tT][iI][tT][lL][eE]|[bB][oO][dD][yY])[ \t\r\n>]/
}

signature file-xml {
	file-mime "application/xml", 10
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*<\?[xX][mM][lL][ \t\r\n]/
}

signature file-svg {
	file-mime "image/svg+xml", 41
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*<\?[xX][mM][lL][^>]*>[ \t\r\n]*(<!--([^-]|-[^-]|--[^>])*-->[ \t\r\n]*)*(<![dD][oO][cC][tT][yY][pP][eE] svg[^>]*>[ \t\r\n]*)?<svg[ \t\r\n>]/
}

signature file-rss {
	file-mime "text/rss", 90
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?(<!--([^-]|-[^-]|--[^>])*-->[ \t\r\n]*)*<[rR][sS][sS][ \t\r\n>]/
}

signature file-atom {
	file-mime "text/atom", 100
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?<[fF][eE][eE][dD][ \t\r\n][^>]*xmlns=[\"']http:\/\/www\.w3\.org\/2005\/Atom[\"']/
}

signature file-soap {
	file-mime "application/soap+xml", 49
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?<[sS][oO][aA][pP](-[eE][nN][vV])?:[eE][nN][vV][eE][lL][oO][pP][eE]/
}

signature file-cross-domain-policy {
	file-mime "text/x-cross-domain-policy", 49
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?(<![dD][oO][cC][tT][yY][pP][eE] cross-domain-policy[^>]*>[ \t\r\n]*)?<cross-domain-policy[ \t\r\n>]/
}

signature file-xmlrpc {
	file-mime "application/xml-rpc", 49
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?<method(Call|Response)>/
}

# An object needs a quoted name or its end, an array any value: braces alone are too common in code.
signature file-json {
	file-mime "text/json", 1
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(\{[ \t\r\n]*(\"([^\"\\]|\\.)*\"[ \t\r\n]*:[ \t\r\n]*([\"\{\[0-9]|-[0-9]|true|false)|\})|\[[ \t\r\n]*([\"\{\[\]0-9]|-[0-9]|true|false|null))/
}

signature file-pgp-message {
	file-mime "application/pgp", 280
	file-magic /^-----BEGIN PGP MESSAGE-/
}

signature file-pgp-signature {
	file-mime "application/pgp-signature", 280
	file-magic /^-----BEGIN PGP SIGNATURE-/
}

signature file-pgp-keys {
	file-mime "application/pgp-keys", 280
	file-magic /^-----BEGIN PGP PUBLIC KEY BLOCK-/
}

signature file-pem {
	file-mime "application/x-pem", 1
	file-magic /^-----BEGIN (CERTIFICATE|(RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY|PUBLIC KEY|X509 CRL|CERTIFICATE REQUEST)-----/
}

# RFC 6960: a sequence with an enumerated status and, in [0], the identifier of a basic response.
signature file-ocsp-response {
	file-mime "application/ocsp-response", 71
	file-magic /^\x30(.|\x81.|\x82..|\x83...)\x0a\x01[\x00-\x06]\xa0(.|\x81.|\x82..|\x83...)\x30(.|\x81.|\x82..|\x83...)\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01/
}

# RFC 6960: nested sequences down to the hash algorithm (SHA-1, or one of the SHA-2 family) of a certificate's identifier.
signature file-ocsp-request {
	file-mime "application/ocsp-request", 71
	file-magic /^\x30(.|\x81.|\x82..)\x30(.|\x81.|\x82..)(\xa0\x03\x02\x01.)?(\xa1(.|\x81.|\x82..).{0,128})?\x30(.|\x81.|\x82..)\x30(.|\x81.|\x82..)\x30(.|\x81.|\x82..)\x30[\x07-\x0d]\x06(\x05\x2b\x0e\x03\x02\x1a|\x09\x60\x86\x48\x01\x65\x03\x04\x02[\x01-\x04])/
}

signature file-pcap {
	file-mime "application/vnd.tcpdump.pcap", 70
	file-magic /^(\xa1\xb2[\xc3\x3c][\xd4\x4d]|[\xd4\x4d][\xc3\x3c]\xb2\xa1)/
}

signature file-pcapng {
	file-mime "application/vnd.tcpdump.pcap", 100
	file-magic /^\x0a\x0d\x0d\x0a....(\x1a\x2b\x3c\x4d|\x4d\x3c\x2b\x1a)/
}

signature file-pdf {
	file-mime "application/pdf", 80
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*%PDF-/
}

signature file-fdf {
	file-mime "application/vnd.fdf", 80
	file-magic /^%FDF-/
}

signature file-postscript {
	file-mime "application/postscript", 250
	file-magic /^\x04?%!(PS|\n|\r)/
}

signature file-dos-eps {
	file-mime "application/postscript", 80
	file-magic /^\xc5\xd0\xd3\xc6/
}

signature file-torrent {
	file-mime "application/x-bittorrent", 120
	file-magic /^d(8:announce|13:announce-list|7:comment|10:created by|13:creation date|4:infod)/
}

signature file-flash {
	file-mime "application/x-shockwave-flash", 60
	file-magic /^[FCZ]WS[\x01-\x32]/
}

signature file-sqlite {
	file-mime "application/x-sqlite3", 100
	file-magic /^SQLite format 3\x00/
}

signature file-tnef {
	file-mime "application/vnd.ms-tnef", 100
	file-magic /^\x78\x9f\x3e\x22/
}

signature file-windows-shortcut {
	file-mime "application/x-ms-shortcut", 200
	file-magic /^\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46/
}

signature file-windows-registry {
	file-mime "text/x-registry", 49
	file-magic /^(REGEDIT4|Windows Registry Editor Version 5\.00|\xff\xfeW\x00i\x00n\x00d\x00o\x00w\x00s\x00 \x00R\x00e\x00g\x00i\x00s\x00t\x00r\x00y\x00)/
}

signature file-windows-registry-hive {
	file-mime "application/x-ms-registry", 100
	file-magic /^regf/
}

signature file-windows-event-log {
	file-mime "application/x-ms-evtx", 100
	file-magic /^ElfFile\x00/
}

signature file-compiled-help {
	file-mime "application/vnd.ms-htmlhelp", 100
	file-magic /^ITSF\x03\x00\x00\x00\x60\x00\x00\x00/
}

signature file-vcard {
	file-mime "text/vcard", 100
	file-magic /^[bB][eE][gG][iI][nN]:[vV][cC][aA][rR][dD]/
}

signature file-calendar {
	file-mime "text/calendar", 100
	file-magic /^[bB][eE][gG][iI][nN]:[vV][cC][aA][lL][eE][nN][dD][aA][rR]/
}

signature file-mailbox {
	file-mime "application/mbox", 50
	file-magic /^From [^ \t\r\n]+@[^ \t\r\n]+ +(Mon|Tue|Wed|Thu|Fri|Sat|Sun) /
}

signature file-keystore {
	file-mime "application/x-java-keystore", 70
	file-magic /^\xfe\xed\xfe\xed\x00\x00\x00[\x01\x02]/
}
