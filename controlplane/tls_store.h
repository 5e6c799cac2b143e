// SPDX-License-Identifier: Apache-2.0
/* Files of certificates of authorities: for https and tls probes, and for check-config. */
#ifndef WEIR_TLS_STORE_H
#define WEIR_TLS_STORE_H

#include <openssl/x509.h>
#include <stddef.h>

/* Read a PEM file; empty: the system's. The caller's to free, or NULL with a sentence
 * about the file. */
X509_STORE *tls_store_read(const char *file, char *why, size_t why_len);

#endif /* WEIR_TLS_STORE_H */
