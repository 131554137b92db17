# Sources of programming languages, scripts and patches.

signature file-shell-script {
	file-mime "text/x-shellscript", 250
	file-magic /^#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?(ba|da|a|k|z|tc|c)?sh[ \t\r\n]/
}

signature file-awk-script {
	file-mime "text/x-awk", 61
	file-magic /^#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?[gnm]?awk[ \t\r\n]/
}

signature file-perl-script {
	file-mime "text/x-perl", 61
	file-magic /^(#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?perl[0-9.]*[ \t\r\n]|eval \"exec \/(usr\/)?(local\/)?bin\/perl)/
}

signature file-ruby-script {
	file-mime "text/x-ruby", 61
	file-magic /^#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?ruby[0-9.]*[ \t\r\n]/
}

signature file-tcl-script {
	file-mime "text/x-tcl", 61
	file-magic /^#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?(tcl|wish|tclsh)[0-9.]*[ \t\r\n]/
}

signature file-lua-script {
	file-mime "text/x-lua", 49
	file-magic /^#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?lua[0-9.]*[ \t\r\n]/
}

signature file-php {
	file-mime "text/x-php", 61
	file-magic /^(#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?php[0-9.]*[ \t\r\n]|[ \t\r\n]*<\?(php|PHP)[ \t\r\n])/
}

signature file-javascript {
	file-mime "application/javascript", 60
	file-magic /^[ \t\r\n]*(document\.(write|getElement|cookie|domain)|#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?node(js)?[ \t\r\n])/
}

signature file-batch {
	file-mime "text/x-msdos-batch", 60
	file-magic /^@[eE][cC][hH][oO] [oO][fF][fF]/
}

signature file-diff {
	file-mime "text/x-diff", 55
	file-magic /^(diff |Index: [^\r\n]+\r?\n=====|(---|\*\*\*) [^\r\n]+\r?\n(\+\+\+|---) |Only in )/
}

signature file-unified-diff {
	file-mime "text/x-diff", 55
	# Text may come before it, as in mail.
	file-magic /^([^\x00]*\n)?--- [^\r\n\x00]{1,256}\r?\n\+\+\+ [^\r\n\x00]{1,256}\r?\n@@ /
}

signature file-mail-patch {
	file-mime "text/x-diff", 55
	file-magic /^From [0-9a-f]{40} Mon Sep 17 00:00:00 2001/
}

signature file-lua-bytecode {
	file-mime "application/x-lua-bytecode", 49
	file-magic /^\x1bLua/
}

signature file-message-catalog {
	file-mime "application/x-gettext-translation", 50
	file-magic /^(\xde\x12\x04\x95|\x95\x04\x12\xde)/
}

signature file-latex {
	file-mime "text/x-tex", 50
	file-magic /^(%[^\n]*\n)*[ \t\r\n]*\\(documentclass|documentstyle|input|begin\{document\})/
}

signature file-git-bundle {
	file-mime "application/x-git", 50
	file-magic /^(# v[23] git bundle\n|PACK\x00\x00\x00[\x02\x03])/
}
