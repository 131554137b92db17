#!/usr/bin/env bash
# Records the captures of this folder from real servers and clients in two network namespaces joined by a veth pair.
# Needs root and Debian's iproute2 tcpdump nginx-light curl openssl dnsmasq dnsutils openssh-server openssh-client
# netcat-openbsd vsftpd swaks exim4-daemon-light redis-server mosquitto mosquitto-clients iputils-ping ethtool
# ngircd dante-server rsyslog bsdutils snmpd snmp ntpsec dovecot-imapd dovecot-pop3d udhcpc krb5-kdc krb5-admin-server
# krb5-user slapd ldap-utils freeradius freeradius-utils sip-tester samba smbclient rpcbind mariadb-server postgresql
# tigervnc-standalone-server tigervnc-tools xrdp freerdp2-x11 xvfb; for quic, websocket, modbus, vnc and postgresql an
# interpreter with aioquic, websockets, pymodbus, vncdotool, psycopg2 and asyncpg from PyPI, named by PYTHON.
# usage: record.sh [NAME ...]      records all, or the named ones
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
client="ip netns exec tapir-client"
server="ip netns exec tapir-server"
pids=()

cleanup() {
	kill "${pids[@]}" 2>/dev/null || true
	ip netns del tapir-client 2>/dev/null || true
	ip netns del tapir-server 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

ip netns add tapir-client
ip netns add tapir-server
ip link add c0 netns tapir-client type veth peer name s0 netns tapir-server
for side in "client c0 1" "server s0 2"; do
	read -r ns dev n <<<"$side"
	ip -n "tapir-$ns" addr add "10.99.0.$n/24" dev "$dev"
	ip -n "tapir-$ns" addr add "fd00:99::$n/64" dev "$dev" nodad
	ip -n "tapir-$ns" link set "$dev" up
	ip -n "tapir-$ns" link set lo up
	ip netns exec "tapir-$ns" ethtool -K "$dev" tx off rx off tso off gso off gro off >/dev/null 2>&1 || true
done
sleep 1

# capture NAME COMMAND...: records what COMMAND causes on the client's side
capture() {
	local name=$1; shift
	$client tcpdump -Z root -i c0 -U -w "$here/$name.pcap" not port 5353 and not icmp6 >/dev/null 2>&1 &
	local dump=$!
	sleep 1.5
	"$@" >"$work/$name.out" 2>&1 || echo "note: $name: the client ended with $?" >&2
	sleep 1.5
	kill -INT $dump; wait $dump 2>/dev/null || true
	echo "$name: $(stat -c %s "$here/$name.pcap") bytes"
}

run_server() { $server "$@" >"$work/server.log" 2>&1 & pids+=($!); sleep 0.8; }

certificate() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/C=XX/O=Tapir tests/CN=www.tapir.test" \
		-addext "subjectAltName=DNS:www.tapir.test,DNS:tapir.test" -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
}

web() {
	certificate
	mkdir -p "$work/www"
	echo "<html><body>hello from the tapir</body></html>" >"$work/www/index.html"
	head -c 20000 /dev/zero | tr '\0' 'a' >"$work/www/big.txt"
	printf '\x89PNG\r\n\x1a\n%064d' 0 >"$work/www/dot.png"
	cat >"$work/nginx.conf" <<-CONF
		pid $work/nginx.pid; error_log $work/nginx.err; daemon off; worker_processes 1;
		events {}
		http {
			types { text/html html; text/plain txt; image/png png; }
			access_log off; root $work/www; gzip on; gzip_min_length 100; gzip_types text/plain;
			client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
			server { listen 80; listen [::]:80; location /old { return 301 /index.html; } location /put { return 204; } }
			server { listen 443 ssl; ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; ssl_protocols TLSv1.2 TLSv1.3; }
		}
	CONF
	chmod 755 "$work"; chmod -R a+rX "$work/www"
	run_server nginx -c "$work/nginx.conf"
	http_client() {
		$client curl -s http://10.99.0.2/ http://10.99.0.2/dot.png http://10.99.0.2/old
		$client curl -s --compressed http://10.99.0.2/big.txt
		$client curl -s -A tapir-test -d "name=value" http://10.99.0.2/put
		$client curl -s -g "http://[fd00:99::2]/missing"
	}
	capture http http_client
	tls_client() {
		$client curl -sk --tls-max 1.2 --resolve www.tapir.test:443:10.99.0.2 https://www.tapir.test/
		$client curl -sk --tlsv1.3 --resolve www.tapir.test:443:10.99.0.2 https://www.tapir.test/
	}
	capture tls tls_client
}

