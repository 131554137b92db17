#!/usr/bin/env python3
"""The whole program with 10, 1,000 and 20,000 generated payload signatures on a capture of its own.

usage: signatures.py TAPIR [KIND ...]      kinds: random words folded numbered anchored headers; all without names

The capture has 60 TCP connections of 300 kB, half of them text and half noise, and every byte is matched (by default
only the first kilobyte of a connection is). Throughput is payload over CPU time without start-up, which is shown apart.
"""
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys
import tempfile

WORDS = "GET Host cookie index html image login select union admin cmd exe".split()
KINDS = ["random", "words", "folded", "numbered", "anchored", "headers"]


def signature(kind, i, r):
    raw = "".join(f"\\x{r.randrange(256):02x}" for _ in range(8))
    word, other, number = r.choice(WORDS), r.choice(WORDS), f"{r.randrange(65536):04x}"
    pattern = {
        "random": f"/.*{raw}/",
        "words": f"/.*{word}[\\/=?]{other}{number}.*[0-9]+end/",
        "folded": f"/.*{word}{number}{other}/i",
        "numbered": f"/.*malware-family-{i:06d}-sample/",
        "anchored": f"/{word} \\/{number}{other}{i}/",
        "headers": f"/.*{raw}/",
    }[kind]
    extra = f"dst-port == {r.randrange(65536)}, 8080\n src-ip == 10.{r.randrange(256)}.0.0/16\n" if kind == "headers" else ""
    return f'signature s-{i} {{\n ip-proto == tcp\n {extra} payload {pattern}\n event "match"\n}}\n'


def capture(path, r):
    text = "".join(r.choice(WORDS) + r.choice(" /=&?.-_") + r.choice("abcdefghijklmnop") for _ in range(60000)).encode()
    total = 0
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        n = 0

        def packet(c, flags, seq, ack, data, back=False):
            nonlocal n
            n += 1
            ends = [(10 << 24 | c + 1, 20000 + c), (10 << 24 | 1 << 16, 8080)]
            (src, sport), (dst, dport) = ends[::-1] if back else ends
            tcp = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 64240, 0, 0) + data
            ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, src, dst) + tcp
            frame = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip
            f.write(struct.pack("<IIII", 1790000000 + n // 10000, n % 10000 * 100, len(frame), len(frame)) + frame)

        for c in range(60):
            data = text[c * 1000:][:300000] if c % 2 else r.randbytes(300000)
            packet(c, 2, 0, 0, b"")
            packet(c, 0x12, 0, 1, b"", True)
            for at in range(0, len(data), 1400):
                packet(c, 0x18, 1 + at, 1, data[at:at + 1400])
            total += len(data)
    return total


def cpu(command, cwd):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(["/usr/bin/time", "-f", "%M"] + command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, int(out.stderr.split()[-1]) / 1024


def main():
    tapir, kinds = os.path.abspath(sys.argv[1]), sys.argv[2:] or KINDS
    r = random.Random(3)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        size = capture(work / "c.pcap", r)
        empty = work / "empty.pcap"
        empty.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        base = ["-b", "-C", "-e", "redef dpd_buffer_size = 1000000000; redef dpd_max_packets = 1000000000;"]
        for kind in kinds:
            first = None
            for n in (10, 1000, 20000):
                (work / "s.sig").write_text("".join(signature(kind, i, r) for i in range(n)))
                rules = ["-s", "./s.sig", "-e", "event signature_match(state: signature_state, msg: string, data: string) { }"]
                start, _ = min(cpu([tapir, "-r", str(empty)] + base + rules, work) for _ in range(3))
                used, memory = min(cpu([tapir, "-r", str(work / "c.pcap")] + base + rules, work) for _ in range(3))
                speed = size / max(used - start, 0.001) / 1e6
                first = first or speed
                print(f"  {kind:9} {n:6} signatures: {speed:6.0f} MB/s ({speed / first:4.0%}), start {start:5.2f} s, peak {memory:4.0f} MiB")


main()
