"""Logger and proxies of another program in one cluster with a manager and a worker of ours; see foreign_node.py, whose
sockets and encodings these nodes use.

Played here: the choice of proxies by keys and in turns, tables that are published on change, options, questions of the control
framework, rows of every type, a logger that is away for a while, a node that greets too late, and a flood.
"""

import re
import time
import urllib.request

import zmq

from foreign_node import (
    HELLO_1, HELLO_2, NONE, Node, PATIENCE, Reader, Tapir, address, boolean, count, enum, event, free_ports, nodeid_topic,
    port, string, timestamp, vector,
)

LAYOUT = """
redef Cluster::manager_is_logger = F;
redef Cluster::nodes += {
	["manager"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1],
	["logger-1"] = [$node_type=Cluster::LOGGER, $ip=127.0.0.1, $p=LOG_PORT/tcp],
	["proxy-1"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $manager="manager"],
	["proxy-2"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $manager="manager"],
	["proxy-3"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $manager="manager"],
	["late"] = [$node_type=Cluster::PROXY, $ip=127.0.0.1, $manager="manager"],
	["worker-1"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1, $manager="manager", $metrics_port=METRICS_PORT/tcp],
};
"""

SCRIPT = """
@load base/frameworks/config
@load policy/frameworks/control/controllee

redef exit_only_after_terminate = T;
redef Control::controllee_listen = F;
redef Telemetry::metrics_address = "127.0.0.1";
redef Cluster::Backend::ZeroMQ::listen_xpub_endpoint = "tcp://127.0.0.1:XPUB_PORT";
redef Cluster::Backend::ZeroMQ::connect_xsub_endpoint = "tcp://127.0.0.1:XPUB_PORT";
redef Cluster::Backend::ZeroMQ::listen_xsub_endpoint = "tcp://127.0.0.1:XSUB_PORT";
redef Cluster::Backend::ZeroMQ::connect_xpub_endpoint = "tcp://127.0.0.1:XSUB_PORT";
redef Cluster::Backend::ZeroMQ::onloop_queue_hwm = 500;

module Wire;

export {
	redef enum Log::ID += { EVERY };
	type Color: enum { RED, BLUE };
	type Every: record {
		b: bool &log; i: int &log; c: count &log; d: double &log; t: time &log; iv: interval &log; s: string &log;
		empty: string &log; e: Color &log; p: port &log; pu: port &log; a: addr &log; a6: addr &log; sn: subnet &log;
		sn6: subnet &log; f: function(s: string): bool &log; fi: file &log; ss: set[string] &log; sc: set[count] &log;
		sa: set[addr] &log; sp: set[port] &log; se: set[Color] &log; ssn: set[subnet] &log; none: set[string] &log;
		vs: vector of string &log; vb: vector of bool &log; vd: vector of double &log; vi: vector of interval &log;
		o: vector of int &log &optional;
	};
	option level: count = 1;
	global chosen: event(what: string);
	global go: event(what: string);
	global tick: event(n: count);
	global check: function(s: string): bool;
	global counts: table[string] of count &publish_on_change=[$changes=set(TABLE_ELEMENT_NEW, TABLE_ELEMENT_CHANGED,
		TABLE_ELEMENT_REMOVED, TABLE_ELEMENT_EXPIRED)];
	global pairs: set[addr, port] &publish_on_change=[$changes=set(TABLE_ELEMENT_NEW, TABLE_ELEMENT_REMOVED)];
}

global ticks = 0;

function check(s: string): bool { return T; }

event zeek_init()
	{
	Log::create_stream(EVERY, Log::Stream($columns=Every, $path="every"));
	Log::set_buf(EVERY, F);
	Option::set_change_handler("Wire::level", function(id: string, v: count): count { print "level", v; return v; });
	}

event Cluster::node_up(name: string, id: string) { print "up", name, id; }
event Cluster::node_down(name: string, id: string) { print "down", name, id; }
event Wire::tick(n: count) { ++ticks; }

event Wire::go(what: string)
	{
	switch ( what )
		{
		case "hrw":
			Cluster::publish_hrw(Cluster::proxy_pool, "key1", Wire::chosen, "key1");
			Cluster::publish_hrw(Cluster::proxy_pool, 10.1.2.3, Wire::chosen, "10.1.2.3");
			Cluster::publish_hrw(Cluster::proxy_pool, 5, Wire::chosen, "5");
			break;
		case "rr":
			local n = 0;
			while ( ++n <= 7 )
				Cluster::publish_rr(Cluster::proxy_pool, "turns", Wire::chosen, fmt("%d", n));
			break;
		case "tables":
			counts["x"] = 1;
			counts["x"] = 2;
			delete counts["x"];
			add pairs[1.2.3.4, 80/tcp];
			delete pairs[1.2.3.4, 80/tcp];
			break;
		case "all of a table":
			counts["p"] = 5;
			counts["q"] = 6;
			Cluster::publish_table("zeek/table/Wire::counts/", counts);
			break;
		case "show":
			print "tables", |counts|, "k" in counts ? counts["k"] : 0, "l" in counts, |pairs|, [9.9.9.9, 53/udp] in pairs;
			break;
		case "log":
			Log::write(EVERY, Every($b=T, $i=-2, $c=300, $d=2.5, $t=double_to_time(1.5), $iv=-0.5sec, $s="a\\xff\\x00b",
				$empty="", $e=BLUE, $p=443/tcp, $pu=5/unknown, $a=10.1.2.3, $a6=[2001:db8::1], $sn=10.1.0.0/16,
				$sn6=[2001:db8::]/32, $f=check, $fi=open("/dev/null"), $ss=set("x"), $sc=set(7), $sa=set(1.2.3.4),
				$sp=set(53/udp), $se=set(RED), $ssn=set(10.0.0.0/8), $none=set(), $vs=vector("y", "z"), $vb=vector(T, F),
				$vd=vector(0.5), $vi=vector(1sec)));
			break;
		case "busy":
			local begun = current_time();
			while ( current_time() - begun < 3sec )
				{ }
			print "busy no more";
			break;
		case "ticks":
			print "ticks", ticks;
			break;
		}
	}
"""

