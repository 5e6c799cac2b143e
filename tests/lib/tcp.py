#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
TCP transfers for the backend scenarios; each side knows every byte to expect.

  tcp.py serve ADDRESS PORT         prints "ready", then a line a connection:
                                    CLIENT VERB BYTES
  tcp.py get ADDRESS PORT BYTES SECONDS   a download: prints "whole" or what is wrong
  tcp.py put ADDRESS PORT BYTES SECONDS   an upload

Within SECONDS the transfer is complete or it counts as stalled.
"""
import hashlib
import socket
import sys
import threading
import time

BLOCK = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 8


def send_pattern(s, count):
    sent = 0
    while sent < count:
        at = sent % len(BLOCK)
        sent += s.send(BLOCK[at : at + min(count - sent, len(BLOCK) - at)])


def receive_pattern(s, count):
    """Bytes until `count` or the end of the stream; a wrong one is an error."""
    got = 0
    while got < count:
        data = s.recv(min(1 << 16, count - got))
        if not data:
            break
        at = got % len(BLOCK)
        if data != (BLOCK + BLOCK)[at : at + len(data)]:
            raise ValueError(f"a wrong byte after byte {got}")
        got += len(data)
    return got


def answer(s, client):
    try:
        verb, count = s.makefile("rb", buffering=0).readline().split()
        s.sendall(b"ok\n")
        if verb == b"get":
            send_pattern(s, int(count))
        else:
            s.sendall(b"%d\n" % receive_pattern(s, int(count)))
        print(client, verb.decode(), count.decode(), flush=True)
    except (OSError, ValueError) as e:
        print(client, "failed:", e, flush=True)
    s.close()


def serve(address, port):
    """:: is every address of both families."""
    both = address == "::"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, dualstack_ipv6=both)
    print("ready", flush=True)
    while True:
        s, peer = listener.accept()
        threading.Thread(target=answer, args=(s, peer[0]), daemon=True).start()


def transfer(verb, address, port, count, seconds):
    s = socket.create_connection((address, port), timeout=seconds)
    end = time.monotonic() + seconds
    s.sendall(f"{verb} {count}\n".encode())
    answers = s.makefile("rb", buffering=0)
    if answers.readline() != b"ok\n":
        return "the server does not answer"
    s.settimeout(max(0.001, end - time.monotonic()))
    if verb == "get":
        got = receive_pattern(s, count)
    else:
        send_pattern(s, count)
        s.settimeout(max(0.001, end - time.monotonic()))
        got = int(answers.readline())
    return "whole" if got == count else f"{got} of {count} bytes"


def main():
    verb, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if verb == "serve":
        serve(address, port)
    try:
        result = transfer(verb, address, port, int(sys.argv[4]), float(sys.argv[5]))
    except (OSError, ValueError) as e:
        result = f"{verb}: {e}"
    print(result)
    return result != "whole"


if __name__ == "__main__":
    sys.exit(main())
