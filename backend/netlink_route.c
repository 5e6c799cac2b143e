// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"
#include "netlink_attr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define ROUTE_BYTES 8192 /* a default route with very many next hops */

static int local_take(struct host *h, const struct rtmsg *msg, const struct nlattr *const *attr)
{
	struct host_prefix *p;

	if (msg->rtm_dst_len == (msg->rtm_family == AF_INET ? 32 : 128))
		return MNL_CB_OK; /* an address */
	p = netlink_append(&h->prefix, &h->prefix_count, sizeof(*p));
	if (p == NULL)
		return netlink_fail(-ENOMEM);
	p->prefix.addr = netlink_addr(attr[RTA_DST]);
	p->prefix.len = msg->rtm_dst_len;
	p->ifindex = (int)netlink_u32(attr[RTA_OIF]);
	p->ours = msg->rtm_protocol == HOST_VIP_PROTOCOL;
	return MNL_CB_OK;
}

static void default_read(const struct rtmsg *msg, const struct nlattr *const *attr,
			 struct host_route *r)
{
	const struct nlattr *metric[RTAX_MAX + 1] = { NULL };
	const struct rtvia *via;

	*r = (struct host_route){
		.family = msg->rtm_family == AF_INET ? 4 : 6,
		.protocol = msg->rtm_protocol,
		.metric = netlink_u32(attr[RTA_PRIORITY]),
		.ifindex = (int)netlink_u32(attr[RTA_OIF]),
		.gateway = netlink_addr(attr[RTA_GATEWAY]),
	};
	if (attr[RTA_VIA] != NULL && mnl_attr_get_payload_len(attr[RTA_VIA]) == sizeof(*via) + 16) {
		via = mnl_attr_get_payload(attr[RTA_VIA]);
		r->gateway.family = 6;
		memcpy(r->gateway.bytes, via->rtvia_addr, 16);
	}
	if (attr[RTA_METRICS] != NULL)
		mnl_attr_parse_nested(attr[RTA_METRICS], netlink_attr_keep,
				      &(struct netlink_attrs){ metric, RTAX_MAX });
	r->mtu = netlink_u32(metric[RTAX_MTU]);
	r->advmss = netlink_u32(metric[RTAX_ADVMSS]);
}

/* True for a unicast route of the main table or a local one of the local table; with
 * what is in it. */
static bool route_read(const struct nlmsghdr *nlh, const struct nlattr **attr)
{
	const struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);
	uint32_t table;

	mnl_attr_parse(nlh, sizeof(*msg), netlink_attr_keep,
		       &(struct netlink_attrs){ attr, RTA_MAX });
	table = attr[RTA_TABLE] != NULL ? netlink_u32(attr[RTA_TABLE]) : msg->rtm_table;
	if ((msg->rtm_family != AF_INET && msg->rtm_family != AF_INET6) ||
	    (msg->rtm_flags & RTM_F_CLONED) != 0)
		return false;
	return (msg->rtm_type == RTN_UNICAST && table == RT_TABLE_MAIN) ||
	       (msg->rtm_type == RTN_LOCAL && table == RT_TABLE_LOCAL);
}

static int route_take(const struct nlmsghdr *nlh, void *user)
{
	const struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[RTA_MAX + 1] = { NULL };
	struct host *h = user;
	struct host_route *r;

	if (!route_read(nlh, attr))
		return MNL_CB_OK;
	if (msg->rtm_type == RTN_LOCAL)
		return local_take(h, msg, attr);
	if (msg->rtm_dst_len != 0) {
		h->gateway_routes[msg->rtm_family == AF_INET6] +=
			attr[RTA_GATEWAY] != NULL || attr[RTA_VIA] != NULL ||
			attr[RTA_MULTIPATH] != NULL || attr[RTA_NH_ID] != NULL;
		return MNL_CB_OK;
	}
	r = netlink_append(&h->route, &h->route_count, sizeof(*r));
	if (r == NULL)
		return netlink_fail(-ENOMEM);
	default_read(msg, attr, r);
	return MNL_CB_OK;
}

static int routes_dump(struct mnl_socket *nl, uint8_t family, mnl_cb_t cb, void *user)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->rtm_family = family;
	return netlink_request(nl, nlh, cb, user);
}

int netlink_routes(struct mnl_socket *nl, struct host *h)
{
	int err = routes_dump(nl, AF_INET, route_take, h);

	return err < 0 ? err : routes_dump(nl, AF_INET6, route_take, h);
}

/* A rule for what comes in by an interface is not about answers of this host. */
static int rule_take(const struct nlmsghdr *nlh, void *user)
{
	const struct fib_rule_hdr *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[FRA_MAX + 1] = { NULL };
	struct host *h = user;
	uint32_t table;

	mnl_attr_parse(nlh, sizeof(*msg), netlink_attr_keep,
		       &(struct netlink_attrs){ attr, FRA_MAX });
	table = attr[FRA_TABLE] != NULL ? netlink_u32(attr[FRA_TABLE]) : msg->table;
	if (msg->action == FR_ACT_TO_TBL && attr[FRA_IIFNAME] == NULL && table != RT_TABLE_MAIN &&
	    table != RT_TABLE_LOCAL && table != RT_TABLE_DEFAULT)
		h->table_rules[msg->family == AF_INET6]++;
	return MNL_CB_OK;
}