# What a row is, by the type of its field and of its elements: those of the description, written down once more.
EVERY = [
    (b"b", 1, 0, 1), (b"i", 2, 0, -2), (b"c", 3, 0, 300), (b"d", 4, 0, 2.5), (b"t", 5, 0, 1.5), (b"iv", 6, 0, -0.5),
    (b"s", 7, 0, b"a\xff\0b"), (b"empty", 7, 0, b""), (b"e", 9, 0, b"Wire::BLUE"), (b"p", 10, 0, (443, 1)),
    (b"pu", 10, 0, (5, 0)), (b"a", 11, 0, (4, bytes([10, 1, 2, 3]))),
    (b"a6", 11, 0, (6, bytes.fromhex("20010db8000000000000000000000001"))),
    (b"sn", 12, 0, (112, 4, bytes([10, 1, 0, 0]))), (b"sn6", 12, 0, (32, 6, bytes.fromhex("20010db8") + bytes(12))),
    (b"f", 17, 0, None), (b"fi", 18, 0, b"/dev/null"), (b"ss", 14, 7, [b"x"]), (b"sc", 14, 3, [7]),
    (b"sa", 14, 11, [(4, bytes([1, 2, 3, 4]))]), (b"sp", 14, 10, [(53, 2)]), (b"se", 14, 9, [b"Wire::RED"]),
    (b"ssn", 14, 12, [(104, 4, bytes([10, 0, 0, 0]))]), (b"none", 14, 7, []), (b"vs", 19, 7, [b"y", b"z"]),
    (b"vb", 19, 1, [1, 0]), (b"vd", 19, 4, [0.5]), (b"vi", 19, 6, [1.0]), (b"o", 19, 2, None),
]


