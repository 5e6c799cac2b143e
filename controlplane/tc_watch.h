// SPDX-License-Identifier: Apache-2.0
/*
 * Who else works with tc on this host: the kernel's events about qdiscs and filters
 * (rtnetlink, RTNLGRP_TC). An event is queued before the command that caused it returns.
 */
#ifndef WEIR_TC_WATCH_H
#define WEIR_TC_WATCH_H

#include <stdint.h>

#include <uv.h>

struct tc_watch;

/* A qdisc or filter of this interface came, went or changed, by our own doing too; 0: of
 * any, for events were lost. */
typedef void tc_watch_fn(void *user, uint32_t ifindex);

/* 0 or a negative errno. Does not keep the loop running. */
int tc_watch_create(uv_loop_t *loop, tc_watch_fn *changed, void *user, struct tc_watch **out);

/* Hear of what has happened so far, without waiting for the loop's next turn. */
void tc_watch_read(struct tc_watch *w);

/* Memory goes when the loop has run the close callback. */
void tc_watch_destroy(struct tc_watch *w);

#endif /* WEIR_TC_WATCH_H */
