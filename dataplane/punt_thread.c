// SPDX-License-Identifier: Apache-2.0
#include "punt_thread.h"

#include "log.h"
#include "tap.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TURN	 32 /* packets of one ring or TAP, before the next has its turn */
#define SEGS_MAX 16

/* A packet from a worker waits this long at most. Each sleep is twice as long as the
 * one before, until something moves. */
#define SLEEP_MIN_NS 50000
#define SLEEP_MAX_NS 1000000

static struct rte_ring *make_ring(const char *what, unsigned number, unsigned size, int socket)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "punt-%s%u", what, number);
	return rte_ring_create(name, size, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int punt_open(struct punt_thread *t, struct ports *ports)
{
	t->ports = ports;
	for (unsigned i = 0; i < WEIR_MAX_PORTS; i++)
		t->tap[i] = -1;
	for (unsigned i = 0; i < ports->count; i++) {
		struct port *p = &ports->port[i];
		const char *name = dpconf_tap(p->conf);
		int fd;

		if (name == NULL)
			continue;
		fd = tap_open(name, p->mac, p->mtu, &p->tap_ifindex);
		if (fd < 0) {
			log_error("[port %s] punt = tap: cannot make the TAP interface %s: %s",
				  p->conf->name, name,
				  fd == -EBUSY	 ? "another interface or program has it"
				  : fd == -EPERM ? "needs root (CAP_NET_ADMIN) to start"
						 : strerror(-fd));
			return fd;
		}
		t->tap[i] = fd;
		tap_carrier(fd, p->link_up);
		t->port[t->port_count++] = (struct punt_port){ .tap = fd, .port = (uint8_t)i };
		log_info("port %s: what is for no VIP goes to the interface %s", p->conf->name,
			 name);
	}
	return 0;
}

static bool connect_worker(struct punt_thread *t, unsigned i, const struct ports *ports,
			   struct worker *w, int socket)
{
	struct punt *u = &w->punt;

	u->count = w->area->punt;
	u->first = make_ring("first", i, PUNT_FIRST, socket);
	u->rest = make_ring("rest", i, PUNT_REST, socket);
	u->done = make_ring("done", i, PUNT_DONE, socket);
	t->lane[t->lane_count++] = u;
	for (unsigned j = 0; j < t->port_count; j++) {
		unsigned port = t->port[j].port;

		u->ports |= 1u << port;
		u->rate[port] = limit_rate(ports->port[port].conf->punt_pps, rte_get_tsc_hz());
	}
	return u->first != NULL && u->rest != NULL && u->done != NULL;
}

static bool connect_port(struct punt_port *p, unsigned i, struct rte_mempool *pool,
			 struct worker *home)
{
	int socket = pool->socket_id;

	p->pool = pool;
	p->blank = make_ring("blank", i, PUNT_LENT, socket);
	p->filled = make_ring("filled", i, PUNT_LENT, socket);
	home->punt.home[home->punt.home_count++] = p;
	return p->blank != NULL && p->filled != NULL;
}

int punt_connect(struct punt_thread *t, const struct buffers *b, const struct ports *ports,
		 struct workers *w)
{
	bool good = true;

	if (t->port_count == 0)
		return 0;
	for (unsigned i = 0; i < w->count && good; i++)
		good = connect_worker(t, i, ports, w->worker[i], SOCKET_ID_ANY);
	for (unsigned i = 0; i < t->port_count && good; i++)
		good = connect_port(&t->port[i], i, buffers_of(b, &ports->port[t->port[i].port]),
				    w->worker[i % w->count]);
	if (!good)
		log_error("memory_mb: no room for the rings of punt = tap");
	return good ? 0 : -ENOMEM;
}

/* -- the thread ------------------------------------------------------------------- */

/* What the kernel does not take (the interface is down, no memory) is its loss. */
static void write_packet(const struct punt_thread *t, const struct rte_mbuf *m)
{
	struct iovec io[SEGS_MAX];
	int fd = m->port < WEIR_MAX_PORTS ? t->tap[m->port] : -1, n = 0;

	for (const struct rte_mbuf *s = m; s != NULL && n < SEGS_MAX; s = s->next)
		io[n++] = (struct iovec){ rte_pktmbuf_mtod(s, void *), s->data_len };
	if (fd >= 0 && writev(fd, io, n) < 0) {
		/* nobody to tell, and nothing to do */
	}
}

static unsigned to_kernel(const struct punt_thread *t, const struct punt *u, struct rte_ring *r)
{
	struct rte_mbuf *m[TURN];
	unsigned n = rte_ring_dequeue_burst(r, (void **)m, TURN, NULL);

	for (unsigned i = 0; i < n; i++)
		write_packet(t, m[i]);
	if (n != 0)
		rte_ring_enqueue_bulk(u->done, (void **)m, n, NULL); /* PUNT_DONE: there is room */
	return n;
}

/* What no worker has room for waits in the TAP's own queue, where the kernel counts
 * what it loses. Returns packets taken. */
static unsigned from_kernel(struct punt_port *p)
{
	unsigned n = 0;

	while (n < TURN) {
		ssize_t len;

		if (p->spare == NULL && rte_ring_dequeue(p->blank, (void **)&p->spare) != 0) {
			p->starved = true;
			return n;
		}
		len = read(p->tap, rte_pktmbuf_mtod(p->spare, void *),
			   rte_pktmbuf_tailroom(p->spare));
		if (len <= 0)
			break;
		p->spare->data_len = (uint16_t)len;
		p->spare->pkt_len = (uint32_t)len;
		rte_ring_enqueue(p->filled, p->spare); /* as many slots as buffers */
		p->spare = NULL;
		n++;
	}
	p->starved = false;
	return n;
}

static unsigned turn(struct punt_thread *t)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < t->lane_count; i++)
		moved += to_kernel(t, t->lane[i], t->lane[i]->first);
	for (unsigned i = 0; i < t->lane_count; i++)
		moved += to_kernel(t, t->lane[i], t->lane[i]->rest);
	for (unsigned i = 0; i < t->port_count; i++)
		moved += from_kernel(&t->port[i]);
	return moved;
}