class LogReader(Reader):
    """Takes batches apart; addresses, subnets and signs as they are on the wire."""

    def log_value(self):
        kind = int.from_bytes(self.data[self.at:self.at + 4], "big")
        if kind not in (2, 11, 12) or self.data[self.at + 8] == 0:
            return super().log_value()
        self.take(9)
        if kind == 2:
            return int.from_bytes(self.take(8), "big", signed=True)
        length = (self.int(1),) if kind == 12 else ()
        family = self.int(1)
        assert family in (4, 6), family
        return (*length, family, self.take(4 if family == 4 else 16))


def greet(node, names):
    """Gets to know nodes that are there: greets each when its subscription is seen, and once more when it has greeted."""
    node.subscribe(nodeid_topic(node.id))
    for name in names:
        other = node.other(name)
        node.publish(nodeid_topic(other), event(HELLO_1, string(node.name), string(node.id)))
        node.event(HELLO_1, lambda args: args == [name, other])
        node.event(HELLO_2, lambda args: args == [name, other])
        node.publish(nodeid_topic(other), event(HELLO_2, string(node.name), string(node.id)))


def connections():
    """Remote addresses and states of all TCP connections, as Linux names them: 01 is established, 08 waits to be closed."""
    with open("/proc/net/tcp") as table:
        return [tuple(line.split()[2:4]) for line in table.readlines()[1:]]


def node_topic(name):
    return b"zeek.cluster.node." + name + b"."


class Cluster:
    def __init__(self, program, folder):
        self.ports = ports = free_ports(4)
        def filled(text):
            for name, n in zip(("XPUB_PORT", "XSUB_PORT", "LOG_PORT", "METRICS_PORT"), ports):
                text = text.replace(name, str(n))
            return text
        self.context = zmq.Context()
        self.pull = None
        self.listen()
        self.batches = []
        self.manager = Tapir(program, f"{folder}/manager", "manager", filled(LAYOUT), filled(SCRIPT))
        self.worker = Tapir(program, f"{folder}/worker", "worker-1", filled(LAYOUT), filled(SCRIPT))
        self.nodes = {}

    def listen(self):
        """Opens the logger's socket, anew after it was closed."""
        self.pull = self.context.socket(zmq.PULL)
        self.pull.setsockopt(zmq.LINGER, 0)
        self.pull.bind(f"tcp://127.0.0.1:{self.ports[2]}")

    def leave(self):
        """Takes no more rows, and waits until those who send them have closed their connections."""
        self.pull.close()
        end = time.monotonic() + PATIENCE
        port = f":{self.ports[2]:04X}"
        while any(remote.endswith(port) and state in ("01", "08") for remote, state in connections()):
            assert time.monotonic() < end, "nobody has noticed that the logger is away"
            time.sleep(0.01)

    def join(self, name, *topics):
        node = Node(name, name + b"-anything", self.ports[0], self.ports[1])
        for topic in (node_topic(name), b"zeek/table/", *topics):
            node.subscribe(topic)
        greet(node, [b"manager", b"worker-1"])
        self.worker.until(f"up, {name.decode()},", node=node)
        self.manager.until(f"up, {name.decode()},", node=node)
        self.nodes[name] = node
        return node

    def go(self, what):
        self.nodes[b"proxy-3"].publish(node_topic(b"worker-1"), event(b"Wire::go", string(what)))

    def rows(self, stream, wanted):
        """Rows of a stream, until there are so many."""
        end = time.monotonic() + PATIENCE
        while True:
            mine = [b for b in self.batches if b[0][0] == stream]
            rows = [row for _, _, rows in mine for row in rows]
            if len(rows) >= wanted:
                return mine, rows
            assert time.monotonic() < end, (stream, self.batches)
            if self.pull.poll(100):
                frames = self.pull.recv_multipart()
                assert len(frames) == 4 and frames[0] == b"log-write" and frames[2] == b"zeek-bin-serializer", frames
                self.batches.append(LogReader(frames[3]).batch())


