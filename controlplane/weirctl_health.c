// SPDX-License-Identifier: Apache-2.0
/* `weirctl health` and `weirctl check` for people. */
#include "weirctl.h"
#include "weirctl_table.h"

#include <string.h>

enum { TIME_LEN = 21 };

/* "2025-03-01 03:12:45Z" of "2025-03-01T03:12:45.123Z", into buf[TIME_LEN]. */
static const char *time_text(const json_t *o, const char *member, char *buf)
{
	snprintf(buf, TIME_LEN, "%s", str(o, member));
	if (strlen(buf) == TIME_LEN - 1) {
		buf[10] = ' ';
		buf[19] = 'Z';
	}
	return buf;
}

static void print_protection(FILE *out, const json_t *p)
{
	if (yes(p, "panic"))
		fprintf(out,
			"PANIC: pool %s: %lld of %lld backends up, %lld needed: its checks are not "
			"believed, %lld backends keep the traffic\n",
			str(p, "name"), (long long)num(p, "up"), (long long)num(p, "eligible"),
			(long long)num(p, "needed"), (long long)num(p, "kept"));
	else if (yes(p, "backups"))
		fprintf(out, "pool %s: %lld of %lld backends up: its backups serve\n",
			str(p, "name"), (long long)num(p, "up"), (long long)num(p, "eligible"));
}

static const char *state_text(const json_t *b)
{
	if (yes(b, "kept"))
		return "down, kept";
	if (yes(b, "standby"))
		return strcmp(str(b, "health"), "up") == 0 ? "up, backup" : str(b, "health");
	return num(b, "held_s") > 0 ? "down, held" : str(b, "health");
}

static void check_row(struct table *t, const json_t *b, const json_t *k)
{
	const json_t *last = json_object_get(k, "last");
	const json_t *days = json_object_get(last, "certificate_days");
	char since[TIME_LEN];

	cell(t, "%s/%s", str(b, "pool"), str(b, "name"));
	cell(t, "%s", state_text(b));
	cell(t, "%s", time_text(b, "since", since));
	cell(t, "%s", str(k, "name"));
	if (json_is_object(last) && num(last, "latency_us") > 0)
		cell(t, "%.1f ms", (double)num(last, "latency_us") / 1000);
	else
		cell(t, "-");
	if (json_is_integer(days))
		cell(t, "%lld d", (long long)json_integer_value(days));
	else
		cell(t, "-");
	cell(t, "%s", json_is_object(last) ? str(last, "reason") : "first probe not ended yet");
}

static void backend_row(struct table *t, const json_t *b)
{
	char since[TIME_LEN];

	cell(t, "%s/%s", str(b, "pool"), str(b, "name"));
	cell(t, "%s", state_text(b));
	cell(t, "%s", time_text(b, "since", since));
	for (unsigned i = 0; i < 3; i++)
		cell(t, "-");
	cell(t, "%s", str(b, "reason"));
}

static void print_details(FILE *out, const json_t *b)
{
	const json_t *agent = json_object_get(b, "agent"), *h;
	char at[TIME_LEN];
	size_t i;

	fprintf(out, "\n%s/%s: %s\n", str(b, "pool"), str(b, "name"), str(b, "reason"));
	if (json_is_object(agent))
		fprintf(out, "agent: %lld %%, %s%s\n", (long long)num(agent, "percent"),
			str(agent, "admin"), yes(agent, "down") ? ", down" : "");
	json_array_foreach(json_object_get(b, "history"), i, h)
		fprintf(out, "%s  %-4s  %s\n", time_text(h, "time", at), str(h, "health"),
			str(h, "reason"));
}

void weirctl_print_health(FILE *out, const json_t *result)
{
	static const char *const head[] = { "BACKEND",	"HEALTH", "SINCE",  "CHECK",
					    ">LATENCY", ">CERT",  "RESULT", NULL };
	const json_t *backends = json_object_get(result, "backends"), *p, *b, *k;
	struct table t;
	size_t i, j;

	json_array_foreach(json_object_get(result, "pools"), i, p) print_protection(out, p);
	table_begin(&t, head);
	json_array_foreach(backends, i, b)
	{
		const json_t *checks = json_object_get(b, "checks");

		json_array_foreach(checks, j, k) check_row(&t, b, k);
		if (json_array_size(checks) == 0)
			backend_row(&t, b);
	}
	table_end(&t, out, "no backends");
	if (json_array_size(backends) == 1)
		print_details(out, json_array_get(backends, 0));
}

/* -- check -------------------------------------------------------------------- */

