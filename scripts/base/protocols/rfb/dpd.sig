# Both sides name the protocol.

signature dpd_rfb_server {
  ip-proto == tcp
  payload /^RFB/
  requires-reverse-signature dpd_rfb_client
  tcp-state responder
  enable "rfb"
}

signature dpd_rfb_client {
  ip-proto == tcp
  payload /^RFB/
  tcp-state originator
}
