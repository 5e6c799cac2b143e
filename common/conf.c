// SPDX-License-Identifier: Apache-2.0
/*
 * The option tables: how a value is read, written and refused. conf_read.c reads
 * the file, conf_section.c keeps track of a section.
 */
#include "conf.h"

#include "addr.h"
#include "bounds.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CPU_MOST 1023 /* CPU_SETSIZE of glibc, less one */

void conf_error(struct conf_errors *e, const char *file, int line, const char *fmt, ...)
{
	char *message = NULL, *whole = NULL;
	char **text;
	va_list ap;
	int n;

	if (e->count >= CONF_ERRORS_MAX)
		return;
	va_start(ap, fmt);
	n = vasprintf(&message, fmt, ap);
	va_end(ap);
	if (n >= 0 && e->count == CONF_ERRORS_MAX - 1)
		n = asprintf(&whole, "%s: more errors than fit here", file);
	else if (n >= 0 && line > 0)
		n = asprintf(&whole, "%s:%d: %s", file, line, message);
	else if (n >= 0)
		n = asprintf(&whole, "%s: %s", file, message);
	text = realloc(e->text, (e->count + 1) * sizeof(*text));
	if (n < 0 || text == NULL)
		abort(); /* to go on without the message would accept a wrong file */
	free(message);
	e->text = text;
	e->text[e->count++] = whole;
}

void conf_errors_free(struct conf_errors *e)
{
	for (unsigned i = 0; i < e->count; i++)
		free(e->text[i]);
	free(e->text);
	*e = (struct conf_errors){ 0 };
}

int conf_name_check(const char *name, char *why, size_t why_len)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name), good;

	if (len == 0 || len >= WEIR_NAME_LEN) {
		snprintf(why, why_len, "a name has 1 to %d characters, this one has %zu",
			 WEIR_NAME_LEN - 1, len);
		return -EINVAL;
	}
	for (good = 0; name[good] != '\0'; good++)
		if (!strchr(first, name[good]) && (good == 0 || !strchr("-_.", name[good])))
			break;
	if (good < len) {
		snprintf(why, why_len,
			 "\"%s\" is no name: letters, digits, \"-\", \"_\" and \".\" are right, "
			 "a letter or digit first",
			 name);
		return -EINVAL;
	}
	return 0;
}

/* Whole decimal number without sign or blanks; -1: it is none. */
static long number_parse(const char *text, size_t len)
{
	long n = 0;

	if (len == 0 || len > 10)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (text[i] - '0');
	}
	return n;
}

static int number_set(const struct conf_opt *o, void *field, const char *value, char *why,
		      size_t why_len)
{
	long n = number_parse(value, strlen(value));

	if (n < o->least || n > o->most) {
		snprintf(why, why_len, "\"%s\" is not right: a whole number from %ld to %ld%s%s",
			 value, o->least, o->most, o->unit ? " " : "", o->unit ? o->unit : "");
		return -EINVAL;
	}
	if (o->type == CONF_U16)
		*(uint16_t *)field = (uint16_t)n;
	else
		*(uint32_t *)field = (uint32_t)n;
	return 0;
}

static int bool_set(bool *field, const char *value, char *why, size_t why_len)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true" };

	for (unsigned i = 0; i < 6; i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*field = i & 1;
			return 0;
		}
	}
	snprintf(why, why_len, "\"%s\" is not right: yes or no", value);
	return -EINVAL;
}

static int enum_set(const struct conf_opt *o, uint32_t *field, const char *value, char *why,
		    size_t why_len)
{
	int n;

	for (uint32_t i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(value, o->choices[i]) == 0) {
			*field = i;
			return 0;
		}
	}
	n = snprintf(why, why_len, "\"%s\" is not right: ", value);
	for (unsigned i = 0; o->choices[i] != NULL && n >= 0 && (size_t)n < why_len; i++)
		n += snprintf(why + n, why_len - (size_t)n, "%s%s",
			      i == 0		  ? ""
			      : o->choices[i + 1] ? ", "
						  : " or ",
			      o->choices[i]);
	return -EINVAL;
}

static int proto_set(uint32_t *field, const char *value, char *why, size_t why_len)
{
	if (strcmp(value, "tcp") == 0) {
		*field = IPPROTO_TCP;
	} else if (strcmp(value, "udp") == 0) {
		*field = IPPROTO_UDP;
	} else {
		snprintf(why, why_len, "\"%s\" is not right: tcp or udp", value);
		return -EINVAL;
	}
	return 0;
}

static int string_set(const struct conf_opt *o, char *field, const char *value, char *why,
		      size_t why_len)
{
	size_t len = strlen(value);

	if ((long)len >= o->most) {
		snprintf(why, why_len, "%zu bytes long: at most %ld fit", len, o->most - 1);
		return -EINVAL;
	}
	if ((long)len < o->least) {
		snprintf(why, why_len, "must not be empty");
		return -EINVAL;
	}
	if (o->type == CONF_NAME && len > 0 && conf_name_check(value, why, why_len) < 0)
		return -EINVAL;
	memcpy(field, value, len + 1);
	return 0;
}

