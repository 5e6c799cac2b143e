#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""moody.py DIR ADDRESS KIND:PORT...: servers that fail as they are told.

The mood of a port stands in DIR/PORT.mood, "ok" without one, and counts for the next
connection or datagram:

tcp  ok (HTTP 200, "alive"), status (503), body (another one), hang (silent once
     connected), half (12 of 40 bytes, then closed), reset, close (no answer), refuse
     (nobody listens)
udp  ok ("pong"), wrong ("gnop"), half ("po"), silent, refuse
agent  a line: what DIR/PORT.mood says, "up" without one

Says "ready" when they listen. ADDRESS "::": by IPv4 as well.
"""
import os
import selectors
import socket
import struct
import sys
import time

DIR, ADDRESS = sys.argv[1:3]
DEADLINE_S = 2  # of a connection that is kept


def mood(port, default='ok'):
    try:
        with open(f'{DIR}/{port}.mood') as f:
            return f.read().strip() or default
    except OSError:
        return default


def open_socket(port, kind):
    family = socket.AF_INET6 if ':' in ADDRESS else socket.AF_INET
    s = socket.socket(family, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((ADDRESS, port))
    if kind != 'udp':
        s.listen(64)
    s.setblocking(False)
    return s


def answer(status, body, length=None):
    return b'HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' % (
        status, len(body) if length is None else length, body)


def end(c, reset=False):
    if reset:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    c.close()


def talk(c, how):
    """One request of a connection, which then ends; False: it stays open, silent."""
    if how == 'hang':
        return False
    if how == 'reset':
        end(c, reset=True)
        return True
    if how == 'half':
        c.sendall(answer(b'200 OK', b'only twelve!', 40))
    elif how == 'status':
        c.sendall(answer(b'503 Service Unavailable', b'broken'))
    elif how == 'body':
        c.sendall(answer(b'200 OK', b'dead'))
    elif how == 'ok':
        c.sendall(answer(b'200 OK', b'alive'))
    end(c)
    return True


def main():
    ports = {int(w.split(':')[1]): w.split(':')[0] for w in sys.argv[3:]}
    select = selectors.DefaultSelector()
    listeners, kept = {}, {}

    def listen(port):
        wanted = mood(port) != 'refuse'
        if wanted and port not in listeners:
            listeners[port] = open_socket(port, ports[port])
            select.register(listeners[port], selectors.EVENT_READ, ('listen', port))
        elif not wanted and port in listeners:
            select.unregister(listeners[port])
            listeners.pop(port).close()

    def forget(c):
        kept.pop(c, None)
        select.unregister(c)

    for port in ports:
        listen(port)
    print('ready', flush=True)
    while True:
        for port in ports:
            listen(port)
        for key, _ in select.select(0.02):
            what, port = key.data
            s = key.fileobj
            try:
                if what == 'listen' and ports[port] == 'udp':
                    _, peer = s.recvfrom(2048)
                    text = {'ok': b'pong', 'wrong': b'gnop', 'half': b'po'}.get(mood(port))
                    if text:
                        s.sendto(text, peer)
                elif what == 'listen':
                    c, _ = s.accept()
                    if ports[port] == 'agent':
                        c.sendall(mood(port, 'up').encode() + b'\n')
                        end(c)
                        continue
                    kept[c] = time.monotonic() + DEADLINE_S
                    select.register(c, selectors.EVENT_READ, ('talk', port))
                elif s in kept:
                    s.setblocking(True)
                    if not s.recv(65536) or talk(s, mood(port)):
                        forget(s)
                        s.close()
            except OSError:
                if s in kept:
                    forget(s)
                    s.close()
        for c in [c for c, until in kept.items() if until < time.monotonic()]:
            forget(c)
            c.close()


if __name__ == '__main__':
    os.makedirs(DIR, exist_ok=True)
    main()
