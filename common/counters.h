// SPDX-License-Identifier: Apache-2.0
/*
 * Why a packet did not reach a backend. One list: the enum that the workers
 * count by, the names that `weirctl` prints and the sentences of `explain`.
 * A packet has one reason, the first that a stage finds.
 */
#ifndef WEIR_COUNTERS_H
#define WEIR_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

/* X(enum suffix, name in counters and JSON, sentence) */
#define WEIR_DROP_LIST(X)                                                                     \
	X(NONE, "none", "forwarded")                                                         \
	X(TRUNCATED, "truncated", "a header runs past the end of the frame")                 \
	X(BAD_HEADER, "bad-header", "a header contradicts itself (version, IHL, offsets)")   \
	X(NOT_IP, "not-ip", "neither IPv4 nor IPv6")                                         \
	X(NOT_A_VIP, "not-a-vip", "the destination is no VIP: for the kernel")               \
	X(STRAY, "stray", "for a VIP, but no service has this protocol and port")            \
	X(UNSUPPORTED_L4, "unsupported-l4", "for a VIP, but neither TCP nor UDP")            \
	X(FRAGMENT, "fragment", "a fragment whose first one did not come in time")           \
	X(NO_SNAPSHOT, "no-snapshot", "no control plane has filled the tables yet")          \
	X(NO_BACKEND, "no-backend", "no backend of the pool serves")                         \
	X(BACKEND_OFF, "backend-off", "the slot's backend takes no packets")                 \
	X(NO_NEXT_HOP, "no-next-hop", "the backend's MAC address has never been resolved")   \
	X(TOO_BIG, "too-big", "does not fit the MTU towards the backend")                    \
	X(NO_HEADROOM, "no-headroom", "no room in the buffer for the outer header")          \
	X(NO_PORT, "no-port", "the next hop names a port that this data plane does not have") \
	X(TX_FULL, "tx-full", "the egress queue was full")                                   \
	X(BAD_EXTENSION, "bad-extension", "an IPv6 extension header that is wrong, or too many") \
	X(BAD_QUOTE, "bad-quote", "an ICMP error that quotes nothing a VIP has sent")        \
	X(ECHO_OFF, "echo-off", "an echo request to a VIP that does not answer them")        \
	X(FRAGMENT_TINY, "fragment-tiny", "a first fragment without its transport header")   \
	X(FRAGMENT_OVERLAP, "fragment-overlap", "a fragment that overlaps another")          \
	X(FRAGMENT_FULL, "fragment-full", "no room to keep a fragment, or to note one piece more") \
	X(PUNT_FULL, "punt-full", "the way to the kernel was full")                          \
	X(NO_BUFFER, "no-buffer", "no buffer was free for the pieces of what is too big")    \
	X(ECHO_FRAGMENT, "echo-fragment", "an echo request that came in fragments")          \
	X(ANSWER_LIMITED, "answer-limited", "asked for a VIP's MAC address, and over the rate limit")

enum weir_drop {
#define WEIR_DROP_ENUM(id, name, text) WEIR_DROP_##id,
	WEIR_DROP_LIST(WEIR_DROP_ENUM)
#undef WEIR_DROP_ENUM
		WEIR_DROP_REASONS
};

/* Room in the shared layout for reasons that later versions add. */
#define WEIR_DROP_ROOM 64

/* What a worker sends of its own, in place of the packet that asked for it. */
#define WEIR_ANSWER_LIST(X)                                                                   \
	X(ECHO, "echo", "an echo reply")                                                     \
	X(RESET, "reset", "a TCP RST for a stray")                                           \
	X(UNREACHABLE, "unreachable", "a port unreachable for a stray")                      \
	X(TOO_BIG, "too-big", "fragmentation needed, or packet too big")                     \
	X(ARP, "arp", "an ARP reply for a VIP")                                              \
	X(ND, "nd", "a neighbour advertisement for a VIP")                                   \
	X(LIMITED, "limited", "not sent: over the rate limit; the packet is a drop")

enum weir_answer {
#define WEIR_ANSWER_ENUM(id, name, text) WEIR_ANSWER_##id,
	WEIR_ANSWER_LIST(WEIR_ANSWER_ENUM)
#undef WEIR_ANSWER_ENUM
		WEIR_ANSWERS
};
#define WEIR_ANSWER_ROOM 16

/* Between a port and the kernel (punt = tap). */
#define WEIR_PUNT_LIST(X)                                                                     \
	X(NOT_A_VIP, "not-a-vip", "to the kernel: IP for an address that is no VIP")         \
	X(NOT_IP, "not-ip", "to the kernel: ARP and whatever else is not IP")                \
	X(FROM_KERNEL, "from-kernel", "from the kernel, sent by the port")                   \
	X(FROM_KERNEL_LOST, "from-kernel-lost", "from the kernel, and the port took no more")

enum weir_punt {
#define WEIR_PUNT_ENUM(id, name, text) WEIR_PUNT_##id,
	WEIR_PUNT_LIST(WEIR_PUNT_ENUM)
#undef WEIR_PUNT_ENUM
		WEIR_PUNTS
};
#define WEIR_PUNT_ROOM 16

