#!/usr/bin/env python3
"""Log lines from a worker through a logger to disk, over ZeroMQ, as processes of a cluster on this host.

usage: shipping.py TAPIR [RATE ...]      lines per second to write, for ten seconds each; 100000 and 400000 without any

The worker writes lines like those of conn.log at the rate; what arrives on disk is counted, and what each of the two
processes spent. The manager and the supervisor only look on. Lines that the bounded queue refuses are lost, and counted.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SECONDS = 10
SCRIPT = """
@load base/frameworks/cluster
@load base/protocols/conn

const rate = %d;
const portions = 100;
global written = 0;
global begun: time;
global rec: Conn::Info;

event portion()
	{
	# As many as the clock asks for, so that a late portion makes up for it.
	local due = double_to_count(interval_to_double(current_time() - begun) * rate);
	local whole = rate * %d;

	if ( due > whole )
		due = whole;

	while ( written < due )
		{
		Log::write(Conn::LOG, rec);
		++written;
		}

	if ( written < whole )
		schedule 1sec / portions { portion() };
	else
		system("touch done");
	}

event Cluster::node_up(name: string, id: string)
	{
	if ( Cluster::local_node_type() != Cluster::WORKER || Cluster::nodes[name]$node_type != Cluster::LOGGER || written > 0 )
		return;

	local c = conn_id($orig_h=10.20.30.40, $orig_p=49152/tcp, $resp_h=[2001:db8::1], $resp_p=443/tcp, $proto=6);
	rec = Conn::Info($ts=double_to_time(1700000000.123456), $uid="CHhAvVGS1DHFjwGM9", $id=c, $proto=tcp, $service="ssl",
	                 $duration=1.234567sec, $orig_bytes=1234, $resp_bytes=56789, $conn_state="SF", $local_orig=T,
	                 $local_resp=F, $missed_bytes=0, $history="ShADadFf", $orig_pkts=12, $orig_ip_bytes=1858,
	                 $resp_pkts=48, $resp_ip_bytes=59285, $ip_proto=6);
	begun = current_time();
	event portion();
	}
"""


def cpu(pid):
    """Seconds of processor a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines(files):
    total = 0
    for f in files:
        with open(f, "rb") as text:
            total += sum(block.count(b"\n") for block in iter(lambda: text.read(1 << 20), b""))
    return total


def run(tapir, rate, port):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "ship.zeek").write_text(SCRIPT % (rate, SECONDS))
        logs = work / "logs"
        command = [tapir, "cluster", "--workers", "1", "--loggers", "1", "--port", str(port), "-b", "--log-dir", logs, work / "ship.zeek"]
        cluster = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(work / "said", "w"))
        try:
            worker, logger = logs / "nodes/worker-1", logs / "nodes/logger-1"
            begun = time.time()
            while not (worker / "done").exists():
                if time.time() - begun > 6 * SECONDS or cluster.poll() is not None:
                    sys.exit("the cluster does not run:\n" + (work / "said").read_text())
                time.sleep(0.05)
            used = {n: cpu((d / ".pid").read_text().strip()) for n, d in (("worker", worker), ("logger", logger))}
            had = -1
            find = lambda: [f for f in logs.rglob("conn*.log*") if f.is_file()]
            # Until nothing more comes.
            while (now := lines(find())) != had:
                had = now
                time.sleep(1.5)
            had -= sum(1 for f in find() for line in open(f, errors="replace") if line.startswith("#"))
        finally:
            cluster.terminate()
            cluster.wait(30)
        whole = rate * SECONDS
        spent = "  ".join(f"{n} {s / SECONDS:4.0%}" for n, s in used.items())
        print(f"  {rate:7} lines/s: {had / SECONDS:9.0f} lines/s on disk, {whole - had:8} lost, of one core: {spent}", flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for i, rate in enumerate(sys.argv[2:] or ["100000", "400000"]):
        run(os.path.abspath(sys.argv[1]), int(rate), 28_000 + 100 * i)


main()
