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
static const char *const check_words[] = {
#define CHECK_KIND_WORD(id, word) word,
	CHECK_KIND_LIST(CHECK_KIND_WORD)
#undef CHECK_KIND_WORD
		NULL
};
static const char *const via_words[] = { "dsr", "direct", NULL };	 /* enum check_via */
static const char *const need_words[] = { "all", "any", NULL };	 /* enum check_need */
static const char *const proxy_words[] = { "none", "v1", "v2", NULL }; /* enum check_proxy */
static const char *const http_words[] = { "1.1", "2", NULL };
static const char *const quic_words[] = { "no", "yes", NULL };
static const char *const switch_words[] = { "off", "on", NULL };
static const char *const stray_words[] = { "drop", "reject", NULL };
static const char *const state_words[] = { "enabled", "draining", "disabled", NULL };

#define CONTROL(field)	  offsetof(struct control_conf, field)
#define POOL(field)	  offsetof(struct pool_conf, field)
#define SERVICE(field)	  offsetof(struct service_conf, field)
#define VIP(field)	  offsetof(struct vip_conf, field)
#define BACKEND(field)	  offsetof(struct backend_conf, field)
#define CHECK(field)	  offsetof(struct check_conf, field)
#define SIZE(type, field) sizeof(((struct type *)0)->field)
#define CHECK_TEXT(key, def, least, text)                                                 \
	{                                                                                 \
		"check", #key, CONF_STRING, CHECK(key), 0, def, least, SIZE(check_conf, key), \
			.help = text                                                      \
	}

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
	{ "pool", "slow_start_s", CONF_U32, POOL(slow_start_s), 0, "0", 0, 3600, .unit = "s",
	  .help = "a backend that comes up takes its share of new flows in 16 steps over this "
		  "time; 0: at once" },
	{ "pool", "handshake_grace_s", CONF_U32, POOL(handshake_grace_s), 0, "3", 1, 3600,
	  .unit = "s",
	  .help = "when a slot changes its owner: how long new connections still go to the "
		  "old one, so that handshakes under way end where they began; more behind ECMP "
		  "with other Weirs" },
	{ "pool", "tcp_window_s", CONF_U32, POOL(tcp_window_s), 0, "300", 1, 86400, .unit = "s",
	  .help = "when a slot changes its owner: how long TCP connections that are open have "
		  "to show themselves, so that they stay" },
	{ "pool", "udp_window_s", CONF_U32, POOL(udp_window_s), 0, "0", 0, 86400, .unit = "s",
	  .help = "the same for UDP; 0: 30, or 300 with a service that is quic" },
	{ "pool", "check", CONF_ENUM, POOL(check.kind), 0, "tcp", .choices = check_words,
	  .help = "health check of every backend, with no more settings than these; others are "
		  "sections of their own, see checks" },
	{ "pool", "check_via", CONF_ENUM, POOL(check.via), 0, "dsr", .choices = via_words,
	  .help = "as clients' packets go: to the VIP, carried to the backend by this pool's "
		  "mode (dsr), or to the backend's own address (direct)" },
	{ "pool", "check_port", CONF_U32, POOL(check.port), 0, "0", 0, 65535,
	  .help = "port to check; 0: that of the pool's first service that suits the check" },
	{ "pool", "check_interval_ms", CONF_U32, POOL(check.interval_ms), 0, "1000", 50, 3600000,
	  .unit = "ms", .help = "time from one probe to the next" },
	{ "pool", "check_timeout_ms", CONF_U32, POOL(check.timeout_ms), 0, "500", 10, 3600000,
	  .unit = "ms",
	  .help = "how long connecting may take, and as long again the answer; together at "
		  "most the interval" },
	{ "pool", "check_rise", CONF_U32, POOL(check.rise), 0, "2", 1, 100, .unit = "probes",
	  .help = "successes in a row that bring a backend up" },
	{ "pool", "check_fall", CONF_U32, POOL(check.fall), 0, "3", 1, 100, .unit = "probes",
	  .help = "failures in a row that take a backend down" },
	{ "pool", "checks", CONF_STRING, POOL(checks), 0, "", 0, SIZE(pool_conf, checks),
	  .help = "names of [check] sections, between commas: instead of check, which then "
		  "counts for nothing" },
	{ "pool", "checks_need", CONF_ENUM, POOL(checks_need), 0, "all", .choices = need_words,
	  .help = "with several: a backend is up when all of them pass, or any" },
	{ "pool", "min_healthy", CONF_STRING, POOL(min_healthy), 0, "1", 1,
	  SIZE(pool_conf, min_healthy),
	  .help = "when fewer backends than this are up, the checks are not believed and those "
		  "that were up a moment ago keep the traffic; a number, or percent such as 50%" },
	{ "pool", "flap_changes", CONF_U32, POOL(flap_changes), 0, "6", 0, 16,
	  .help = "a backend that changes between up and down so often within flap_window_s is "
		  "held down; 0: never, else at least 2" },
	{ "pool", "flap_window_s", CONF_U32, POOL(flap_window_s), 0, "60", 1, 86400, .unit = "s",
	  .help = "time within which changes are counted" },
	{ "pool", "flap_hold_s", CONF_U32, POOL(flap_hold_s), 0, "30", 1, 86400, .unit = "s",
	  .help = "how long it is held down; each further time doubles it" },
	{ "pool", "flap_hold_max_s", CONF_U32, POOL(flap_hold_max_s), 0, "600", 1, 86400,
	  .unit = "s", .help = "and at most so long" },
	{ "pool", "agent_port", CONF_U32, POOL(agent_port), 0, "0", 0, 65535,
	  .help = "port of the backends' own address where an agent says how the server is "
		  "(HAProxy's agent-check protocol); 0: none" },
	{ "pool", "agent_interval_ms", CONF_U32, POOL(agent_interval_ms), 0, "2000", 100, 3600000,
	  .unit = "ms", .help = "time from one question to the agent to the next" },
	{ "pool", "agent_send", CONF_STRING, POOL(agent_send), 0, "", 0,
	  SIZE(pool_conf, agent_send),
	  .help = "what the agent is sent first, \\n and \\xNN are understood; unset: nothing" },

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
	{ "backend", "backup", CONF_BOOL, BACKEND(backup), 0, "no",
	  .help = "whether it takes flows only while fewer others are up than min_healthy says" },
	{ "backend", "mac", CONF_MAC, BACKEND(mac), BACKEND(has_mac), "",
	  .help = "next hop set by hand; unset: from the kernel's routes and neighbours" },
	{ "backend", "port", CONF_NAME, BACKEND(port), 0, "", 0, SIZE(backend_conf, port),
	  .help = "with mac: the [port] to send through; unset: the only one" },
	{ "backend", "vlan", CONF_U16, BACKEND(vlan), 0, "0", 0, 4094,
	  .help = "with mac: the VLAN of the next hop; 0: untagged" },

	{ "check", "kind", CONF_ENUM, CHECK(kind), 0, NULL, .choices = check_words,
	  .help = "what is asked of the server" },
	{ "check", "via", CONF_ENUM, CHECK(via), 0, "dsr", .choices = via_words,
	  .help = "the clients' way: to the VIP, by the pool's mode (dsr), or to the backend's "
		  "own address (direct)" },
	{ "check", "port", CONF_U32, CHECK(port), 0, "0", 0, 65535,
	  .help = "port to ask; 0: that of the pool's first service with the protocol of the "
		  "check" },
	{ "check", "vip", CONF_ADDR, CHECK(vip), 0, "",
	  .help = "dsr: which of the pool's VIPs to ask for; unset: that of the same service; of "
		  "a prefix, its first host" },
	{ "check", "interval_ms", CONF_U32, CHECK(interval_ms), 0, "1000", 50, 3600000,
	  .unit = "ms", .help = "time from the start of one probe to the start of the next" },
	{ "check", "fast_interval_ms", CONF_U32, CHECK(fast_interval_ms), 0, "0", 0, 3600000,
	  .unit = "ms",
	  .help = "the same while results contradict the state, and before the first verdict; "
		  "0: interval_ms" },
	{ "check", "down_interval_ms", CONF_U32, CHECK(down_interval_ms), 0, "0", 0, 3600000,
	  .unit = "ms", .help = "the same while down; 0: interval_ms" },
	{ "check", "connect_timeout_ms", CONF_U32, CHECK(connect_timeout_ms), 0, "500", 10,
	  3600000, .unit = "ms", .help = "tcp, http, https, tls: how long connecting may take" },
	{ "check", "answer_timeout_ms", CONF_U32, CHECK(answer_timeout_ms), 0, "500", 10, 3600000,
	  .unit = "ms", .help = "how long the answer may take, once connected" },
	{ "check", "rise", CONF_U32, CHECK(rise), 0, "2", 1, 100, .unit = "probes",
	  .help = "successes in a row after which the check counts as passed" },
	{ "check", "fall", CONF_U32, CHECK(fall), 0, "3", 1, 100, .unit = "probes",
	  .help = "failures in a row after which it counts as failed" },
	{ "check", "jitter_percent", CONF_U32, CHECK(jitter_percent), 0, "10", 0, 50, .unit = "%",
	  .help = "how much of an interval the next probe may come earlier or later, by chance" },
	{ "check", "padded", CONF_BOOL, CHECK(padded), 0, "no",
	  .help = "http, https, tls, dns, stun, quic, echo: whether a full-size packet that may "
		  "not be cut up must arrive, too" },
	{ "check", "padded_bytes", CONF_U32, CHECK(padded_bytes), 0, "1500", 1280, 9000,
	  .unit = "bytes", .help = "size of that packet: the MTU of the clients" },
	{ "check", "proxy", CONF_ENUM, CHECK(proxy), 0, "none", .choices = proxy_words,
	  .help = "tcp, http, https, tls: PROXY protocol header to begin with" },
	{ "check", "ttl", CONF_U32, CHECK(ttl), 0, "0", 0, 255,
	  .help = "hop limit; 0: 1 with dsr (a backend that hands the VIP on to a container "
		  "needs 2), else the system's" },

	CHECK_TEXT(send, "", 0,
		   "tcp, udp: what to send; text with \\r \\n \\t \\0 \\\\ \\xNN, or hex:00ff"),
	CHECK_TEXT(expect, "", 0,
		   "tcp, udp: how the answer begins; unset: any (udp), none is waited for (tcp)"),
	{ "check", "expect_anywhere", CONF_BOOL, CHECK(expect_anywhere), 0, "no",
	  .help = "tcp: expect may stand anywhere in the first 4 KiB" },

	{ "check", "http_version", CONF_ENUM, CHECK(http_version), 0, "1.1",
	  .choices = http_words, .help = "http, https: version to speak, and to be answered in" },
	CHECK_TEXT(method, "GET", 1, "http, https: method"),
	CHECK_TEXT(path, "/", 1, "http, https: path; redirects are not followed"),
	CHECK_TEXT(host, "", 0, "http, https: Host; unset: server_name, else the address"),
	CHECK_TEXT(headers, "", 0, "http, https: further headers, up to 8, \\n between two"),
	CHECK_TEXT(status, "200-299", 1, "http, https: status codes that pass, up to 8 ranges"),
	CHECK_TEXT(body, "", 0, "http, https: what must stand in the first 64 KiB of the body"),

	CHECK_TEXT(server_name, "", 0,
		   "https, tls: name to ask for (SNI), and that the certificate must have"),
	{ "check", "verify", CONF_BOOL, CHECK(verify), 0, "no",
	  .help = "https, tls: whether the certificate must be valid" },
	CHECK_TEXT(ca_file, "", 0, "https, tls: authorities to believe, PEM; unset: the system's"),
	CHECK_TEXT(alpn, "", 0, "tls: protocols to offer, between commas; the server must take one"),

	CHECK_TEXT(query, "", 0, "dns: name to ask for"),
	CHECK_TEXT(query_type, "A", 1, "dns: type, such as A, AAAA, SOA, or a number"),
	CHECK_TEXT(rcode, "NOERROR", 1, "dns: response code that passes"),
	{ "check", "empty_answer", CONF_BOOL, CHECK(empty_answer), 0, "no",
	  .help = "dns: whether an answer without a record passes" },
	{ "check", "answer", CONF_ADDR, CHECK(answer), 0, "",
	  .help = "dns: address that must be among the answers" },

	CHECK_TEXT(quic_version, "", 0,
		   "quic: version that must be offered, such as 1 or 0x6b3343cf; unset: any"),

	CHECK_TEXT(command, "", 0,
		   "exec: program by its absolute path, and arguments; no shell. It finds "
		   "WEIR_ADDRESS and WEIR_PORT in its environment"),
	CHECK_TEXT(environment, "", 0, "exec: further NAME=value, up to 8, \\n between two"),
};
const unsigned conf_opt_count = sizeof(conf_opts) / sizeof(conf_opts[0]);

static_assert(sizeof(conf_opts) / sizeof(conf_opts[0]) <= CONF_FILE_OPTS,
	      "struct key_lines has a place for every row");
