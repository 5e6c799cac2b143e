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

enum settings_mode { SETTINGS_IPIP, SETTINGS_L2 };

/* Zero it to begin; settings_free() ends it. */
struct settings {
	char interface[IFNAMSIZ]; /* where Weir's packets arrive */
	uint32_t mode;		  /* enum settings_mode */
	struct prefix_list vips;
	struct prefix_list from; /* outer sources to believe: the Weirs */
	const char *mend;	 /* the command that applies these settings, for messages */
};

extern const struct conf_opt settings_opts[];
extern const unsigned settings_opt_count;
extern const char *const settings_modes[]; /* by enum settings_mode */

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
