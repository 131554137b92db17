# Archives, compressed data and disk images.

signature file-zip {
	file-mime "application/zip", 10
	file-magic /^PK(\x03\x04|\x07\x08PK\x03\x04)/
}

signature file-gzip {
	file-mime "application/x-gzip", 100
	file-magic /^\x1f\x8b/
}

signature file-bzip2 {
	file-mime "application/x-bzip2", 60
	file-magic /^BZh[1-9]\x31\x41\x59\x26\x53\x59/
}

signature file-xz {
	file-mime "application/x-xz", 90
	file-magic /^\xfd7zXZ\x00/
}

signature file-lzma {
	file-mime "application/x-lzma", 71
	file-magic /^\x5d\x00\x00.{2}(\xff{8}|.{4}\x00{4})/
}

signature file-lzip {
	file-mime "application/x-lzip", 70
	file-magic /^LZIP[\x00\x01]/
}

signature file-zstd {
	file-mime "application/zstd", 70
	file-magic /^\x28\xb5\x2f\xfd/
}

signature file-lz4 {
	file-mime "application/x-lz4", 70
	file-magic /^\x04\x22\x4d\x18/
}

signature file-compress {
	file-mime "application/x-compress", 50
	file-magic /^\x1f\x9d/
}

signature file-7zip {
	file-mime "application/x-7z-compressed", 50
	file-magic /^7z\xbc\xaf\x27\x1c/
}

signature file-rar {
	file-mime "application/x-rar", 70
	file-magic /^Rar!\x1a\x07(\x00|\x01\x00)/
}

signature file-tar {
	file-mime "application/x-tar", 100
	file-magic /^[[:print:]\x80-\xff][[:print:]\x00\x80-\xff]{99}([0-7\x20\x00]{8}){3}([0-7\x20\x00]{12}){2}([0-7\x20\x00]{8}).(.{100})ustar[\x00\x20]/
}

signature file-cab {
	file-mime "application/vnd.ms-cab-compressed", 110
	file-magic /^MSCF\x00\x00\x00\x00/
}

signature file-installshield-cab {
	file-mime "application/x-installshield", 100
	file-magic /^ISc\(/
}

signature file-arj {
	file-mime "application/x-arj", 50
	file-magic /^\x60\xea.{2}[\x1e-\x3e]/
}

signature file-lha {
	file-mime "application/x-lharc", 80
	file-magic /^..-l(h[0-9d]|z[2-8s])-/
}

signature file-ace {
	file-mime "application/x-ace", 100
	file-magic /^.{7}\*\*ACE\*\*/
}

signature file-cpio {
	file-mime "application/x-cpio", 50
	file-magic /^(07070[127]|\xc7\x71|\x71\xc7)/
}

signature file-ar {
	file-mime "application/x-archive", 60
	file-magic /^!<arch>\n/
}

signature file-debian-package {
	file-mime "application/vnd.debian.binary-package", 100
	file-magic /^!<arch>\ndebian-binary/
}

signature file-rpm {
	file-mime "application/x-rpm", 70
	file-magic /^\xed\xab\xee\xdb/
}

signature file-xar {
	file-mime "application/x-xar", 100
	file-magic /^xar!\x00\x1c/
}

signature file-apple-disk-image {
	file-mime "application/x-apple-diskimage", 70
	file-magic /^koly\x00\x00\x00\x04/
}

signature file-stuffit {
	file-mime "application/x-stuffit", 70
	file-magic /^(SIT!....rLau|StuffIt \(c\)1997)/
}

signature file-binhex {
	file-mime "application/mac-binhex40", 50
	file-magic /^.{0,64}\(This file must be converted with BinHex/
}

signature file-zoo {
	file-mime "application/x-zoo", 70
	file-magic /^.{20}\xdc\xa7\xc4\xfd/
}

signature file-squashfs {
	file-mime "application/x-squashfs", 60
	file-magic /^(hsqs|sqsh)/
}

signature file-qcow {
	file-mime "application/x-qemu-disk", 60
	file-magic /^QFI\xfb/
}

signature file-vmdk {
	file-mime "application/x-vmdk", 60
	file-magic /^(KDMV|COWD)/
}

signature file-warc {
	file-mime "application/warc", 50
	file-magic /^WARC\/[01]\./
}
