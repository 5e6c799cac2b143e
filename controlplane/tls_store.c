// SPDX-License-Identifier: Apache-2.0
#include "tls_store.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where distributions keep the authorities they trust, one file. */
static const char *const system_files[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
	"/etc/ssl/ca-bundle.pem",	      /* SUSE */
};

static X509_STORE *read_one(const char *file)
{
	X509_STORE *store = X509_STORE_new();

	if (store != NULL && X509_STORE_load_file(store, file))
		return store;
	X509_STORE_free(store);
	ERR_clear_error();
	return NULL;
}

X509_STORE *tls_store_read(const char *file, char *why, size_t why_len)
{
	X509_STORE *store = NULL;
	struct stat st;

	if (file[0] == '\0') {
		for (unsigned i = 0; store == NULL && i < sizeof(system_files) / sizeof(char *); i++)
			store = read_one(system_files[i]);
		if (store == NULL)
			snprintf(why, why_len,
				 "this host has no file of trusted authorities: install "
				 "ca-certificates or set ca_file");
		return store;
	}
	if (stat(file, &st) < 0 || access(file, R_OK) < 0) {
		snprintf(why, why_len, "%s cannot be read: %s", file, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) { /* reading another kind may never end */
		snprintf(why, why_len, "%s is no file", file);
		return NULL;
	}
	store = read_one(file);
	if (store == NULL)
		snprintf(why, why_len, "%s holds no certificate (PEM)", file);
	return store;
}
