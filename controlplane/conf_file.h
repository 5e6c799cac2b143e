// SPDX-License-Identifier: Apache-2.0
/*
 * The whole configuration as data: what a file says, or what runs now. Nothing
 * here was observed; health, indices and next hops live in model.h.
 *
 *   conf_opts.c   every option of [controlplane], [pool], [service], [vip], [check] and
 *                 of a backend's line, once
 *   conf_file.c   conf_load()
 *   conf_check*.c what spans sections
 *   conf_edit.c   finding, adding, removing, copying
 *   conf_diff.c, conf_merge.c
 *
 * What cannot change while the processes run ([dataplane], [port], [controlplane])
 * is never merged: the running configuration keeps what the start gave it, and
 * conf_diff() shows the difference.
 */
#ifndef WEIR_CONF_FILE_H
#define WEIR_CONF_FILE_H

#include "addr.h"
#include "bounds.h"
#include "conf.h"
#include "dpconf.h"
#include "snapshot.h"

#include <stdbool.h>
#include <stdint.h>

enum admin_state { ADMIN_ENABLED, ADMIN_DRAINING, ADMIN_DISABLED };

/* X(enum suffix, word in the file) */
#define CHECK_KIND_LIST(X)                                                                    \
	X(NONE, "none")                                                                      \
	X(TCP, "tcp")                                                                        \
	X(HTTP, "http")                                                                      \
	X(HTTPS, "https")                                                                    \
	X(TLS, "tls")                                                                        \
	X(UDP, "udp")                                                                        \
	X(DNS, "dns")                                                                        \
	X(STUN, "stun")                                                                      \
	X(QUIC, "quic")                                                                      \
	X(ECHO, "echo")                                                                      \
	X(EXEC, "exec")

enum check_kind {
#define CHECK_KIND_ENUM(id, word) CHECK_KIND_##id,
	CHECK_KIND_LIST(CHECK_KIND_ENUM)
#undef CHECK_KIND_ENUM
		CHECK_KINDS
};

enum check_via { CHECK_VIA_DSR, CHECK_VIA_DIRECT };
enum check_proxy { CHECK_PROXY_NONE, CHECK_PROXY_V1, CHECK_PROXY_V2 };
enum check_need { CHECK_NEED_ALL, CHECK_NEED_ANY };

/* Checks that one pool may name. */
#define POOL_CHECKS_MAX 8

#define WEIGHT_MAX 1000

/* How long a slot that changes its owner keeps the flows of the old one. */
#define POOL_UDP_WINDOW_S  30
#define POOL_QUIC_WINDOW_S 300

#define POOL_GUE_PORT 6080 /* IANA's for GUE */

/* By row of conf_opts[]: the line that gave the key, 0: none did. For messages. */
#define CONF_FILE_OPTS CONF_SECTION_OPTS
struct key_lines {
	int line[CONF_FILE_OPTS];
};

/* "backend NAME = ADDRESS [weight=N] [state=...] [backup=yes] [port=NAME] [mac=MAC]
 * [vlan=N]" in [pool P] */
struct backend_conf {
	char name[WEIR_NAME_LEN];
	struct weir_addr addr;
	uint32_t weight;      /* 0..WEIGHT_MAX; 0: no new flows, keeps its place in the table */
	uint32_t base_weight; /* last weight that was not 0: what the table is built with */
	uint32_t admin;	      /* enum admin_state */
	uint64_t drain_deadline_ms; /* CLOCK_BOOTTIME; 0: none */
	bool leaves; /* draining: to be removed when nothing holds it, or at its deadline */
	bool backup;		    /* serves only when too few others are up */
	bool has_mac;		    /* next hop set by hand: `port` names the egress port */
	uint8_t mac[6];
	uint16_t vlan; /* 0: untagged */
	char port[WEIR_NAME_LEN];
	int line;
};

/* The one check of a pool that names no others: what [pool] itself says of it. */
struct pool_check_conf {
	uint32_t kind; /* enum check_kind */
	uint32_t via;  /* enum check_via */
	uint32_t port; /* 0: the port of the pool's first service that suits */
	uint32_t interval_ms, timeout_ms;
	uint32_t rise, fall;
};

