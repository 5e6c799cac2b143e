// SPDX-License-Identifier: Apache-2.0
/*
 * Probes: one health check attempt each, of any kind, through one interface.
 *
 *   probe_start() -> connect -> PROXY header -> the kind's conversation -> done()
 *
 * One event loop and one libcurl multi handle carry thousands at a time: no
 * thread and no blocking call. A probe knows nothing of backends, pools or
 * verdicts; what a result means is judge.h's business, and how a DSR probe gets
 * to its backend is probe_path.h's: here it is a mark on the socket.
 */
#ifndef WEIR_PROBE_H
#define WEIR_PROBE_H

#include "addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

/* X(enum suffix, name in the configuration and in JSON) */
#define PROBE_KIND_LIST(X)                                                                    \
	X(TCP, "tcp")     /* connect; then send and expect, if set */                        \
	X(HTTP, "http")   /* also https: see probe_http_conf.tls */                          \
	X(TLS, "tls")     /* handshake only */                                               \
	X(UDP, "udp")     /* payload and expected reply */                                   \
	X(DNS, "dns")     /* query over UDP */                                               \
	X(STUN, "stun")   /* binding request */                                              \
	X(QUIC, "quic")   /* version negotiation */                                          \
	X(ECHO, "echo")   /* ICMP echo, small and full-size: finds MTU faults */             \
	X(AGENT, "agent") /* HAProxy agent protocol: connect, read a line */                 \
	X(EXEC, "exec")   /* a program; never through a DSR path */

enum probe_kind {
#define PROBE_KIND_ENUM(id, name) PROBE_##id,
	PROBE_KIND_LIST(PROBE_KIND_ENUM)
#undef PROBE_KIND_ENUM
		PROBE_KINDS
};

/* How a probe failed. X(enum suffix, name in JSON) */
#define PROBE_FAILURE_LIST(X)                                                                 \
	X(OK, "ok")                                                                          \
	X(LOCAL, "local")             /* this host could not probe: says nothing of the backend */ \
	X(REFUSED, "refused")                                                                \
	X(UNREACHABLE, "unreachable") /* an ICMP error said so */                            \
	X(NO_CONNECTION, "no-connection") /* connect time over */                            \
	X(NO_ANSWER, "no-answer")     /* answer time over, nothing came */                   \
	X(MTU, "mtu")                 /* small packets pass, full-size ones do not */        \
	X(RESET, "reset")                                                                    \
	X(CLOSED, "closed")           /* closed before it answered */                        \
	X(HALF_ANSWER, "half-answer") /* time over or closed part-way */                     \
	X(WRONG_ANSWER, "wrong-answer")                                                      \
	X(WRONG_STATUS, "wrong-status")                                                      \
	X(WRONG_PROTOCOL, "wrong-protocol") /* not what this kind speaks */                  \
	X(TLS_FAILED, "tls-failed")                                                          \
	X(CERTIFICATE, "certificate")                                                        \
	X(EXIT_CODE, "exit-code")

enum probe_failure {
#define PROBE_FAILURE_ENUM(id, name) PROBE_FAIL_##id,
	PROBE_FAILURE_LIST(PROBE_FAILURE_ENUM)
#undef PROBE_FAILURE_ENUM
		PROBE_FAILURES
};

/* -- what to do: plain data, the same for every backend of a pool ------------- */

#define PROBE_BYTES_MAX	  256
#define PROBE_NAME_MAX	  254 /* a domain name and its NUL */
#define PROBE_PATH_MAX	  200
#define PROBE_HEADERS_MAX 8
#define PROBE_RANGES_MAX  8

struct probe_bytes {
	uint16_t len; /* 0: not set */
	uint8_t data[PROBE_BYTES_MAX];
};

struct probe_tcp_conf {
	struct probe_bytes send;   /* after connecting */
	struct probe_bytes expect; /* len 0: connecting (and sending) is enough */
	bool anywhere; /* `expect` may stand anywhere in the first 4 KiB, else at the start */
};

