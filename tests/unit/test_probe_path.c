// SPDX-License-Identifier: Apache-2.0
/*
 * The program that carries DSR probes, run by the kernel on single frames
 * (BPF_PROG_TEST_RUN): each mode's bytes, and what is dropped. Needs the right to load
 * programs; without it every test is skipped.
 */
#include "probe_path.h"

#include "hex_frame.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OTHER_MARK 0x4000u /* of someone else */

static uv_loop_t loop;
static struct probe_path *path;

static int setup(void **state)
{
	char why[200];

	(void)state;
	uv_loop_init(&loop);
	if (probe_path_create(&loop, &path, why, sizeof(why)) < 0) {
		print_message("%s\n", why);
		path = NULL;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (path)
		probe_path_destroy(path);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

/* -- frames, written out ---------------------------------------------------------------- */

/* The slow, obvious Internet checksum (RFC 1071) over a header whose field is 0. */
static void checksum(uint8_t *header, unsigned len, unsigned field)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < len; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	header[field] = (uint8_t)(~sum >> 8);
	header[field + 1] = (uint8_t)~sum;
}

#define MACS_ROUTE "02 00 00 00 00 01  02 00 00 00 00 02" /* as the kernel addressed it */
#define MACS_ENTRY "02 00 00 00 00 0b  02 00 00 00 00 02"

/* ToS 0xb8 with ECT(0) (0xba), TTL 1, to 203.0.113.10; then n bytes of UDP. */
static void add_inner4(struct frame *f, unsigned payload)
{
	unsigned start = f->len, total = 28 + payload;

	add_hex(f, "45 ba 00 00 12 34 40 00 01 11 00 00  0a 00 00 01  cb 00 71 0a");
	f->byte[start + 2] = (uint8_t)(total >> 8);
	f->byte[start + 3] = (uint8_t)total;
	checksum(f->byte + start, 20, 10);
	add_hex(f, "d9 03 1f 90 00 00 00 00");
	f->byte[start + 24] = (uint8_t)((8 + payload) >> 8);
	f->byte[start + 25] = (uint8_t)(8 + payload);
	memset(f->byte + f->len, 0x5a, payload);
	f->len += payload;
}

/* Traffic class 0xba, flow label 0x12345, hop limit 1, to 2001:db8::10; 8 bytes. */
static void add_inner6(struct frame *f)
{
	add_hex(f, "6b a1 23 45 00 08 11 01"
		   "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01"
		   "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 10"
		   "d9 03 1f 90 00 08 00 00");
}

static struct frame plain4(unsigned payload)
{
	struct frame f = { .len = 0 };

	add_hex(&f, MACS_ROUTE "08 00");
	add_inner4(&f, payload);
	return f;
}

static struct frame plain6(void)
{
	struct frame f = { .len = 0 };

	add_hex(&f, MACS_ROUTE "86 dd");
	add_inner6(&f);
	return f;
}

/* -- running ------------------------------------------------------------------------------ */

static struct probe_route route(enum probe_mode mode, const char *vip)
{
	struct probe_route r = {
		.mode = mode, .vip = addr(vip), .dmac = { 2, 0, 0, 0, 0, 0x0b }, .gue_port = 6080
	};

	if (mode == PROBE_MODE_IPIP4 || mode == PROBE_MODE_GUE4) {
		r.outer_src = addr("10.0.0.1");
		r.outer_dst = addr("10.0.1.11");
	} else if (mode != PROBE_MODE_L2) {
		r.outer_src = addr("2001:db8:a::1");
		r.outer_dst = addr("2001:db8:b::11");
	}
	return r;
}

/* What the program does to a frame with this mark; *f becomes what leaves. */
static int run(struct frame *f, uint32_t mark, uint32_t gso_size, uint32_t *mark_after)
{
	struct __sk_buff in = { .mark = mark, .gso_size = gso_size }, out = { 0 };
	struct frame result = { .len = 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->byte, .data_size_in = f->len,
		    .data_out = result.byte, .data_size_out = sizeof(result.byte), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out),
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(probe_path_program(path), &o), 0);
	result.len = o.data_size_out;
	*f = result;
	if (mark_after)
		*mark_after = out.mark;
	return (int)o.retval;
}

