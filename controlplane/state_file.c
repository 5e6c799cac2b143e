// SPDX-License-Identifier: Apache-2.0
#include "state_file.h"

#include "clock.h"
#include "state_json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STATE_FORMAT  "weir-state"
#define STATE_VERSION 1
#define STATE_BYTES   (64 << 20) /* 16,384 backends twice are 12 MB */

void state_clock_now(struct state_clock *now)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	*now = (struct state_clock){ .boottime_ms = clock_ms(CLOCK_BOOTTIME),
				     .realtime_ms = clock_ms(CLOCK_REALTIME) };
	/* Without /proc the id stays empty: every start then counts as a new boot,
	 * which is right by the wall clock all the same. */
	if (f == NULL)
		return;
	if (fscanf(f, "%39s", now->boot_id) != 1)
		now->boot_id[0] = '\0';
	fclose(f);
}

void state_free(struct state *s)
{
	conf_free(s->file);
	conf_free(s->running);
	free(s->place);
	*s = (struct state){ 0 };
}

/* -- loading ------------------------------------------------------------------ */

/* Drain deadlines of an earlier boot, by the time that passed on the wall clock. */
static void deadlines_carry_over(struct conf *c, const struct state_clock *saved,
				 const struct state_clock *now)
{
	uint64_t passed =
		now->realtime_ms > saved->realtime_ms ? now->realtime_ms - saved->realtime_ms : 0;

	for (uint32_t i = 0; i < c->pool_count; i++) {
		for (uint32_t j = 0; j < c->pool[i].backend_count; j++) {
			uint64_t *deadline = &c->pool[i].backend[j].drain_deadline_ms;
			uint64_t left =
				*deadline > saved->boottime_ms ? *deadline - saved->boottime_ms : 0;

			if (*deadline == 0)
				continue;
			*deadline = now->boottime_ms + (left > passed ? left - passed : 0);
			if (*deadline == 0)
				*deadline = 1; /* 0 would mean "none" */
		}
	}
}

static int places_read(const json_t *j, struct state *s, char *why, size_t why_len)
{
	const json_t *places = json_object_get(j, "service_index");
	const char *name;
	json_t *index;

	if (!json_is_object(places) || json_object_size(places) > WEIR_MAX_SERVICES) {
		snprintf(why, why_len, "\"service_index\" is missing or no object");
		return -EINVAL;
	}
	s->place = calloc(json_object_size(places) + 1, sizeof(*s->place));
	if (s->place == NULL) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	json_object_foreach((json_t *)places, name, index)
	{
		struct service_place *p = &s->place[s->place_count];

		if (conf_name_check(name, why, why_len) < 0)
			return -EINVAL;
		if (!json_is_integer(index) || json_integer_value(index) < 0 ||
		    json_integer_value(index) >= WEIR_MAX_SERVICES) {
			snprintf(why, why_len, "the index of service %s is out of range", name);
			return -EINVAL;
		}
		snprintf(p->name, sizeof(p->name), "%s", name);
		p->index = (uint32_t)json_integer_value(index);
		s->place_count++;
	}
	return 0;
}

static int seed_read(const json_t *j, struct state *s, char *why, size_t why_len)
{
	const json_t *seed = json_object_get(j, "flow_seed");
	const char *text = json_string_value(seed);

	if (seed == NULL)
		return 0;
	if (text == NULL || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16) {
		snprintf(why, why_len, "\"flow_seed\" is not 16 hexadecimal digits");
		return -EINVAL;
	}
	s->flow_seed = strtoull(text, NULL, 16);
	s->has_seed = true;
	return 0;
}

static int state_read(const json_t *j, const struct state_clock *now, struct state *s,
		      const struct state_json_ctx *ctx)
{
	const json_t *boot = json_object_get(j, "boot_id");
	const json_t *boottime = json_object_get(j, "boottime_ms");
	const json_t *realtime = json_object_get(j, "realtime_ms");
	const char *format = json_string_value(json_object_get(j, "format"));
	struct state_clock saved;
	int err;

	if (format == NULL || strcmp(format, STATE_FORMAT) != 0) {
		snprintf(ctx->why, ctx->why_len, "it is no state file of weir-controlplane");
		return -EINVAL;
	}
	if (json_integer_value(json_object_get(j, "version")) != STATE_VERSION) {
		snprintf(ctx->why, ctx->why_len,
			 "it was written by another version (this one reads version %d)",
			 STATE_VERSION);
		return -EINVAL;
	}
	if (!json_is_string(boot) || !json_is_integer(boottime) || !json_is_integer(realtime)) {
		snprintf(ctx->why, ctx->why_len, "the time of writing is missing");
		return -EINVAL;
	}
	err = seed_read(j, s, ctx->why, ctx->why_len);
	if (err == 0)
		err = places_read(j, s, ctx->why, ctx->why_len);
	if (err < 0)
		return err;
	s->partial = json_is_true(json_object_get(j, "partial"));
	s->file = state_json_read(json_object_get(j, "file"), ctx);
	if (s->file != NULL)
		s->running = state_json_read(json_object_get(j, "running"), ctx);
	if (s->running == NULL)
		return -EINVAL;

	saved = (struct state_clock){ .boottime_ms = (uint64_t)json_integer_value(boottime),
				      .realtime_ms = (uint64_t)json_integer_value(realtime) };
	if (now->boot_id[0] == '\0' || strcmp(json_string_value(boot), now->boot_id) != 0)
		deadlines_carry_over(s->running, &saved, now);
	return 0;
}

