// SPDX-License-Identifier: Apache-2.0
/*
 * Runs one probe from the command line, for scenarios: through a path of its own when
 * mode= is given.
 *
 *   probe_lab attach=eth0 mode=ipip4 dmac=02:..:0b src=10.0.0.1 dst=10.0.1.11 \
 *             kind=tcp to=203.0.113.10 port=80
 *   probe_lab detach=eth0
 *
 * Prints "ok: REASON", or the failure's name and its reason, and ends with 0 or 1.
 * steps=1 adds a line of times, repeat=N runs it N times and prints each.
 */
#include "bytes.h"
#include "http_status.h"
#include "probe.h"
#include "probe_datagram.h"
#include "probe_path.h"
#include "probe_settings.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct probe_conf conf = { .connect_timeout_ms = 300, .answer_timeout_ms = 300 };
static struct probe_target target;
static struct probe_route route;
static const char *attach[8], *detach[8];
static unsigned attach_count, detach_count, repeat = 1, failed;
static bool has_route, no_entry, has_kind, steps;

static void usage(const char *what)
{
	fprintf(stderr, "probe_lab: %s\n", what);
	exit(2);
}

static struct weir_addr address(const char *text)
{
	struct weir_addr a;

	if (weir_addr_parse(text, &a) < 0)
		usage(text);
	return a;
}

static void text(char *to, size_t len, const char *value)
{
	snprintf(to, len, "%s", value);
}
#define TEXT(field) text(field, sizeof(field), value)

static void bytes(struct probe_bytes *b, const char *value)
{
	char why[80];
	int n = bytes_parse(value, b->data, sizeof(b->data), why, sizeof(why));

	if (n < 0)
		usage(why);
	b->len = (uint16_t)n;
}

static void set_mode(const char *value)
{
	static const char *const names[] = { "l2", "ipip4", "ipip6", "gue4", "gue6" };

	for (unsigned i = 0; i < 5; i++)
		if (strcmp(value, names[i]) == 0) {
			route.mode = i;
			has_route = true;
			return;
		}
	usage("mode=l2|ipip4|ipip6|gue4|gue6");
}

static void set_kind(const char *value)
{
	if (strcmp(value, "https") == 0) {
		conf.kind = PROBE_HTTP;
		conf.http.https = has_kind = true;
		return;
	}
	for (unsigned i = 0; i < PROBE_KINDS; i++)
		if (strcmp(value, probe_kind_name(i)) == 0) {
			conf.kind = i;
			has_kind = true;
			return;
		}
	usage("no such kind");
}

/* The kind's own settings; kind= comes first. False: the key is not one of them. */
static bool set_kind_option(const char *key, const char *value)
{
	struct probe_tls_conf *tls = conf.kind == PROBE_TLS ? &conf.tls : &conf.http.tls;

	if (!strcmp(key, "send"))
		bytes(conf.kind == PROBE_UDP ? &conf.udp.send : &conf.tcp.send, value);
	else if (!strcmp(key, "expect"))
		bytes(conf.kind == PROBE_UDP ? &conf.udp.expect : &conf.tcp.expect, value);
	else if (!strcmp(key, "path"))
		TEXT(conf.http.path);
	else if (!strcmp(key, "host"))
		TEXT(conf.http.host);
	else if (!strcmp(key, "body"))
		bytes(&conf.http.body, value);
	else if (!strcmp(key, "status"))
		return http_status_parse(value, &conf.http) == 0;
	else if (!strcmp(key, "http2"))
		conf.http.version = PROBE_HTTP_2;
	else if (!strcmp(key, "sni"))
		TEXT(tls->server_name);
	else if (!strcmp(key, "alpn"))
		TEXT(tls->alpn);
	else if (!strcmp(key, "ca")) {
		tls->verify = true;
		TEXT(tls->ca_file);
	} else if (!strcmp(key, "qname"))
		TEXT(conf.dns.name);
	else if (!strcmp(key, "qtype"))
		conf.dns.type = dns_type_parse(value);
	else if (!strcmp(key, "answer"))
		conf.dns.expect = address(value);
	else if (!strcmp(key, "quic"))
		conf.quic.version = (uint32_t)strtoul(value, NULL, 0);
	else if (!strcmp(key, "command"))
		TEXT(conf.exec.command);
	else
		return false;
	return true;
}

