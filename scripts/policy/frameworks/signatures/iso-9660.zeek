##! Recognises images of discs; their mark lies far from the beginning.

@load-sigs ./iso-9660.sig

redef default_file_bof_buffer_size = 0x8000 + 2048;
