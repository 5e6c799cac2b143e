// SPDX-License-Identifier: Apache-2.0
#include "decap_frame.h"

#include "decap.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *const weir[2] = { "10.0.0.1", "2001:db8:1::1" };
const char *const backend[2] = { "10.0.0.2", "2001:db8:1::2" };
const char *const stranger[2] = { "192.0.2.1", "2001:db8:bad::1" };
const char *const client[2] = { "198.51.100.10", "2001:db8:c::10" };
const char *const vip[2] = { "203.0.113.10", "2001:db8:f::10" };
const char *const in_prefix[2] = { "203.0.113.130", "2001:db8:e::77" };
const char *const no_vip[2] = { "203.0.113.11", "2001:db8:f::11" };

static struct decap_bpf *skel;

static struct decap_addr key_of(const char *text)
{
	struct decap_addr a = { .family = strchr(text, ':') != NULL ? 6 : 4 };

	assert_int_equal(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.word_be), 1);
	return a;
}

static void prefix_put(const struct bpf_map *map, const char *text, unsigned len)
{
	struct decap_prefix key = { .len = DECAP_FAMILY_BITS + len, .addr = key_of(text) };
	const uint8_t present = 1;

	assert_int_equal(bpf_map__update_elem(map, &key, sizeof(key), &present, 1, 0), 0);
}

int decap_load(void **state)
{
	const uint8_t present = 1;

	(void)state;
	if (geteuid() != 0)
		return 0;
	skel = decap_bpf__open();
	assert_non_null(skel);
	skel->rodata->weir_gue_port = GUE_PORT;
	assert_int_equal(decap_bpf__load(skel), 0);
	prefix_put(skel->maps.weir_from, FROM_V4, FROM_V4_BITS);
	prefix_put(skel->maps.weir_from, FROM_V6, FROM_V6_BITS);
	prefix_put(skel->maps.weir_vips, VIPS_V4, VIPS_V4_BITS);
	prefix_put(skel->maps.weir_vips, VIPS_V6, VIPS_V6_BITS);
	for (unsigned i = 0; i < 2; i++) {
		struct decap_addr key = key_of(backend[i]);

		prefix_put(skel->maps.weir_vips, vip[i], i == 0 ? 32 : 128);
		assert_int_equal(bpf_map__update_elem(skel->maps.weir_local, &key, sizeof(key),
						      &present, 1, 0),
				 0);
	}
	return 0;
}

int decap_unload(void **state)
{
	(void)state;
	decap_bpf__destroy(skel);
	return 0;
}

/* -- frames ---------------------------------------------------------------------- */

void put(struct frame *f, const void *bytes, unsigned len)
{
	memcpy(f->at + f->len, bytes, len);
	f->len += len;
}

static void put8(struct frame *f, unsigned x)
{
	f->at[f->len++] = (uint8_t)x;
}

void put16(struct frame *f, unsigned x)
{
	put8(f, x >> 8);
	put8(f, x);
}

static void put_addr(struct frame *f, const char *text)
{
	struct decap_addr a = key_of(text);

	put(f, a.word_be, a.family == 4 ? 4 : 16);
}

