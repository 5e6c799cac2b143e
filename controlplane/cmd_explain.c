// SPDX-License-Identifier: Apache-2.0
/*
 * What would happen to a packet, and why: the data plane runs its real stages over it
 * and sends nothing; here indices become names, and the slot's owner gets a reason.
 */
#include "clock.h"
#include "cmd.h"
#include "json_put.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TCP_SYN = 0x02, PAYLOAD_MAX = 9000 };

struct asked {
	struct controlplane *cp;
	struct rpc_call *call;
};

/* "192.0.2.1:80" or "[2001:db8::1]:80". */
static bool parse_endpoint(const char *text, struct weir_addr *addr, uint16_t *port)
{
	char host[WEIR_ADDR_STRLEN];
	const char *colon = strrchr(text, ':'), *start = text, *end = colon;
	unsigned long n;
	char *rest;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	if (text[0] == '[') {
		if (colon == text || colon[-1] != ']')
			return false;
		start++;
		end--;
	}
	if ((size_t)(end - start) >= sizeof(host))
		return false;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	n = strtoul(colon + 1, &rest, 10);
	if (*rest != '\0' || n > UINT16_MAX || weir_addr_parse(host, addr) < 0 ||
	    (addr->family == 6) != (text[0] == '['))
		return false;
	*port = (uint16_t)n;
	return true;
}

static bool parse(const json_t *params, struct weir_explain *q, struct rpc_error *err)
{
	const char *protocol, *source, *destination;
	struct weir_addr src, dst;
	json_int_t payload = 0;
	const struct rpc_param want[] = {
		{ "protocol", RPC_STRING, true, 1, 16, &protocol },
		{ "source", RPC_STRING, true, 1, 64, &source },
		{ "destination", RPC_STRING, true, 1, 64, &destination },
		{ "payload", RPC_INTEGER, false, 0, PAYLOAD_MAX, &payload },
	};

	if (!rpc_params(params, want, 4, err))
		return false;
	memset(q, 0, sizeof(*q));
	if (strcmp(protocol, "tcp") == 0) {
		q->protocol = IPPROTO_TCP;
		q->tcp_flags = TCP_SYN;
	} else if (strcmp(protocol, "udp") == 0) {
		q->protocol = IPPROTO_UDP;
	} else {
		rpc_fail(err, RPC_BAD_PARAMS, "protocol: tcp or udp, not %s", protocol);
		return false;
	}
	if (!parse_endpoint(source, &src, &q->sport)) {
		rpc_fail(err, RPC_BAD_PARAMS, "source: ADDRESS:PORT or [ADDRESS]:PORT, not %s",
			 source);
		return false;
	}
	if (!parse_endpoint(destination, &dst, &q->dport)) {
		rpc_fail(err, RPC_BAD_PARAMS, "destination: ADDRESS:PORT or [ADDRESS]:PORT, not %s",
			 destination);
		return false;
	}
	if (src.family != dst.family) {
		rpc_fail(err, RPC_BAD_PARAMS, "source and destination are of different families");
		return false;
	}
	q->family = src.family;
	q->payload = (uint16_t)payload;
	memcpy(q->src, src.bytes, sizeof(q->src));
	memcpy(q->dst, dst.bytes, sizeof(q->dst));
	return true;
}

/* -- the answer ------------------------------------------------------------- */

static const struct service *service_at(const struct model *m, uint32_t index)
{
	for (uint32_t i = 0; i < m->service_count; i++)
		if (m->service[i]->index == index)
			return m->service[i];
	return NULL;
}

static const struct backend *backend_at(const struct pool *p, uint32_t index)
{
	for (uint32_t i = 0; p != NULL && i < p->backend_count; i++)
		if (p->backend[i]->index >= 0 && (uint32_t)p->backend[i]->index == index)
			return p->backend[i];
	return NULL;
}

/* Why a backend does not serve; "" when it does. */
static const char *not_serving(const struct backend *b, char *buf, size_t len)
{
	buf[0] = '\0';
	if (backend_admin(b) != ADMIN_ENABLED)
		snprintf(buf, len, "is %s%s", admin_text(backend_admin(b)),
			 b->conf.admin == ADMIN_ENABLED ? " by its agent" : "");
	else if (backend_weight(b) == 0)
		snprintf(buf, len, "has weight 0%s", b->conf.weight > 0 ? " by its agent" : "");
	else if (b->health != HEALTH_UP && !b->kept)
		snprintf(buf, len, "is %s (%.128s)", health_text(b->health), b->reason);
	else if (b->standby && !b->kept)
		snprintf(buf, len, "is a backup, and not needed now");
	else if (!b->hop.resolved)
		snprintf(buf, len, "has no next hop (%s)", b->hop.why);
	return buf;
}

