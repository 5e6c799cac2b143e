#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Bad JSON-RPC requests on one connection to a control socket; each must be answered
by an error with a sentence. Codes as JSON-RPC 2.0, section 5.1 has them.

  bad_requests.py SOCKET      prints "ok NAME" or "FAIL NAME: reason" a request
"""
import json
import socket
import sys

PARSE, INVALID, NO_METHOD, BAD_PARAMS = -32700, -32600, -32601, -32602


def call(method, params=None, **more):
    request = {"jsonrpc": "2.0", "id": 7, "method": method, **more}
    if params is not None:
        request["params"] = params
    return json.dumps(request).encode()


# NAME: (line to send, code wanted; None: any error)
REQUESTS = {
    "no_json": (b"weir", PARSE),
    "half_an_object": (b'{"jsonrpc": "2.0", "id": 1', PARSE),
    "bytes_that_are_no_text": (b"\xff\xfe\x00\x01", PARSE),
    "deep_nesting": (b"[" * 5000, PARSE),
    "a_number": (b"42", INVALID),
    "no_method": (b'{"jsonrpc": "2.0", "id": 1}', INVALID),
    "method_is_a_number": (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', INVALID),
    "wrong_version": (b'{"jsonrpc": "1.0", "id": 1, "method": "status"}', INVALID),
    "unknown_method": (call("conquer"), NO_METHOD),
    "params_are_a_string": (call("backend.weight", "web-l2/b1"), None),
    "missing_member": (call("backend.weight", {"pool": "web-l2"}), BAD_PARAMS),
    "wrong_type": (
        call("backend.weight", {"pool": "web-l2", "backend": "b1", "weight": "ten"}),
        BAD_PARAMS,
    ),
    "negative_weight": (
        call("backend.weight", {"pool": "web-l2", "backend": "b1", "weight": -1}),
        BAD_PARAMS,
    ),
    "weight_beyond_64_bits": (
        call("backend.weight", {"pool": "web-l2", "backend": "b1", "weight": 1 << 70}),
        None,
    ),
    "unknown_member": (
        call("backend.weight", {"pool": "web-l2", "backend": "b1", "weight": 5, "wait": 1}),
        BAD_PARAMS,
    ),
    "no_such_pool": (call("backend.drain", {"pool": "nowhere", "backend": "b1"}), None),
    "name_of_4_kb": (call("backend.drain", {"pool": "x" * 4096, "backend": "b1"}), None),
    "nul_in_a_name": (call("backend.drain", {"pool": "web-l2\0", "backend": "b1"}), None),
}


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")

    def ask(self, line):
        self.socket.sendall(line + b"\n")
        answer = self.lines.readline()
        if not answer:
            raise ConnectionError("the connection was closed")
        return json.loads(answer)


def judge(answer, code):
    if answer.get("jsonrpc") != "2.0":
        return f"no JSON-RPC 2.0 answer: {answer}"
    error = answer.get("error")
    if not isinstance(error, dict):
        return f"no error: {answer}"
    if not isinstance(error.get("message"), str) or " " not in error["message"]:
        return f"no sentence: {error}"
    if code is not None and error.get("code") != code:
        return f"code {error.get('code')}, wanted {code}: {error['message']}"
    return None


def main():
    connection, failed = Connection(sys.argv[1]), False

    def tell(name, reason):
        nonlocal failed
        failed = failed or bool(reason)
        print(f"FAIL {name}: {reason}" if reason else f"ok {name}", flush=True)

    for name, (line, code) in REQUESTS.items():
        try:
            tell(name, judge(connection.ask(line), code))
        except (OSError, ValueError) as error:
            tell(name, str(error))
            connection = Connection(sys.argv[1])
    try:
        answer = connection.ask(call("status"))
        tell("the_connection_still_answers", None if "result" in answer else f"no result: {answer}")
        tell("the_answer_repeats_the_id", None if answer.get("id") == 7 else f"{answer.get('id')}")
    except (OSError, ValueError) as error:
        tell("the_connection_still_answers", str(error))

    # One line longer than any buffer: an answer or an end, but the daemon stays.
    big = Connection(sys.argv[1])
    try:
        big.socket.sendall(b'{"x": "' + b"a" * (8 << 20) + b'"}\n')
        big.lines.readline()
    except OSError:
        pass
    answer = Connection(sys.argv[1]).ask(call("status"))
    tell("8_mb_in_one_line_do_no_harm", None if "result" in answer else f"no result: {answer}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
