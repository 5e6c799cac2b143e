// SPDX-License-Identifier: Apache-2.0
/*
 * The clock of drain deadlines. They are CLOCK_BOOTTIME, which goes on while a host is
 * suspended; libuv's timers do not.
 */
#ifndef WEIR_DRAIN_H
#define WEIR_DRAIN_H

#include "conf_file.h"

#include <uv.h>

struct drain;

/* `due` is called when a deadline has passed; never from inside these functions. 0 or
 * -errno. */
int drain_create(uv_loop_t *loop, void (*due)(void *user), void *user, struct drain **out);
void drain_destroy(struct drain *d);

/* Wake up at the first deadline that `c` has, or not at all. */
void drain_arm(struct drain *d, const struct conf *c);

/* What was due could not be done: wake up again in a second. True: for the first time since
 * drain_arm(). */
bool drain_again(struct drain *d);

/* Disable every backend of `c` whose deadline has passed, or remove it if it leaves; how
 * many. */
unsigned drain_expire(struct conf *c, uint64_t boottime_ms);

#endif /* WEIR_DRAIN_H */
