# Python scripts and compiled modules.

signature file-python-script {
	file-mime "text/x-python", 60
	file-magic /^#![ \t]*(\/usr)?(\/local)?\/bin\/(env[ \t]+)?python[0-9.]*[ \t\r\n]/
}

# Compiled modules begin with a version number, a carriage return and a line feed.
signature file-python-bytecode-2 {
	file-mime "application/x-python-bytecode", 30
	file-magic /^([\x87\x2a\x2d\x3b\x45\x59\x63\x6d\x77\x81\x8b\x9f\xa9\xb3\xc7\xd1\xdb\xe5\xef\xf9\x03]\xc6|[\x03\x0d\x17\xf2\xd1]\xf2|[\xd1\xdb\xe5\xef\xf9\x03\x0d\x17\xb3\x8c\x95]\xf2)\r\n/
}

signature file-python-bytecode-3 {
	file-mime "application/x-python-bytecode", 30
	file-magic /^[\x00-\xff][\x0b-\x0e]\r\n([\x00-\x03]\x00\x00\x00|.{4}).{4}[\x00-\xff]/
}