dns() {
	run_server dnsmasq -k -C /dev/null -p 53 --no-resolv --no-hosts --user=root --pid-file= --log-facility=- \
		--address=/www.tapir.test/10.99.0.2 --address=/www.tapir.test/fd00:99::2 --cname=alias.tapir.test,www.tapir.test \
		--txt-record=tapir.test,"v=test" --mx-host=tapir.test,mail.tapir.test,10 --address=/#/
	dns_client() {
		for q in "www.tapir.test A" "www.tapir.test AAAA" "tapir.test TXT" "tapir.test MX" "missing.tapir.test A"; do
			# shellcheck disable=SC2086
			$client dig +time=1 +tries=1 @10.99.0.2 $q
		done
		$client dig +tcp +time=1 @10.99.0.2 www.tapir.test A
	}
	capture dns dns_client
}

ssh() {
	ssh-keygen -q -t ed25519 -N "" -f "$work/host"
	ssh-keygen -q -t ed25519 -N "" -f "$work/user"
	mkdir -p /run/sshd
	cp "$work/user.pub" "$work/authorized"
	run_server /usr/sbin/sshd -D -e -f /dev/null -p 22 -h "$work/host" -o StrictModes=no -o PermitRootLogin=yes \
		-o AuthorizedKeysFile="$work/authorized" -o PidFile="$work/sshd.pid"
	ssh_client() {
		$client /usr/bin/ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i "$work/user" root@10.99.0.2 true
		$client /usr/bin/ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o PubkeyAuthentication=no root@10.99.0.2 true
	}
	capture ssh ssh_client
	guesses() {
		local i n
		for n in 1 2 3; do ssh-keygen -q -t ed25519 -N "" -f "$work/wrong$n"; done
		for i in 1 2 3 4 5 6; do
			$client /usr/bin/ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o IdentitiesOnly=yes \
				-i "$work/wrong1" -i "$work/wrong2" -i "$work/wrong3" root@10.99.0.2 true
		done
	}
	capture ssh-guesses guesses
}

scans() {
	run_server sh -c 'while true; do nc -l -p 9000 >/dev/null; done'
	payload() { printf 'GET-THE-TAPIR malicious-marker-4711\n' | $client nc -q 1 10.99.0.2 9000; }
	capture marker payload
	udp_scan() { $client bash -c 'for p in $(seq 2000 2039); do echo x >/dev/udp/10.99.0.2/$p; sleep 0.02; done' || true; }
	capture udp-scan udp_scan
	refused() { for port in 81 82 83; do $client nc -z -w 1 10.99.0.2 "$port"; done; }
	capture refused refused
	long() { { for i in 1 2 3 4 5 6; do echo "line $i"; sleep 1; done; } | $client nc -q 1 10.99.0.2 9000; }
	capture long long
	ping_both() { $client ping -c 2 10.99.0.2; }
	capture ping ping_both
}

mail() {
	cat >"$work/exim.conf" <<-CONF
		primary_hostname = mail.tapir.test
		daemon_smtp_ports = 25
		spool_directory = $work/spool
		log_file_path = $work/exim-%slog
		exim_user = root
		exim_group = root
		never_users =
		acl_smtp_rcpt = accept
		acl_smtp_data = accept
		begin acl
		accept:
		  accept
		begin routers
		drop:
		  driver = redirect
		  data = :blackhole:
	CONF
	mkdir -p "$work/spool"; chmod 600 "$work/exim.conf"
	run_server exim4 -C "$work/exim.conf" -bdf
	mail_client() {
		$client swaks --server 10.99.0.2 --from a@tapir.test --to b@tapir.test --helo client.tapir.test \
			--header "Subject: a test" --body "hello" --attach-type text/plain --attach "@$here/record.sh"
	}
	capture smtp mail_client
}

ftp() {
	mkdir -p "$work/ftp/pub"; echo "file for ftp" >"$work/ftp/pub/file.txt"; chmod 755 "$work" "$work/ftp" "$work/ftp/pub"
	cat >"$work/vsftpd.conf" <<-CONF
		listen=YES
		background=NO
		anonymous_enable=YES
		anon_root=$work/ftp
		secure_chroot_dir=$work
		seccomp_sandbox=NO
		no_anon_password=NO
		run_as_launching_user=YES
		pasv_enable=YES
	CONF
	run_server vsftpd "$work/vsftpd.conf"
	ftp_client() {
		$client curl -s --user anonymous:mail@tapir.test ftp://10.99.0.2/pub/file.txt
		$client curl -s --disable-epsv --user anonymous:mail@tapir.test ftp://10.99.0.2/pub/
	}
	capture ftp ftp_client
}

mqtt() {
	printf 'listener 1883 10.99.0.2\nallow_anonymous true\n' >"$work/mosquitto.conf"
	run_server mosquitto -c "$work/mosquitto.conf"
	mqtt_client() {
		$client timeout 3 mosquitto_sub -h 10.99.0.2 -t 'tapir/#' -C 1 &
		sleep 0.5
		$client mosquitto_pub -h 10.99.0.2 -t tapir/test -m hello
		wait $!
	}
	capture mqtt mqtt_client
}