/* The owner of the slot in the table over all configured backends, or NULL. */
static const struct backend *rightful(const struct pool *p, uint32_t slot)
{
	if (p->full == NULL || p->full_stale || slot >= p->conf.table_size ||
	    p->full[slot] >= p->backend_count)
		return NULL;
	return p->backend[p->full[slot]];
}

static void why_backend(const struct pool *p, const struct backend *b, uint32_t slot, char *why,
			size_t len)
{
	const struct backend *owner = rightful(p, slot);
	char state[160];

	if (b == NULL)
		snprintf(why, len, "slot %u of pool %s has no owner", slot, p->conf.name);
	else if (owner == NULL)
		snprintf(why, len, "slot %u of pool %s is with %s", slot, p->conf.name,
			 b->conf.name);
	else if (owner == b)
		snprintf(why, len, "slot %u of pool %s belongs to %s", slot, p->conf.name,
			 b->conf.name);
	else if (not_serving(owner, state, sizeof(state))[0] != '\0')
		snprintf(why, len, "slot %u of pool %s belongs to %s, which %s; %s stands in", slot,
			 p->conf.name, owner->conf.name, state, b->conf.name);
	else
		snprintf(why, len, "slot %u of pool %s is with %s, and on its way to %s", slot,
			 p->conf.name, b->conf.name, owner->conf.name);
}

/* "open for 12 s", "over": a window of a slot. */
static const char *window_text(const struct controlplane *cp, const struct pool *p, uint32_t slot,
			       unsigned protocol, char *text, size_t len)
{
	uint64_t ms = publisher_window_ms(cp->publisher, p, slot, protocol);

	snprintf(text, len, ms > 0 ? "open for %llu s" : "over",
		 (unsigned long long)(ms + 999) / 1000);
	return text;
}

/* ", and new ones go there for 38 s yet": while a slot's grace lasts. */
static const char *grace_text(const struct pool *p, uint32_t slot, char *text, size_t len)
{
	uint64_t now = clock_ms(CLOCK_BOOTTIME);
	uint32_t most = 0;

	for (unsigned i = 0; i < WEIR_MOVE_PROTOCOLS && slot < p->moves.len; i++) {
		uint32_t left = moves_grace_left_ms(&p->moves, now, pool_grace_ms(p), slot, i);

		most = left > most ? left : most;
	}
	snprintf(text, len, most > 0 ? ", and new ones go there for %u s yet" : "",
		 (most + 999) / 1000);
	return text;
}

/* How a slot that is not settled came to its answer, behind `why`. */
static void why_unsettled(const struct controlplane *cp, const struct pool *p,
			  const struct weir_explained *a, char *why, size_t len)
{
	const struct backend *base = backend_at(p, a->base), *cur = backend_at(p, a->cur);
	const char *from = base != NULL ? base->conf.name : "one that is gone";
	const char *to = cur != NULL && a->cur != a->base ? cur->conf.name : "nobody";
	char tcp[40], udp[40], grace[60];
	size_t n = strlen(why);

	if (a->slot_state == WEIR_SLOT_PINNED && a->backend != a->cur)
		snprintf(why + n, len - n, "; a pin keeps this flow from %s, the slot's owner",
			 cur != NULL ? cur->conf.name : "nobody");
	if (a->slot_state != WEIR_SLOT_MOVING)
		return;
	snprintf(why + n, len - n,
		 "; it moves from %s to %s (windows: tcp %s, udp %s): flows that began before stay "
		 "with %s%s%s",
		 from, to, window_text(cp, p, a->slot, WEIR_MOVE_TCP, tcp, sizeof(tcp)),
		 window_text(cp, p, a->slot, WEIR_MOVE_UDP, udp, sizeof(udp)), from,
		 grace_text(p, a->slot, grace, sizeof(grace)),
		 a->backend != a->cur && a->backend != a->base ? "; this one has a pin" : "");
}

/* Largest outer IP packet that may go to it: the pool's or the way's. */
static unsigned mtu_of(const struct backend *b)
{
	unsigned pool = b->pool->conf.mtu;

	return b->hop.mtu != 0 && b->hop.mtu < pool ? b->hop.mtu : pool;
}

