// SPDX-License-Identifier: Apache-2.0
#include "steer.h"

#include "addr.h"
#include "bpf/steer_map.h"
#include "device.h"
#include "iface.h"
#include "log.h"
#include "successor.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cap-ng.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/if_packet.h>

/* As bpf/steer.bpf.c has them. */
#define PROGRAM "weir_steer"
#define OBJECT	"steer.bpf.o"

const char *steer_object(void)
{
	static char path[PATH_MAX + sizeof("/" OBJECT)];
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n > 0) {
		exe[n] = '\0';
		snprintf(path, sizeof(path), "%s/" OBJECT, dirname(exe));
		if (access(path, R_OK) == 0)
			return path;
	}
	if (access(WEIR_BPFDIR "/" OBJECT, R_OK) == 0)
		return WEIR_BPFDIR "/" OBJECT;
	log_error("the steering program " WEIR_BPFDIR "/" OBJECT " cannot be read: %s",
		  strerror(errno));
	return NULL;
}

static int bind_soon(int fd, const struct sockaddr_un *a, socklen_t len)
{
	unsigned tries = 0;

	while (bind(fd, (const struct sockaddr *)a, len) < 0) {
		int err = -errno;

		if (err != -EADDRINUSE || !successor_waits(&tries))
			return err;
	}
	return 0;
}

/* An abstract socket is per network namespace, as interfaces are, and the kernel
 * takes it back from a process that dies. */
static int lock(const struct dp_port_conf *conf, const char *iface)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "weir-dataplane/%s", iface);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	int err;

	if (fd < 0)
		return -errno;
	err = bind_soon(fd, &a, len);
	if (err == 0)
		return 0; /* open until the process ends */
	close(fd);
	if (err == -EADDRINUSE) {
		log_error("[port %s] device = %s: another weir-dataplane has this interface",
			  conf->name, conf->device);
		return -EBUSY;
	}
	return err;
}

/* The program on the interface, if any. Returns a descriptor with *info filled,
 * -ENOENT if there is none, or another negative errno. */
static int program_on(unsigned ifindex, struct bpf_prog_info *info)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	__u32 len = sizeof(*info);
	int fd, err = bpf_xdp_query((int)ifindex, 0, &q);

	if (err < 0)
		return err;
	if (q.attach_mode == XDP_ATTACHED_NONE)
		return -ENOENT;
	if (q.attach_mode == XDP_ATTACHED_MULTI) /* one in the driver, one in the kernel */
		return -EBUSY;
	fd = bpf_prog_get_fd_by_id(q.prog_id);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, info, &len);
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

/* CAP_SYS_ADMIN finds programs and maps by their ids, and includes CAP_BPF. */
static bool may_steer(void)
{
	capng_get_caps_process();
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW) &&
	       capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
}

int steer_claim(const struct dp_port_conf *conf)
{
	const char *iface = device_iface(conf->device);
	struct bpf_prog_info info = { 0 };
	unsigned ifindex;
	int fd, err;

	if (iface == NULL)
		return 0;
	ifindex = if_nametoindex(iface);
	if (ifindex == 0) {
		log_error("[port %s] device = %s: there is no such network interface", conf->name,
			  conf->device);
		return -ENODEV;
	}
	if (!may_steer()) {
		log_error("[port %s] device = %s: needs root (CAP_NET_ADMIN, CAP_NET_RAW and "
			  "CAP_SYS_ADMIN) to start",
			  conf->name, conf->device);
		return -EPERM;
	}
	err = lock(conf, iface);
	if (err == -EBUSY)
		return err;
	fd = err < 0 ? err : program_on(ifindex, &info);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0) {
		log_error("[port %s] device = %s: cannot look at the interface's XDP program: %s",
			  conf->name, conf->device, strerror(-fd));
		return fd;
	}
	close(fd);
	if (strcmp(info.name, PROGRAM) != 0) {
		log_error("[port %s] device = %s: the interface carries an XDP program \"%s\" that "
			  "is not ours: `ip link set %s xdp off` if nobody needs it",
			  conf->name, conf->device, info.name, iface);
		return -EBUSY;
	}
	err = bpf_xdp_detach((int)ifindex, 0, NULL);
	if (err < 0) {
		log_error("[port %s] device = %s: cannot take off the XDP program that an earlier "
			  "run left behind: %s",
			  conf->name, conf->device, strerror(-err));
		return err;
	}
	log_info("[port %s] took off the steering program that an earlier run left on %s",
		 conf->name, iface);
	return 0;
}