def proxies_are_chosen(c):
    for name in (b"proxy-1", b"proxy-2", b"proxy-3"):
        c.join(name, b"zeek.cluster.proxy", b"zeek.cluster.pool.proxy")
    chosen = lambda name, what: c.nodes[name].event(b"Wire::chosen", lambda args: args == [what])
    # The description says which proxy each of these keys belongs to.
    c.go(b"hrw")
    for name, key in ((b"proxy-1", b"key1"), (b"proxy-3", b"10.1.2.3"), (b"proxy-1", b"5")):
        topic, sender, *_ = chosen(name, key)
        assert topic == node_topic(name) and sender.startswith(b"zeromq_worker-1_"), (topic, sender)
    c.go(b"rr")
    for n in range(7):
        chosen([b"proxy-1", b"proxy-2", b"proxy-3"][n % 3], str(n + 1).encode())
    # Without the first, its keys are the second's, and turns pass it by.
    c.nodes.pop(b"proxy-1").close()
    c.worker.until("down, proxy-1,", node=c.nodes[b"proxy-3"])
    c.go(b"hrw")
    for name, key in ((b"proxy-2", b"key1"), (b"proxy-3", b"10.1.2.3"), (b"proxy-2", b"5")):
        chosen(name, key)
    c.go(b"rr")
    for n in range(7):
        chosen([b"proxy-2", b"proxy-3"][n % 2], str(n + 1).encode())
    for name in (b"proxy-2", b"proxy-3"):
        c.nodes[name].turn()
        assert not [e for e in c.nodes[name].events if e[2] == b"Wire::chosen"], c.nodes[name].events


def tables_are_published(c):
    node = c.nodes[b"proxy-3"]
    name = b"Cluster::table_change_infos"

    def changes(table, wanted):
        """What was told of a table, until there is so much."""
        found = []
        while len(found) < wanted:
            topic, sender, _, (header, infos), _ = node.event(name, lambda args: args[0][0] == table)
            assert topic == b"zeek/table/" + table + b"/", topic
            assert header[2] == sender and isinstance(header[1], int) and len(header) == 3, header
            assert len(infos) <= 10, infos
            found += [(kind, index, value, before) for kind, _, index, value, before in infos]
        return found

    c.go(b"tables")
    assert changes(b"Wire::counts", 3) == [
        (b"TABLE_ELEMENT_NEW", [b"x"], 1, None), (b"TABLE_ELEMENT_CHANGED", [b"x"], 2, 1),
        (b"TABLE_ELEMENT_REMOVED", [b"x"], 2, None)]
    pair = [bytes(10) + b"\xff\xff\1\2\3\4", (80, 1)]
    assert changes(b"Wire::pairs", 2) == [
        (b"TABLE_ELEMENT_NEW", pair, None, None), (b"TABLE_ELEMENT_REMOVED", pair, None, None)]

    # Changes of others: made, not told again; what cannot be is left out, and the rest made.
    def tell(table, *infos, who=node.id):
        header = vector(string(table), timestamp(10**18), string(who))
        infos = [vector(enum(b"TABLE_ELEMENT_" + kind), timestamp(10**18), vector(*index), value, before)
                 for kind, index, value, before in infos]
        node.publish(b"zeek/table/" + table + b"/", event(name, header, vector(*infos)))

    k, l = [string(b"k")], [string(b"l")]
    pair = [address("9.9.9.9"), port(53, 2)]
    tell(b"Wire::counts", (b"NEW", k, count(7), NONE), (b"NEW", l, count(8), count(1)), (b"CHANGED", k, count(9), count(7)))
    tell(b"Wire::counts", (b"NEW", l, string(b"no count"), NONE))
    tell(b"Wire::counts", (b"NEW", [count(1)], count(1), NONE))
    tell(b"Wire::nothing", (b"NEW", k, count(7), NONE))
    tell(b"Wire::pairs", (b"NEW", pair, NONE, NONE), (b"NEW", [address("8.8.8.8"), port(1, 1)], boolean(True), NONE))
    c.go(b"show")
    c.worker.until("tables, 1, 9, F, 1, T", node=node)
    tell(b"Wire::counts", (b"EXPIRED", k, count(9), NONE))
    tell(b"Wire::pairs", (b"REMOVED", pair, NONE, NONE))
    # Its own come back from nobody, whoever says so.
    tell(b"Wire::counts", (b"NEW", k, count(7), NONE), who=node.other(b"worker-1"))
    c.go(b"show")
    c.worker.until("tables, 0, 0, F, 0, F", node=node)
    node.turn()
    assert not [e for e in node.events if e[2] == name], node.events
    c.go(b"all of a table")
    # As it changes, and once more all of it.
    p, q = (b"TABLE_ELEMENT_NEW", [b"p"], 5, None), (b"TABLE_ELEMENT_NEW", [b"q"], 6, None)
    assert sorted(changes(b"Wire::counts", 4)) == [p, p, q, q]


