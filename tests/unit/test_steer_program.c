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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/steer_map.h"

#define VIP4   "203.0.113.10"
#define VIP6   "2001:db8::10"
#define OTHER4 "203.0.113.11"
#define OTHER6 "2001:db8::11"
#define ARP4   "203.0.113.12" /* VIPs with arp = on */
#define ARP6   "2001:db8::12"

static struct bpf_object *object;
static int program = -1;

static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 1 };

static int map(const char *name)
{
	return bpf_object__find_map_fd_by_name(object, name);
}

static void add_vip4(const char *prefix, uint32_t len, uint8_t flags)
{
	struct steer_key4 key = { .prefix_len = len };
	struct steer_value value = { .flags = flags };

	assert_int_equal(inet_pton(AF_INET, prefix, key.addr), 1);
	assert_int_equal(bpf_map_update_elem(map("vips4"), &key, &value, 0), 0);
}

static void add_vip6(const char *prefix, uint32_t len, uint8_t flags)
{
	struct steer_key6 key = { .prefix_len = len };
	struct steer_value value = { .flags = flags };

	assert_int_equal(inet_pton(AF_INET6, prefix, key.addr), 1);
	assert_int_equal(bpf_map_update_elem(map("vips6"), &key, &value, 0), 0);
}

static void set_own(bool check_mac)
{
	struct steer_link own = { .check_mac = check_mac };
	const uint32_t only = 0;

	memcpy(own.mac, own_mac, sizeof(own.mac));
	assert_int_equal(bpf_map_update_elem(map("link"), &only, &own, 0), 0);
}

static int load(void **state)
{
	const uint32_t queue = 0, lo = if_nametoindex("lo");

	(void)state;
	if (geteuid() != 0)
		return 0;
	object = bpf_object__open_file(STEER_OBJECT, NULL);
	assert_non_null(object);
	assert_int_equal(bpf_map__set_type(bpf_object__find_map_by_name(object, "xsks_map"),
					   BPF_MAP_TYPE_DEVMAP), 0);
	assert_int_equal(bpf_object__load(object), 0);
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "weir_steer"));
	add_vip4(VIP4, 32, 0);
	add_vip4(ARP4, 32, STEER_ARP);
	add_vip4("198.18.0.0", 15, 0);
	add_vip6(VIP6, 128, 0);
	add_vip6(ARP6, 128, STEER_ARP);
	add_vip6("2001:db8:5::", 48, 0);
	assert_int_equal(bpf_map_update_elem(map("xsks_map"), &queue, &lo, 0), 0);
	return 0;
}

/* Each test begins with the MAC address checked. */
static int setup(void **state)
{
	(void)state;
	if (program >= 0)
		set_own(true);
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
	memcpy(f->at, own_mac, sizeof(own_mac));
	f->at[6] = 2;
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

static void a_prefix_takes_all_its_addresses_and_no_other(void **state)
{
	(void)state;
	assert_int_equal(verdict4("198.18.0.0", IPPROTO_TCP, 0), XDP_REDIRECT);
	assert_int_equal(verdict4("198.19.255.255", IPPROTO_TCP, 0), XDP_REDIRECT);
	assert_int_equal(verdict4("198.17.255.255", IPPROTO_TCP, 0), XDP_PASS);
	assert_int_equal(verdict4("198.20.0.0", IPPROTO_TCP, 0), XDP_PASS);
	assert_int_equal(verdict6("2001:db8:5:ffff::1", IPPROTO_TCP), XDP_REDIRECT);
	assert_int_equal(verdict6("2001:db8:6::1", IPPROTO_TCP), XDP_PASS);
}

/* dmac: what the frame is addressed to. */
static int verdict_to(const uint8_t dmac[6])
{
	struct frame f;

	link_header(&f);
	memcpy(f.at, dmac, 6);
	ip4(&f, VIP4, IPPROTO_TCP, 0);
	return verdict(f.at, f.len);
}

static void frames_for_another_machine_stay_with_the_kernel(void **state)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t multicast[6] = { 1, 0, 0x5e, 0, 0, 1 };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		uint8_t other[6];

		memcpy(other, own_mac, sizeof(other));
		other[i] ^= 0x80;
		assert_int_equal(verdict_to(other), XDP_PASS);
	}
	assert_int_equal(verdict_to(own_mac), XDP_REDIRECT);
	assert_int_equal(verdict_to(broadcast), XDP_REDIRECT);
	assert_int_equal(verdict_to(multicast), XDP_REDIRECT);
}