/* Descriptor of the map `name` among those of a program, or a negative errno. */
static int map_open(const __u32 *ids, __u32 count, const char *name)
{
	for (__u32 i = 0; i < count; i++) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return fd;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strcmp(info.name, name) == 0)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* The interface goes back to what it was when the socket is closed, or we die. */
static int take_multicast(const char *iface)
{
	struct packet_mreq all = { .mr_ifindex = (int)if_nametoindex(iface),
				   .mr_type = PACKET_MR_ALLMULTI };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: receives nothing */
	int err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int set_link(const struct steer_port *p)
{
	struct steer_link own = { .check_mac = !p->any_mac };
	const uint32_t only = 0;
	int err = iface_mac(p->iface, own.mac);

	return err < 0 ? err : bpf_map_update_elem(p->link, &only, &own, BPF_ANY);
}

static int open_port(struct steer_port *p)
{
	__u32 ids[8] = { 0 };
	struct bpf_prog_info info = { .nr_map_ids = 8, .map_ids = (uintptr_t)ids };
	int fd = program_on(if_nametoindex(p->iface), &info);

	if (fd < 0)
		return fd;
	close(fd);
	if (info.nr_map_ids > 8)
		return -E2BIG;
	p->vips4 = map_open(ids, info.nr_map_ids, "vips4");
	if (p->vips4 < 0)
		return p->vips4;
	p->vips6 = map_open(ids, info.nr_map_ids, "vips6");
	if (p->vips6 < 0)
		return p->vips6;
	p->link = map_open(ids, info.nr_map_ids, "link");
	if (p->link < 0)
		return p->link;
	p->multicast = take_multicast(p->iface);
	if (p->multicast < 0)
		return p->multicast;
	return set_link(p);
}

int steer_open(struct steer *s, const struct dpconf *conf)
{
	for (uint32_t i = 0; i < conf->port_count; i++) {
		const char *iface = device_iface(conf->port[i].device);
		struct steer_port *p = &s->port[s->port_count];
		int err;

		if (iface == NULL)
			continue;
		*p = (struct steer_port){ .iface = iface,
					  .any_mac = conf->port[i].promiscuous,
					  .vips4 = -1,
					  .vips6 = -1,
					  .link = -1,
					  .multicast = -1 };
		s->port_count++;
		err = open_port(p);
		if (err < 0) {
			log_error("[port %s] device = %s: cannot open the steering program's maps: "
				  "%s",
				  conf->port[i].name, conf->port[i].device, strerror(-err));
			steer_close(s);
			return err;
		}
	}
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void steer_close(struct steer *s)
{
	for (unsigned i = 0; i < s->port_count; i++) {
		close_if_open(s->port[i].vips4);
		close_if_open(s->port[i].vips6);
		close_if_open(s->port[i].link);
		close_if_open(s->port[i].multicast);
	}
	s->port_count = 0;
}

void steer_watch(struct steer *s)
{
	for (unsigned i = 0; i < s->port_count; i++)
		(void)set_link(&s->port[i]); /* an interface that has gone has no frames */
}

/* By the key alone: two entries of one key differ in flags at most. */
static int compare(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct steer_vip, flags));
}

/* The VIPs of a view, sorted, each once. The peer may write them meanwhile: what
 * is no address or prefix of a family, or too short a one, is left out. */
