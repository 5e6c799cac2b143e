// SPDX-License-Identifier: Apache-2.0
#include "weirctl.h"
#include "weirctl_table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of an object of numbers. */
static json_int_t sum_of(const json_t *counts)
{
	json_int_t sum = 0;
	const char *name;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)counts, name, n) sum += json_integer_value(n);
	return sum;
}

/* -- results ---------------------------------------------------------------- */

void weirctl_print_services(FILE *out, const json_t *result)
{
	static const char *const head[] = { "SERVICE",	"VIP",	  "PROTOCOL", ">PORT", "POOL",
					    ">PACKETS", ">BYTES", ">DROPPED", NULL };
	struct table t;
	size_t i;
	json_t *s;

	table_begin(&t, head);
	json_array_foreach(json_object_get(result, "services"), i, s)
	{
		cell(&t, "%s", str(s, "name"));
		cell(&t, "%s", str(s, "vip"));
		cell(&t, "%s", str(s, "protocol"));
		if (num(s, "port") == 0)
			cell(&t, "every");
		else
			cell(&t, "%lld", (long long)num(s, "port"));
		cell(&t, "%s", str(s, "pool"));
		cell_count(&t, num(s, "packets"));
		cell_bytes(&t, num(s, "bytes"));
		cell_count(&t, sum_of(json_object_get(s, "drops")));
	}
	table_sort(&t);
	table_end(&t, out, "no services");
}

void weirctl_print_pools(FILE *out, const json_t *result)
{
	static const char *const head[] = { "POOL",	   "MODE",	"HASH",	  ">SLOTS",
					    ">SERVING",	   ">BACKENDS", ">GRACE", ">TCP-WINDOW",
					    ">UDP-WINDOW", "NOTE",	NULL };
	struct table t;
	size_t i;
	json_t *p;

	table_begin(&t, head);
	json_array_foreach(json_object_get(result, "pools"), i, p)
	{
		cell(&t, "%s", str(p, "name"));
		cell(&t, "%s", str(p, "mode"));
		cell(&t, "%s", str(p, "hash"));
		cell(&t, "%lld", (long long)num(p, "table_size"));
		cell(&t, "%lld", (long long)num(p, "serving"));
		cell(&t, "%lld", (long long)num(p, "backends"));
		cell(&t, "%lld s", (long long)num(p, "handshake_grace_s"));
		cell(&t, "%lld s", (long long)num(p, "tcp_window_s"));
		cell(&t, "%lld s", (long long)num(p, "udp_window_s"));
		cell(&t, "%s",
		     yes(p, "panic")	 ? "PANIC: its checks are not believed"
		     : yes(p, "backups") ? "its backups serve"
					 : "");
	}
	table_sort(&t);
	table_end(&t, out, "no pools");
}

