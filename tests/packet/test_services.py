#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a packet is for: VIPs that are prefixes, every port, and what is counted where."""

from frames import (CLIENT, ETH, HTTP, OTHER_VIP, ROUTER_MAC, PORT_MAC, VIP, back4,
                    backend_address, backend_mac, error4, ether, icmp, mac_text, tcp, udp)
from outcome import with_bytes
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from weirlab import Lab, check, equal, main

CLIENT6 = "2001:db8:c::7"


def pools(*names, mode="l2", each=lambda name: ""):
    """A pool of one backend for each name; the backend's MAC tells which it was."""
    lines = []
    for i, name in enumerate(names):
        lines += [f"[pool {name}]", f"mode = {mode}", "check = none", each(name),
                  f"backend b = {backend_address(i)} mac={mac_text(backend_mac(i))} port=p0"]
    return "\n".join(lines) + "\n"


def service(name, vip, port, protocol="tcp"):
    """The service of the pool that has its name."""
    return f"[service {name}]\nvip = {vip}\nprotocol = {protocol}\nport = {port}\npool = {name}\n"


def tcp6(sport, dst, dport=HTTP):
    return bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / IPv6(src=CLIENT6, dst=dst)
                 / TCP(sport=sport, dport=dport, flags="S"))


def assert_goes(conf, names, wanted):
    """wanted: a list of (frame, pool or drop reason)."""
    result = Lab(conf, [[frame for frame, _ in wanted]]).run()
    left = iter(result.frames[0])
    drops = {}
    for i, (_, to) in enumerate(wanted):
        if to in names:
            equal(f"backend of packet {i}", next(left)[0:6], backend_mac(names.index(to)))
        else:
            drops[to] = drops.get(to, 0) + 1
    equal("frames that left", len(result.frames[0]), len(wanted) - sum(drops.values()))
    equal("drops", result.drops, drops)


def test_the_longest_prefix_decides():
    names = ["wide", "narrow", "one"]
    conf = pools(*names) + service("wide", "203.0.113.0/24", HTTP) + \
        service("narrow", "203.0.113.64/28", HTTP) + service("one", "203.0.113.70", HTTP)
    wanted = [(tcp(1000 + i, dst=f"203.0.113.{i}"),
               "one" if i == 70 else "narrow" if 64 <= i < 80 else "wide") for i in range(256)]
    wanted += [(tcp(1, dst="203.0.112.255"), "not-a-vip"), (tcp(2, dst="203.0.114.0"), "not-a-vip")]
    assert_goes(conf, names, wanted)


def test_the_longest_prefix_decides_for_ipv6():
    names = ["wide", "narrow", "one"]
    conf = pools(*names) + service("wide", "2001:db8:f::/48", HTTP) + \
        service("narrow", "2001:db8:f:1::/65", HTTP) + service("one", "2001:db8:f:1::7", HTTP)
    wanted = [
        (tcp6(1, "2001:db8:f::"), "wide"), (tcp6(2, "2001:db8:f:ffff:ffff:ffff:ffff:ffff"), "wide"),
        (tcp6(3, "2001:db8:f:1::"), "narrow"), (tcp6(4, "2001:db8:f:1:7fff:ffff:ffff:ffff"), "narrow"),
        (tcp6(5, "2001:db8:f:1:8000::"), "wide"), (tcp6(6, "2001:db8:f:1::7"), "one"),
        (tcp6(7, "2001:db8:e:ffff::"), "not-a-vip"), (tcp6(8, "2001:db8:10::"), "not-a-vip"),
    ]
    assert_goes(conf, names, wanted)


def test_the_longest_vip_alone_decides():
    """What it has no service for is a stray, though a shorter one has."""
    names = ["wide", "one"]
    conf = pools(*names) + service("wide", "203.0.113.0/24", 0) + service("one", VIP, HTTP)
    assert_goes(conf, names, [
        (tcp(1, dst=VIP), "one"), (tcp(2, dst=VIP, dport=443), "stray"),
        (tcp(3, dst="203.0.113.11", dport=443), "wide"), (udp(4, dst="203.0.113.11"), "stray"),
    ])


