# Documents of office programs.

# Compound files: the class of the root entry is too far in, so the family is named.
signature file-ole-compound {
	file-mime "application/msword", 50
	file-magic /^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1.*W\x00o\x00r\x00d\x00D\x00o\x00c\x00u\x00m\x00e\x00n\x00t\x00/
}

signature file-ole-excel {
	file-mime "application/vnd.ms-excel", 50
	file-magic /^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1.*W\x00o\x00r\x00k\x00b\x00o\x00o\x00k\x00/
}

signature file-ole-powerpoint {
	file-mime "application/vnd.ms-powerpoint", 50
	file-magic /^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1.*P\x00o\x00w\x00e\x00r\x00P\x00o\x00i\x00n\x00t\x00 \x00D\x00o\x00c\x00/
}

signature file-ole-outlook {
	file-mime "application/vnd.ms-outlook", 49
	file-magic /^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1.*(_\x00_\x00(n\x00a\x00m\x00e\x00i\x00d\x00|s\x00u\x00b\x00s\x00t\x00g\x00|p\x00r\x00o\x00p\x00e\x00r\x00t\x00i\x00e\x00s\x00))/
}

signature file-outlook-store {
	file-mime "application/vnd.ms-outlook", 49
	file-magic /^!BDN/
}

# Office Open XML: a package whose first part is one of the well-known ones.
signature file-ooxml {
	file-mime "application/vnd.openxmlformats-officedocument", 50
	file-magic /^PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels\/\.rels|docProps)/
}

signature file-docx {
	file-mime "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 80
	file-magic /^PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels\/\.rels|docProps).*PK\x03\x04.{26}word\//
}

signature file-xlsx {
	file-mime "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 80
	file-magic /^PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels\/\.rels|docProps).*PK\x03\x04.{26}xl\//
}

signature file-pptx {
	file-mime "application/vnd.openxmlformats-officedocument.presentationml.presentation", 80
	file-magic /^PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels\/\.rels|docProps).*PK\x03\x04.{26}ppt\//
}

signature file-vsdx {
	file-mime "application/vnd.ms-visio.drawing", 80
	file-magic /^PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels\/\.rels|docProps).*PK\x03\x04.{26}visio\//
}

# OpenDocument and EPUB: the first member is stored and holds the type.
signature file-odf-text {
	file-mime "application/vnd.oasis.opendocument.text", 110
	file-magic /^PK\x03\x04.{26}mimetypeapplication\/vnd\.oasis\.opendocument\.text/
}

signature file-odf-spreadsheet {
	file-mime "application/vnd.oasis.opendocument.spreadsheet", 110
	file-magic /^PK\x03\x04.{26}mimetypeapplication\/vnd\.oasis\.opendocument\.spreadsheet/
}

signature file-odf-presentation {
	file-mime "application/vnd.oasis.opendocument.presentation", 110
	file-magic /^PK\x03\x04.{26}mimetypeapplication\/vnd\.oasis\.opendocument\.presentation/
}

signature file-odf-graphics {
	file-mime "application/vnd.oasis.opendocument.graphics", 110
	file-magic /^PK\x03\x04.{26}mimetypeapplication\/vnd\.oasis\.opendocument\.graphics/
}

signature file-epub {
	file-mime "application/epub+zip", 110
	file-magic /^PK\x03\x04.{26}mimetypeapplication\/epub\+zip/
}

signature file-mobipocket {
	file-mime "application/x-mobipocket-ebook", 60
	file-magic /^.{60}BOOKMOBI/
}

signature file-rtf {
	file-mime "text/rtf", 50
	file-magic /^\{\\rtf/
}

signature file-access {
	file-mime "application/x-msaccess", 180
	file-magic /^\x00\x01\x00\x00Standard (Jet|ACE) DB/
}

signature file-onenote {
	file-mime "application/onenote", 100
	file-magic /^\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3/
}

signature file-wordperfect {
	file-mime "application/vnd.wordperfect", 60
	file-magic /^\xffWPC/
}
