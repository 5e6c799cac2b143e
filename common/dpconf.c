// SPDX-License-Identifier: Apache-2.0
#include "dpconf.h"

#include "pin.h"

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>

static const char *const idle_words[] = { "busy", "adaptive", NULL };
static const char *const huge_words[] = { "auto", "yes", "no", NULL };
static const char *const punt_words[] = { "none", "tap", NULL };
static const char *const start_words[] = { "at-once", "filled", NULL };

#define DP(field)	  offsetof(struct dpconf, field)
#define PORT(field)	  offsetof(struct dp_port_conf, field)
#define SIZE(type, field) sizeof(((struct type *)0)->field)

const struct conf_opt dpconf_opts[] = {
	{ "dataplane", "cpus", CONF_CPUS, DP(cpus), DP(cpu_count), "1", 1, WEIR_MAX_WORKERS,
	  .help = "CPUs that forward packets, one worker each, such as 1-3,5" },
	{ "dataplane", "idle", CONF_ENUM, DP(idle), 0, "adaptive", .choices = idle_words,
	  .help = "what a worker does when nothing arrives: poll on (busy) or sleep (adaptive)" },
	{ "dataplane", "huge_pages", CONF_ENUM, DP(huge_pages), 0, "auto", .choices = huge_words,
	  .help = "whether to use huge pages; auto: if enough of them are free" },
	{ "dataplane", "start", CONF_ENUM, DP(start), 0, "at-once", .choices = start_words,
	  .help = "when to begin to receive: at-once, or when the tables are first filled" },
	{ "dataplane", "memory_mb", CONF_U32, DP(memory_mb), 0, "256", 32, 1048576, .unit = "MB",
	  .help = "memory for packet buffers (DPDK's -m)" },
	{ "dataplane", "arena_mb", CONF_U32, DP(arena_mb), 0, "32", 1, 4095, .unit = "MB",
	  .help = "shared memory for lookup tables and snapshots" },
	{ "dataplane", "pins", CONF_U32, DP(pins), 0, "65536", WEIR_PINS_MIN, WEIR_PINS_MAX,
	  .unit = "pins", .help = "flows that a worker can keep on a backend while slots move" },
	{ "dataplane", "answers_per_s", CONF_U32, DP(answers_per_s), 0, "1000", 0, 1000000,
	  .unit = "packets",
	  .help = "answers of one kind that a worker sends in a second: echo replies, ICMP "
		  "errors, TCP resets, ARP; 0: none" },
	{ "dataplane", "mbufs", CONF_U32, DP(mbufs), 0, "0", 0, 4194304, .unit = "packets",
	  .help = "packet buffers of all ports and queues; 0: computed from queues and rings" },
	{ "dataplane", "session_socket", CONF_STRING, DP(session_socket), 0,
	  "/run/weir/session.sock", 1, SIZE(dpconf, session_socket),
	  .help = "socket on which the control plane meets the data plane" },
	{ "dataplane", "user", CONF_STRING, DP(user), 0, "", 0, SIZE(dpconf, user),
	  .help = "user to run as after start-up; unset: stay" },
	{ "dataplane", "eal", CONF_STRING, DP(eal), 0, "", 0, SIZE(dpconf, eal),
	  .help = "further DPDK EAL arguments, split at spaces" },
	{ "dataplane", "file_prefix", CONF_NAME, DP(file_prefix), 0, "weir", 1,
	  SIZE(dpconf, file_prefix), .help = "DPDK's --file-prefix: one per data plane of a host" },

	{ "port", "device", CONF_STRING, PORT(device), 0, NULL, 1, SIZE(dp_port_conf, device),
	  .help = "PCI address, af_xdp:IFACE, or a DPDK device string" },
	{ "port", "rx_queues", CONF_U32, PORT(rx_queues), 0, "0", 0, WEIR_MAX_WORKERS,
	  .unit = "queues", .help = "receive queues; 0: one per worker where the device has them" },
	{ "port", "rx_desc", CONF_U32, PORT(rx_desc), 0, "1024", 64, 32768, .unit = "packets",
	  .help = "length of a receive queue" },
	{ "port", "tx_desc", CONF_U32, PORT(tx_desc), 0, "1024", 64, 32768, .unit = "packets",
	  .help = "length of a transmit queue" },
	{ "port", "mtu", CONF_U32, PORT(mtu), 0, "0", 0, 9216, .unit = "bytes",
	  .help = "largest IP packet, from 576; 0: as the device says" },
	{ "port", "promiscuous", CONF_BOOL, PORT(promiscuous), 0, "no",
	  .help = "whether to take frames for other MAC addresses too" },
	{ "port", "punt", CONF_ENUM, PORT(punt), 0, "none", .choices = punt_words,
	  .help = "what is for no VIP: dropped (none) or given to the kernel (tap)" },
	{ "port", "tap", CONF_STRING, PORT(tap), 0, "", 0, SIZE(dp_port_conf, tap),
	  .help = "name of the interface for punt = tap; unset: the port's name" },
	{ "port", "punt_pps", CONF_U32, PORT(punt_pps), 0, "10000", 1, 1000000,
	  .unit = "packets/s",
	  .help = "most that a worker gives to the kernel, of each class of packets" },
};
const unsigned dpconf_opt_count = sizeof(dpconf_opts) / sizeof(dpconf_opts[0]);

