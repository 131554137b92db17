##! Events raised by native code: zip.

module ZIP;

export {
	global file: event(f: fa_file, meta: ZIP::File);
	global end_of_directory: event(f: fa_file, comment: string);
}
