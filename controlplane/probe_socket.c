// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets of probes: marked, bound and connected without blocking, closed
 * without TIME_WAIT, and their errors in words.
 */
#include "probe_impl.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static socklen_t sockaddr_len(const union probe_sockaddr *s)
{
	return s->sa.sa_family == AF_INET6 ? sizeof(s->v6) : sizeof(s->v4);
}

static void set_ip(int fd, bool v6, int ttl, bool padded)
{
	if (v6) {
		set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
		if (ttl)
			set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
		if (padded) {
			set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
			set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
		}
		return;
	}
	set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	if (ttl)
		set_int(fd, IPPROTO_IP, IP_TTL, ttl);
	if (padded) /* DF, and what this host may have learned of the path is not used */
		set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
}

static void set_tcp(int fd, bool v6, uint16_t padded_mtu)
{
	/* Close by RST: the verdict is known, and 5,000 connections a second in
	 * TIME_WAIT would use up the ports. */
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (padded_mtu) /* our own link may carry more than clients' links do */
		set_int(fd, IPPROTO_TCP, TCP_MAXSEG,
			padded_mtu - (int)sizeof(struct tcphdr) - (v6 ? 40 : 20));
}

static int bind_source(struct probe *p, int fd)
{
	union probe_sockaddr from = { 0 };

	if (p->target.source.family == 0)
		return 0;
	if (p->target.source.family == 6) {
		from.v6.sin6_family = AF_INET6;
		memcpy(&from.v6.sin6_addr, p->target.source.bytes, 16);
	} else {
		from.v4.sin_family = AF_INET;
		memcpy(&from.v4.sin_addr, p->target.source.bytes, 4);
	}
	set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1); /* a port a destination */
	return bind(fd, &from.sa, sockaddr_len(&from)) < 0 ? -errno : 0;
}

/* Everything before connect(2). Returns the descriptor, or a negative errno with
 * the step that failed in *step. */
static int open_socket(struct probe *p, int type, int protocol, const char **step)
{
	bool v6 = p->peer.sa.sa_family == AF_INET6;
	int fd, err = 0;

	*step = "open a socket";
	fd = socket(p->peer.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	if (p->target.mark) {
		*step = "mark a socket (needs CAP_NET_ADMIN)";
		err = set_int(fd, SOL_SOCKET, SO_MARK, (int)p->target.mark);
	}
	if (!err && p->target.interface[0]) {
		*step = "bind to the interface";
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->target.interface,
			       (socklen_t)strlen(p->target.interface)) < 0)
			err = -errno;
	}
	if (!err) {
		*step = "use the source address";
		err = bind_source(p, fd);
	}
	if (err) {
		close(fd);
		return err;
	}
	set_ip(fd, v6, p->target.ttl == 0 && p->target.mark ? 1 : p->target.ttl,
	       p->conf->padded_mtu != 0);
	if (type == SOCK_STREAM)
		set_tcp(fd, v6, p->conf->padded_mtu);
	return fd;
}

static void fail_open(struct probe *p, int err, const char *step)
{
	if (err == -EACCES && strcmp(step, "open a socket") == 0)
		probe_fail(p, PROBE_FAIL_LOCAL,
			   "this host lets us send no ICMP echo: our group is not within "
			   "net.ipv4.ping_group_range");
	else
		probe_fail(p, PROBE_FAIL_LOCAL, "this host cannot %s: %s", step, strerror(-err));
}

/* connect(2) failed at once: but for a refusal by this very host, nothing left it. */
static void fail_connect(struct probe *p, int err)
{
	if (err == ECONNREFUSED)
		probe_fail(p, PROBE_FAIL_REFUSED, "connection refused");
	else if (err == EINVAL)
		probe_fail(p, PROBE_FAIL_LOCAL, "this host has a blackhole route to it");
	else
		probe_fail(p, PROBE_FAIL_LOCAL, "this host cannot connect: %s", strerror(err));
}

bool probe_socket_connect(struct probe *p, int type, int protocol)
{
	socklen_t len = sizeof(p->local);
	const char *step;
	int fd = open_socket(p, type, protocol, &step);

	if (fd < 0) {
		fail_open(p, fd, step);
		return false;
	}
	p->fd = fd;
	if (connect(fd, &p->peer.sa, sockaddr_len(&p->peer)) < 0 && errno != EINPROGRESS) {
		fail_connect(p, errno);
		return false;
	}
	getsockname(fd, &p->local.sa, &len);
	return true;
}

/* -- errors in words ----------------------------------------------------------- */

/* The ICMP error behind a failure, if one is queued: who said it and what. */
struct icmp_error {
	uint8_t origin, type, code;
	struct weir_addr by;
};

static bool icmp_error_read(int fd, struct icmp_error *out)
{
	uint8_t control[512], data[1];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		const struct sock_extended_err *e = (const void *)CMSG_DATA(c);
		const struct sockaddr *by;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memset(out, 0, sizeof(*out));
		out->origin = e->ee_origin;
		out->type = e->ee_type;
		out->code = e->ee_code;
		by = SO_EE_OFFENDER(e);
		if (by->sa_family == AF_INET) {
			out->by.family = 4;
			memcpy(out->by.bytes, &((const struct sockaddr_in *)by)->sin_addr, 4);
		} else if (by->sa_family == AF_INET6) {
			out->by.family = 6;
			memcpy(out->by.bytes, &((const struct sockaddr_in6 *)by)->sin6_addr, 16);
		}
		return true;
	}
	return false;
}

static bool is_local(const struct probe *p, const struct weir_addr *a)
{
	if (a->family == 6)
		return memcmp(a->bytes, &p->local.v6.sin6_addr, 16) == 0;
	return memcmp(a->bytes, &p->local.v4.sin_addr, 4) == 0;
}

