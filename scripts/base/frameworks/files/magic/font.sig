# Fonts.

signature file-woff {
	file-mime "application/font-woff", 70
	file-magic /^wOFF(\x00\x01\x00\x00|OTTO|true)/
}

signature file-woff2 {
	file-mime "application/font-woff2", 70
	file-magic /^wOF2(\x00\x01\x00\x00|OTTO|true)/
}

signature file-truetype {
	file-mime "application/x-font-ttf", 70
	file-magic /^(\x00\x01\x00\x00\x00[\x01-\x40]|true\x00[\x01-\x40])/
}

signature file-truetype-collection {
	file-mime "application/x-font-ttf", 70
	file-magic /^ttcf\x00[\x01\x02]\x00\x00/
}

signature file-opentype {
	file-mime "application/vnd.ms-opentype", 70
	file-magic /^OTTO\x00/
}

signature file-embedded-opentype {
	file-mime "application/vnd.ms-fontobject", 70
	file-magic /^.{8}(\x01\x00\x02\x00|\x02\x00\x02\x00|\x00\x00\x01\x00).{22}\x00\x00LP/
}

signature file-type1 {
	file-mime "application/x-font-type1", 70
	file-magic /^(\x80\x01.{4})?%!(PS-AdobeFont-|FontType1-)/
}

signature file-pcf {
	file-mime "application/x-font-pcf", 70
	file-magic /^\x01fcp/
}
