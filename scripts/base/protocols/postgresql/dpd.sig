# A request for TLS and its one letter, or a startup message and a typed reply.

signature dpd_postgresql_client_sslrequest {
  ip-proto == tcp
  payload /^\x00\x00\x00\x08\x04\xd2\x16\x2f/
  tcp-state originator
}

signature dpd_postgresql_server_sslreply {
  ip-proto == tcp
  payload /^[SN]/
  requires-reverse-signature dpd_postgresql_client_sslrequest
  tcp-state responder
  enable "PostgreSQL"
}

signature dpd_postgresql_client_startup {
  ip-proto == tcp
  payload /^....\x00\x03\x00[\x00\x02].*user\x00/
  tcp-state originator
}

signature dpd_postgresql_server_any {
  ip-proto == tcp
  payload /^[a-zA-Z0-9]...../
  requires-reverse-signature dpd_postgresql_client_startup
  tcp-state responder
  enable "PostgreSQL"
}