/* A drop's sentence, and for the reasons that lie with the pool, what lies behind it. */
static void why_drop(const struct pool *p, const struct backend *b, uint32_t drop, char *why,
		     size_t len)
{
	char state[160];

	if (drop == WEIR_DROP_NO_BACKEND && p != NULL && p->backend_count == 0)
		snprintf(why, len, "%s: pool %s is empty", weir_drop_text(drop), p->conf.name);
	else if (drop == WEIR_DROP_NO_BACKEND && p != NULL &&
		 not_serving(p->backend[0], state, sizeof(state))[0] != '\0')
		snprintf(why, len, "%s; of %u, the first, %s, %s", weir_drop_text(drop),
			 p->backend_count, p->backend[0]->conf.name, state);
	else if ((drop == WEIR_DROP_BACKEND_OFF || drop == WEIR_DROP_NO_NEXT_HOP) && b != NULL &&
		 not_serving(b, state, sizeof(state))[0] != '\0')
		snprintf(why, len, "%s: %s %s", weir_drop_text(drop), b->conf.name, state);
	else if (drop == WEIR_DROP_FRAGMENT)
		snprintf(why, len,
			 "a later fragment, and no first one has come: it would be held until that "
			 "comes, and dropped if that is not soon");
	else if (drop == WEIR_DROP_TOO_BIG && b != NULL)
		snprintf(why, len, "%s: %u bytes of IP for %s", weir_drop_text(drop), mtu_of(b),
			 b->conf.name);
	else
		snprintf(why, len, "%s", weir_drop_text(drop));
}

static const char *slot_state_text(uint32_t state)
{
	static const char *const text[] = { "settled", "moving", "pinned", "empty" };

	return state < sizeof(text) / sizeof(text[0]) ? text[state] : "unknown";
}

static json_t *hex(const uint8_t *bytes, size_t len)
{
	char text[2 * sizeof(((struct weir_explained *)NULL)->header) + 1] = "";

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

/* {"length", "port", "gue_port"?, "header"}: the frame that would leave. */
static json_t *frame_json(const struct controlplane *cp, const struct pool *p,
			  const struct weir_explained *a)
{
	const struct dp_view *dp = dp_session_view(cp->dp);
	size_t len = a->header_len <= sizeof(a->header) ? a->header_len : sizeof(a->header);
	bool has_name = dp != NULL && a->port < WEIR_MAX_PORTS;
	json_t *v;

	if (a->drop != WEIR_DROP_NONE)
		return json_null();
	v = json_object();
	json_put_number(v, "length", a->frame_len);
	json_put_text(v, "port", has_name ? dp->welcome.ports.port[a->port].name : NULL);
	if (p != NULL && p->conf.mode == WEIR_MODE_GUE)
		json_put_number(v, "gue_port", p->conf.gue_port);
	json_object_set_new(v, "header", hex(a->header, len));
	return v;
}

static json_t *answer_json(const struct controlplane *cp, const struct weir_explained *a)
{
	/* `reached` counts the stages that were passed: parse, classify, select, encap. */
	const struct service *s = a->reached >= 2 ? service_at(&cp->model, a->service) : NULL;
	const struct pool *p = s != NULL ? s->pool : NULL;
	bool has_slot = p != NULL && (a->reached >= 3 || a->drop == WEIR_DROP_NO_BACKEND ||
				      a->drop == WEIR_DROP_BACKEND_OFF);
	const struct backend *b =
		has_slot && a->drop != WEIR_DROP_NO_BACKEND ? backend_at(p, a->backend) : NULL;
	char why[512], addr[WEIR_ADDR_STRLEN], hash[20];
	json_t *v;

	if (a->answer < WEIR_ANSWERS)
		snprintf(why, sizeof(why), "Weir answers: %s", weir_answer_text(a->answer));
	else if (a->drop != WEIR_DROP_NONE)
		why_drop(p, b, a->drop, why, sizeof(why));
	else if (p != NULL)
		why_backend(p, b, a->slot, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "a service that has changed since");
	if (a->drop == WEIR_DROP_NONE && p != NULL)
		why_unsettled(cp, p, a, why, sizeof(why));
	snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)a->hash);

	v = json_object();
	json_put_text(v, "service", s != NULL ? s->conf.name : NULL);
	json_put_text(v, "pool", p != NULL ? p->conf.name : NULL);
	json_object_set_new(v, "slot", has_slot ? json_integer(a->slot) : json_null());
	json_put_text(v, "slot_state", has_slot ? slot_state_text(a->slot_state) : NULL);
	json_put_text(v, "backend", b != NULL ? b->conf.name : NULL);
	json_put_text(v, "address", b != NULL ? weir_addr_text(&b->conf.addr, addr) : NULL);
	json_put_text(v, "drop", weir_drop_name(a->drop));
	json_put_text(v, "answer", a->answer < WEIR_ANSWERS ? weir_answer_name(a->answer) : NULL);
	json_put_number(v, "pieces", a->pieces);
	json_put_text(v, "why", why);
	json_put_number(v, "generation", a->generation);
	json_put_text(v, "hash", a->reached >= 1 ? hash : NULL);
	json_object_set_new(v, "frame", frame_json(cp, p, a));
	return v;
}

