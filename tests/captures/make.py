#!/usr/bin/env python3
"""Writes captures of scripted conversations: what no server and client at hand would say, or not as shortly.

usage: make.py [NAME ...]      writes all, or the named ones, beside this file

The others come from real programs, by record.sh.
"""
import ipaddress
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
START = 1790000000.0


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Capture:
    """Packets in order of time; each call moves the clock on."""

    def __init__(self):
        self.out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
        self.now = START

    def wait(self, seconds):
        self.now += seconds

    def frame(self, ether_type, payload):
        data = b"\2\0\0\0\0\2\2\0\0\0\0\1" + struct.pack("!H", ether_type) + payload
        self.now += 0.001
        micros = round(self.now * 1e6)
        self.out.append(struct.pack("<IIII", micros // 10**6, micros % 10**6, len(data), len(data)) + data)

    def ip(self, src, dst, proto, payload, ttl=64):
        s, d = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
        if len(s) == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, ttl, proto, 0) + s + d
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
            self.frame(0x0800, head + payload)
        else:
            self.frame(0x86DD, struct.pack("!IHBB", 6 << 28, len(payload), proto, ttl) + s + d + payload)

    @staticmethod
    def pseudo(src, dst, proto, length):
        s, d = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
        return s + d + struct.pack("!HH", proto, length)

    def udp(self, src, sport, dst, dport, data, ttl=64):
        n = 8 + len(data)
        body = struct.pack("!HHHH", sport, dport, n, 0) + data
        body = body[:6] + struct.pack("!H", checksum(self.pseudo(src, dst, 17, n) + body) or 0xFFFF) + body[8:]
        self.ip(src, dst, 17, body, ttl)
        return body

    def icmp(self, src, dst, kind, code, rest, ttl=64):
        body = struct.pack("!BBH", kind, code, 0) + rest
        self.ip(src, dst, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:], ttl)

    def segment(self, src, sport, dst, dport, seq, ack, flags, data=b"", ttl=64):
        body = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 64240, 0, 0) + data
        sum_ = checksum(self.pseudo(src, dst, 6, len(body)) + body)
        self.ip(src, dst, 6, body[:16] + struct.pack("!H", sum_) + body[18:], ttl)

    def tcp(self, client, cport, server, sport, talk, answer="open", close=True):
        """A connection; `talk` is a list of (is_from_client, bytes). `answer`: open, refuse or silence."""
        c, s = 1000, 5000
        self.segment(client, cport, server, sport, c, 0, 2)
        c += 1
        if answer == "silence":
            return
        if answer == "refuse":
            self.segment(server, sport, client, cport, 0, c, 0x14)
            return
        self.segment(server, sport, client, cport, s, c, 0x12)
        s += 1
        self.segment(client, cport, server, sport, c, s, 0x10)
        for from_client, data in talk:
            if from_client:
                self.segment(client, cport, server, sport, c, s, 0x18, data)
                c += len(data)
                self.segment(server, sport, client, cport, s, c, 0x10)
            else:
                self.segment(server, sport, client, cport, s, c, 0x18, data)
                s += len(data)
                self.segment(client, cport, server, sport, c, s, 0x10)
        if close:
            self.segment(client, cport, server, sport, c, s, 0x11)
            self.segment(server, sport, client, cport, s, c + 1, 0x11)
            self.segment(client, cport, server, sport, c + 1, s + 1, 0x10)

    def write(self, name):
        (HERE / f"{name}.pcap").write_bytes(b"".join(self.out))


