// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include "bpf/decap.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define VIP_V4_LEAST 8 /* bits of a prefix of VIPs */
#define VIP_V6_LEAST 16

const char *const settings_modes[] = { "ipip", "l2", "gue", NULL };
static const char *const mss_words[] = { "set", "leave", NULL };

/* vip and from may be given many times and go into lists, by settings_set(): their
 * rows have no field and no default, only a name and a meaning. */
const struct conf_opt settings_opts[] = {
	{ .section = "backend",
	  .key = "interface",
	  .type = CONF_STRING,
	  .def = "",
	  .offset = offsetof(struct settings, interface),
	  .least = 1,
	  .most = IFNAMSIZ,
	  .help = "network interface where Weir's packets arrive" },
	{ .section = "backend",
	  .key = "mode",
	  .type = CONF_ENUM,
	  .def = "ipip",
	  .offset = offsetof(struct settings, mode),
	  .choices = settings_modes,
	  .help = "how Weir sends: ipip (plain packets work too), gue (ipip works too) or l2" },
	{ .section = "backend",
	  .key = "gue_port",
	  .type = CONF_U16,
	  .def = "6080",
	  .offset = offsetof(struct settings, gue_port),
	  .least = 1,
	  .most = 65535,
	  .help = "UDP port of GUE" },
	{ .section = "backend",
	  .key = "mtu",
	  .type = CONF_U32,
	  .def = "",
	  .offset = offsetof(struct settings, mtu),
	  .least = 1280, /* RFC 8200, section 5 */
	  .most = 65535,
	  .unit = "bytes",
	  .help = "least MTU between Weir and this host; without it, the interface's" },
	{ .section = "backend",
	  .key = "mss",
	  .type = CONF_ENUM,
	  .def = "set",
	  .offset = offsetof(struct settings, mss),
	  .choices = mss_words,
	  .help = "set: have default routes announce an MSS that fits behind the outer header; "
		  "leave: touch no route" },
	{ .section = "backend",
	  .key = "vip",
	  .type = CONF_STRING,
	  .def = NULL,
	  .help = "address that clients connect to, or a prefix of such; once per VIP" },
	{ .section = "backend",
	  .key = "from",
	  .type = CONF_STRING,
	  .def = NULL,
	  .help = "prefix of Weir's outer source addresses; once per prefix" },
};
#define OPTS (sizeof(settings_opts) / sizeof(settings_opts[0]))
const unsigned settings_opt_count = OPTS;

void settings_init(struct settings *s)
{
	*s = (struct settings){ 0 };
	conf_defaults(settings_opts, settings_opt_count, "backend", s);
}

bool settings_unpack(const struct settings *s)
{
	return s->mode != SETTINGS_L2;
}

bool settings_family(const struct settings *s, uint8_t family)
{
	for (unsigned i = 0; i < s->vips.count; i++)
		if (s->vips.item[i].addr.family == family)
			return true;
	return false;
}

/* Addresses of ours that a client could connect to. */
static bool vip_usable(const struct weir_addr *a, uint8_t len)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[12] = { 0 };

	if (a->family == 4)
		return len >= VIP_V4_LEAST && a->bytes[0] != 0 && a->bytes[0] != 127 &&
		       a->bytes[0] < 224;
	/* No multicast, no link-local; not ::, ::1 or IPv4 in other clothes. */
	return len >= VIP_V6_LEAST && a->bytes[0] != 0xff &&
	       !(a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80) &&
	       memcmp(a->bytes, mapped, 12) != 0 && memcmp(a->bytes, zero, 12) != 0;
}

static int list_add(struct prefix_list *l, const struct weir_addr *a, uint8_t len, unsigned most,
		    char *why, size_t why_len)
{
	char text[WEIR_PREFIX_STRLEN];
	int err;

	prefix_text(&(struct prefix){ .addr = *a, .len = len }, text);
	if (l->count >= most) {
		snprintf(why, why_len, "%s is one too many: at most %u are right", text, most);
		return -EINVAL;
	}
	err = prefix_add(l, a, len);
	if (err == 0)
		return 0;
	snprintf(why, why_len, err == -EEXIST ? "%s is given twice" : "no memory for %s", text);
	return -EINVAL;
}

/* Says what is wrong with a prefix that weir_prefix_parse() did not take. */
static int prefix_refuse(int err, const char *value, const char *right, char *why, size_t why_len)
{
	if (err == -ERANGE)
		snprintf(why, why_len, "\"%s\" has address bits behind its length: %s is right",
			 value, right);
	else
		snprintf(why, why_len, "\"%s\" is not right: %s", value, right);
	return -EINVAL;
}