void dpconf_begin(struct dpconf_reader *r, const char *file, struct dpconf *out,
		  struct conf_errors *errors)
{
	*r = (struct dpconf_reader){ .file = file, .out = out, .errors = errors };
	r->section = (struct conf_section){
		.opts = dpconf_opts, .count = dpconf_opt_count, .file = file, .errors = errors
	};
	*out = (struct dpconf){ 0 };
	conf_defaults(dpconf_opts, dpconf_opt_count, "dataplane", out);
}

static void section_close(struct dpconf_reader *r)
{
	if (r->open)
		conf_section_end(&r->section);
	r->open = false;
}

static void dataplane_open(struct dpconf_reader *r, const char *name, int line)
{
	if (name[0] != '\0')
		conf_error(r->errors, r->file, line,
			   "[dataplane %s]: there is one [dataplane], without a name", name);
	if (r->line != 0)
		conf_error(r->errors, r->file, line, "[dataplane]: begun already in line %d",
			   r->line);
	else
		r->line = line;
	r->section.kind = "dataplane";
	r->section.name = "";
	r->section.base = r->out;
}

static void port_open(struct dpconf_reader *r, const char *name, int line)
{
	struct dpconf *c = r->out;
	struct dp_port_conf *p = &r->extra;

	if (name[0] == '\0') {
		conf_error(r->errors, r->file, line, "[port]: a port needs a name: [port NAME]");
	} else if (dpconf_port(c, name) != NULL) {
		conf_error(r->errors, r->file, line, "[port %s]: begun already in line %d", name,
			   dpconf_port(c, name)->line);
	} else if (c->port_count == WEIR_MAX_PORTS) {
		conf_error(r->errors, r->file, line, "[port %s]: at most %d ports are possible",
			   name, WEIR_MAX_PORTS);
	} else {
		p = &c->port[c->port_count++];
	}
	*p = (struct dp_port_conf){ .line = line };
	strncpy(p->name, name, sizeof(p->name) - 1);
	r->section.kind = "port";
	r->section.name = p->name;
	r->section.base = p;
}

bool dpconf_key(struct dpconf_reader *r, const char *kind, const char *name, const char *key,
		const char *value, int line)
{
	bool port = strcmp(kind, "port") == 0;

	if (key == NULL)
		section_close(r);
	if (!port && strcmp(kind, "dataplane") != 0)
		return false;
	if (key != NULL) {
		conf_section_key(&r->section, key, value, line);
		return true;
	}
	if (port)
		port_open(r, name, line);
	else
		dataplane_open(r, name, line);
	conf_section_begin(&r->section, line);
	r->open = true;
	return true;
}

