#!/usr/bin/env python3
"""Makes one large Ethernet capture out of small ones, for measurements.

  replicate.py FOLDER OUT.pcap N     N copies of all captures of a folder, each copy with addresses of its own
  replicate.py --count CAPTURE       the number of packets of a classic pcap file

Checksums are not recomputed: read the result with -C.
"""
import pathlib, struct, sys


def packets(path):
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        sec, sub, cap, wire = struct.unpack("<IIII", data[at:at + 16])
        yield sec, sub, wire, data[at + 16:at + 16 + cap]
        at += 16 + cap


def readdress(frame, k):
    b = bytearray(frame)
    if frame[12:14] == b"\x08\x00" and len(b) >= 34:
        for a in (26, 30):
            b[a + 1] = (b[a + 1] + k // 250) & 0xff
            b[a + 2] = k % 250
    return bytes(b)


def main():
    if sys.argv[1] == "--count":
        print(sum(1 for _ in packets(pathlib.Path(sys.argv[2]))))
        return
    folder, out, n = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with open(out, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        second = 1_700_000_000
        sources = [list(packets(path)) for path in sorted(folder.glob("*.pcap"))]
        for k in range(n):
            rows = [(r[0] - s[0][0], *r[1:]) for s in sources for r in s]
            rows.sort(key=lambda r: r[:2])
            for sec, sub, wire, frame in rows:
                frame = readdress(frame, k)
                f.write(struct.pack("<IIII", second + sec, sub, len(frame), wire) + frame)
            second += 10


main()
