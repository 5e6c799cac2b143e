// SPDX-License-Identifier: Apache-2.0
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *sysctl_name(const char *interface, const char *key, char *buf)
{
	snprintf(buf, SYSCTL_NAME_LEN, "%s/%s", interface, key);
	return buf;
}

bool sysctl_known(const char *name, const char *interface)
{
	static const char *const keys[] = { "arp_ignore", "arp_announce", "rp_filter" };
	char known[SYSCTL_NAME_LEN];

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(name, sysctl_name(interface, keys[i], known)) == 0)
			return true;
		if (i < 2 && strcmp(name, sysctl_name("all", keys[i], known)) == 0)
			return true;
	}
	return false;
}

static int sysctl_open(const char *family, const char *name, int flags)
{
	char path[SYSCTL_NAME_LEN + 32];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s", family, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int number_read(int fd, int *out)
{
	char text[16], *end;
	ssize_t n;
	long value;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	text[n] = '\0';
	value = strtol(text, &end, 10);
	if (end == text)
		return -EINVAL;
	*out = (int)value;
	return 0;
}

int sysctl_get(const char *name, int *out)
{
	return number_read(sysctl_open("ipv4", name, O_RDONLY), out);
}

bool sysctl_ipv6_off(const char *interface)
{
	char name[SYSCTL_NAME_LEN];
	int off = 1;

	sysctl_name(interface, "disable_ipv6", name);
	return number_read(sysctl_open("ipv6", name, O_RDONLY), &off) < 0 || off != 0;
}

int sysctl_set(const char *name, int value)
{
	int fd = sysctl_open("ipv4", name, O_WRONLY);
	char text[16];
	int len, err = 0;

	if (fd < 0)
		return fd;
	len = snprintf(text, sizeof(text), "%d", value);
	if (write(fd, text, (size_t)len) != len)
		err = errno != 0 ? -errno : -EIO;
	close(fd);
	return err;
}