/* Read and parse; NULL with *err and why. */
static json_t *json_get(const char *path, int *err, char *why, size_t why_len)
{
	/* Without O_NONBLOCK a start would wait for whoever writes into a FIFO. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	json_error_t jerr;
	struct stat st;
	json_t *j;
	FILE *f;

	if (fd < 0) {
		*err = -errno;
		snprintf(why, why_len, "it cannot be opened: %s", strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > STATE_BYTES) {
		*err = -EINVAL;
		snprintf(why, why_len, "no regular file, or larger than %d MB", STATE_BYTES >> 20);
		close(fd);
		return NULL;
	}
	f = fdopen(fd, "r"); /* json_loadfd() reads byte by byte */
	if (f == NULL) {
		*err = -errno;
		snprintf(why, why_len, "it cannot be read: %s", strerror(errno));
		close(fd);
		return NULL;
	}
	j = json_loadf(f, JSON_REJECT_DUPLICATES, &jerr);
	if (j == NULL) {
		*err = -EINVAL;
		snprintf(why, why_len, "line %d: %s", jerr.line, jerr.text);
	}
	fclose(f);
	return j;
}

/* Put the file where it harms nobody and the next one does not replace it, and complete the
 * sentence. */
static void move_aside(const char *path, const char *reason, char *why, size_t why_len)
{
	char bad[PATH_MAX];
	int n = snprintf(bad, sizeof(bad), "%s.bad", path);

	if (n >= (int)sizeof(bad) || rename(path, bad) < 0)
		snprintf(why, why_len, "%s: not used: %s; it cannot be moved aside: %s", path,
			 reason, strerror(errno));
	else
		snprintf(why, why_len, "%s: not used: %s; moved to %s", path, reason, bad);
}

int state_load(const char *path, const struct state_clock *now, struct state *out, char *why,
	       size_t why_len, struct conf_errors *warnings)
{
	char reason[320] = "";
	struct state_json_ctx ctx = { path, warnings, reason, sizeof(reason) };
	struct state s = { 0 };
	json_t *j;
	int err = 0;

	j = json_get(path, &err, reason, sizeof(reason));
	if (j != NULL)
		err = state_read(j, now, &s, &ctx);
	json_decref(j);
	if (err == 0) {
		*out = s;
		return 0;
	}
	state_free(&s);
	if (err != -ENOENT)
		move_aside(path, reason, why, why_len);
	return err;
}

/* -- saving ------------------------------------------------------------------- */

static json_t *state_make(const struct state_clock *now, const struct state *s)
{
	json_t *places = json_object(), *file = state_json_make(s->file);
	json_t *running = state_json_make(s->running), *j;
	char seed[17];
	bool good = places != NULL;

	for (uint32_t i = 0; good && i < s->place_count; i++)
		good = json_object_set_new(places, s->place[i].name,
					   json_integer(s->place[i].index)) == 0;
	if (!good) {
		json_decref(places);
		places = NULL; /* json_pack() below fails by it */
	}
	j = json_pack("{s:s, s:i, s:s, s:I, s:I, s:o, s:o, s:o}", "format", STATE_FORMAT, "version",
		      STATE_VERSION, "boot_id", now->boot_id, "boottime_ms",
		      (json_int_t)now->boottime_ms, "realtime_ms", (json_int_t)now->realtime_ms,
		      "service_index", places, "file", file, "running", running);
	snprintf(seed, sizeof(seed), "%016" PRIx64, s->flow_seed);
	if (j == NULL ||
	    (s->has_seed && json_object_set_new(j, "flow_seed", json_string(seed)) < 0) ||
	    (s->partial && json_object_set_new(j, "partial", json_true()) < 0)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int text_put(const char *path, const char *text)
{
	int fd, err;

	/* The same name each time: what a killed control plane left is overwritten. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = fchmod(fd, 0600) < 0 ? -errno : write_all(fd, text, strlen(text));
	if (err == 0)
		err = write_all(fd, "\n", 1);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && err == 0)
		err = -errno;
	return err;
}

/* The new name must be on the disk as well as the file. */
static int dir_sync(const char *path)
{
	char copy[PATH_MAX];
	int fd, err = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

int state_save(const char *path, const struct state_clock *now, const struct state *s, char *why,
	       size_t why_len)
{
	char temp[PATH_MAX], *text;
	json_t *j;
	int err;

	if (snprintf(temp, sizeof(temp), "%s.tmp", path) >= (int)sizeof(temp)) {
		snprintf(why, why_len, "state_file: the path is too long");
		return -ENAMETOOLONG;
	}
	/* As one text: jansson writes each name and space to a file by a call of its own. */
	j = state_make(now, s);
	text = j == NULL ? NULL : json_dumps(j, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	json_decref(j);
	if (text == NULL) {
		snprintf(why, why_len, "%s: cannot be written: out of memory", path);
		return -ENOMEM;
	}
	err = text_put(temp, text);
	free(text);
	if (err == 0 && rename(temp, path) < 0)
		err = -errno;
	if (err < 0)
		unlink(temp);
	else
		err = dir_sync(path);
	if (err < 0)
		snprintf(why, why_len, "%s: cannot be written: %s", path, strerror(-err));
	return err;
}