static unsigned collect(const struct view *v, struct steer_vip *out)
{
	unsigned n = 0, unique = 0;

	for (uint32_t i = 0; i < v->vip_count; i++) {
		struct weir_vip vip = v->vip[i];
		bool v4 = vip.family == 4 && vip.prefix_len >= STEER_MIN_PREFIX4 &&
			  vip.prefix_len <= 32;

		if (!v4 && !(vip.family == 6 && vip.prefix_len >= STEER_MIN_PREFIX6 &&
			     vip.prefix_len <= 128))
			continue;
		out[n] = (struct steer_vip){ .family = vip.family,
					     .prefix_len = vip.prefix_len,
					     .flags = vip.flags & WEIR_VIP_ARP ? STEER_ARP : 0 };
		memcpy(out[n++].addr, vip.addr, v4 ? 4 : 16);
	}
	qsort(out, n, sizeof(*out), compare);
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || compare(&out[i], &out[unique - 1]) != 0)
			out[unique++] = out[i];
	return unique;
}

/* In every map: set the VIP, or take it out. Returns 0 or the last error. */
static int set_or_delete(const struct steer *s, const struct steer_vip *vip, bool add)
{
	const struct steer_value value = { .flags = vip->flags };
	struct steer_key4 key4 = { .prefix_len = vip->prefix_len };
	struct steer_key6 key6 = { .prefix_len = vip->prefix_len };
	int err = 0;

	memcpy(key4.addr, vip->addr, sizeof(key4.addr));
	memcpy(key6.addr, vip->addr, sizeof(key6.addr));
	for (unsigned i = 0; i < s->port_count; i++) {
		int map = vip->family == 4 ? s->port[i].vips4 : s->port[i].vips6;
		const void *key = vip->family == 4 ? (const void *)&key4 : (const void *)&key6;
		int one = add ? bpf_map_update_elem(map, key, &value, BPF_ANY)
			      : bpf_map_delete_elem(map, key);

		if (one < 0 && one != -ENOENT)
			err = one;
	}
	return err;
}

/* On every port, or on none. */
static int set(const struct steer *s, const struct steer_vip *vip)
{
	int err = set_or_delete(s, vip, true);

	if (err < 0)
		(void)set_or_delete(s, vip, false);
	return err;
}

static void tell(struct steer *s, const struct steer_vip *vip, int err)
{
	struct weir_addr a = { .family = vip->family };
	char text[WEIR_PREFIX_STRLEN];

	memcpy(a.bytes, vip->addr, sizeof(a.bytes));
	if (!s->failing)
		log_error(
			"VIP %s cannot be steered, the kernel keeps its packets: %s; trying on",
			weir_prefix_text(&a, (uint8_t)(weir_addr_bits(&a) - vip->prefix_len), text),
			strerror(-err));
}

/* Make the maps hold next[count], of which those that failed are left out. Returns 0 or
 * the last error. */
static int follow(struct steer *s, unsigned count)
{
	unsigned i = 0, kept = 0;
	int err = 0;

	for (unsigned j = 0; i < s->now_count || j < count;) {
		int order = i == s->now_count ? 1
			    : j == count      ? -1
					      : compare(&s->now[i], &s->next[j]);
		int one = 0;

		if (order < 0)
			one = set_or_delete(s, &s->now[i], false);
		else if (order > 0 || s->now[i].flags != s->next[j].flags)
			one = set(s, &s->next[j]);
		if (one < 0) {
			err = one;
			tell(s, order < 0 ? &s->now[i] : &s->next[j], one);
		}
		if (order >= 0 && one == 0)
			s->next[kept++] = s->next[j];
		i += order <= 0;
		j += order >= 0;
	}
	memcpy(s->now, s->next, kept * sizeof(s->next[0]));
	s->now_count = kept;
	return err;
}

void steer_follow(struct steer *s, const struct worker *w)
{
	uint64_t seen = atomic_load_explicit(&w->area->seen_generation, memory_order_acquire);
	unsigned next;
	int err;

	if (s->port_count == 0 || seen == s->generation ||
	    table_view_copy(w, &s->view) != WEIR_REJECT_NONE)
		return;
	next = collect(&s->view, s->next);
	/* Has the worker moved on, so that these blocks may be written anew? */
	if (atomic_load_explicit(&w->area->seen_generation, memory_order_acquire) !=
	    s->view.generation)
		return;

	err = follow(s, next);
	if (err == 0)
		s->generation = s->view.generation;
	if (err == 0 && s->failing)
		log_info("every VIP is steered");
	s->failing = err < 0;
}
