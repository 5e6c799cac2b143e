// SPDX-License-Identifier: Apache-2.0
#define ALLOW_EXPERIMENTAL_API /* rte_pcapng.h: not stable before DPDK 23.11 */
#include "capture_file.h"

#include "log.h"

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pcapng.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFERS = 7,	      /* two are in use at a time */
	COMMENT_MAX = 160,    /* bytes, as an option of a block */
	STATISTICS_MS = 2000, /* a reader has so long to make room for the last block */
	TURN = 2048,	      /* packets written in one turn of the housekeeping thread */
	OPTION_COMMENT = 1,
	WORD_TIME_HIGH = 3, /* words of an enhanced packet block */
	WORD_TIME_LOW = 4,
	WORD_LENGTH = 6,
};

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int capture_file_create(struct capture_file *f)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + WEIR_FRAME_MAX + COMMENT_MAX + 64;

	f->pool = rte_pktmbuf_pool_create("capture", BUFFERS, 0, 0, (uint16_t)room, SOCKET_ID_ANY);
	if (f->pool != NULL)
		return 0;
	log_error("memory_mb: no room for the buffers of captures: %s", rte_strerror(rte_errno));
	return -rte_errno;
}

/* -- beginning -------------------------------------------------------------- */

/* The reason that is asked for is one, and not what `drop` holds besides (PKT_TAKEN): of a
 * packet that it says of, there is a buffer. */
static bool filter_in_range(const struct weir_capture *w)
{
	const uint32_t by_address = WEIR_CAPTURE_BY_SOURCE | WEIR_CAPTURE_BY_DEST;
	unsigned most = w->family == 6 ? 128 : 32;

	if (w->by & WEIR_CAPTURE_BY_DROP &&
	    (w->drop == WEIR_DROP_NONE || w->drop >= WEIR_DROP_REASONS))
		return false;
	if (w->by & by_address && w->family != 4 && w->family != 6)
		return false;
	return w->src_len <= most && w->dst_len <= most;
}

static bool in_range(const struct weir_capture *w)
{
	return filter_in_range(w) && w->count >= 1 && w->count <= WEIR_CAPTURE_COUNT_MAX &&
	       w->seconds >= 1 && w->seconds <= WEIR_CAPTURE_SECONDS_MAX && w->snap >= 1 &&
	       w->snap <= WEIR_FRAME_MAX && w->sample >= 1 &&
	       w->sample <= WEIR_CAPTURE_SAMPLE_MAX && w->points != 0 &&
	       (w->points & ~(WEIR_CAPTURE_BEFORE | WEIR_CAPTURE_AFTER)) == 0;
}

/* Memory that workers write to: touched here, so that they meet no page fault. */
static int make_rings(struct capture_file *f)
{
	uint32_t stride =
		(uint32_t)RTE_ALIGN(sizeof(struct capture_slot) + f->want.snap, WEIR_CACHE_LINE);
	size_t rings = f->workers->count * sizeof(*f->ring);
	size_t bytes = (size_t)f->workers->count * CAPTURE_SLOTS * stride;

	f->ring = aligned_alloc(WEIR_CACHE_LINE, rings);
	f->slots = aligned_alloc(WEIR_CACHE_LINE, bytes);
	if (f->ring == NULL || f->slots == NULL) {
		free(f->ring);
		free(f->slots);
		f->ring = NULL;
		return -ENOMEM;
	}
	memset(f->ring, 0, rings);
	memset(f->slots, 0, bytes);
	for (unsigned i = 0; i < f->workers->count; i++) {
		f->ring[i].want = &f->want;
		f->ring[i].stride = stride;
		f->ring[i].slot = f->slots + (size_t)i * CAPTURE_SLOTS * stride;
	}
	return 0;
}

/* "dpdk:0" is what the library calls a port that has no kernel interface. */
static void name_ports(const struct ports *ports, char *text, size_t len)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < ports->count && n < len; i++)
		n += (size_t)snprintf(text + n, len - n, "%sdpdk:%u is port %s", i ? ", " : "",
				      ports->port[i].ethdev, ports->port[i].conf->name);
}

/* The library asks every port for its link here. A driver may wait for a link that is
 * down, some seconds at the worst; nothing but this thread waits with it. */
