# Sound and music.

signature file-wave {
	file-mime "audio/x-wav", 70
	file-magic /^RIFF.{4}WAVE/
}

signature file-midi {
	file-mime "audio/midi", 70
	file-magic /^MThd\x00\x00\x00\x06/
}

signature file-mp3-id3 {
	file-mime "audio/mpeg", 70
	file-magic /^ID3[\x02-\x04]/
}

# Frame headers of MPEG audio: layer, bit rate and sampling rate must be possible.
signature file-mp3-frame {
	file-mime "audio/mpeg", 40
	file-magic /^\xff[\xfa\xfb\xf2\xf3\xe2\xe3][\x10-\x13\x14-\x17\x18-\x1b\x20-\x2b\x30-\x3b\x40-\x4b\x50-\x5b\x60-\x6b\x70-\x7b\x80-\x8b\x90-\x9b\xa0-\xab\xb0-\xbb\xc0-\xcb\xd0-\xdb\xe0-\xeb]/
}

signature file-aac {
	file-mime "audio/x-hx-aac-adts", 40
	file-magic /^\xff[\xf0\xf1\xf8\xf9][\x40-\x7f][\x00-\xff]/
}

signature file-flac {
	file-mime "audio/x-flac", 70
	file-magic /^fLaC[\x00\x80]/
}

signature file-ogg {
	file-mime "application/ogg", 70
	file-magic /^OggS\x00/
}

signature file-aiff {
	file-mime "audio/x-aiff", 70
	file-magic /^FORM.{4}AIF[FC]/
}

signature file-au {
	file-mime "audio/basic", 40
	file-magic /^(\.snd|dns\.)\x00/
}

signature file-amr {
	file-mime "audio/AMR", 70
	file-magic /^#!AMR/
}

signature file-m4a {
	file-mime "audio/m4a", 70
	file-magic /^\x00\x00\x00.ftyp(M4A |M4B )/
}

signature file-real-audio {
	file-mime "audio/x-pn-realaudio", 70
	file-magic /^\.ra\xfd/
}

signature file-playlist {
	file-mime "audio/x-mpegurl", 50
	file-magic /^(\xef\xbb\xbf)?#EXTM3U/
}

signature file-module {
	file-mime "audio/x-mod", 50
	file-magic /^(Extended Module: |IMPM)/
}

signature file-musepack {
	file-mime "audio/x-musepack", 50
	file-magic /^(MP\+[\x07\x17]|MPCK)/
}

signature file-ape {
	file-mime "audio/x-ape", 50
	file-magic /^MAC [\x00-\xff][\x0c-\x10]/
}
