##! Settings of the reader that hands files over in pieces.

module InputBinary;

export {
	const chunk_size: count = 1024 &redef;

	## Stands before relative names of files.
	const path_prefix: string = "" &redef;
}
