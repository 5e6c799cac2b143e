#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""probe_servers.py NAME ADDRESS...: what probes talk to, on a backend's VIPs.

8080/tcp  HTTP, the body is NAME (200; /503 answers 503)
8081/tcp  sends NAME and a line end, then reads until the client has gone
8082/udp  answers every datagram with NAME
8083/tcp  says nothing
"""
import socket
import sys
import threading

NAME = sys.argv[1].encode()


def listen(address, port, kind):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(512)
    return s


def http(c):
    head = b''
    while b'\r\n\r\n' not in head:
        part = c.recv(65536)
        if not part:
            return
        head += part
    status = b'503 Service Unavailable' if head.startswith(b'GET /503') else b'200 OK'
    c.sendall(b'HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s' % (status, len(NAME), NAME))


def banner(c):
    c.sendall(NAME + b'\r\n')
    silent(c)


def silent(c):
    while c.recv(65536):
        pass


def serve(s, talk):
    while True:
        c, _ = s.accept()
        try:
            c.settimeout(10)
            talk(c)
        except OSError:
            pass
        c.close()


def echo(s):
    while True:
        _, peer = s.recvfrom(65536)
        s.sendto(NAME, peer)


threads = []
for address in sys.argv[2:]:
    for port, talk in ((8080, http), (8081, banner), (8083, silent)):
        threads.append((serve, (listen(address, port, socket.SOCK_STREAM), talk)))
    threads.append((echo, (listen(address, 8082, socket.SOCK_DGRAM),)))
for run, args in threads:
    for _ in range(4):
        threading.Thread(target=run, args=args, daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