static int open_stream(struct capture_file *f, int *peer)
{
	char ports[512];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
		goto err;
	name_ports(f->ports, ports, sizeof(ports));
	f->out = rte_pcapng_fdopen(pair[0], NULL, NULL, "weir-dataplane " WEIR_VERSION, ports);
	if (f->out == NULL)
		goto err;
	f->fd = pair[0];
	*peer = pair[1];
	return 0;

err:
	close(pair[0]);
	close(pair[1]);
	return -EIO;
}

int capture_file_begin(struct capture_file *f, const struct weir_capture *want, uint64_t now_ms,
		       char *why, size_t why_len)
{
	int peer, err;

	if (f->ring != NULL) {
		snprintf(why, why_len, "a capture is running already");
		return -EBUSY;
	}
	if (!in_range(want)) {
		snprintf(why, why_len, "a bound of the capture is out of range");
		return -EINVAL;
	}
	f->want = *want;
	err = make_rings(f);
	if (err < 0) {
		snprintf(why, why_len, "no memory for so long packets");
		return err;
	}
	err = open_stream(f, &peer);
	if (err < 0) {
		snprintf(why, why_len, "cannot write pcapng: %s", strerror(-err));
		free(f->ring);
		free(f->slots);
		f->ring = NULL;
		return err;
	}
	f->ending = false;
	f->end_ms = now_ms + (uint64_t)want->seconds * 1000;
	f->written = f->missed = 0;
	for (unsigned i = 0; i < f->workers->count; i++)
		atomic_store_explicit(&f->workers->worker[i]->capture, &f->ring[i],
				      memory_order_release);
	return peer;
}

/* -- writing ---------------------------------------------------------------- */

static void comment_of(const struct capture_slot *s, char *text, size_t len)
{
	if (s->drop != WEIR_DROP_NONE)
		snprintf(text, len, "dropped (%s): %s", weir_drop_name(s->drop),
			 weir_drop_text(s->drop));
	else
		snprintf(text, len, "%s",
			 s->point == WEIR_CAPTURE_BEFORE ? "as it came" : "as it left");
}

/*
 * A comment as one more option of a block: where the block's length stood at its end the
 * option begins, and the length comes behind it once more. False: no room.
 */
static bool add_comment(struct rte_mbuf *m, const char *text)
{
	uint32_t *block = rte_pktmbuf_mtod(m, uint32_t *);
	uint16_t len = (uint16_t)strlen(text), padded = RTE_ALIGN(len, 4);
	uint8_t *at = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len - sizeof(uint32_t));
	const uint16_t option[2] = { OPTION_COMMENT, len };

	if (rte_pktmbuf_append(m, (uint16_t)(sizeof(option) + padded)) == NULL)
		return false;
	memcpy(at, option, sizeof(option));
	memset(at + sizeof(option), 0, padded);
	memcpy(at + sizeof(option), text, len);
	block[1] = m->data_len;
	memcpy(at + sizeof(option) + padded, &block[1], sizeof(uint32_t));
	return true;
}

/*
 * The block of a packet. The library takes its time from a clock of its own that is wrong
 * in DPDK 22.11, and the length from what was copied: both are put right here.
 */
static struct rte_mbuf *make_block(struct capture_file *f, const struct capture_slot *s)
{
	uint64_t age = rte_get_tsc_cycles() - s->cycles;
	uint64_t ns = realtime_ns() - (uint64_t)((double)age * 1e9 / (double)rte_get_tsc_hz());
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool), *block = NULL;
	unsigned port = s->port < f->ports->count ? s->port : 0;
	char text[COMMENT_MAX - 8];
	uint32_t *word;

	if (m != NULL && rte_pktmbuf_append(m, s->held) != NULL) {
		memcpy(rte_pktmbuf_mtod(m, void *), s->bytes, s->held);
		block = rte_pcapng_copy(f->ports->port[port].ethdev, 0, m, f->pool, s->held,
					s->cycles,
					s->point == WEIR_CAPTURE_BEFORE ? RTE_PCAPNG_DIRECTION_IN
									: RTE_PCAPNG_DIRECTION_OUT);
	}
	rte_pktmbuf_free(m);
	if (block == NULL)
		return NULL;
	word = rte_pktmbuf_mtod(block, uint32_t *);
	word[WORD_TIME_HIGH] = (uint32_t)(ns >> 32);
	word[WORD_TIME_LOW] = (uint32_t)ns;
	word[WORD_LENGTH] = s->len;
	comment_of(s, text, sizeof(text));
	(void)add_comment(block, text);
	return block;
}

