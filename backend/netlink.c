// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_BYTES 32768 /* the longest part of a dump that the kernel sends */

int netlink_open(struct mnl_socket **out)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int one = 1, err;

	if (nl == NULL)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	/* Without it the kernel ignores the filters that a dump request names, and
	 * answers as older kernels do: more than asked, never less. */
	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	*out = nl;
	return 0;
}

void netlink_close(struct mnl_socket *nl)
{
	mnl_socket_close(nl);
}

/* Send a request and run `cb` over the replies. */
static int request(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *user)
{
	static uint32_t seq;
	char reply[REPLY_BYTES];
	unsigned port = mnl_socket_get_portid(nl);
	ssize_t n;
	int more;

	nlh->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, reply, sizeof(reply));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(reply, (size_t)n, nlh->nlmsg_seq, port, cb, user);
		if (more < 0)
			return -errno;
	} while (more > MNL_CB_STOP);
	return 0;
}

static struct nlmsghdr *request_begin(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

/* The attributes of a message or a nest by type, of the types 0..most. */
struct attrs {
	const struct nlattr **by_type;
	uint16_t most;
};

static int attr_keep(const struct nlattr *attr, void *user)
{
	struct attrs *a = user;

	if (mnl_attr_get_type(attr) <= a->most)
		a->by_type[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* A callback of mnl_cb_run() reports an error by errno. */
static int callback_fail(int err)
{
	errno = -err;
	return MNL_CB_ERROR;
}

/* Room for one more in an array of `*count`; NULL: no memory. */
static void *append(void *array, unsigned *count, size_t size)
{
	void **at = array, *bigger = realloc(*at, (*count + 1) * size);

	if (bigger == NULL)
		return NULL;
	*at = bigger;
	return memset((char *)bigger + size * (*count)++, 0, size);
}

static uint32_t attr_u32(const struct nlattr *attr)
{
	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr)
									  : 0;
}

static void attr_text(const struct nlattr *attr, char *out, size_t len)
{
	if (attr != NULL && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(out, len, "%s", mnl_attr_get_str(attr));
}

/* -- links ----------------------------------------------------------------------- */

static void link_info(const struct nlattr *nest, struct host_link *l)
{
	const struct nlattr *info[IFLA_INFO_MAX + 1] = { NULL },
						  *data[IFLA_IPTUN_MAX + 1] = { NULL };

	mnl_attr_parse_nested(nest, attr_keep, &(struct attrs){ info, IFLA_INFO_MAX });
	attr_text(info[IFLA_INFO_KIND], l->kind, sizeof(l->kind));
	if (strcmp(l->kind, "ipip") != 0)
		return;
	if (info[IFLA_INFO_DATA] != NULL)
		mnl_attr_parse_nested(info[IFLA_INFO_DATA], attr_keep,
				      &(struct attrs){ data, IFLA_IPTUN_MAX });
	l->any_remote = attr_u32(data[IFLA_IPTUN_REMOTE]) == 0;
}

static int link_take(const struct nlmsghdr *nlh, void *user)
{
	const struct ifinfomsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[IFLA_MAX + 1] = { NULL };
	struct host *h = user;
	struct host_link *l = append(&h->link, &h->link_count, sizeof(*l));

	if (l == NULL)
		return callback_fail(-ENOMEM);
	mnl_attr_parse(nlh, sizeof(*msg), attr_keep, &(struct attrs){ attr, IFLA_MAX });
	l->index = msg->ifi_index;
	l->type = msg->ifi_type;
	l->flags = msg->ifi_flags;
	l->mtu = attr_u32(attr[IFLA_MTU]);
	attr_text(attr[IFLA_IFNAME], l->name, sizeof(l->name));
	if (attr[IFLA_LINKINFO] != NULL)
		link_info(attr[IFLA_LINKINFO], l);
	return MNL_CB_OK;
}

int netlink_links(struct mnl_socket *nl, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = request_begin(buf, RTM_GETLINK, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return request(nl, nlh, link_take, h);
}

/* -- addresses ------------------------------------------------------------------- */

static int addr_take(const struct nlmsghdr *nlh, void *user)
{
	const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[IFA_MAX + 1] = { NULL };
	struct host *h = user;
	struct host_addr *a;

	mnl_attr_parse(nlh, sizeof(*msg), attr_keep, &(struct attrs){ attr, IFA_MAX });
	if (msg->ifa_family != AF_INET || attr[IFA_LOCAL] == NULL ||
	    mnl_attr_get_payload_len(attr[IFA_LOCAL]) != 4)
		return MNL_CB_OK;
	a = append(&h->addr, &h->addr_count, sizeof(*a));
	if (a == NULL)
		return callback_fail(-ENOMEM);
	a->ifindex = (int)msg->ifa_index;
	a->len = msg->ifa_prefixlen;
	a->addr.family = 4;
	memcpy(a->addr.bytes, mnl_attr_get_payload(attr[IFA_LOCAL]), 4);
	attr_text(attr[IFA_LABEL], a->label, sizeof(a->label));
	return MNL_CB_OK;
}

int netlink_addrs(struct mnl_socket *nl, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = request_begin(buf, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->ifa_family = AF_INET;
	return request(nl, nlh, addr_take, h);
}

static int addr_change(struct mnl_socket *nl, uint16_t type, uint16_t flags, int ifindex,
		       const struct weir_addr *a)
{
	char buf[256];
	struct nlmsghdr *nlh = request_begin(buf, type, NLM_F_ACK | flags);
	struct ifaddrmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->ifa_family = AF_INET;
	msg->ifa_prefixlen = 32;
	msg->ifa_scope = RT_SCOPE_HOST;
	msg->ifa_index = (uint32_t)ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, 4, a->bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, 4, a->bytes);
	mnl_attr_put_strz(nlh, IFA_LABEL, HOST_VIP_LABEL);
	return request(nl, nlh, NULL, NULL);
}

int netlink_addr_add(struct mnl_socket *nl, int ifindex, const struct weir_addr *a)
{
	return addr_change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, a);
}

int netlink_addr_del(struct mnl_socket *nl, int ifindex, const struct weir_addr *a)
{
	return addr_change(nl, RTM_DELADDR, 0, ifindex, a);
}

/* -- routes ---------------------------------------------------------------------- */

static int route_take(const struct nlmsghdr *nlh, void *user)
{
	const struct rtmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[RTA_MAX + 1] = { NULL }, *metric[RTAX_MAX + 1] = { NULL };
	struct host *h = user;
	struct host_route *r;
	uint32_t table;

	mnl_attr_parse(nlh, sizeof(*msg), attr_keep, &(struct attrs){ attr, RTA_MAX });
	table = attr[RTA_TABLE] != NULL ? attr_u32(attr[RTA_TABLE]) : msg->rtm_table;
	if (msg->rtm_family != AF_INET || msg->rtm_type != RTN_UNICAST || table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	if (msg->rtm_dst_len != 0) {
		h->gateway_routes += attr[RTA_GATEWAY] != NULL || attr[RTA_VIA] != NULL ||
				     attr[RTA_MULTIPATH] != NULL || attr[RTA_NH_ID] != NULL;
		return MNL_CB_OK;
	}
	r = append(&h->route, &h->route_count, sizeof(*r));
	if (r == NULL)
		return callback_fail(-ENOMEM);
	r->ifindex = (int)attr_u32(attr[RTA_OIF]);
	if (attr[RTA_GATEWAY] != NULL && mnl_attr_get_payload_len(attr[RTA_GATEWAY]) == 4) {
		r->gateway.family = 4;
		memcpy(r->gateway.bytes, mnl_attr_get_payload(attr[RTA_GATEWAY]), 4);
	}
	if (attr[RTA_METRICS] != NULL)
		mnl_attr_parse_nested(attr[RTA_METRICS], attr_keep,
				      &(struct attrs){ metric, RTAX_MAX });
	r->mtu = attr_u32(metric[RTAX_MTU]);
	r->advmss = attr_u32(metric[RTAX_ADVMSS]);
	return MNL_CB_OK;
}

int netlink_routes(struct mnl_socket *nl, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = request_begin(buf, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->rtm_family = AF_INET;
	return request(nl, nlh, route_take, h);
}

/* -- traffic control ------------------------------------------------------------- */

struct ingress_seen {
	int ifindex;
	bool found;
};

static int qdisc_take(const struct nlmsghdr *nlh, void *user)
{
	const struct tcmsg *msg = mnl_nlmsg_get_payload(nlh);
	struct ingress_seen *seen = user;

	/* Kernels before 5.x dump all interfaces whatever was asked. */
	if (msg->tcm_ifindex == seen->ifindex && msg->tcm_parent == TC_H_CLSACT)
		seen->found = true;
	return MNL_CB_OK;
}

int netlink_ingress(struct mnl_socket *nl, int ifindex, bool *out)
{
	char buf[256];
	struct nlmsghdr *nlh = request_begin(buf, RTM_GETQDISC, NLM_F_DUMP);
	struct tcmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	struct ingress_seen seen = { .ifindex = ifindex };
	int err;

	msg->tcm_ifindex = ifindex;
	err = request(nl, nlh, qdisc_take, &seen);
	if (err == 0)
		*out = seen.found;
	return err;
}

struct filter_dump {
	netlink_filter_fn *fn;
	void *user;
};

static int filter_take(const struct nlmsghdr *nlh, void *user)
{
	const struct tcmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[TCA_MAX + 1] = { NULL }, *opt[TCA_BPF_MAX + 1] = { NULL };
	const struct filter_dump *d = user;
	struct netlink_filter f = { 0 };
	int err;

	mnl_attr_parse(nlh, sizeof(*msg), attr_keep, &(struct attrs){ attr, TCA_MAX });
	/* Each priority also has an entry for itself, without a handle. */
	if (msg->tcm_handle == 0)
		return MNL_CB_OK;
	f.priority = TC_H_MAJ(msg->tcm_info) >> 16;
	f.handle = msg->tcm_handle;
	attr_text(attr[TCA_KIND], f.name, sizeof(f.name));
	if (strcmp(f.name, "bpf") == 0 && attr[TCA_OPTIONS] != NULL) {
		mnl_attr_parse_nested(attr[TCA_OPTIONS], attr_keep,
				      &(struct attrs){ opt, TCA_BPF_MAX });
		f.program_id = attr_u32(opt[TCA_BPF_ID]);
		attr_text(opt[TCA_BPF_NAME], f.name, sizeof(f.name));
	}
	err = d->fn(d->user, &f);
	return err < 0 ? callback_fail(err) : MNL_CB_OK;
}

int netlink_filters(struct mnl_socket *nl, int ifindex, bool ingress, netlink_filter_fn *fn,
		    void *user)
{
	char buf[256];
	struct nlmsghdr *nlh = request_begin(buf, RTM_GETTFILTER, NLM_F_DUMP);
	struct tcmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->tcm_ifindex = ifindex;
	msg->tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
	return request(nl, nlh, filter_take, &(struct filter_dump){ fn, user });
}