static void line(FILE *out, const char *what, const char *text)
{
	fprintf(out, "  %-14s%s\n", what, text);
}

static void print_way(FILE *out, const json_t *k)
{
	const json_t *hop = json_object_get(k, "next_hop");
	const json_t *encap = json_object_get(k, "encapsulation");
	char text[256];

	if (json_is_object(hop)) {
		if (yes(hop, "resolved"))
			snprintf(text, sizeof(text), "%s by port %s, VLAN %lld, MTU %lld",
				 str(hop, "mac"), str(hop, "port"), (long long)num(hop, "vlan"),
				 (long long)num(hop, "mtu"));
		else
			snprintf(text, sizeof(text), "none: %s", str(hop, "why"));
		line(out, "next hop", text);
	}
	if (json_is_object(encap)) {
		if (json_object_get(encap, "outer_source") != NULL)
			snprintf(text, sizeof(text), "%s, %s > %s, MTU %lld", str(encap, "mode"),
				 str(encap, "outer_source"), str(encap, "outer_destination"),
				 (long long)num(encap, "mtu"));
		else
			snprintf(text, sizeof(text), "none (l2), MTU %lld",
				 (long long)num(encap, "mtu"));
		line(out, "encapsulation", text);
	}
}

static void print_sent(FILE *out, const json_t *sent)
{
	char text[160];

	if (!json_is_object(sent))
		return;
	snprintf(text, sizeof(text), "%lld packets, %lld bytes%s%s%s",
		 (long long)num(sent, "packets"), (long long)num(sent, "bytes"),
		 num(sent, "too_big") > 0 ? "; dropped here: larger than the MTU" : "",
		 num(sent, "not_the_vip") > 0 ? "; dropped here: not for the VIP" : "",
		 num(sent, "failed") > 0 ? "; dropped here: no room for a header" : "");
	line(out, "sent", text);
}

/* NULL: the reason says who it was. */
static const char *who_answered(const json_t *k, const json_t *r)
{
	const char *failure = str(r, "failure");

	if (yes(r, "ok") || json_object_get(r, "connected_us") != NULL ||
	    json_object_get(r, "first_us") != NULL)
		return str(k, "to");
	if (strcmp(failure, "no-connection") == 0 || strcmp(failure, "no-answer") == 0)
		return "nobody";
	return NULL;
}

static void print_steps(FILE *out, const json_t *k, const json_t *r)
{
	const char *who = who_answered(k, r);
	static const struct {
		const char *member, *words;
	} step[] = { { "connected_us", "connected" },
		     { "sent_us", "request sent" },
		     { "tls_us", "TLS complete" },
		     { "first_us", "first byte" } };
	char text[320];

	for (unsigned i = 0; i < 4; i++) {
		if (json_object_get(r, step[i].member) == NULL)
			continue;
		snprintf(text, sizeof(text), "after %.2f ms",
			 (double)num(r, step[i].member) / 1000);
		line(out, step[i].words, text);
	}
	if (who != NULL)
		line(out, "answered by", who);
	if (json_is_integer(json_object_get(r, "certificate_days"))) {
		snprintf(text, sizeof(text), "%lld days left",
			 (long long)num(r, "certificate_days"));
		line(out, "certificate", text);
	}
	snprintf(text, sizeof(text), "%s: %s, after %.2f ms", str(r, "failure"), str(r, "reason"),
		 (double)num(r, "latency_us") / 1000);
	line(out, "result", text);
}

void weirctl_print_check(FILE *out, const json_t *result)
{
	const json_t *k;
	size_t i;

	json_array_foreach(json_object_get(result, "checks"), i, k)
	{
		fprintf(out, "%s/%s, check %s: %s to %s port %lld, %s\n", str(result, "pool"),
			str(result, "name"), str(k, "name"), str(k, "kind"), str(k, "to"),
			(long long)num(k, "port"),
			strcmp(str(k, "via"), "dsr") == 0 ? "the clients' way" : "directly");
		print_way(out, k);
		print_sent(out, json_object_get(k, "sent"));
		if (json_is_object(json_object_get(k, "result")))
			print_steps(out, k, json_object_get(k, "result"));
		else
			line(out, "no probe", str(k, "why"));
	}
}

int weirctl_check_code(const json_t *result)
{
	const json_t *k;
	size_t i;

	json_array_foreach(json_object_get(result, "checks"), i, k)
	{
		if (!yes(json_object_get(k, "result"), "ok"))
			return WEIRCTL_UNHEALTHY;
	}
	return WEIRCTL_OK;
}