static int hex64_set(uint64_t *field, const char *value, char *why, size_t why_len)
{
	char *end;

	if (strlen(value) != 16 || strspn(value, "0123456789abcdefABCDEF") != 16) {
		snprintf(why, why_len, "\"%s\" is not right: 16 hexadecimal digits", value);
		return -EINVAL;
	}
	*field = strtoull(value, &end, 16);
	return 0;
}

/* "1-3,5": every CPU once, in the order given. */
static int cpus_set(const struct conf_opt *o, uint16_t *field, uint32_t *count, const char *value,
		    char *why, size_t why_len)
{
	uint16_t cpus[CPU_MOST + 1];
	bool used[CPU_MOST + 1] = { false };
	uint32_t n = 0;

	for (const char *p = value;; p++) {
		size_t len = strcspn(p, ","), dash = strcspn(p, "-,");
		long first = number_parse(p, dash);
		long last = dash < len ? number_parse(p + dash + 1, len - dash - 1) : first;

		if (first < 0 || last < first || last > CPU_MOST) {
			snprintf(why, why_len, "\"%s\" is no list of CPUs such as 1-3,5 (0 to %d)",
				 value, CPU_MOST);
			return -EINVAL;
		}
		for (long cpu = first; cpu <= last; cpu++) {
			if (used[cpu]) {
				snprintf(why, why_len, "CPU %ld stands twice in \"%s\"", cpu,
					 value);
				return -EINVAL;
			}
			used[cpu] = true;
			cpus[n++] = (uint16_t)cpu;
		}
		p += len;
		if (*p == '\0')
			break;
	}
	if ((long)n > o->most) {
		snprintf(why, why_len, "\"%s\" are %u CPUs: at most %ld are right", value, n,
			 o->most);
		return -EINVAL;
	}
	memcpy(field, cpus, n * sizeof(*cpus));
	*count = n;
	return 0;
}

/* "192.0.2.0/24" or one address. */
static int prefix_set(struct weir_addr *field, uint8_t *host_bits, const char *value, char *why,
		      size_t why_len)
{
	const char *slash = strchr(value, '/');
	char text[WEIR_PREFIX_STRLEN], prefix[WEIR_PREFIX_STRLEN];
	struct weir_addr a;
	uint8_t len;
	int err = weir_prefix_parse(value, &a, &len);

	if (err == -ERANGE) {
		snprintf(text, sizeof(text), "%.*s", (int)(slash - value), value);
		len = (uint8_t)strtoul(slash + 1, NULL, 10);
		if (weir_addr_parse(text, &a) == 0) {
			weir_addr_clear(&a, (uint8_t)(weir_addr_bits(&a) - len));
			len = (uint8_t)(weir_addr_bits(&a) - len);
			snprintf(why, why_len, "\"%s\" has bits behind its prefix: %s is right",
				 value, weir_prefix_text(&a, len, prefix));
		}
		return -EINVAL;
	}
	if (err < 0) {
		snprintf(why, why_len,
			 "\"%s\" is no address or prefix such as 192.0.2.1 or "
			 "192.0.2.0/24",
			 value);
		return -EINVAL;
	}
	*field = a;
	*host_bits = (uint8_t)(weir_addr_bits(&a) - len);
	return 0;
}

/* "": the option is not given. */
static void unset(const struct conf_opt *o, void *base)
{
	char *field = (char *)base + o->offset;

	switch (o->type) {
	case CONF_PREFIX:
		*((uint8_t *)base + o->offset2) = 0;
		/* fall through */
	case CONF_ADDR:
		*(struct weir_addr *)field = (struct weir_addr){ 0 };
		break;
	case CONF_MAC:
		memset(field, 0, 6);
		*((bool *)base + o->offset2) = false;
		break;
	case CONF_HEX64:
		*(uint64_t *)field = 0;
		*((bool *)base + o->offset2) = false;
		break;
	case CONF_U32:
	case CONF_ENUM:
	case CONF_PROTO:
		*(uint32_t *)field = 0;
		break;
	case CONF_U16:
		*(uint16_t *)field = 0;
		break;
	case CONF_CPUS:
		*(uint32_t *)((char *)base + o->offset2) = 0;
		break;
	case CONF_BOOL:
		*(bool *)field = false;
		break;
	case CONF_STRING:
	case CONF_NAME:
		*field = '\0';
		break;
	}
}

static bool can_be_unset(const struct conf_opt *o)
{
	return o->def != NULL && o->def[0] == '\0';
}