static int vip_add(struct settings *s, const char *value, char *why, size_t why_len)
{
	struct weir_addr a;
	uint8_t len;
	int err = weir_prefix_parse(value, &a, &len);

	if (err == 0 && !vip_usable(&a, len))
		err = -EINVAL;
	if (err < 0)
		return prefix_refuse(err, value,
				     "a unicast address such as 203.0.113.10 or 2001:db8::10, or a "
				     "prefix such as 203.0.113.0/28",
				     why, why_len);
	return list_add(&s->vips, &a, len, DECAP_MAX_VIPS, why, why_len);
}

static int from_add(struct settings *s, const char *value, char *why, size_t why_len)
{
	struct weir_addr a;
	uint8_t len;
	int err = weir_prefix_parse(value, &a, &len);

	if (err < 0)
		return prefix_refuse(err, value, "a prefix such as 10.0.0.0/24 or 2001:db8:1::/64",
				     why, why_len);
	return list_add(&s->from, &a, len, DECAP_MAX_FROM, why, why_len);
}

int settings_set(struct settings *s, const char *key, const char *value, char *why, size_t why_len)
{
	const struct conf_opt *o = conf_find(settings_opts, settings_opt_count, "backend", key);

	if (o == NULL)
		return -ENOENT;
	if (strcmp(key, "vip") == 0)
		return vip_add(s, value, why, why_len);
	if (strcmp(key, "from") == 0)
		return from_add(s, value, why, why_len);
	return conf_set(o, s, value, why, why_len);
}

/* -- the file ------------------------------------------------------------------ */

struct reading {
	struct settings *settings;
	const char *path;
	struct conf_errors *errors;
	int header;			   /* line; 0: not seen */
	const struct conf_opt *seen[OPTS]; /* keys that stand once ... */
	int line[OPTS];			   /* ... and where they did */
	unsigned seen_count;
};

/* A key that stands once: say so at the second. */
static bool repeated(struct reading *r, const char *key, int line)
{
	const struct conf_opt *o = conf_find(settings_opts, settings_opt_count, "backend", key);

	if (o == NULL || o->def == NULL)
		return false;
	for (unsigned i = 0; i < r->seen_count; i++) {
		if (r->seen[i] != o)
			continue;
		conf_error(r->errors, r->path, line, "[backend] %s: given already in line %d", key,
			   r->line[i]);
		return true;
	}
	r->seen[r->seen_count] = o;
	r->line[r->seen_count++] = line;
	return false;
}

static void key_read(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line)
{
	struct reading *r = user;
	char why[256];
	int err;

	if (strcmp(kind, "backend") != 0 || name[0] != '\0') {
		if (key == NULL)
			conf_error(r->errors, r->path, line,
				   "unknown section [%s%s%s]: only [backend] is right here", kind,
				   name[0] != '\0' ? " " : "", name);
		return;
	}
	if (key == NULL) {
		if (r->header != 0)
			conf_error(r->errors, r->path, line, "[backend]: given already in line %d",
				   r->header);
		else
			r->header = line;
		return;
	}
	if (repeated(r, key, line))
		return;
	err = settings_set(r->settings, key, value, why, sizeof(why));
	if (err == -ENOENT)
		conf_error(r->errors, r->path, line, "[backend] %s",
			   conf_unknown_key(settings_opts, settings_opt_count, "backend", key, why,
					    sizeof(why)));
	else if (err < 0)
		conf_error(r->errors, r->path, line, "[backend] %s: %s", key, why);
}

int settings_read(struct settings *s, const char *path, struct conf_errors *errors)
{
	struct reading r = { .settings = s, .path = path, .errors = errors };

	return conf_read(path, key_read, &r, errors);
}

int settings_check(const struct settings *s, bool whole, const char *where,
		   struct conf_errors *errors)
{
	unsigned before = errors->count;

	if (s->interface[0] == '\0')
		conf_error(errors, where, 0,
			   "\"interface\" is missing: the interface where Weir's packets arrive");
	else if (strcmp(s->interface, "lo") == 0 || strchr(s->interface, '/') != NULL)
		conf_error(errors, where, 0,
			   "interface \"%s\" is not right: the interface where "
			   "Weir's packets arrive",
			   s->interface);
	if (whole && s->vips.count == 0)
		conf_error(errors, where, 0,
			   "\"vip\" is missing: an address that clients connect to, once per VIP");
	if (whole && settings_unpack(s) && s->from.count == 0)
		conf_error(errors, where, 0,
			   "\"from\" is missing: the prefix of Weir's outer source "
			   "addresses, such as 10.0.0.0/24");
	return errors->count > before ? -EINVAL : 0;
}

void settings_free(struct settings *s)
{
	prefix_free(&s->vips);
	prefix_free(&s->from);
}
