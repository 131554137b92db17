##! Certificate transparency logs that signed timestamps are checked against. The
##! operators publish their keys; sites add the logs that they rely on:
##!
##!     redef SSL::ct_logs += { ["\x00…"] = SSL::CTInfo($description="…", $operator="…",
##!         $key="…", $maximum_merge_delay=86400, $url="…") };

@load ./main

module SSL;
