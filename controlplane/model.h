// SPDX-License-Identifier: Apache-2.0
/*
 * What runs: the configuration in force joined with what was observed (health,
 * next hops) and what was assigned (backend indices, tables).
 *
 * model_apply.c makes it what a configuration says.
 *
 * One thread, one event loop: nobody locks. Whoever changes something calls
 * publish_request(); publish.c turns the model into snapshots.
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include "conf_file.h"
#include "counters.h"
#include "moves.h"

#include <stdbool.h>
#include <stdint.h>

enum health { HEALTH_PENDING, HEALTH_UP, HEALTH_DOWN };

struct backend_checks; /* checks_impl.h */
struct pool_checks;
struct hop_watch; /* neigh.c */
struct pool;

struct next_hop {
	bool resolved;	  /* ever: a later failure keeps the last answer */
	uint8_t port;	  /* index of the data plane's port */
	uint16_t vlan;
	uint8_t mac[6];
	uint16_t mtu;	  /* bytes of IP on that egress */
	struct weir_addr source; /* our address towards it: the default outer source */
	char why[96];	  /* not resolved: a sentence */
};

/* What slow_start.c notes of a backend with each publication. */
struct slow_state {
	bool served;
	bool first; /* of those that its pool began with, and not yet said to be unfit */
	uint8_t missing;   /* parts of its share that it was not given */
	uint64_t since_ms; /* CLOCK_BOOTTIME when its slow start began; 0: none is on */
};

struct backend {
	struct backend_conf conf; /* as it runs now */
	struct pool *pool;
	uint64_t id;	 /* XXH3 of "pool/backend": stable over restarts */
	int32_t index;	 /* in the snapshot; -1: none yet */
	enum health health;
	char reason[320]; /* of the last verdict, in words */
	uint64_t since_ms; /* CLOCK_REALTIME of the last change of state */
	struct next_hop hop;
	/* What the pool's protection makes of it (guard.h): held in service although the
	 * checks say down; not wanted yet although they say up, being a backup. */
	bool kept, standby;
	/* What its agent says (agent_words.h): share of the weight that it does not want,
	 * percent; enum agent_admin. */
	uint32_t agent_cut, agent_admin;
	bool agent_known; /* it has said so, or had before us */
	struct backend_checks *check;
	struct hop_watch *watch;
	/* counters of the index when this backend got it: subtract to get its own */
	uint64_t packets_before, bytes_before;
	uint64_t columns_before[WEIR_BACKEND_COLUMNS]; /* enum weir_column */
	struct slow_state slow, slow_before; /* slow_before: of the publication before */
	bool stays; /* model_apply()'s mark */
};

struct pool {
	struct pool_conf conf; /* conf.backend is NULL here: see backend[] */
	uint64_t id;	   /* XXH3 of the name */
	uint32_t index;	   /* in the snapshot, set by tables.c; kept while the pool lives */
	struct backend **backend; /* in order of configuration */
	uint32_t backend_count;
	/* publish.c's: */
	weir_slot *full;   /* Maglev over all configured backends: positions in backend[];
			      malloc()ed, freed with the pool */
	bool full_stale;   /* membership, base weights or table size changed */
	bool table_stale;  /* who serves changed, or an index */
	uint32_t table_off; /* arena offset of the published table; 0: none */
	uint32_t move_off;  /* likewise of its moves; 0: no slot is moving */
	uint32_t move_count;
	uint32_t newest_ms; /* when the latest move began: CLOCK_BOOTTIME, low 32 bits */
	struct moves moves; /* the slots as published; len 0: never were. They outlive a data
			       plane: the next one goes on with them */
	struct pool_checks *checks; /* checks.c's */
	bool panic, backups; /* the checks are not believed; the backup backends serve */
	bool stays; /* model_apply()'s mark */
};