def options_are_taken_over(c):
    node = c.nodes[b"proxy-3"]
    node.publish(b"zeek.cluster.manager",
                 event(b"Config::cluster_set_option", string(b"Wire::level"), count(7), string(b"elsewhere")))
    c.manager.until("level, 7", node=node)
    c.worker.until("level, 7", node=node)
    topic, sender, _, args, _ = node.event(b"Config::cluster_set_option")
    assert topic == b"zeek.cluster.proxy" and sender.startswith(b"zeromq_manager_"), (topic, sender)
    assert args == [b"Wire::level", 7, b"elsewhere"], args
    _, rows = c.rows(b"Config::LOG", 1)
    assert rows[0][1:] == [b"Wire::level", b"1", b"7", b"elsewhere"], rows
    # Who comes later hears of it.
    again = c.join(b"proxy-1", b"zeek.cluster.proxy")
    topic, _, _, args, _ = again.event(b"Config::cluster_set_option")
    assert topic == node_topic(b"proxy-1") and args == [b"Wire::level", 7, b"elsewhere"], (topic, args)
    # Neither a value of another type nor an option that is none.
    for name, value in ((b"Wire::level", string(b"much")), (b"Wire::no_option", count(1))):
        node.publish(b"zeek.cluster.manager", event(b"Config::cluster_set_option", string(name), value, string(b"x")))
    node.publish(b"zeek.cluster.manager",
                 event(b"Config::cluster_set_option", string(b"Wire::level"), count(8), string(b"elsewhere")))
    c.worker.until("level, 8", node=node)
    assert c.worker.said().count("level, ") == 2, c.worker.said()


def questions_are_answered(c):
    node = c.nodes[b"proxy-3"]
    node.subscribe(b"zeek/control/")
    node.wait("the subscription", lambda: b"zeek/control/" in node.subscriptions)

    def ask(what, *args):
        node.publish(node_topic(b"worker-1"), event(b"Control::" + what + b"_request", *args))
        topic, sender, _, args, _ = node.event(b"Control::" + what + b"_response")
        assert topic == b"zeek/control/" + what + b"_response/worker-1", topic
        assert sender.startswith(b"zeromq_worker-1_"), sender
        return args

    assert ask(b"id_value", string(b"Wire::level")) == [b"Wire::level", b"8"]
    assert ask(b"configuration_update") == []
    assert re.fullmatch(rb"[0-9.]+ recvd=0 dropped=0 link=0\n", ask(b"net_stats")[0])
    peers = ask(b"peer_status")[0]
    for name in (b"manager", b"proxy-2", b"proxy-3", b"logger-1"):
        assert b"peer=" + name + b" host=127.0.0.1 status=up" in peers, peers


