// SPDX-License-Identifier: Apache-2.0
/*
 * What is wrong with this host: compares what it should be (settings) with what it
 * is (host). Pure: no system calls, so a test is a host made by hand.
 */
#ifndef WEIR_BACKEND_FINDINGS_H
#define WEIR_BACKEND_FINDINGS_H

#include "host.h"
#include "settings.h"

enum finding_grade {
	FINDING_NOTE,  /* worth knowing, may well be meant */
	FINDING_WRONG, /* Weir's packets or the answers to them get lost, or may */
};

/* One sentence: what is, what comes of it, and the command that mends it. */
struct finding {
	enum finding_grade grade;
	char text[400];
};

/* Zero it to begin. */
struct findings {
	struct finding *item;
	unsigned count, wrong;
};

/* Add every finding. Returns 0 or -ENOMEM. */
int findings_make(const struct settings *s, const struct host *h, struct findings *out);

void findings_free(struct findings *f);

/* What the rules of the kernel make of a value; `up` and `check` go by the same.
 * The effective value of an interface is the greater of its own and "all". */
int finding_effective(int all, int own);

/* With this arp_ignore no interface answers ARP for a VIP on lo: 1 and 2 answer only
 * for addresses of the interface asked, 3 not for those of scope host, 8 for none. */
bool finding_arp_ignore_right(int value);

/* 2: the source of ARP requests is never the VIP. */
bool finding_arp_announce_right(int value);

/* 1 drops clients to whom the way back is another interface. */
bool finding_rp_filter_right(int value);

#endif /* WEIR_BACKEND_FINDINGS_H */