/* Until the kernel sends something, or `ns` have passed: rings wake nobody. */
static void sleep_until_tap(struct punt_thread *t, long ns)
{
	for (unsigned i = 0; i < t->port_count; i++)
		t->poll[i] = (struct pollfd){ .fd = t->port[i].starved || t->port[i].gone
							    ? -1
							    : t->port[i].tap,
					      .events = POLLIN };
	if (ppoll(t->poll, t->port_count, &(struct timespec){ .tv_nsec = ns }, NULL) <= 0)
		return;
	for (unsigned i = 0; i < t->port_count; i++) {
		if (!(t->poll[i].revents & (POLLERR | POLLNVAL)))
			continue;
		t->port[i].gone = true;
		log_error("[port %s] its TAP interface has been taken away; what goes to it is "
			  "lost, and the kernel sends nothing by this port, until weir-dataplane "
			  "is started anew",
			  t->ports->port[t->port[i].port].conf->name);
	}
}

static void *run(void *arg)
{
	struct punt_thread *t = arg;
	long ns = SLEEP_MIN_NS;

	t->before();
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		if (turn(t) != 0) {
			ns = SLEEP_MIN_NS;
			continue;
		}
		sleep_until_tap(t, ns);
		ns = RTE_MIN(ns * 2, SLEEP_MAX_NS);
	}
	return NULL;
}

int punt_start(struct punt_thread *t, void (*before)(void))
{
	int err;

	if (t->port_count == 0)
		return 0;
	t->before = before;
	err = pthread_create(&t->thread, NULL, run, t);
	if (err != 0) {
		log_error("cannot start the punt thread: %s", strerror(err));
		return -err;
	}
	pthread_setname_np(t->thread, "weir-punt");
	t->running = true;
	return 0;
}

void punt_stop(struct punt_thread *t)
{
	if (!t->running)
		return;
	atomic_store_explicit(&t->stop, true, memory_order_relaxed);
	pthread_join(t->thread, NULL);
	t->running = false;
}

void punt_close(struct punt_thread *t)
{
	for (unsigned i = 0; i < t->lane_count; i++) {
		rte_ring_free(t->lane[i]->first);
		rte_ring_free(t->lane[i]->rest);
		rte_ring_free(t->lane[i]->done);
	}
	for (unsigned i = 0; i < t->port_count; i++) {
		rte_ring_free(t->port[i].blank);
		rte_ring_free(t->port[i].filled);
		close(t->port[i].tap);
	}
	*t = (struct punt_thread){ .port_count = 0 };
}

void punt_watch(const struct punt_thread *t, const struct ports *ports)
{
	for (unsigned i = 0; i < t->port_count; i++)
		tap_carrier(t->port[i].tap, ports->port[t->port[i].port].link_up);
}
