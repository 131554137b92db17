##! Storage operations that give their results later: to be called in the condition of a `when`.

@load ./main

module Storage::Async;

export {
	## Opens a backend; the value of the result is its handle.
	global open_backend: function(btype: Storage::Backend, options: Storage::BackendOptions, key_type: any, val_type: any): Storage::OperationResult;
	global close_backend: function(backend: opaque of Storage::BackendHandle): Storage::OperationResult;
	global put: function(backend: opaque of Storage::BackendHandle, args: Storage::PutArgs): Storage::OperationResult;
	global get: function(backend: opaque of Storage::BackendHandle, key: any): Storage::OperationResult;
	global erase: function(backend: opaque of Storage::BackendHandle, key: any): Storage::OperationResult;
}

# A capture gives no time to wait in.
function waits(backend: opaque of Storage::BackendHandle): bool
	{
	return reading_traces() || Storage::is_forced_sync(backend);
	}

function open_backend(btype: Storage::Backend, options: Storage::BackendOptions, key_type: any, val_type: any): Storage::OperationResult
	{
	if ( options$forced_sync || reading_traces() )
		return Storage::Sync::__open_backend(btype, options, key_type, val_type);

	return Storage::Async::__open_backend(btype, options, key_type, val_type);
	}

function close_backend(backend: opaque of Storage::BackendHandle): Storage::OperationResult
	{
	return waits(backend) ? Storage::Sync::__close_backend(backend) : Storage::Async::__close_backend(backend);
	}

function put(backend: opaque of Storage::BackendHandle, args: Storage::PutArgs): Storage::OperationResult
	{
	if ( waits(backend) )
		return Storage::Sync::__put(backend, args$key, args$value, args$overwrite, args$expire_time);

	return Storage::Async::__put(backend, args$key, args$value, args$overwrite, args$expire_time);
	}

function get(backend: opaque of Storage::BackendHandle, key: any): Storage::OperationResult
	{
	return waits(backend) ? Storage::Sync::__get(backend, key) : Storage::Async::__get(backend, key);
	}

function erase(backend: opaque of Storage::BackendHandle, key: any): Storage::OperationResult
	{
	return waits(backend) ? Storage::Sync::__erase(backend, key) : Storage::Async::__erase(backend, key);
	}
