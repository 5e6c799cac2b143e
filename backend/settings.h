// SPDX-License-Identifier: Apache-2.0
/*
 * What the operator wants of this host: the [backend] section of a file, or the
 * same by options. One table and one set of messages for both.
 */
#ifndef WEIR_BACKEND_SETTINGS_H
#define WEIR_BACKEND_SETTINGS_H

#include "conf.h"
#include "prefix.h"

#include <net/if.h>

#define SETTINGS_FILE "/etc/weir/backend.conf"

/* How Weir sends. What ipip unpacks, gue unpacks as well. */
enum settings_mode { SETTINGS_IPIP, SETTINGS_L2, SETTINGS_GUE };
enum settings_mss { SETTINGS_MSS_SET, SETTINGS_MSS_LEAVE };

/* settings_init() begins it, settings_free() ends it. */
struct settings {
	char interface[IFNAMSIZ]; /* where Weir's packets arrive */
	uint32_t mode;		  /* enum settings_mode */
	uint16_t gue_port;
	uint32_t mtu; /* of the way from Weir; 0: the interface's */
	uint32_t mss; /* enum settings_mss */
	struct prefix_list vips;
	struct prefix_list from; /* outer sources to believe: the Weirs */
	const char *mend;	 /* the command that applies these settings, for messages */
};

extern const struct conf_opt settings_opts[];
extern const unsigned settings_opt_count;
extern const char *const settings_modes[]; /* by enum settings_mode */

/* Every key at its default. */
void settings_init(struct settings *s);

/* Packets are unpacked in this mode. */
bool settings_unpack(const struct settings *s);

/* There is a VIP of this family (4 or 6), or a prefix of VIPs. */
bool settings_family(const struct settings *s, uint8_t family);

/*
 * Set one key ("interface", "mode") or add to it ("vip", "from"). Returns 0, or
 * -EINVAL with a sentence in why[why_len] and *s untouched. -ENOENT: no such key.
 */
int settings_set(struct settings *s, const char *key, const char *value, char *why, size_t why_len);

/* Read the section [backend] of `path`. Returns 0, -EINVAL or another negative
 * errno, with every error in *errors. Call settings_check() afterwards. */
int settings_read(struct settings *s, const char *path, struct conf_errors *errors);

/*
 * What must be there: an interface, and for anything but `down` (`whole` false)
 * VIPs, and prefixes when packets are decapsulated. `where` begins the messages:
 * a file, or "options". Returns 0, or -EINVAL with every error in *errors.
 */
int settings_check(const struct settings *s, bool whole, const char *where,
		   struct conf_errors *errors);

void settings_free(struct settings *s);

#endif /* WEIR_BACKEND_SETTINGS_H */
