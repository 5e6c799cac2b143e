// SPDX-License-Identifier: Apache-2.0
/*
 * `weirctl explain --pcap`: what would happen to the packets of a capture. The data
 * plane runs each of them through its stages; here files become questions, and answers
 * lines.
 */
#include "session.h"
#include "weirctl.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET_LEN = 14, LINE = 256 };

/* What became of the packets. */
struct tally {
	unsigned long forwarded, dropped, answered;
};

/* Are the packets frames, or IP without an Ethernet header? */
static bool is_right(int link)
{
	return link == DLT_EN10MB || link == DLT_RAW || link == DLT_IPV4 || link == DLT_IPV6;
}

/* Of a packet without an Ethernet header. */
static bool is_ipv6(int link, const uint8_t *bytes)
{
	return link == DLT_RAW ? bytes[0] >> 4 == 6 : link == DLT_IPV6;
}

/* A packet of the file as the frame that it was; of captures without Ethernet headers
 * one is made up. Returns its length on the wire, be it longer than any frame; *held: bytes
 * of it in `frame`. */
static uint32_t frame_of(int link, const struct pcap_pkthdr *h, const uint8_t *bytes,
			 uint8_t frame[WEIR_FRAME_MAX], uint32_t *held)
{
	uint32_t before = link == DLT_EN10MB ? 0 : ETHERNET_LEN, room = WEIR_FRAME_MAX - before;
	uint32_t len = h->len < UINT32_MAX - before ? h->len + before : UINT32_MAX;

	memset(frame, 0, before);
	if (before > 0 && h->caplen > 0) {
		frame[12] = is_ipv6(link, bytes) ? 0x86 : 0x08;
		frame[13] = is_ipv6(link, bytes) ? 0xdd : 0x00;
	}
	*held = h->caplen < room ? h->caplen : room;
	memcpy(frame + before, bytes, *held);
	*held += before;
	return len > *held ? len : *held; /* a record cannot hold more than there was */
}

/* Of more than a frame can be the data plane knows that it is too much. */
static json_t *question(const uint8_t *frame, uint32_t held, uint32_t len, const char *port)
{
	char *hex = malloc(2 * (size_t)held + 1);
	json_t *params;

	if (hex == NULL)
		return NULL;
	hex[0] = '\0';
	for (uint32_t i = 0; i < held; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", frame[i]);
	params = json_pack("{s:s, s:I, s:s*}", "frame", hex, "length",
			   (json_int_t)(len < WEIR_FRAME_MAX ? len : WEIR_FRAME_MAX), "port", port);
	free(hex);
	return params;
}

static const char *member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "-";
}

static void print_packet(unsigned long number, const uint8_t *frame, uint32_t held, uint32_t len,
			 const json_t *r)
{
	const json_t *out = json_object_get(r, "frame");
	long long n = json_integer_value(json_object_get(r, "pieces"));
	char words[LINE], pieces[48] = "";

	if (n > 0)
		snprintf(pieces, sizeof(pieces), " in %lld pieces, the first", n);
	printf("%5lu  %s, %u bytes\n", number, weirctl_frame_words(frame, held, words, LINE), len);
	if (json_is_string(json_object_get(r, "answer")))
		printf("       answered (%s): %s\n", member(r, "answer"), member(r, "why"));
	else if (strcmp(member(r, "drop"), "none") != 0)
		printf("       dropped (%s): %s\n", member(r, "drop"), member(r, "why"));
	else
		printf("       %s to %s/%s (%s)%s, %lld bytes by port %s: %s\n",
		       member(r, "service"), member(r, "pool"), member(r, "backend"),
		       member(r, "address"), pieces,
		       (long long)json_integer_value(json_object_get(out, "length")),
		       member(out, "port"), member(r, "why"));
}

static void count(struct tally *t, const json_t *r)
{
	if (json_is_string(json_object_get(r, "answer")))
		t->answered++;
	else if (strcmp(member(r, "drop"), "none") != 0)
		t->dropped++;
	else
		t->forwarded++;
}

/* One packet: asked, and printed or kept in `list`. Returns an exit code. */
static int explain_one(struct weirctl *c, const uint8_t *frame, uint32_t held, uint32_t len,
		       const char *port, unsigned long number, json_t *list, struct tally *t)
{
	json_t *result;
	int ret = weirctl_ask(c, "explain", question(frame, held, len, port), &result);

	if (ret != WEIRCTL_OK)
		return ret;
	count(t, result);
	if (list == NULL) {
		print_packet(number, frame, held, len, result);
		json_decref(result);
	} else {
		json_object_set_new(result, "number", json_integer((json_int_t)number));
		json_object_set_new(result, "length", json_integer(len));
		json_array_append_new(list, result);
	}
	return WEIRCTL_OK;
}

/* *cut: the file ends within a packet, or has nonsense from there on; pcap_geterr() has it. */
static int explain_all(struct weirctl *c, pcap_t *in, const char *port, unsigned long most,
		       json_t *list, bool *cut)
{
	struct tally t = { 0 };
	struct pcap_pkthdr *h;
	const uint8_t *bytes;
	unsigned long sum;
	int more = 1;

	for (unsigned long number = 1; number <= most; number++) {
		uint8_t frame[WEIR_FRAME_MAX];
		uint32_t held, len;
		int ret;

		more = pcap_next_ex(in, &h, &bytes);
		if (more != 1)
			break;
		len = frame_of(pcap_datalink(in), h, bytes, frame, &held);
		ret = explain_one(c, frame, held, len, port, number, list, &t);
		if (ret != WEIRCTL_OK)
			return ret;
	}
	*cut = more == PCAP_ERROR;
	sum = t.forwarded + t.dropped + t.answered;
	if (list == NULL)
		printf("%lu packet%s: %lu forwarded, %lu dropped, %lu answered\n", sum,
		       sum == 1 ? "" : "s", t.forwarded, t.dropped, t.answered);
	return WEIRCTL_OK;
}

int weirctl_explain_pcap(const char *socket_path, const char *file, const char *port,
			 unsigned long most, bool json)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	pcap_t *in = pcap_open_offline(file, why);
	json_t *list = json ? json_array() : NULL, *document;
	struct weirctl c;
	int ret = WEIRCTL_FAILED;
	bool cut = false;

	if (in == NULL) {
		fprintf(stderr, "weirctl: %s: %s\n", file, why);
	} else if (!is_right(pcap_datalink(in))) {
		const char *link = pcap_datalink_val_to_name(pcap_datalink(in));

		fprintf(stderr, "weirctl: %s: a capture of %s: Ethernet or IP is right\n", file,
			link != NULL ? link : "an unknown link");
	} else {
		ret = weirctl_open(socket_path, WEIRCTL_WAIT_S, &c);
		if (ret == WEIRCTL_OK) {
			ret = explain_all(&c, in, port, most, list, &cut);
			weirctl_close(&c);
		}
	}
	document = json_pack("{s:o*, s:s*}", "packets", list, "cut", cut ? pcap_geterr(in) : NULL);
	if (json && ret == WEIRCTL_OK) {
		json_dumpf(document, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(document);
	if (cut) {
		fflush(stdout);
		fprintf(stderr, "weirctl: %s: %s: there is more that was not read\n", file,
			pcap_geterr(in));
		ret = WEIRCTL_FAILED;
	}
	if (in != NULL)
		pcap_close(in);
	return ret;
}
