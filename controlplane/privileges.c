// SPDX-License-Identifier: Apache-2.0
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int privileges_drop(const char *user, char *why, size_t why_len)
{
	const struct passwd *pw = NULL;
	bool admin, setpcap;
	int err;

	if (user[0] != '\0') {
		pw = getpwnam(user);
		if (pw == NULL) {
			snprintf(why, why_len, "user: no user \"%s\" on this host", user);
			return -ENOENT;
		}
	}
	if (capng_get_caps_process() < 0) {
		snprintf(why, why_len, "cannot read the capabilities of this process");
		return -EIO;
	}
	admin = capng_have_capability(CAPNG_PERMITTED, CAP_NET_ADMIN) != 0;
	setpcap = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
	capng_clear(CAPNG_SELECT_BOTH);
	if (admin)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (pw != NULL && pw->pw_uid != geteuid()) /* else systemd has made us that user */
		err = capng_change_id((int)pw->pw_uid, (int)pw->pw_gid,
				      CAPNG_INIT_SUPP_GRP | (setpcap ? CAPNG_CLEAR_BOUNDING : 0));
	else
		err = capng_apply(setpcap ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
	if (err < 0) {
		snprintf(why, why_len, "cannot %s%s (libcap-ng: %d)",
			 pw != NULL ? "become user " : "drop capabilities", pw != NULL ? user : "",
			 err);
		return -EPERM;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		err = -errno;
		snprintf(why, why_len, "cannot set no_new_privs: %s", strerror(errno));
		return err;
	}
	return 0;
}
