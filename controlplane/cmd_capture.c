// SPDX-License-Identifier: Apache-2.0
/*
 * Packets into a file: the data plane copies those that match and writes pcapng to a
 * socket; the reader's end of it goes to the client with the answer. Here names become
 * indices and bounds get their defaults.
 */
#include "cmd.h"
#include "json_put.h"

#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { COUNT = 1000, SECONDS = 10, SNAP = 256 };

/* What a request may say; NULL and -1: it does not. */
struct wanted {
	const char *points, *service, *pool, *backend, *drop, *protocol, *source, *destination;
	json_int_t count, seconds, snap, sample, sport, dport;
};

static bool bad(struct rpc_error *err, const char *what)
{
	rpc_fail(err, RPC_BAD_PARAMS, "%s", what);
	return false;
}

static bool parse_points(const char *text, struct weir_capture *q, struct rpc_error *err)
{
	if (text == NULL || strcmp(text, "both") == 0)
		q->points = WEIR_CAPTURE_BEFORE | WEIR_CAPTURE_AFTER;
	else if (strcmp(text, "before") == 0)
		q->points = WEIR_CAPTURE_BEFORE;
	else if (strcmp(text, "after") == 0)
		q->points = WEIR_CAPTURE_AFTER;
	else
		return bad(err, "points: before, after or both");
	return true;
}

static bool parse_names(const struct controlplane *cp, const struct wanted *w,
			struct weir_capture *q, struct rpc_error *err)
{
	const struct service *s;
	const struct pool *p;
	const struct backend *b;

	if ((w->pool == NULL) != (w->backend == NULL))
		return bad(err, "pool and backend go together");
	if (w->service != NULL) {
		s = model_service(&cp->model, w->service);
		if (s == NULL)
			return rpc_fail(err, RPC_NOT_FOUND, "no service %s", w->service);
		q->by |= WEIR_CAPTURE_BY_SERVICE;
		q->service = (uint16_t)s->index;
	}
	if (w->pool != NULL) {
		p = model_pool(&cp->model, w->pool);
		b = p == NULL ? NULL : model_backend(p, w->backend);
		if (b == NULL)
			return rpc_fail(err, RPC_NOT_FOUND, "no backend %s/%s", w->pool,
					w->backend);
		if (b->index < 0)
			return rpc_fail(err, RPC_CONFLICT, "%s/%s takes no packets yet", w->pool,
					w->backend);
		q->by |= WEIR_CAPTURE_BY_BACKEND;
		q->backend = (uint16_t)b->index;
	}
	return true;
}

static bool parse_drop(const char *name, struct weir_capture *q, struct rpc_error *err)
{
	if (name == NULL)
		return true;
	if (strcmp(name, weir_drop_name(WEIR_DROP_TX_FULL)) == 0)
		return bad(err, "drop: what a port's queue has no room for cannot be captured");
	for (unsigned r = WEIR_DROP_NONE + 1; r < WEIR_DROP_REASONS; r++) {
		if (strcmp(name, weir_drop_name(r)) != 0)
			continue;
		q->by |= WEIR_CAPTURE_BY_DROP;
		q->drop = (uint8_t)r;
		return true;
	}
	return bad(err, "drop: a reason as `drops` names it");
}

static bool parse_protocol(const char *name, struct weir_capture *q, struct rpc_error *err)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = { { "tcp", IPPROTO_TCP },
		      { "udp", IPPROTO_UDP },
		      { "icmp", IPPROTO_ICMP },
		      { "icmp6", IPPROTO_ICMPV6 } };

	if (name == NULL)
		return true;
	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(name, known[i].name) != 0)
			continue;
		q->by |= WEIR_CAPTURE_BY_PROTOCOL;
		q->protocol = known[i].number;
		return true;
	}
	return bad(err, "protocol: tcp, udp, icmp or icmp6");
}

/* An address or prefix into addr and len; false: it is none, or of the other family. */
static bool parse_prefix(const char *text, struct weir_capture *q, uint8_t addr[16], uint8_t *len)
{
	struct weir_addr a;

	if (weir_prefix_parse(text, &a, len) < 0 || (q->family != 0 && q->family != a.family))
		return false;
	q->family = a.family;
	memcpy(addr, a.bytes, 16);
	return true;
}