struct probe_tls_conf {
	char server_name[PROBE_NAME_MAX]; /* SNI, and what the certificate must be for */
	char alpn[64];	  /* "h2,http/1.1": offered; the server must choose one. Not for http */
	bool verify;	  /* chain, dates and, with a server_name, the name */
	char ca_file[PROBE_PATH_MAX]; /* PEM; empty: the system's */
};

enum probe_http_version { PROBE_HTTP_1_1, PROBE_HTTP_2 };

struct probe_http_conf {
	bool https;
	enum probe_http_version version; /* over TLS by ALPN, otherwise by prior knowledge */
	char method[16];		 /* empty: GET */
	char path[PROBE_PATH_MAX];	 /* empty: "/" */
	char host[PROBE_NAME_MAX];	 /* empty: tls.server_name, else the address */
	char header[PROBE_HEADERS_MAX][PROBE_PATH_MAX]; /* "Name: value"; empty: none */
	struct {
		uint16_t from, to;
	} status[PROBE_RANGES_MAX]; /* from 0: end of list; all zero: 200-299 */
	struct probe_bytes body;    /* must stand within the first 64 KiB of the body */
	struct probe_tls_conf tls;  /* https only; alpn is not used */
};

struct probe_udp_conf {
	struct probe_bytes send;
	struct probe_bytes expect; /* start of the reply; len 0: any reply */
};

struct probe_dns_conf {
	char name[PROBE_NAME_MAX]; /* "www.example.org"; "." for the root */
	uint16_t type;		   /* 1 A, 28 AAAA, 6 SOA, ...: dns_type_parse() */
	uint8_t rcode;		   /* expected; 0 NOERROR */
	bool any_answer;	   /* with NOERROR an answer record is required, unless set */
	struct weir_addr expect;   /* A and AAAA: this address must be among the answers */
};

struct probe_quic_conf {
	uint32_t version; /* must be offered, e.g. 1; 0: any */
};

struct probe_exec_conf {
	char command[PROBE_PATH_MAX]; /* absolute path and arguments: exec_split() */
	char env[PROBE_HEADERS_MAX][PROBE_PATH_MAX]; /* "NAME=value"; WEIR_ADDRESS and
							WEIR_PORT are added */
};

struct probe_conf {
	enum probe_kind kind;
	uint32_t connect_timeout_ms; /* TCP kinds: until connected */
	uint32_t answer_timeout_ms;  /* TCP kinds: from connected to the verdict */
	/* http, tls, dns, stun, quic, echo: have a packet of this many bytes (IP header
	 * included, DF set) reach the backend: the clients' MTU. 0: off */
	uint16_t padded_mtu;
	union {
		struct probe_tcp_conf tcp;
		struct probe_tcp_conf agent; /* `send` only */
		struct probe_http_conf http;
		struct probe_tls_conf tls;
		struct probe_udp_conf udp;
		struct probe_dns_conf dns;
		struct probe_quic_conf quic;
		struct probe_exec_conf exec;
	};
};

/* -- to whom: differs by backend ---------------------------------------------- */

enum probe_proxy { PROBE_PROXY_NONE, PROBE_PROXY_V1, PROBE_PROXY_V2 };

struct probe_target {
	struct weir_addr addr; /* DSR: the VIP; direct: the backend */
	uint16_t port;
	uint32_t mark; /* 0: direct. Else what probe_path.h gave for this backend */
	/* Hop limit. 0: with a mark 1, so that no router, and no backend that lacks the
	 * VIP and forwards, carries the probe on to where it would look healthy; direct:
	 * the system's. A VIP that its host hands on to a container needs 2. */
	uint8_t ttl;
	char interface[16];	 /* empty: by route */
	struct weir_addr source; /* not set: by route */
	enum probe_proxy proxy;	 /* tcp, http, tls: a PROXY protocol header comes first */
};

/* -- what came of it ----------------------------------------------------------- */