int conf_set(const struct conf_opt *o, void *base, const char *value, char *why, size_t why_len)
{
	char *field = (char *)base + o->offset, *field2 = (char *)base + o->offset2;

	if (value[0] == '\0' && can_be_unset(o)) {
		unset(o, base);
		return 0;
	}
	switch (o->type) {
	case CONF_U32:
	case CONF_U16:
		return number_set(o, field, value, why, why_len);
	case CONF_BOOL:
		return bool_set((bool *)field, value, why, why_len);
	case CONF_ENUM:
		return enum_set(o, (uint32_t *)field, value, why, why_len);
	case CONF_PROTO:
		return proto_set((uint32_t *)field, value, why, why_len);
	case CONF_STRING:
	case CONF_NAME:
		return string_set(o, field, value, why, why_len);
	case CONF_ADDR:
		if (weir_addr_parse(value, (struct weir_addr *)field) == 0)
			return 0;
		snprintf(why, why_len, "\"%s\" is no address such as 192.0.2.1", value);
		return -EINVAL;
	case CONF_PREFIX:
		return prefix_set((struct weir_addr *)field, (uint8_t *)field2, value, why,
				  why_len);
	case CONF_MAC:
		if (weir_mac_parse(value, (uint8_t *)field) == 0) {
			*(bool *)field2 = true;
			return 0;
		}
		snprintf(why, why_len, "\"%s\" is no unicast MAC address such as 02:00:5e:10:00:01",
			 value);
		return -EINVAL;
	case CONF_HEX64:
		if (hex64_set((uint64_t *)field, value, why, why_len) < 0)
			return -EINVAL;
		*(bool *)field2 = true;
		return 0;
	case CONF_CPUS:
		return cpus_set(o, (uint16_t *)field, (uint32_t *)field2, value, why, why_len);
	}
	return -EINVAL;
}

void conf_defaults(const struct conf_opt *opts, unsigned count, const char *section, void *base)
{
	char why[256];

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(opts[i].section, section) != 0 || opts[i].def == NULL)
			continue;
		if (conf_set(&opts[i], base, opts[i].def, why, sizeof(why)) < 0)
			abort(); /* a default that its own row refuses; test_conf_shipped.c looks */
	}
}

const struct conf_opt *conf_find(const struct conf_opt *opts, unsigned count, const char *section,
				 const char *key)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(opts[i].section, section) == 0 && strcmp(opts[i].key, key) == 0)
			return &opts[i];
	return NULL;
}

static void cpus_text(const uint16_t *cpu, uint32_t count, char *buf, size_t len)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0, last; i < count && n < len; i = last + 1) {
		for (last = i; last + 1 < count && cpu[last + 1] == cpu[last] + 1; last++)
			;
		n += (size_t)snprintf(buf + n, len - n, "%s%u", i ? "," : "", cpu[i]);
		if (last > i && n < len)
			n += (size_t)snprintf(buf + n, len - n, "-%u", cpu[last]);
	}
}

const char *conf_text(const struct conf_opt *o, const void *base, char *buf, size_t len)
{
	const char *field = (const char *)base + o->offset;
	const char *field2 = (const char *)base + o->offset2;
	char addr[WEIR_PREFIX_STRLEN];

	buf[0] = '\0';
	switch (o->type) {
	case CONF_U32:
		snprintf(buf, len, "%u", *(const uint32_t *)field);
		break;
	case CONF_U16:
		snprintf(buf, len, "%u", *(const uint16_t *)field);
		break;
	case CONF_BOOL:
		snprintf(buf, len, "%s", *(const bool *)field ? "yes" : "no");
		break;
	case CONF_ENUM:
		snprintf(buf, len, "%s", o->choices[*(const uint32_t *)field]);
		break;
	case CONF_PROTO:
		snprintf(buf, len, "%s", *(const uint32_t *)field == IPPROTO_TCP ? "tcp" : "udp");
		break;
	case CONF_STRING:
	case CONF_NAME:
		snprintf(buf, len, "%s", field);
		break;
	case CONF_ADDR:
		if (((const struct weir_addr *)field)->family != 0)
			snprintf(buf, len, "%s",
				 weir_addr_text((const struct weir_addr *)field, addr));
		break;
	case CONF_PREFIX:
		if (((const struct weir_addr *)field)->family != 0)
			snprintf(buf, len, "%s",
				 weir_prefix_text((const struct weir_addr *)field,
						  *(const uint8_t *)field2, addr));
		break;
	case CONF_MAC:
		if (*(const bool *)field2)
			snprintf(buf, len, "%s", weir_mac_text((const uint8_t *)field, addr));
		break;
	case CONF_HEX64:
		if (*(const bool *)field2)
			snprintf(buf, len, "%016llx", (unsigned long long)*(const uint64_t *)field);
		break;
	case CONF_CPUS:
		cpus_text((const uint16_t *)field, *(const uint32_t *)field2, buf, len);
		break;
	}
	return buf;
}