static void explained(void *user, const struct weir_explained *answer, const char *why)
{
	struct asked *asked = user;
	struct rpc_error err = { 0 };

	if (answer != NULL) {
		rpc_answer(asked->call, answer_json(asked->cp, answer));
	} else {
		rpc_fail(&err, RPC_NO_DATAPLANE, "%s", why);
		rpc_answer_error(asked->call, &err);
	}
	free(asked);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the bytes; -1: no hex, or more than there may be. */
static int parse_hex(const char *text, uint8_t *out, size_t most)
{
	size_t n = strlen(text);

	if (n % 2 != 0 || n / 2 > most)
		return -1;
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return (int)(n / 2);
}

/* Index of the port of that name, or of the first; -1: there is none. */
static int port_index(const struct dp_view *dp, const char *name)
{
	if (name == NULL)
		return 0;
	for (uint32_t i = 0; i < dp->welcome.ports.count && i < WEIR_MAX_PORTS; i++)
		if (strncmp(dp->welcome.ports.port[i].name, name, WEIR_NAME_LEN) == 0)
			return (int)i;
	return -1;
}

static bool parse_frame(const struct controlplane *cp, const json_t *params,
			struct weir_explain_frame *q, struct rpc_error *err)
{
	const struct dp_view *dp = dp_session_view(cp->dp);
	const char *frame, *port = NULL;
	json_int_t length = -1;
	const struct rpc_param want[] = {
		{ "frame", RPC_STRING, true, 0, 2 * WEIR_FRAME_MAX, &frame },
		{ "length", RPC_INTEGER, false, 0, WEIR_FRAME_MAX, &length },
		{ "port", RPC_STRING, false, 1, WEIR_NAME_LEN - 1, &port },
	};
	int held, at;

	if (!rpc_params(params, want, 3, err))
		return false;
	memset(q, 0, sizeof(*q));
	held = parse_hex(frame, q->frame, sizeof(q->frame));
	if (held < 0 || (length >= 0 && length < held)) {
		rpc_fail(err, RPC_BAD_PARAMS,
			 held < 0 ? "frame: hexadecimal digits, two a byte, lower case"
				  : "length: less than the frame has");
		return false;
	}
	at = dp == NULL ? 0 : port_index(dp, port);
	if (at < 0) {
		rpc_fail(err, RPC_NOT_FOUND, "no port %s", port);
		return false;
	}
	q->port = (uint32_t)at;
	q->held = (uint32_t)held;
	q->frame_len = (uint32_t)(length < 0 ? held : length);
	return true;
}

/* Ask the data plane; false with *err filled. */
static bool ask(struct controlplane *cp, const json_t *params, struct asked *asked,
		struct rpc_error *err)
{
	struct weir_explain_frame frame;
	struct weir_explain q;
	int ret;

	if (json_object_get(params, "frame") != NULL) {
		if (!parse_frame(cp, params, &frame, err))
			return false;
		ret = dp_session_explain_frame(cp->dp, &frame, explained, asked);
	} else {
		if (!parse(params, &q, err))
			return false;
		ret = dp_session_explain(cp->dp, &q, explained, asked);
	}
	if (ret < 0)
		cmd_not_asked(ret, err);
	return ret == 0;
}

/*
 * explain {"protocol": "tcp"|"udp", "source": "ADDRESS:PORT", "destination":
 *          "ADDRESS:PORT", "payload"?: bytes}
 * explain {"frame": hex, "length"?: bytes, "port"?: string}
 *
 *   RPC_BAD_PARAMS    as it says
 *   RPC_NOT_FOUND     no such port
 *   RPC_NO_DATAPLANE  there is nobody who could say
 *   RPC_TOO_MUCH      a thousand questions wait
 */
void cmd_explain(struct controlplane *cp, const json_t *params, struct rpc_call *call)
{
	struct asked *asked = malloc(sizeof(*asked));
	struct rpc_error err = { 0 };

	if (asked == NULL) {
		rpc_fail(&err, RPC_INTERNAL, "no memory for the question");
		goto err;
	}
	*asked = (struct asked){ .cp = cp, .call = call };
	if (ask(cp, params, asked, &err))
		return;
err:
	free(asked);
	rpc_answer_error(call, &err);
}
