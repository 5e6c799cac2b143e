// SPDX-License-Identifier: Apache-2.0
/*
 * The decapsulation program against a plain version of the rules of docs/backend.md, on
 * thousands of frames with wrong bytes and wrong lengths: verdict, counter and every byte
 * that is left must agree. Needs root.
 */
#include "decap_frame.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct view {
	const uint8_t *at; /* from the network header on */
	unsigned len, off;
};

static unsigned get16(const struct view *v, unsigned off)
{
	return (unsigned)v->at[off] << 8 | v->at[off + 1];
}

static bool within(const uint8_t *a, const char *prefix, unsigned bits)
{
	uint8_t p[16];

	inet_pton(strchr(prefix, ':') != NULL ? AF_INET6 : AF_INET, prefix, p);
	for (unsigned i = 0; i < bits; i++)
		if ((a[i / 8] ^ p[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool is_vip(const uint8_t *a, bool v6)
{
	return v6 ? within(a, vip[1], 128) || within(a, VIPS_V6, VIPS_V6_BITS)
		  : within(a, vip[0], 32) || within(a, VIPS_V4, VIPS_V4_BITS);
}

/* What should become of a frame; *strip is the number of bytes in front of the inner
 * packet, *inner_v6 its family. */
static int judge(const struct frame *f, unsigned *strip, bool *inner_v6, bool *marked)
{
	struct view v = { f->at + 14, f->len - 14, 0 };
	unsigned type = (unsigned)f->at[12] << 8 | f->at[13], end, protocol, ecn, wrong = 0, vlen,
		 iecn;
	bool v6 = type == ETH_P_IPV6, trusted, local, fragment = false, tail = false, to_vip;
	const uint8_t *src, *dst;

	if (type != ETH_P_IP && type != ETH_P_IPV6)
		return NOT_COUNTED;
	if (v.len < (v6 ? 40u : 20u) || v.at[0] >> 4 != (v6 ? 6 : 4))
		return NOT_COUNTED;
	if (!v6) {
		v.off = (v.at[0] & 15) * 4u;
		if (v.off < 20)
			return NOT_COUNTED;
		end = get16(&v, 2);
		ecn = v.at[1] & 3;
		protocol = v.at[9];
		fragment = (get16(&v, 6) & 0x3fff) != 0;
		tail = (get16(&v, 6) & 0x1fff) != 0;
		src = v.at + 12;
		dst = v.at + 16;
	} else {
		v.off = 40;
		end = 40 + get16(&v, 4);
		ecn = v.at[1] >> 4 & 3;
		protocol = v.at[6];
		src = v.at + 8;
		dst = v.at + 24;
		for (unsigned i = 0;
		     i < 4 && !tail && (protocol == 0 || protocol == 60 || protocol == 44); i++) {
			if (v.off + 4 > v.len)
				return NOT_COUNTED;
			unsigned next = v.at[v.off];

			if (protocol == 44) {
				fragment = true;
				tail = (get16(&v, v.off + 2) & 0xfff8) != 0;
				v.off += 8;
			} else {
				v.off += (v.at[v.off + 1] + 1u) * 8;
			}
			protocol = next;
		}
	}
	if (protocol == IPPROTO_UDP) {
		if (tail || v.off + 8 > v.len || get16(&v, v.off + 2) != GUE_PORT)
			return NOT_COUNTED;
		unsigned udp = v.off, len = get16(&v, v.off + 4);

		if (len < 12 || udp + len > end || udp + 12 > v.len) {
			wrong = DECAP_MALFORMED;
		} else {
			const uint8_t *gue = v.at + udp + 8;

			*inner_v6 = gue[1] == IPPROTO_IPV6;
			if (gue[0] >> 6 != 0)
				wrong = DECAP_GUE_VERSION;
			else if (gue[0] != 0 || gue[2] != 0 || gue[3] != 0)
				wrong = DECAP_GUE_OPTIONS;
			else if (gue[1] != IPPROTO_IPIP && gue[1] != IPPROTO_IPV6)
				wrong = DECAP_GUE_PROTOCOL;
		}
		end = udp + len;
		v.off += 12;
	} else if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6) {
		*inner_v6 = protocol == IPPROTO_IPV6;
	} else {
		return NOT_COUNTED;
	}
	trusted = v6 ? within(src, FROM_V6, FROM_V6_BITS) : within(src, FROM_V4, FROM_V4_BITS);
	local = within(dst, backend[v6], v6 ? 128 : 32);
	if (!local)
		return trusted ? DECAP_NOT_THIS_HOST : NOT_COUNTED;
	if (trusted && fragment)
		return DECAP_FRAGMENT;
	if (trusted && wrong != 0)
		return (int)wrong;
	vlen = *inner_v6 ? 40 : 20;
	if (fragment && !tail && (wrong != 0 || v.off + vlen > end))
		return DECAP_FRAGMENT; /* not trusted */
	if (tail || wrong != 0 || v.off + vlen > v.len || v.at[v.off] >> 4 != (*inner_v6 ? 6 : 4))
		return trusted ? DECAP_MALFORMED : NOT_COUNTED;
	to_vip = is_vip(v.at + v.off + (*inner_v6 ? 24 : 16), *inner_v6);
	if (!trusted)
		return to_vip ? DECAP_REFUSED_SOURCE : NOT_COUNTED;
	unsigned total = *inner_v6 ? 40 + get16(&v, v.off + 4) : get16(&v, v.off + 2);

	if (total < vlen || v.off + total > end || end > v.len ||
	    (!*inner_v6 && (v.at[v.off] & 15) < 5))
		return DECAP_MALFORMED;
	if (!to_vip)
		return DECAP_NOT_A_VIP;
	iecn = *inner_v6 ? v.at[v.off + 1] >> 4 & 3 : v.at[v.off + 1] & 3;
	if (ecn == CE && iecn == NOT_ECT)
		return DECAP_CONGESTED;
	*strip = v.off;
	*marked = ecn == CE && iecn != CE;
	return DECAP_DECAPSULATED;
}

static bool is_drop(int fate)
{
	return fate != NOT_COUNTED && fate != DECAP_DECAPSULATED && fate != DECAP_NOT_A_VIP &&
	       fate != DECAP_NOT_THIS_HOST;
}

/* 0 and 0xffff are the same sum (RFC 1624, section 3). */
static void assert_marked(struct frame *got, struct frame *wanted, bool v6)
{
	uint8_t *ip = wanted->at + 14;

	if (v6) {
		ip[1] |= CE << 4;
	} else {
		assert_int_equal(sum(got->at + 14, 20) % 0xffff, sum(ip, 20) % 0xffff);
		ip[1] |= CE;
		memcpy(ip + 10, got->at + 24, 2);
	}
}

/* Frames that the kernel ran; the others are too short for it. */
static unsigned compared;

/* By the program as by the plain rules. Returns whether the frame was unpacked. */
static bool assert_as_the_rules_say(const struct frame *in)
{
	bool inner_v6 = false, marked = false;
	struct frame out, wanted = *in;
	unsigned strip = 0;
	int verdict, got = run(in, &out, &verdict), right;

	if (got == -1)
		return false;
	compared++;
	right = judge(in, &strip, &inner_v6, &marked);
	if (got != right || (verdict == TC_ACT_SHOT) != is_drop(right)) {
		for (unsigned i = 0; i < in->len; i++)
			print_error("%02x%s", in->at[i], i % 16 == 15 ? "\n" : " ");
		fail_msg("counted as %d, verdict %d, wanted %d", got, verdict, right);
	}
	if (is_drop(right))
		return false;
	if (right == DECAP_DECAPSULATED) {
		wanted.len = 12;
		put16(&wanted, inner_v6 ? ETH_P_IPV6 : ETH_P_IP);
		put(&wanted, in->at + 14 + strip, in->len - 14 - strip);
		if (marked)
			assert_marked(&out, &wanted, inner_v6);
	}
	assert_frame(&out, &wanted);
	return right == DECAP_DECAPSULATED;
}

static void frames_with_wrong_bytes_meet_the_rules(void **state)
{
	unsigned unpacked = 0, frames = 0;

	(void)state;
	srandom(4711);
	for (unsigned round = 0; round < 2500; round++) {
		for_each_packing(p)
		{
			struct frame f;
			unsigned headers, wrong = (unsigned)random() % 4;

			p.payload = (unsigned)random() % 64;
			p.outer_tos = (uint8_t)random();
			p.inner_tos = (uint8_t)random();
			p.options = random() % 4 == 0 ? 8 : 0;
			make(&p, &f);
			headers = f.len - p.payload;
			for (unsigned i = 0; i < wrong; i++) {
				/* Mostly in headers, often a value that means something. */
				static const uint8_t values[] = { 0,  1,  4,  6,    17,	  41,
								  44, 60, 69, 0x40, 0x60, 255 };
				unsigned at = 12 + (unsigned)random() % (headers - 12);

				f.at[at] = random() % 2
						   ? values[(unsigned)random() % sizeof(values)]
						   : (uint8_t)random();
			}
			if (random() % 4 == 0)
				f.len = 14 + (unsigned)random() % (f.len - 14);
			else if (random() % 8 == 0)
				f.len += (unsigned)random() % 64; /* padding */
			unpacked += assert_as_the_rules_say(&f);
			frames++;
		}
	}
	print_message("%u of %u frames were unpacked\n", unpacked, frames);
	assert_in_range(unpacked, frames / 10, frames * 9 / 10);
}

static void every_value_of_every_header_byte_meets_the_rules(void **state)
{
	unsigned values = 0;

	(void)state;
	compared = 0;
	for_each_packing(p)
	{
		struct frame f;
		unsigned headers;

		p.payload = 4;
		make(&p, &f);
		headers = f.len - p.payload - 8;
		for (unsigned at = 12; at < headers; at++) {
			uint8_t right = f.at[at];

			for (unsigned value = 0; value < 256; value += at % 4 == 0 ? 1 : 5) {
				f.at[at] = (uint8_t)value;
				assert_as_the_rules_say(&f);
				values++;
			}
			f.at[at] = right;
		}
	}
	assert_true(values > 10000);
	assert_int_equal(compared, values); /* none is too short */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_with_wrong_bytes_meet_the_rules),
		cmocka_unit_test(every_value_of_every_header_byte_meets_the_rules),
	};

	return cmocka_run_group_tests_name("decap_rules", tests, decap_load, decap_unload);
}
