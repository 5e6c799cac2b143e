// SPDX-License-Identifier: Apache-2.0
#include "eal.h"

#include "cpus.h"
#include "device.h"
#include "log.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* rte_eal_init() keeps pointers into its arguments, and puts them in another order. */
#define ARGS_MAX (16 + WEIR_MAX_PORTS + DP_STRLEN / 2)
static struct {
	int count;
	char *arg[ARGS_MAX + 1];
	size_t used; /* bytes of `text` */
	char text[8192 + WEIR_MAX_PORTS * (DP_STRLEN + PATH_MAX)];
} args;

static void add(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *fmt, ...)
{
	char *to = args.text + args.used;
	size_t room = sizeof(args.text) - args.used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || args.count == ARGS_MAX)
		return;
	args.arg[args.count++] = to;
	args.used += (size_t)n + 1;
}

/* DPDK's log lines become ours. */
static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	uint32_t level = (uint32_t)rte_log_cur_msg_loglevel();
	size_t line = len;

	(void)cookie;
	while (line > 0 && text[line - 1] == '\n')
		line--;
	log_line(level <= RTE_LOG_ERR	    ? LOG_LVL_ERROR
		 : level == RTE_LOG_WARNING ? LOG_LVL_WARNING
					    : LOG_LVL_INFO,
		 "dpdk: %.*s", (int)line, text);
	return (ssize_t)len;
}

static int log_open(bool verbose)
{
	static const cookie_io_functions_t io = { .write = log_write };
	FILE *f = fopencookie(NULL, "w", io);

	if (f == NULL)
		return -ENOMEM;
	setvbuf(f, NULL, _IOLBF, 0);
	rte_openlog_stream(f);
	add("--log-level=*:%s", verbose ? "info" : "warning");
	/* EAL warns of every size of huge pages of which none is free. */
	if (!verbose)
		add("--log-level=lib.eal:error");
	return 0;
}

/* Bytes of huge pages, of all sizes, that nobody has or has been promised. */
static uint64_t huge_free(void)
{
	uint64_t sum = 0;
	glob_t dirs;

	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB", 0, NULL, &dirs) != 0)
		return 0;
	for (size_t i = 0; i < dirs.gl_pathc; i++) {
		unsigned long kb = 0, value[2] = { 0 };
		static const char *const names[] = { "free_hugepages", "resv_hugepages" };

		sscanf(strrchr(dirs.gl_pathv[i], '/'), "/hugepages-%lukB", &kb);
		for (int j = 0; j < 2; j++) {
			char path[PATH_MAX];
			FILE *f;

			snprintf(path, sizeof(path), "%s/%s", dirs.gl_pathv[i], names[j]);
			f = fopen(path, "re");
			if (f == NULL)
				continue;
			if (fscanf(f, "%lu", &value[j]) != 1)
				value[j] = 0;
			fclose(f);
		}
		if (value[0] > value[1])
			sum += (value[0] - value[1]) * kb * 1024;
	}
	globfree(&dirs);
	return sum;
}

/* DPDK does not have --in-memory with these; without files they are anyway, but for
 * the configuration that secondary processes would read. */
static void add_ordinary_pages(void)
{
	add("--no-huge");
	add("--no-shconf");
}

static int add_memory(const struct dpconf *conf)
{
	uint64_t free_mb = huge_free() >> 20;

	add("-m");
	add("%u", conf->memory_mb);
	add("--file-prefix=%s", conf->file_prefix);
	if (conf->huge_pages == DP_HUGE_NO) {
		add_ordinary_pages();
		return 0;
	}
	if (free_mb >= conf->memory_mb) {
		add("--in-memory");
		return 0;
	}
	if (conf->huge_pages == DP_HUGE_YES) {
		log_error("huge_pages = yes: memory_mb = %u, but only %lu MB of huge pages are "
			  "free: `sysctl vm.nr_hugepages=N` reserves N pages",
			  conf->memory_mb, (unsigned long)free_mb);
		return -ENOMEM;
	}
	log_warning("huge_pages = auto: only %lu MB of huge pages are free and memory_mb = %u: "
		    "using ordinary pages, which is slower",
		    (unsigned long)free_mb, conf->memory_mb);
	add_ordinary_pages();
	return 0;
}

static void add_lcores(const struct dpconf *conf, const cpu_set_t *rest)
{
	char text[64 + WEIR_MAX_WORKERS * 12], cpus[1024];
	size_t used;

	used = (size_t)snprintf(text, sizeof(text), "0@(%s)", cpus_text(rest, cpus, sizeof(cpus)));
	for (uint32_t i = 0; i < conf->cpu_count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ",%u@%u",
					 EAL_WORKER_LCORE(i), conf->cpus[i]);
	add("--lcores=%s", text);
	add("--main-lcore=0");
}

static bool has_pci;

static int add_devices(const struct dpconf *conf)
{
	char text[DP_STRLEN + PATH_MAX];

	/* A bond of PCI devices is no PCI device: `eal` names those it is made of. */
	has_pci = strstr(conf->eal, "-a ") != NULL || strstr(conf->eal, "--allow") != NULL;

	for (uint32_t i = 0; i < conf->port_count; i++) {
		int err = device_argument(&conf->port[i], i, conf->cpu_count, text, sizeof(text));

		if (err < 0)
			return err;
		add("%s", text);
		has_pci |= device_kind(conf->port[i].device) == DEVICE_PCI;
	}
	if (!has_pci)
		add("--no-pci");
	return 0;
}

static void add_extra(const struct dpconf *conf)
{
	char copy[DP_STRLEN], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", conf->eal);
	for (char *word = strtok_r(copy, " \t", &save); word != NULL;
	     word = strtok_r(NULL, " \t", &save))
		add("%s", word);
}

int eal_start(const struct dpconf *conf, bool verbose)
{
	cpu_set_t rest;
	int err = cpus_check(conf, &rest);

	if (err < 0)
		return err;
	add("weir-dataplane");
	err = log_open(verbose);
	if (err < 0)
		return err;
	add_lcores(conf, &rest);
	err = add_memory(conf);
	if (err < 0)
		return err;
	err = add_devices(conf);
	if (err < 0)
		return err;
	add("--no-telemetry");
	add_extra(conf);

	if (rte_eal_init(args.count, args.arg) < 0) {
		log_error("DPDK does not start: %s (memory_mb = %u, huge_pages, eal = %s)",
			  rte_strerror(rte_errno), conf->memory_mb, conf->eal);
		return -EIO;
	}
	/* Made for files that neither --in-memory nor --no-shconf has. */
	(void)rmdir(rte_eal_get_runtime_dir());
	return 0;
}

bool eal_has_pci(void)
{
	return has_pci;
}

void eal_stop(void)
{
	rte_eal_cleanup();
}