enum probe_step {
	PROBE_STEP_CONNECTED,
	PROBE_STEP_SENT,
	PROBE_STEP_TLS,	  /* handshake complete */
	PROBE_STEP_FIRST, /* first byte of the answer */
	PROBE_STEPS
};

#define PROBE_REASON_LEN 192
#define PROBE_TEXT_LEN	 128
#define PROBE_NO_CERT	 INT32_MIN

/* Texts are printable ASCII, whatever a server sent. */
struct probe_result {
	bool ok;
	enum probe_failure failure;    /* PROBE_FAIL_OK exactly when ok */
	char reason[PROBE_REASON_LEN]; /* in words, also when ok: "status 200" */
	uint32_t latency_us;	       /* from probe_start() to the verdict */
	uint32_t step_us[PROBE_STEPS]; /* from probe_start(); 0: not reached */
	int32_t cert_days;	       /* until the certificate expires, negative: since;
					  PROBE_NO_CERT: none seen */
	uint16_t packet_bytes;	       /* padded: the largest IP packet that was answered for */
	char text[PROBE_TEXT_LEN];     /* agent, exec: first line */
};

const char *probe_kind_name(enum probe_kind k);	      /* "tcp" */
const char *probe_failure_name(enum probe_failure f); /* "refused" */

struct probe_ctx;
struct probe;

/*
 * Once per process. Ignores SIGPIPE: a server that resets must not end us.
 * Returns 0 or a negative errno.
 */
int probe_ctx_create(uv_loop_t *loop, struct probe_ctx **out);

/* Cancels what is in flight. Memory goes when the loop has run the close
 * callbacks: call it before the last uv_run(). */
void probe_ctx_destroy(struct probe_ctx *ctx);

/*
 * More words for a DSR probe that got no answer, or NULL: what was heard about
 * packets with this mark since then (an ICMP error about the outer header). Set
 * by probe_path.c; none by default.
 */
typedef const char *probe_hint_fn(void *user, uint32_t mark, uint64_t since_ns);
/* What the program did for a mark. Unless it carried, what came of the probe is no word on
 * the backend. */
enum probe_left {
	PROBE_LEFT_CARRIED,
	PROBE_LEFT_NOTHING,   /* no packet met the program */
	PROBE_LEFT_UNGUARDED, /* the program was off for a time: some may have gone past it */
};
/* ... for packets with this mark since then. */
typedef enum probe_left probe_left_fn(void *user, uint32_t mark, uint64_t since_ns);
void probe_ctx_hint(struct probe_ctx *ctx, probe_hint_fn *hint, probe_left_fn *left, void *user);

/*
 * Check settings by themselves, and read what they need from files (the CA file,
 * kept in memory under its name, so it is read once). The only call here that
 * touches the disk: for configuration time. Returns 0, or -EINVAL with a
 * sentence in why[why_len] that says what would be right.
 */
int probe_prepare(struct probe_ctx *ctx, const struct probe_conf *conf, char *why,
		  size_t why_len);

/* From now on probe_prepare() reads those files again, each once. What cannot be read
 * any more stays in force as it was. */
void probe_ctx_reread(struct probe_ctx *ctx);

/* May not free *conf. The probe is gone when it returns. */
typedef void probe_done_fn(void *user, const struct probe_result *r);

/*
 * Begin one attempt. `conf` must stay as it is until `done` was called or
 * probe_cancel() returned; `target` is copied. `done` is called exactly once,
 * never from inside this call, and may start other probes.
 *
 * Every failure of the network, the server or this host is a result. Returns 0,
 * or -ENOMEM, with nothing started and *out untouched.
 */
int probe_start(struct probe_ctx *ctx, const struct probe_conf *conf,
		const struct probe_target *target, probe_done_fn *done, void *user,
		struct probe **out);

/* End it without a result. Not after `done`, and not from inside it. */
void probe_cancel(struct probe *p);

/* How many are in flight. */
unsigned probe_count(const struct probe_ctx *ctx);

#endif /* WEIR_PROBE_H */
