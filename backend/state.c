// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_VERSION 1
#define STATE_PREFIX  "backend-"

#define FIRST_NAMESPACE 1 /* cookie of the machine's own network namespace */

/* "" in the machine's own network namespace, else "@COOKIE". */
static void namespace_suffix(char *buf, size_t len)
{
	uint64_t cookie = FIRST_NAMESPACE;
	socklen_t size = sizeof(cookie);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	buf[0] = '\0';
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0 &&
	    cookie != FIRST_NAMESPACE)
		snprintf(buf, len, "@%llu", (unsigned long long)cookie);
	close(fd);
}

int state_path(const char *dir, const char *interface, char *path)
{
	char suffix[24];
	int n;

	namespace_suffix(suffix, sizeof(suffix));
	n = snprintf(path, STATE_PATH_LEN, "%s/" STATE_PREFIX "%s%s.json", dir, interface, suffix);
	return n < STATE_PATH_LEN ? 0 : -ENAMETOOLONG;
}

/* -- JSON ------------------------------------------------------------------------ */

static int sysctls_from_json(const json_t *array, struct state *out)
{
	const json_t *each;
	size_t i;

	if (json_array_size(array) > STATE_SYSCTLS)
		return -EINVAL;
	json_array_foreach(array, i, each)
	{
		struct state_sysctl *s = &out->sysctl[i];
		const char *name;

		if (json_unpack((json_t *)each, "{s:s, s:i, s:i}", "name", &name, "was", &s->was,
				"set", &s->set) < 0 ||
		    !sysctl_known(name, out->interface) || state_sysctl_find(out, name) >= 0)
			return -EINVAL;
		strcpy(s->name, name);
		out->sysctl_count++;
	}
	return 0;
}

static int routes_from_json(const json_t *array, struct state *out)
{
	const json_t *each;
	size_t i;

	if (json_array_size(array) > STATE_ROUTES)
		return -EINVAL;
	json_array_foreach(array, i, each)
	{
		struct state_route r = { 0 };
		json_int_t metric, was, set, old;
		const char *via;
		int family;

		if (json_unpack((json_t *)each, "{s:i, s:I, s:i, s:s, s:I, s:I, s:I}", "family",
				&family, "metric", &metric, "ifindex", &r.ifindex, "via", &via,
				"was", &was, "set", &set, "old", &old) < 0 ||
		    (family != 4 && family != 6) ||
		    (via[0] != '\0' && weir_addr_parse(via, &r.gateway) < 0))
			return -EINVAL;
		r.family = (uint8_t)family;
		r.metric = (uint32_t)metric;
		r.was = (uint32_t)was;
		r.set = (uint32_t)set;
		r.old = (uint32_t)old;
		out->route[out->route_count++] = r;
	}
	return 0;
}

static int vips_from_json(const json_t *array, struct prefix_list *out)
{
	const json_t *each;
	size_t i;

	json_array_foreach(array, i, each)
	{
		const char *text = json_string_value(each);
		struct weir_addr a;
		uint8_t len;
		int err;

		if (text == NULL || weir_prefix_parse(text, &a, &len) < 0)
			return -EINVAL;
		err = prefix_add(out, &a, len);
		if (err < 0 && err != -EEXIST)
			return err;
	}
	return 0;
}

int state_read(const char *path, struct state *out, char *why, size_t why_len)
{
	struct state s = { 0 };
	json_error_t error;
	json_t *root, *sysctls, *vips, *routes = NULL;
	const char *interface;
	int version, qdisc, err = -EINVAL;

	if (access(path, F_OK) < 0)
		return -errno;
	root = json_load_file(path, 0, &error);
	if (root == NULL) {
		snprintf(why, why_len, "%s", error.text);
		return -EINVAL;
	}
	if (json_unpack_ex(root, &error, 0, "{s:i, s:s, s:i, s:b, s:o, s:o, s?o}", "version",
			   &version, "interface", &interface, "ifindex", &s.ifindex, "qdisc",
			   &qdisc, "sysctls", &sysctls, "vips", &vips, "routes", &routes) < 0) {
		snprintf(why, why_len, "%s", error.text);
	} else if (version != STATE_VERSION) {
		snprintf(why, why_len, "version %d of another weir-backend, this one knows %d",
			 version, STATE_VERSION);
	} else {
		s.qdisc = qdisc;
		snprintf(s.interface, sizeof(s.interface), "%s", interface);
		err = sysctls_from_json(sysctls, &s);
		if (err == 0)
			err = vips_from_json(vips, &s.vips);
		if (err == 0)
			err = routes_from_json(routes, &s);
		if (err < 0)
			snprintf(why, why_len, "a sysctl, a VIP or a route in it is not right");
	}
	json_decref(root);
	if (err < 0)
		state_free(&s);
	else
		*out = s;
	return err;
}

static json_t *route_to_json(const struct state_route *r)
{
	char via[WEIR_ADDR_STRLEN];

	return json_pack("{s:i, s:I, s:i, s:s, s:I, s:I, s:I}", "family", r->family, "metric",
			 (json_int_t)r->metric, "ifindex", r->ifindex, "via",
			 r->gateway.family != 0 ? weir_addr_text(&r->gateway, via) : "", "was",
			 (json_int_t)r->was, "set", (json_int_t)r->set, "old", (json_int_t)r->old);
}

