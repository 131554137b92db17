# The banners of command interpreters, where no one expects them.

signature windows_reverse_shell {
  ip-proto == tcp
  tcp-state established,originator
  event "ATTACK: Reverse shell originated by Windows host"
  payload /.*Microsoft Windows \[Version.*\(c\).*Microsoft Corp/
}

signature windows_shell {
  ip-proto == tcp
  tcp-state established,responder
  event "ATTACK: Windows shell from responder"
  payload /.*Microsoft Windows \[Version.*\(c\).*Microsoft Corp/
}
