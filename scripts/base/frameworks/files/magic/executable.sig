# Programs and libraries in binary form.

signature file-windows-executable {
	file-mime "application/x-dosexec", 51
	file-magic /^MZ/
}

signature file-elf-executable {
	file-mime "application/x-executable", 50
	file-magic /^\x7fELF[\x01\x02](\x01.{10}[\x02]\x00|\x02.{10}\x00[\x02])/
}

signature file-elf-shared {
	file-mime "application/x-sharedlib", 50
	file-magic /^\x7fELF[\x01\x02](\x01.{10}[\x03]\x00|\x02.{10}\x00[\x03])/
}

signature file-elf-object {
	file-mime "application/x-object", 50
	file-magic /^\x7fELF[\x01\x02](\x01.{10}[\x01]\x00|\x02.{10}\x00[\x01])/
}

signature file-elf-core {
	file-mime "application/x-coredump", 50
	file-magic /^\x7fELF[\x01\x02](\x01.{10}[\x04]\x00|\x02.{10}\x00[\x04])/
}

signature file-mach-o {
	file-mime "application/x-mach-o-executable", 50
	file-magic /^(\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe\x00\x00\x00[\x01-\x14])/
}

signature file-webassembly {
	file-mime "application/wasm", 70
	file-magic /^\x00asm\x01\x00\x00\x00/
}

signature file-dex {
	file-mime "application/vnd.android.dex", 70
	file-magic /^dex\n0[0-9]{2}\x00/
}

signature file-chrome-extension {
	file-mime "application/x-chrome-extension", 70
	file-magic /^Cr24[\x02\x03]\x00\x00\x00/
}

signature file-llvm-bitcode {
	file-mime "application/x-llvm-bitcode", 70
	file-magic /^BC\xc0\xde/
}
