# The id of the protocol behind the length.

signature dpd_smb {
  ip-proto == tcp
  payload /^....[\xfe\xff]SMB/
  enable "smb"
}
