// SPDX-License-Identifier: Apache-2.0
/*
 * What the kinds of probes share. Included by probe*.c only.
 *
 * A kind is a struct that begins with struct probe, and a row of functions. The
 * common part (probe.c) owns the socket, its watcher, the one timer and the end:
 * a kind calls probe_pass() or probe_fail() once and touches nothing afterwards.
 *
 *   datagram kinds (udp, dns, stun, quic, echo): probe_datagram.c sends and
 *     receives; the kind builds a request and judges a reply, both pure
 *   stream kinds (tcp, tls, http, agent): probe_stream.c connects and sends the
 *     PROXY header; `connected` begins the conversation
 *   exec: runs by itself
 */
#ifndef WEIR_PROBE_IMPL_H
#define WEIR_PROBE_IMPL_H

#include "probe.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <uv.h>

#define PROBE_STREAM_MAX   4096	 /* bytes of an answer that tcp and agent look at */
#define PROBE_BODY_MAX	   65536 /* bytes of a body that http looks at */
#define PROBE_DATAGRAM_MAX 9216	 /* largest padded packet */
#define PROBE_NONCE_LEN	   16

union probe_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct probe_ops {
	size_t size; /* of the kind's struct */
	void (*start)(struct probe *p);
	void (*connected)(struct probe *p);	    /* stream kinds */
	void (*ready)(struct probe *p, int events); /* UV_READABLE | UV_WRITABLE */
	void (*timeout)(struct probe *p);	    /* the answer time is over */
	void (*stop)(struct probe *p);		    /* free what the kind holds; may be NULL */
	const struct probe_datagram_ops *datagram;
};

/* What a datagram kind makes of a reply. */
enum datagram_verdict {
	DATAGRAM_IGNORE, /* not an answer to this request: keep waiting */
	DATAGRAM_GOOD,	 /* r->reason may say more */
	DATAGRAM_BAD,	 /* r->failure and r->reason are set */
};

/* One request as a kind's pure functions see it. */
struct datagram_request {
	const struct probe_conf *conf;
	uint8_t nonce[PROBE_NONCE_LEN]; /* random: identifies the request */
	uint8_t family;			/* 4 or 6 */
	size_t size; /* the datagram must have this many bytes; 0: as many as it needs */
	union probe_sockaddr local;
};

struct probe_datagram_ops {
	int protocol4, protocol6; /* for socket(2); 0: UDP */
	const char *what;		/* "reply", "VN packet", ... for reasons */
	/* Returns the length of the request, at most len. */
	size_t (*build)(const struct datagram_request *q, uint8_t *buf, size_t len);
	enum datagram_verdict (*judge)(const struct datagram_request *q, const uint8_t *reply,
				       size_t len, struct probe_result *r);
};

struct probe {
	const struct probe_ops *ops;
	struct probe_ctx *ctx;
	struct probe *next, **link; /* in ctx's list while in flight */
	const struct probe_conf *conf;
	struct probe_target target;
	union probe_sockaddr peer, local;
	struct probe_result result;
	probe_done_fn *done;
	void *user;
	uint64_t started_ns;
	uv_timer_t timer;
	uv_poll_t poll;
	int fd; /* -1: none */
	unsigned handles; /* uv handles not yet closed */
	bool polling;	  /* p->poll was initialized and is not closed */
	bool starting;	  /* inside probe_start(): a verdict waits for the loop */
	bool finished;
	bool connected;
};

struct cert_store;

struct probe_ctx {
	uv_loop_t *loop;
	struct probe *probes;
	unsigned count;
	unsigned references; /* 1 until destroyed, and one a probe not yet freed */
	probe_hint_fn *hint;
	probe_left_fn *left;
	void *hint_user;
	CURLM *multi;
	uv_timer_t multi_timer;
	SSL_CTX *tls; /* for all tls probes */
	struct cert_store *stores;
	uint8_t random[512];
	unsigned random_left;
};

extern const struct probe_ops probe_tcp_ops, probe_http_ops, probe_tls_ops, probe_udp_ops,
	probe_dns_ops, probe_stun_ops, probe_quic_ops, probe_echo_ops, probe_agent_ops,
	probe_exec_ops;

/* -- probe.c ------------------------------------------------------------------- */

/* The end: exactly one of these, once. `fmt` is the reason. */
void probe_pass(struct probe *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void probe_fail(struct probe *p, enum probe_failure f, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As p->result says already. */
void probe_finish(struct probe *p);

void probe_step_reached(struct probe *p, enum probe_step s);

/* Restart the one timer. Counts from now, not from when the loop woke. */
void probe_timer_set(struct probe *p, uint32_t ms);

/* Call ops->ready on UV_READABLE | UV_WRITABLE of p->fd; 0: on nothing. */
void probe_watch(struct probe *p, int events);

/* Fill from a pool of random bytes: not a system call each. */
void probe_random(struct probe_ctx *ctx, uint8_t *buf, size_t len);

/* "", or " (what was heard about this mark)": for the end of a reason. */
const char *probe_hint(const struct probe *p, char *buf, size_t len);

/* No answer at all came: true when no packet left this host, and probe_fail() was called. */
bool probe_kept_here(struct probe *p);

/* An owner of a uv handle that is not in struct probe (exec): counts it, and the
 * close callback that gives it back. */
void probe_handle_opened(struct probe *p);
void probe_handle_closed(uv_handle_t *h); /* h->data is the probe */

/* -- probe_socket.c ------------------------------------------------------------ */

/* Open p->fd as the target wants it and begin to connect it. False: it failed, and
 * probe_fail() was called. */
bool probe_socket_connect(struct probe *p, int type, int protocol);

/* Fail with the words for errno `err` of p->fd; `doing`: "connecting", "reading". */
void probe_socket_fail(struct probe *p, int err, const char *doing);

/* Bytes sent that the peer's kernel has not acknowledged (TCP). */
int probe_socket_unacked(const struct probe *p);

/* Has the peer ended the connection (TCP)? */
bool probe_socket_closed(const struct probe *p);

/* Size of the largest TCP/IP packet of this connection, bytes. */
uint16_t probe_socket_packet(const struct probe *p);

/* -- probe_stream.c ------------------------------------------------------------ */

void probe_stream_start(struct probe *p); /* ops->start of stream kinds */

/* First thing in their ops->ready: true when the event belonged to connecting. */
bool probe_stream_connecting(struct probe *p);

/* The time is over and nothing came: says what is known. `wanted`: "answer", "TLS
 * handshake". */
void probe_stream_silent(struct probe *p, const char *wanted);

/* -- probe_datagram.c ----------------------------------------------------------- */

void probe_datagram_start(struct probe *p);
void probe_datagram_ready(struct probe *p, int events);
void probe_datagram_timeout(struct probe *p);

/* -- probe_tls.c ------------------------------------------------------------------ */

/* Once for the shared SSL_CTX: lets padded probes send a long ClientHello. */
int probe_tls_padding(SSL_CTX *ctx);

/* -- probe_curl.c ---------------------------------------------------------------- */

int probe_curl_open(struct probe_ctx *ctx);
void probe_curl_close(struct probe_ctx *ctx);

/* The probe's socket is ready: let libcurl go on. */
void probe_curl_socket(struct probe *p, int events);

void probe_http_done(struct probe *p, CURLcode code); /* probe_http.c */

#endif /* WEIR_PROBE_IMPL_H */
