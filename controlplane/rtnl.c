// SPDX-License-Identifier: Apache-2.0
#include "rtnl.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

struct rtnl {
	struct mnl_socket *socket;
	uint32_t seq;
};

int rtnl_open(struct rtnl **out)
{
	/* An answer that was lost must not stop the event loop for good. */
	static const struct timeval patience = { .tv_sec = 1 };
	struct rtnl *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (r->socket == NULL) {
		err = -errno;
		goto err_free;
	}
	if (mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(r->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0) {
		err = -errno;
		goto err_close;
	}
	*out = r;
	return 0;

err_close:
	mnl_socket_close(r->socket);
err_free:
	free(r);
	return err;
}

void rtnl_close(struct rtnl *r)
{
	if (r == NULL)
		return;
	mnl_socket_close(r->socket);
	free(r);
}

/* Send a request and hand its one answer to `cb`. An acknowledgement is an answer. */
static int talk(struct rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	unsigned port = mnl_socket_get_portid(r->socket);
	alignas(8) char buf[8192];
	ssize_t n;
	int ret;

	nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		n = mnl_socket_recvfrom(r->socket, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		/* The late answer to a question that was given up. */
		if ((size_t)n >= sizeof(*nlh) &&
		    ((struct nlmsghdr *)buf)->nlmsg_seq != nlh->nlmsg_seq)
			continue;
		ret = mnl_cb_run(buf, (size_t)n, nlh->nlmsg_seq, port, cb, data);
		return ret < 0 ? -errno : 0;
	}
}

static unsigned family_of(const struct weir_addr *a)
{
	return a->family == 6 ? AF_INET6 : AF_INET;
}

static size_t length_of(const struct weir_addr *a)
{
	return a->family == 6 ? 16 : 4;
}

static bool addr_from(const struct nlattr *a, unsigned family, struct weir_addr *out)
{
	size_t len = family == AF_INET6 ? 16 : 4;

	if (mnl_attr_get_payload_len(a) != len)
		return false;
	*out = (struct weir_addr){ .family = family == AF_INET6 ? 6 : 4 };
	memcpy(out->bytes, mnl_attr_get_payload(a), len);
	return true;
}

/* -- routes ----------------------------------------------------------------- */

/* RTA_VIA: an IPv4 route through an IPv6 neighbour (RFC 5549), or the reverse. */
static bool via_from(const struct nlattr *a, struct weir_addr *out)
{
	const struct rtvia *via = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);

	if (len < sizeof(*via))
		return false;
	len -= sizeof(*via);
	if (!(via->rtvia_family == AF_INET && len == 4) &&
	    !(via->rtvia_family == AF_INET6 && len == 16))
		return false;
	*out = (struct weir_addr){ .family = via->rtvia_family == AF_INET6 ? 6 : 4 };
	memcpy(out->bytes, via->rtvia_addr, len);
	return true;
}

static uint32_t mtu_from(const struct nlattr *metrics)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, metrics) if (mnl_attr_get_type(a) == RTAX_MTU &&
						 mnl_attr_get_payload_len(a) ==
							 4) return mnl_attr_get_u32(a);
	return 0;
}

bool rtnl_parse_route(const struct nlmsghdr *nlh, struct rtnl_route *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct rtnl_route r = { 0 };
	const struct nlattr *a;
	bool ok = true;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return false;
	r.local = rtm->rtm_type == RTN_LOCAL;
	mnl_attr_for_each(a, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(a)) {
		case RTA_OIF:
			ok = ok && mnl_attr_get_payload_len(a) == 4;
			r.ifindex = ok ? mnl_attr_get_u32(a) : 0;
			break;
		case RTA_GATEWAY:
			ok = ok && addr_from(a, rtm->rtm_family, &r.gateway);
			break;
		case RTA_VIA:
			ok = ok && via_from(a, &r.gateway);
			break;
		case RTA_PREFSRC:
			ok = ok && addr_from(a, rtm->rtm_family, &r.source);
			break;
		case RTA_METRICS:
			r.mtu = mtu_from(a);
			break;
		}
	}
	if (ok)
		*out = r;
	return ok;
}

struct route_answer {
	struct rtnl_route *out;
	bool found;
};

static int route_answer(const struct nlmsghdr *nlh, void *data)
{
	struct route_answer *answer = data;

	answer->found = rtnl_parse_route(nlh, answer->out);
	return MNL_CB_STOP;
}

