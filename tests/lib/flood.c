// SPDX-License-Identifier: Apache-2.0
/*
 * Sends COUNT frames by an interface, some PPS a second (0: as fast as it can): small IPv4 packets from
 * sources 198.18.0.0/15 to one address.
 *
 *   flood IFACE DESTINATION-MAC DESTINATION tcp|udp|icmp PORT PPS COUNT
 *
 * Prints how many were sent. Ends with 1 where the interface refuses them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, LEN = 60, IP = 14, L4 = 34 };

static uint8_t frame[BATCH][LEN];

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint16_t sum(const uint8_t *at, unsigned len)
{
	uint32_t s = 0;

	for (unsigned i = 0; i < len; i += 2)
		s += (uint32_t)at[i] << 8 | at[i + 1];
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* Flow number `n`: its source address and port. */
static void aim(uint8_t *f, uint32_t n)
{
	put16(f + IP + 12, 0xc612 | (n & 1));
	put16(f + IP + 14, n >> 1 & 0xffff);
	put16(f + IP + 10, 0);
	put16(f + IP + 10, sum(f + IP, 20));
	if (f[IP + 9] != IPPROTO_ICMP)
		put16(f + L4, 1024 + n % 50000);
}

static int build(char **argv)
{
	unsigned mac[6], port = (unsigned)atoi(argv[5]);
	uint8_t *f = frame[0];
	int protocol = strcmp(argv[4], "tcp") == 0   ? IPPROTO_TCP
		       : strcmp(argv[4], "udp") == 0 ? IPPROTO_UDP
						     : IPPROTO_ICMP;

	if (sscanf(argv[2], "%x:%x:%x:%x:%x:%x", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		   &mac[5]) != 6)
		return -1;
	for (unsigned i = 0; i < 6; i++)
		f[i] = (uint8_t)mac[i];
	memcpy(f + 6, "\x02\x00\x5e\x00\x00\x77\x08\x00\x45", 9);
	put16(f + IP + 2, LEN - IP);
	f[IP + 8] = 64;
	f[IP + 9] = (uint8_t)protocol;
	if (inet_pton(AF_INET, argv[3], f + IP + 16) != 1)
		return -1;
	put16(f + L4 + 2, port);
	if (protocol == IPPROTO_TCP) {
		f[L4 + 12] = 5 << 4;
		f[L4 + 13] = 2; /* SYN */
	} else if (protocol == IPPROTO_UDP) {
		put16(f + L4 + 4, LEN - L4);
	} else {
		memset(f + L4, 0, LEN - L4);
		f[L4] = 8; /* echo request */
		put16(f + L4 + 2, sum(f + L4, LEN - L4));
	}
	for (unsigned i = 1; i < BATCH; i++)
		memcpy(frame[i], f, LEN);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct mmsghdr m[BATCH];
	struct iovec io[BATCH];
	unsigned long pps, count, sent = 0;
	struct timespec pause = { .tv_sec = 0 };
	int s;

	if (argc != 8 || build(argv) < 0) {
		fputs("flood IFACE DESTINATION-MAC DESTINATION tcp|udp|icmp PORT PPS COUNT\n", stderr);
		return 2;
	}
	pps = strtoul(argv[6], NULL, 10);
	count = strtoul(argv[7], NULL, 10);
	if (pps != 0 && pps > BATCH)
		pause.tv_nsec = (long)(BATCH * 1000000000ul / pps);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	s = socket(AF_PACKET, SOCK_RAW, 0);
	if (s < 0 || to.sll_ifindex == 0) {
		perror(argv[1]);
		return 1;
	}
	for (unsigned i = 0; i < BATCH; i++) {
		io[i] = (struct iovec){ frame[i], LEN };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &to,
						      .msg_namelen = sizeof(to),
						      .msg_iov = &io[i],
						      .msg_iovlen = 1 } };
	}
	while (sent < count) {
		int n;

		for (unsigned i = 0; i < BATCH; i++)
			aim(frame[i], (uint32_t)(sent + i) * 2654435761u);
		n = sendmmsg(s, m, BATCH, 0);
		if (n < 0 && errno != ENOBUFS && errno != EAGAIN) {
			perror("sendmmsg");
			return 1;
		}
		sent += n > 0 ? (unsigned long)n : 0;
		if (pause.tv_nsec != 0)
			nanosleep(&pause, NULL);
	}
	printf("%lu\n", sent);
	return 0;
}