redis() {
	run_server redis-server --bind 10.99.0.2 --protected-mode no --save '' --dir "$work"
	redis_client() { $client redis-cli -h 10.99.0.2 set tapir nose; $client redis-cli -h 10.99.0.2 get tapir; }
	capture redis redis_client
}

irc() {
	cat >"$work/ngircd.conf" <<-CONF
		[Global]
		Name = irc.tapir.test
		Info = a server for tests
		Listen = 10.99.0.2
		Ports = 6667
		MotdPhrase = hello from the tapir
		ServerUID = root
		ServerGID = root
		[Options]
		Ident = no
		PAM = no
		DNS = no
	CONF
	run_server ngircd -n -f "$work/ngircd.conf"
	talk() {
		{
			printf 'NICK %s\r\nUSER %s host server :A %s for tests\r\n' "$1" "$1" "$1"; sleep 1
			printf 'JOIN #tapir secret\r\n'; sleep 1
			printf 'PRIVMSG #tapir :hello from %s\r\nNOTICE #tapir :noted\r\nWHOIS %s\r\n' "$1" "$1"; sleep 1
			printf 'PART #tapir :done\r\nQUIT :bye\r\n'; sleep 1
		} | $client nc -q 1 10.99.0.2 6667
	}
	irc_client() { talk anna & talk bert; wait $!; }
	capture irc irc_client
}

socks() {
	mkdir -p "$work/www"; echo "hello through the proxy" >"$work/www/index.html"
	run_server python3 -m http.server --bind 10.99.0.2 --directory "$work/www" 8088
	cat >"$work/danted.conf" <<-CONF
		logoutput: $work/danted.log
		internal: 10.99.0.2 port = 1080
		external: s0
		socksmethod: none
		clientmethod: none
		client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
		socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }
	CONF
	run_server danted -f "$work/danted.conf" -p "$work/danted.pid"
	socks_client() {
		$client curl -s --socks5 10.99.0.2:1080 http://10.99.0.2:8088/
		$client curl -s --socks5-hostname 10.99.0.2:1080 http://10.99.0.2:8088/missing
		$client curl -s --socks4 10.99.0.2:1080 http://10.99.0.2:8088/
	}
	capture socks socks_client
}

syslog() {
	cat >"$work/rsyslog.conf" <<-CONF
		module(load="imudp")
		module(load="imtcp")
		input(type="imudp" port="514")
		input(type="imtcp" port="514")
		*.* action(type="omfile" file="$work/messages")
	CONF
	run_server rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslog.pid"
	syslog_client() {
		$client logger --rfc3164 -n 10.99.0.2 -P 514 -d -p user.notice -t tapir "by datagram"
		$client logger --rfc5424 -n 10.99.0.2 -P 514 -d -p mail.err -t tapir "in the newer form"
		$client logger --rfc3164 -n 10.99.0.2 -P 514 -T -p local3.debug -t tapir "by stream"
		$client logger --rfc3164 --octet-count -n 10.99.0.2 -P 514 -T -p daemon.warning -t tapir "counted"
	}
	capture syslog syslog_client
}

snmp() {
	cat >"$work/snmpd.conf" <<-CONF
		agentaddress udp:10.99.0.2:161
		rocommunity tapir
		sysLocation a test
		createUser nose SHA "tapirtapir"
		rouser nose auth
		createUser ear SHA "tapirtapir" AES "tapirtapir"
		rouser ear priv
	CONF
	run_server env SNMP_PERSISTENT_DIR="$work/snmp" snmpd -f -C -c "$work/snmpd.conf" -Lf "$work/snmpd.log"
	snmp_client() {
		export MIBS=
		$client snmpget -v1 -c tapir 10.99.0.2 1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.1.3.0
		$client snmpbulkget -v2c -c tapir -Cr3 10.99.0.2 1.3.6.1.2.1.1
		$client snmpget -v2c -c wrong -t 1 -r 0 10.99.0.2 1.3.6.1.2.1.1.1.0
		$client snmpset -v2c -c tapir 10.99.0.2 1.3.6.1.2.1.1.6.0 s other
		$client snmpget -v3 -u nose -l authNoPriv -a SHA -A tapirtapir 10.99.0.2 1.3.6.1.2.1.1.6.0
	}
	capture snmp snmp_client
	echo 'disableAuthorization yes' >"$work/snmptrapd.conf"
	run_server env SNMP_PERSISTENT_DIR="$work/snmp" snmptrapd -f -C -c "$work/snmptrapd.conf" -Lf "$work/snmptrapd.log" udp:10.99.0.2:162
	snmp_notes() {
		$client snmpbulkget -v2c -c tapir -Cr2 10.99.0.2 1.3.6.1.2.1.1.5 1.3.6.1.2.1.1.6
		$client snmptrap -v1 -c tapir 10.99.0.2 1.3.6.1.4.1.9 10.1.1.1 6 17 100 1.3.6.1.2.1.1.6.0 s here
		$client snmptrap -v2c -c tapir 10.99.0.2 100 1.3.6.1.4.1.9 1.3.6.1.2.1.1.6.0 i -5
		$client snmpinform -v2c -c tapir -t 1 -r 0 10.99.0.2 100 1.3.6.1.4.1.9 1.3.6.1.2.1.1.6.0 a 1.2.3.4
		$client snmpget -v3 -u ear -l authPriv -a SHA -A tapirtapir -x AES -X tapirtapir 10.99.0.2 1.3.6.1.2.1.1.6.0
	}
	capture snmp-notes snmp_notes
}

