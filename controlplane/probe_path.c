// SPDX-License-Identifier: Apache-2.0
#include "probe_path.h"

#include "icmp_about.h"
#include "probe.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEARD_PER_WAKE = 64 }; /* a flood of ICMP must not hold up the probes */

/* What this process knows of an entry, by its number (the mark's lower half). */
struct way {
	bool used;
	uint16_t next; /* in the list of free numbers; 0: the last */
	uint16_t mtu;
	struct weir_addr outer_dst; /* family 0: not tunnelled */
	uint8_t protocol;	    /* of the outer header */
	uint16_t port;		    /* that GUE is for; else 0 */
	uint64_t too_big_told;	    /* count.too_big when a hint last spoke of it */
	uint64_t heard_ns;	    /* uv_hrtime() of `heard`; 0: nothing was */
	struct icmp_about heard;
	struct weir_addr heard_by;
};

struct probe_path {
	struct probe_bpf *bpf;
	struct way *way;		/* PROBE_MAP_MAX + 1 */
	unsigned fresh;			/* numbers from here on were never used */
	uint16_t free_first, free_last; /* those given back, oldest first; 0: none */
	uv_poll_t icmp[2];
	int icmp_fd[2];
	unsigned open; /* uv handles */
	char hint[160];
};

/* -- entries ----------------------------------------------------------------------- */

static uint32_t mark_of(uint16_t number)
{
	return PROBE_MARK | number;
}

static uint16_t number_of(uint32_t mark)
{
	return (uint16_t)(mark & ~PROBE_MARK_MASK);
}

static void free_push(struct probe_path *p, uint16_t n)
{
	p->way[n] = (struct way){ 0 };
	if (p->free_last)
		p->way[p->free_last].next = n;
	else
		p->free_first = n;
	p->free_last = n;
}

static uint16_t free_pop(struct probe_path *p)
{
	uint16_t n = p->free_first;

	if (p->fresh <= PROBE_MAP_MAX)
		return (uint16_t)p->fresh++;
	if (n == 0)
		return 0;
	p->free_first = p->way[n].next;
	if (p->free_first == 0)
		p->free_last = 0;
	return n;
}

static uint8_t outer_family(enum probe_mode mode)
{
	switch (mode) {
	case PROBE_MODE_L2:
		return 0;
	case PROBE_MODE_IPIP4:
	case PROBE_MODE_GUE4:
		return 4;
	case PROBE_MODE_IPIP6:
	case PROBE_MODE_GUE6:
		return 6;
	}
	return UINT8_MAX;
}

static void copy_addr(__be32 to[4], const struct weir_addr *a)
{
	memset(to, 0, 16);
	memcpy(to, a->bytes, a->family == 6 ? 16 : 4);
}

static int entry_of(const struct probe_route *r, struct probe_entry *e)
{
	uint8_t outer = outer_family(r->mode);

	if ((r->vip.family != 4 && r->vip.family != 6) ||
	    (outer != 0 && (r->outer_src.family != outer || r->outer_dst.family != outer)))
		return -EINVAL;
	memset(e, 0, sizeof(*e));
	e->mode = r->mode;
	e->ifindex = r->ifindex;
	memcpy(e->dmac, r->dmac, 6);
	memcpy(e->smac, r->smac, 6);
	e->vlan = r->vlan;
	e->mtu = r->mtu;
	e->gue_port_be = htons(r->gue_port);
	e->vip_family = r->vip.family;
	copy_addr(e->vip_be, &r->vip);
	if (outer) {
		copy_addr(e->outer_src_be, &r->outer_src);
		copy_addr(e->outer_dst_be, &r->outer_dst);
	}
	return 0;
}

static bool is_gue(enum probe_mode mode)
{
	return mode == PROBE_MODE_GUE4 || mode == PROBE_MODE_GUE6;
}

static int entry_write(struct probe_path *p, uint32_t mark, const struct probe_route *r)
{
	struct probe_entry e;
	int err = entry_of(r, &e);

	if (err == 0)
		err = bpf_map__update_elem(p->bpf->maps.weir_entries, &mark, sizeof(mark), &e,
					   sizeof(e), BPF_ANY);
	if (err == 0) {
		struct way *w = &p->way[number_of(mark)];

		w->mtu = r->mtu;
		w->outer_dst = r->mode == PROBE_MODE_L2 ? (struct weir_addr){ 0 } : r->outer_dst;
		w->protocol = is_gue(r->mode)	   ? IPPROTO_UDP
			      : r->vip.family == 4 ? IPPROTO_IPIP
						   : IPPROTO_IPV6;
		w->port = is_gue(r->mode) ? r->gue_port : 0;
		w->heard_ns = 0;
	}
	return err;
}

int probe_path_add(struct probe_path *p, const struct probe_route *r, uint32_t *mark)
{
	const struct probe_count zero = { 0 };
	uint16_t n = free_pop(p);
	uint32_t m = mark_of(n);
	int err;

	if (n == 0)
		return -ENOSPC;
	err = bpf_map__update_elem(p->bpf->maps.weir_counts, &m, sizeof(m), &zero, sizeof(zero),
				   BPF_ANY);
	if (err == 0)
		err = entry_write(p, m, r);
	if (err) {
		bpf_map__delete_elem(p->bpf->maps.weir_counts, &m, sizeof(m), 0);
		free_push(p, n);
		return err;
	}
	p->way[n].used = true;
	*mark = m;
	return 0;
}

