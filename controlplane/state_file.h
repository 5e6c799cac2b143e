// SPDX-License-Identifier: Apache-2.0
/*
 * What outlives the control plane: the file's configuration as it was last read,
 * the configuration in force with all changes made at run time, the flow seed, and
 * the indices of the services (their counters live in the data plane).
 *
 * JSON in one file, replaced whole: written beside it, synced, renamed, so that a
 * reader (and the next start) finds the old one or the new one. Pools, backends,
 * services, [vip] and [check] are in it: the other sections hold for a process's life.
 */
#ifndef WEIR_STATE_FILE_H
#define WEIR_STATE_FILE_H

#include "conf_file.h"
#include "model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state {
	struct conf *file;    /* as last read; its dp and control sections are empty */
	struct conf *running; /* likewise */
	bool has_seed;
	uint64_t flow_seed;
	bool partial; /* the state file before it was lost, and no data plane has been asked yet
			 what it said: who was drained or disabled */
	struct service_place *place; /* indices of services: model.h */
	uint32_t place_count;
};

/* Now, on both clocks. Drain deadlines are CLOCK_BOOTTIME, which begins anew with
 * every boot; the boot's id tells, and the wall clock carries them over. */
struct state_clock {
	uint64_t boottime_ms, realtime_ms;
	char boot_id[40]; /* /proc/sys/kernel/random/boot_id */
};
void state_clock_now(struct state_clock *now);

/*
 * Returns 0 with *out to be given to state_free(); -ENOENT: there is none yet;
 * another -errno with a sentence in why[why_len]: it is damaged (-EINVAL), or
 * cannot be read. Such a one has been moved to PATH.bad, so that the start can go
 * on without it, state_save() does not replace it, and somebody can look at it. Options
 * that this version does not know become entries in *warnings and are passed over.
 */
int state_load(const char *path, const struct state_clock *now, struct state *out, char *why,
	       size_t why_len, struct conf_errors *warnings);
void state_free(struct state *s);

/*
 * Write it: mode 0600, synced before this returns. 0, or -errno with a sentence in
 * why[why_len]; the old file stands then. Blocks for as long as the disk takes:
 * call it once for a burst of changes.
 */
int state_save(const char *path, const struct state_clock *now, const struct state *s, char *why,
	       size_t why_len);

#endif /* WEIR_STATE_FILE_H */
