##! Events raised by native code: storage.

module Storage;

export {
	global backend_opened: event(tag: Storage::Backend, options: any);
	global backend_lost: event(tag: Storage::Backend, options: any, reason: string);
}