int probe_path_set(struct probe_path *p, uint32_t mark, const struct probe_route *r)
{
	return p->way[number_of(mark)].used ? entry_write(p, mark, r) : -ENOENT;
}

void probe_path_remove(struct probe_path *p, uint32_t mark)
{
	if (!p->way[number_of(mark)].used)
		return;
	bpf_map__delete_elem(p->bpf->maps.weir_entries, &mark, sizeof(mark), 0);
	bpf_map__delete_elem(p->bpf->maps.weir_counts, &mark, sizeof(mark), 0);
	free_push(p, number_of(mark));
}

static int count_read(const struct probe_path *p, uint32_t mark, struct probe_count *out)
{
	return bpf_map__lookup_elem(p->bpf->maps.weir_counts, &mark, sizeof(mark), out,
				    sizeof(*out), 0);
}

int probe_path_count(const struct probe_path *p, uint32_t mark, struct probe_path_count *out)
{
	struct probe_count c;
	int err = count_read(p, mark, &c);

	if (err == 0)
		*out = (struct probe_path_count){ c.carried, c.bytes, c.not_the_vip, c.too_big,
						  c.failed };
	return err;
}

enum probe_left probe_path_left(void *user, uint32_t mark, uint64_t since_ns)
{
	struct probe_path *p = user;
	struct probe_count c;

	/* Without an entry the hint says so. */
	if (!p->way[number_of(mark)].used || count_read(p, mark, &c) < 0 || c.last_ns >= since_ns)
		return PROBE_LEFT_CARRIED;
	return PROBE_LEFT_NOTHING;
}

/* -- what is heard ------------------------------------------------------------------ */

const char *probe_path_hint(void *user, uint32_t mark, uint64_t since_ns)
{
	struct probe_path *p = user;
	struct way *w = &p->way[number_of(mark)];
	struct probe_path_count c;

	if (!w->used)
		return "its mark has no entry: dropped on this host";
	if (probe_path_count(p, mark, &c) == 0 && c.too_big > w->too_big_told) {
		w->too_big_told = c.too_big;
		snprintf(p->hint, sizeof(p->hint),
			 "on this host: with its outer header it exceeds the MTU of %u towards the "
			 "backend",
			 w->mtu);
		return p->hint;
	}
	if (w->heard_ns > since_ns)
		return icmp_about_text(&w->heard, &w->heard_by, p->hint, sizeof(p->hint));
	return NULL;
}

/* Is it about what this entry sends? Another one's, or another program's, may go to the
 * same backend. */
static bool is_about(const struct icmp_about *m, const struct way *w)
{
	return w->used && weir_addr_equal(&w->outer_dst, &m->outer_dst) &&
	       w->protocol == m->protocol && (m->port == 0 || m->port == w->port);
}

static void hear(struct probe_path *p, const struct icmp_about *m, const struct weir_addr *by)
{
	uint64_t now = uv_hrtime();

	for (unsigned n = 1; n < p->fresh; n++) {
		struct way *w = &p->way[n];

		if (!is_about(m, w))
			continue;
		w->heard = *m;
		w->heard_by = *by;
		w->heard_ns = now;
	}
}

static void on_icmp(uv_poll_t *h, int status, int events)
{
	struct probe_path *p = h->data;
	bool v6 = h == &p->icmp[1];
	uint8_t packet[1500];

	(void)status, (void)events;
	for (unsigned i = 0; i < HEARD_PER_WAKE; i++) {
		struct sockaddr_in6 from = { 0 };
		socklen_t from_len = sizeof(from);
		struct weir_addr by = { .family = v6 ? 6 : 4 };
		struct icmp_about m;
		ssize_t n = recvfrom(p->icmp_fd[v6], packet, sizeof(packet), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_len);

		if (n < 0)
			return;
		if (v6)
			memcpy(by.bytes, &from.sin6_addr, 16);
		else
			memcpy(by.bytes, &((struct sockaddr_in *)&from)->sin_addr, 4);
		if (v6 ? icmp_about_read6(packet, (size_t)n, &m)
		       : icmp_about_read4(packet, (size_t)n, &m))
			hear(p, &m, &by);
	}
}

