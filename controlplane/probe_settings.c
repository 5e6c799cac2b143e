// SPDX-License-Identifier: Apache-2.0
#include "probe_settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	DNS_LABEL_MAX = 63,
};

#define NAME(id, name) name,
static const char *const kind_names[] = { PROBE_KIND_LIST(NAME) };
static const char *const failure_names[] = { PROBE_FAILURE_LIST(NAME) };
#undef NAME

const char *probe_kind_name(enum probe_kind k)
{
	return (unsigned)k < PROBE_KINDS ? kind_names[k] : "unknown";
}

const char *probe_failure_name(enum probe_failure f)
{
	return (unsigned)f < PROBE_FAILURES ? failure_names[f] : "unknown";
}

/* -- notations ------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint16_t type;
} types[] = {
	{ "A", 1 },	{ "NS", 2 },	 { "CNAME", 5 }, { "SOA", 6 },	{ "PTR", 12 },
	{ "MX", 15 },	{ "TXT", 16 },	 { "AAAA", 28 }, { "SRV", 33 }, { "DNSKEY", 48 },
	{ "SVCB", 64 }, { "HTTPS", 65 }, { "ANY", 255 },
};

uint16_t dns_type_parse(const char *text)
{
	char *end;
	long n;

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(text, types[i].name) == 0)
			return types[i].type;
	n = strtol(text, &end, 10);
	return *text && !*end && n > 0 && n <= UINT16_MAX ? (uint16_t)n : 0;
}

const char *const dns_rcodes[DNS_RCODES] = { "NOERROR",  "FORMERR", "SERVFAIL",
					     "NXDOMAIN", "NOTIMP",  "REFUSED" };

int dns_rcode_parse(const char *text)
{
	char *end;
	long n;

	for (int i = 0; i < DNS_RCODES; i++)
		if (strcasecmp(text, dns_rcodes[i]) == 0)
			return i;
	n = strtol(text, &end, 10);
	return *text && !*end && n >= 0 && n <= 15 ? (int)n : -1;
}

size_t dns_name_wire(const char *name, uint8_t *out)
{
	size_t n = 0;

	if (strcmp(name, ".") == 0)
		name++;
	while (*name) {
		size_t label = strcspn(name, ".");

		if (label == 0 || label > DNS_LABEL_MAX || n + label + 2 > DNS_NAME_WIRE_MAX)
			return 0;
		out[n] = (uint8_t)label;
		memcpy(out + n + 1, name, label);
		n += label + 1;
		name += label;
		if (*name == '.')
			name++;
	}
	out[n] = 0;
	return n + 1;
}

unsigned alpn_wire(const char *list, uint8_t *out, size_t cap)
{
	size_t len = strlen(list), start = 0;

	if (len + 1 > cap)
		return 0;
	for (size_t i = 0; i <= len; i++) {
		if (list[i] != ',' && list[i] != '\0') {
			out[i + 1] = (uint8_t)list[i];
			continue;
		}
		if (i == start)
			return 0;
		out[start] = (uint8_t)(i - start);
		start = i + 1;
	}
	return (unsigned)len + 1;
}

int exec_split(const char *command, char *buf, size_t len, char **argv)
{
	bool quoted = false, in_word = false;
	char *end = buf + len;
	int n = 0;

	for (; *command; command++) {
		bool blank = !quoted && (*command == ' ' || *command == '\t');

		if (blank && in_word)
			*buf++ = '\0';
		if (blank) {
			in_word = false;
			continue;
		}
		if (!in_word) {
			if (n == EXEC_WORDS_MAX - 1)
				return -EINVAL;
			argv[n++] = buf;
			in_word = true;
		}
		if (*command == '"')
			quoted = !quoted;
		else if (buf < end - 1)
			*buf++ = *command;
		else
			return -EINVAL;
	}
	*buf = '\0';
	argv[n] = NULL;
	return n == 0 || quoted ? -EINVAL : n;
}

/* -- kind by kind ------------------------------------------------------------------ */

static int http_check(const struct probe_conf *c, char *why, size_t why_len)
{
	const struct probe_http_conf *h = &c->http;

	if (h->path[0] && h->path[0] != '/') {
		snprintf(why, why_len, "a path begins with \"/\"");
		return -EINVAL;
	}
	if (strpbrk(h->path, " \r\n#") || strpbrk(h->host, " \r\n/")) {
		snprintf(why, why_len, "no spaces, line ends or fragments in a path or host name");
		return -EINVAL;
	}
	if (h->body.len && strcmp(h->method, "HEAD") == 0) {
		snprintf(why, why_len, "the answer to HEAD has no body to match");
		return -EINVAL;
	}
	for (unsigned i = 0; i < PROBE_HEADERS_MAX; i++)
		if (h->header[i][0] &&
		    (!strchr(h->header[i], ':') || strpbrk(h->header[i], "\r\n"))) {
			snprintf(why, why_len, "a header is written \"Name: value\"");
			return -EINVAL;
		}
	return 0;
}

