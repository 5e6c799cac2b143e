# SPDX-License-Identifier: Apache-2.0
"""Live interfaces for packet tests, in a network namespace of this process's own, which
goes with it."""

import ctypes
import json
import os
import socket
import struct
import subprocess

from weirlab import Failure

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SO_RCVBUFFORCE, SOL_PACKET, PACKET_AUXDATA = 33, 263, 8


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def own_namespace(veths=()):
    """veths: pairs of names. The kernel says nothing on any interface by itself."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Failure(f"unshare: {os.strerror(ctypes.get_errno())}")
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    for pair in veths:
        ip("link", "add", pair[0], "type", "veth", "peer", "name", pair[1])
        for name in pair:
            ip("link", "set", name, "up")


def link(name):
    """What `ip link` says of an interface; None: there is none."""
    shown = subprocess.run(["ip", "-json", "link", "show", name], capture_output=True, check=False)
    return json.loads(shown.stdout)[0] if shown.returncode == 0 else None


class Wire:
    """All that passes by an interface."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((interface, 0))

    def send(self, frame):
        self.socket.send(frame)

    def received(self):
        """What has come since the last time; not what this host sent."""
        frames = []
        self.socket.setblocking(False)
        try:
            while True:
                frame, extra, _, address = self.socket.recvmsg(65536, 64)
                if address[2] == socket.PACKET_OUTGOING:
                    continue
                # The kernel has taken the outer tag off: struct tpacket_auxdata says which.
                tci, tpid = struct.unpack("=16xHH", extra[0][2])
                tag = struct.pack("!HH", tpid, tci) if tpid else b""
                frames.append(frame[:12] + tag + frame[12:])
        except BlockingIOError:
            return frames
        finally:
            self.socket.setblocking(True)
