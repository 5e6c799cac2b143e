// SPDX-License-Identifier: Apache-2.0
/*
 * The [dataplane] and [port NAME] sections: all that weir-dataplane knows of the
 * configuration file. The control plane reads them too, so that `check-config`
 * finds every error of a file at once.
 */
#ifndef WEIR_DPCONF_H
#define WEIR_DPCONF_H

#include "bounds.h"
#include "conf.h"

#include <stdbool.h>
#include <stdint.h>

enum dp_idle { DP_IDLE_BUSY, DP_IDLE_ADAPTIVE };
/* When workers begin to receive: at once, or with the first snapshot (tests, replayed captures). */
enum dp_start { DP_START_AT_ONCE, DP_START_FILLED };
/* What becomes of packets that are for no VIP. */
enum dp_punt { DP_PUNT_NONE, DP_PUNT_TAP };
enum dp_huge { DP_HUGE_AUTO, DP_HUGE_YES, DP_HUGE_NO };

#define DP_STRLEN 256

struct dp_port_conf {
	char name[WEIR_NAME_LEN];
	char device[DP_STRLEN]; /* PCI address, "af_xdp:IFACE", or a DPDK device string */
	uint32_t rx_queues;	/* 0: one per worker where the device has them */
	uint32_t rx_desc, tx_desc;
	uint32_t mtu; /* bytes of IP; 0: as the device says */
	bool promiscuous;
	uint32_t punt;	   /* enum dp_punt */
	uint32_t punt_pps; /* to the kernel, of each worker and class of packets */
	char tap[16];	   /* the interface of punt = tap; empty: the port's name */
	int line; /* of the section, for messages */
};

struct dpconf {
	uint16_t cpus[WEIR_MAX_WORKERS]; /* one worker each */
	uint32_t cpu_count;
	uint32_t idle;	     /* enum dp_idle */
	uint32_t huge_pages; /* enum dp_huge */
	uint32_t start;	     /* enum dp_start */
	uint32_t memory_mb;  /* EAL memory (mbufs): -m */
	uint32_t pins;		 /* capacity of each worker's pin table */
	uint32_t answers_per_s; /* of each worker and kind; 0: none */
	uint32_t arena_mb;   /* tables and snapshots */
	uint32_t mbufs;	     /* packet buffers, all ports and queues together; 0: computed */
	char session_socket[108];
	char user[32];	      /* run as, after start-up; empty: stay */
	char eal[DP_STRLEN];  /* further EAL arguments, split at spaces */
	char file_prefix[64]; /* EAL --file-prefix */
	struct dp_port_conf port[WEIR_MAX_PORTS];
	uint32_t port_count;
};

/* The rows for these sections in the option table: see conf.h. */
extern const struct conf_opt dpconf_opts[];
extern const unsigned dpconf_opt_count;

/*
 * Reading, for programs that read other sections of the same file too: between
 * dpconf_begin() and dpconf_end() dpconf_key() gets everything that conf_read()
 * reports and returns true for what is its own. dpconf_end() checks what spans
 * keys. *out is filled with defaults at once and is right only when *errors did
 * not grow.
 */
struct dpconf_reader {
	const char *file;
	struct dpconf *out;
	struct conf_errors *errors;
	struct conf_section section;
	bool open;		   /* `section` is being read */
	int line;		   /* of [dataplane]; 0: none */
	struct dp_port_conf extra; /* takes the keys of a port that has no place */
};
void dpconf_begin(struct dpconf_reader *r, const char *file, struct dpconf *out,
		  struct conf_errors *errors);
bool dpconf_key(struct dpconf_reader *r, const char *kind, const char *name, const char *key,
		const char *value, int line);
void dpconf_end(struct dpconf_reader *r);

/*
 * Read the two kinds of sections of `path`, skip all others. Defaults are filled
 * in. Returns 0; -EINVAL with every error in *errors; -errno when the file
 * cannot be read (also said in *errors). *out is set only on success.
 */
int dpconf_read(const char *path, struct dpconf *out, struct conf_errors *errors);

/* The interface of a port with punt = tap, or NULL. */
const char *dpconf_tap(const struct dp_port_conf *p);

/* The port of that name, or NULL. Its place in port[] is its number. */
const struct dp_port_conf *dpconf_port(const struct dpconf *c, const char *name);

#endif /* WEIR_DPCONF_H */