uint16_t sum(const uint8_t *p, unsigned len)
{
	uint32_t s = 0;

	for (unsigned i = 0; i < len; i += 2)
		s += (uint32_t)p[i] << 8 | p[i + 1];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

static void put_v4(struct frame *f, const char *src, const char *dst, unsigned protocol,
		   unsigned tos, unsigned fragment, unsigned options, unsigned len)
{
	unsigned at = f->len, checksum;

	put8(f, 0x45 + options / 4);
	put8(f, tos);
	put16(f, 20 + options + len);
	put16(f, 0);
	put16(f, fragment);
	put8(f, 64);
	put8(f, protocol);
	put16(f, 0);
	put_addr(f, src);
	put_addr(f, dst);
	for (unsigned i = 0; i < options; i++)
		put8(f, 1); /* no operation */
	checksum = (uint16_t)~sum(f->at + at, 20 + options);
	f->at[at + 10] = (uint8_t)(checksum >> 8);
	f->at[at + 11] = (uint8_t)checksum;
}

/* With a fragment header for `fragment`, behind `options` bytes of destination options. */
static void put_v6(struct frame *f, const char *src, const char *dst, unsigned protocol,
		   unsigned tos, unsigned fragment, unsigned options, unsigned len)
{
	unsigned next = fragment != 0 ? 44 : protocol;

	put8(f, 0x60 | tos >> 4);
	put8(f, tos << 4);
	put16(f, 0x1234); /* flow label */
	put16(f, options + (fragment != 0 ? 8 : 0) + len);
	put8(f, options != 0 ? 60 : next);
	put8(f, 64);
	put_addr(f, src);
	put_addr(f, dst);
	if (options != 0) {
		put8(f, next);
		put8(f, options / 8 - 1);
		put8(f, 1); /* PadN */
		put8(f, options - 4);
		for (unsigned i = 4; i < options; i++)
			put8(f, 0);
	}
	if (fragment != 0) {
		put8(f, protocol);
		put8(f, 0);
		put16(f, fragment);
		put16(f, 0);
		put16(f, 77);
	}
}

static void put_ip(unsigned family, struct frame *f, const char *src, const char *dst,
		   unsigned protocol, unsigned tos, unsigned fragment, unsigned options,
		   unsigned len)
{
	(family == 0 ? put_v4 : put_v6)(f, src, dst, protocol, tos, fragment, options, len);
}

static void link_header(struct frame *f, unsigned family)
{
	*f = (struct frame){ .len = 12 }; /* addressed to lo, and from it */
	put16(f, family == 0 ? ETH_P_IP : ETH_P_IPV6);
}

void make_inner(const struct packet *p, struct frame *f, bool framed)
{
	if (framed)
		link_header(f, p->inner);
	put_ip(p->inner, f, client[p->inner], p->inner_dst ? p->inner_dst : vip[p->inner],
	       IPPROTO_UDP, p->inner_tos, 0, 0, 8 + p->payload);
	put16(f, 1234);
	put16(f, 4000);
	put16(f, 8 + p->payload);
	put16(f, 0xabcd);
	for (unsigned i = 0; i < p->payload; i++)
		put8(f, i);
}

void make(const struct packet *p, struct frame *f)
{
	unsigned inner = (p->inner == 0 ? 20 : 40) + 8 + p->payload;
	unsigned protocol = p->inner == 0 ? IPPROTO_IPIP : IPPROTO_IPV6;

	link_header(f, p->outer);
	put_ip(p->outer, f, p->src ? p->src : weir[p->outer], p->dst ? p->dst : backend[p->outer],
	       p->gue ? IPPROTO_UDP : protocol, p->outer_tos, p->fragment, p->options,
	       p->gue ? 12 + inner : inner);
	if (p->gue) {
		put16(f, 50000);
		put16(f, p->udp_port ? p->udp_port : GUE_PORT);
		put16(f, 12 + inner);
		put16(f, p->udp_checksum);
		put8(f, p->gue_bytes[0]);
		put8(f, protocol ^ p->gue_bytes[1]);
		put8(f, p->gue_bytes[2]);
		put8(f, p->gue_bytes[3]);
	}
	make_inner(p, f, false);
}

/* -- running --------------------------------------------------------------------- */

static void counts(uint64_t *out)
{
	int cpus = libbpf_num_possible_cpus();
	struct decap_count each[64];

	assert_in_range(cpus, 1, 64);
	for (uint32_t i = 0; i < DECAP_FATE_COUNT; i++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.weir_count), &i, each),
				 0);
		out[i] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			out[i] += each[cpu].packets;
	}
}

int run(const struct frame *in, struct frame *out, int *verdict)
{
	uint64_t before[DECAP_FATE_COUNT], after[DECAP_FATE_COUNT];
	int fate = NOT_COUNTED;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in->at, .data_size_in = in->len,
		    .data_out = out->at, .data_size_out = sizeof(out->at), .repeat = 1);

	if (skel == NULL) {
		print_message("needs root\n");
		skip();
	}
	counts(before);
	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.weir_decap), &o) < 0) {
		assert_int_equal(errno, EINVAL);
		return -1;
	}
	counts(after);
	for (unsigned i = 0; i < DECAP_FATE_COUNT; i++) {
		if (after[i] == before[i])
			continue;
		assert_int_equal(fate, NOT_COUNTED);
		assert_int_equal(after[i], before[i] + 1);
		fate = (int)i;
	}
	out->len = o.data_size_out;
	*verdict = (int)o.retval;
	return fate;
}

void assert_frame(const struct frame *got, const struct frame *wanted)
{
	assert_int_equal(got->len, wanted->len);
	assert_memory_equal(got->at, wanted->at, wanted->len);
}
