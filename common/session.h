// SPDX-License-Identifier: Apache-2.0
/*
 * The session socket: SOCK_SEQPACKET, listened on by the data plane. One message
 * a packet, every message starts with struct weir_head. A session:
 *
 *   control plane                      data plane
 *   HELLO                       ->
 *                               <-     WELCOME + 2 descriptors (state, control)
 *                                      or REFUSED (text says why and by whom)
 *   EXPLAIN                     ->
 *   EXPLAIN_FRAME               ->
 *                               <-     EXPLAINED (same `seq`), to either
 *   CAPTURE                     ->
 *                               <-     CAPTURING (same `seq`), with a descriptor when it began
 *   PORTS                       ->
 *                               <-     PORTS_ARE (link state now)
 *
 * End of file is how each side learns that the other has gone. A message of the
 * wrong length or type is answered with REFUSED and ends the session; forwarding
 * goes on whatever is sent.
 */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include "bounds.h"

#include <assert.h>
#include <stdint.h>

#define WEIR_SESSION_MAGIC 0x52494557u /* "WEIR" */
#define WEIR_SESSION_PATH  "/run/weir/session.sock"

enum weir_session_type {
	WEIR_HELLO = 1,
	WEIR_WELCOME,
	WEIR_REFUSED,
	WEIR_EXPLAIN,
	WEIR_EXPLAINED,
	WEIR_PORTS,
	WEIR_PORTS_ARE,
	WEIR_EXPLAIN_FRAME,
	WEIR_CAPTURE,
	WEIR_CAPTURING,
};

struct weir_head {
	uint32_t magic;
	uint16_t layout_version; /* WEIR_LAYOUT_VERSION of the sender */
	uint16_t type;		 /* enum weir_session_type */
	uint32_t seq;		 /* a reply repeats its request's */
	uint32_t reserved;
};

struct weir_hello {
	struct weir_head head;
	uint32_t pid;
	char name[WEIR_NAME_LEN]; /* program, for the refusal that names the holder */
	uint32_t reserved;
};

struct weir_port_info {
	char name[WEIR_NAME_LEN];   /* section [port NAME] */
	char device[WEIR_NAME_LEN]; /* as configured, shortened */
	char driver[32];
	uint8_t mac[6];
	uint16_t mtu;	  /* bytes of IP */
	uint32_t ifindex; /* kernel interface that carries the port's address; 0: none */
	uint8_t link_up;
	uint8_t rx_queues, tx_queues;
	uint8_t reserved;
	uint32_t speed_mbps; /* 0: unknown */
};

struct weir_ports_are {
	struct weir_head head;
	uint32_t count;
	uint32_t reserved;
	struct weir_port_info port[WEIR_MAX_PORTS]; /* index = weir_backend.port */
};

struct weir_welcome {
	struct weir_head head;
	uint32_t session; /* the number to store in weir_control_worker.session */
	uint32_t pid;
	uint64_t state_size, control_size; /* bytes of the two memories */
	uint32_t worker_count;
	uint32_t huge; /* bit 0: state, bit 1: control on huge pages */
	uint16_t worker_cpu[WEIR_MAX_WORKERS];
	char version[32];
	struct weir_ports_are ports;
};

struct weir_refused {
	struct weir_head head;
	char text[240];
};

/* A packet of this flow, as if it came in now: what would happen to it? */
struct weir_explain {
	struct weir_head head;
	uint8_t family;	  /* 4 or 6 */
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t tcp_flags;
	uint8_t reserved;
	uint16_t sport, dport;
	uint8_t src[16], dst[16]; /* IPv4 in the first 4 bytes */
	uint16_t payload;	  /* bytes behind the transport header */
	uint16_t reserved2[3];
};

/* A frame that comes in by a port: what would happen to it? Of a capture that has cut
 * it the rest is taken to be 0. */
#define WEIR_FRAME_MAX 9248 /* 9216 bytes of IP, Ethernet and two tags */
struct weir_explain_frame {
	struct weir_head head;
	uint32_t port;	    /* index */
	uint32_t frame_len; /* bytes on the wire, at most WEIR_FRAME_MAX */
	uint32_t held;	    /* of these in `frame` */
	uint32_t reserved;
	uint8_t frame[WEIR_FRAME_MAX];
};

