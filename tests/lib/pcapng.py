# SPDX-License-Identifier: Apache-2.0
"""Read a pcapng file by the blocks of draft-ietf-opsawg-pcapng, strictly, and print its
packets as JSON, one a line:

    {"time": seconds, "interface": name, "direction": "in"|"out", "held": bytes,
     "length": bytes, "comment": text, "src": ..., "dst": ..., "sport": ..., "dport": ...,
     "outer": [...]}

`src` to `dport` are those of the innermost IP packet; `outer` names the layers around it.
Ends with status 1 and a sentence when the file is not well-formed.

    pcapng.py FILE              the packets
    pcapng.py FILE missed       what the statistics say was missed
"""

import ipaddress
import json
import struct
import sys

IPV4, VLAN, IPV6 = 0x0800, 0x8100, 0x86DD
INSIDE = {4: IPV4, 41: IPV6}


def options(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from("<HH", data, at)
        if code == 0:
            break
        if at + 4 + size > len(data):
            sys.exit(f"an option of {size} bytes runs past its block")
        found[code] = data[at + 4:at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
    return found


def blocks(data):
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            sys.exit(f"{len(data) - at} bytes behind the last block")
        kind, size = struct.unpack_from("<II", data, at)
        if size % 4 or size < 12 or at + size > len(data):
            sys.exit(f"block of type {kind} with length {size}")
        again, = struct.unpack_from("<I", data, at + size - 4)
        if again != size:
            sys.exit(f"block of type {kind}: length {size}, and {again} at its end")
        yield kind, data[at + 8:at + size - 4]
        at += size


def layers(frame):
    kind, = struct.unpack_from(">H", frame, 12)
    names, told, at = ["Ethernet"], {}, 14
    if kind == VLAN:
        kind, = struct.unpack_from(">H", frame, 16)
        names, at = names + ["VLAN"], 18
    while kind in (IPV4, IPV6):
        size, ends, length = (40, 8, 16) if kind == IPV6 else ((frame[at] & 15) * 4, 12, 4)
        protocol = frame[at + (6 if kind == IPV6 else 9)]
        names.append("IPv6" if kind == IPV6 else "IP")
        ends += at
        told = {"src": str(ipaddress.ip_address(frame[ends:ends + length])),
                "dst": str(ipaddress.ip_address(frame[ends + length:ends + 2 * length]))}
        at += size
        kind = INSIDE.get(protocol)
        if kind is None and protocol in (6, 17):
            names.append("TCP" if protocol == 6 else "UDP")
            told["sport"], told["dport"] = struct.unpack_from(">HH", frame, at)
    return told | {"outer": names}


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    interfaces, resolution, missed = [], [], None
    for kind, body in blocks(data):
        if kind == 1:
            found = options(body[8:])
            interfaces.append(found[2].decode())
            resolution.append(10 ** found[9][0])
        elif kind == 5:
            missed = struct.unpack("<Q", options(body[12:])[5])[0]
        elif kind == 6:
            interface, high, low, held, length = struct.unpack_from("<IIIII", body)
            found = options(body[20 + (held + 3) // 4 * 4:])
            told = {"time": ((high << 32) + low) / resolution[interface],
                    "interface": interfaces[interface], "held": held, "length": length,
                    "direction": {1: "in", 2: "out"}[struct.unpack("<I", found[2])[0] & 3],
                    "comment": found.get(1, b"").decode()}
            if len(sys.argv) == 2:
                print(json.dumps(told | layers(body[20:20 + held])))
    if len(sys.argv) > 2:
        print(missed)


main()