/* False: the reader has gone. */
static bool write_packet(struct capture_file *f, const struct capture_slot *s)
{
	struct rte_mbuf *block = make_block(f, s);
	ssize_t n;

	if (block == NULL) {
		f->missed++;
		return true;
	}
	n = rte_pcapng_write_packets(f->out, &block, 1);
	rte_pktmbuf_free(block);
	if (n >= 0) {
		f->written++;
	} else if (rte_errno == EAGAIN || rte_errno == ENOBUFS) {
		f->missed++;
	} else {
		return false;
	}
	return true;
}

/* Empty a worker's ring as far as the bounds allow. False: the reader has gone. */
static bool drain(struct capture_file *f, struct capture_ring *r, unsigned *turn)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	/* Acquire pairs with capture_after(). */
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	bool there = true;

	for (; head != tail && *turn > 0 && f->written < f->want.count && there; head++, --*turn)
		there = write_packet(f, capture_slot(r, head));
	/* Release pairs with copy(): the slot may be written again. */
	atomic_store_explicit(&r->head, head, memory_order_release);
	return there;
}

static bool reader_has_gone(const struct capture_file *f)
{
	struct pollfd p = { .fd = f->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* -- ending ----------------------------------------------------------------- */

/* Sequentially consistent, both: take_capture() in worker.c says why. */
static void begin_end(struct capture_file *f, uint64_t now_ms)
{
	f->ending = true;
	f->end_ms = now_ms + STATISTICS_MS;
	for (unsigned i = 0; i < f->workers->count; i++)
		atomic_store(&f->workers->worker[i]->capture, NULL);
}

static bool workers_have_let_go(const struct capture_file *f)
{
	for (unsigned i = 0; i < f->workers->count; i++)
		if (atomic_load(&f->workers->worker[i]->capture_seen) != NULL)
			return false;
	return true;
}

/* No worker has a ring any more. What is in the rings beyond `count` was not asked for. */
static bool rings_are_empty(const struct capture_file *f)
{
	for (unsigned i = 0; i < f->workers->count; i++)
		if (atomic_load_explicit(&f->ring[i].head, memory_order_relaxed) !=
		    atomic_load_explicit(&f->ring[i].tail, memory_order_acquire))
			return f->written >= f->want.count;
	return true;
}

/* The block that says how many were missed, which is most when the reader is slow: false
 * while it has no room for that. */
static bool write_statistics(struct capture_file *f)
{
	uint64_t missed = f->missed;

	for (unsigned i = 0; i < f->workers->count; i++)
		missed += atomic_load_explicit(&f->ring[i].missed, memory_order_relaxed);
	return f->ports->count == 0 ||
	       rte_pcapng_write_stats(f->out, f->ports->port[0].ethdev, "of all ports together", 0,
				      0, f->written, missed) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS);
}

static void end(struct capture_file *f)
{
	rte_pcapng_close(f->out);
	free(f->ring);
	free(f->slots);
	f->ring = NULL;
}

bool capture_file_serve(struct capture_file *f, uint64_t now_ms)
{
	unsigned turn = TURN;
	bool there = true;

	if (f->ring == NULL)
		return false;
	for (unsigned i = 0; i < f->workers->count && there; i++)
		there = drain(f, &f->ring[i], &turn);
	if (!f->ending &&
	    (!there || f->written >= f->want.count || now_ms >= f->end_ms || reader_has_gone(f)))
		begin_end(f, now_ms);
	/* Every copy that they made is in its ring once they have let go. */
	if (f->ending && workers_have_let_go(f) &&
	    (!there || now_ms >= f->end_ms || (rings_are_empty(f) && write_statistics(f))))
		end(f);
	return f->ring != NULL;
}

void capture_file_destroy(struct capture_file *f)
{
	if (f->ring != NULL) {
		(void)write_statistics(f);
		end(f);
	}
	rte_mempool_free(f->pool);
}
