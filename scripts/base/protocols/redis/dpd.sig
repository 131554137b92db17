# Both sides speak in typed lines; replies show it most clearly.

signature dpd_redis_tcp_server {
  ip-proto == tcp
  payload /^([-+].*\r\n|[:$*,(!=%`~>][-+]?[0-9].*\r\n|#[tf]\r\n|_\r\n)/
  tcp-state responder
  enable "Redis"
}

signature dpd_redis_tcp_client {
  ip-proto == tcp
  payload /^(\*[0-9]+\r\n\$[0-9]+\r\n|[A-Za-z]+.*\r\n)/
  requires-reverse-signature dpd_redis_tcp_server
  tcp-state originator
  enable "Redis"
}
