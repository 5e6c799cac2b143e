// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"

#include "netlink_attr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/neighbour.h>
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
int netlink_request(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *user)
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

struct nlmsghdr *netlink_begin(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	return nlh;
}

int netlink_attr_keep(const struct nlattr *attr, void *user)
{
	struct netlink_attrs *a = user;

	if (mnl_attr_get_type(attr) <= a->most)
		a->by_type[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* A callback of mnl_cb_run() reports an error by errno. */
int netlink_fail(int err)
{
	errno = -err;
	return MNL_CB_ERROR;
}

/* Room for one more in an array of `*count`; NULL: no memory. */
void *netlink_append(void *array, unsigned *count, size_t size)
{
	void **at = array, *bigger = realloc(*at, (*count + 1) * size);

	if (bigger == NULL)
		return NULL;
	*at = bigger;
	return memset((char *)bigger + size * (*count)++, 0, size);
}

uint32_t netlink_u32(const struct nlattr *attr)
{
	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr)
									  : 0;
}

/* Address of 4 or 16 bytes; family 0: there is none. */
struct weir_addr netlink_addr(const struct nlattr *attr)
{
	struct weir_addr a = { 0 };
	unsigned len = attr != NULL ? mnl_attr_get_payload_len(attr) : 0;

	if (len == 4 || len == 16) {
		a.family = len == 4 ? 4 : 6;
		memcpy(a.bytes, mnl_attr_get_payload(attr), len);
	}
	return a;
}

static bool attr_is(const struct nlattr *attr, uint8_t value)
{
	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U8) == 0 &&
	       mnl_attr_get_u8(attr) == value;
}

static void addr_put(struct nlmsghdr *nlh, uint16_t type, const struct weir_addr *a)
{
	mnl_attr_put(nlh, type, a->family == 4 ? 4 : 16, a->bytes);
}

