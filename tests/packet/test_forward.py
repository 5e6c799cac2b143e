#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What leaves: every field of the new headers, and the client's packet unchanged."""

import socket

from frames import (CLIENT, ETH, HTTP, OUTER, OUTER_SOURCE, SERVICES, VIP, backend_address,
                    backend_mac, checksum, client_packet, pool, tcp, udp)
from weirlab import Lab, check, equal, main

BACKENDS = 3
MACS = {backend_mac(i): i for i in range(BACKENDS)}


def variety():
    """Packets that differ in all that Weir must leave alone."""
    frames = []
    for i in range(120):
        ip = {"tos": i * 37 % 256, "ttl": 1 + i * 13 % 255, "id": i * 401 % 65536,
              "flags": "DF" if i % 2 else 0, "src": f"198.51.100.{1 + i}"}
        if i % 5 == 0:
            ip["ip_options"] = 4 * (1 + i // 5 % 10)
        if i % 3:
            frames.append(tcp(1000 + i, bytes(range(i)), tcp_flags="SFRPAUEC"[i % 8],
                              tcp_options=[("MSS", 1460)] if i % 4 else [], **ip))
        else:
            frames.append(udp(1000 + i, bytes(range(i)), **ip))
    return frames


def check_l2(frame, sent, mac):
    check(frame[0:6] in MACS, f"destination {frame[0:6].hex(':')} is no backend's MAC")
    equal("source MAC", frame[6:12], mac)
    equal("Ethernet type", frame[12:14], b"\x08\x00")
    equal("client's packet", frame[ETH:], sent[ETH:])


def check_ipip(frame, sent, mac):
    inner = client_packet(sent)
    outer = frame[ETH:ETH + OUTER]
    check(frame[0:6] in MACS, f"destination {frame[0:6].hex(':')} is no backend's MAC")
    equal("source MAC", frame[6:12], mac)
    equal("Ethernet type", frame[12:14], b"\x08\x00")
    equal("version and header length", outer[0], 0x45)
    equal("type of service", outer[1], inner[1])
    equal("total length", int.from_bytes(outer[2:4], "big"), len(inner) + OUTER)
    equal("identification", outer[4:6], b"\0\0")
    equal("flags and fragment offset", outer[6:8], b"\x40\0")
    equal("TTL", outer[8], 64)
    equal("protocol", outer[9], 4)
    equal("sum over the outer header", checksum(outer), 0)
    equal("outer source", socket.inet_ntoa(outer[12:16]), OUTER_SOURCE)
    equal("outer destination", socket.inet_ntoa(outer[16:20]),
          backend_address(MACS[frame[0:6]]))
    equal("client's packet", frame[ETH + OUTER:], inner)


def forwarded(mode, frames, checker, **lab):
    """Run, and check each frame that left against the one that came: order is kept."""
    result = Lab(pool(mode, BACKENDS) + SERVICES, [frames], **lab).run()
    equal("drops", result.drops, {})
    equal("frames that left", len(result.frames[0]), len(frames))
    for sent, got in zip(frames, result.frames[0]):
        checker(got, sent, result.macs[0])
    return result


def test_l2_changes_the_ethernet_header_alone():
    result = forwarded("l2", variety(), check_l2)
    equal("backends used", len({f[0:6] for f in result.frames[0]}), BACKENDS)


def test_ipip_has_every_outer_field_right():
    result = forwarded("ipip", variety(), check_ipip)
    equal("backends used", len({f[0:6] for f in result.frames[0]}), BACKENDS)


def test_ipip_copies_every_tos():
    forwarded("ipip", [tcp(5000, b"x", tos=tos) for tos in range(256)], check_ipip)


def test_every_length_up_to_the_mtu():
    frames = [udp(6000, bytes(n)) for n in range(0, 1453)]  # 28 to 1480 bytes of IP
    forwarded("ipip", frames, check_ipip)
    forwarded("l2", frames + [udp(6000, bytes(n)) for n in range(1453, 1473)], check_l2)


def test_padding_stays_outside_of_the_tunnel():
    frames = [f + b"\x55" * (60 - len(f)) for f in (udp(1, b""), tcp(2, b""), udp(3, b"a"))]
    forwarded("ipip", frames, check_ipip)
    forwarded("l2", frames, check_l2)


def test_ttl_0_and_1_are_delivered_as_they_are():
    frames = [tcp(7000 + ttl, b"x", ttl=ttl) for ttl in (0, 1)]
    forwarded("l2", frames, check_l2)
    forwarded("ipip", frames, check_ipip)


def test_a_wrong_inner_checksum_is_the_backends_business():
    frame = bytearray(tcp(7100, b"x"))
    frame[ETH + 10] ^= 0xFF
    frame[ETH + 36] ^= 0xFF
    forwarded("ipip", [bytes(frame)], check_ipip)


def test_two_ports_in_by_one_and_out_by_the_other():
    frames = variety()
    result = Lab(pool("ipip", BACKENDS, port="p1") + SERVICES, [frames, []]).run()
    equal("drops", result.drops, {})
    equal("frames that left by the port they came by", len(result.frames[0]), 0)
    equal("frames that left by the other", len(result.frames[1]), len(frames))
    for sent, got in zip(frames, result.frames[1]):
        check_ipip(got, sent, result.macs[1])


def test_backends_behind_different_ports():
    frames = variety()
    conf = pool("l2", BACKENDS, port="p0").replace(f"{backend_address(1)} ", "10.9.9.9 ")
    conf = "\n".join(line.replace("port=p0", "port=p1") if "b1 =" in line else line
                     for line in conf.splitlines())
    result = Lab(conf + SERVICES, [frames, []]).run()
    equal("drops", result.drops, {})
    check(result.frames[0] and result.frames[1], "one port sent nothing")
    for port in 0, 1:
        for frame in result.frames[port]:
            equal("goes to b1", frame[0:6] == backend_mac(1), port == 1)
            equal("source MAC", frame[6:12], result.macs[port])
    equal("frames that left", sum(len(f) for f in result.frames), len(frames))


def test_a_next_hop_in_a_vlan_gets_tagged_frames():
    frames = variety()
    for mode in "l2", "ipip":
        result = Lab(pool(mode, BACKENDS, each=lambda i: "vlan=100") + SERVICES, [frames]).run()
        equal("drops", result.drops, {})
        for sent, got in zip(frames, result.frames[0]):
            equal("tag", got[12:16], b"\x81\x00\x00\x64")
            (check_l2 if mode == "l2" else check_ipip)(got[:12] + got[16:], sent, result.macs[0])


def test_jumbo_frames_pass_where_the_mtu_allows():
    # 9,000 bytes of IP: more than one buffer holds.
    frames = [udp(8000 + i, bytes(i % 251 for i in range(n)))
              for i, n in enumerate((8952, 8000, 4000, 2100, 2000, 1900))]
    for mode, checker in ("l2", check_l2), ("ipip", check_ipip):
        result = Lab(pool(mode, BACKENDS, settings="mtu = 9000") + SERVICES, [frames],
                     ports=["mtu = 9000"]).run()
        equal("drops", result.drops, {})
        for sent, got in zip(frames, result.frames[0]):
            checker(got, sent, result.macs[0])


def test_what_does_not_fit_is_a_counted_drop():
    jumbo = [udp(8100 + i, bytes(8972)) for i in range(3)]
    for mode, most in ("l2", 1500), ("ipip", 1480):
        fits, too_big = udp(8200, bytes(most - 28)), udp(8201, bytes(most - 27))
        result = Lab(pool(mode, BACKENDS, settings="too_big = drop") + SERVICES,
                     [[fits, too_big] + jumbo]).run()
        equal("drops", result.drops, {"too-big": 4})
        equal("frames that left", len(result.frames[0]), 1)


def test_counters_are_the_clients_bytes():
    frames = variety()
    result = Lab(pool("ipip", BACKENDS) + SERVICES, [frames]).run()
    by_service = {"www": [0, 0], "dns": [0, 0]}
    for frame in frames:
        name = "www" if frame[ETH + 9] == 6 else "dns"
        by_service[name][0] += 1
        by_service[name][1] += len(client_packet(frame))
    for name, (packets, size) in by_service.items():
        equal(f"packets of {name}", result.services[name]["packets"], packets)
        equal(f"bytes of {name}", result.services[name]["bytes"], size)
    by_backend = {f"web/b{i}": [0, 0] for i in range(BACKENDS)}
    for sent, got in zip(frames, result.frames[0]):
        entry = by_backend[f"web/b{MACS[got[0:6]]}"]
        entry[0] += 1
        entry[1] += len(client_packet(sent))
    for name, (packets, size) in by_backend.items():
        equal(f"packets of {name}", result.backends[name]["packets"], packets)
        equal(f"bytes of {name}", result.backends[name]["bytes"], size)
    equal("bytes received", result.rx["bytes"], sum(len(f) for f in frames))
    equal("bytes sent", result.tx["bytes"], sum(len(f) for f in result.frames[0]))


def test_explain_says_where_a_packet_would_go():
    frames = [tcp(9000 + i) for i in range(20)]
    told = []

    def ask(lab):
        before = lab.rpc("status")["counters"]
        for i in range(20):
            told.append(lab.rpc("explain", {"protocol": "tcp", "source": f"{CLIENT}:{9000 + i}",
                                            "destination": f"{VIP}:{HTTP}"}))
        equal("counters after explain", lab.rpc("status")["counters"], before)

    result = Lab(pool("l2", BACKENDS) + SERVICES, [frames]).run(ask)
    for got, answer in zip(result.frames[0], told):
        equal("backend", (answer["pool"], answer["backend"]), ("web", f"b{MACS[got[0:6]]}"))
        equal("service", answer["service"], "www")
        check(answer["drop"] in (None, "none"), f"explain says drop {answer['drop']}")


if __name__ == "__main__":
    main(globals())
