##! The trusted roots. A monitor's own store of authorities is built into the
##! binary; entries that a site adds to the table here are trusted as well.

@load ./main

module SSL;
