##! Built-in functions: mathematics.

global floor: function(d: double): double;
global ceil: function(d: double): double;
global sqrt: function(x: double): double;
global exp: function(d: double): double;
global ln: function(d: double): double;
global log2: function(d: double): double;
global log10: function(d: double): double;
global pow: function(x: double, y: double): double;
global haversine_distance: function(lat1: double, long1: double, lat2: double, long2: double): double;
global modulo: function(a: int, b: int): int;
