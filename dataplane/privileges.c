// SPDX-License-Identifier: Apache-2.0
#include "privileges.h"

#include "device.h"
#include "log.h"

#include <rte_alarm.h>

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <seccomp.h>
#include <semaphore.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

int privileges_plan(struct privileges *p, const struct dpconf *conf)
{
	*p = (struct privileges){ .has_user = conf->user[0] != '\0' };
	for (uint32_t i = 0; i < conf->port_count; i++)
		p->keep_net_admin |= device_kind(conf->port[i].device) == DEVICE_AF_XDP;
	if (p->has_user) {
		const struct passwd *pw = getpwnam(conf->user);

		if (pw == NULL) {
			log_error("user = %s: this machine has no such user", conf->user);
			return -ENOENT;
		}
		p->uid = pw->pw_uid;
		p->gid = pw->pw_gid;
	}
	return 0;
}

/* The bounding set can only be changed by who has CAP_SETPCAP (yet). */
static capng_select_t what_to_apply(void)
{
	return capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) ? CAPNG_SELECT_BOTH
								   : CAPNG_SELECT_CAPS;
}

void privileges_drop_thread(void)
{
	capng_select_t what;

	capng_get_caps_process();
	what = what_to_apply();
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(what) < 0)
		log_warning("a thread cannot give up its capabilities");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static sem_t interrupt_thread_done;

static void on_interrupt_thread(void *arg)
{
	(void)arg;
	privileges_drop_thread();
	sem_post(&interrupt_thread_done);
}

/* DPDK runs alarms on its interrupt thread: the way to have something done there. */
static int drop_interrupt_thread(void)
{
	struct timespec until;
	int err;

	sem_init(&interrupt_thread_done, 0, 0);
	err = rte_eal_alarm_set(1, on_interrupt_thread, NULL);
	if (err < 0)
		return err;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	return sem_timedwait(&interrupt_thread_done, &until) < 0 ? -errno : 0;
}

/*
 * What no forwarding ever needs and who takes over a process wants first: other
 * programs, other processes' memory, namespaces, and the kernel's largest targets.
 * A list of what is forbidden, not of what is allowed: the drivers' system calls
 * are DPDK's affair and differ from device to device.
 */
static int forbid_calls(void)
{
	static const int calls[] = {
		SCMP_SYS(execve),      SCMP_SYS(execveat),	  SCMP_SYS(process_vm_readv),
		SCMP_SYS(setns),       SCMP_SYS(unshare),	  SCMP_SYS(process_vm_writev),
		SCMP_SYS(mount),       SCMP_SYS(pivot_root),	  SCMP_SYS(perf_event_open),
		SCMP_SYS(add_key),     SCMP_SYS(keyctl),	  SCMP_SYS(request_key),
		SCMP_SYS(init_module), SCMP_SYS(finit_module),	  SCMP_SYS(io_uring_setup),
		SCMP_SYS(kexec_load),  SCMP_SYS(kexec_file_load), SCMP_SYS(userfaultfd),
#ifndef __SANITIZE_ADDRESS__ /* whose leak checker traces its own threads */
		SCMP_SYS(ptrace),
#endif
	};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int err = f == NULL ? -ENOMEM : seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && err == 0; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	if (err == 0)
		err = seccomp_load(f); /* sets no_new_privs in every thread as well */
	seccomp_release(f);
	return err;
}

static int drop_main_thread(const struct privileges *p)
{
	capng_select_t what;
	bool admin;

	capng_get_caps_process();
	what = what_to_apply();
	admin = p->keep_net_admin && capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN);
	capng_clear(CAPNG_SELECT_BOTH);
	if (admin)
		capng_update(CAPNG_ADD, CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (!p->has_user)
		return capng_apply(what);
	return capng_change_id((int)p->uid, (int)p->gid,
			       CAPNG_INIT_SUPP_GRP |
				       (what == CAPNG_SELECT_BOTH ? CAPNG_CLEAR_BOUNDING : 0));
}

int privileges_drop(const struct privileges *p)
{
	/* First the user: threads that cannot change theirs would end the process. */
	int err = drop_main_thread(p);

	if (err < 0) {
		log_error("user: cannot %s (libcap-ng: %d)",
			  p->has_user ? "become that user" : "give up capabilities", err);
		return -EPERM;
	}
	err = drop_interrupt_thread();
	if (err < 0) {
		log_error("DPDK's interrupt thread cannot give up its capabilities: %s",
			  strerror(-err));
		return err;
	}
	err = forbid_calls();
	if (err < 0)
		log_warning("seccomp: cannot forbid system calls: %s", strerror(-err));
	return 0;
}

void privileges_raise(const struct privileges *p)
{
	if (!p->keep_net_admin)
		return;
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN))
		return;
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	capng_apply(CAPNG_SELECT_CAPS);
}