struct service {
	struct service_conf conf;
	struct pool *pool;
	uint32_t index; /* in the snapshot and the counters; kept while the service lives */
	uint32_t vip_flags; /* WEIR_VIP_*, the same for all services of a VIP */
	uint64_t packets_before, bytes_before;
	uint64_t columns_before[WEIR_COLUMNS]; /* enum weir_column; those of its VIP too */
	bool stays; /* model_apply()'s mark */
};

/* The index that a service had before the control plane was restarted. */
struct service_place {
	char name[WEIR_NAME_LEN];
	uint32_t index; /* < WEIR_MAX_SERVICES */
};

struct model {
	struct pool **pool; /* in order of configuration */
	uint32_t pool_count;
	struct service **service; /* in order of configuration */
	uint32_t service_count;
	uint64_t flow_seed;
	/* No whole state file was found at the start. Then a snapshot in force knows what the
	 * file does not: the seed, if it was made anew just now, and who was drained or disabled
	 * at run time. Until the first data plane has been taken over. */
	bool seed_is_new, admin_is_lost;
	uint32_t service_next; /* where to look for a free index: used ones rest for a round */
	/* Set before the first model_apply(), which honours them; the caller's memory. */
	const struct service_place *place;
	uint32_t place_count;
};

/*
 * Make the model what `running` says, keeping every object that stays: its
 * index, health, next hop and check. Called for the first fill, after a reload,
 * and after every change at run time. Calls back for objects that came, went or
 * changed, so that neigh.c and checks.c follow: when every object is in its place,
 * removals first. NULL hooks are passed over.
 *
 * A backend whose address changed keeps its name and index, but nothing that was
 * observed: it is pending, without a next hop. Sets full_stale and table_stale of
 * the pools that it concerns.
 *
 * `running` has passed conf_check() and may be freed afterwards. Returns 0, or
 * -ENOMEM with the model as it was and nobody called. Cost: linear in the number
 * of objects.
 */
struct model_hooks {
	void *user;
	void (*backend_added)(void *user, struct backend *b);
	/* address, next hop by hand, weight, state; the pool's mode, source, MTU, check */
	void (*backend_changed)(void *user, struct backend *b);
	void (*backend_removed)(void *user, struct backend *b); /* freed on return */
	void (*service_added)(void *user, struct service *s);	/* set its *_before */
};
int model_apply(struct model *m, const struct conf *running, const struct model_hooks *hooks);
/* Everything goes; backend_removed is called for each. *m may be used again. */
void model_free(struct model *m, const struct model_hooks *hooks);

struct pool *model_pool(const struct model *m, const char *name);
struct backend *model_backend(const struct pool *p, const char *name);
struct service *model_service(const struct model *m, const char *name);

/* May packets of new flows go to it: enabled, weight above 0, up and wanted (or kept),
 * resolved. Pending is not enough: one success makes it up, and nobody's client is to be
 * the probe. */
bool backend_serves(const struct backend *b);

/* May packets go to it at all: enabled or draining, not down (or kept). */
bool backend_forwards(const struct backend *b);

/* How the worker makes the frame for it. */
enum weir_encap backend_encap(const struct backend *b);

/* As configured, or what its agent asks for where that is less: 0 takes no new flows. */
uint32_t backend_weight(const struct backend *b);
/* What the table is built with: never 0. */
uint32_t backend_table_weight(const struct backend *b);
uint32_t backend_admin(const struct backend *b); /* enum admin_state */

/* How long a slot that changes its owner keeps the flows of the old one. */
uint32_t pool_grace_ms(const struct pool *p);
uint32_t pool_tcp_window_ms(const struct pool *p);
/* Unless it is set, longer for a pool with a `quic` service: a connection is long there. */
uint32_t pool_udp_window_ms(const struct model *m, const struct pool *p);

/* "enabled", "draining", "disabled" / "pending", "up", "down" */
const char *admin_text(unsigned admin);
const char *health_text(enum health h);

#endif /* WEIR_MODEL_H */
