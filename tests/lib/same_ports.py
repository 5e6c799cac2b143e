#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Connections from the same ports again and again; the server closes each first, so that the
client keeps no TIME_WAIT.

  same_ports.py SOURCE ADDRESS FIRST COUNT

From each of COUNT ports in turn a request, until it is ended. Prints a line for each: the
port and the backend that answered, or "failed".
"""
import socket
import sys
import time

TIMEOUT_S = 5
PAUSE_S = 0.2  # of all, shorter than a pin of an ended connection lives


def backend_of(source, port, address):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(TIMEOUT_S)
    s.bind((source, port))
    s.connect((address, 80))
    s.sendall(b"GET /1k HTTP/1.0\r\n\r\n")
    answer = b""
    while data := s.recv(65536):
        answer += data
    s.close()
    head = answer.partition(b"\r\n\r\n")[0].decode()
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])["X-Backend"]


def main(source, address, first, count):
    while True:
        for port in range(int(first), int(first) + int(count)):
            try:
                backend = backend_of(source, port, address)
            except (OSError, KeyError) as e:
                print(port, "failed:", e, flush=True)
                continue
            print(port, backend, flush=True)
        time.sleep(PAUSE_S)


main(*sys.argv[1:])
