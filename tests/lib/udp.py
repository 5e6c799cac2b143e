#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
UDP traffic for the end-to-end scenarios.

  udp.py echo ADDRESS PORT         answer every datagram; prints "ready"
  udp.py load ADDRESS PORT RATE    RATE datagrams a second over 64 flows until
                                   SIGTERM; prints "answered" at the first answer
                                   and at the end "SENT ANSWERED"
  udp.py wait ADDRESS PORT SECONDS a datagram every 5 ms, each from a new port,
                                   until one is answered; prints the milliseconds
  udp.py big ADDRESS PORT BYTES COUNT SECONDS
                                   COUNT datagrams of so many bytes, each from a new
                                   port and sent again until it is answered whole;
                                   prints "whole" or what is wrong

Every datagram carries a number of its own, so that an answer counts once.
"""
import select
import signal
import socket
import struct
import sys
import time

FLOWS = 64
IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0  # <linux/in.h>
LAST_ANSWERS_S = 1.0
RESEND_S = 0.2


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((address, port))
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(65535)
        try:
            s.sendto(data, peer)
        except OSError:  # the path has become narrower: the next one fits
            continue


def read_answers(poller, by_fd, seen, timeout_s):
    for fd, _ in poller.poll(timeout_s * 1000):
        try:
            while True:
                (number,) = struct.unpack("!Q", by_fd[fd].recv(2048)[:8])
                if not seen:
                    print("answered", flush=True)
                seen.add(number)
        except OSError:  # nothing left, or an ICMP error: no answer, which counts
            pass


def load(address, port, rate):
    running = True

    def stop(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    poller, flows, by_fd, seen = select.poll(), [], {}, set()
    for _ in range(FLOWS):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        s.connect((address, port))
        poller.register(s, select.POLLIN)
        flows.append(s)
        by_fd[s.fileno()] = s

    sent, start = 0, time.monotonic()
    while running:
        due = start + sent / rate
        wait_s = due - time.monotonic()
        read_answers(poller, by_fd, seen, max(0.0, wait_s))
        if time.monotonic() >= due:
            try:
                flows[sent % FLOWS].send(struct.pack("!Q", sent) + b"weir" * 16)
            except ConnectionRefusedError:  # an earlier datagram's ICMP error, told now
                continue
            sent += 1
    end = time.monotonic() + LAST_ANSWERS_S
    while len(seen) < sent and time.monotonic() < end:
        read_answers(poller, by_fd, seen, 0.05)
    print(sent, len(seen), flush=True)


def wait(address, port, seconds):
    start, poller, by_fd = time.monotonic(), select.poll(), {}
    while time.monotonic() < start + seconds:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        s.connect((address, port))
        s.send(b"weir")
        poller.register(s, select.POLLIN)
        by_fd[s.fileno()] = s
        for fd, _ in poller.poll(5):
            try:
                by_fd[fd].recv(2048)
                print(int((time.monotonic() - start) * 1000))
                return 0
            except OSError:
                poller.unregister(fd)
    print(f"no answer within {seconds} s")
    return 1


def big(address, port, size, count, seconds):
    end = time.monotonic() + seconds
    for n in range(count):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        if s.family == socket.AF_INET:  # without DF, whatever is known of the path
            s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        s.connect((address, port))
        s.settimeout(RESEND_S)
        data, got = bytes((n + i * 7) & 255 for i in range(size)), None
        while got is None and time.monotonic() < end:
            try:
                s.send(data)
                got = s.recv(65535)
            except OSError:  # lost, or an ICMP error told: once more
                continue
        if got != data:
            print(f"datagram {n}: {'no answer' if got is None else f'{len(got)} bytes, or wrong ones'}")
            return 1
    print("whole")
    return 0


def main():
    verb, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if verb == "echo":
        return echo(address, port)
    if verb == "load":
        return load(address, port, float(sys.argv[4]))
    if verb == "wait":
        return wait(address, port, float(sys.argv[4]))
    if verb == "big":
        return big(address, port, int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
    return f"{verb}: echo, load, wait or big"


if __name__ == "__main__":
    sys.exit(main())
