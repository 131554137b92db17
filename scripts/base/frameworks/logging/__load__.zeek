@load ./main
@load ./postprocessors
@load ./writers/ascii
@load ./writers/none
@load ./writers/sqlite