static uint8_t family_of(const struct weir_addr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

static void attr_text(const struct nlattr *attr, char *out, size_t len)
{
	if (attr != NULL && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(out, len, "%s", mnl_attr_get_str(attr));
}

/* -- links ----------------------------------------------------------------------- */

/* Kernel tunnels that would unpack what is sent to any of this host's addresses. */
static void link_info(const struct nlattr *nest, struct host_link *l)
{
	static const char zero[16];
	const struct nlattr *info[IFLA_INFO_MAX + 1] = { NULL }, *remote,
						  *data[IFLA_IPTUN_MAX + 1] = { NULL };

	mnl_attr_parse_nested(nest, netlink_attr_keep,
			      &(struct netlink_attrs){ info, IFLA_INFO_MAX });
	attr_text(info[IFLA_INFO_KIND], l->kind, sizeof(l->kind));
	if (strcmp(l->kind, "ipip") != 0 && strcmp(l->kind, "sit") != 0 &&
	    strcmp(l->kind, "ip6tnl") != 0)
		return;
	if (info[IFLA_INFO_DATA] != NULL)
		mnl_attr_parse_nested(info[IFLA_INFO_DATA], netlink_attr_keep,
				      &(struct netlink_attrs){ data, IFLA_IPTUN_MAX });
	remote = data[IFLA_IPTUN_REMOTE];
	l->any_remote =
		remote == NULL || mnl_attr_get_payload_len(remote) > sizeof(zero) ||
		memcmp(mnl_attr_get_payload(remote), zero, mnl_attr_get_payload_len(remote)) == 0;
}

static int link_take(const struct nlmsghdr *nlh, void *user)
{
	const struct ifinfomsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[IFLA_MAX + 1] = { NULL };
	struct host *h = user;
	struct host_link *l = netlink_append(&h->link, &h->link_count, sizeof(*l));

	if (l == NULL)
		return netlink_fail(-ENOMEM);
	mnl_attr_parse(nlh, sizeof(*msg), netlink_attr_keep,
		       &(struct netlink_attrs){ attr, IFLA_MAX });
	l->index = msg->ifi_index;
	l->type = msg->ifi_type;
	l->flags = msg->ifi_flags;
	l->mtu = netlink_u32(attr[IFLA_MTU]);
	attr_text(attr[IFLA_IFNAME], l->name, sizeof(l->name));
	if (attr[IFLA_LINKINFO] != NULL)
		link_info(attr[IFLA_LINKINFO], l);
	return MNL_CB_OK;
}

int netlink_links(struct mnl_socket *nl, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETLINK, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return netlink_request(nl, nlh, link_take, h);
}

/* -- addresses ------------------------------------------------------------------- */

static int addr_take(const struct nlmsghdr *nlh, void *user)
{
	const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[IFA_MAX + 1] = { NULL };
	struct host *h = user;
	char label[IFNAMSIZ] = "";
	struct weir_addr addr;
	struct host_addr *a;

	mnl_attr_parse(nlh, sizeof(*msg), netlink_attr_keep,
		       &(struct netlink_attrs){ attr, IFA_MAX });
	addr = netlink_addr(attr[attr[IFA_LOCAL] != NULL ? IFA_LOCAL : IFA_ADDRESS]);
	if (addr.family == 0)
		return MNL_CB_OK;
	a = netlink_append(&h->addr, &h->addr_count, sizeof(*a));
	if (a == NULL)
		return netlink_fail(-ENOMEM);
	attr_text(attr[IFA_LABEL], label, sizeof(label));
	a->ifindex = (int)msg->ifa_index;
	a->len = msg->ifa_prefixlen;
	a->addr = addr;
	a->ours = addr.family == 4 ? strcmp(label, HOST_VIP_LABEL) == 0
				   : attr_is(attr[IFA_PROTO], HOST_VIP_PROTOCOL);
	/* The kernel's IFA_F_TEMPORARY is IFA_F_SECONDARY in IPv4. */
	a->temporary = addr.family == 6 && (netlink_u32(attr[IFA_FLAGS]) & IFA_F_TEMPORARY) != 0;
	return MNL_CB_OK;
}

int netlink_addrs(struct mnl_socket *nl, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->ifa_family = AF_UNSPEC;
	return netlink_request(nl, nlh, addr_take, h);
}

static int addr_change(struct mnl_socket *nl, uint16_t type, uint16_t flags, int ifindex,
		       const struct weir_addr *a)
{
	const struct ifa_cacheinfo deprecated = { .ifa_valid = UINT32_MAX, .ifa_prefered = 0 };
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, type, NLM_F_ACK | flags);
	struct ifaddrmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->ifa_family = family_of(a);
	msg->ifa_prefixlen = prefix_full(a);
	msg->ifa_index = (uint32_t)ifindex;
	addr_put(nlh, IFA_LOCAL, a);
	addr_put(nlh, IFA_ADDRESS, a);
	if (a->family == 4) {
		msg->ifa_scope = RT_SCOPE_HOST;
		mnl_attr_put_strz(nlh, IFA_LABEL, HOST_VIP_LABEL);
	} else {
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD);
		mnl_attr_put_u8(nlh, IFA_PROTO, HOST_VIP_PROTOCOL);
		mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(deprecated), &deprecated);
	}
	return netlink_request(nl, nlh, NULL, NULL);
}

static int prefix_change(struct mnl_socket *nl, uint16_t type, uint16_t flags, int ifindex,
			 const struct prefix *p)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, type, NLM_F_ACK | flags);
	struct rtmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->rtm_family = family_of(&p->addr);
	msg->rtm_dst_len = p->len;
	msg->rtm_table = RT_TABLE_LOCAL;
	msg->rtm_type = RTN_LOCAL;
	msg->rtm_protocol = HOST_VIP_PROTOCOL;
	msg->rtm_scope = p->addr.family == 4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	addr_put(nlh, RTA_DST, &p->addr);
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)ifindex);
	return netlink_request(nl, nlh, NULL, NULL);
}

