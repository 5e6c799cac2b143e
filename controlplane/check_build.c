// SPDX-License-Identifier: Apache-2.0
#include "check_plan.h"

#include "bytes.h"
#include "http_status.h"
#include "probe_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *check_kind_word(uint32_t kind)
{
	static const char *const words[] = {
#define CHECK_KIND_WORD(id, word) word,
		CHECK_KIND_LIST(CHECK_KIND_WORD)
#undef CHECK_KIND_WORD
	};

	return kind < CHECK_KINDS ? words[kind] : "unknown";
}

/* -- which key is whose -------------------------------------------------------------- */

#define K(id)	 (1u << CHECK_KIND_##id)
#define K_HTTP	 (K(HTTP) | K(HTTPS))
#define K_TLS	 (K(HTTPS) | K(TLS))
#define K_STREAM (K(TCP) | K_HTTP | K(TLS))
#define K_PADDED (K_HTTP | K(TLS) | K(DNS) | K(STUN) | K(QUIC) | K(ECHO))

static const struct {
	const char *key;
	uint32_t kinds;
} uses[] = {
	{ "connect_timeout_ms", K_STREAM },
	{ "proxy", K_STREAM },
	{ "port", ~K(ECHO) },
	{ "vip", ~K(EXEC) },
	{ "ttl", ~K(EXEC) },
	{ "padded", K_PADDED },
	{ "padded_bytes", K_PADDED },
	{ "send", K(TCP) | K(UDP) },
	{ "expect", K(TCP) | K(UDP) },
	{ "expect_anywhere", K(TCP) },
	{ "http_version", K_HTTP },
	{ "method", K_HTTP },
	{ "path", K_HTTP },
	{ "host", K_HTTP },
	{ "headers", K_HTTP },
	{ "status", K_HTTP },
	{ "body", K_HTTP },
	{ "server_name", K_TLS },
	{ "verify", K_TLS },
	{ "ca_file", K_TLS },
	{ "alpn", K(TLS) },
	{ "query", K(DNS) },
	{ "query_type", K(DNS) },
	{ "rcode", K(DNS) },
	{ "empty_answer", K(DNS) },
	{ "answer", K(DNS) },
	{ "quic_version", K(QUIC) },
	{ "command", K(EXEC) },
	{ "environment", K(EXEC) },
};

bool check_uses(uint32_t kind, const char *key)
{
	for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (strcmp(uses[i].key, key) == 0)
			return kind < CHECK_KINDS && (uses[i].kinds & 1u << kind) != 0;
	return true;
}

/* -- values ------------------------------------------------------------------------ */

struct why {
	char *text;
	size_t len;
};

static int refuse(const struct why *w, const char *key, const char *sentence)
{
	snprintf(w->text, w->len, "%s: %s", key, sentence);
	return -EINVAL;
}

static int read_bytes(const char *key, const char *text, struct probe_bytes *out,
		      const struct why *w)
{
	char why[120];
	int n = bytes_parse(text, out->data, sizeof(out->data), why, sizeof(why));

	if (n < 0)
		return refuse(w, key, why);
	out->len = (uint16_t)n;
	return 0;
}

