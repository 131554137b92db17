#!/usr/bin/env python3
"""Captures of many small flows, written to standard output.

  generate.py idle N      N established TCP connections that then stay silent
  generate.py half N      N connections of which only the SYN is seen
  generate.py udp N       N UDP flows of one packet each
"""
import struct
import sys

RATE = 15_000  # packets per second of capture time


def header(kind, src, dst, sport, dport, flags, seq, ack):
    ether = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0"
    if kind == "udp":
        body = struct.pack(">HHHH", sport, dport, 16, 0) + b"one flow"
    else:
        body = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 8192, 0, 0)
    total = 20 + len(body)
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, total, 1, 0x4000, 64, 17 if kind == "udp" else 6, 0, src, dst)
    return ether + ip + body


def main():
    kind, n = sys.argv[1], int(sys.argv[2])
    out = sys.stdout.buffer
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    chunk, count = bytearray(), 0

    def put(frame):
        nonlocal count
        at = 1_700_000_000_000_000 + count * 1_000_000 // RATE
        chunk.extend(struct.pack("<IIII", at // 1_000_000, at % 1_000_000, len(frame), len(frame)))
        chunk.extend(frame)
        count += 1
        if len(chunk) > 1 << 20:
            out.write(chunk)
            chunk.clear()

    for i in range(n):
        # An odd multiplier walks through all addresses before one comes again.
        src = 0x0B000000 | (i * 2_654_435_761 & 0xFFFFFF)
        dst, sport, dport = 0x0A000001 + (i >> 24), 1024 + (i * 7919) % 60000, 12345
        if kind == "idle":
            put(header("tcp", src, dst, sport, dport, 0x02, 1000, 0))
            put(header("tcp", dst, src, dport, sport, 0x12, 9000, 1001))
            put(header("tcp", src, dst, sport, dport, 0x10, 1001, 9001))
        else:
            put(header(kind, src, dst, sport, dport, 0x02, 1000, 0))
    out.write(chunk)


main()
