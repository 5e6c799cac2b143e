// SPDX-License-Identifier: Apache-2.0
#include "publish_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>

enum { OUTER_TTL = 64 };

/* -- services and VIPs ------------------------------------------------------ */

/* Every service, and each VIP as often as a service names it. */
static struct lookup_row *make_rows(const struct model *m)
{
	struct lookup_row *row = calloc(2 * m->service_count + 1, sizeof(*row));

	for (uint32_t i = 0; row != NULL && i < m->service_count; i++) {
		const struct service *s = m->service[i];

		row[2 * i] = (struct lookup_row){
			.vip = &s->conf.vip,
			.vip_bits = s->conf.vip_bits,
			.protocol = (uint8_t)s->conf.protocol,
			.port = (uint16_t)s->conf.port,
			.service = (uint16_t)s->index,
			.pool = (uint16_t)s->pool->index,
			.flags = s->conf.quic ? WEIR_SERVICE_QUIC : 0,
		};
		row[2 * i + 1] =
			(struct lookup_row){ .vip = &s->conf.vip,
					     .vip_bits = s->conf.vip_bits,
					     .service = (uint16_t)s->index,
					     .flags = WEIR_SERVICE_VIP_ONLY | s->vip_flags };
	}
	return row;
}

/* The VIPs are the rows with protocol 0; the look-up table has each of them once. */
static uint32_t collect_vips(struct weir_vip *vip, const struct lookup *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 1u << l->bits; i++) {
		const struct weir_lookup *e = &l->entry[i];

		if (!(e->flags & WEIR_SERVICE_VIP_ONLY))
			continue;
		vip[n] = lookup_vip(e);
		vip[n++].flags = e->flags & (WEIR_VIP_ECHO | WEIR_VIP_REJECT | WEIR_VIP_ARP);
	}
	return n;
}

/* Which lengths of prefixes there are: a packet is looked up once by each. */
static void collect_lengths(struct weir_snapshot *h, const struct weir_vip *vip)
{
	for (uint32_t i = 0; i < h->vip_count; i++) {
		unsigned len = vip[i].prefix_len;

		if (vip[i].family == 4 && len < 32)
			h->prefixes4 |= 1ull << len;
		if (vip[i].family == 6 && len < 128)
			h->prefixes6[len / 64] |= 1ull << len % 64;
	}
}

/* -- the plan --------------------------------------------------------------- */

/* The next `bytes` of the snapshot; every array begins a cache line. */
static uint32_t place(struct weir_snapshot *head, size_t bytes)
{
	uint32_t at = head->size;

	head->size += (uint32_t)((bytes + WEIR_CACHE_LINE - 1) & ~(size_t)(WEIR_CACHE_LINE - 1));
	return at;
}

static void plan_head(struct weir_snapshot *h, const struct model *m, uint32_t bits)
{
	h->magic = WEIR_SNAPSHOT_MAGIC;
	h->flow_seed = m->flow_seed;
	h->size = sizeof(*h);
	h->lookup_bits = bits;
	h->lookup_off = place(h, sizeof(struct weir_lookup) << bits);
	for (uint32_t i = 0; i < m->pool_count; i++)
		if (h->pool_count <= m->pool[i]->index)
			h->pool_count = m->pool[i]->index + 1;
	h->pool_off = place(h, sizeof(struct weir_pool) * h->pool_count);
	h->backend_off = place(h, sizeof(struct weir_backend) * h->backend_count);
	h->cold_off = place(h, sizeof(struct weir_backend_cold) * h->backend_count);
	h->vip_off = place(h, sizeof(struct weir_vip) * h->vip_count);
	h->service_count = m->service_count;
}

int build_plan(struct build *out, const struct model *m, uint32_t backend_count)
{
	struct build b = { .model = m, .head.backend_count = backend_count };
	struct lookup_row *row = make_rows(m);
	int err = -ENOMEM;

	if (row == NULL)
		goto out;
	err = lookup_build(row, 2 * m->service_count, &b.lookup);
	if (err < 0)
		goto out;
	b.vip = calloc(m->service_count + 1, sizeof(*b.vip));
	err = -ENOMEM;
	if (b.vip == NULL)
		goto out;
	b.head.vip_count = collect_vips(b.vip, &b.lookup);
	collect_lengths(&b.head, b.vip);
	plan_head(&b.head, m, b.lookup.bits);
	*out = b;
	err = 0;
out:
	if (err < 0)
		lookup_free(&b.lookup);
	free(row);
	return err;
}

void build_free(struct build *b)
{
	lookup_free(&b->lookup);
	free(b->vip);
	b->vip = NULL;
}

/* -- backends --------------------------------------------------------------- */

static const struct weir_addr *outer_source(const struct backend *b)
{
	const struct pool_conf *p = &b->pool->conf;

	return p->outer_source.family != 0 ? &p->outer_source : &b->hop.source;
}