static int rules_dump(struct mnl_socket *nl, uint8_t family, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	int err;

	msg->family = family;
	err = netlink_request(nl, nlh, rule_take, h);
	/* A kernel without rules, or without the family. */
	return err == -EAFNOSUPPORT || err == -EOPNOTSUPP ? 0 : err;
}

int netlink_rules(struct mnl_socket *nl, struct host *h)
{
	int err = rules_dump(nl, AF_INET, h);

	return err < 0 ? err : rules_dump(nl, AF_INET6, h);
}

struct route_change {
	const struct host_route *of;
	unsigned advmss;
	struct nlmsghdr *request; /* NULL: no such route */
	char buf[ROUTE_BYTES];
};

static bool same_route(const struct host_route *a, const struct host_route *b)
{
	return a->family == b->family && a->metric == b->metric && a->ifindex == b->ifindex &&
	       weir_addr_equal(&a->gateway, &b->gateway);
}

/* The metrics as they are, but for this one. */
static void metrics_put(struct nlmsghdr *nlh, const struct nlattr *old, unsigned advmss)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	const struct nlattr *m;

	if (old != NULL)
		mnl_attr_for_each_nested(m, old)
		{
			if (mnl_attr_get_type(m) != RTAX_ADVMSS)
				mnl_attr_put(nlh, mnl_attr_get_type(m), mnl_attr_get_payload_len(m),
					     mnl_attr_get_payload(m));
		}
	if (advmss != 0)
		mnl_attr_put_u32(nlh, RTAX_ADVMSS, advmss);
	mnl_attr_nest_end(nlh, nest);
}

/* Next hops as a dump shows them carry what the kernel found out about them, which a
 * request must not. */
static void next_hops_clean(struct nlattr *attr)
{
	struct rtnexthop *hop = mnl_attr_get_payload(attr);
	int left = mnl_attr_get_payload_len(attr);

	for (; RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		hop->rtnh_flags &= RTNH_F_ONLINK;
}

/* Attributes that are not repeated: made anew, or told by the kernel and not to it. With
 * a next-hop object, what follows from that either. */
static bool not_repeated(uint16_t type, bool by_object)
{
	switch (type) {
	case RTA_METRICS:
	case RTA_CACHEINFO:
		return true;
	case RTA_OIF:
	case RTA_GATEWAY:
	case RTA_VIA:
	case RTA_MULTIPATH:
	case RTA_ENCAP:
	case RTA_ENCAP_TYPE:
		return by_object;
	default:
		return false;
	}
}

/* The request that replaces the route by itself with another MSS. */
static int route_repeat(const struct nlmsghdr *nlh, void *user)
{
	const struct rtmsg *old = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[RTA_MAX + 1] = { NULL }, *a;
	struct route_change *c = user;
	struct host_route r;
	struct rtmsg *msg;

	if (!route_read(nlh, attr) || old->rtm_type != RTN_UNICAST || old->rtm_dst_len != 0)
		return MNL_CB_OK;
	default_read(old, attr, &r);
	if (c->request != NULL || !same_route(&r, c->of))
		return MNL_CB_OK;
	if (nlh->nlmsg_len > sizeof(c->buf) - 64)
		return netlink_fail(-EMSGSIZE);
	c->request = netlink_begin(c->buf, RTM_NEWROUTE, NLM_F_ACK | NLM_F_REPLACE);
	msg = mnl_nlmsg_put_extra_header(c->request, sizeof(*msg));
	*msg = *old;
	msg->rtm_flags &= RTNH_F_ONLINK;
	mnl_attr_for_each(a, nlh, sizeof(*msg))
	{
		struct nlattr *copy = mnl_nlmsg_get_payload_tail(c->request);

		if (not_repeated(mnl_attr_get_type(a), attr[RTA_NH_ID] != NULL))
			continue;
		mnl_attr_put(c->request, mnl_attr_get_type(a), mnl_attr_get_payload_len(a),
			     mnl_attr_get_payload(a));
		if (mnl_attr_get_type(a) == RTA_MULTIPATH)
			next_hops_clean(copy);
	}
	metrics_put(c->request, attr[RTA_METRICS], c->advmss);
	return MNL_CB_OK;
}

int netlink_route_mss(struct mnl_socket *nl, const struct host_route *r, unsigned advmss)
{
	struct route_change c = { .of = r, .advmss = advmss };
	int err = routes_dump(nl, r->family == 4 ? AF_INET : AF_INET6, route_repeat, &c);

	if (err < 0)
		return err;
	return c.request != NULL ? netlink_request(nl, c.request, NULL, NULL) : -ESRCH;
}
