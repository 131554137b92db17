"""A node of another program, made from nothing but the description of the protocol, in one cluster with ours.

usage: foreign_node.py TAPIR FOLDER SCENARIO

With 'worker' it is a worker of our manager, with 'manager' it is forwarder, manager and logger of our worker, with 'cluster' it is
logger and proxies beside a manager and a worker of ours (foreign_cluster.py), with 'json' it is a worker that speaks JSON. Every
byte that it sends is written down here, every byte that it gets is compared or taken apart here. Needs the module zmq.
"""

import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import zmq

PATIENCE = 60.0

# Of ours.
PROCESSES = []


def all_alive():
    for tapir in PROCESSES:
        assert tapir.process.poll() is None, f"it has ended: {tapir.said()}\n{tapir.said('err')}"


def u64(n):
    return struct.pack(">Q", n)


def varbyte(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


# Values, by their tags.
NONE = b"\x00"
def boolean(b): return b"\x01" + bytes([b])
def count(n): return b"\x02" + u64(n)
def integer(n): return b"\x03" + struct.pack(">q", n)
def real(d): return b"\x04" + struct.pack(">d", d)
def string(s): return b"\x05" + varbyte(len(s)) + s
def address(a):
    a = ipaddress.ip_address(a)
    return b"\x06" + (b"\0" * 10 + b"\xff\xff" + a.packed if a.version == 4 else a.packed)
def subnet(a, raw_width): return b"\x07" + address(a)[1:] + bytes([raw_width])
def port(n, proto): return b"\x08" + struct.pack(">HB", n, proto)
def timestamp(ns): return b"\x09" + struct.pack(">q", ns)
def timespan(ns): return b"\x0a" + struct.pack(">q", ns)
def enum(name): return b"\x0b" + varbyte(len(name)) + name
def sets(*items): return b"\x0c" + varbyte(len(items)) + b"".join(items)
def table(*pairs): return b"\x0d" + varbyte(len(pairs)) + b"".join(k + v for k, v in pairs)
def vector(*items): return b"\x0e" + varbyte(len(items)) + b"".join(items)


def event(name, *args, metadata=None):
    content = [string(name), vector(*args)]
    if metadata is not None:
        content.append(vector(*metadata))
    return vector(count(1), count(1), vector(*content))


class Reader:
    """Takes bytes apart."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        assert self.at + n <= len(self.data), "it ends early"
        self.at += n
        return self.data[self.at - n:self.at]

    def int(self, n):
        return int.from_bytes(self.take(n), "big")

    def varbyte(self):
        n, shift = 0, 0
        while True:
            b = self.int(1)
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                return n

    def value(self):
        tag = self.int(1)
        if tag == 0:
            return None
        if tag == 1:
            return bool(self.int(1))
        if tag in (2, 3, 9, 10):
            return struct.unpack(">Q" if tag == 2 else ">q", self.take(8))[0]
        if tag == 4:
            return struct.unpack(">d", self.take(8))[0]
        if tag in (5, 11):
            return self.take(self.varbyte())
        if tag in (6, 7):
            return self.take(16 if tag == 6 else 17)
        if tag == 8:
            return (self.int(2), self.int(1))
        if tag in (12, 14):
            return [self.value() for _ in range(self.varbyte())]
        assert tag == 13, f"tag {tag}"
        return [(self.value(), self.value()) for _ in range(self.varbyte())]

    @staticmethod
    def parts(payload):
        """The arguments of an event, each as it is encoded."""
        r = Reader(payload)
        r.take(2)
        r.value(), r.value()
        r.take(2)
        r.value()
        assert r.int(1) == 14
        found = []
        for _ in range(r.varbyte()):
            start = r.at
            r.value()
            found.append(payload[start:r.at])
        return found

    def text(self):
        return self.take(self.int(4))

    def log_value(self):
        kind, sub, there = self.int(4), self.int(4), self.int(1)
        assert sub == 0, "the subtype of a value is 0"
        if not there:
            return None
        if kind in (1, 2, 3):
            return self.int(8)
        if kind in (4, 5, 6):
            return struct.unpack(">d", self.take(8))[0]
        if kind in (7, 9, 17, 18):
            return self.text()
        if kind == 10:
            return (self.int(8), self.int(4))
        if kind == 11:
            return self.take(4 if self.int(1) == 4 else 16)
        if kind in (14, 19):
            return [self.log_value() for _ in range(self.int(8))]
        raise AssertionError(f"type {kind}")

    def batch(self):
        names = [self.text() for _ in range(4)]
        fields = []
        for _ in range(self.int(4)):
            assert self.int(1) == 0, "logs have no secondary names"
            fields.append((self.text(), self.int(4), self.int(4), self.int(1)))
        rows = [[self.log_value() for _ in fields] for _ in range(self.int(4))]
        assert self.at == len(self.data), "bytes follow"
        return names, fields, rows


def free_ports(n):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Node:
    """A node's sockets, without anything behind them."""

    def __init__(self, name, node_id, xpub_port, xsub_port):
        self.name, self.id = name, node_id
        self.context = zmq.Context()
        self.xsub, self.xpub = self.context.socket(zmq.XSUB), self.context.socket(zmq.XPUB)
        for s in (self.xsub, self.xpub):
            s.setsockopt(zmq.LINGER, 500)
        self.xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.xpub.setsockopt(zmq.XPUB_NODROP, 1)
        self.xsub.connect(f"tcp://127.0.0.1:{xpub_port}")
        self.xpub.connect(f"tcp://127.0.0.1:{xsub_port}")
        self.subscriptions, self.ended, self.events = [], [], []

    def subscribe(self, topic):
        self.xsub.send(b"\x01" + topic)

    def publish(self, topic, payload, serializer=b"broker-bin-v1"):
        self.xpub.send_multipart([topic, self.id, serializer, payload])

    def turn(self):
        """Takes what is there."""
        while self.xpub.poll(20):
            frames = self.xpub.recv_multipart()
            assert len(frames) == 1, "a subscription is one frame"
            (self.subscriptions if frames[0][:1] == b"\x01" else self.ended).append(frames[0][1:])
        while self.xsub.poll(20):
            frames = self.xsub.recv_multipart()
            assert len(frames) == 4, frames
            topic, sender, serializer, payload = frames
            # What a node publishes comes back to it where it subscribes to that.
            if sender == self.id:
                continue
            assert serializer == b"broker-bin-v1", serializer
            reader = Reader(payload)
            parts = reader.value()
            assert reader.at == len(payload) and parts[:2] == [1, 1] and len(parts) == 3, payload.hex()
            # Without metadata there is no empty vector of it.
            assert len(parts[2]) == 2, payload.hex()
            self.events.append((topic, sender, parts[2][0], parts[2][1], payload))

    def wait(self, what, test):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.turn()
            found = test()
            if found:
                return found
            all_alive()
        raise AssertionError(f"{what}: never came\n{self.subscriptions}\n{self.ended}\n{self.events}")

    def event(self, name, test=lambda args: True):
        def find():
            for i, e in enumerate(self.events):
                if e[2] == name and test(e[3]):
                    return self.events.pop(i)
        return self.wait(name, find)

    def other(self, name):
        """The id of the process behind a name, once it subscribes."""
        start = b"zeek.cluster.nodeid.zeromq_" + name + b"_"
        def find():
            for t in self.subscriptions:
                if t.startswith(start):
                    return t[len(b"zeek.cluster.nodeid."):-1]
        return self.wait(start, find)

    def close(self):
        self.context.destroy(linger=500)


def nodeid_topic(node_id):
    return b"zeek.cluster.nodeid." + node_id + b"."


HELLO_1 = b"Cluster::Backend::ZeroMQ::hello"
HELLO_2 = b"Cluster::hello"


def greet(node, other_name):
    """The handshake as seen from a node, in the order that it demands. Gives the other's id."""
    node.subscribe(nodeid_topic(node.id))
    other = node.other(other_name)
    node.publish(nodeid_topic(other), event(HELLO_1, string(node.name), string(node.id)))
    topic, sender, _, args, _ = node.event(HELLO_1)
    assert topic == nodeid_topic(node.id) and sender == other and args == [other_name, other], (topic, sender, args)
    topic, sender, _, args, _ = node.event(HELLO_2)
    assert topic == nodeid_topic(node.id) and sender == other and args == [other_name, other], (topic, sender, args)
    node.publish(nodeid_topic(other), event(HELLO_2, string(node.name), string(node.id)))
    return other


LAYOUT = """
redef Cluster::manager_is_logger = T;
redef Cluster::nodes += {
	["manager"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1, $p=LOG_PORT/tcp, $metrics_port=METRICS_PORT/tcp],
	["worker-1"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1, $manager="manager"],
};
"""

SCRIPT = """
redef exit_only_after_terminate = T;
redef Telemetry::metrics_address = "127.0.0.1";
redef Cluster::Telemetry::core_metrics += { Cluster::Telemetry::VERBOSE, Cluster::Telemetry::DEBUG };
redef Cluster::Backend::ZeroMQ::listen_xpub_endpoint = "tcp://127.0.0.1:XPUB_PORT";
redef Cluster::Backend::ZeroMQ::connect_xsub_endpoint = "tcp://127.0.0.1:XPUB_PORT";
redef Cluster::Backend::ZeroMQ::listen_xsub_endpoint = "tcp://127.0.0.1:XSUB_PORT";
redef Cluster::Backend::ZeroMQ::connect_xpub_endpoint = "tcp://127.0.0.1:XSUB_PORT";

module Wire;

export {
	redef enum Log::ID += { LOG };
	redef enum EventMetadata::ID += { USER = 200 };
	type Color: enum { RED, BLUE };
	type Inner: record { a: count; b: string &optional; c: count &default=9; };
	type Row: record {
		ts: time &log; n: count &log &optional; tags: set[string] &log &optional; up: bool &log; i: int &log;
		d: double &log; iv: interval &log; e: Color &log; p: port &log; a: addr &log; a6: addr &log; sn: subnet &log;
		sn6: subnet &log; v: vector of count &log &optional;
	};
	global all: event(b: bool, c: count, i: int, d: double, t: time, iv: interval, s: string, a: addr, a6: addr,
		sn: subnet, sn6: subnet, p: port, pu: port, e: Color, g: transport_proto, pat: pattern, st: set[count],
		st2: set[addr, port], tb: table[string] of count, tb2: table[count, string] of Inner, v: vector of interval,
		r: Inner, f: function(s: string): bool, x: any, y: any);
	global simple: event(s: string, n: count);
	global timed: event();
	global tops: event(t: opaque of topk, b: opaque of bloomfilter, c: opaque of cardinality);
	global states: event(f: function(n: count): string, g: function(n: count): string, e: opaque of entropy,
		m: opaque of md5, s: opaque of sha512, done: opaque of sha1, p: opaque of paraglob);
	global check: function(s: string): bool;
}

function adder(by: count, names: set[string], r: Inner): function(n: count): string
	{
	return function[by, names, r](n: count): string
		{ return fmt("%d %d %s %d %d", n + by, |names|, r$b, r$a, r$c); };
	}

function check(s: string): bool { return T; }

event zeek_init()
	{
	Log::create_stream(LOG, Log::Stream($columns=Row, $path="wire"));
	Log::set_buf(LOG, F);
	EventMetadata::register(Wire::USER, string);
	}

event Wire::all(b: bool, c: count, i: int, d: double, t: time, iv: interval, s: string, a: addr, a6: addr,
	sn: subnet, sn6: subnet, p: port, pu: port, e: Color, g: transport_proto, pat: pattern, st: set[count],
	st2: set[addr, port], tb: table[string] of count, tb2: table[count, string] of Inner, v: vector of interval,
	r: Inner, f: function(s: string): bool, x: any, y: any)
	{
	print "all", b, c, i, d, t, iv, s, a, a6, sn, sn6, p, pu, e, g, pat, st, [1.2.3.4, 80/tcp] in st2, tb, tb2[1, "x"],
		v, r, f("x"), x as count, (y as vector of string)[0], is_remote_event();
	Cluster::publish(Cluster::worker_topic, Wire::all, b, c, i, d, t, iv, s, a, a6, sn, sn6, p, pu, e, g, pat, st, st2,
		tb, tb2, v, r, f, x, y);
	}

event Wire::simple(s: string, n: count)
	{
	print "simple", s, n;

	if ( s == "tops" )
		{
		local k = topk_init(4);
		topk_add(k, 5); topk_add(k, 6); topk_add(k, 5);
		local c = hll_cardinality_init(0.2, 0.9);
		hll_cardinality_add(c, 1.2.3.4);
		local b = bloomfilter_basic_init2(3, 100, "x");
		bloomfilter_add(b, "abc");
		Cluster::publish(Cluster::worker_topic, Wire::tops, k, b, c);
		}

	if ( s == "states" )
		{
		local e = entropy_test_init();
		entropy_test_add(e, "some text and ");
		local m = md5_hash_init();
		md5_hash_update(m, "abc");
		local h = sha512_hash_init();
		sha512_hash_update(h, "abc");
		local done = sha1_hash_init();
		sha1_hash_finish(done);
		Cluster::publish(Cluster::worker_topic, Wire::states, adder(n, set("a", "b"), Inner($a=3, $b="in")),
			function(num: count): string { return fmt("<%d>", num); }, e, m, h, done, paraglob_init(vector("*.exe", "x*")));
		}
	}

event Wire::states(f: function(n: count): string, g: function(n: count): string, e: opaque of entropy,
	m: opaque of md5, s: opaque of sha512, done: opaque of sha1, p: opaque of paraglob)
	{
	entropy_test_add(e, "more");
	md5_hash_update(m, "defg");
	sha512_hash_update(s, "defg");
	print "states", f(5), g(6), cat(entropy_test_finish(e)) == cat(find_entropy("some text and more")),
		md5_hash_finish(m) == md5_hash("abcdefg"), sha512_hash_finish(s) == sha512_hash("abcdefg"),
		sha1_hash_finish(done) == "", paraglob_match(p, "a file.exe");
	}

event Wire::tops(t: opaque of topk, b: opaque of bloomfilter, c: opaque of cardinality)
	{
	print "tops", topk_get_top(t, 1), topk_count(t, 5), topk_sum(t), bloomfilter_lookup(b, "abc"), bloomfilter_lookup(b, "x"),
		hll_cardinality_estimate(c) > 0.9;
	}

event Wire::timed()
	{
	print "timed", current_event_time(), EventMetadata::current(Wire::USER);
	}

event Cluster::node_up(name: string, id: string) { print "up", name, id; }
event Cluster::node_down(name: string, id: string) { print "down", name, id; }
"""

ALL = [
    boolean(True), count(300), integer(-2), real(1.5), timestamp(1700000000500000000), timespan(2500000000),
    string(b"a\xff\0b"), address("10.1.2.3"), address("2001:db8::1"), subnet("10.1.0.0", 112), subnet("2001:db8::", 32),
    port(443, 1), port(5, 0), enum(b"Wire::BLUE"), enum(b"udp"), vector(string(b"^?(foo)$?"), string(b"^?(.|\\n)*(foo)")),
    sets(count(1), count(2)), sets(vector(address("1.2.3.4"), port(80, 1)), vector(address("1.2.3.4"), port(81, 2))),
    table((string(b"k"), count(9))), table((vector(count(1), string(b"x")), vector(count(7), NONE, count(8)))),
    vector(timespan(0), timespan(-1000000000)), vector(count(1), string(b"z"), count(9)), vector(string(b"Wire::check")),
    count(42), vector(string(b"one")),
]
PRINTED = ("all, T, 300, -2, 1.5, 1700000000.5, 2.0 secs 500.0 msecs, a\\xff\\x00b, 10.1.2.3, 2001:db8::1, 10.1.0.0/16, "
           "2001:db8::/32, 443/tcp, 5/unknown, Wire::BLUE, udp, /^?(foo)$?/, ")

HEX_ROW = """
00000009 576972653a3a4c4f47  00000011 4c6f673a3a5752495445525f4153434949  00000007 64656661756c74  00000004 77697265
0000000e
 00 00000002 7473     00000005 00000000 00
 00 00000001 6e       00000003 00000000 01
 00 00000004 74616773 0000000e 00000007 01
 00 00000002 7570     00000001 00000000 00
 00 00000001 69       00000002 00000000 00
 00 00000001 64       00000004 00000000 00
 00 00000002 6976     00000006 00000000 00
 00 00000001 65       00000009 00000000 00
 00 00000001 70       0000000a 00000000 00
 00 00000001 61       0000000b 00000000 00
 00 00000002 6136     0000000b 00000000 00
 00 00000002 736e     0000000c 00000000 00
 00 00000003 736e36   0000000c 00000000 00
 00 00000001 76       00000013 00000003 01
00000002
"""
# With optional fields unset.
ROW_1 = """
 00000005 00000000 01 3ff8000000000000
 00000003 00000000 00
 0000000e 00000000 00
 00000001 00000000 01 0000000000000001
 00000002 00000000 01 fffffffffffffffe
 00000004 00000000 01 4004000000000000
 00000006 00000000 01 3fe0000000000000
 00000009 00000000 01 0000000a 576972653a3a424c5545
 0000000a 00000000 01 00000000000001bb 00000001
 0000000b 00000000 01 04 0a010203
 0000000b 00000000 01 06 20010db8000000000000000000000001
 0000000c 00000000 01 70 04 0a010000
 0000000c 00000000 01 20 06 20010db8000000000000000000000000
 00000013 00000000 00
"""
ROW_2 = (ROW_1.replace("00000003 00000000 00", "00000003 00000000 01 000000000000012c")
         .replace("0000000e 00000000 00", "0000000e 00000000 01 0000000000000001  00000007 00000000 01 00000001 78")
         .replace("00000013 00000000 00", "00000013 00000000 01 0000000000000002 "
                  "00000003 00000000 01 0000000000000005 00000003 00000000 00"))
LOGGED = [
    "1.500000\t-\t-\tT\t-2\t2.5\t0.500000\tWire::BLUE\t443\t10.1.2.3\t2001:db8::1\t10.1.0.0/16\t2001:db8::/32\t-",
    "1.500000\t300\tx\tT\t-2\t2.5\t0.500000\tWire::BLUE\t443\t10.1.2.3\t2001:db8::1\t10.1.0.0/16\t2001:db8::/32\t5,-",
]


class Tapir:
    """A process of ours, under a name, whose output is kept."""

    def __init__(self, program, folder, name, layout, script):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        with open(f"{folder}/cluster-layout.zeek", "w") as f:
            f.write(layout)
        with open(f"{folder}/wire.zeek", "w") as f:
            f.write(script)
        env = dict(os.environ, CLUSTER_NODE=name, ZEEKPATH=folder, TZ="UTC")
        self.out, self.err = open(f"{folder}/out", "wb"), open(f"{folder}/err", "wb")
        self.process = subprocess.Popen(
            [program, "-b", "base/frameworks/cluster", "base/frameworks/sumstats", "base/frameworks/telemetry", "frameworks/cluster/backend/zeromq",
             f"{folder}/wire.zeek"],
            cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        PROCESSES.append(self)

    def said(self, what="out"):
        with open(f"{self.folder}/{what}", "rb") as f:
            return f.read().decode("latin-1")

    def until(self, text, what="out", node=None):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if os.path.exists(f"{self.folder}/{what}") and text in self.said(what):
                return
            all_alive()
            node.turn() if node else time.sleep(0.05)
        raise AssertionError(f"'{text}' is not in {what}:\n{self.said(what)}\n{self.said('err')}")

    def stop(self):
        PROCESSES.remove(self)
        self.process.terminate()
        return self.process.wait(PATIENCE)


def scripts(ports):
    """The layout and the rest."""
    for text in (LAYOUT, SCRIPT):
        yield (text.replace("XPUB_PORT", str(ports[0])).replace("XSUB_PORT", str(ports[1]))
               .replace("LOG_PORT", str(ports[2])).replace("METRICS_PORT", str(ports[3])))


def as_worker(program, folder):
    ports = free_ports(4)
    tapir = Tapir(program, folder, "manager", *scripts(ports))
    try:
        node = Node(b"worker-1", b"any-id-will-do", ports[0], ports[1])
        for topic in (b"zeek.cluster.worker", b"zeek.cluster.node.worker-1.", b"zeek.cluster.pool.worker", b"zeek/table/"):
            node.subscribe(topic)
        manager = greet(node, b"manager")
        tapir.until("up, worker-1, any-id-will-do", node=node)
        for topic in (b"zeek.cluster.manager", b"zeek.cluster.node.manager.", b"zeek/table/", nodeid_topic(manager)):
            assert topic in node.subscriptions, (topic, node.subscriptions)

        # Every type there and back, byte for byte.
        sent = event(b"Wire::all", *ALL)
        node.publish(b"zeek.cluster.manager", sent)
        got = node.event(b"Wire::all")
        assert got[0] == b"zeek.cluster.worker" and got[1] == manager, got
        assert got[4] == sent, f"\n{sent.hex()}\n{got[4].hex()}"
        assert PRINTED in tapir.said(), tapir.said()
        assert tapir.said().rstrip().endswith("42, one, T"), tapir.said()
        # The node's own topic, and an empty vector of metadata as of old.
        node.publish(b"zeek.cluster.node.manager.", event(b"Wire::simple", string(b"old"), count(1), metadata=[]))
        tapir.until("simple, old, 1", node=node)
        # Its topic must not be taken for that of another whose name begins alike.
        node.publish(b"zeek.cluster.node.manager-2.", event(b"Wire::simple", string(b"other"), count(1)))
        # A set with its elements in another order is the same set; a key in a vector of one is that key.
        odd = list(ALL)
        odd[16] = sets(count(2), count(1))
        odd[18] = table((vector(string(b"k")), count(9)))
        node.publish(b"zeek.cluster.manager", event(b"Wire::all", *odd))
        assert node.event(b"Wire::all")[4] == sent
        # Time, a registered kind of metadata, one that nobody knows, and one of the wrong type.
        meta = [vector(count(1), timestamp(1700000000500000000)), vector(count(200), string(b"mine")),
                vector(count(7777), string(b"?"))]
        node.publish(b"zeek.cluster.manager", event(b"Wire::timed", metadata=meta))
        tapir.until("timed, 1700000000.5, [mine]", node=node)
        node.publish(b"zeek.cluster.manager", event(b"Wire::timed", metadata=[vector(count(200), count(5))]))

        # What must be dropped, each with a message, and nothing else happens.
        topic, simple = b"zeek.cluster.manager", b"Wire::simple"
        bad = [
            event(b"Wire::no_such_event", count(1)),
            event(simple, string(b"bad")),
            event(simple, string(b"bad"), count(1), count(2)),
            event(simple, string(b"bad"), integer(1)),
            event(simple, string(b"bad"), NONE),
            event(b"Wire::all", *ALL[:13], enum(b"Wire::GREEN"), *ALL[14:]),
            event(b"Wire::all", *ALL[:16], sets(count(1), count(1)), *ALL[17:]),
            event(b"Wire::all", *ALL[:20], vector(NONE), *ALL[21:]),
            event(b"Wire::all", *ALL[:21], vector(count(1)), *ALL[22:]),
            vector(count(1), count(1)),
            vector(count(1), count(3), vector(string(simple), vector(string(b"bad"), count(1)))),
            event(simple, string(b"bad"), count(1)) + b"\0",
            event(simple, string(b"bad"), count(1))[:-1],
            b"",
        ]
        for payload in bad:
            node.publish(topic, payload)
        node.publish(topic, event(simple, string(b"bad"), count(1)), b"broker-json-v1")
        node.xpub.send_multipart([topic, node.id, b"broker-bin-v1"])
        node.xpub.send_multipart([topic, node.id, b"broker-bin-v1", event(simple, string(b"bad"), count(1)), b""])
        node.xpub.send_multipart([topic])
        # A record may have more fields than are known.
        more = list(ALL)
        more[21] = vector(count(1), string(b"z"), count(9), string(b"a field of tomorrow"))
        node.publish(topic, event(b"Wire::all", *more))
        assert node.event(b"Wire::all")[4] == sent
        node.publish(topic, event(simple, string(b"good"), count(2)))
        tapir.until("simple, good, 2", node=node)
        said = tapir.said()
        assert "bad" not in said and "other" not in said and said.count("all, ") == 3, said
        complaints = tapir.said("err")
        for text in ("Wire::no_such_event", "1 arguments instead of 2", "3 arguments instead of 2", "broker-json-v1",
                     "3 frames instead of 4", "5 frames instead of 4", "1 frames instead of 4", "metadata 200"):
            assert text in complaints, f"no word of {text}:\n{complaints}"
        assert complaints.count("error") == len(bad) + 5, f"{complaints.count('error')}:\n{complaints}"

        # Structures that only few events carry.
        node.publish(topic, event(simple, string(b"tops"), count(0)))
        _, _, _, args, payload = node.event(b"Wire::tops")
        assert args[0] == [b"TopkVal", [4, 2, False, [False, 3], 1, 1, 0, 6, 1, 2, 0, 5]], args[0]
        assert args[1][0] == b"BloomFilterVal" and args[1][1][0] == [False, 7] and args[1][1][1][0] == 0, args[1]
        bits = args[1][1][1][2]
        assert bits[:2] == [100, 2] and 1 <= sum(bin(b).count("1") for b in bits[2:]) <= 3, bits
        assert args[2][0] == b"CardinalityVal" and args[2][1][0] == [False, 11], args[2]
        m = args[2][1][1][0]
        assert args[2][1][1][1] == m - 1 and len(args[2][1][1]) == m + 3, args[2]
        node.publish(topic, payload)
        tapir.until("tops, [5], 2, 3, 1, 0, T", node=node)

        # What functions captured, and states of digests and the like.
        node.publish(topic, event(simple, string(b"states"), count(4)))
        _, _, _, args, payload = node.event(b"Wire::states")
        assert args[0][0].startswith(b"lambda_<") and len(args[0]) == 2, args[0]
        assert args[0][1] == [[[4, 3], [[b"a", b"b"], 14], [[3, b"in", 9], 15]]], args[0]
        assert args[1][0].startswith(b"lambda_<") and args[1][1:] == [[]], args[1]
        assert args[2][0] == b"EntropyVal" and all(isinstance(n, int) for n in args[2][1]), args[2]
        md5 = bytes.fromhex("0123456789abcdeffedcba9876543210 1800000000000000 616263") + b"\0" * 61 + b"\3\0\0\0"
        assert args[3] == [b"MD5Val", [True, md5]], args[3]
        assert args[4][0] == b"SHA512Val" and args[4][1][0] is True and len(args[4][1][1]) == 216, args[4]
        assert args[5] == [b"SHA1Val", [False]], args[5]
        assert args[6][0] == b"ParaglobVal" and all(n < 256 for n in args[6][1]), args[6]
        node.publish(topic, payload)
        tapir.until("states, 9 2 in 3 9, <6>, T, T, T, T, [*.exe]", node=node)
        # None of these is what it should be.
        closure = lambda *pairs: vector(string(args[0][0]), vector(vector(*pairs)))
        by, names = vector(count(4), integer(3)), vector(sets(string(b"a")), integer(14))
        inner = vector(vector(count(3), string(b"in"), count(9)), integer(15))
        others = Reader.parts(payload)
        bad_functions = [
            closure(by, names),
            closure(by, names, inner, by),
            closure(by, inner, names),
            closure(vector(count(4), integer(2)), names, inner),
            closure(vector(count(4)), names, inner),
            vector(string(args[0][0])),
            vector(string(args[0][0]), vector()),
            vector(string(b"lambda_<1>"), vector()),
            vector(string(b"Wire::check")),
            vector(string(b"zeek_init")),
        ]
        for f in bad_functions:
            node.publish(topic, event(b"Wire::states", f, *others[1:]))
        bad_states = [
            (2, vector(string(b"EntropyVal"), vector(count(1)))),
            (3, vector(string(b"MD5Val"), vector(boolean(True), string(md5[:-1])))),
            (3, vector(string(b"SHA1Val"), vector(boolean(False)))),
            (6, vector(string(b"ParaglobVal"), vector(count(1)))),
        ]
        for i, v in bad_states:
            node.publish(topic, event(b"Wire::states", *others[:i], v, *others[i + 1:]))
        node.publish(topic, event(b"Wire::states", closure(by, names, inner), *others[1:]))
        tapir.until("states, 9 1 in 3 9, <6>, T, T, T, T, [*.exe]", node=node)
        assert tapir.said().count("\nstates, ") == 2, tapir.said()
        complaints = tapir.said("err")
        assert complaints.count("argument 1 of event 'Wire::states'") == len(bad_functions), complaints
        assert complaints.count("of event 'Wire::states'") == len(bad_functions) + len(bad_states), complaints

        # Logs: two rows; then what a logger refuses; then a batch without rows and one more for a path of its own.
        push = node.context.socket(zmq.PUSH)
        push.setsockopt(zmq.LINGER, 500)
        push.connect(f"tcp://127.0.0.1:{ports[2]}")
        batch = bytes.fromhex((HEX_ROW + ROW_1 + ROW_2).replace("\n", ""))
        def ship(payload, name=b"zeek-bin-serializer"):
            push.send_multipart([b"log-write", node.id, name, payload])
        ship(batch)
        tapir.until(LOGGED[1], "wire.log", node=node)
        lines = [l for l in tapir.said("wire.log").splitlines() if not l.startswith("#")]
        assert lines == LOGGED, lines
        ship(batch, b"zeek-bin-v1")
        ship(batch[:-1])
        ship(batch.replace(b"Wire::LOG", b"Wire::NOG"))
        ship(batch.replace(b"WRITER_ASCII", b"WRITER_ASKEY"))
        ship(batch.replace(b"default", b"defauld"))
        # A count where the logger has an optional int would fit, a string does not.
        ship(bytes.fromhex((HEX_ROW.replace("0000000e 00000007", "00000013 00000007", 1)
             + ROW_1.replace("0000000e", "00000013") * 2).replace("\n", "")))
        push.send_multipart([b"log-write", node.id, b"zeek-bin-serializer"])
        ship(bytes.fromhex(HEX_ROW.replace("\n", ""))[:-4] + b"\0\0\0\0")
        ship(batch.replace(b"\0\0\0\x04wire", b"\0\0\0\x06wire-2"))
        tapir.until(LOGGED[1], "wire-2.log", node=node)
        assert [l for l in tapir.said("wire.log").splitlines() if not l.startswith("#")] == LOGGED
        complaints = tapir.said("err")
        for text in ("unknown form", "Wire::NOG", "WRITER_ASKEY", "defauld", "field tags", "3 frames"):
            assert text in complaints, f"no word of {text}:\n{complaints}"

        # What was counted of it.
        wanted = [
            r'zeek_cluster_core_verbose_incoming_events_total\{handler="Wire::simple",.*topic="zeek.cluster.manager"\} 3\n',
            r'zeek_cluster_core_verbose_outgoing_events_total\{handler="Wire::all",.*topic="zeek.cluster.worker"\} 3\n',
            r'zeek_cluster_core_verbose_outgoing_events_total\{handler="Cluster::hello",.*'
            r'topic="zeek.cluster.nodeid.__normalized__"\} 1\n',
            r'zeek_cluster_core_debug_outgoing_event_sizes_bucket\{.*handler="Wire::all".*script_location=".*wire.zeek:[0-9]+"'
            r'.*le="1000"\} 3\n',
            r'zeek_cluster_core_debug_outgoing_event_sizes_sum\{.*handler="Wire::all".*\} ' + str(3 * len(sent)) + r'\n',
            r'zeek_cluster_core_debug_incoming_event_sizes_count\{handler="Wire::simple",.*topic="zeek.cluster.node.manager."\} 1\n',
            r'zeek_cluster_core_outgoing_events_total\{node="manager"\}',
            r'zeek_cluster_zeromq_msg_errors_total\{node="manager"\}',
            r'zeek_cluster_zeromq_proxy_frontend_messages_received_total\{node="manager"\}',
        ]
        end = time.monotonic() + PATIENCE
        while True:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[3]}/metrics", timeout=PATIENCE) as answer:
                text = answer.read().decode()
            missing = [w for w in wanted if not re.search(w, text)]
            if not missing:
                break
            assert time.monotonic() < end, f"{missing}\n" + "\n".join(l for l in text.splitlines() if "cluster" in l)
            node.turn()

        # Another process under the same name, before the end of the first is seen: it takes its place.
        again = Node(b"worker-1", b"second-id", ports[0], ports[1])
        greet(again, b"manager")
        tapir.until("up, worker-1, second-id", node=again)
        assert "down, worker-1, any-id-will-do" in tapir.said()
        # A node that is in no layout is no node.
        stranger = Node(b"worker-77", b"third-id", ports[0], ports[1])
        greet(stranger, b"manager")
        tapir.until("Got Cluster::hello msg from unexpected node: worker-77", "err", stranger)
        assert "up, worker-77" not in tapir.said()
        # The end of a process is the end of its subscription.
        again.close()
        tapir.until("down, worker-1, second-id", node=stranger)
        tapir.until("node down: worker-1", "cluster.log", stranger)
        assert "got hello from worker-1 (any-id-will-do)" in tapir.said("cluster.log"), tapir.said("cluster.log")
        node.close()
        stranger.close()
        assert tapir.stop() == 0, tapir.said("err")
    finally:
        tapir.process.kill()


def as_manager(program, folder):
    ports = free_ports(4)
    # The forwarder in the middle is libzmq's own.
    context = zmq.Context()
    front, back = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
    back.setsockopt(zmq.XPUB_VERBOSER, 1)
    back.setsockopt(zmq.XPUB_NODROP, 1)
    back.bind(f"tcp://127.0.0.1:{ports[0]}")
    front.bind(f"tcp://127.0.0.1:{ports[1]}")
    threading.Thread(target=zmq.proxy, args=(front, back), daemon=True).start()
    pull = context.socket(zmq.PULL)
    pull.bind(f"tcp://127.0.0.1:{ports[2]}")
    node = Node(b"manager", b"foreign-manager", ports[0], ports[1])
    for topic in (b"zeek.cluster.manager", b"zeek.cluster.logger", b"zeek.cluster.node.manager."):
        node.subscribe(topic)
    more = """
event zeek_init()
	{
	local r = SumStats::Reducer($stream="x", $apply=set(SumStats::SUM));
	SumStats::create(SumStats::SumStat($name="s", $epoch=1hr, $reducers=set(r)));
	}
event Wire::simple(s: string, n: count) &priority=-5
	{
	if ( s == "observe" )
		SumStats::observe("x", SumStats::Key($str="k"), SumStats::Observation($num=7));
	if ( s == "log" )
		Log::write(LOG, Row($ts=double_to_time(1.5), $up=T, $i=-2, $d=2.5, $iv=0.5sec, $e=BLUE, $p=443/tcp, $a=10.1.2.3,
			$a6=[2001:db8::1], $sn=10.1.0.0/16, $sn6=[2001:db8::]/32));
	}
"""
    layout, script = scripts(ports)
    tapir = Tapir(program, folder, "worker-1", layout, script + more)
    try:
        worker = greet(node, b"worker-1")
        tapir.until("up, manager, foreign-manager", node=node)
        wanted = [b"zeek.cluster.worker", b"zeek.cluster.pool.worker", b"zeek.cluster.node.worker-1.", b"zeek/table/",
                  nodeid_topic(worker)]
        for topic in wanted:
            assert topic in node.subscriptions, (topic, node.subscriptions)
        host = socket.gethostname().encode()
        start = b"zeromq_worker-1_" + host + b"_" + str(tapir.process.pid).encode() + b"_N"
        assert worker.startswith(start), (worker, start)

        def batch():
            assert pull.poll(int(PATIENCE * 1000)), "no log came"
            frames = pull.recv_multipart()
            assert len(frames) == 4 and frames[:3] == [b"log-write", worker, b"zeek-bin-serializer"], frames
            return frames[3]

        # The node's own log, by the second at most.
        names, fields, rows = Reader(batch()).batch()
        assert names == [b"Cluster::LOG", b"Log::WRITER_ASCII", b"default", b"cluster"], names
        assert fields == [(b"ts", 5, 0, 0), (b"node", 7, 0, 0), (b"message", 7, 0, 0)], fields
        assert rows[0][1:] == [b"worker-1", b"got hello from manager (foreign-manager)"], rows
        topic = b"zeek.cluster.node.worker-1."
        node.publish(topic, event(b"Wire::simple", string(b"log"), count(1)))
        row = batch()
        assert row == bytes.fromhex((HEX_ROW.replace("\n00000002\n", "\n00000001\n") + ROW_1).replace("\n", "")), row.hex()

        # The questions that a manager has about statistics.
        worker_topic = b"zeek.cluster.worker"
        def ask(name, *args):
            node.publish(worker_topic, event(b"SumStats::" + name, *args))
        ask(b"cluster_ss_request", string(b"u1"), string(b"s"), boolean(True))
        ask(b"get_a_key", string(b"u1"), string(b"s"), boolean(True))
        sent = node.event(b"SumStats::send_no_key")
        assert sent[0] == b"zeek.cluster.manager" and sent[3] == [b"u1", b"s"], sent
        node.publish(topic, event(b"Wire::simple", string(b"observe"), count(1)))
        ask(b"cluster_ss_request", string(b"u2"), string(b"s"), boolean(True))
        ask(b"get_a_key", string(b"u2"), string(b"s"), boolean(True))
        key = node.event(b"SumStats::send_a_key")[3]
        assert key == [b"u2", b"s", [b"k", None]] or key == [b"u2", b"s", [None, b"k"]] or b"k" in key[2], key
        encoded = vector(*[NONE if p is None else string(p) for p in key[2]])
        ask(b"cluster_get_result", string(b"u2"), string(b"s"), encoded, boolean(True))
        uid, name, got, result, cleanup = node.event(b"SumStats::cluster_send_result")[3]
        assert (uid, name, got, cleanup) == (b"u2", b"s", key[2], True), (uid, name, got, cleanup)
        assert [k for k, _ in result] == [b"x"], result
        assert 7.0 in result[0][1], result

        # A worker that is told to end goes without a word: its subscriptions end.
        assert tapir.stop() == 0, tapir.said("err")
        node.wait("the end", lambda: nodeid_topic(worker) in node.ended)
        node.close()
    finally:
        tapir.process.kill()


def j(kind, data):
    return {"@data-type": kind, "data": data}


def json_event(name, *args):
    content = j("vector", [j("string", name), j("vector", list(args))])
    return json.dumps(j("vector", [j("count", 1), j("count", 1), content])).encode()


class JsonNode(Node):
    """A node whose events are text. Of what it gets it keeps the arguments as they came, and the text."""

    def publish(self, topic, payload, serializer=b"broker-json-v1"):
        super().publish(topic, payload, serializer)

    def turn(self):
        while self.xpub.poll(20):
            frames = self.xpub.recv_multipart()
            (self.subscriptions if frames[0][:1] == b"\x01" else self.ended).append(frames[0][1:])
        while self.xsub.poll(20):
            topic, sender, serializer, payload = self.xsub.recv_multipart()
            if sender == self.id:
                continue
            assert serializer == b"broker-json-v1", serializer
            envelope = json.loads(payload)
            # Neither type nor topic are in it, as the frames say these.
            assert set(envelope) == {"@data-type", "data"} and envelope["@data-type"] == "vector", payload
            version, kind, content = envelope["data"]
            assert version == kind == j("count", 1) and len(content["data"]) == 2, payload
            name, args = content["data"]
            self.events.append((topic, sender, name["data"].encode(), args["data"], payload))


JSON_ALL = [
    j("boolean", True), j("count", 300), j("integer", -2), j("real", 1.5), j("timestamp", "2023-11-14T22:13:20.500"),
    j("timespan", "2500ms"), j("string", 'a "quoted"\\ text'), j("address", "10.1.2.3"), j("address", "2001:db8::1"),
    j("subnet", "10.1.0.0/16"), j("subnet", "2001:db8::/32"), j("port", "443/tcp"), j("port", "5/?"),
    j("enum-value", "Wire::BLUE"), j("enum-value", "udp"),
    j("vector", [j("string", "^?(foo)$?"), j("string", "^?(.|\\n)*(foo)")]), j("set", [j("count", 1), j("count", 2)]),
    j("set", [j("vector", [j("address", "1.2.3.4"), j("port", p)]) for p in ("80/tcp", "81/udp")]),
    j("table", [{"key": j("string", "k"), "value": j("count", 9)}]),
    j("table", [{"key": j("vector", [j("count", 1), j("string", "x")]),
                 "value": j("vector", [j("count", 7), j("none", {}), j("count", 8)])}]),
    j("vector", [j("timespan", "0s"), j("timespan", "-1s")]),
    j("vector", [j("count", 1), j("string", "z"), j("count", 9)]), j("vector", [j("string", "Wire::check")]),
    j("count", 42), j("vector", [j("string", "one")]),
]


def as_json(program, folder):
    ports = free_ports(4)
    layout, script = scripts(ports)
    script += "redef Cluster::event_serializer = Cluster::EVENT_SERIALIZER_BROKER_JSON_V1;\n"
    tapir = Tapir(program, folder, "manager", layout, script)
    try:
        node = JsonNode(b"worker-1", b"speaks-json", ports[0], ports[1])
        node.subscribe(b"zeek.cluster.worker")
        node.subscribe(nodeid_topic(node.id))
        manager = node.other(b"manager")
        mine = [j("string", "worker-1"), j("string", "speaks-json")]
        theirs = [j("string", "manager"), j("string", manager.decode())]
        node.publish(nodeid_topic(manager), json_event("Cluster::Backend::ZeroMQ::hello", *mine))
        assert node.event(HELLO_1)[3] == theirs
        assert node.event(HELLO_2)[3] == theirs
        node.publish(nodeid_topic(manager), json_event("Cluster::hello", *mine))
        tapir.until("up, worker-1, speaks-json", node=node)

        topic = b"zeek.cluster.manager"
        node.publish(topic, json_event("Wire::all", *JSON_ALL))
        _, _, _, args, payload = node.event(b"Wire::all")
        assert args == JSON_ALL, [(a, b) for a, b in zip(args, JSON_ALL) if a != b]
        # Reals always have six places.
        assert b"1.500000" in payload, payload
        # Other ways to write the same.
        odd = list(JSON_ALL)
        odd[3], odd[4], odd[5] = j("real", 15e-1), j("timestamp", "2023-11-14T23:13:20.5+01:00"), j("timespan", "2500000us")
        odd[9], odd[16] = j("subnet", "10.1.2.3/16"), j("set", [j("count", 2), j("count", 1)])
        node.publish(topic, json_event("Wire::all", *odd))
        assert node.event(b"Wire::all")[3] == JSON_ALL

        bad = [
            b"", b"{}", b"[1]", b'{"@data-type":"vector","data":[', event(b"Wire::simple", string(b"bad"), count(1)),
            json_event("Wire::simple", j("string", "bad"), j("count", 1.0)),
            json_event("Wire::simple", j("string", "bad"), j("count", -1)),
            json_event("Wire::simple", j("string", "bad"), j("number", 1)),
            json_event("Wire::simple", j("string", "bad"), j("set", [j("count", 1), j("count", 1)])),
            json_event("Wire::simple", j("string", "bad")),
            json_event("Wire::all", *JSON_ALL[:3], j("real", 4), *JSON_ALL[4:]),
            json_event("Wire::all", *JSON_ALL[:7], j("address", "10.1.2"), *JSON_ALL[8:]),
        ]
        for payload in bad:
            node.publish(topic, payload)
        node.publish(topic, event(b"Wire::simple", string(b"bad"), count(1)), b"broker-bin-v1")
        node.publish(topic, json_event("Wire::simple", j("string", "good"), j("count", 2)))
        tapir.until("simple, good, 2", node=node)
        said, complaints = tapir.said(), tapir.said("err")
        assert "bad" not in said and said.count("all, ") == 2, said
        assert "broker-bin-v1" in complaints and complaints.count("error") == len(bad) + 1, complaints
        node.close()
        assert tapir.stop() == 0, tapir.said("err")
    finally:
        tapir.process.kill()


if __name__ == "__main__":
    _, program, folder, scenario = sys.argv
    if scenario == "cluster":
        import foreign_cluster
        # The processes that both know of are those of the module, not of this program.
        foreign_cluster.play(program, folder)
    else:
        {"worker": as_worker, "manager": as_manager, "json": as_json}[scenario](program, folder)
    # Sockets of threads that never end must not keep the process.
    sys.stdout.flush()
    os._exit(0)
