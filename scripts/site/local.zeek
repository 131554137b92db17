##! The site's own configuration: a good set of scripts to begin with. Change it as you like.

# Every script that is loaded, in loaded_scripts.log.
@load misc/loaded-scripts

# Performance and load, in stats.log, and whether packets are lost before they arrive here.
@load misc/stats
@load misc/capture-loss

# Known vulnerable software, and changes of versions.
@load frameworks/software/vulnerable
@load frameworks/software/version-changes

# Shells of Windows in the clear.
@load-sigs frameworks/signatures/detect-windows-shells

# Software that hosts show in several protocols.
@load protocols/ftp/software
@load protocols/smtp/software
@load protocols/ssh/software
@load protocols/http/software

# Names of other sites that resolve to addresses of this one.
@load protocols/dns/detect-external-names

# Suspicious use of FTP.
@load protocols/ftp/detect

# What is on the local network.
@load protocols/conn/known-hosts
@load protocols/conn/known-services
@load protocols/ssl/known-certs

# Certificates: are they valid, and only those of hosts in x509.log.
@load protocols/ssl/validate-certs
@load protocols/ssl/log-hostcerts-only

# SSH: guessed passwords, where logins come from, and hosts that should not log in anywhere.
@load protocols/ssh/geo-data
@load protocols/ssh/detect-bruteforcing
@load protocols/ssh/interesting-hostnames

# Attacks on databases behind web servers.
@load protocols/http/detect-sql-injection

# Hashes of all files, and a look-up of them in a registry of malware.
@load frameworks/files/hash-all-files
@load frameworks/files/detect-MHR

# Names of hosts in mails about notices.
@load policy/frameworks/notice/extend-email/hostnames

# Not everybody wants these.
# @load misc/detect-traceroute
# @load protocols/http/detect-webapps
# @load protocols/conn/vlan-logging
# @load protocols/conn/mac-logging
# @load protocols/conn/community-id-logging
# @load policy/protocols/ssl/heartbleed
# @load frameworks/telemetry/log
# @load tuning/json-logs

# Packages that a package manager installed.
# @load packages

# Replace this by a secret of your own: it keeps identifiers that are derived from data from being guessed.
redef digest_salt = "Please change this value.";
