// SPDX-License-Identifier: Apache-2.0
#include "cpus.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *cpus_text(const cpu_set_t *set, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int from = 0; from < CPU_SETSIZE && used < len; from++) {
		int to = from;

		if (!CPU_ISSET(from, set))
			continue;
		while (to + 1 < CPU_SETSIZE && CPU_ISSET(to + 1, set))
			to++;
		used += (size_t)snprintf(buf + used, len - used, to > from ? "%s%d-%d" : "%s%d",
					 used > 0 ? "," : "", from, to);
		from = to;
	}
	return buf;
}

int cpus_check(const struct dpconf *conf, cpu_set_t *rest)
{
	cpu_set_t may, left;
	char text[128];

	if (sched_getaffinity(0, sizeof(may), &may) < 0) {
		log_error("cpus: cannot learn which CPUs this process may use: %s",
			  strerror(errno));
		return -EINVAL;
	}
	left = may;
	for (uint32_t i = 0; i < conf->cpu_count; i++) {
		unsigned cpu = conf->cpus[i];

		if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &may)) {
			long count = sysconf(_SC_NPROCESSORS_CONF);

			log_error("cpus: %s CPU %u; this process may use %s",
				  cpu >= count ? "this machine has no" : "not allowed to use", cpu,
				  cpus_text(&may, text, sizeof(text)));
			return -EINVAL;
		}
		CPU_CLR(cpu, &left);
	}
	if (CPU_COUNT(&left) == 0) {
		log_warning("cpus: workers have every CPU this process may use (%s); "
			    "housekeeping will take time from them",
			    cpus_text(&may, text, sizeof(text)));
		left = may;
	}
	*rest = left;
	return 0;
}
