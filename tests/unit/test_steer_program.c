// SPDX-License-Identifier: Apache-2.0
/*
 * The steering program as it is built, run by the kernel on single frames
 * (BPF_PROG_TEST_RUN). Needs root. A map of devices stands in for the map of
 * sockets, so that "to a worker" shows as XDP_REDIRECT without one.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VIP4   "203.0.113.10"
#define VIP6   "2001:db8::10"
#define OTHER4 "203.0.113.11"
#define OTHER6 "2001:db8::11"

static struct bpf_object *object;
static int program = -1;

static int load(void **state)
{
	const uint32_t queue = 0, lo = if_nametoindex("lo");
	const uint8_t present = 1;
	struct in_addr a4;
	struct in6_addr a6;

	(void)state;
	if (geteuid() != 0)
		return 0;
	object = bpf_object__open_file(STEER_OBJECT, NULL);
	assert_non_null(object);
	assert_int_equal(bpf_map__set_type(bpf_object__find_map_by_name(object, "xsks_map"),
					   BPF_MAP_TYPE_DEVMAP), 0);
	assert_int_equal(bpf_object__load(object), 0);
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "weir_steer"));
	inet_pton(AF_INET, VIP4, &a4);
	inet_pton(AF_INET6, VIP6, &a6);
	assert_int_equal(bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "vips4"), &a4,
					     &present, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "vips6"), &a6,
					     &present, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "xsks_map"),
					     &queue, &lo, 0), 0);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	bpf_object__close(object);
	return 0;
}

/* What the program says of a frame. */
static int verdict(const uint8_t *frame, uint32_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = len, .repeat = 1);

	if (program < 0) {
		print_message("needs root\n");
		skip();
	}
	assert_int_equal(bpf_prog_test_run_opts(program, &o), 0);
	return (int)o.retval;
}

/* A frame under construction. */
struct frame {
	uint8_t at[256];
	uint32_t len;
};

static void add16(struct frame *f, uint16_t x)
{
	f->at[f->len++] = (uint8_t)(x >> 8);
	f->at[f->len++] = (uint8_t)x;
}

static void link_header(struct frame *f)
{
	*f = (struct frame){ .len = 12 };
	f->at[0] = f->at[6] = 2;
}

static void ip4(struct frame *f, const char *dst, uint8_t protocol, uint16_t fragment)
{
	uint8_t *ip = f->at + f->len + 2;

	add16(f, ETH_P_IP);
	ip[0] = 0x45;
	ip[3] = 40;
	ip[6] = (uint8_t)(fragment >> 8);
	ip[7] = (uint8_t)fragment;
	ip[8] = 64;
	ip[9] = protocol;
	inet_pton(AF_INET, "192.0.2.1", ip + 12);
	inet_pton(AF_INET, dst, ip + 16);
	f->len += 40;
}

static void ip6(struct frame *f, const char *dst, uint8_t next)
{
	uint8_t *ip = f->at + f->len + 2;

	add16(f, ETH_P_IPV6);
	ip[0] = 0x60;
	ip[5] = 20;
	ip[6] = next;
	ip[7] = 64;
	inet_pton(AF_INET6, "2001:db8::1", ip + 8);
	inet_pton(AF_INET6, dst, ip + 24);
	f->len += 60;
}

static int verdict4(const char *dst, uint8_t protocol, uint16_t fragment)
{
	struct frame f;

	link_header(&f);
	ip4(&f, dst, protocol, fragment);
	return verdict(f.at, f.len);
}

static int verdict6(const char *dst, uint8_t next)
{
	struct frame f;

	link_header(&f);
	ip6(&f, dst, next);
	return verdict(f.at, f.len);
}

static void packets_to_a_vip_go_to_the_worker(void **state)
{
	(void)state;
	assert_int_equal(verdict4(VIP4, IPPROTO_TCP, 0), XDP_REDIRECT);
	assert_int_equal(verdict4(VIP4, IPPROTO_UDP, 0), XDP_REDIRECT);
	assert_int_equal(verdict6(VIP6, IPPROTO_TCP), XDP_REDIRECT);
}

