// SPDX-License-Identifier: Apache-2.0
#include "iface.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

/* One question. Returns 0 or a negative errno. */
static int ask(const char *iface, unsigned long request, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	strncpy(r->ifr_name, iface, sizeof(r->ifr_name) - 1);
	if (ioctl(fd, request, r) < 0)
		err = -errno;
	close(fd);
	return err;
}

int iface_queues(const char *iface, struct iface_queues *out)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq r = { .ifr_data = (void *)&c };
	int err = ask(iface, SIOCETHTOOL, &r);
	unsigned rx = c.combined_count + c.rx_count;

	if (err < 0 && err != -EOPNOTSUPP)
		return err;
	/* Where no queues are paired the AF_XDP driver has the first. */
	*out = (struct iface_queues){
		.rx = rx != 0 ? rx : 1,
		.paired = c.combined_count != 0 ? c.combined_count : 1,
		.most = c.max_combined != 0 ? c.max_combined : 1,
	};
	return 0;
}

int iface_mtu(const char *iface)
{
	struct ifreq r = { .ifr_ifru = { { 0 } } };
	int err = ask(iface, SIOCGIFMTU, &r);

	return err < 0 ? err : r.ifr_mtu;
}

int iface_mac(const char *iface, uint8_t mac[6])
{
	struct ifreq r = { .ifr_ifru = { { 0 } } };
	int err = ask(iface, SIOCGIFHWADDR, &r);

	if (err == 0)
		memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return err;
}

int iface_running(const char *iface)
{
	struct ifreq r = { .ifr_ifru = { { 0 } } };
	int err = ask(iface, SIOCGIFFLAGS, &r);

	return err < 0 ? err : (r.ifr_flags & IFF_UP) != 0 && (r.ifr_flags & IFF_RUNNING) != 0;
}
