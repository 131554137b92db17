# Images.

signature file-gif {
	file-mime "image/gif", 70
	file-magic /^GIF8/
}

signature file-png {
	file-mime "image/png", 110
	file-magic /^\x89PNG\r\n\x1a\n/
}

signature file-jpeg {
	file-mime "image/jpeg", 52
	file-magic /^\xff\xd8\xff/
}

signature file-jpeg2000 {
	file-mime "image/jp2", 60
	file-magic /^\x00\x00\x00\x0cjP(\x20\x20|\x1a\x1a)\r\n\x87\n/
}

signature file-jpeg-xr {
	file-mime "image/jxr", 60
	file-magic /^II\xbc[\x00\x01]/
}

signature file-tiff {
	file-mime "image/tiff", 70
	file-magic /^(MM\x00[\x2a\x2b]|II[\x2a\x2b]\x00)/
}

signature file-windows-icon {
	file-mime "image/x-icon", 70
	file-magic /^\x00\x00\x01\x00[\x01-\xff]\x00/
}

signature file-windows-cursor {
	file-mime "image/x-cursor", 70
	file-magic /^\x00\x00\x02\x00[\x01-\xff]\x00/
}

signature file-bmp {
	file-mime "image/x-ms-bmp", 50
	file-magic /^BM.{4}\x00{4}.{3}\x00[\x0c\x28\x34\x38\x40\x6c\x7c\x80]\x00\x00\x00/
}

signature file-webp {
	file-mime "image/webp", 70
	file-magic /^RIFF.{4}WEBP/
}

signature file-psd {
	file-mime "image/vnd.adobe.photoshop", 70
	file-magic /^8BPS\x00[\x01\x02]/
}

signature file-xcf {
	file-mime "image/x-xcf", 100
	file-magic /^gimp xcf/
}

signature file-heif {
	file-mime "image/heif", 70
	file-magic /^\x00\x00\x00.ftyp(heic|heix|hevc|mif1|msf1)/
}

signature file-avif {
	file-mime "image/avif", 70
	file-magic /^\x00\x00\x00.ftypavi[fs]/
}

signature file-djvu {
	file-mime "image/vnd.djvu", 70
	file-magic /^AT&TFORM.{4}DJV[MUI]/
}

signature file-pcx {
	file-mime "image/x-pcx", 40
	file-magic /^\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08].{60}\x00/
}

signature file-portable-anymap {
	file-mime "image/x-portable-anymap", 40
	file-magic /^P[1-6][ \t\r\n](#[^\n]*\n)*[ \t]*[0-9]+[ \t\r\n]+[0-9]+[ \t\r\n]/
}

signature file-xpm {
	file-mime "image/x-xpmi", 50
	file-magic /^\/\* XPM \*\//
}

signature file-wmf {
	file-mime "image/wmf", 60
	file-magic /^\xd7\xcd\xc6\x9a\x00\x00/
}

signature file-emf {
	file-mime "image/emf", 60
	file-magic /^\x01\x00\x00\x00.{36} EMF/
}

signature file-dicom {
	file-mime "application/dicom", 60
	file-magic /^.{128}DICM/
}

signature file-dwg {
	file-mime "image/vnd.dwg", 60
	file-magic /^AC10[0-3][0-9]\x00/
}