#define CHECK_TEXT_LEN 256

/* [check NAME]. Texts are as the file has them; check_build() reads them. */
struct check_conf {
	char name[WEIR_NAME_LEN];
	uint32_t kind;	       /* enum check_kind */
	uint32_t via;	       /* enum check_via */
	uint32_t port;	       /* 0: the port of the pool's first service that suits */
	struct weir_addr vip;  /* dsr: the VIP to probe; unset: that service's */
	uint32_t interval_ms;
	uint32_t fast_interval_ms, down_interval_ms; /* 0: interval_ms */
	uint32_t connect_timeout_ms, answer_timeout_ms;
	uint32_t rise, fall;
	uint32_t jitter_percent;
	uint32_t proxy; /* enum check_proxy */
	uint32_t ttl;	/* 0: 1 with dsr, else the system's */
	bool padded;
	uint32_t padded_bytes;
	char send[CHECK_TEXT_LEN], expect[CHECK_TEXT_LEN]; /* tcp, udp */
	bool expect_anywhere;				   /* tcp */
	uint32_t http_version;				   /* 0: 1.1; 1: 2 */
	char method[16], path[200], host[254], status[80], body[CHECK_TEXT_LEN];
	char headers[CHECK_TEXT_LEN]; /* lines */
	char server_name[254], alpn[64], ca_file[200];
	bool verify;
	char query[254], query_type[16];
	char rcode[16];
	bool empty_answer;
	struct weir_addr answer;
	char quic_version[16];
	char command[200], environment[CHECK_TEXT_LEN];
	int line;
	struct key_lines keys;
};

struct pool_conf {
	char name[WEIR_NAME_LEN];
	uint32_t mode; /* enum weir_mode */
	uint32_t hash; /* enum weir_hash */
	uint32_t table_size;
	uint32_t mtu;		       /* bytes of outer IP */
	uint32_t fragment;	       /* 1: IPv4 without DF that does not fit goes in pieces */
	struct weir_addr outer_source; /* of the outer header; unset: ours towards the backend */
	uint8_t source_bits;	       /* behind its prefix, for the flow hash; 0: one address */
	uint16_t gue_port;	       /* UDP destination of `gue` */
	uint32_t slow_start_s; /* 0: a backend that comes up takes its share at once */
	uint32_t handshake_grace_s;
	uint32_t tcp_window_s;
	uint32_t udp_window_s; /* 0: POOL_QUIC_WINDOW_S with a `quic` service, else
				  POOL_UDP_WINDOW_S */
	struct pool_check_conf check; /* unless `checks` names others */
	char checks[CHECK_TEXT_LEN];  /* names of [check] sections, between commas */
	uint32_t checks_need;	      /* enum check_need */
	char min_healthy[16];	      /* "2" or "50%" */
	uint32_t flap_changes, flap_window_s, flap_hold_s, flap_hold_max_s;
	uint32_t agent_port; /* 0: none */
	uint32_t agent_interval_ms;
	char agent_send[64];
	struct backend_conf *backend;
	uint32_t backend_count;
	int line; /* of the header */
	struct key_lines keys;
};

struct service_conf {
	char name[WEIR_NAME_LEN];
	struct weir_addr vip;
	uint8_t vip_bits;  /* behind the prefix; 0: one address */
	uint32_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint32_t port;	   /* 0: every port */
	char pool[WEIR_NAME_LEN];
	uint32_t quic; /* 1: UDP that knows QUIC Initials */
	int line;
	struct key_lines keys;
};

/* [vip ADDRESS]: what is not a service's. A VIP without a section has the defaults. */
struct vip_conf {
	char name[WEIR_NAME_LEN]; /* the address or prefix, as weir_prefix_text() writes it */
	struct weir_addr addr;
	uint8_t bits;		    /* behind the prefix; 0: one address */
	uint32_t echo, reject, arp; /* 1: yes */
	int line;
	struct key_lines keys;
};

struct control_conf {
	char control_socket[108];
	char group[32]; /* of the control socket; empty: unchanged */
	char state_file[DP_STRLEN];
	char user[32];
	bool has_seed;
	uint64_t flow_seed; /* [controlplane] flow_seed = 16 hex digits */
};