ntp() {
	printf 'server 127.127.1.0\nfudge 127.127.1.0 stratum 5\n' >"$work/ntp.conf"
	run_server ntpd -n -c "$work/ntp.conf" -g
	sleep 8
	printf 'server 10.99.0.2 iburst\n' >"$work/ntp-client.conf"
	ntp_client() {
		$client ntpq -n -c rv 10.99.0.2
		# Asks, and is not to set the clock.
		$client timeout 12 ntpd -n -q -g -c "$work/ntp-client.conf" -p "$work/ntp-client.pid"
	}
	capture ntp ntp_client
}

post() {
	certificate
	mkdir -p "$work/post/new" "$work/post/cur" "$work/post/tmp"
	printf 'From: a@tapir.test\nTo: b@tapir.test\nSubject: a mail\nContent-Type: text/plain\n\nhello\n.. and dots\n' >"$work/post/new/1.mail"
	chmod 755 "$work"; chown -R nobody "$work/post"
	cat >"$work/dovecot.conf" <<-CONF
		base_dir = $work/dovecot
		log_path = $work/dovecot.log
		protocols = imap pop3
		listen = 10.99.0.2
		ssl = yes
		ssl_cert = <$work/cert.pem
		ssl_key = <$work/key.pem
		disable_plaintext_auth = no
		auth_mechanisms = plain login cram-md5
		mail_location = maildir:$work/post
		first_valid_uid = 1
		passdb {
		  driver = static
		  args = password={plain}secret
		}
		userdb {
		  driver = static
		  args = uid=nobody gid=nogroup home=$work/post
		}
	CONF
	run_server dovecot -F -c "$work/dovecot.conf"
	cat >"$work/pop3.py" <<-'PY'
		import poplib, ssl
		c = poplib.POP3("10.99.0.2")
		c.capa(); c.user("anna"); c.pass_("secret")
		c.stat(); c.list(); c.uidl(); c.top(1, 1); c.retr(1); c.noop(); c.quit()
		c = poplib.POP3("10.99.0.2")
		c.user("bert")
		try:
		    c.pass_("wrong")
		except poplib.error_proto:
		    pass
		c.quit()
		context = ssl._create_unverified_context()
		c = poplib.POP3("10.99.0.2")
		c.stls(context); c.user("anna"); c.pass_("secret"); c.quit()
	PY
	pop3_client() { $client python3 "$work/pop3.py"; }
	capture pop3 pop3_client
	cat >"$work/imap.py" <<-'PY'
		import imaplib, ssl
		c = imaplib.IMAP4("10.99.0.2")
		c.login("anna", "secret"); c.select(); c.fetch("1", "(RFC822)"); c.close(); c.logout()
		c = imaplib.IMAP4("10.99.0.2")
		c.starttls(ssl._create_unverified_context()); c.login("anna", "secret"); c.select(); c.logout()
	PY
	imap_client() { $client python3 "$work/imap.py"; }
	capture imap imap_client
}

