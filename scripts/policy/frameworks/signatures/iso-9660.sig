# The volume descriptor, which lies behind the system area.

signature file-iso9660 {
  file-magic /^[\x00-\xff]{32769}CD001/
  file-mime "application/x-iso9660-image", 99
}
