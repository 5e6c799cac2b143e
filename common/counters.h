// SPDX-License-Identifier: Apache-2.0
/*
 * Why a packet did not reach a backend. One list: the enum that the workers
 * count by, the names that `weirctl` prints and the sentences of `explain`.
 * A packet has one reason, the first that a stage finds.
 */
#ifndef WEIR_COUNTERS_H
#define WEIR_COUNTERS_H

/* X(enum suffix, name in counters and JSON, sentence) */
#define WEIR_DROP_LIST(X)                                                                     \
	X(NONE, "none", "forwarded")                                                         \
	X(TRUNCATED, "truncated", "a header runs past the end of the frame")                 \
	X(BAD_HEADER, "bad-header", "a header contradicts itself (version, IHL, offsets)")   \
	X(NOT_IP, "not-ip", "neither IPv4 nor IPv6")                                         \
	X(NOT_A_VIP, "not-a-vip", "the destination is no VIP: for the kernel")               \
	X(STRAY, "stray", "for a VIP, but no service has this protocol and port")            \
	X(UNSUPPORTED_L4, "unsupported-l4", "for a VIP, but neither TCP nor UDP")            \
	X(FRAGMENT, "fragment", "a fragment whose flow is not known")                        \
	X(NO_SNAPSHOT, "no-snapshot", "no control plane has filled the tables yet")          \
	X(NO_BACKEND, "no-backend", "no backend of the pool serves")                         \
	X(BACKEND_OFF, "backend-off", "the slot's backend takes no packets")                 \
	X(NO_NEXT_HOP, "no-next-hop", "the backend's MAC address has never been resolved")   \
	X(TOO_BIG, "too-big", "does not fit the MTU towards the backend")                    \
	X(NO_HEADROOM, "no-headroom", "no room in the buffer for the outer header")          \
	X(NO_PORT, "no-port", "the next hop names a port that this data plane does not have") \
	X(TX_FULL, "tx-full", "the egress queue was full")

enum weir_drop {
#define WEIR_DROP_ENUM(id, name, text) WEIR_DROP_##id,
	WEIR_DROP_LIST(WEIR_DROP_ENUM)
#undef WEIR_DROP_ENUM
		WEIR_DROP_REASONS
};

/* Room in the shared layout for reasons that later versions add. */
#define WEIR_DROP_ROOM 64

/* Name of a reason as counters and JSON give it; "unknown" out of range. */
const char *weir_drop_name(unsigned reason);

/* The reason as a sentence for a person; "unknown" out of range. */
const char *weir_drop_text(unsigned reason);

#endif /* WEIR_COUNTERS_H */