/* A raw socket that the kernel gives error messages only. */
static int icmp_open(bool v6)
{
	struct icmp_filter only4 = { .data = ~(1u << ICMP_DEST_UNREACH |
					       1u << ICMP_TIME_EXCEEDED) };
	struct icmp6_filter only6;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP),
	    err;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&only6);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &only6);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &only6);
	ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &only6);
	ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &only6);
	err = v6 ? setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only6, sizeof(only6))
		 : setsockopt(fd, SOL_RAW, ICMP_FILTER, &only4, sizeof(only4));
	if (err < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int listen_icmp(struct probe_path *p, uv_loop_t *loop)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		p->icmp_fd[v6] = icmp_open(v6);
		if (p->icmp_fd[v6] == -EAFNOSUPPORT && v6)
			continue; /* a host without IPv6 hears none */
		if (p->icmp_fd[v6] < 0)
			return p->icmp_fd[v6];
		uv_poll_init(loop, &p->icmp[v6], p->icmp_fd[v6]);
		p->icmp[v6].data = p;
		p->open++;
		uv_poll_start(&p->icmp[v6], UV_READABLE, on_icmp);
		/* Hearing is no reason to keep the loop running. */
		uv_unref((uv_handle_t *)&p->icmp[v6]);
	}
	return 0;
}

int probe_path_program(const struct probe_path *p)
{
	return bpf_program__fd(p->bpf->progs.weir_probe);
}

/* -- attach and detach ----------------------------------------------------------------- */

/* Is the program at our place ours? Without the right to ask, the place must do. */
static bool is_ours(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours;

	if (fd < 0)
		return true;
	ours = bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || strcmp(info.name, PROBE_PROGRAM) == 0;
	close(fd);
	return ours;
}

int probe_path_attach(struct probe_path *p, uint32_t ifindex, char *why, size_t why_len)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, there, .handle = PROBE_HANDLE, .priority = PROBE_PRIORITY);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, ours, .handle = PROBE_HANDLE, .priority = PROBE_PRIORITY,
			    .prog_fd = bpf_program__fd(p->bpf->progs.weir_probe));
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST) {
		snprintf(why, why_len, "no clsact qdisc can be added to interface %u: %s", ifindex,
			 strerror(-err));
		return err;
	}
	err = bpf_tc_query(&hook, &there);
	if (err == 0 && !is_ours(there.prog_id))
		err = -EEXIST;
	else if (err == 0 || err == -ENOENT || err == -EINVAL) { /* -EINVAL: no filter at all */
		ours.flags = err == 0 ? BPF_TC_F_REPLACE : 0;
		err = bpf_tc_attach(&hook, &ours);
	}
	if (err)
		snprintf(why, why_len,
			 err == -EEXIST || err == -EINVAL ? "tc egress priority %d of interface %u "
							    "is taken by another filter "
							    "(%s); see \"tc filter show\""
							  : "the filter of priority %d cannot be "
							    "attached to interface %u: %s",
			 PROBE_PRIORITY, ifindex, strerror(-err));
	return err;
}

bool probe_path_attached(uint32_t ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, there, .handle = PROBE_HANDLE, .priority = PROBE_PRIORITY);

	return bpf_tc_query(&hook, &there) == 0 && is_ours(there.prog_id);
}

int probe_path_detach(struct probe_path *p, uint32_t ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
			    .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = PROBE_HANDLE, .priority = PROBE_PRIORITY);
	int err = bpf_tc_query(&hook, &opts);

	(void)p;
	if (err == -ENOENT || err == -EINVAL) /* no such filter; not even a clsact qdisc */
		return 0;
	if (err || !is_ours(opts.prog_id))
		return err;
	opts.prog_fd = 0;
	opts.prog_id = 0;
	return bpf_tc_detach(&hook, &opts);
}

/* -- life -------------------------------------------------------------------------------- */

static void icmp_closed(uv_handle_t *h)
{
	struct probe_path *p = h->data;

	if (--p->open == 0)
		free(p);
}

static int no_message(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0; /* it warns of what is expected, such as a qdisc that exists */
}

int probe_path_create(uv_loop_t *loop, struct probe_path **out, char *why, size_t why_len)
{
	struct probe_path *p = calloc(1, sizeof(*p));
	int err;

	if (p == NULL)
		return -ENOMEM;
	p->icmp_fd[0] = p->icmp_fd[1] = -1;
	p->way = calloc(PROBE_MAP_MAX + 1, sizeof(*p->way));
	if (p->way == NULL) {
		free(p);
		return -ENOMEM;
	}
	p->fresh = 1; /* a mark without a number is not used */
	libbpf_set_print(no_message);
	p->bpf = probe_bpf__open_and_load();
	if (p->bpf == NULL) {
		err = -errno;
		snprintf(why, why_len,
			 "the kernel does not load the program that carries probes: %s",
			 strerror(-err));
		goto fail;
	}
	err = listen_icmp(p, loop);
	if (err) {
		snprintf(why, why_len, "cannot listen for ICMP errors: %s", strerror(-err));
		goto fail;
	}
	*out = p;
	return 0;

fail:
	probe_path_destroy(p);
	return err;
}

void probe_path_destroy(struct probe_path *p)
{
	bool handles = p->open > 0;

	for (unsigned v6 = 0; v6 < 2; v6++)
		if (p->icmp_fd[v6] >= 0) {
			if (p->icmp[v6].data) {
				uv_poll_stop(&p->icmp[v6]);
				uv_close((uv_handle_t *)&p->icmp[v6], icmp_closed);
			}
			close(p->icmp_fd[v6]);
		}
	probe_bpf__destroy(p->bpf);
	free(p->way);
	if (!handles)
		free(p);
}