def rows_of_every_type_arrive(c):
    c.go(b"log")
    batches, rows = c.rows(b"Wire::EVERY", 1)
    names, fields, _ = batches[0]
    assert names == [b"Wire::EVERY", b"Log::WRITER_ASCII", b"default", b"every"], names
    assert fields == [(name, kind, sub, int(name == b"o")) for name, kind, sub, _ in EVERY], fields
    got = dict(zip([f[0] for f in fields], rows[0]))
    assert b"check" in got.pop(b"f"), got
    wanted = {name: value for name, _, _, value in EVERY if name != b"f"}
    assert got == wanted, [(k, got[k], wanted[k]) for k in got if got[k] != wanted[k]]
    # A logger that is away for a while loses nothing: rows wait where they are made, once it is noticed.
    c.leave()
    for _ in range(20):
        c.go(b"log")
    c.go(b"ticks")
    c.worker.until("ticks, ", node=c.nodes[b"proxy-3"])
    c.listen()
    c.rows(b"Wire::EVERY", 21)


def a_flood_is_counted(c):
    node = c.nodes[b"proxy-2"]
    c.go(b"busy")
    sent = 20000
    tick = event(b"Wire::tick", count(1))
    for _ in range(sent):
        node.publish(b"zeek.cluster.worker", tick)
    c.worker.until("busy no more", node=node)
    def counted():
        with urllib.request.urlopen(f"http://127.0.0.1:{c.ports[3]}/metrics", timeout=PATIENCE) as answer:
            text = answer.read().decode()
        found = re.search(r'zeek_cluster_zeromq_onloop_drops_total\{node="worker-1"\} (\d+)', text)
        return int(found.group(1)) if found else 0
    end = time.monotonic() + PATIENCE
    while True:
        c.go(b"ticks")
        node.turn()
        time.sleep(0.1)
        handled = int(c.worker.said().rsplit("ticks, ", 1)[1].split()[0])
        dropped = counted()
        if handled + dropped >= sent:
            break
        assert time.monotonic() < end, (handled, dropped, sent)
    # The questions in between may have been among those that were dropped.
    assert handled >= 500 and 0 < dropped <= sent - handled + 50, (handled, dropped)
    assert c.worker.said("err").count("come faster than they are handled") == 1, c.worker.said("err")


def play(program, folder):
    c = Cluster(program, folder)
    try:
        c.join(b"logger-1", b"zeek.cluster.logger")
        proxies_are_chosen(c)
        # This one is seen, and keeps silent for longer than the others wait.
        late = Node(b"late", b"late-id", c.ports[0], c.ports[1])
        late.subscribe(nodeid_topic(late.id))
        seen = time.monotonic()
        manager = late.other(b"manager")
        late.event(HELLO_1, lambda args: args == [b"manager", manager])
        tables_are_published(c)
        options_are_taken_over(c)
        questions_are_answered(c)
        rows_of_every_type_arrive(c)
        a_flood_is_counted(c)
        while time.monotonic() < seen + 12:
            late.turn()
        c.manager.until("late-id", "err", late)
        late.publish(nodeid_topic(manager), event(HELLO_1, string(late.name), string(late.id)))
        until = time.monotonic() + 1
        while time.monotonic() < until:
            late.turn()
        assert not [e for e in late.events if e[2] == HELLO_2 and e[3][0] == b"manager"], late.events
        # Lines of all nodes of ours have come, and each ends when it is asked to.
        _, rows = c.rows(b"Cluster::LOG", 8)
        assert {row[1] for row in rows} == {b"manager", b"worker-1"}, rows
        assert any(row[1:] == [b"worker-1", b"node down: proxy-1"] for row in rows), rows
        node = c.nodes[b"proxy-3"]
        node.publish(node_topic(b"worker-1"), event(b"Control::shutdown_request"))
        node.event(b"Control::shutdown_response")
        assert c.worker.process.wait(PATIENCE) == 0, c.worker.said("err")
        for n in (*c.nodes.values(), late):
            n.close()
        assert c.manager.stop() == 0, c.manager.said("err")
    finally:
        for tapir in (c.worker, c.manager):
            tapir.process.kill()