int rtnl_route_get(struct rtnl *r, const struct weir_addr *to, struct rtnl_route *out)
{
	struct route_answer answer = { .out = out };
	alignas(8) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (uint8_t)family_of(to);
	rtm->rtm_dst_len = (uint8_t)(length_of(to) * 8);
	mnl_attr_put(nlh, RTA_DST, length_of(to), to->bytes);
	err = talk(r, nlh, route_answer, &answer);
	if (err == 0 && !answer.found)
		return -EBADMSG;
	return err;
}

/* -- neighbours ------------------------------------------------------------- */

bool rtnl_parse_neigh(const struct nlmsghdr *nlh, struct rtnl_neigh *out)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct rtnl_neigh n = { 0 };
	const struct nlattr *a;
	bool ok = true;

	if ((nlh->nlmsg_type != RTM_NEWNEIGH && nlh->nlmsg_type != RTM_DELNEIGH) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm) ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return false;
	n.ifindex = (uint32_t)ndm->ndm_ifindex;
	n.state = ndm->ndm_state;
	mnl_attr_for_each(a, nlh, sizeof(*ndm))
	{
		switch (mnl_attr_get_type(a)) {
		case NDA_DST:
			ok = ok && addr_from(a, ndm->ndm_family, &n.addr);
			break;
		case NDA_LLADDR: /* other lengths: a link that is no Ethernet */
			n.has_mac = mnl_attr_get_payload_len(a) == sizeof(n.mac);
			if (n.has_mac)
				memcpy(n.mac, mnl_attr_get_payload(a), sizeof(n.mac));
			break;
		case NDA_FLAGS_EXT:
			n.managed = mnl_attr_get_payload_len(a) == 4 &&
				    (mnl_attr_get_u32(a) & NTF_EXT_MANAGED) != 0;
			break;
		case NDA_PROTOCOL:
			n.protocol = mnl_attr_get_payload_len(a) == 1 ? mnl_attr_get_u8(a) : 0;
			break;
		}
	}
	/* The address of a failed entry is not believed any more. */
	if ((n.state & (NUD_FAILED | NUD_INCOMPLETE)) != 0 || n.state == NUD_NONE)
		n.has_mac = false;
	if (!ok || n.addr.family == 0)
		return false;
	*out = n;
	return true;
}

struct neigh_answer {
	struct rtnl_neigh *out;
	bool found;
};

static int neigh_answer(const struct nlmsghdr *nlh, void *data)
{
	struct neigh_answer *answer = data;

	answer->found = rtnl_parse_neigh(nlh, answer->out);
	return MNL_CB_STOP;
}

static struct ndmsg *neigh_request(char *buf, uint16_t type, uint16_t flags, uint32_t ifindex,
				   const struct weir_addr *addr)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = (uint8_t)family_of(addr);
	ndm->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, length_of(addr), addr->bytes);
	return ndm;
}

int rtnl_neigh_get(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr,
		   struct rtnl_neigh *out)
{
	struct neigh_answer answer = { .out = out };
	alignas(8) char buf[256];
	int err;

	neigh_request(buf, RTM_GETNEIGH, 0, ifindex, addr);
	err = talk(r, (struct nlmsghdr *)buf, neigh_answer, &answer);
	if (err == 0 && !answer.found)
		return -EBADMSG;
	return err;
}

int rtnl_neigh_manage(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr)
{
	alignas(8) char buf[256];
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;

	/* Without a state: an entry that exists keeps the one it has. */
	neigh_request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, ifindex, addr);
	mnl_attr_put_u32(nlh, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	mnl_attr_put_u8(nlh, NDA_PROTOCOL, RTNL_PROTOCOL);
	return talk(r, nlh, NULL, NULL);
}

int rtnl_neigh_use(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr)
{
	alignas(8) char buf[256];

	neigh_request(buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, ifindex, addr)->ndm_flags =
		NTF_USE;
	return talk(r, (struct nlmsghdr *)buf, NULL, NULL);
}

int rtnl_neigh_delete(struct rtnl *r, uint32_t ifindex, const struct weir_addr *addr)
{
	alignas(8) char buf[256];

	neigh_request(buf, RTM_DELNEIGH, NLM_F_ACK, ifindex, addr);
	return talk(r, (struct nlmsghdr *)buf, NULL, NULL);
}