static json_t *state_to_json(const struct state *s)
{
	json_t *sysctls = json_array(), *vips = json_array(), *routes = json_array();
	char text[WEIR_PREFIX_STRLEN];

	for (unsigned i = 0; i < s->sysctl_count; i++)
		json_array_append_new(sysctls,
				      json_pack("{s:s, s:i, s:i}", "name", s->sysctl[i].name, "was",
						s->sysctl[i].was, "set", s->sysctl[i].set));
	for (unsigned i = 0; i < s->vips.count; i++)
		json_array_append_new(vips, json_string(prefix_text(&s->vips.item[i], text)));
	for (unsigned i = 0; i < s->route_count; i++)
		json_array_append_new(routes, route_to_json(&s->route[i]));
	return json_pack("{s:i, s:s, s:i, s:b, s:o, s:o, s:o}", "version", STATE_VERSION,
			 "interface", s->interface, "ifindex", s->ifindex, "qdisc", s->qdisc,
			 "sysctls", sysctls, "vips", vips, "routes", routes);
}

/* Where a new state is written before it takes the old one's name. */
static const char *path_new(const char *path, char *buf)
{
	snprintf(buf, STATE_PATH_LEN + 8, "%s.new", path);
	return buf;
}

int state_remove(const char *path)
{
	char temporary[STATE_PATH_LEN + 8];

	unlink(path_new(path, temporary));
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int state_write(const char *path, const struct state *s)
{
	char temporary[STATE_PATH_LEN + 8];
	json_t *root = state_to_json(s);
	int err = 0;

	if (root == NULL)
		return -ENOMEM;
	path_new(path, temporary);
	errno = 0;
	if (json_dump_file(root, temporary, JSON_INDENT(2)) < 0 || rename(temporary, path) < 0) {
		err = errno != 0 ? -errno : -EIO;
		unlink(temporary);
	}
	json_decref(root);
	return err;
}

/* -- several interfaces ---------------------------------------------------------- */

int state_sysctl_find(const struct state *s, const char *name)
{
	for (unsigned i = 0; i < s->sysctl_count; i++)
		if (strcmp(s->sysctl[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool state_route_same(const struct state_route *a, const struct state_route *b)
{
	return a->family == b->family && a->metric == b->metric && a->ifindex == b->ifindex &&
	       weir_addr_equal(&a->gateway, &b->gateway);
}

int state_route_find(const struct state *s, const struct state_route *r)
{
	for (unsigned i = 0; i < s->route_count; i++)
		if (state_route_same(&s->route[i], r))
			return (int)i;
	return -1;
}

static int claims_merge(const struct state *s, struct state *out)
{
	for (unsigned i = 0; i < s->sysctl_count; i++)
		if (strncmp(s->sysctl[i].name, "all/", 4) == 0 &&
		    state_sysctl_find(out, s->sysctl[i].name) < 0 &&
		    out->sysctl_count < STATE_SYSCTLS)
			out->sysctl[out->sysctl_count++] = s->sysctl[i];
	for (unsigned i = 0; i < s->route_count; i++)
		if (state_route_find(out, &s->route[i]) < 0 && out->route_count < STATE_ROUTES)
			out->route[out->route_count++] = s->route[i];
	for (unsigned i = 0; i < s->vips.count; i++)
		if (prefix_add(&out->vips, &s->vips.item[i].addr, s->vips.item[i].len) == -ENOMEM)
			return -ENOMEM;
	return 0;
}

/* The state at `path` is of another interface of the same namespace: their names
 * agree in all but the interface. */
static bool is_other(const struct state *s, const char *dir, const char *path, const char *own)
{
	char expected[STATE_PATH_LEN];

	return strcmp(path, own) != 0 && state_path(dir, s->interface, expected) == 0 &&
	       strcmp(path, expected) == 0;
}

int state_others(const char *dir, const char *path, struct state *out)
{
	struct state merged = { 0 }, s;
	char other[STATE_PATH_LEN], why[160];
	const struct dirent *entry;
	DIR *d = opendir(dir);
	int err = 0;

	while (d != NULL && err == 0 && (entry = readdir(d)) != NULL) {
		if (strncmp(entry->d_name, STATE_PREFIX, strlen(STATE_PREFIX)) != 0 ||
		    snprintf(other, sizeof(other), "%s/%s", dir, entry->d_name) >=
			    (int)sizeof(other) ||
		    state_read(other, &s, why, sizeof(why)) < 0)
			continue;
		if (is_other(&s, dir, other, path))
			err = claims_merge(&s, &merged);
		state_free(&s);
	}
	if (d != NULL)
		closedir(d);
	if (err < 0)
		state_free(&merged);
	else
		*out = merged;
	return err;
}

int state_lock(const char *dir)
{
	char path[STATE_PATH_LEN];
	int fd, err;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (snprintf(path, sizeof(path), "%s/backend.lock", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void state_free(struct state *s)
{
	prefix_free(&s->vips);
	*s = (struct state){ 0 };
}