/* First, middle and last: more fragments, offset and more, offset alone. */
static void all_fragments_to_a_vip_go_with_them(void **state)
{
	(void)state;
	assert_int_equal(verdict4(VIP4, IPPROTO_UDP, 0x2000), XDP_REDIRECT);
	assert_int_equal(verdict4(VIP4, IPPROTO_UDP, 0x2010), XDP_REDIRECT);
	assert_int_equal(verdict4(VIP4, IPPROTO_UDP, 0x0020), XDP_REDIRECT);
	assert_int_equal(verdict6(VIP6, IPPROTO_FRAGMENT), XDP_REDIRECT);
}

static void icmp_to_a_vip_goes_with_them(void **state)
{
	(void)state;
	assert_int_equal(verdict4(VIP4, IPPROTO_ICMP, 0), XDP_REDIRECT);
	assert_int_equal(verdict6(VIP6, IPPROTO_ICMPV6), XDP_REDIRECT);
}

static void what_is_for_others_stays_with_the_kernel(void **state)
{
	struct frame arp;

	(void)state;
	assert_int_equal(verdict4(OTHER4, IPPROTO_TCP, 0), XDP_PASS);
	assert_int_equal(verdict6(OTHER6, IPPROTO_TCP), XDP_PASS);
	link_header(&arp);
	add16(&arp, ETH_P_ARP);
	inet_pton(AF_INET, VIP4, arp.at + 14 + 16); /* where an IPv4 header has its destination */
	assert_int_equal(verdict(arp.at, 60), XDP_PASS);
}

static void up_to_two_vlan_tags_are_looked_behind(void **state)
{
	static const uint16_t tags[][2] = { { ETH_P_8021Q, 0 }, { ETH_P_8021AD, ETH_P_8021Q },
					    { ETH_P_8021Q, ETH_P_8021Q } };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned vip = 0; vip < 2; vip++) {
			struct frame f;

			link_header(&f);
			for (unsigned t = 0; t < 2 && tags[i][t] != 0; t++) {
				add16(&f, tags[i][t]);
				add16(&f, 100);
			}
			ip4(&f, vip ? VIP4 : OTHER4, IPPROTO_TCP, 0);
			assert_int_equal(verdict(f.at, f.len), vip ? XDP_REDIRECT : XDP_PASS);
		}
	}
}

/* A frame needs no more than its IP header to be told, and no less. The kernel runs
 * no frame shorter than an Ethernet header. */
static void a_frame_that_is_cut_stays_with_the_kernel(void **state)
{
	struct frame f;

	(void)state;
	link_header(&f);
	ip4(&f, VIP4, IPPROTO_TCP, 0);
	for (uint32_t len = 14; len < 34; len++)
		assert_int_equal(verdict(f.at, len), XDP_PASS);
	assert_int_equal(verdict(f.at, 34), XDP_REDIRECT);

	link_header(&f);
	ip6(&f, VIP6, IPPROTO_TCP);
	for (uint32_t len = 14; len < 54; len++)
		assert_int_equal(verdict(f.at, len), XDP_PASS);
	assert_int_equal(verdict(f.at, 54), XDP_REDIRECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_to_a_vip_go_to_the_worker),
		cmocka_unit_test(all_fragments_to_a_vip_go_with_them),
		cmocka_unit_test(icmp_to_a_vip_goes_with_them),
		cmocka_unit_test(what_is_for_others_stays_with_the_kernel),
		cmocka_unit_test(up_to_two_vlan_tags_are_looked_behind),
		cmocka_unit_test(a_frame_that_is_cut_stays_with_the_kernel),
	};

	return cmocka_run_group_tests_name("steer_program", tests, load, unload);
}
