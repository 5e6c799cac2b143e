// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include "iface.h"
#include "log.h"
#include "steer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AF_XDP_PREFIX "af_xdp:"

/* "[dddd:]dd:dd.d", and what DPDK allows behind a comma. Sets *domain if given. */
static bool is_pci(const char *device, bool *domain)
{
	unsigned d, b, s, f;
	int n = 0;

	*domain = sscanf(device, "%4x:%2x:%2x.%1x%n", &d, &b, &s, &f, &n) == 4;
	if (!*domain && sscanf(device, "%2x:%2x.%1x%n", &b, &s, &f, &n) != 3)
		return false;
	return device[n] == '\0' || device[n] == ',';
}

enum device_kind device_kind(const char *device)
{
	bool domain;

	if (strncmp(device, AF_XDP_PREFIX, strlen(AF_XDP_PREFIX)) == 0)
		return DEVICE_AF_XDP;
	return is_pci(device, &domain) ? DEVICE_PCI : DEVICE_VDEV;
}

const char *device_iface(const char *device)
{
	return device_kind(device) == DEVICE_AF_XDP ? device + strlen(AF_XDP_PREFIX) : NULL;
}

const char *device_name(const char *device, unsigned index, char *buf)
{
	size_t bare = strcspn(device, ",");
	bool domain;

	if (device_kind(device) == DEVICE_AF_XDP)
		snprintf(buf, DEVICE_NAME_LEN, "net_af_xdp%u", index);
	else
		snprintf(buf, DEVICE_NAME_LEN, "%s%.*s",
			 is_pci(device, &domain) && !domain ? "0000:" : "", (int)bare, device);
	return buf;
}

/* Each worker needs a transmit queue of its own, and each receive queue a worker. */
static int check_queues(const struct dp_port_conf *conf, const char *iface, unsigned workers,
			struct iface_queues *q)
{
	unsigned covered = conf->rx_queues != 0 ? conf->rx_queues : workers;
	unsigned needed = conf->rx_queues > workers ? conf->rx_queues : workers;
	int err = iface_queues(iface, q);

	if (err < 0) {
		log_error("[port %s] device = %s: %s", conf->name, conf->device,
			  err == -ENODEV ? "there is no such network interface" : strerror(-err));
		return err;
	}
	if (q->rx > q->paired) {
		log_error("[port %s] device = %s: the interface receives by %u queues, of which "
			  "AF_XDP can have %u: `ethtool -L %s rx %u`",
			  conf->name, conf->device, q->rx, q->paired, iface, q->paired);
		return -EINVAL;
	}
	if (q->paired > covered) {
		log_error("[port %s] device = %s: the interface has %u queues and %u are covered: "
			  "`ethtool -L %s combined %u`, or rx_queues = %u to have workers poll "
			  "several",
			  conf->name, conf->device, q->paired, covered, iface, covered, q->paired);
		return -EINVAL;
	}
	if (q->paired < needed && q->most >= needed) {
		log_error("[port %s] device = %s: the interface has %u queues, and cpus and "
			  "rx_queues ask for %u: `ethtool -L %s combined %u`",
			  conf->name, conf->device, q->paired, needed, iface, needed);
		return -EINVAL;
	}
	if (q->paired < needed) {
		log_error("[port %s] device = %s: cpus and rx_queues ask for %u queues, as each "
			  "worker needs one to send by; the most that the interface can have: %u. "
			  "Name fewer cpus",
			  conf->name, conf->device, needed, q->most);
		return -EINVAL;
	}
	return 0;
}

static int af_xdp_argument(const struct dp_port_conf *conf, unsigned index, unsigned workers,
			   char *buf, size_t len)
{
	const char *iface = device_iface(conf->device);
	const char *object;
	struct iface_queues queues;
	int err = check_queues(conf, iface, workers, &queues);

	if (err < 0)
		return err;
	object = steer_object();
	if (object == NULL)
		return -ENOENT;
	snprintf(buf, len, "--vdev=net_af_xdp%u,iface=%s,queue_count=%u,xdp_prog=%s", index, iface,
		 queues.paired, object);
	return 0;
}

int device_argument(const struct dp_port_conf *conf, unsigned index, unsigned workers, char *buf,
		    size_t len)
{
	switch (device_kind(conf->device)) {
	case DEVICE_AF_XDP:
		return af_xdp_argument(conf, index, workers, buf, len);
	case DEVICE_PCI:
		snprintf(buf, len, "--allow=%s", conf->device);
		return 0;
	case DEVICE_VDEV:
		snprintf(buf, len, "--vdev=%s", conf->device);
		return 0;
	}
	return -EINVAL;
}