static bool set_route_option(const char *key, const char *value)
{
	if (!strcmp(key, "mode"))
		set_mode(value);
	else if (!strcmp(key, "dmac"))
		return weir_mac_parse(value, route.dmac) == 0;
	else if (!strcmp(key, "smac"))
		return weir_mac_parse(value, route.smac) == 0;
	else if (!strcmp(key, "src"))
		route.outer_src = address(value);
	else if (!strcmp(key, "dst"))
		route.outer_dst = address(value);
	else if (!strcmp(key, "dev"))
		route.ifindex = if_nametoindex(value);
	else if (!strcmp(key, "mtu"))
		route.mtu = (uint16_t)atoi(value);
	else if (!strcmp(key, "vlan"))
		route.vlan = (uint16_t)atoi(value);
	else if (!strcmp(key, "gue"))
		route.gue_port = (uint16_t)atoi(value);
	else if (!strcmp(key, "entry"))
		no_entry = has_route = strcmp(value, "none") == 0;
	else if (!strcmp(key, "attach") && attach_count < 8)
		attach[attach_count++] = value;
	else if (!strcmp(key, "detach") && detach_count < 8)
		detach[detach_count++] = value;
	else
		return false;
	return true;
}

static bool set_option(const char *key, const char *value)
{
	if (!strcmp(key, "kind"))
		set_kind(value);
	else if (!strcmp(key, "to"))
		target.addr = address(value);
	else if (!strcmp(key, "port"))
		target.port = (uint16_t)atoi(value);
	else if (!strcmp(key, "from"))
		target.source = address(value);
	else if (!strcmp(key, "mark"))
		target.mark = (uint32_t)strtoul(value, NULL, 0);
	else if (!strcmp(key, "ttl"))
		target.ttl = (uint8_t)atoi(value);
	else if (!strcmp(key, "proxy"))
		target.proxy = (enum probe_proxy)atoi(value);
	else if (!strcmp(key, "timeout"))
		conf.connect_timeout_ms = conf.answer_timeout_ms = (uint32_t)atoi(value);
	else if (!strcmp(key, "padded"))
		conf.padded_mtu = (uint16_t)atoi(value);
	else if (!strcmp(key, "repeat"))
		repeat = (unsigned)atoi(value);
	else if (!strcmp(key, "steps"))
		steps = true;
	else
		return set_route_option(key, value) || set_kind_option(key, value);
	return true;
}

static void on_done(void *user, const struct probe_result *r)
{
	static const char *const names[PROBE_STEPS] = { "connected", "sent", "tls", "first" };

	(void)user;
	printf("%s: %s\n", probe_failure_name(r->failure), r->reason);
	failed += !r->ok;
	if (!steps)
		return;
	for (unsigned i = 0; i < PROBE_STEPS; i++)
		printf("%s=%u ", names[i], r->step_us[i]);
	printf("latency=%u cert_days=%d packet=%u text=%s\n", r->latency_us,
	       r->cert_days == PROBE_NO_CERT ? 0 : r->cert_days, r->packet_bytes, r->text);
}

static uint32_t interface(const char *name)
{
	uint32_t index = if_nametoindex(name);

	if (index == 0)
		usage(name);
	return index;
}

/* The path as asked for; the mark to use in target.mark. */
static struct probe_path *open_path(uv_loop_t *loop)
{
	struct probe_path *path;
	char why[200];

	if (probe_path_create(loop, &path, why, sizeof(why)) < 0)
		usage(why);
	for (unsigned i = 0; i < attach_count; i++)
		if (probe_path_attach(path, interface(attach[i]), why, sizeof(why)) < 0)
			usage(why);
	for (unsigned i = 0; i < detach_count; i++)
		if (probe_path_detach(path, interface(detach[i])) < 0)
			usage("detach failed");
	if (!has_route)
		return path;
	route.vip = target.addr;
	if (no_entry)
		target.mark = PROBE_MARK | 1;
	else if (probe_path_add(path, &route, &target.mark) < 0)
		usage("no such entry");
	return path;
}

int main(int argc, char **argv)
{
	struct probe_path *path = NULL;
	struct probe_ctx *ctx;
	struct probe *p;
	uv_loop_t loop;
	char why[200];

	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value == NULL)
			usage(argv[i]);
		*value++ = '\0';
		if (!set_option(argv[i], value))
			usage(argv[i]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	uv_loop_init(&loop);
	if (probe_ctx_create(&loop, &ctx) < 0)
		usage("no context");
	if (has_route || attach_count || detach_count)
		path = open_path(&loop);
	if (path)
		probe_ctx_hint(ctx, probe_path_hint, probe_path_left, path);
	if (has_kind && probe_prepare(ctx, &conf, why, sizeof(why)) < 0)
		usage(why);
	for (unsigned i = 0; has_kind && i < repeat; i++) {
		if (probe_start(ctx, &conf, &target, on_done, NULL, &p) < 0)
			usage("out of memory");
		while (probe_count(ctx) > 0)
			uv_run(&loop, UV_RUN_ONCE);
	}
	probe_ctx_destroy(ctx);
	if (path)
		probe_path_destroy(path);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) < 0)
		usage("a handle was left open");
	return failed != 0;
}
