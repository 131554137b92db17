# A connection request with a cookie or with the data of a client, and the answer.

signature dpd_rdp_client {
  ip-proto == tcp
  payload /.*(Cookie: mstshash\=|Duca.*(rdpdr|rdpsnd|drdynvc|cliprdr))/
  requires-reverse-signature dpd_rdp_server
  enable "rdp"
  tcp-state originator
}

signature dpd_rdp_server {
  ip-proto == tcp
  payload /(.{5}\xd0|.*McDn)/
  tcp-state responder
}

signature dpd_rdpeudp_syn {
  ip-proto == udp
  payload /^\xff\xff\xff\xff.{2}[\x00-\xff][\x01\x05\x11\x15].{1124,1224}$/
  enable "rdpeudp"
}
