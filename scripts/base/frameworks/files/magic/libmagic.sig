# Rarer formats, and markers that only say which family data belongs to.

signature file-hdf {
	file-mime "application/x-hdf", 80
	file-magic /^(\x0e\x03\x13\x01|\x89HDF\r\n\x1a\n)/
}

signature file-netcdf {
	file-mime "application/x-netcdf", 60
	file-magic /^CDF[\x01\x02]/
}

signature file-fits {
	file-mime "image/fits", 60
	file-magic /^SIMPLE  = {20}T/
}

signature file-parquet {
	file-mime "application/vnd.apache.parquet", 60
	file-magic /^PAR1/
}

signature file-avro {
	file-mime "application/avro", 60
	file-magic /^Obj\x01/
}

signature file-dbase {
	file-mime "application/x-dbf", 10
	file-magic /^\x03[\x5f-\x7d][\x01-\x0c][\x01-\x1f].{4}.{2}.{2}\x00{2}/
}

signature file-berkeley-db {
	file-mime "application/x-dbm", 60
	file-magic /^(\x00\x06\x15\x61|\x61\x15\x06\x00|.{12}(\x00\x05\x31\x62|\x62\x31\x05\x00|\x00\x06\x15\x61|\x61\x15\x06\x00))/
}

signature file-gdbm {
	file-mime "application/x-gdbm", 60
	file-magic /^(\x13\x57\x9a[\xcd-\xcf]|[\xcd-\xcf]\x9a\x57\x13)/
}

signature file-bplist {
	file-mime "application/x-bplist", 80
	file-magic /^bplist0/
}

signature file-apple-double {
	file-mime "multipart/appledouble", 50
	file-magic /^\x00\x05\x16[\x00\x07]\x00/
}

signature file-uuencode {
	file-mime "text/x-uuencode", 50
	file-magic /^begin [0-7]{3} [^\r\n]+\r?\n/
}

signature file-shapefile {
	file-mime "application/x-esri-shape", 60
	file-magic /^\x00\x00\x27\x0a\x00{20}/
}

signature file-terminfo {
	file-mime "application/x-terminfo", 30
	file-magic /^\x1a\x01[\x00-\xff]\x00[\x00-\xff]\x00/
}

signature file-luks {
	file-mime "application/x-luks", 70
	file-magic /^LUKS\xba\xbe\x00[\x01\x02]/
}

signature file-bzip-delta {
	file-mime "application/x-bsdiff", 60
	file-magic /^BSDIFF40/
}

signature file-vhd {
	file-mime "application/x-vhd", 60
	file-magic /^(conectix|vhdxfile)/
}

signature file-stl {
	file-mime "model/stl", 30
	file-magic /^solid [[:print:]]*\r?\n[ \t]*facet normal/
}

signature file-gltf {
	file-mime "model/gltf-binary", 60
	file-magic /^glTF[\x01\x02]\x00\x00\x00/
}

signature file-pkcs7 {
	file-mime "application/pkcs7-mime", 40
	file-magic /^\x30(\x80|\x82..|\x83...)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x01-\x06]/
}

signature file-certificate {
	file-mime "application/x-x509-cert", 20
	file-magic /^\x30\x82..\x30\x82..\xa0\x03\x02\x01[\x00-\x02]\x02/
}
