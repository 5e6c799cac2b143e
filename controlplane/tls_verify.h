// SPDX-License-Identifier: Apache-2.0
/*
 * Trust stores, and what is wrong with a certificate in words: for the kinds tls
 * and http, whose handshakes OpenSSL and libcurl run.
 */
#ifndef WEIR_TLS_VERIFY_H
#define WEIR_TLS_VERIFY_H

#include "probe_impl.h"

/* What one handshake showed. Zeroed, then `conf` and `name` set by the owner;
 * must stay in place until the SSL object is freed. */
struct tls_verify {
	const struct probe_tls_conf *conf;
	const char *name;  /* the certificate must be for it; empty: any name will do */
	int32_t cert_days; /* of the server's own certificate; PROBE_NO_CERT: none came */
	int error;	   /* X509_V_ERR_*, or X509_V_OK */
	int alert;	   /* TLS alert that the server sent, + 1; 0: none */
	char words[PROBE_REASON_LEN]; /* when error is set: a sentence */
};

/* Of a context: the SSL_CTX that all tls probes share, and the stores. */
int tls_open(struct probe_ctx *ctx);
void tls_close(struct probe_ctx *ctx);

/* Read a CA file (empty: the system's) into memory under its name, once. 0, or -EINVAL
 * and a sentence. */
int tls_load(struct probe_ctx *ctx, const char *ca_file, char *why, size_t why_len);

/* The next tls_load() of each file reads it again; where that fails, what was read
 * before stays. */
void tls_reread(struct probe_ctx *ctx);

/* A session of the shared SSL_CTX / an SSL_CTX of its own (libcurl's) from now on
 * verifies as v->conf says and reports into *v. Returns 0; -ENOENT when v->conf
 * names a CA file that was not loaded; -ENOMEM. */
int tls_verify_session(struct probe_ctx *ctx, SSL *ssl, struct tls_verify *v);
int tls_verify_context(struct probe_ctx *ctx, SSL_CTX *ssl_ctx, struct tls_verify *v);

/* Fail: the handshake did not complete. `reason` is the packed OpenSSL error, 0 if
 * unknown; `fallback` what to say then. */
void tls_verify_fail(struct probe *p, const struct tls_verify *v, unsigned long reason,
		     const char *fallback);

#endif /* WEIR_TLS_VERIFY_H */
