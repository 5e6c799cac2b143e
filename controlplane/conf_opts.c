// SPDX-License-Identifier: Apache-2.0
/*
 * Every option that the control plane reads, once. configs/full.conf,
 * docs/man/weir.conf.5, the state file, `weirctl diff` and the reload all follow
 * this table; test_conf_shipped.c holds the first two to it.
 */
#include "conf_file.h"

#include <assert.h>

static const char *const mode_words[] = { "l2", "ipip", "gue", NULL }; /* enum weir_mode */
static const char *const too_big_words[] = { "drop", "fragment", NULL };
static const char *const hash_words[] = { "5-tuple", "source", NULL }; /* enum weir_hash */
static const char *const check_words[] = { "none", "tcp", NULL };      /* enum check_kind */
static const char *const quic_words[] = { "no", "yes", NULL };
static const char *const switch_words[] = { "off", "on", NULL };
static const char *const stray_words[] = { "drop", "reject", NULL };
static const char *const state_words[] = { "enabled", "draining", "disabled", NULL };

#define CONTROL(field)	  offsetof(struct control_conf, field)
#define POOL(field)	  offsetof(struct pool_conf, field)
#define SERVICE(field)	  offsetof(struct service_conf, field)
#define VIP(field)	  offsetof(struct vip_conf, field)
#define BACKEND(field)	  offsetof(struct backend_conf, field)
#define SIZE(type, field) sizeof(((struct type *)0)->field)