static uint32_t entry(const struct probe_route *r)
{
	uint32_t mark;

	assert_int_equal(probe_path_add(path, r, &mark), 0);
	assert_int_equal(mark & PROBE_MARK_MASK, PROBE_MARK);
	return mark;
}

static void expect_carried(struct frame f, const struct probe_route *r, const struct frame *want)
{
	uint32_t mark = entry(r), after = 1;
	struct probe_path_count c;

	assert_int_equal(run(&f, mark, 0, &after), TC_ACT_UNSPEC);
	assert_int_equal(f.len, want->len);
	assert_memory_equal(f.byte, want->byte, want->len);
	assert_int_equal(after, 0);
	assert_int_equal(probe_path_count(path, mark, &c), 0);
	assert_int_equal(c.carried, 1);
	assert_int_equal(c.bytes, want->len);
	probe_path_remove(path, mark);
}

#define NEEDS_PATH()              \
	do {                      \
		(void)state;      \
		if (path == NULL) \
			skip();   \
	} while (0)

/* -- each mode ------------------------------------------------------------------------------ */

static void l2_changes_the_destination_mac_alone(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.10");
	struct frame want = { .len = 0 };

	NEEDS_PATH();
	add_hex(&want, MACS_ENTRY "08 00");
	add_inner4(&want, 32);
	expect_carried(plain4(32), &r, &want);
}

static void l2_sets_the_source_mac_and_a_vlan_when_told(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.10");
	struct frame want = { .len = 0 };

	NEEDS_PATH();
	memcpy(r.smac, (uint8_t[]){ 2, 0, 0, 0, 0, 0x77 }, 6);
	add_hex(&want, "02 00 00 00 00 0b  02 00 00 00 00 77  08 00");
	add_inner4(&want, 32);
	expect_carried(plain4(32), &r, &want);
	/* The tag is in the packet's metadata until the driver takes it, so the bytes are
	 * the same; that it is there is shown by tests/e2e/probe_path.sh. */
}

static void l2_carries_ipv6(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "2001:db8::10");
	struct frame want = { .len = 0 };

	NEEDS_PATH();
	add_hex(&want, MACS_ENTRY "86 dd");
	add_inner6(&want);
	expect_carried(plain6(), &r, &want);
}

/* version 4, IHL 5, ToS copied, identification 0, DF (RFC 6864), TTL 64 */
static void add_outer4(struct frame *f, unsigned total, uint8_t protocol)
{
	unsigned start;

	add_hex(f, MACS_ENTRY "08 00");
	start = f->len;
	add_hex(f, "45 ba 00 00 00 00 40 00 40 00 00 00  0a 00 00 01  0a 00 01 0b");
	f->byte[start + 2] = (uint8_t)(total >> 8);
	f->byte[start + 3] = (uint8_t)total;
	f->byte[start + 9] = protocol;
	checksum(f->byte + start, 20, 10);
}

static void ipip_over_ipv4(void **state)
{
	struct probe_route r = route(PROBE_MODE_IPIP4, "203.0.113.10");
	struct frame want = { .len = 0 };

	NEEDS_PATH();
	add_outer4(&want, 20 + 60, 4);
	add_inner4(&want, 32);
	expect_carried(plain4(32), &r, &want);

	r = route(PROBE_MODE_IPIP4, "2001:db8::10"); /* 6in4 */
	want.len = 0;
	add_outer4(&want, 20 + 48, 41);
	add_inner6(&want);
	expect_carried(plain6(), &r, &want);
}

static void add_outer6(struct frame *f, unsigned payload, uint8_t next)
{
	unsigned start;

	add_hex(f, MACS_ENTRY "86 dd");
	start = f->len;
	add_hex(f, "6b a0 00 00 00 00 00 40"
		   "20 01 0d b8 00 0a 00 00 00 00 00 00 00 00 00 01"
		   "20 01 0d b8 00 0b 00 00 00 00 00 00 00 00 00 11");
	f->byte[start + 4] = (uint8_t)(payload >> 8);
	f->byte[start + 5] = (uint8_t)payload;
	f->byte[start + 6] = next;
}