def signatures(cap):
    """One conversation for each kind of condition that a signature can have."""
    a, b = "10.99.0.1", "10.99.0.2"
    page = b"<html>the needle is here</html>"
    cap.tcp(a, 40001, b, 80, [
        (True, b"POST /a%62c/needle HTTP/1.1\r\nHost: www.tapir.test\r\nX-Marker: needle\r\nContent-Length: 11\r\n\r\nbody-needle"),
        (False, b"HTTP/1.1 200 OK\r\nServer: needle/1.0\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page) + page),
    ])
    cap.tcp(a, 40002, b, 21, [
        (False, b"220 ready\r\n"), (True, b"USER needle\r\n"), (False, b"331 password\r\n"), (True, b"PASS x\r\n"), (False, b"230 in\r\n"),
    ])
    cap.tcp(a, 40003, b, 79, [(True, b"needle\r\n"), (False, b"no such user\r\n")])
    cap.tcp(a, 40004, b, 9000, [(True, b"first nee"), (True, b"dle second"), (False, b"answer one"), (False, b" and the end")])
    cap.tcp(b, 40005, b, 9001, [(True, b"to myself\r\n")])
    cap.tcp("fd00:99::1", 40006, "fd00:99::2", 9002, [(True, b"over six"), (False, b"six too")])
    cap.udp(a, 40007, b, 9003, b"abc")
    cap.udp(a, 40007, b, 9003, b"needle")
    cap.udp(b, 9003, a, 40007, b"needle back")
    cap.udp(a, 40008, "192.168.7.9", 9004, b"alone")
    cap.icmp(a, b, 8, 0, struct.pack("!HH", 7, 1) + b"ping needle")
    cap.icmp(b, a, 0, 0, struct.pack("!HH", 7, 1) + b"ping needle")
    cap.segment(a, 40009, b, 9005, 77, 0, 2, ttl=3)


def scan(cap):
    """Two hosts: one tries an address after the other, one a port after the other."""
    for i in range(40):
        cap.tcp("10.99.1.1", 41000 + i, f"10.99.2.{i + 1}", 445, [], answer="silence" if i % 2 else "refuse")
    for i in range(40):
        cap.tcp("10.99.1.2", 42000 + i, "10.99.0.2", 1000 + i, [], answer="refuse")
    cap.tcp("10.99.1.3", 43000, "10.99.0.2", 80, [(True, b"hello"), (False, b"hello")])
    cap.wait(120)
    cap.tcp("10.99.1.3", 43001, "10.99.0.2", 80, [(True, b"hello"), (False, b"hello")])


def ftp_bruteforce(cap):
    """One host that tries a password after the other."""
    for i in range(12):
        talk = [(False, b"220 ready\r\n")]
        for j in range(2):
            talk += [(True, b"USER root\r\n"), (False, b"331 password\r\n")]
            talk += [(True, b"PASS guess%d-%d\r\n" % (i, j)), (False, b"530 Login incorrect.\r\n")]
        cap.tcp("10.99.1.1", 44000 + i, "10.99.0.2", 21, talk)
        cap.wait(1)


def sql_injection(cap):
    """One host that tries to get SQL into the parameters of a page."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for i in range(6):
        talk = [(True, b"GET /page?q=plain%d HTTP/1.1\r\nHost: www.tapir.test\r\n\r\n" % i), (False, answer)]
        for j in range(10):
            uri = b"/page?id=%d%%20union%%20select%%20password%%20from%%20users%%20--" % (i * 10 + j)
            talk += [(True, b"GET " + uri + b" HTTP/1.1\r\nHost: www.tapir.test\r\n\r\n"), (False, answer)]
        cap.tcp("10.99.1.1", 45000 + i, "10.99.0.2", 80, talk)


def traceroute(cap):
    """A traceroute over UDP through six routers."""
    a, b = "10.99.0.1", "10.99.9.9"
    for hop in range(1, 7):
        sent = cap.udp(a, 46000, b, 33434 + hop, b"@ABCDEFG", ttl=hop)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(sent), 1, 0, 1, 17, 0)
        head += ipaddress.ip_address(a).packed + ipaddress.ip_address(b).packed
        cap.icmp(f"10.99.8.{hop}", a, 11, 0, b"\0\0\0\0" + head + sent)
        cap.wait(0.2)


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"


def dns_anomalies(cap):
    """A local name with an address outside, names that nobody has, names that carry data, and malformed messages."""
    a, b = "10.99.0.1", "10.99.0.2"

    def ask(n, text, kind, rcode, rdata=None):
        question = name(text) + struct.pack("!HH", kind, 1)
        cap.udp(a, 47000 + n, b, 53, struct.pack("!HHHHHH", n, 0x0100, 1, 0, 0, 0) + question)
        answer = b"" if rdata is None else b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(rdata)) + rdata
        counts = struct.pack("!HHHHHH", n, 0x8180 | rcode, 1, rdata is not None, 0, 0)
        cap.udp(b, 53, a, 47000 + n, counts + question + answer)

    ask(1, "www.tapir.test", 1, 0, bytes([93, 184, 216, 34]))
    for i in range(60):
        ask(100 + i, f"qx{i * 7919 % 9973:05d}zk.example", 1, 3)
    for i in range(60):
        label = "".join("abcdefghijklmnopqrstuvwxyz234567"[(i * 31 + j * j * 7) % 32] for j in range(50))
        text = b"\x20" + label[:32].encode()
        ask(300 + i, f"{label}.{i:04d}.tunnel.example", 16, 0, text)
    # A name that points to itself, and an answer to a question that nobody asked.
    cap.udp(a, 48010, b, 53, struct.pack("!HHHHHH", 10, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack("!HH", 1, 1))
    question = name("nobody.asked.example") + struct.pack("!HH", 1, 1)
    cap.udp(b, 53, a, 48011, struct.pack("!HHHHHH", 11, 0x8180, 1, 0, 0, 0) + question)


def capture_loss(cap):
    """A connection of which a third of the answer was not captured."""
    a, b = "10.99.0.1", "10.99.0.2"
    for n in range(3):
        port, c, s = 49000 + n, 1000, 5000
        cap.segment(a, port, b, 8080, c, 0, 2)
        cap.segment(b, 8080, a, port, s, c + 1, 0x12)
        cap.segment(a, port, b, 8080, c + 1, s + 1, 0x10)
        c, s = c + 1, s + 1
        for i in range(30):
            if i % 3:
                cap.segment(b, 8080, a, port, s, c, 0x18, b"x" * 100)
            s += 100
            cap.segment(a, port, b, 8080, c, s, 0x10)
        cap.wait(40)


ALL = {
    "signatures": signatures,
    "scan": scan,
    "ftp-bruteforce": ftp_bruteforce,
    "sql-injection": sql_injection,
    "traceroute": traceroute,
    "dns-anomalies": dns_anomalies,
    "capture-loss": capture_loss,
}

for wanted in sys.argv[1:] or ALL:
    capture = Capture()
    ALL[wanted](capture)
    capture.write(wanted)