# one connection of each version, one that is sent back with a token first
quic() {
	certificate
	cat >"$work/quic.py" <<-'PY'
		import asyncio, sys
		from aioquic.asyncio import connect, serve
		from aioquic.quic.configuration import QuicConfiguration
		from aioquic.quic.packet import QuicProtocolVersion as Version

		def answer(reader, writer):
		    async def run():
		        writer.write((await reader.read())[::-1]); writer.write_eof()
		    asyncio.ensure_future(run())

		async def listen(folder):
		    c = QuicConfiguration(is_client=False, alpn_protocols=["tapir", "h3"])
		    c.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
		    await serve("10.99.0.2", 443, configuration=c, stream_handler=answer)
		    await serve("10.99.0.2", 8443, configuration=c, stream_handler=answer, retry=True)
		    await asyncio.Future()

		async def ask(port, *versions, protocol="tapir"):
		    c = QuicConfiguration(alpn_protocols=[protocol], server_name="www.tapir.test", verify_mode=0)
		    c.supported_versions = list(versions); c.original_version = versions[-1]
		    async with connect("10.99.0.2", port, configuration=c) as q:
		        reader, writer = await q.create_stream()
		        writer.write(b"nose"); writer.write_eof()
		        await reader.read()

		async def main():
		    if sys.argv[1] == "listen":
		        await listen(sys.argv[2])
		    if sys.argv[1] == "turn":
		        try:
		            await ask(443, Version.VERSION_1, protocol="nose")
		        except ConnectionError:
		            pass
		        return await ask(443, Version.VERSION_2, Version.VERSION_1)
		    await ask(443, Version.VERSION_1)
		    await ask(443, Version.VERSION_2)
		    await ask(8443, Version.VERSION_1)

		asyncio.run(main())
	PY
	run_server "${PYTHON:-python3}" "$work/quic.py" listen "$work"
	sleep 1
	quic_client() { $client "${PYTHON:-python3}" "$work/quic.py" "$1"; }
	capture quic quic_client ask
	capture quic-turns quic_client turn
}

websocket() {
	cat >"$work/ws.py" <<-'PY'
		import sys
		from websockets.sync.client import connect
		from websockets.sync.server import serve

		def answer(ws):
		    for m in ws:
		        ws.send(m[::-1])

		if sys.argv[1] == "listen":
		    serve(answer, "10.99.0.2", 80, subprotocols=["tapir"]).serve_forever()
		with connect("ws://10.99.0.2:80/nose", compression=None, subprotocols=["tapir"]) as ws:
		    ws.send("hello"); ws.recv(); ws.send(b"\0\1\2"); ws.recv(); ws.ping().wait()
		    ws.send(["in ", "three ", "frames"]); ws.recv()
		with connect("ws://10.99.0.2:80/packed", subprotocols=["tapir"]) as ws:
		    ws.send("hello " * 100); ws.recv()
	PY
	run_server "${PYTHON:-python3}" "$work/ws.py" listen
	sleep 1
	websocket_client() { $client "${PYTHON:-python3}" "$work/ws.py" ask; }
	capture websocket websocket_client
}

dtls() {
	certificate
	# It listens for as long as its input is open.
	run_server sh -c "sleep 60 | openssl s_server -dtls1_2 -accept 10.99.0.2:443 -cert $work/cert.pem -key $work/key.pem"
	dtls_client() { { echo hello; sleep 1; } | $client timeout 3 openssl s_client -dtls1_2 -connect 10.99.0.2:443 -servername www.tapir.test; }
	capture dtls dtls_client
}

dhcp() {
	run_server dnsmasq -k -C /dev/null -p 0 --user=root --pid-file= --dhcp-range=10.99.0.100,10.99.0.110,1h --interface=s0 \
		--dhcp-leasefile="$work/leases" --domain=tapir.test --dhcp-option=option:ntp-server,10.99.0.2 --log-facility=-
	dhcp_client() {
		$client udhcpc -i c0 -n -q -R -s /bin/true -x hostname:nose -F nose.tapir.test -V tapir -x 0x0c:6e6f7365
	}
	capture dhcp dhcp_client
}

# usual traffic, and then some that is not: more peers, another service, a big upload
baselines() {
	for n in $(seq 3 14); do ip -n tapir-server addr add "10.99.0.$n/24" dev s0; done
	run_server nc -l -k 9100
	run_server nc -l -k 4444
	usual() { for i in $(seq "$1"); do head -c $((200 + i % 5 * 20)) /dev/zero | $client nc -N 10.99.0.2 9100; sleep 1; done; }
	capture baseline usual 26
	unusual() {
		usual 6
		for n in $(seq 3 14); do echo hello | $client nc -N "10.99.0.$n" 9100; done
		head -c 40000 /dev/zero | $client nc -N 10.99.0.2 4444
		usual 6
	}
	capture deviation unusual
}

# a ticket, tickets for services, one that is renewed, mistakes; over UDP, then over TCP
kerberos() {
	cat >"$work/krb5.conf" <<-CONF
		[libdefaults]
		default_realm = TAPIR.TEST
		dns_lookup_kdc = false
		default_ccache_name = FILE:$work/cc
		[realms]
		TAPIR.TEST = {
		  kdc = 10.99.0.2
		}
	CONF
	sed 's/^dns_lookup_kdc.*/&\nudp_preference_limit = 1/' "$work/krb5.conf" >"$work/krb5-tcp.conf"
	cat >"$work/kdc.conf" <<-CONF
		[realms]
		TAPIR.TEST = {
		  database_name = $work/principal
		  key_stash_file = $work/stash
		  max_renewable_life = 7d
		  kdc_tcp_ports = 88
		}
	CONF
	export KRB5_CONFIG="$work/krb5.conf" KRB5_KDC_PROFILE="$work/kdc.conf"
	kdb5_util create -s -P master -r TAPIR.TEST >/dev/null
	kadmin.local -q "addprinc -pw secret +requires_preauth anna" >/dev/null
	kadmin.local -q "addprinc -randkey host/www.tapir.test" >/dev/null
	run_server krb5kdc -n
	kerberos_client() {
		for KRB5_CONFIG in "$work/krb5.conf" "$work/krb5-tcp.conf"; do
			echo secret | $client kinit -r 3d anna
			$client kvno host/www.tapir.test
			$client kinit -R
			echo wrong | $client kinit anna
			echo secret | $client kinit nobody
			$client kvno no/such
		done
	}
	capture kerberos kerberos_client
}