static void ipip_over_ipv6(void **state)
{
	struct probe_route r = route(PROBE_MODE_IPIP6, "203.0.113.10"); /* 4in6 */
	struct frame want = { .len = 0 };

	NEEDS_PATH();
	add_outer6(&want, 60, 4);
	add_inner4(&want, 32);
	expect_carried(plain4(32), &r, &want);

	r = route(PROBE_MODE_IPIP6, "2001:db8::10");
	want.len = 0;
	add_outer6(&want, 48, 41);
	add_inner6(&want);
	expect_carried(plain6(), &r, &want);
}

/* The source port is a hash of the flow: 49152-65535, and the same each time. */
static void expect_gue(struct frame f, const struct probe_route *r, struct frame *want,
		       unsigned udp_off)
{
	uint32_t mark = entry(r);
	struct frame again = f;

	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_UNSPEC);
	assert_true(f.byte[udp_off] >= 0xc0);
	memcpy(want->byte + udp_off, f.byte + udp_off, 2);
	assert_int_equal(f.len, want->len);
	assert_memory_equal(f.byte, want->byte, want->len);
	run(&again, mark, 0, NULL);
	assert_memory_equal(again.byte, f.byte, f.len);
	probe_path_remove(path, mark);
}

static void gue_over_ipv4_and_ipv6(void **state)
{
	struct probe_route r = route(PROBE_MODE_GUE4, "203.0.113.10");
	struct frame want = { .len = 0 };

	NEEDS_PATH();
	add_outer4(&want, 20 + 12 + 60, 17);
	add_hex(&want, "00 00 17 c0 00 48 00 00  00 04 00 00"); /* to 6080, 72 bytes */
	add_inner4(&want, 32);
	expect_gue(plain4(32), &r, &want, 14 + 20);

	r = route(PROBE_MODE_GUE6, "2001:db8::10");
	want.len = 0;
	add_outer6(&want, 12 + 48, 17);
	add_hex(&want, "00 00 17 c0 00 3c 00 00  00 29 00 00");
	add_inner6(&want);
	expect_gue(plain6(), &r, &want, 14 + 40);
}

/* -- what is dropped ------------------------------------------------------------------------ */

static void other_marks_and_none_pass_untouched(void **state)
{
	static const uint32_t marks[] = { 0, OTHER_MARK, 0x5744ffff, 0x57460000, 0xffffffff };
	struct frame want = plain4(32);

	NEEDS_PATH();
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct frame f = want;
		uint32_t after;

		assert_int_equal(run(&f, marks[i], 0, &after), TC_ACT_UNSPEC);
		assert_int_equal(after, marks[i]);
		assert_int_equal(f.len, want.len);
		assert_memory_equal(f.byte, want.byte, want.len);
	}
}

static void a_mark_without_entry_is_dropped(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.10");
	struct frame f = plain4(32);
	uint32_t mark;

	NEEDS_PATH();
	assert_int_equal(run(&f, PROBE_MARK, 0, NULL), TC_ACT_SHOT);
	mark = entry(&r);
	f = plain4(32);
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_UNSPEC);
	probe_path_remove(path, mark);
	f = plain4(32);
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_SHOT);
	assert_non_null(strstr(probe_path_hint(path, mark, 0), "no entry"));
}

static void what_is_not_for_the_vip_is_dropped(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.11");
	struct frame f = plain4(32), arp = { .len = 0 };
	struct probe_path_count c;
	uint32_t mark;

	NEEDS_PATH();
	mark = entry(&r);
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_SHOT);
	f = plain6();
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_SHOT);
	add_hex(&arp, MACS_ROUTE "08 06 00 01 08 00 06 04 00 01 02 00 00 00 00 02 0a 00 00 01"
				 "00 00 00 00 00 00 cb 00 71 0b");
	assert_int_equal(run(&arp, mark, 0, NULL), TC_ACT_SHOT);
	probe_path_count(path, mark, &c);
	assert_int_equal(c.not_the_vip, 3);
	assert_int_equal(c.carried, 0);
}

