# The method of a request, or what a server answers with.

signature dpd_http_client {
  ip-proto == tcp
  payload /^[[:space:]]*(OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|POLL|REPORT|SUBSCRIBE|BMOVE|SEARCH|QUERY|RPC_IN_DATA|RPC_OUT_DATA)[[:space:]]/
  tcp-state originator
  enable "http"
}

signature dpd_http_server {
  ip-proto == tcp
  payload /^[hH][tT][tT][pP]\/[0-9]/
  tcp-state responder
  enable "http"
}
