// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include "decap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void report_findings(const char *interface, const struct findings *f)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->item[i].grade == FINDING_WRONG)
			printf("wrong: %s\n", f->item[i].text);
	for (unsigned i = 0; i < f->count; i++)
		if (f->item[i].grade == FINDING_NOTE)
			printf("note: %s\n", f->item[i].text);
	if (f->wrong == 0)
		printf("%s: this host is set up right\n", interface);
	else
		printf("%s: %u %s wrong with this host\n", interface, f->wrong,
		       f->wrong == 1 ? "thing is" : "things are");
}

static void list_print(const char *heading, const struct prefix_list *l)
{
	char text[WEIR_PREFIX_STRLEN];

	printf("%-14s", heading);
	for (unsigned i = 0; i < l->count; i++)
		printf(" %s", prefix_text(&l->item[i], text));
	printf("%s\n", l->count == 0 ? " none" : "");
}

/* What bears our mark: addresses on lo and local prefixes. */
static void vips_print(const struct host *h)
{
	char text[WEIR_PREFIX_STRLEN];
	unsigned n = 0;

	printf("%-14s", "VIPs on lo");
	for (unsigned i = 0; i < h->addr_count; i++) {
		if (!h->addr[i].ours)
			continue;
		printf(" %s", weir_addr_text(&h->addr[i].addr, text));
		n++;
	}
	for (unsigned i = 0; i < h->prefix_count; i++) {
		if (!h->prefix[i].ours)
			continue;
		printf(" %s", prefix_text(&h->prefix[i].prefix, text));
		n++;
	}
	printf("%s\n", n == 0 ? " none" : "");
}

static void decap_print(const struct host_decap *d)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	printf("%-14s program %" PRIu32 ", loaded %" PRIu64 " s ago\n", "decapsulation", d->id,
	       (uint64_t)now.tv_sec - d->loaded_s);
	if (d->gue_port != 0)
		printf("%-14s UDP port %u\n", "  GUE", d->gue_port);
	list_print("  from", &d->from);
	list_print("  to", &d->local);
	list_print("  VIPs", &d->vips);
	printf("\n%-16s %14s %18s\n", "packed packets", "packets", "bytes");
	for (unsigned i = 0; i < DECAP_FATE_COUNT; i++)
		printf("%-16s %14llu %18llu  %s\n", decap_fate_name(i),
		       (unsigned long long)d->count[i].packets,
		       (unsigned long long)d->count[i].bytes, decap_fate_text(i));
}

void report_status(const char *interface, const struct host *h, const char *state)
{
	const struct host_link *l = host_link_named(h, interface);

	if (l == NULL)
		printf("%-14s %s: there is none of this name\n", "interface", interface);
	else
		printf("%-14s %s, %s, MTU %u\n", "interface", interface,
		       (l->flags & IFF_UP) != 0 ? "up" : "down", l->mtu);
	printf("%-14s %s%s\n", "state file", state,
	       access(state, F_OK) == 0 ? "" : " (none: \"up\" has not been run, or \"down\" has)");
	vips_print(h);
	if (h->decap.id != 0)
		decap_print(&h->decap);
	else
		printf("%-14s not attached\n", "decapsulation");
}