static void what_does_not_fit_is_dropped_and_said(void **state)
{
	struct probe_route r = route(PROBE_MODE_IPIP4, "203.0.113.10");
	struct probe_path_count c;
	struct frame f;
	uint32_t mark;

	NEEDS_PATH();
	r.mtu = 1500;
	mark = entry(&r);
	f = plain4(1480 - 28); /* 1500 with the outer header */
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_UNSPEC);
	assert_null(probe_path_hint(path, mark, 0));
	f = plain4(1481 - 28);
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_SHOT);
	probe_path_count(path, mark, &c);
	assert_int_equal(c.too_big, 1);
	assert_string_equal(
		probe_path_hint(path, mark, 0),
		"on this host: with its outer header it exceeds the MTU of 1500 towards the "
		"backend");
	assert_null(probe_path_hint(path, mark, 0)); /* said once */
}

static void what_never_came_to_the_program_has_not_left(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.10");
	struct frame f = plain4(10);
	uint32_t mark;
	uint64_t since;

	(void)state;
	NEEDS_PATH();
	mark = entry(&r);
	since = uv_hrtime();
	assert_int_equal(probe_path_left(path, mark, since), PROBE_LEFT_NOTHING);
	assert_int_equal(run(&f, mark, 0, NULL), TC_ACT_UNSPEC);
	assert_int_equal(probe_path_left(path, mark, since), PROBE_LEFT_CARRIED);
	assert_int_equal(probe_path_left(path, mark, uv_hrtime()), PROBE_LEFT_NOTHING);
	/* That it has no entry is another story. */
	probe_path_remove(path, mark);
	assert_int_equal(probe_path_left(path, mark, uv_hrtime()), PROBE_LEFT_CARRIED);
}

static void addresses_must_fit_the_mode(void **state)
{
	struct probe_route r = route(PROBE_MODE_IPIP4, "203.0.113.10");
	uint32_t mark = 7;

	NEEDS_PATH();
	r.outer_dst = addr("2001:db8::1");
	assert_int_equal(probe_path_add(path, &r, &mark), -EINVAL);
	r = route(PROBE_MODE_GUE6, "203.0.113.10");
	r.outer_src.family = 0;
	assert_int_equal(probe_path_add(path, &r, &mark), -EINVAL);
	r = route(PROBE_MODE_L2, "203.0.113.10");
	r.vip.family = 0;
	assert_int_equal(probe_path_add(path, &r, &mark), -EINVAL);
	assert_int_equal(mark, 7);
}

static void an_entry_is_changed_in_place(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.10");
	struct probe_path_count c;
	struct frame f = plain4(32);
	uint32_t mark;

	NEEDS_PATH();
	mark = entry(&r);
	run(&f, mark, 0, NULL);
	r.dmac[5] = 0x0c;
	assert_int_equal(probe_path_set(path, mark, &r), 0);
	f = plain4(32);
	run(&f, mark, 0, NULL);
	assert_int_equal(f.byte[5], 0x0c);
	probe_path_count(path, mark, &c);
	assert_int_equal(c.carried, 2); /* counters go on */
	assert_int_equal(probe_path_set(path, mark + 1, &r), -ENOENT);
}

static void marks_come_back_last(void **state)
{
	struct probe_route r = route(PROBE_MODE_L2, "203.0.113.10");
	uint32_t first, mark = 0;

	NEEDS_PATH();
	first = entry(&r);
	probe_path_remove(path, first);
	for (unsigned i = 1; i < PROBE_MAP_MAX; i++) {
		mark = entry(&r);
		assert_int_not_equal(mark, first);
	}
	assert_int_equal(entry(&r), first);
	assert_int_equal(probe_path_add(path, &r, &mark), -ENOSPC);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(l2_changes_the_destination_mac_alone),
		T(l2_sets_the_source_mac_and_a_vlan_when_told),
		T(l2_carries_ipv6),
		T(ipip_over_ipv4),
		T(ipip_over_ipv6),
		T(gue_over_ipv4_and_ipv6),
		T(other_marks_and_none_pass_untouched),
		T(a_mark_without_entry_is_dropped),
		T(what_is_not_for_the_vip_is_dropped),
		T(what_does_not_fit_is_dropped_and_said),
		T(what_never_came_to_the_program_has_not_left),
		T(addresses_must_fit_the_mode),
		T(an_entry_is_changed_in_place),
		T(marks_come_back_last),
	};

	return cmocka_run_group_tests_name("probe_path", tests, NULL, NULL);
}