/* One more thing to know about a backend, behind "; ". */
static void note(char *buf, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void note(char *buf, size_t len, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	if (n > 0)
		n += (size_t)snprintf(buf + n, len - n, "; ");
	if (n >= len)
		return;
	va_start(ap, fmt);
	vsnprintf(buf + n, len - n, fmt, ap);
	va_end(ap);
}

/* Why one gets no new flows that is enabled and up, or gets them though it is down. */
static void note_wanted(const json_t *b, char *buf, size_t len)
{
	const json_t *percent = json_object_get(b, "agent_percent");
	const char *agent = str(b, "agent_state");

	if (yes(b, "kept"))
		note(buf, len, "kept: too few are up");
	if (yes(b, "standby"))
		note(buf, len, "backup, not needed now");
	if (strcmp(agent, "draining") == 0 || strcmp(agent, "disabled") == 0)
		note(buf, len, "its agent says: %s", agent);
	else if (json_is_integer(percent) && json_integer_value(percent) < 100)
		note(buf, len, "its agent wants %lld %% of its weight",
		     (long long)json_integer_value(percent));
}

/* What a person should know about a backend besides its numbers, into buf; "" if nothing. */
static const char *note_of(const json_t *b, char *buf, size_t len)
{
	const char *why = str(json_object_get(b, "next_hop"), "why");
	long long windows = (long long)num(b, "windows"), pins = (long long)num(b, "pins");
	const json_t *share = json_object_get(b, "share_percent");
	json_int_t drops = sum_of(json_object_get(b, "drops"));
	char count[16];

	buf[0] = '\0';
	if (strcmp(str(b, "health"), "up") != 0 || yes(b, "failing"))
		note(buf, len, "%s", str(b, "reason"));
	if (strcmp(why, "-") != 0)
		note(buf, len, "next hop: %s", why);
	note_wanted(b, buf, len);
	if (json_is_integer(share) && json_integer_value(share) < 100)
		note(buf, len, "slow start: %lld %% of its share",
		     (long long)json_integer_value(share));
	if (windows > 0 && json_is_null(json_object_get(b, "pins")))
		note(buf, len, "keeps flows: windows of %lld slots, pins not counted yet", windows);
	else if (windows + pins > 0)
		note(buf, len, "keeps flows: windows of %lld slots, %lld pins", windows, pins);
	if (drops > 0) /* `weirctl drops POOL/BACKEND` has them by reason */
		note(buf, len, "dropped %s", weirctl_count_text(drops, count));
	return buf;
}

/* "draining, 28 s", or "drained" when nothing holds it any more; "leaving" when it is to
 * be removed then. */
static const char *state_of(const json_t *b, char *buf, size_t len)
{
	const char *state = yes(b, "leaves")	? "leaving"
			    : yes(b, "drained") ? "drained"
						: str(b, "state");

	if (json_is_integer(json_object_get(b, "drain_left_s")))
		snprintf(buf, len, "%s, %lld s", state, (long long)num(b, "drain_left_s"));
	else
		snprintf(buf, len, "%s", state);
	return buf;
}

static void cell_hop(struct table *t, const json_t *hop)
{
	if (!yes(hop, "resolved"))
		cell(t, "-");
	else if (num(hop, "vlan") != 0)
		cell(t, "%s %s, VLAN %lld", str(hop, "port"), str(hop, "mac"),
		     (long long)num(hop, "vlan"));
	else
		cell(t, "%s %s", str(hop, "port"), str(hop, "mac"));
}

void weirctl_print_backends(FILE *out, const json_t *result)
{
	static const char *const head[] = { "BACKEND",	"ADDRESS", ">WEIGHT",  "STATE",
					    "HEALTH",	">SLOTS",  ">PACKETS", ">BYTES",
					    "NEXT HOP", "NOTE",	   NULL };
	struct table t;
	char note[512], state[64];
	size_t i;
	json_t *b;

	table_begin(&t, head);
	json_array_foreach(json_object_get(result, "backends"), i, b)
	{
		cell(&t, "%s/%s", str(b, "pool"), str(b, "name"));
		cell(&t, "%s", str(b, "address"));
		cell(&t, "%lld", (long long)num(b, "weight"));
		cell(&t, "%s", state_of(b, state, sizeof(state)));
		cell(&t, "%s", str(b, "health"));
		cell(&t, "%lld", (long long)num(b, "slots"));
		cell_count(&t, num(b, "packets"));
		cell_bytes(&t, num(b, "bytes"));
		cell_hop(&t, json_object_get(b, "next_hop"));
		cell(&t, "%s", note_of(b, note, sizeof(note)));
	}
	table_sort(&t);
	table_end(&t, out, "no backends");
}

void weirctl_print_backend(FILE *out, const json_t *b)
{
	char note[512], state[64];

	note_of(b, note, sizeof(note));
	fprintf(out, "%s/%s: %s, weight %lld, %s, %lld slots%s%s\n", str(b, "pool"), str(b, "name"),
		state_of(b, state, sizeof(state)), (long long)num(b, "weight"), str(b, "health"),
		(long long)num(b, "slots"), note[0] != '\0' ? "; " : "", note);
}

void weirctl_print_removed(FILE *out, const json_t *result)
{
	if (json_object_get(result, "leaves") != NULL)
		fprintf(out, "%s: draining, and removed when nothing holds it any more\n",
			str(result, "leaves"));
	else
		fprintf(out, "%s: removed\n", str(result, "removed"));
}

static void print_counts(FILE *out, const json_t *list, const char *what)
{
	/* One service or backend: packets alone are counted. */
	bool bytes = json_object_get(json_array_get(list, 0), "bytes") != NULL;
	const char *const with[] = { what, ">PACKETS", ">BYTES", "MEANS", NULL };
	const char *const without[] = { what, ">PACKETS", "MEANS", NULL };
	struct table t;
	size_t i;
	json_t *d;

	table_begin(&t, bytes ? with : without);
	json_array_foreach(list, i, d)
	{
		cell(&t, "%s", str(d, "name"));
		cell_count(&t, num(d, "packets"));
		if (bytes)
			cell_bytes(&t, num(d, "bytes"));
		cell(&t, "%s", str(d, "text"));
	}
	table_end(&t, out, "nothing is counted");
}

void weirctl_print_drops(FILE *out, const json_t *result)
{
	const json_t *answers = json_object_get(result, "answers");
	const json_t *punts = json_object_get(result, "punts");

	print_counts(out, json_object_get(result, "drops"), "REASON");
	if (answers != NULL) {
		fprintf(out, "\n");
		print_counts(out, answers, "ANSWER");
	}
	if (punts != NULL) {
		fprintf(out, "\n");
		print_counts(out, punts, "KERNEL");
	}
}

static void print_ports(FILE *out, const json_t *ports)
{
	static const char *const head[] = { "PORT",	 "DEVICE",	"LINK",	     ">MTU",
					    "MAC",	 ">RX PACKETS", ">RX BYTES", ">TX PACKETS",
					    ">TX BYTES", NULL };
	struct table t;
	size_t i;
	json_t *p;

	table_begin(&t, head);
	json_array_foreach(ports, i, p)
	{
		const json_t *rx = json_object_get(p, "rx"), *tx = json_object_get(p, "tx");

		cell(&t, "%s", str(p, "name"));
		cell(&t, "%s", str(p, "device"));
		cell(&t, "%s", yes(p, "link") ? "up" : "down");
		cell(&t, "%lld", (long long)num(p, "mtu"));
		cell(&t, "%s", str(p, "mac"));
		cell_count(&t, num(rx, "packets"));
		cell_bytes(&t, num(rx, "bytes"));
		cell_count(&t, num(tx, "packets"));
		cell_bytes(&t, num(tx, "bytes"));
	}
	table_end(&t, out, "no ports");
}

/* Silent about tables that were never used. */
static void print_pins(FILE *out, const json_t *pins)
{
	long long used = (long long)num(pins, "used"), capacity = (long long)num(pins, "capacity");
	long long percent = capacity > 0 ? used * 100 / capacity : 0;

	if (num(pins, "made") == 0)
		return;
	fprintf(out, "%-12spins %lld of %lld (%lld %%)%s; made %lld, refused %lld, gave way %lld\n",
		"", used, capacity, percent,
		percent >= 80	? ", NEARLY FULL: see [dataplane] pins"
		: percent >= 70 ? ", filling up"
				: "",
		(long long)num(pins, "made"), (long long)num(pins, "refused"),
		(long long)num(pins, "evicted_base") + (long long)num(pins, "evicted_unconfirmed"));
}

/* Silent where there were none. */
static void print_fragments(FILE *out, const json_t *f)
{
	if (num(f, "noted") + num(f, "held") > 0)
		fprintf(out,
			"%-12sfragmented datagrams %lld, complete %lld, gave way %lld; "
			"fragments held %lld, now %lld\n",
			"", (long long)num(f, "noted"), (long long)num(f, "complete"),
			(long long)num(f, "evicted"), (long long)num(f, "held"),
			(long long)num(f, "holding"));
	if (num(f, "split") > 0)
		fprintf(out, "%-12stoo big: %lld packets left in %lld pieces\n", "",
			(long long)num(f, "split"), (long long)num(f, "pieces"));
}

static void print_worker(FILE *out, const json_t *w)
{
	fprintf(out, "%-12scpu %lld, generation %lld%s\n", str(w, "name"), (long long)num(w, "cpu"),
		(long long)num(w, "generation"), yes(w, "late") ? ", LATE: does not answer" : "");
	if (json_object_get(w, "rejected") != NULL)
		fprintf(out, "%-12srefused the last snapshot: %s\n", "", str(w, "rejected"));
	print_pins(out, json_object_get(w, "pins"));
	print_fragments(out, json_object_get(w, "fragments"));
}

static void print_named(FILE *out, const char *what, const json_t *counts)
{
	char packets[16], bytes[16];
	const char *name, *separator = "";
	json_t *d;

	fprintf(out, "%-12s", what);
	json_object_foreach((json_t *)(uintptr_t)counts, name, d)
	{
		fprintf(out, "%s%s %s (%s)", separator, name,
			weirctl_count_text(num(d, "packets"), packets),
			weirctl_bytes_text(num(d, "bytes"), bytes));
		separator = ", ";
	}
	fprintf(out, "%s\n", json_object_size(counts) == 0 ? "nothing" : "");
}

static void print_panic(FILE *out, const json_t *pools)
{
	size_t i;
	json_t *p;

	json_array_foreach(pools, i, p)
		fprintf(out,
			"%-12spool %s: too few backends are up, its checks are not believed; "
			"see `weirctl health %s`\n",
			"PANIC", json_string_value(p), json_string_value(p));
}

/* Also when there is no data plane: the checks go on. */
static void print_checks(FILE *out, const json_t *result)
{
	const json_t *probes = json_object_get(result, "probes");

	print_panic(out, json_object_get(result, "panic"));
	if (num(result, "checks_pending") > 0)
		fprintf(out, "%-12s%lld first probes have not ended\n", "checks",
			(long long)num(result, "checks_pending"));
	if (num(probes, "late") > 0)
		fprintf(out,
			"%-12s%lld of %lld began more than 100 ms late, the worst by %lld ms\n",
			"probes", (long long)num(probes, "late"), (long long)num(probes, "begun"),
			(long long)num(probes, "worst_ms"));
}

static void print_generation(FILE *out, const json_t *result)
{
	bool everywhere = true;
	size_t i;
	json_t *w;

	json_array_foreach(json_object_get(result, "workers"), i, w) everywhere =
		everywhere && num(w, "generation") >= num(result, "generation");
	fprintf(out, "%-12s%lld, published %s, ", "generation",
		(long long)num(result, "generation"), str(result, "published"));
	if (everywhere)
		fprintf(out, "taken by every worker in %.1f ms\n",
			(double)num(result, "publish_latency_us") / 1000);
	else
		fprintf(out, "not taken by every worker yet\n");
}

void weirctl_print_status(FILE *out, const json_t *result)
{
	const json_t *arena = json_object_get(result, "arena");
	const json_t *counters = json_object_get(result, "counters");
	size_t i;
	json_t *w;

	fprintf(out, "%-12s%s, %s\n", "weir", str(result, "version"), str(result, "config"));
	print_checks(out, result);
	if (!yes(result, "attached")) {
		fprintf(out, "%-12snot attached\n", "data plane");
		return;
	}
	fprintf(out, "%-12sattached%s\n", "data plane",
		yes(result, "held") ? ", kept as it is until the first health checks have ended"
				    : "");
	print_generation(out, result);
	fprintf(out, "%-12s%lld of %lld blocks%s\n", "arena", (long long)num(arena, "used"),
		(long long)num(arena, "blocks"),
		yes(arena, "full") ? ", FULL: publishing is paused" : "");
	json_array_foreach(json_object_get(result, "workers"), i, w) print_worker(out, w);
	print_named(out, "dropped", json_object_get(counters, "drops"));
	if (json_object_size(json_object_get(counters, "answers")) > 0)
		print_named(out, "answered", json_object_get(counters, "answers"));
	if (json_object_size(json_object_get(counters, "punts")) > 0)
		print_named(out, "kernel", json_object_get(counters, "punts"));
	fprintf(out, "\n");
	print_ports(out, json_object_get(result, "ports"));
}

static void print_outgoing(FILE *out, const json_t *result)
{
	const json_t *frame = json_object_get(result, "frame");
	const char *hex = str(frame, "header");
	uint8_t bytes[256];
	size_t len = 0;
	unsigned byte;

	if (!json_is_object(frame))
		return;
	while (len < sizeof(bytes) && sscanf(hex + 2 * len, "%2x", &byte) == 1)
		bytes[len++] = (uint8_t)byte;
	if (num(result, "pieces") > 0)
		fprintf(out, "%-12s%lld, too big as one; the first:\n", "pieces",
			(long long)num(result, "pieces"));
	fprintf(out, "%-12s%lld bytes by port %s\n", "frame", (long long)num(frame, "length"),
		str(frame, "port"));
	weirctl_print_frame(out, bytes, len, (unsigned)num(frame, "gue_port"), "            ");
}

void weirctl_print_explain(FILE *out, const json_t *result)
{
	bool dropped = strcmp(str(result, "drop"), "none") != 0;

	fprintf(out, "%-12s%s\n", "service", str(result, "service"));
	fprintf(out, "%-12s%s\n", "pool", str(result, "pool"));
	if (json_is_integer(json_object_get(result, "slot")))
		fprintf(out, "%-12s%lld, %s\n", "slot", (long long)num(result, "slot"),
			str(result, "slot_state"));
	if (json_is_string(json_object_get(result, "backend")))
		fprintf(out, "%-12s%s, %s\n", "backend", str(result, "backend"),
			str(result, "address"));
	if (dropped)
		fprintf(out, "%-12s%s\n", "dropped", str(result, "drop"));
	fprintf(out, "%-12s%s\n", "why", str(result, "why"));
	if (json_is_string(json_object_get(result, "answer")))
		fprintf(out, "%-12s%s\n", "answered", str(result, "answer"));
	print_outgoing(out, result);
	fprintf(out, "%-12s%lld\n", "generation", (long long)num(result, "generation"));
}

void weirctl_print_diff(FILE *out, const json_t *result)
{
	static const char *const head[] = { "WHAT", "KEY", "FILE", "RUNNING", NULL };
	struct table t;
	size_t i;
	json_t *d;

	table_begin(&t, head);
	json_array_foreach(json_object_get(result, "differences"), i, d)
	{
		cell(&t, "%s", str(d, "what"));
		cell(&t, "%s", str(d, "key"));
		cell(&t, "%s", str(d, "file"));
		cell(&t, "%s", str(d, "running"));
	}
	table_end(&t, out, "nothing: what runs is what the file says");
}

void weirctl_print_changed(FILE *out, const json_t *result)
{
	size_t i;
	json_t *w;

	json_array_foreach(json_object_get(result, "warnings"), i, w)
		fprintf(out, "warning: %s\n", json_string_value(w));
	fprintf(out, "%lld keys changed\n", (long long)num(result, "changed"));
}