def test_the_exact_port_of_a_prefix_wins_over_every_port():
    names = ["web", "rest", "dns"]
    conf = pools(*names) + service("web", "203.0.113.0/28", HTTP) + \
        service("rest", "203.0.113.0/28", 0) + service("dns", "203.0.113.0/28", 0, "udp")
    wanted = [(tcp(1 + p // 2, dst="203.0.113.5", dport=p), "web" if p == HTTP else "rest")
              for p in (1, 79, 80, 81, 443, 65535)]
    wanted += [(udp(7, dst="203.0.113.15", dport=80), "dns")]
    assert_goes(conf, names, wanted)


def test_ipv6_services_have_exact_and_every_port():
    names = ["web", "rest"]
    conf = pools(*names) + service("web", "2001:db8:f::1", HTTP) + service("rest", "2001:db8:f::1", 0)
    assert_goes(conf, names, [
        (tcp6(1, "2001:db8:f::1"), "web"), (tcp6(2, "2001:db8:f::1", 443), "rest"),
        (tcp6(3, "2001:db8:f::2"), "not-a-vip"),
        (bytes(Ether(src=ROUTER_MAC, dst=PORT_MAC) / IPv6(src=CLIENT6, dst="2001:db8:f::1")
               / UDP(sport=4, dport=HTTP)), "stray"),
    ])


def counted(entries):
    return {name: e["drops"] for name, e in entries.items() if e["drops"]}


def test_drops_are_counted_for_the_service_and_the_backend():
    conf = pools("big", "off", "empty",
                 each=lambda name: "mtu = 600\ntoo_big = drop" if name == "big" else "")
    conf = conf.replace(f"{backend_address(1)} ", f"{backend_address(1)} state=disabled ")
    conf += service("big", VIP, 80) + service("off", VIP, 81) + service("empty", VIP, 82)
    frames = [tcp(i, bytes(800), dport=80) for i in range(1, 6)] + [tcp(9, dport=80)]
    frames += [tcp(i, dport=81) for i in range(1, 4)] + [tcp(i, dport=82) for i in range(1, 3)]
    seen = {}

    def ask(lab):
        seen["service"] = lab.rpc("drops", {"service": "big"})["drops"]
        seen["backend"] = lab.rpc("drops", {"pool": "big", "backend": "b"})["drops"]
        seen["all"] = lab.rpc("drops")

    result = Lab(conf, [frames]).run(ask)
    equal("drops of services", counted(result.services),
          {"big": {"too-big": 5}, "off": {"no-backend": 3}})
    equal("drops of backends", counted(result.backends), {"big/b": {"too-big": 5}})
    for which in "service", "backend":
        equal(f"drops of the {which}",
              {d["name"]: d["packets"] for d in seen[which] if d["packets"]}, {"too-big": 5})
    check("no-backend" in [d["name"] for d in seen["service"]], "a service can lack backends")
    check("no-backend" not in [d["name"] for d in seen["backend"]], "a backend is one")
    equal("drops in all", {d["name"]: d["packets"] for d in seen["all"]["drops"] if d["packets"]},
          {"too-big": 5, "no-backend": 3})
    equal("frames that left", len(result.frames[0]), 3)


def told(lab, counts, **whose):
    """Drops and answers of one, those that occurred. counts: how many of each it can have."""
    result = lab.rpc("drops", whose)
    equal(f"kinds that {whose} has", [len(result[kind]) for kind in ("drops", "answers")], counts)
    return [{d["name"]: d["packets"] for d in result[kind] if d["packets"]}
            for kind in ("drops", "answers")]


def test_answers_are_counted_for_the_service_the_backend_and_the_vip():
    """All in one burst, in which three answers of a kind are left."""
    conf = pools("big", "other", each=lambda name: "mtu = 600")
    conf += service("big", VIP, 80) + service("other", VIP, 443)
    conf += service("elsewhere", OTHER_VIP, 80).replace("pool = elsewhere", "pool = other")
    conf += f"[vip {VIP}]\nstrays = reject\necho = on\n"
    frames = [tcp(i, bytes(800), flags="DF") for i in range(5)]
    frames += [tcp(i, dport=81) for i in range(4)] + [udp(i, dport=81) for i in range(4)]
    frames += [icmp(id=i) for i in range(4)]
    frames += [with_bytes(tcp(1), ETH, b"\x44"), error4(back4(CLIENT, 1, "tcp"), 20),
               with_bytes(tcp(1), ETH + 9, b"\x2f"), tcp(1)[:ETH + 19], tcp(1)[:ETH + 20]]
    seen = {}

    def ask(lab):
        seen["service"] = told(lab, [10, 2], service="big")
        seen["backend"] = told(lab, [9, 1], pool="big", backend="b")
        seen["vip"] = told(lab, [12, 4], vip=VIP)
        seen["others"] = [told(lab, [10, 2], service="other"),
                          told(lab, [12, 4], vip=OTHER_VIP + "/32")]

    result = Lab(conf, [frames], dataplane="answers_per_s = 3").run(ask)
    equal("of the service", seen["service"], [{"too-big": 2}, {"too-big": 3, "limited": 2}])
    equal("of the backend", seen["backend"], [{"too-big": 2}, {"too-big": 3}])
    equal("of the VIP", seen["vip"],
          [{"stray": 2, "echo-off": 1, "bad-header": 1, "bad-quote": 1, "unsupported-l4": 1,
            "truncated": 1}, {"echo": 3, "reset": 3, "unreachable": 3, "limited": 3}])
    equal("of the others", seen["others"], [[{}, {}], [{}, {}]])
    equal("answers in all", result.answers,
          {"echo": 3, "reset": 3, "unreachable": 3, "too-big": 3, "limited": 5})
    equal("drops in all", result.drops,
          {"too-big": 2, "stray": 2, "echo-off": 1, "bad-header": 1, "bad-quote": 1,
           "unsupported-l4": 1, "truncated": 2})


if __name__ == "__main__":
    main(globals())
