// SPDX-License-Identifier: Apache-2.0
#include "decap.h"

#include "decap.skel.h"
#include "log.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool decap_verbose;

const char *decap_fate_name(unsigned fate)
{
#define DECAP_FATE_NAME(id, name, text) [DECAP_##id] = name,
	static const char *const names[] = { DECAP_FATES(DECAP_FATE_NAME) };
#undef DECAP_FATE_NAME

	return names[fate];
}

const char *decap_fate_text(unsigned fate)
{
#define DECAP_FATE_TEXT(id, name, text) [DECAP_##id] = text,
	static const char *const texts[] = { DECAP_FATES(DECAP_FATE_TEXT) };
#undef DECAP_FATE_TEXT

	return texts[fate];
}

static int libbpf_says(enum libbpf_print_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static int libbpf_says(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	/* It warns of much that is expected here, such as a qdisc that exists. */
	if (!decap_verbose || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

void decap_init(bool verbose)
{
	decap_verbose = verbose;
	libbpf_set_print(libbpf_says);
}

/* -- keys of the maps ------------------------------------------------------------ */

static struct decap_addr addr_to_key(const struct weir_addr *a)
{
	struct decap_addr key = { .family = a->family };

	memcpy(key.word_be, a->bytes, sizeof(key.word_be));
	return key;
}

static struct decap_prefix prefix_to_key(const struct prefix *p)
{
	return (struct decap_prefix){
		.len = DECAP_FAMILY_BITS + p->len,
		.addr = addr_to_key(&p->addr),
	};
}

static struct weir_addr addr_from_key(const struct decap_addr *key)
{
	struct weir_addr a = { .family = (uint8_t)key->family };

	memcpy(a.bytes, key->word_be, sizeof(a.bytes));
	return a;
}

static int addrs_write(const struct bpf_map *map, const struct prefix_list *l)
{
	const uint8_t present = 1;
	int err = 0;

	for (unsigned i = 0; err == 0 && i < l->count; i++) {
		struct decap_addr key = addr_to_key(&l->item[i].addr);

		err = bpf_map__update_elem(map, &key, sizeof(key), &present, sizeof(present), 0);
	}
	return err;
}

static int prefixes_write(const struct bpf_map *map, const struct prefix_list *l)
{
	const uint8_t present = 1;
	int err = 0;

	for (unsigned i = 0; err == 0 && i < l->count; i++) {
		struct decap_prefix key = prefix_to_key(&l->item[i]);

		err = bpf_map__update_elem(map, &key, sizeof(key), &present, sizeof(present), 0);
	}
	return err;
}

static int addrs_read(int fd, struct prefix_list *out)
{
	struct decap_addr key;
	int err = bpf_map_get_next_key(fd, NULL, &key);

	for (; err == 0; err = bpf_map_get_next_key(fd, &key, &key)) {
		struct weir_addr a = addr_from_key(&key);

		if (prefix_add_addr(out, &a) == -ENOMEM)
			return -ENOMEM;
	}
	return err == -ENOENT ? 0 : err;
}

static int prefixes_read(int fd, struct prefix_list *out)
{
	struct decap_prefix key;
	int err = bpf_map_get_next_key(fd, NULL, &key);

	for (; err == 0; err = bpf_map_get_next_key(fd, &key, &key)) {
		struct weir_addr a = addr_from_key(&key.addr);

		if (prefix_add(out, &a, (uint8_t)(key.len - DECAP_FAMILY_BITS)) == -ENOMEM)
			return -ENOMEM;
	}
	return err == -ENOENT ? 0 : err;
}

/* Sums over the CPUs. */
static int counts_read(int fd, struct decap_count *out)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct decap_count *each;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (each == NULL)
		return -ENOMEM;
	for (uint32_t fate = 0; err == 0 && fate < DECAP_FATE_COUNT; fate++) {
		err = bpf_map_lookup_elem(fd, &fate, each);
		for (int i = 0; err == 0 && i < cpus; i++) {
			out[fate].packets += each[i].packets;
			out[fate].bytes += each[i].bytes;
		}
	}
	free(each);
	return err;
}

/* -- find and read --------------------------------------------------------------- */

static int program_info(uint32_t id, struct bpf_prog_info *info)
{
	uint32_t len = sizeof(*info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, info, &len);
	close(fd);
	return err;
}

/* Descriptor of the map of program `id` that has this name, and its layout in *map, or
 * a negative errno. */
static int map_open(uint32_t id, const char *name, struct bpf_map_info *map)
{
	uint32_t map_id[16] = { 0 }, len;
	struct bpf_prog_info info = { .nr_map_ids = 16, .map_ids = (uintptr_t)map_id };
	int err = program_info(id, &info), fd;

	if (err < 0)
		return err;
	for (uint32_t i = 0; i < info.nr_map_ids && i < 16; i++) {
		len = sizeof(*map);
		fd = bpf_map_get_fd_by_id(map_id[i]);
		if (fd < 0)
			return fd;
		memset(map, 0, sizeof(*map));
		err = bpf_obj_get_info_by_fd(fd, map, &len);
		if (err == 0 && strcmp(map->name, name) == 0)
			return fd;
		close(fd);
		if (err < 0)
			return err;
	}
	return -ENOENT;
}

struct finding_filter {
	uint32_t id;
	struct host *others;
};

static int filter_seen(void *user, const struct netlink_filter *f)
{
	struct finding_filter *find = user;
	struct bpf_prog_info info = { 0 };
	struct host_filter *other;
	struct host *h = find->others;

	/* Without the right to ask for the program, priority and handle must do. */
	if (f->priority == DECAP_PRIORITY && f->handle == DECAP_HANDLE &&
	    (program_info(f->program_id, &info) < 0 || strcmp(info.name, DECAP_PROGRAM) == 0)) {
		find->id = f->program_id;
		return 0;
	}
	/* A u32 filter is listed once more for each of its hash tables. */
	if (h == NULL ||
	    (h->filter_count > 0 && h->filter[h->filter_count - 1].priority == f->priority &&
	     strcmp(h->filter[h->filter_count - 1].name, f->name) == 0))
		return 0;
	other = realloc(h->filter, (h->filter_count + 1) * sizeof(*other));
	if (other == NULL)
		return -ENOMEM;
	h->filter = other;
	other += h->filter_count++;
	*other = (struct host_filter){ .priority = f->priority };
	snprintf(other->name, sizeof(other->name), "%s", f->name);
	return 0;
}

int decap_find(struct mnl_socket *nl, int ifindex, uint32_t *id, struct host *others)
{
	struct finding_filter find = { .others = others };
	int err = netlink_filters(nl, ifindex, true, filter_seen, &find);

	if (err == 0)
		*id = find.id;
	return err;
}

static int map_read(uint32_t id, const char *name, uint32_t type, uint32_t key_size,
		    struct prefix_list *out, int (*reader)(int fd, struct prefix_list *out))
{
	struct bpf_map_info map;
	int fd = map_open(id, name, &map), err = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (map.type == type && map.key_size == key_size)
		err = reader(fd, out);
	close(fd);
	return err;
}

/* The constants of the program: what libbpf makes of its `const volatile` ones. */
static int gue_port_read(uint32_t id, uint16_t *out)
{
	struct decap_bpf__rodata constants = { 0 };
	const uint32_t zero = 0;
	struct bpf_map_info map;
	int fd = map_open(id, "decap_bp.rodata", &map), err = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* The map has no padding at its end. */
	if (map.value_size <= sizeof(constants) &&
	    (err = bpf_map_lookup_elem(fd, &zero, &constants)) == 0)
		*out = constants.weir_gue_port;
	close(fd);
	return err;
}

int decap_read(uint32_t id, struct host_decap *out)
{
	const uint32_t lpm = BPF_MAP_TYPE_LPM_TRIE;
	struct host_decap d = { .id = id };
	struct bpf_prog_info info = { 0 };
	struct bpf_map_info map;
	int err, fd;

	err = program_info(id, &info);
	d.loaded_s = info.load_time / 1000000000;
	if (err == 0)
		err = map_read(id, "weir_vips", lpm, sizeof(struct decap_prefix), &d.vips,
			       prefixes_read);
	if (err == 0)
		err = map_read(id, "weir_from", lpm, sizeof(struct decap_prefix), &d.from,
			       prefixes_read);
	if (err == 0)
		err = map_read(id, "weir_local", BPF_MAP_TYPE_HASH, sizeof(struct decap_addr),
			       &d.local, addrs_read);
	if (err == 0)
		err = gue_port_read(id, &d.gue_port);
	if (err == 0) {
		fd = map_open(id, "weir_count", &map);
		err = fd < 0 ? fd : counts_read(fd, d.count);
		if (fd >= 0)
			close(fd);
	}
	if (err < 0) {
		prefix_free(&d.vips);
		prefix_free(&d.local);
		prefix_free(&d.from);
		return err;
	}
	*out = d;
	return 0;
}

/* -- attach and detach ----------------------------------------------------------- */

/* Let the program to be loaded go on with the counters of the one that is there,
 * unless that came from a version whose map looks different. */
static int counts_inherit(struct bpf_map *map, uint32_t old_id)
{
	struct bpf_map_info info;
	int fd = map_open(old_id, bpf_map__name(map), &info), err = 0;

	if (fd < 0)
		return 0;
	if (info.type == bpf_map__type(map) && info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map))
		err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

/* Bytes in front of the IP header of what arrives on such an interface. */
static int link_header(unsigned type)
{
	return type == ARPHRD_ETHER ? ETH_HLEN : type == ARPHRD_NONE ? 0 : -EOPNOTSUPP;
}

int decap_attach(const struct host_link *link, const struct decap_lists *lists, uint32_t old_id,
		 uint32_t *id, char *why, size_t why_len)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = link->index,
			    .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = DECAP_HANDLE, .priority = DECAP_PRIORITY,
			    .flags = old_id != 0 ? BPF_TC_F_REPLACE : 0);
	struct decap_bpf *skel = decap_bpf__open();
	int err;

	if (skel == NULL) {
		err = -errno;
		snprintf(why, why_len, "the decapsulation program in this file is damaged: %s",
			 strerror(-err));
		return err;
	}
	if ((err = link_header(link->type)) < 0) {
		snprintf(why, why_len,
			 "an interface of type %u, which is neither Ethernet nor plain "
			 "IP",
			 link->type);
		goto out;
	}
	skel->rodata->weir_link_header = (uint32_t)err;
	skel->rodata->weir_gue_port = lists->gue_port;
	if (old_id != 0 && (err = counts_inherit(skel->maps.weir_count, old_id)) < 0) {
		snprintf(why, why_len, "the counters of program %u cannot be taken over: %s",
			 old_id, strerror(-err));
		goto out;
	}
	err = decap_bpf__load(skel);
	if (err < 0) {
		snprintf(why, why_len,
			 "the kernel does not load the decapsulation program: %s (--verbose says "
			 "more)",
			 strerror(-err));
		goto out;
	}
	if ((err = prefixes_write(skel->maps.weir_vips, lists->vips)) < 0 ||
	    (err = addrs_write(skel->maps.weir_local, lists->local)) < 0 ||
	    (err = prefixes_write(skel->maps.weir_from, lists->from)) < 0) {
		snprintf(why, why_len, "the maps of the decapsulation program cannot be filled: %s",
			 strerror(-err));
		goto out;
	}

	opts.prog_fd = bpf_program__fd(skel->progs.weir_decap);
	err = bpf_tc_attach(&hook, &opts);
	if (err < 0)
		snprintf(why, why_len,
			 err == -EEXIST || err == -EINVAL
				 ? "tc ingress priority %d is taken by another filter (%s); see "
				   "\"tc "
				   "filter show\""
				 : "the filter of priority %d cannot be attached: %s",
			 DECAP_PRIORITY, strerror(-err));
	else
		*id = opts.prog_id;
out:
	decap_bpf__destroy(skel);
	return err;
}

int decap_detach(int ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = DECAP_HANDLE, .priority = DECAP_PRIORITY);
	int err = bpf_tc_detach(&hook, &opts);

	return err == -ENOENT ? 0 : err;
}

int decap_qdisc_add(int ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);

	return bpf_tc_hook_create(&hook);
}

int decap_qdisc_del(int ifindex)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_destroy(&hook);
}