static void a_promiscuous_port_takes_frames_for_any_machine(void **state)
{
	static const uint8_t other[6] = { 2, 0, 0, 0, 0, 99 };

	(void)state;
	if (program >= 0)
		set_own(false);
	assert_int_equal(verdict_to(other), XDP_REDIRECT);
}

static void arp(struct frame *f, uint16_t op, const char *target)
{
	uint8_t *a;

	link_header(f);
	memset(f->at, 255, 6);
	add16(f, ETH_P_ARP);
	a = f->at + f->len;
	memcpy(a, "\0\1\x08\0\6\4", 6);
	a[7] = (uint8_t)op;
	inet_pton(AF_INET, target, a + 24);
	f->len += 28;
}

static int verdict_arp(uint16_t op, const char *target)
{
	struct frame f;

	arp(&f, op, target);
	return verdict(f.at, f.len);
}

static void arp_requests_for_vips_with_arp_go_to_the_worker(void **state)
{
	(void)state;
	assert_int_equal(verdict_arp(1, ARP4), XDP_REDIRECT);
	assert_int_equal(verdict_arp(2, ARP4), XDP_PASS); /* a reply tells the kernel */
	assert_int_equal(verdict_arp(1, VIP4), XDP_PASS);
	assert_int_equal(verdict_arp(1, OTHER4), XDP_PASS);
}

static void an_arp_request_that_is_cut_stays_with_the_kernel(void **state)
{
	struct frame f;

	(void)state;
	arp(&f, 1, ARP4);
	for (uint32_t len = 14; len < f.len; len++)
		assert_int_equal(verdict(f.at, len), XDP_PASS);
	assert_int_equal(verdict(f.at, f.len), XDP_REDIRECT);
}

/* ICMPv6 of `type` to all nodes that asks for `target`. */
static int verdict_nd(uint8_t type, const char *target)
{
	struct frame f;

	link_header(&f);
	memcpy(f.at, "\x33\x33\0\0\0\1", 6);
	ip6(&f, "ff02::1", IPPROTO_ICMPV6);
	f.at[14 + 40] = type;
	inet_pton(AF_INET6, target, f.at + 14 + 48);
	return verdict(f.at, 14 + 40 + 24);
}

static void solicitations_for_vips_with_arp_go_to_the_worker(void **state)
{
	(void)state;
	assert_int_equal(verdict_nd(135, ARP6), XDP_REDIRECT);
	assert_int_equal(verdict_nd(136, ARP6), XDP_PASS); /* an advertisement tells the kernel */
	assert_int_equal(verdict_nd(135, VIP6), XDP_PASS);
	assert_int_equal(verdict_nd(135, OTHER6), XDP_PASS);
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

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_to_a_vip_go_to_the_worker),
		TEST(all_fragments_to_a_vip_go_with_them),
		TEST(icmp_to_a_vip_goes_with_them),
		TEST(what_is_for_others_stays_with_the_kernel),
		TEST(a_prefix_takes_all_its_addresses_and_no_other),
		TEST(frames_for_another_machine_stay_with_the_kernel),
		TEST(a_promiscuous_port_takes_frames_for_any_machine),
		TEST(arp_requests_for_vips_with_arp_go_to_the_worker),
		TEST(an_arp_request_that_is_cut_stays_with_the_kernel),
		TEST(solicitations_for_vips_with_arp_go_to_the_worker),
		TEST(up_to_two_vlan_tags_are_looked_behind),
		TEST(a_frame_that_is_cut_stays_with_the_kernel),
	};

	return cmocka_run_group_tests_name("steer_program", tests, load, unload);
}