static bool time_exceeded(const struct icmp_error *e)
{
	return (e->origin == SO_EE_ORIGIN_ICMP && e->type == ICMP_TIME_EXCEEDED) ||
	       (e->origin == SO_EE_ORIGIN_ICMP6 && e->type == ICMP6_TIME_EXCEEDED);
}

static const char *icmp_words(const struct icmp_error *e)
{
	if (e->origin == SO_EE_ORIGIN_ICMP && e->type == ICMP_DEST_UNREACH) {
		switch (e->code) {
		case ICMP_NET_UNREACH:
			return "network unreachable";
		case ICMP_HOST_UNREACH:
			return "host unreachable";
		case ICMP_PROT_UNREACH:
			return "protocol unreachable";
		case ICMP_PORT_UNREACH:
			return "port unreachable";
		case ICMP_FRAG_NEEDED:
			return "packet too big";
		case ICMP_NET_ANO:
		case ICMP_HOST_ANO:
		case ICMP_PKT_FILTERED:
			return "administratively prohibited";
		}
		return "unreachable";
	}
	if (e->origin == SO_EE_ORIGIN_ICMP6) {
		if (e->type == ICMP6_PACKET_TOO_BIG)
			return "packet too big";
		switch (e->code) {
		case ICMP6_DST_UNREACH_NOROUTE:
			return "network unreachable";
		case ICMP6_DST_UNREACH_ADMIN:
			return "administratively prohibited";
		case ICMP6_DST_UNREACH_NOPORT:
			return "port unreachable";
		}
	}
	return "unreachable";
}

/* Our own kernel's word that no neighbour answers for the next hop. */
static bool no_neighbour(const struct probe *p, const struct icmp_error *e)
{
	return is_local(p, &e->by) &&
	       (e->origin == SO_EE_ORIGIN_ICMP ? e->code == ICMP_HOST_UNREACH
					       : e->code == ICMP6_DST_UNREACH_ADDR);
}

static bool port_unreachable(const struct icmp_error *e)
{
	return e->origin == SO_EE_ORIGIN_ICMP
		       ? e->type == ICMP_DEST_UNREACH && e->code == ICMP_PORT_UNREACH
		       : e->type == ICMP6_DST_UNREACH && e->code == ICMP6_DST_UNREACH_NOPORT;
}

/* True when the queued ICMP error explains the failure and was reported. */
static bool fail_by_icmp(struct probe *p, const struct icmp_error *e)
{
	char by[WEIR_ADDR_STRLEN];

	if (e->by.family == 0)
		return false;
	weir_addr_text(&e->by, by);
	if (time_exceeded(e)) {
		if (p->target.mark)
			probe_fail(p, PROBE_FAIL_UNREACHABLE,
				   "%s forwards the probe instead of taking it: the VIP is not on "
				   "that host",
				   by);
		else
			probe_fail(p, PROBE_FAIL_UNREACHABLE, "time to live exceeded, says %s", by);
	} else if (no_neighbour(p, e)) {
		/* With a mark that is the VIP's route here: nothing about the backend. */
		probe_fail(p, p->target.mark ? PROBE_FAIL_LOCAL : PROBE_FAIL_UNREACHABLE,
			   "host unreachable: nobody answers for the next hop");
	} else {
		probe_fail(p, port_unreachable(e) ? PROBE_FAIL_REFUSED : PROBE_FAIL_UNREACHABLE,
			   "%s, says %s", icmp_words(e), by);
	}
	return true;
}

void probe_socket_fail(struct probe *p, int err, const char *doing)
{
	struct icmp_error icmp;

	if (p->fd >= 0 && icmp_error_read(p->fd, &icmp) && fail_by_icmp(p, &icmp))
		return;
	switch (err) {
	case ECONNREFUSED:
		probe_fail(p, PROBE_FAIL_REFUSED,
			   p->ops->datagram ? "port unreachable" : "connection refused");
		break;
	case ECONNRESET:
	case EPIPE:
		probe_fail(p, PROBE_FAIL_RESET, "reset while %s", doing);
		break;
	case EHOSTUNREACH:
	case ENETUNREACH:
		probe_fail(p, PROBE_FAIL_UNREACHABLE, "%s while %s",
			   err == EHOSTUNREACH ? "host unreachable" : "network unreachable", doing);
		break;
	case EMSGSIZE:
		probe_fail(p, PROBE_FAIL_LOCAL,
			   "a packet of %u bytes does not fit this host's own interface",
			   p->conf->padded_mtu);
		break;
	case ENOBUFS:
	case ENOMEM:
	case EPERM: /* a firewall on this host */
	case EACCES:
		probe_fail(p, PROBE_FAIL_LOCAL, "this host failed while %s: %s", doing,
			   strerror(err));
		break;
	default:
		probe_fail(p, PROBE_FAIL_UNREACHABLE, "%s while %s", strerror(err), doing);
	}
}

int probe_socket_unacked(const struct probe *p)
{
	int bytes = 0;

	if (ioctl(p->fd, SIOCOUTQ, &bytes) < 0)
		return 0;
	return bytes;
}

bool probe_socket_closed(const struct probe *p)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	       info.tcpi_state != TCP_ESTABLISHED;
}

uint16_t probe_socket_packet(const struct probe *p)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	unsigned bytes = p->peer.sa.sa_family == AF_INET6 ? 40 + 20 : 20 + 20;

	if (getsockopt(p->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	if (info.tcpi_options & TCPI_OPT_TIMESTAMPS)
		bytes += 12; /* RFC 7323 with padding: tcpi_snd_mss is without them */
	return (uint16_t)(bytes + info.tcpi_snd_mss);
}
