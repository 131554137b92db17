# Marks that applications leave in their pages and headers.

signature webapp-drupal {
  http-reply-body /.*[xX]-[gG]enerator[^\n]{1,20}Drupal|.*jQuery\.extend\(Drupal\.settings/
  event "Drupal"
}

signature webapp-wordpress {
  http-reply-body /.*\/wp-content\/(themes|plugins)\//
  event "WordPress"
}

signature webapp-mediawiki {
  http-reply-body /.*<meta name=\x22generator\x22 content=\x22MediaWiki/
  event "MediaWiki"
}

signature webapp-joomla {
  http-reply-body /.*<meta name=\x22generator\x22 content=\x22Joomla!/
  event "Joomla"
}

signature webapp-phpmyadmin {
  http-reply-body /.*<title>phpMyAdmin/
  event "phpMyAdmin"
}

signature webapp-trac {
  http-reply-body /.*Powered by <a href=\x22[^\x22]*\/about\x22><strong>Trac/
  event "Trac"
}

signature webapp-roundcube {
  http-reply-body /.*rcube_webmail\(\)/
  event "Roundcube"
}

signature webapp-gitweb {
  http-reply-body /.*<meta name=\x22generator\x22 content=\x22gitweb\//
  event "gitweb"
}
