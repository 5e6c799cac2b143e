// SPDX-License-Identifier: Apache-2.0
/*
 * `device =` of a [port NAME] section: which kind it is, and how DPDK is told.
 */
#ifndef WEIR_DEVICE_H
#define WEIR_DEVICE_H

#include "dpconf.h"

#include <stddef.h>

enum device_kind {
	DEVICE_PCI,    /* "0000:3b:00.0": the port belongs to DPDK */
	DEVICE_AF_XDP, /* "af_xdp:eth0": the kernel keeps the interface */
	DEVICE_VDEV,   /* "net_pcap0,rx_pcap=in.pcap": any other DPDK device string */
};

enum device_kind device_kind(const char *device);

/* The interface of an af_xdp: device; NULL for other kinds. */
const char *device_iface(const char *device);

#define DEVICE_NAME_LEN 64

/* The name that DPDK knows port number `index` by, into buf[DEVICE_NAME_LEN];
 * returns buf. */
const char *device_name(const char *device, unsigned index, char *buf);

/*
 * The EAL argument that makes DPDK take the device of port number `index`, into
 * buf. For an af_xdp: device it looks at the interface: it must exist, and the
 * workers must cover its queues. Returns 0, or a negative errno with a sentence
 * logged that names the setting.
 */
int device_argument(const struct dp_port_conf *conf, unsigned index, unsigned workers, char *buf,
		    size_t len);

#endif /* WEIR_DEVICE_H */