/* RFC 791: the one's complement of the one's complement sum. */
static uint16_t header_sum(const struct iphdr *ip)
{
	uint16_t word[sizeof(*ip) / 2];
	uint32_t sum = 0;

	memcpy(word, ip, sizeof(word));
	for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/*
 * The part of the outer header that is the same for all packets: snapshot.h says what
 * the worker fills in. DF with identification 0 makes it an atomic datagram (RFC 6864,
 * section 4.1).
 */
static void write_outer(struct weir_backend *line, const struct backend *b)
{
	const struct weir_addr *source = outer_source(b);
	bool gue = line->encap == WEIR_ENCAP_GUE4 || line->encap == WEIR_ENCAP_GUE6;

	if (b->conf.addr.family == 4) {
		struct iphdr ip = { .version = 4,
				    .ihl = sizeof(ip) / 4,
				    .frag_off = htons(IP_DF),
				    .ttl = OUTER_TTL,
				    .protocol = gue ? IPPROTO_UDP : IPPROTO_IPIP };

		memcpy(&ip.saddr, source->bytes, sizeof(ip.saddr));
		memcpy(&ip.daddr, b->conf.addr.bytes, sizeof(ip.daddr));
		ip.check = header_sum(&ip);
		memcpy(line->outer, &ip, sizeof(ip));
	} else {
		struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28),
				      .ip6_nxt = gue ? IPPROTO_UDP : 0,
				      .ip6_hlim = OUTER_TTL };

		memcpy(&ip.ip6_src, source->bytes, sizeof(ip.ip6_src));
		memcpy(&ip.ip6_dst, b->conf.addr.bytes, sizeof(ip.ip6_dst));
		memcpy(line->outer, &ip, sizeof(ip));
	}
}

static uint16_t outer_mtu(const struct backend *b)
{
	uint32_t mtu = b->pool->conf.mtu;

	if (b->hop.mtu != 0 && (mtu == 0 || b->hop.mtu < mtu))
		mtu = b->hop.mtu;
	return mtu < UINT16_MAX ? (uint16_t)mtu : UINT16_MAX;
}

static struct weir_backend backend_line(const struct backend *b)
{
	struct weir_backend line = {
		.vlan_be = htons(b->hop.vlan),
		.port = b->hop.port,
		.encap = (uint8_t)backend_encap(b),
		.mtu = outer_mtu(b),
		.gue_port_be = htons(b->pool->conf.gue_port),
	};
	bool ready = b->hop.resolved;

	memcpy(line.dmac, b->hop.mac, sizeof(line.dmac));
	if (line.encap != WEIR_ENCAP_L2) {
		line.source_bits = b->pool->conf.source_bits;
		/* A pool that has just become ipip: the source is still being asked for. */
		if (outer_source(b)->family == b->conf.addr.family)
			write_outer(&line, b);
		else
			ready = false;
	}
	line.flags = (backend_forwards(b) ? WEIR_BACKEND_FORWARD : 0) |
		     (ready ? WEIR_BACKEND_RESOLVED : 0);
	return line;
}

static struct weir_backend_cold backend_cold(const struct backend *b)
{
	return (struct weir_backend_cold){
		.id = b->id,
		.drain_deadline_ms = b->conf.drain_deadline_ms,
		.pool = b->pool->index,
		.admin = (uint8_t)b->conf.admin,
		.agent_admin = (uint8_t)b->agent_admin,
		.agent_cut = (uint8_t)b->agent_cut,
		.health = (uint8_t)b->health,
		.served = b->slow.served,
		.slow_since_ms = (uint32_t)b->slow.since_ms,
	};
}

/* -- writing ---------------------------------------------------------------- */

static struct weir_pool pool_entry(const struct model *m, const struct pool *p)
{
	return (struct weir_pool){
		.id = p->id,
		.table_off = p->table_off,
		.move_off = p->move_off,
		.move_count = p->move_count,
		.newest_ms = p->newest_ms,
		.table_len = p->conf.table_size,
		.mode = (uint8_t)p->conf.mode,
		.hash = (uint8_t)p->conf.hash,
		.mtu = (uint16_t)p->conf.mtu,
		.tcp_window_ms = pool_tcp_window_ms(p),
		.udp_window_ms = pool_udp_window_ms(m, p),
		.grace_ms = pool_grace_ms(p),
		.flags = p->conf.fragment ? WEIR_POOL_FRAGMENT : 0,
	};
}

void build_write(const struct build *b, uint8_t *to, uint32_t offset, uint64_t generation)
{
	struct weir_pool *pool = (struct weir_pool *)(to + b->head.pool_off);
	struct weir_backend *line = (struct weir_backend *)(to + b->head.backend_off);
	struct weir_backend_cold *cold = (struct weir_backend_cold *)(to + b->head.cold_off);
	struct weir_snapshot head = b->head;

	/* Indices that are not in use and the gaps between arrays stay zero. */
	memset(to, 0, head.size);
	memcpy(to + head.lookup_off, b->lookup.entry, sizeof(struct weir_lookup) << b->lookup.bits);
	memcpy(to + head.vip_off, b->vip, sizeof(*b->vip) * head.vip_count);
	/* An index that no pool has: a worker reads it as a table like any other, and no
	 * service leads there. */
	for (uint32_t i = 0; i < head.pool_count; i++) {
		pool[i] = pool_entry(b->model, b->model->pool[0]);
		pool[i].id = 0;
	}
	for (uint32_t i = 0; i < b->model->pool_count; i++) {
		const struct pool *p = b->model->pool[i];

		pool[p->index] = pool_entry(b->model, p);
		for (uint32_t j = 0; j < p->backend_count; j++) {
			int32_t index = p->backend[j]->index;

			if (index < 0)
				continue;
			line[index] = backend_line(p->backend[j]);
			cold[index] = backend_cold(p->backend[j]);
		}
	}

	head.generation = generation;
	head.lookup_off += offset;
	head.pool_off += offset;
	head.backend_off += offset;
	head.cold_off += offset;
	head.vip_off += offset;
	memcpy(to, &head, sizeof(head));
}
