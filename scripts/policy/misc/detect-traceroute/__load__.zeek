@load ./main
@load-sigs ./detect-low-ttls.sig