static int tls_check(const struct probe_conf *c, char *why, size_t why_len)
{
	uint8_t wire[sizeof(c->tls.alpn) + 1];

	if (c->tls.alpn[0] && alpn_wire(c->tls.alpn, wire, sizeof(wire)) == 0) {
		snprintf(why, why_len, "ALPN names are separated by single commas: h2,http/1.1");
		return -EINVAL;
	}
	return 0;
}

static int udp_check(const struct probe_conf *c, char *why, size_t why_len)
{
	if (c->udp.send.len && !c->padded_mtu)
		return 0;
	snprintf(why, why_len,
		 c->padded_mtu ? "a udp check cannot be padded: add a check of kind echo"
			       : "a udp check needs something to send: without an answer it "
				 "would show nothing");
	return -EINVAL;
}

static int dns_check(const struct probe_conf *c, char *why, size_t why_len)
{
	uint8_t name[DNS_NAME_WIRE_MAX];

	if (dns_name_wire(c->dns.name, name) == 0) {
		snprintf(why, why_len, "\"%s\" is no domain name", c->dns.name);
		return -EINVAL;
	}
	if (c->dns.expect.family &&
	    c->dns.type != (c->dns.expect.family == 6 ? DNS_TYPE_AAAA : DNS_TYPE_A)) {
		snprintf(why, why_len, "an expected address needs a query for %s",
			 c->dns.expect.family == 6 ? "AAAA" : "A");
		return -EINVAL;
	}
	return 0;
}

static int exec_check(const struct probe_conf *c, char *why, size_t why_len)
{
	char buf[PROBE_PATH_MAX], *argv[EXEC_WORDS_MAX];

	if (exec_split(c->exec.command, buf, sizeof(buf), argv) < 0) {
		snprintf(why, why_len, "the command needs 1 to %d words and quotes in pairs",
			 EXEC_WORDS_MAX - 1);
		return -EINVAL;
	}
	if (argv[0][0] != '/') {
		snprintf(why, why_len, "the command begins with an absolute path, not \"%s\"",
			 argv[0]);
		return -EINVAL;
	}
	for (unsigned i = 0; i < PROBE_HEADERS_MAX; i++)
		if (c->exec.env[i][0] && strchr(c->exec.env[i], '=') == NULL) {
			snprintf(why, why_len, "an environment entry is written NAME=value");
			return -EINVAL;
		}
	return 0;
}

static bool has_connect(enum probe_kind k)
{
	return k == PROBE_TCP || k == PROBE_HTTP || k == PROBE_TLS || k == PROBE_AGENT;
}

static int padding_check(const struct probe_conf *c, char *why, size_t why_len)
{
	if (c->padded_mtu == 0)
		return 0;
	if (c->kind == PROBE_TCP || c->kind == PROBE_AGENT || c->kind == PROBE_EXEC) {
		snprintf(why, why_len, "a %s check cannot be padded: add a check of kind echo",
			 probe_kind_name(c->kind));
		return -EINVAL;
	}
	if (c->padded_mtu < 1280 || c->padded_mtu > 9000) {
		snprintf(why, why_len, "the size of a padded packet is 1280 to 9000 bytes");
		return -EINVAL;
	}
	return 0;
}

int probe_settings_check(const struct probe_conf *c, char *why, size_t why_len)
{
	int err;

	if ((unsigned)c->kind >= PROBE_KINDS) {
		snprintf(why, why_len, "no such kind of check");
		return -EINVAL;
	}
	if (c->answer_timeout_ms == 0 || (has_connect(c->kind) && c->connect_timeout_ms == 0)) {
		snprintf(why, why_len, "the time limit must be at least 1 ms");
		return -EINVAL;
	}
	err = padding_check(c, why, why_len);
	if (err)
		return err;
	switch (c->kind) {
	case PROBE_HTTP:
		return http_check(c, why, why_len);
	case PROBE_TLS:
		return tls_check(c, why, why_len);
	case PROBE_UDP:
		return udp_check(c, why, why_len);
	case PROBE_DNS:
		return dns_check(c, why, why_len);
	case PROBE_EXEC:
		return exec_check(c, why, why_len);
	default:
		return 0;
	}
}
