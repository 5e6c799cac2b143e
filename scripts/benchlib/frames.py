# SPDX-License-Identifier: Apache-2.0
"""Pcap files of benchmark traffic, written without a packet library: a million frames take seconds."""

import ipaddress
import random
import struct

PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
ETHERNET = bytes.fromhex("020000000001" "020000000002")
FRAME_MIN = 60  # bytes: 64 on the wire, with the FCS


def checksum(header: bytes) -> int:
    """Internet checksum (RFC 1071) of an even number of bytes."""
    s = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def tcp(sport: int, dport: int, flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, flags, 65535, 0, 0)


def ipv4(src: int, dst: int, payload: bytes) -> bytes:
    head = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, 6, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src: int, dst: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), 6, 64) + src.to_bytes(16, "big") + dst.to_bytes(16, "big") + payload


def frame(packet: bytes, family: int) -> bytes:
    f = ETHERNET + (b"\x08\x00" if family == 4 else b"\x86\xdd") + packet
    return f + bytes(max(0, FRAME_MIN - len(f)))


def flows(count: int, family: int, targets: list, flags: int = 0x10, seed: int = 1):
    """`count` frames of `count` different flows, over the (address, port) targets in turn.

    The order is random but the same in every run: neighbours in the file share nothing, as on a busy link.
    """
    rng = random.Random(seed)
    base = int(ipaddress.ip_address("10.64.0.0" if family == 4 else "2001:db8:64::"))
    targets = [(int(ipaddress.ip_address(address)), port) for address, port in targets]
    order = list(range(count))
    rng.shuffle(order)
    build = ipv4 if family == 4 else ipv6
    for i in order:
        address, port = targets[i % len(targets)]
        yield frame(build(base + i // 16, address, tcp(1024 + i % 16 * 4001, port, flags)), family)


def sprinkle(frames, every: int, family: int):
    """The frames, and behind each `every - 1` of them one for an address that is no VIP."""
    build, no_vip = (ipv4, "198.51.100.1") if family == 4 else (ipv6, "2001:db8:ffff::1")
    extra = frame(build(1, int(ipaddress.ip_address(no_vip)), tcp(1024, 80, 0x10)), family)
    for i, f in enumerate(frames, 1):
        yield f
        if every and i % (every - 1) == 0:
            yield extra


def write_pcap(path: str, frames) -> int:
    """Write the frames; returns how many."""
    n = 0
    with open(path, "wb") as out:
        out.write(PCAP_HEADER)
        chunk = []
        for f in frames:
            chunk.append(struct.pack("<IIII", 0, 0, len(f), len(f)) + f)
            n += 1
            if len(chunk) == 8192:
                out.write(b"".join(chunk))
                chunk.clear()
        out.write(b"".join(chunk))
    return n