/* Lines with "\n" between them, each to a place of its own. */
static int read_lines(const char *key, const char *text, char (*out)[PROBE_PATH_MAX],
		      const struct why *w)
{
	uint8_t bytes[CHECK_TEXT_LEN];
	char why[120];
	int len = bytes_parse(text, bytes, sizeof(bytes) - 1, why, sizeof(why));
	char *at = (char *)bytes, *line;
	unsigned n = 0;

	if (len < 0)
		return refuse(w, key, why);
	bytes[len] = '\0';
	while ((line = strsep(&at, "\r\n")) != NULL) {
		if (line[0] == '\0')
			continue;
		if (n == PROBE_HEADERS_MAX || strlen(line) >= PROBE_PATH_MAX)
			return refuse(w, key, "at most 8 lines of 199 bytes fit");
		strcpy(out[n++], line);
	}
	return 0;
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

static void read_tls(const struct check_conf *c, struct probe_tls_conf *t)
{
	COPY(t->server_name, c->server_name);
	COPY(t->ca_file, c->ca_file);
	t->verify = c->verify;
}

static int read_http(const struct check_conf *c, struct probe_http_conf *h, const struct why *w)
{
	h->https = c->kind == CHECK_KIND_HTTPS;
	h->version = c->http_version == 1 ? PROBE_HTTP_2 : PROBE_HTTP_1_1;
	COPY(h->method, c->method);
	COPY(h->path, c->path);
	COPY(h->host, c->host);
	read_tls(c, &h->tls);
	switch (http_status_parse(c->status, h)) {
	case 0:
		break;
	case -ERANGE:
		return refuse(w, "status",
			      "no answer ends with a status of 1xx but 101: another follows "
			      "(RFC 9110, section 15.2)");
	default:
		return refuse(w, "status",
			      "up to 8 codes or ranges from 100 to 599 are right, "
			      "such as 200-299,301");
	}
	if (read_lines("headers", c->headers, h->header, w) < 0)
		return -EINVAL;
	return read_bytes("body", c->body, &h->body, w);
}

static int read_dns(const struct check_conf *c, struct probe_dns_conf *d, const struct why *w)
{
	int rcode = dns_rcode_parse(c->rcode);

	if (c->query[0] == '\0')
		return refuse(w, "query", "a dns check needs a name to ask for");
	COPY(d->name, c->query);
	d->type = dns_type_parse(c->query_type);
	if (d->type == 0)
		return refuse(w, "query_type", "a type such as A, AAAA or SOA, or its number");
	if (rcode < 0)
		return refuse(w, "rcode", "a code such as NOERROR or NXDOMAIN, or its number");
	d->rcode = (uint8_t)rcode;
	d->any_answer = c->empty_answer;
	d->expect = c->answer;
	return 0;
}

static int read_quic(const struct check_conf *c, struct probe_quic_conf *q, const struct why *w)
{
	char *end;
	unsigned long v;

	if (c->quic_version[0] == '\0')
		return 0;
	v = strtoul(c->quic_version, &end, 0);
	if (*end != '\0' || v == 0 || v > UINT32_MAX || c->quic_version[0] == '-')
		return refuse(w, "quic_version", "a number such as 1 or 0x6b3343cf is right");
	q->version = (uint32_t)v;
	return 0;
}

static int read_exec(const struct check_conf *c, struct probe_exec_conf *e, const struct why *w)
{
	if (c->command[0] == '\0')
		return refuse(w, "command", "an exec check needs a program to run");
	COPY(e->command, c->command);
	return read_lines("environment", c->environment, e->env, w);
}

static int read_kind(const struct check_conf *c, struct probe_conf *p, const struct why *w)
{
	switch ((enum check_kind)c->kind) {
	case CHECK_KIND_TCP:
		p->kind = PROBE_TCP;
		p->tcp.anywhere = c->expect_anywhere;
		if (read_bytes("send", c->send, &p->tcp.send, w) < 0)
			return -EINVAL;
		return read_bytes("expect", c->expect, &p->tcp.expect, w);
	case CHECK_KIND_HTTP:
	case CHECK_KIND_HTTPS:
		p->kind = PROBE_HTTP;
		return read_http(c, &p->http, w);
	case CHECK_KIND_TLS:
		p->kind = PROBE_TLS;
		read_tls(c, &p->tls);
		COPY(p->tls.alpn, c->alpn);
		return 0;
	case CHECK_KIND_UDP:
		p->kind = PROBE_UDP;
		if (read_bytes("send", c->send, &p->udp.send, w) < 0)
			return -EINVAL;
		return read_bytes("expect", c->expect, &p->udp.expect, w);
	case CHECK_KIND_DNS:
		p->kind = PROBE_DNS;
		return read_dns(c, &p->dns, w);
	case CHECK_KIND_STUN:
		p->kind = PROBE_STUN;
		return 0;
	case CHECK_KIND_QUIC:
		p->kind = PROBE_QUIC;
		return read_quic(c, &p->quic, w);
	case CHECK_KIND_ECHO:
		p->kind = PROBE_ECHO;
		return 0;
	case CHECK_KIND_EXEC:
		p->kind = PROBE_EXEC;
		return read_exec(c, &p->exec, w);
	case CHECK_KIND_NONE:
	case CHECK_KINDS:
		break;
	}
	return refuse(w, "kind", "\"none\" is no check: leave the section out");
}

int check_bytes(const char *text, struct probe_bytes *out)
{
	char why[200];

	return read_bytes("", text, out, &(struct why){ why, sizeof(why) });
}

uint32_t check_longest_ms(const struct probe_conf *c)
{
	switch (c->kind) {
	case PROBE_TCP:
		if (c->tcp.send.len == 0 && c->tcp.expect.len == 0)
			return c->connect_timeout_ms;
		return c->connect_timeout_ms + c->answer_timeout_ms;
	case PROBE_HTTP:
	case PROBE_TLS:
	case PROBE_AGENT:
		return c->connect_timeout_ms + c->answer_timeout_ms;
	default:
		return c->answer_timeout_ms;
	}
}

int check_build(const struct check_conf *c, struct probe_conf *probe, struct judge_conf *judge,
		char *why, size_t why_len)
{
	struct probe_conf p = { .connect_timeout_ms = c->connect_timeout_ms,
				.answer_timeout_ms = c->answer_timeout_ms,
				.padded_mtu = (uint16_t)(c->padded ? c->padded_bytes : 0) };
	const struct why w = { why, why_len };

	if (read_kind(c, &p, &w) < 0 || probe_settings_check(&p, why, why_len) < 0)
		return -EINVAL;
	*probe = p;
	*judge = (struct judge_conf){ .rise = c->rise,
				      .fall = c->fall,
				      .interval_ms = c->interval_ms,
				      .fast_interval_ms = c->fast_interval_ms,
				      .down_interval_ms = c->down_interval_ms,
				      .jitter_percent = c->jitter_percent };
	return 0;
}

void check_of_pool(const struct pool_conf *p, struct check_conf *out)
{
	*out = (struct check_conf){ 0 };
	conf_defaults(conf_opts, conf_opt_count, "check", out);
	COPY(out->name, check_kind_word(p->check.kind));
	out->kind = p->check.kind;
	out->via = p->check.via;
	out->port = p->check.port;
	out->interval_ms = p->check.interval_ms;
	out->connect_timeout_ms = p->check.timeout_ms;
	out->answer_timeout_ms = p->check.timeout_ms;
	out->rise = p->check.rise;
	out->fall = p->check.fall;
	out->line = p->line;
}
