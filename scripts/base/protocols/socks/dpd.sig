# Version 4: a request and its answer, in either orientation.

signature dpd_socks4_client {
  ip-proto == tcp
  payload /^\x04[\x01\x02].{0,}\x00/
  tcp-state originator
}

signature dpd_socks4_server {
  ip-proto == tcp
  requires-reverse-signature dpd_socks4_client
  payload /^\x00[\x5a\x5b\x5c\x5d]/
  tcp-state responder
  enable "socks"
}

signature dpd_socks4_reverse_client {
  ip-proto == tcp
  payload /^\x04[\x01\x02].{0,}\x00/
  tcp-state responder
}

signature dpd_socks4_reverse_server {
  ip-proto == tcp
  requires-reverse-signature dpd_socks4_reverse_client
  payload /^\x00[\x5a\x5b\x5c\x5d]/
  tcp-state originator
  enable "socks"
}

# Version 5: the offer of methods and the choice.

signature dpd_socks5_client {
  ip-proto == tcp
  # Some methods, and nothing that looks like text.
  payload /^\x05.[\x00\x01\x02\x03\x05\x06\x07\x08\x09]/
  tcp-state originator
}

signature dpd_socks5_server {
  ip-proto == tcp
  requires-reverse-signature dpd_socks5_client
  payload /^\x05[\x00\x01\x02\x03\x05\x06\x07\x08\x09]/
  tcp-state responder
  enable "socks"
}
