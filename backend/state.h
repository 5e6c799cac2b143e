// SPDX-License-Identifier: Apache-2.0
/*
 * What `up` changed on this host, so that `down` can undo exactly that: one file
 * per interface, DIR/backend-INTERFACE.json.
 *
 * `up` writes the file before it changes anything, and `down` removes it after all
 * is undone. So whatever kills them, the file names everything that may have been
 * changed, and the next `up` or `down` goes on from there. What it names but was
 * not done yet is recognised by its value.
 *
 * Network namespaces share /run: outside of the machine's own the file is called
 * DIR/backend-INTERFACE@COOKIE.json, by the number that the kernel never gives to
 * a second namespace (SO_NETNS_COOKIE).
 */
#ifndef WEIR_BACKEND_STATE_H
#define WEIR_BACKEND_STATE_H

#include "prefix.h"
#include "sysctl.h"

#include <net/if.h>

#define STATE_DIR      "/run/weir"
#define STATE_SYSCTLS  5 /* three of the interface, two of "all" */
#define STATE_ROUTES   16
#define STATE_PATH_LEN 256

struct state_sysctl {
	char name[SYSCTL_NAME_LEN];
	int was; /* to be restored ... */
	int set; /* ... if it is still this */
};

/* A default route and the MSS it announces; 0: what follows from its MTU. */
struct state_route {
	uint8_t family; /* 4 or 6 */
	uint32_t metric;
	int ifindex;		  /* 0: by several interfaces */
	struct weir_addr gateway; /* family 0: none, or several */
	uint32_t was;		  /* to be restored ... */
	uint32_t set;		  /* ... if it is still this, */
	uint32_t old;		  /* or this, which is what an `up` before had set */
};

/* Zero it to begin; state_free() ends it. */
struct state {
	char interface[IFNAMSIZ];
	int ifindex; /* another one: the interface was made anew since */
	bool qdisc;  /* the clsact qdisc is ours */
	struct state_sysctl sysctl[STATE_SYSCTLS];
	unsigned sysctl_count;
	struct state_route route[STATE_ROUTES];
	unsigned route_count;
	struct prefix_list vips; /* on lo by us */
};

/* Path of the file, into path[STATE_PATH_LEN]. Returns 0; -ENAMETOOLONG. */
int state_path(const char *dir, const char *interface, char *path);

/* Returns 0; -ENOENT: there is none; -EINVAL: it is not one of ours, with the
 * reason in why[why_len]. *out is set only on success. */
int state_read(const char *path, struct state *out, char *why, size_t why_len);

/* Replace the file in one step. Returns 0 or a negative errno. */
int state_write(const char *path, const struct state *s);

/* Remove it, and what a state_write() that was killed left beside it. Returns 0,
 * also when there is none, or a negative errno. */
int state_remove(const char *path);

/*
 * What the states of the other interfaces of this namespace claim, merged: their
 * VIPs and routes, and of their sysctls the common ones ("all/..."). Must stay when `path` is
 * undone. Unreadable files are passed over. Returns 0 or -ENOMEM.
 */
int state_others(const char *dir, const char *path, struct state *out);

/* Make `dir` if need be and wait until no other weir-backend changes this host.
 * Returns a descriptor to be closed at the end, or a negative errno. */
int state_lock(const char *dir);

/* Index of the entry for a sysctl; -1: it is not ours. */
int state_sysctl_find(const struct state *s, const char *name);

/* The same route, whatever it announces: family, metric, interface and gateway tell. */
bool state_route_same(const struct state_route *a, const struct state_route *b);
int state_route_find(const struct state *s, const struct state_route *r);

void state_free(struct state *s);

#endif /* WEIR_BACKEND_STATE_H */