ldap() {
	mkdir -p "$work/ldap"
	cat >"$work/slapd.conf" <<-CONF
		include /etc/ldap/schema/core.schema
		include /etc/ldap/schema/cosine.schema
		modulepath /usr/lib/ldap
		moduleload back_mdb
		database mdb
		suffix "dc=tapir,dc=test"
		rootdn "cn=admin,dc=tapir,dc=test"
		rootpw secret
		directory $work/ldap
	CONF
	cat >"$work/zoo.ldif" <<-LDIF
		dn: dc=tapir,dc=test
		objectClass: dcObject
		objectClass: organization
		o: tapir
		dc: tapir

		dn: cn=anna,dc=tapir,dc=test
		objectClass: person
		cn: anna
		sn: nose
	LDIF
	run_server slapd -d 0 -f "$work/slapd.conf" -h ldap://10.99.0.2:389
	ldap_client() {
		local to=(-H ldap://10.99.0.2 -x) admin=(-D cn=admin,dc=tapir,dc=test -w secret) anna=cn=anna,dc=tapir,dc=test
		$client ldapadd "${to[@]}" "${admin[@]}" -f "$work/zoo.ldif"
		$client ldapsearch "${to[@]}" -b dc=tapir,dc=test "(&(objectClass=*)(|(cn=anna)(sn=n*e))(!(sn=ear)))" cn sn
		$client ldapsearch "${to[@]}" -D "$anna" -w wrong -b dc=tapir,dc=test
		$client ldapsearch "${to[@]}" -s base -b "" +
		$client ldapcompare "${to[@]}" "$anna" sn:nose
		printf 'dn: %s\nchangetype: modify\nreplace: sn\nsn: ear\n' "$anna" | $client ldapmodify "${to[@]}" "${admin[@]}"
		$client ldapmodrdn "${to[@]}" "${admin[@]}" "$anna" cn=bert
		$client ldapwhoami "${to[@]}" "${admin[@]}"
		$client ldapdelete "${to[@]}" "${admin[@]}" cn=bert,dc=tapir,dc=test
		$client ldapsearch "${to[@]}" -b dc=none
	}
	capture ldap ldap_client
}

radius() {
	cp -a /etc/freeradius/3.0 "$work/raddb"
	sed -i 's/user = freerad/user = root/; s/group = freerad/group = root/' "$work/raddb/radiusd.conf"
	printf 'client c {\n ipaddr = 10.99.0.1\n secret = testing\n}\n' >"$work/raddb/clients.conf"
	printf 'anna Cleartext-Password := "secret"\n\tReply-Message = "hello", Framed-IP-Address = 10.99.1.1\n' \
		>"$work/raddb/mods-config/files/authorize"
	run_server freeradius -f -d "$work/raddb"
	sleep 3
	radius_client() {
		printf '%s\n' User-Name=anna User-Password=secret Calling-Station-Id=00-11-22-33-44-55 'Connect-Info="CONNECT 54Mbps"' \
			'Tunnel-Client-Endpoint:1="10.99.0.1"' | $client radclient 10.99.0.2 auth testing
		printf 'User-Name=bert\nUser-Password=wrong\n' | $client radclient 10.99.0.2 auth testing
		printf 'User-Name=anna\nAcct-Status-Type=Start\nAcct-Session-Id=1\n' | $client radclient 10.99.0.2 acct testing
	}
	capture radius radius_client
}

sip() {
	run_server sipp -sn uas -i 10.99.0.2 -p 5060 -nostdin
	sip_client() { $client sipp -sn uac 10.99.0.2:5060 -i 10.99.0.1 -p 5060 -m 1 -nostdin -s anna; }
	capture sip sip_client
}

# files, shares and remote calls; with version 1, 2 and 3
smb() {
	mkdir -p "$work/share" "$work/samba"; echo hello >"$work/share/a.txt"; chmod 755 "$work"
	{
		printf '[global]\nworkgroup = TEST\nnetbios name = TAPIR\npassdb backend = tdbsam:%s/p.tdb\n' "$work/samba"
		printf 'server min protocol = NT1\nclient min protocol = NT1\nntlm auth = yes\ndisable spoolss = yes\nlog file = %s/log\n' "$work/samba"
		for d in private lock state cache pid ncalrpc; do
			printf '%s = %s/samba\n' "$d $([ $d = private ] || [ $d = ncalrpc ] && echo dir || echo directory)" "$work"
		done
		printf '[share]\npath = %s/share\nwritable = yes\n' "$work"
	} >"$work/smb.conf"
	printf 'secret\nsecret\n' | smbpasswd -c "$work/smb.conf" -s -a root
	run_server smbd -F -s "$work/smb.conf" --no-process-group
	sleep 2
	smb_client() {
		local as=(-s "$work/smb.conf" -U root%secret)
		for version in NT1 SMB2_10 SMB3_11; do
			$client smbclient //10.99.0.2/share "${as[@]}" -m $version -c "ls; get a.txt $work/got; put $work/got up.txt; \
				rename up.txt new.txt; mkdir d; rmdir d; del new.txt; get none"
		done
		$client smbclient //10.99.0.2/share -s "$work/smb.conf" -U root%wrong -c ls
		$client rpcclient 10.99.0.2 "${as[@]}" -c "srvinfo; lookupnames root; enumdomusers"
	}
	capture smb smb_client
}

rpc() {
	run_server rpcbind -d -f -h 10.99.0.2
	rpc_client() {
		$client rpcinfo -p 10.99.0.2
		$client rpcinfo -u 10.99.0.2 portmapper 2
		$client rpcinfo -t 10.99.0.2 100003 3
	}
	capture rpc rpc_client
}

mysql() {
	mkdir -p "$work/mysql"; chmod 777 "$work"; chown mysql "$work/mysql"
	mariadb-install-db --user=mysql --datadir="$work/mysql" --skip-name-resolve >/dev/null 2>&1
	printf "%s;\n" "CREATE USER 'anna'@'%' IDENTIFIED BY 'secret'" "CREATE DATABASE zoo" "GRANT ALL ON zoo.* TO 'anna'@'%'" >"$work/init.sql"
	run_server mariadbd --no-defaults --user=mysql --datadir="$work/mysql" --bind-address=10.99.0.2 --socket="$work/my.sock" \
		--pid-file="$work/my.pid" --init-file="$work/init.sql" --skip-name-resolve --skip-ssl
	sleep 4
	mysql_client() {
		local as=(--no-defaults -h 10.99.0.2 --skip-ssl -u anna)
		$client mariadb "${as[@]}" -psecret zoo -e "create table t(a int, b varchar(20)); insert into t values (1,'one'),(2,null); \
			select * from t; select nose"
		$client mariadb "${as[@]}" -pwrong -e "select 1"
		$client mariadb-admin "${as[@]}" -psecret ping status
	}
	capture mysql mysql_client
}

postgresql() {
	certificate
	local bin
	bin=$(echo /usr/lib/postgresql/*/bin)
	mkdir -p "$work/pg"; chmod 777 "$work"; cp "$work/cert.pem" "$work/key.pem" "$work/pg"; chmod 600 "$work/pg/key.pem"
	chown -R postgres "$work/pg"
	echo secret >"$work/password"; chmod 644 "$work/password"
	as_postgres() { $server setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
	as_postgres "$bin/initdb" -D "$work/pg/data" -U anna --pwfile="$work/password" -A scram-sha-256 --no-sync >/dev/null
	cat >"$work/pg/data/pg_hba.conf" <<-CONF
		hostssl sealed all all scram-sha-256
		host all bert all md5
		host all carl all trust
		host all dora all password
		host all all all scram-sha-256
	CONF
	as_postgres "$bin/postgres" -D "$work/pg/data" -k "$work/pg" -h 10.99.0.2 -c ssl=on -c ssl_cert_file="$work/pg/cert.pem" \
		-c ssl_key_file="$work/pg/key.pem" -c fsync=off -c password_encryption=md5 >"$work/pg.log" 2>&1 & pids+=($!)
	sleep 4
	export PGPASSWORD=secret
	$server psql -h 10.99.0.2 -U anna -d postgres -c "create role bert login password 'secret'" -c "create role carl login" \
		-c "set password_encryption='scram-sha-256'" -c "create role dora login password 'secret'" -c "create database sealed" >/dev/null
	cat >"$work/pg.py" <<-'PY'
		import asyncio, asyncpg, psycopg2
		at = dict(host="10.99.0.2", user="carl", sslmode="disable", gssencmode="disable")
		c = psycopg2.connect(dbname="postgres", **at)
		c.cursor().execute("set client_min_messages = notice; do $$ begin raise notice 'a nose'; end $$; select 1; select 2, 3")
		import io
		c.cursor().execute("create temporary table t(a int, b text)")
		c.cursor().copy_expert("copy t from stdin", io.StringIO("1\tone\n2\t\\\\N\n"))
		c.cursor().copy_expert("copy t to stdout", io.StringIO())
		c.commit(); c.close()

		async def extended():
		    c = await asyncpg.connect(host="10.99.0.2", user="dora", password="secret", database="postgres", ssl=False)
		    await c.fetch("select generate_series(1, $1::int)", 3)
		    await c.executemany("select $1::text", [("a",), ("b",)])
		    try:
		        await c.fetch("select nose from nobody")
		    except asyncpg.PostgresError:
		        pass
		    try:
		        await c.execute("select pg_sleep(3)", timeout=0.3)
		    except asyncio.TimeoutError:
		        pass
		    await c.close()
		asyncio.run(extended())
	PY
	postgresql_client() {
		local to="host=10.99.0.2 gssencmode=disable"
		$client psql -Atc "select 1 union select 2" "$to user=anna dbname=postgres sslmode=disable application_name=tapir"
		$client psql -Atc "create temporary table t(a int); insert into t values (1), (2); delete from t; select nose" \
			"$to user=bert dbname=postgres sslmode=allow"
		PGPASSWORD=wrong $client psql -Atc "select 1" "$to user=anna dbname=postgres sslmode=disable"
		$client psql -Atc "select 1" "$to user=carl dbname=nowhere sslmode=disable"
		$client psql -Atc "select 1" "$to user=anna dbname=sealed sslmode=require"
		$client "${PYTHON:-python3}" "$work/pg.py"
	}
	capture postgresql postgresql_client
}
vnc() {
	run_server Xtigervnc :77 -rfbport 5900 -SecurityTypes None -geometry 32x32 -localhost no -desktop tapir
	sleep 2
	vnc_client() { $client timeout 20 "${PYTHON:-python3}" -m vncdotool.command -s 10.99.0.2::5900 capture "$work/screen.png"; }
	capture vnc vnc_client
	vncpasswd -f <<<secret >"$work/vnc.key"
	run_server Xtigervnc :78 -rfbport 5901 -SecurityTypes VncAuth -PasswordFile "$work/vnc.key" -geometry 32x32 -localhost no -desktop nose
	sleep 2
	vnc_guesses() {
		for password in secret wrong; do
			$client timeout 5 "${PYTHON:-python3}" -m vncdotool.command -s 10.99.0.2::5901 -p $password capture "$work/screen.png"
		done
	}
	capture vnc-guesses vnc_guesses
}

# with the encryption of the protocol itself, and with TLS
rdp() {
	certificate
	sed "s#^certificate=.*#certificate=$work/cert.pem#; s#^key_file=.*#key_file=$work/key.pem#" /etc/xrdp/xrdp.ini >"$work/xrdp.ini"
	run_server xrdp -n -c "$work/xrdp.ini"
	sleep 2
	rdp_client() {
		for security in rdp tls; do
			$client xvfb-run -a timeout 4 xfreerdp /v:10.99.0.2 /u:anna /p:secret /cert:ignore /sec:$security /size:320x240 \
				/client-hostname:tapir
		done
	}
	capture rdp rdp_client
}

modbus() {
	cat >"$work/modbus.py" <<-'PY'
		import sys
		from pymodbus.client import ModbusTcpClient
		from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
		from pymodbus.server import StartTcpServer

		if sys.argv[1] == "listen":
		    block = lambda: ModbusSequentialDataBlock(1, [1] * 200)
		    d = ModbusDeviceContext(di=block(), co=block(), hr=block(), ir=block())
		    StartTcpServer(context=ModbusServerContext(devices=d, single=True), address=("10.99.0.2", 502))
		c = ModbusTcpClient("10.99.0.2", port=502)
		c.connect()
		c.read_coils(1, count=3); c.read_discrete_inputs(2, count=3)
		c.read_holding_registers(3, count=3); c.read_input_registers(4, count=3)
		c.write_coil(5, True); c.write_register(6, 77); c.write_coils(7, [True, False, True]); c.write_registers(8, [1, 2, 3])
		c.mask_write_register(address=9, and_mask=0xf0, or_mask=5)
		c.readwrite_registers(read_address=1, read_count=2, address=3, values=[9, 8])
		c.diag_query_data(b"ab"); c.read_device_information()
		c.read_holding_registers(60000, count=1)
		c.close()
	PY
	run_server "${PYTHON:-python3}" "$work/modbus.py" listen
	sleep 4
	modbus_client() { $client "${PYTHON:-python3}" "$work/modbus.py" ask; }
	capture modbus modbus_client
}

all=(web dns ssh scans mail ftp mqtt redis irc socks syslog snmp ntp post quic websocket dtls dhcp baselines
	kerberos ldap radius sip smb rpc mysql postgresql vnc rdp modbus)
for part in "${@:-${all[@]}}"; do "$part"; done
