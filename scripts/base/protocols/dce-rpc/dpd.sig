# Version 5 and a known type of message.

signature dpd_dce_rpc_tcp {
  ip-proto == tcp
  payload /^\x05[\x00\x01][\x00-\x13]/
  enable "DCE_RPC"
}

signature dpd_dce_rpc_udp {
  ip-proto == udp
  payload /^\x05[\x00\x01][\x00-\x13]/
  enable "DCE_RPC"
}
