# Java archives, classes and what belongs to them.

signature file-java-class {
	file-mime "application/x-java-applet", 51
	file-magic /^\xca\xfe\xba\xbe\x00[\x00-\x03]\x00[\x2d-\x50]/
}

signature file-java-archive {
	file-mime "application/java-archive", 51
	file-magic /^PK\x03\x04.{22}(\x09\x00.{2}META-INF\/|\x14\x00.{2}META-INF\/MANIFEST\.MF)/
}

signature file-java-archive-marked {
	file-mime "application/java-archive", 61
	file-magic /^PK\x03\x04.{22}..\x04\x00(META-INF\/)\xfe\xca\x00\x00/
}

signature file-java-network-launch {
	file-mime "application/x-java-jnlp-file", 50
	file-magic /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?[xX][mM][lL][^>]*>[ \t\r\n]*)?<jnlp[ \t\r\n>]/
}

signature file-java-serialized {
	file-mime "application/x-java-serialized-object", 60
	file-magic /^\xac\xed\x00\x05[\x70-\x7e]/
}
