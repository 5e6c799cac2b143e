// SPDX-License-Identifier: Apache-2.0
/*
 * One attempt to find out whether a server accepts TCP connections. When to probe and
 * what the result means is not known here.
 */
#ifndef WEIR_TCP_PROBE_H
#define WEIR_TCP_PROBE_H

#include "addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct tcp_probe;

struct tcp_probe_target {
	struct weir_addr addr;
	uint16_t port;
	uint32_t timeout_ms;
};

#define TCP_PROBE_REASON_LEN 80

/* Called once per probe, never from inside tcp_probe_start(). `reason` is a few words for
 * a person, without the address ("port 80: connection refused"); it lives until the call
 * returns. The probe is gone when this is called. */
typedef void tcp_probe_fn(void *user, bool ok, const char *reason);

/*
 * Connect to the target and close again: with a reset, so that neither side keeps a
 * TIME_WAIT entry (10,000 backends every 2 s would hold 300,000 of them).
 *
 * Returns 0 with *out valid until `done` or tcp_probe_cancel(); -errno when there is no
 * socket to be had (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM): the backend is not to blame.
 */
int tcp_probe_start(uv_loop_t *loop, const struct tcp_probe_target *t, tcp_probe_fn *done,
		    void *user, struct tcp_probe **out);

/* `done` will not be called any more. */
void tcp_probe_cancel(struct tcp_probe *p);

#endif /* WEIR_TCP_PROBE_H */