/*
 * What is counted for each backend, each service and each VIP too, packets alone: the drops
 * and answers that are left once the backend, the service, or only the VIP is known.
 * D(drop), A(column suffix, answer). A service has the columns of a backend and its own.
 *
 * Of a fragment the first one of its datagram tells more than it does itself. C(drop): of a
 * drop that is the VIP's by D, where that first one had come to a service and a backend.
 */
#define WEIR_BACKEND_COLUMN_LIST(D, C, A)                                         \
	D(BACKEND_OFF) D(NO_NEXT_HOP) D(TOO_BIG) D(NO_HEADROOM) D(NO_PORT) D(TX_FULL) \
	D(NO_BUFFER) C(FRAGMENT_OVERLAP) C(FRAGMENT_FULL) A(TOO_BIG, TOO_BIG)
#define WEIR_SERVICE_COLUMN_LIST(D, A) D(NO_BACKEND) A(TOO_BIG_LIMITED, LIMITED)
#define WEIR_VIP_COLUMN_LIST(D, A)                                                  \
	D(STRAY) D(UNSUPPORTED_L4) D(BAD_QUOTE) D(ECHO_OFF) D(ECHO_FRAGMENT) D(TRUNCATED) \
	D(BAD_HEADER) D(BAD_EXTENSION) D(FRAGMENT_TINY) D(FRAGMENT) D(FRAGMENT_OVERLAP)   \
	D(FRAGMENT_FULL)                                                                  \
	A(ECHO, ECHO) A(RESET, RESET) A(UNREACHABLE, UNREACHABLE) A(VIP_LIMITED, LIMITED)

enum weir_column {
#define WEIR_COLUMN_DROP(id)	      WEIR_COLUMN_##id,
#define WEIR_COLUMN_CHOSEN(id)	      WEIR_COLUMN_CHOSEN_##id,
#define WEIR_COLUMN_ANSWER(id, answer) WEIR_COLUMN_ANSWER_##id,
	WEIR_BACKEND_COLUMN_LIST(WEIR_COLUMN_DROP, WEIR_COLUMN_CHOSEN, WEIR_COLUMN_ANSWER)
	WEIR_BACKEND_COLUMNS, /* of a backend: those before */
	WEIR_COLUMN_STEP_BACK = WEIR_BACKEND_COLUMNS - 1,
	WEIR_SERVICE_COLUMN_LIST(WEIR_COLUMN_DROP, WEIR_COLUMN_ANSWER)
	WEIR_SERVICE_COLUMNS, /* of a service: those before */
	WEIR_COLUMN_STEP_BACK_AGAIN = WEIR_SERVICE_COLUMNS - 1,
	WEIR_VIP_COLUMN_LIST(WEIR_COLUMN_DROP, WEIR_COLUMN_ANSWER)
	WEIR_COLUMNS /* of a VIP: from WEIR_SERVICE_COLUMNS on */
#undef WEIR_COLUMN_DROP
#undef WEIR_COLUMN_CHOSEN
#undef WEIR_COLUMN_ANSWER
};

#define WEIR_COLUMN_CASE(id) \
	case WEIR_DROP_##id: \
		return WEIR_COLUMN_##id;
#define WEIR_COLUMN_CHOSEN_CASE(id) \
	case WEIR_DROP_##id:        \
		return WEIR_COLUMN_CHOSEN_##id;
#define WEIR_COLUMN_NO_CASE(...)

/* The column of a drop reason; WEIR_COLUMNS: it has none. */
static inline unsigned weir_drop_column(unsigned reason)
{
	switch (reason) {
		WEIR_BACKEND_COLUMN_LIST(WEIR_COLUMN_CASE, WEIR_COLUMN_NO_CASE, WEIR_COLUMN_NO_CASE)
		WEIR_SERVICE_COLUMN_LIST(WEIR_COLUMN_CASE, WEIR_COLUMN_NO_CASE)
		WEIR_VIP_COLUMN_LIST(WEIR_COLUMN_CASE, WEIR_COLUMN_NO_CASE)
	default:
		return WEIR_COLUMNS;
	}
}

/* The one it has besides, where a service and a backend are known; WEIR_COLUMNS: it has none. */
static inline unsigned weir_chosen_column(unsigned reason)
{
	switch (reason) {
		WEIR_BACKEND_COLUMN_LIST(WEIR_COLUMN_NO_CASE, WEIR_COLUMN_CHOSEN_CASE,
					 WEIR_COLUMN_NO_CASE)
	default:
		return WEIR_COLUMNS;
	}
}
#undef WEIR_COLUMN_CASE
#undef WEIR_COLUMN_CHOSEN_CASE
#undef WEIR_COLUMN_NO_CASE

/* Name of a reason as counters and JSON give it; "unknown" out of range. */
const char *weir_drop_name(unsigned reason);

/* What a column counts: an enum weir_answer or an enum weir_drop. */
struct weir_counted {
	bool is_answer;
	uint8_t what;
};
struct weir_counted weir_column_counts(unsigned column);

/* The reason as a sentence for a person; "unknown" out of range. */
const char *weir_drop_text(unsigned reason);

/* The same for answers and punts. */
const char *weir_answer_name(unsigned answer);
const char *weir_answer_text(unsigned answer);
const char *weir_punt_name(unsigned punt);
const char *weir_punt_text(unsigned punt);

#endif /* WEIR_COUNTERS_H */
