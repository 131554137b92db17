# Hello messages of SSL 2.

signature dpd_ssl_v2_server {
  ip-proto == tcp
  payload /^..\x04[\x00\x01].\x00\x02/
  requires-reverse-signature dpd_ssl_v2_client
  enable "ssl"
  tcp-state responder
}

signature dpd_ssl_v2_client {
  ip-proto == tcp
  payload /^...?\x01[\x00\x03][\x00\x01\x02\x03\x04]/
  tcp-state originator
}