static bool parse_tuple(const struct wanted *w, struct weir_capture *q, struct rpc_error *err)
{
	if (w->source != NULL) {
		if (!parse_prefix(w->source, q, q->src, &q->src_len))
			return bad(err, "source: an address or prefix such as 192.0.2.0/24");
		q->by |= WEIR_CAPTURE_BY_SOURCE;
	}
	if (w->destination != NULL) {
		if (!parse_prefix(w->destination, q, q->dst, &q->dst_len))
			return bad(err, "destination: an address or prefix of source's family");
		q->by |= WEIR_CAPTURE_BY_DEST;
	}
	if (w->sport >= 0) {
		q->by |= WEIR_CAPTURE_BY_SPORT;
		q->sport = (uint16_t)w->sport;
	}
	if (w->dport >= 0) {
		q->by |= WEIR_CAPTURE_BY_DPORT;
		q->dport = (uint16_t)w->dport;
	}
	return parse_protocol(w->protocol, q, err);
}

static bool parse(const struct controlplane *cp, const json_t *params, struct weir_capture *q,
		  struct rpc_error *err)
{
	struct wanted w = { .count = COUNT,
			    .seconds = SECONDS,
			    .snap = SNAP,
			    .sample = 1,
			    .sport = -1,
			    .dport = -1 };
	const struct rpc_param want[] = {
		{ "points", RPC_STRING, false, 1, 16, &w.points },
		{ "service", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &w.service },
		{ "pool", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &w.pool },
		{ "backend", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &w.backend },
		{ "drop", RPC_STRING, false, 1, 32, &w.drop },
		{ "protocol", RPC_STRING, false, 1, 16, &w.protocol },
		{ "source", RPC_STRING, false, 1, 64, &w.source },
		{ "destination", RPC_STRING, false, 1, 64, &w.destination },
		{ "source_port", RPC_INTEGER, false, 0, UINT16_MAX, &w.sport },
		{ "destination_port", RPC_INTEGER, false, 0, UINT16_MAX, &w.dport },
		{ "count", RPC_INTEGER, false, 1, WEIR_CAPTURE_COUNT_MAX, &w.count },
		{ "seconds", RPC_INTEGER, false, 1, WEIR_CAPTURE_SECONDS_MAX, &w.seconds },
		{ "snap", RPC_INTEGER, false, 1, WEIR_FRAME_MAX, &w.snap },
		{ "sample", RPC_INTEGER, false, 1, WEIR_CAPTURE_SAMPLE_MAX, &w.sample },
	};

	if (!rpc_params(params, want, sizeof(want) / sizeof(want[0]), err))
		return false;
	*q = (struct weir_capture){ .count = (uint32_t)w.count,
				    .seconds = (uint32_t)w.seconds,
				    .snap = (uint32_t)w.snap,
				    .sample = (uint32_t)w.sample };
	return parse_points(w.points, q, err) && parse_names(cp, &w, q, err) &&
	       parse_drop(w.drop, q, err) && parse_tuple(&w, q, err);
}

static void capturing(void *user, const struct weir_capturing *answer, int fd, const char *why)
{
	struct rpc_call *call = user;
	struct rpc_error err = { 0 };

	if (answer != NULL && answer->error == 0 && fd >= 0) {
		rpc_answer_fd(call, json_pack("{s:b}", "capturing", true), fd);
		return;
	}
	if (answer == NULL)
		rpc_fail(&err, RPC_NO_DATAPLANE, "%s", why);
	else if (answer->error == 0)
		rpc_fail(&err, RPC_NO_DATAPLANE, "the data plane sent no stream of packets");
	else
		rpc_fail(&err, RPC_CONFLICT, "%s", answer->text);
	if (fd >= 0)
		close(fd);
	rpc_answer_error(call, &err);
}

/*
 * capture {"count"?, "seconds"?, "snap"?, "sample"?, "points"?, and what must match}
 *
 * Result: {"capturing": true} and a descriptor. Errors:
 *   RPC_BAD_PARAMS    as it says
 *   RPC_NOT_FOUND     no such service or backend
 *   RPC_CONFLICT      a capture is running already
 *   RPC_NO_DATAPLANE  nothing is forwarded
 *   RPC_TOO_MUCH      a thousand questions wait
 */
void cmd_capture(struct controlplane *cp, const json_t *params, struct rpc_call *call)
{
	struct rpc_error err = { 0 };
	struct weir_capture q;
	int ret;

	if (parse(cp, params, &q, &err)) {
		ret = dp_session_capture(cp->dp, &q, capturing, call);
		if (ret == 0)
			return;
		cmd_not_asked(ret, &err);
	}
	rpc_answer_error(call, &err);
}