int netlink_vip_add(struct mnl_socket *nl, int ifindex, const struct prefix *vip)
{
	const uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;

	return vip->len == prefix_full(&vip->addr)
		       ? addr_change(nl, RTM_NEWADDR, flags, ifindex, &vip->addr)
		       : prefix_change(nl, RTM_NEWROUTE, flags, ifindex, vip);
}

int netlink_vip_del(struct mnl_socket *nl, int ifindex, const struct prefix *vip)
{
	return vip->len == prefix_full(&vip->addr)
		       ? addr_change(nl, RTM_DELADDR, 0, ifindex, &vip->addr)
		       : prefix_change(nl, RTM_DELROUTE, 0, ifindex, vip);
}

/* -- proxied neighbours ---------------------------------------------------------- */

static int proxy_take(const struct nlmsghdr *nlh, void *user)
{
	const struct ndmsg *msg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr[NDA_MAX + 1] = { NULL };
	struct host *h = user;
	struct host_proxy *p;

	mnl_attr_parse(nlh, sizeof(*msg), netlink_attr_keep,
		       &(struct netlink_attrs){ attr, NDA_MAX });
	if ((msg->ndm_flags & NTF_PROXY) == 0)
		return MNL_CB_OK;
	p = netlink_append(&h->proxy, &h->proxy_count, sizeof(*p));
	if (p == NULL)
		return netlink_fail(-ENOMEM);
	p->ifindex = msg->ndm_ifindex;
	p->addr = netlink_addr(attr[NDA_DST]);
	return MNL_CB_OK;
}

int netlink_proxies(struct mnl_socket *nl, struct host *h)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETNEIGH, NLM_F_DUMP);
	struct ndmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->ndm_family = AF_UNSPEC;
	msg->ndm_flags = NTF_PROXY;
	return netlink_request(nl, nlh, proxy_take, h);
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
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETQDISC, NLM_F_DUMP);
	struct tcmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));
	struct ingress_seen seen = { .ifindex = ifindex };
	int err;

	msg->tcm_ifindex = ifindex;
	err = netlink_request(nl, nlh, qdisc_take, &seen);
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

	mnl_attr_parse(nlh, sizeof(*msg), netlink_attr_keep,
		       &(struct netlink_attrs){ attr, TCA_MAX });
	/* Each priority also has an entry for itself, without a handle. */
	if (msg->tcm_handle == 0)
		return MNL_CB_OK;
	f.priority = TC_H_MAJ(msg->tcm_info) >> 16;
	f.handle = msg->tcm_handle;
	attr_text(attr[TCA_KIND], f.name, sizeof(f.name));
	if (strcmp(f.name, "bpf") == 0 && attr[TCA_OPTIONS] != NULL) {
		mnl_attr_parse_nested(attr[TCA_OPTIONS], netlink_attr_keep,
				      &(struct netlink_attrs){ opt, TCA_BPF_MAX });
		f.program_id = netlink_u32(opt[TCA_BPF_ID]);
		attr_text(opt[TCA_BPF_NAME], f.name, sizeof(f.name));
	}
	err = d->fn(d->user, &f);
	return err < 0 ? netlink_fail(err) : MNL_CB_OK;
}

int netlink_filters(struct mnl_socket *nl, int ifindex, bool ingress, netlink_filter_fn *fn,
		    void *user)
{
	char buf[256];
	struct nlmsghdr *nlh = netlink_begin(buf, RTM_GETTFILTER, NLM_F_DUMP);
	struct tcmsg *msg = mnl_nlmsg_put_extra_header(nlh, sizeof(*msg));

	msg->tcm_ifindex = ifindex;
	msg->tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
	return netlink_request(nl, nlh, filter_take, &(struct filter_dump){ fn, user });
}
