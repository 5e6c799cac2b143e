// SPDX-License-Identifier: Apache-2.0
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>

static struct ifreq request(const char *name)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	strncpy(r.ifr_name, name, sizeof(r.ifr_name) - 1);
	return r;
}

/* `s`: any socket, for questions about interfaces. */
static int set_up(int s, const char *name, const uint8_t mac[6], uint16_t mtu)
{
	struct ifreq r = request(name);

	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, mac, 6);
	if (ioctl(s, SIOCSIFHWADDR, &r) < 0)
		return -errno;
	r = request(name);
	r.ifr_mtu = mtu;
	if (ioctl(s, SIOCSIFMTU, &r) < 0)
		return -errno;
	r = request(name);
	if (ioctl(s, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	r.ifr_flags |= IFF_UP;
	return ioctl(s, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

static int attach(int fd, const char *name)
{
	struct ifreq r = request(name);

	r.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &r) == 0)
		return 0;
	/* Another kind of interface has the name: the kernel says EINVAL. */
	return errno == EINVAL && if_nametoindex(name) != 0 ? -EBUSY : -errno;
}

int tap_open(const char *name, const uint8_t mac[6], uint16_t mtu, unsigned *ifindex)
{
	int fd, s, err;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = attach(fd, name);
	if (err < 0)
		goto err_close;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0) {
		err = -errno;
		goto err_close;
	}
	err = set_up(s, name, mac, mtu);
	close(s);
	if (err < 0)
		goto err_close;
	*ifindex = if_nametoindex(name);
	return fd;

err_close:
	close(fd);
	return err;
}

void tap_carrier(int fd, bool up)
{
	int carrier = up;

	(void)ioctl(fd, TUNSETCARRIER, &carrier); /* the kernel has none of its own to say */
}