const struct dp_port_conf *dpconf_port(const struct dpconf *c, const char *name)
{
	for (uint32_t i = 0; i < c->port_count; i++)
		if (strcmp(c->port[i].name, name) == 0)
			return &c->port[i];
	return NULL;
}

const char *dpconf_tap(const struct dp_port_conf *p)
{
	if (p->punt != DP_PUNT_TAP)
		return NULL;
	return p->tap[0] != '\0' ? p->tap : p->name;
}

static void punt_check(const struct dpconf_reader *r, const struct dp_port_conf *p, bool af_xdp)
{
	const char *tap = dpconf_tap(p);

	if (tap == NULL)
		return;
	if (af_xdp)
		conf_error(r->errors, r->file, p->line,
			   "[port %s] punt: an af_xdp: port needs no TAP: its interface stays with "
			   "the kernel, which gets all that is for no VIP",
			   p->name);
	if (strlen(tap) >= IF_NAMESIZE || strpbrk(tap, "/: \t") != NULL || tap[0] == '.')
		conf_error(r->errors, r->file, p->line,
			   "[port %s] tap: \"%s\" is no name for a network interface: 1 to %d "
			   "characters",
			   p->name, tap, IF_NAMESIZE - 1);
	for (const struct dp_port_conf *q = r->out->port; q < p; q++)
		if (dpconf_tap(q) != NULL && strcmp(dpconf_tap(q), tap) == 0)
			conf_error(r->errors, r->file, p->line,
				   "[port %s] tap: %s belongs to [port %s] already, in line %d",
				   p->name, tap, q->name, q->line);
}

static void port_check(const struct dpconf_reader *r, const struct dp_port_conf *p)
{
	static const char af_xdp[] = "af_xdp:";
	size_t prefix = sizeof(af_xdp) - 1;

	punt_check(r, p, strncmp(p->device, af_xdp, prefix) == 0);

	if (p->mtu != 0 && p->mtu < 576)
		conf_error(r->errors, r->file, p->line,
			   "[port %s] mtu: %u is too small: 0, or 576 to 9216 bytes", p->name,
			   p->mtu);
	if (strncmp(p->device, af_xdp, prefix) == 0) {
		size_t len = strlen(p->device + prefix);

		if (len == 0 || len >= IF_NAMESIZE)
			conf_error(r->errors, r->file, p->line,
				   "[port %s] device: af_xdp: takes the name of a network "
				   "interface, 1 to %d characters",
				   p->name, IF_NAMESIZE - 1);
	}
	for (const struct dp_port_conf *q = r->out->port; q < p; q++)
		if (p->device[0] != '\0' && strcmp(p->device, q->device) == 0)
			conf_error(r->errors, r->file, p->line,
				   "[port %s] device: %s belongs to [port %s] already, in line %d",
				   p->name, p->device, q->name, q->line);
}

void dpconf_end(struct dpconf_reader *r)
{
	section_close(r);
	if (r->out->port_count == 0)
		conf_error(r->errors, r->file, 0,
			   "no [port NAME] section: the data plane needs one");
	for (uint32_t i = 0; i < r->out->port_count; i++)
		port_check(r, &r->out->port[i]);
}

static void read_key(void *user, const char *kind, const char *name, const char *key,
		     const char *value, int line)
{
	dpconf_key(user, kind, name, key, value, line);
}

int dpconf_read(const char *path, struct dpconf *out, struct conf_errors *errors)
{
	unsigned before = errors->count;
	struct dpconf_reader r;
	struct dpconf c;
	int err;

	dpconf_begin(&r, path, &c, errors);
	err = conf_read(path, read_key, &r, errors);
	if (err < 0 && err != -EINVAL)
		return err;
	dpconf_end(&r);
	if (errors->count > before)
		return -EINVAL;
	*out = c;
	return 0;
}
