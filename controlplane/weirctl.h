// SPDX-License-Identifier: Apache-2.0
/*
 * weirctl in several files: weirctl.c reads the command line, weirctl_call.c talks to the
 * control socket, weirctl_print.c prints results for people, with weirctl_health.c for
 * what the checks know, weirctl_table.c for tables and weirctl_frame.c for the frame that
 * `explain` shows; weirctl_pcap.c asks about each packet of a capture, and
 * weirctl_capture.c makes one.
 */
#ifndef WEIR_WEIRCTL_H
#define WEIR_WEIRCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes: automation tells "no" from "nobody there". */
enum {
	WEIRCTL_OK = 0,
	WEIRCTL_FAILED = 1, /* the request was refused; a sentence is on stderr */
	WEIRCTL_USAGE = 2,
	WEIRCTL_NO_DAEMON = 3,
	WEIRCTL_UNHEALTHY = 4, /* `check`: one of the checks did not pass */
};

enum {
	WEIRCTL_WAIT_S = 10, /* the daemon answers within a second or is stuck */
	WEIRCTL_PROBE_WAIT_S = WEIRCTL_WAIT_S + 2 * 3600, /* both timeouts of a check, at most */
};

/*
 * Ask for `method` with `params` (taken; may be NULL) at the socket, and wait so many
 * seconds for an answer. Returns an exit code: WEIRCTL_OK with *result (the caller's
 * reference), or another with the reason said on stderr.
 */
int weirctl_call(const char *socket_path, const char *method, json_t *params, unsigned wait_s,
		 json_t **result);

/* The same with one connection for several calls, one after the other. */
struct weirctl {
	int fd;
	unsigned wait_s;
	int passed; /* a descriptor that came with an answer; -1: none did */
};
int weirctl_open(const char *socket_path, unsigned wait_s, struct weirctl *out);
int weirctl_ask(struct weirctl *c, const char *method, json_t *params, json_t **result);
void weirctl_close(struct weirctl *c);

/*
 * `explain --pcap FILE`: each packet of a capture (pcap, pcapng; Ethernet or IP), as if
 * it came in by `port` (NULL: the first), at most `most` of them. Prints as it goes, or
 * one JSON document. Returns an exit code; of a file that is cut what could be read is
 * printed, and the code is WEIRCTL_FAILED.
 */
int weirctl_explain_pcap(const char *socket_path, const char *file, const char *port,
			 unsigned long most, bool json);

/* `capture FILE`: what comes is written as it comes, to standard output for "-"; a file
 * that is there is written anew once packets come. `params` is taken. Returns an exit code. */
int weirctl_capture(const char *socket_path, const char *file, json_t *params);

/* How a result is printed for people. Members that are missing print as "-". */
typedef void weirctl_print_fn(FILE *out, const json_t *result);
weirctl_print_fn weirctl_print_health, weirctl_print_check, weirctl_print_status,
	weirctl_print_services, weirctl_print_pools,
	weirctl_print_backends, weirctl_print_backend, weirctl_print_removed,
	weirctl_print_drops, weirctl_print_explain, weirctl_print_diff, weirctl_print_changed;

/* WEIRCTL_OK when each of the checks in a result of `check` passed, else
 * WEIRCTL_UNHEALTHY. */
int weirctl_check_code(const json_t *result);

/*
 * The headers of a frame, one line each, every line behind `indent`: "Ethernet 02:.. >
 * 02:..", "IPv4 192.0.2.1 > 10.0.1.12, IP in IP, ...". Ends where `len` does. gue_port: the UDP
 * destination that means GUE; 0: none does.
 */
void weirctl_print_frame(FILE *out, const uint8_t *frame, size_t len, unsigned gue_port,
			 const char *indent);

/* The packet in a few words: "192.0.2.1:40000 > 203.0.113.10:80 TCP", into buf. Returns
 * buf. */
const char *weirctl_frame_words(const uint8_t *frame, size_t len, char *buf, size_t buf_len);

#endif /* WEIR_WEIRCTL_H */