const struct conf_opt conf_opts[] = {
	{ "controlplane", "socket", CONF_STRING, CONTROL(control_socket), 0,
	  "/run/weir/control.sock", 1, SIZE(control_conf, control_socket),
	  .help = "socket for weirctl and automation (JSON-RPC), mode 0660" },
	{ "controlplane", "group", CONF_STRING, CONTROL(group), 0, "", 0, SIZE(control_conf, group),
	  .help = "group of that socket: its members may change everything; unset: unchanged" },
	{ "controlplane", "state_file", CONF_STRING, CONTROL(state_file), 0,
	  "/var/lib/weir/state.json", 1, SIZE(control_conf, state_file),
	  .help = "where changes made at run time outlive a restart" },
	{ "controlplane", "user", CONF_STRING, CONTROL(user), 0, "", 0, SIZE(control_conf, user),
	  .help = "user to run as after start-up; unset: stay" },
	{ "controlplane", "flow_seed", CONF_HEX64, CONTROL(flow_seed), CONTROL(has_seed), "",
	  .help = "secret of the flow hash, 16 hexadecimal digits, the same on all Weirs of a "
		  "site; unset: made once and kept in the state file" },

	{ "pool", "mode", CONF_ENUM, POOL(mode), 0, "l2", .choices = mode_words,
	  .help = "how packets reach a backend: with a new Ethernet header (l2), in IP (ipip) or "
		  "in UDP (gue)" },
	{ "pool", "hash", CONF_ENUM, POOL(hash), 0, "5-tuple", .choices = hash_words,
	  .help = "what keeps to one backend: a connection (5-tuple) or a client (source)" },
	{ "pool", "table_size", CONF_U32, POOL(table_size), 0, "65537", WEIR_TABLE_MIN,
	  WEIR_TABLE_MAX, .unit = "slots",
	  .help = "length of the lookup table, a prime, at least 100 times the backends" },
	{ "pool", "mtu", CONF_U32, POOL(mtu), 0, "1500", 576, 9216, .unit = "bytes",
	  .help = "largest IP packet towards the backends, the outer header included" },
	{ "pool", "too_big", CONF_ENUM, POOL(fragment), 0, "fragment", .choices = too_big_words,
	  .help = "IPv4 packets without DF that do not fit: their fragments or nothing (drop)" },
	{ "pool", "outer_source", CONF_PREFIX, POOL(outer_source), POOL(source_bits), "",
	  .help = "source address of the outer header, or a prefix for one per flow; unset: "
		  "ours towards the backend" },
	{ "pool", "gue_port", CONF_U16, POOL(gue_port), 0, "6080", 1, 65535,
	  .help = "UDP port that the backends take GUE on (mode = gue)" },
	{ "pool", "tcp_window_s", CONF_U32, POOL(tcp_window_s), 0, "300", 1, 86400, .unit = "s",
	  .help = "when a slot changes its owner: how long TCP connections that are open have "
		  "to show themselves, so that they stay" },
	{ "pool", "udp_window_s", CONF_U32, POOL(udp_window_s), 0, "0", 0, 86400, .unit = "s",
	  .help = "the same for UDP; 0: 30, or 300 with a service that is quic" },
	{ "pool", "check", CONF_ENUM, POOL(check.kind), 0, "tcp", .choices = check_words,
	  .help = "health check: connect to the backend's own address (tcp), or none" },
	{ "pool", "check_port", CONF_U32, POOL(check.port), 0, "0", 0, 65535,
	  .help = "port to check; 0: that of the pool's first service" },
	{ "pool", "check_interval_ms", CONF_U32, POOL(check.interval_ms), 0, "1000", 50, 3600000,
	  .unit = "ms", .help = "time from one probe to the next" },
	{ "pool", "check_timeout_ms", CONF_U32, POOL(check.timeout_ms), 0, "500", 10, 3600000,
	  .unit = "ms", .help = "how long a probe may take, at most the interval" },
	{ "pool", "check_rise", CONF_U32, POOL(check.rise), 0, "2", 1, 100, .unit = "probes",
	  .help = "successes in a row that bring a backend up" },
	{ "pool", "check_fall", CONF_U32, POOL(check.fall), 0, "3", 1, 100, .unit = "probes",
	  .help = "failures in a row that take a backend down" },

	{ "service", "vip", CONF_PREFIX, SERVICE(vip), SERVICE(vip_bits), NULL,
	  .help = "the address that clients connect to, or a prefix for all its addresses" },
	{ "service", "protocol", CONF_PROTO, SERVICE(protocol), 0, "tcp", .help = "tcp or udp" },
	{ "service", "port", CONF_U32, SERVICE(port), 0, NULL, 0, 65535,
	  .help = "the port that clients connect to; 0: every port" },
	{ "service", "pool", CONF_NAME, SERVICE(pool), 0, NULL, 1, SIZE(service_conf, pool),
	  .help = "name of the pool that answers" },
	{ "service", "quic", CONF_ENUM, SERVICE(quic), 0, "no", .choices = quic_words,
	  .help = "udp: the first packet of a QUIC connection starts a flow (yes), or nothing "
		  "does (no)" },

	{ "vip", "echo", CONF_ENUM, VIP(echo), 0, "on", .choices = switch_words,
	  .help = "whether Weir answers pings to the VIP" },
	{ "vip", "strays", CONF_ENUM, VIP(reject), 0, "drop", .choices = stray_words,
	  .help = "packets to the VIP that no service has: nothing (drop), or a TCP reset or "
		  "port unreachable (reject)" },
	{ "vip", "arp", CONF_ENUM, VIP(arp), 0, "off", .choices = switch_words,
	  .help = "whether Weir answers ARP and neighbour solicitations for the VIP" },

	{ "backend", "weight", CONF_U32, BACKEND(weight), 0, "1", 0, WEIGHT_MAX,
	  .help = "share of the flows against the pool's others; 0: no new flows" },
	{ "backend", "state", CONF_ENUM, BACKEND(admin), 0, "enabled", .choices = state_words,
	  .help = "enabled, draining (no new flows) or disabled (no flows)" },
	{ "backend", "mac", CONF_MAC, BACKEND(mac), BACKEND(has_mac), "",
	  .help = "next hop set by hand; unset: from the kernel's routes and neighbours" },
	{ "backend", "port", CONF_NAME, BACKEND(port), 0, "", 0, SIZE(backend_conf, port),
	  .help = "with mac: the [port] to send through; unset: the only one" },
	{ "backend", "vlan", CONF_U16, BACKEND(vlan), 0, "0", 0, 4094,
	  .help = "with mac: the VLAN of the next hop; 0: untagged" },
};
const unsigned conf_opt_count = sizeof(conf_opts) / sizeof(conf_opts[0]);

static_assert(sizeof(conf_opts) / sizeof(conf_opts[0]) <= CONF_FILE_OPTS,
	      "struct key_lines has a place for every row");
