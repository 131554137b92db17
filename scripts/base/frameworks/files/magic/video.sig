# Moving pictures.

signature file-avi {
	file-mime "video/x-msvideo", 70
	file-magic /^RIFF.{4}AVI /
}

signature file-flash-video {
	file-mime "video/x-flv", 60
	file-magic /^FLV\x01[\x00\x01\x04\x05]/
}

signature file-matroska {
	file-mime "video/x-matroska", 60
	file-magic /^\x1a\x45\xdf\xa3.{0,60}matroska/
}

signature file-webm {
	file-mime "video/webm", 60
	file-magic /^\x1a\x45\xdf\xa3.{0,60}webm/
}

signature file-quicktime {
	file-mime "video/quicktime", 70
	file-magic /^(\x00\x00\x00.ftypqt  |.{4}(moov|mdat|wide|pnot|skip)[\x00-\xff])/
}

signature file-mp4 {
	file-mime "video/mp4", 70
	file-magic /^\x00\x00\x00.ftyp(isom|iso[2-9]|mp4[12]|avc1|dash|M4V |MSNV|mmp4|f4v )/
}

signature file-3gpp {
	file-mime "video/3gpp", 70
	file-magic /^\x00\x00\x00.ftyp3g[egps2]/
}

signature file-mpeg-program {
	file-mime "video/mpeg", 45
	file-magic /^\x00\x00\x01[\xb3\xba]/
}

signature file-mpeg-transport {
	file-mime "video/mp2t", 40
	file-magic /^\x47[\x00-\x5f].{186}\x47[\x00-\x5f].{186}\x47/
}

signature file-asf {
	file-mime "video/x-ms-asf", 70
	file-magic /^\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9/
}

signature file-real-media {
	file-mime "application/vnd.rn-realmedia", 70
	file-magic /^\.RMF\x00\x00\x00/
}

signature file-fli {
	file-mime "video/x-fli", 40
	file-magic /^.{4}[\x11\x12]\xaf.{2}\x40\x01\xc8\x00/
}

signature file-mxf {
	file-mime "application/mxf", 70
	file-magic /^\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01/
}
