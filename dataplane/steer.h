// SPDX-License-Identifier: Apache-2.0
/*
 * Steering of af_xdp: ports: which program is on the interface, and which VIPs it
 * hands to us. The program is bpf/steer.bpf.c; docs/steering.md has the whole.
 */
#ifndef WEIR_STEER_H
#define WEIR_STEER_H

#include "dpconf.h"
#include "worker.h"

/* Path of the compiled program: beside this executable in a build directory, else
 * where it is installed. NULL with a sentence logged: it is in neither place. The
 * next call writes over it. */
const char *steer_object(void);

/*
 * Before the driver opens the interface: claim it against a second data plane of
 * this network namespace, for the life of the process, and take off the program
 * that a killed one left behind. Nothing for ports of other kinds. Returns 0;
 * -EBUSY for an interface that is in use or that carries a program which is not
 * ours, or another negative errno, with a sentence logged.
 */
int steer_claim(const struct dp_port_conf *conf);

/* No snapshot takes more than this of a host's addresses away from the kernel. */
#define STEER_MIN_PREFIX4 8
#define STEER_MIN_PREFIX6 16

/* A VIP as the maps have it: comparable byte by byte, `flags` last. */
struct steer_vip {
	uint8_t family; /* 4 or 6 */
	uint8_t prefix_len;
	uint8_t addr[16];
	uint8_t flags; /* STEER_* */
};

struct steer {
	struct steer_port {
		const char *iface;
		bool any_mac;		/* promiscuous: frames for other machines as well */
		int vips4, vips6, link; /* maps of the program on the interface */
		int multicast;		/* socket that has the interface take all multicast */
	} port[WEIR_MAX_PORTS];
	unsigned port_count;					  /* af_xdp: ports alone */
	uint64_t generation;					  /* that the maps follow */
	struct steer_vip now[WEIR_MAX_VIPS], next[WEIR_MAX_VIPS]; /* sorted */
	unsigned now_count;
	bool failing; /* a map did not take a VIP: it is tried at every call */
	struct view view;
};

/* After the ports have started: find the maps of their programs, and have their
 * interfaces take multicast, which solicitations for VIPs come by. Returns 0, or a
 * negative errno with a sentence logged. */
int steer_open(struct steer *s, const struct dpconf *conf);
void steer_close(struct steer *s);

/* Now and then: frames for the MAC that the interface has by now are ours. */
void steer_watch(struct steer *s);

/*
 * Make the maps follow the snapshot that worker `w` has in force; cheap when they
 * do already. Needs no privilege. A VIP that is added is steered when this
 * returns, one that went goes to the kernel; what a map does not take is logged, and tried
 * again by the next call. Prefixes that could only be a mistake
 * (shorter than STEER_MIN_PREFIX4 and 6) are left to the kernel.
 */
void steer_follow(struct steer *s, const struct worker *w);

#endif /* WEIR_STEER_H */
