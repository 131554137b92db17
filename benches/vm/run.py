#!/usr/bin/env python3
"""CPU time of the script machine beside Lua 5.4, program by program.

  run.py [--exe "…/run --force --seconds 300"] [--runs 3] [NAME ...]

The machine runs through `cargo build --release -p tapir-vm --example run`, which lets the clock run without packets.

The time of an empty script (loading, start-up) is taken off; the best of the runs counts. Both must print the same numbers.
"""
import argparse
import math
import pathlib
import re
import resource
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def cpu(cmd):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(cmd, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out.stdout


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--exe", default=str(HERE.parent.parent / "target/release/examples/run") + " --force --seconds 300")
    p.add_argument("--lua", default="lua5.4")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("names", nargs="*")
    a = p.parse_args()
    exe = a.exe.split()
    with tempfile.NamedTemporaryFile("w", suffix=".zeek") as empty:
        empty.write("event zeek_init() { }\n")
        empty.flush()
        base = min(cpu(exe + [empty.name])[0] for _ in range(a.runs))
    logs = []
    print(f"{'program':14} {'tapir':>8} {'lua':>8} {'ratio':>7}   (start-up {base * 1000:.0f} ms)")
    for z in sorted(HERE.glob("*.zeek")):
        if a.names and z.stem not in a.names:
            continue
        ours, lua = [], []
        for _ in range(a.runs):
            t, out = cpu(exe + [str(z)])
            ours.append(t - base)
            t, out_lua = cpu([a.lua, str(z.with_suffix(".lua"))])
            lua.append(t)
        same = re.findall(r"\d+", out)[:2] == re.findall(r"\d+", out_lua)[:2]
        ratio = min(ours) / min(lua)
        logs.append(math.log(max(ratio, 1e-3)))
        print(f"{z.stem:14} {min(ours):8.3f} {min(lua):8.3f} {ratio:7.2f}{'' if same else '   OUTPUT DIFFERS'}", flush=True)
    if logs:
        print(f"geometric mean {math.exp(sum(logs) / len(logs)):.3f}")


main()