struct weir_explained {
	struct weir_head head;
	uint64_t generation; /* of the snapshot that was asked */
	uint64_t hash;
	uint32_t drop;	     /* enum weir_drop; the fields below hold as far as it came */
	uint32_t reached;    /* 0 parse, 1 classify, 2 select, 3 encap: the last stage passed + 1 */
	uint32_t service, pool, slot, slot_state;
	uint32_t backend;    /* where the packet would go */
	uint32_t cur, base;
	uint32_t answer; /* enum weir_answer: what Weir would say; WEIR_ANSWERS: nothing */
	uint32_t pieces; /* it would leave in so many, the first of which follows; 0: whole */
	uint32_t port;
	uint32_t frame_len;  /* bytes on the wire, of what would leave */
	uint32_t header_len; /* bytes of `header` filled */
	uint8_t header[128]; /* the start of the frame that would leave */
};

/* Where a packet is copied: as it came, and as it leaves. */
#define WEIR_CAPTURE_BEFORE (1u << 0)
#define WEIR_CAPTURE_AFTER  (1u << 1)

/* Which of the fields must match; no bit: every packet. */
#define WEIR_CAPTURE_BY_SERVICE	 (1u << 0)
#define WEIR_CAPTURE_BY_BACKEND	 (1u << 1)
#define WEIR_CAPTURE_BY_DROP	 (1u << 2)
#define WEIR_CAPTURE_BY_PROTOCOL (1u << 3)
#define WEIR_CAPTURE_BY_SOURCE	 (1u << 4) /* address, by its first src_len bits */
#define WEIR_CAPTURE_BY_DEST	 (1u << 5)
#define WEIR_CAPTURE_BY_SPORT	 (1u << 6)
#define WEIR_CAPTURE_BY_DPORT	 (1u << 7)

#define WEIR_CAPTURE_COUNT_MAX	 1000000u
#define WEIR_CAPTURE_SECONDS_MAX 3600u
#define WEIR_CAPTURE_SAMPLE_MAX	 1000000u

/*
 * Copy packets that match into a pcapng stream, until one of the bounds is reached or
 * the reader has gone. The descriptor of the answer is a SOCK_SEQPACKET socket: one
 * block of pcapng a message, end of file at the end.
 */
struct weir_capture {
	struct weir_head head;
	uint32_t count;	  /* packets, 1..WEIR_CAPTURE_COUNT_MAX */
	uint32_t seconds; /* 1..WEIR_CAPTURE_SECONDS_MAX */
	uint32_t snap;	  /* bytes of each packet, 1..WEIR_FRAME_MAX */
	uint32_t sample;  /* one of so many that match, 1..WEIR_CAPTURE_SAMPLE_MAX */
	uint32_t points;  /* WEIR_CAPTURE_BEFORE, _AFTER */
	uint32_t by;	  /* WEIR_CAPTURE_BY_* */
	uint16_t service, backend;
	uint16_t sport, dport;
	uint8_t drop;	  /* enum weir_drop */
	uint8_t protocol; /* IPPROTO_* */
	uint8_t family;	  /* of src and dst: 4 or 6 */
	uint8_t src_len, dst_len;
	uint8_t reserved[3];
	uint8_t src[16], dst[16]; /* IPv4 in the first 4 bytes */
};

struct weir_capturing {
	struct weir_head head;
	uint32_t error; /* errno; 0: it has begun */
	char text[124]; /* what is wrong, as a sentence */
};

union weir_session_msg {
	struct weir_head head;
	struct weir_hello hello;
	struct weir_welcome welcome;
	struct weir_refused refused;
	struct weir_explain explain;
	struct weir_explain_frame explain_frame;
	struct weir_capture capture;
	struct weir_capturing capturing;
	struct weir_explained explained;
	struct weir_ports_are ports;
};

static_assert(sizeof(struct weir_head) == 16, "layout 1");
static_assert(sizeof(struct weir_hello) == 88, "layout 1");
static_assert(sizeof(struct weir_port_info) == 180, "layout 1");

#endif /* WEIR_SESSION_H */