struct conf {
	struct dpconf dp;
	struct control_conf control;
	struct pool_conf *pool;
	uint32_t pool_count;
	struct service_conf *service;
	uint32_t service_count;
	struct vip_conf *vip;
	uint32_t vip_count;
	struct check_conf *check;
	uint32_t check_count;
};

/* The rows of [controlplane], [pool], [service], [vip], [check]; "backend" is the rows of a
 * backend's line behind its address. */
extern const struct conf_opt conf_opts[];
extern const unsigned conf_opt_count;

/*
 * Read and check a whole file: syntax, ranges, names, references, duplicates,
 * and that each mode can carry its backends. Returns 0 with *out to be freed by
 * conf_free(); -EINVAL or -errno with every error in *errors and *out untouched.
 * *warnings (may be NULL) collects what is allowed but unwise, such as a table
 * smaller than 100 x backends.
 */
int conf_load(const char *path, struct conf **out, struct conf_errors *errors,
	      struct conf_errors *warnings);

/* An independent copy, or NULL: no memory. */
struct conf *conf_dup(const struct conf *c);
void conf_free(struct conf *c); /* NULL is fine */

/* By name, or NULL. */
struct pool_conf *conf_pool(struct conf *c, const char *name);
const struct check_conf *conf_check_find(const struct conf *c, const char *name);
/* Is the address a VIP of this service? */
bool conf_service_holds(const struct service_conf *s, const struct weir_addr *a);
struct backend_conf *conf_backend(struct conf *c, const char *pool, const char *backend);

/*
 * "ADDRESS key=value ..." as in the file: fills *out, defaults included. Returns 0,
 * or -EINVAL with every fault in why[why_len], "; " between them.
 */
int backend_parse(const char *name, const char *text, struct backend_conf *out, char *why,
		  size_t why_len);

/* The line of a backend behind "=", defaults left out, into buf[CONF_TEXT_LEN].
 * Returns buf. */
const char *backend_text(const struct backend_conf *b, char *buf);

/* Set the weight; base_weight follows unless it is 0. */
void backend_set_weight(struct backend_conf *b, uint32_t weight);

/* Append a copy of *b to a pool. Returns 0; -ENOENT: no such pool; -EEXIST: it has
 * a backend of that name; -ENOMEM. Pointers into the pool's backends are void then. */
int conf_backend_add(struct conf *c, const char *pool, const struct backend_conf *b);

/* Returns 0, or -ENOENT. Pointers into the pool's backends are void then. */
int conf_backend_remove(struct conf *c, const char *pool, const char *backend);

/*
 * The checks of conf_load() that span sections, for a conf changed at run time.
 * Returns 0, or -EINVAL when *errors grew. `path` names the file in the messages;
 * objects made at run time have no line.
 */
int conf_check(const struct conf *c, const char *path, struct conf_errors *errors,
	       struct conf_errors *warnings);

/*
 * Every difference, one call each, in a stable order. `what` is "pool web",
 * "backend web/a", "service www", "vip 192.0.2.1", "check web", "port wan", "dataplane" or
 * "controlplane"; key
 * NULL: the whole object, `from` NULL: only in b, `to` NULL: only in a. The text
 * of a whole backend is its line. Returns 0, or -ENOMEM part-way.
 */
typedef void conf_diff_fn(void *user, const char *what, const char *key, const char *from,
			  const char *to);
int conf_diff(const struct conf *a, const struct conf *b, conf_diff_fn *fn, void *user);

/*
 * Three-way: apply to `running` what changed from `before` to `after` and leave
 * what else is in `running` (changes made at run time) alone. The truth table is
 * in docs/configuration.md. Objects take the order of `after`, those made at run
 * time behind. Returns 0 with the number of changed keys in *changed (an object
 * that came or went counts as one), or -ENOMEM with `running` untouched.
 */
int conf_merge(struct conf *running, const struct conf *before, const struct conf *after,
	       unsigned *changed);

#endif /* WEIR_CONF_FILE_H */
