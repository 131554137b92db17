# The first packet of a client: a long header of type Initial.

signature dpd_quic_v1 {
  ip-proto == udp
  payload /^[\xc0-\xcf]\x00\x00\x00\x01/
  enable "QUIC"
}

signature dpd_quic_v2 {
  ip-proto == udp
  payload /^[\xd0-\xdf]\x6b\x33\x43\xcf/
  enable "QUIC"
}
