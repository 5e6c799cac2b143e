// SPDX-License-Identifier: Apache-2.0
/*
 * Verification runs in OpenSSL's verify callback, for both owners of handshakes:
 * there the certificate is at hand, and the first error is the one to tell.
 */
#include "tls_verify.h"

#include "log.h"
#include "tls_store.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cert_store {
	struct cert_store *next;
	X509_STORE *store;
	bool stale; /* the file is to be read anew */
	char file[PROBE_PATH_MAX];
};

/* Where struct tls_verify hangs on an SSL and on an SSL_CTX. */
static int session_slot = -1, context_slot = -1;

/* -- words ----------------------------------------------------------------------- */

static const char *span_text(long seconds, char *buf, size_t len)
{
	long n = seconds / 86400;
	const char *unit = "day";

	if (n == 0) {
		n = seconds / 3600;
		unit = "hour";
	}
	if (n == 0) {
		n = seconds / 60;
		unit = "minute";
	}
	snprintf(buf, len, "%ld %s%s", n, unit, n == 1 ? "" : "s");
	return buf;
}

/* Seconds from now until t; negative: since. */
static long seconds_until(const ASN1_TIME *t)
{
	int days = 0, seconds = 0;

	ASN1_TIME_diff(&days, &seconds, NULL, t);
	return days * 86400l + seconds;
}

/* The names that a certificate is for: the first few, with commas. */
static void names_text(X509 *cert, char *buf, size_t len)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	size_t at = 0;
	int told = 0;

	buf[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && at < len; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type != GEN_DNS)
			continue;
		if (told++ == 3) {
			snprintf(buf + at, len - at, ", ...");
			break;
		}
		at += (size_t)snprintf(buf + at, len - at, "%s%.*s", told > 1 ? ", " : "",
				       ASN1_STRING_length(n->d.dNSName),
				       (const char *)ASN1_STRING_get0_data(n->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	if (told == 0 && X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, buf,
						   (int)len) < 0)
		snprintf(buf, len, "no name");
}

static void describe(struct tls_verify *v, X509_STORE_CTX *s, X509 *leaf)
{
	X509 *at = X509_STORE_CTX_get_current_cert(s);
	bool issuer = X509_STORE_CTX_get_error_depth(s) > 0;
	const char *whose = issuer ? "the issuer's certificate" : "certificate";
	char text[128];

	switch (v->error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		snprintf(v->words, sizeof(v->words), "%s expired %s ago", whose,
			 span_text(-seconds_until(X509_get0_notAfter(at)), text, sizeof(text)));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		snprintf(v->words, sizeof(v->words), "%s is not valid yet: it will be in %s", whose,
			 span_text(seconds_until(X509_get0_notBefore(at)), text, sizeof(text)));
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		names_text(leaf, text, sizeof(text));
		snprintf(v->words, sizeof(v->words), "certificate is for %.90s, not for %.60s",
			 text, v->name);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		snprintf(v->words, sizeof(v->words), "certificate is self-signed and not trusted");
		break;
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* an authority of the same name */
		snprintf(v->words, sizeof(v->words),
			 "certificate is from an authority that is not trusted");
		break;
	default:
		snprintf(v->words, sizeof(v->words), "certificate: %s",
			 X509_verify_cert_error_string(v->error));
	}
}

/* -- verification ------------------------------------------------------------------ */

static struct tls_verify *find(const SSL *ssl)
{
	struct tls_verify *v = SSL_get_ex_data(ssl, session_slot);

	return v ? v : SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_slot);
}

/* 86,400-second days, rounded towards the past: 0 is the last day, -1 expired today. */
static int32_t days_until(const ASN1_TIME *t)
{
	long s = seconds_until(t);

	return (int32_t)(s >= 0 ? s / 86400 : -((-s + 86399) / 86400));
}

/* Called by OpenSSL in place of its own verification; 0 fails the handshake. */
static int on_verify(X509_STORE_CTX *s, void *unused)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(s, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(s);
	struct tls_verify *v = find(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(s);

	(void)unused;
	v->cert_days = days_until(X509_get0_notAfter(leaf));
	if (!v->conf->verify)
		return 1;
	if (v->name[0] && !X509_VERIFY_PARAM_set1_ip_asc(param, v->name))
		X509_VERIFY_PARAM_set1_host(param, v->name, 0);
	if (X509_verify_cert(s) == 1)
		return 1;
	v->error = X509_STORE_CTX_get_error(s);
	describe(v, s, leaf);
	return 0;
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls_verify *v = find(ssl);

	/* Warnings (close_notify among them) do not end a handshake. */
	if (v && (where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
		v->alert = (value & 0xff) + 1;
}

static struct cert_store *store_of(const struct probe_ctx *ctx, const char *file)
{
	for (struct cert_store *s = ctx->stores; s; s = s->next)
		if (strcmp(s->file, file) == 0)
			return s;
	return NULL;
}

int tls_verify_session(struct probe_ctx *ctx, SSL *ssl, struct tls_verify *v)
{
	v->cert_days = PROBE_NO_CERT;
	if (!SSL_set_ex_data(ssl, session_slot, v))
		return -ENOMEM;
	if (v->conf->verify) {
		const struct cert_store *s = store_of(ctx, v->conf->ca_file);

		if (s == NULL)
			return -ENOENT;
		SSL_set1_verify_cert_store(ssl, s->store);
	}
	return 0;
}

int tls_verify_context(struct probe_ctx *ctx, SSL_CTX *ssl_ctx, struct tls_verify *v)
{
	v->cert_days = PROBE_NO_CERT;
	if (!SSL_CTX_set_ex_data(ssl_ctx, context_slot, v))
		return -ENOMEM;
	if (v->conf->verify) {
		const struct cert_store *s = store_of(ctx, v->conf->ca_file);

		if (s == NULL)
			return -ENOENT;
		SSL_CTX_set1_cert_store(ssl_ctx, s->store);
	}
	SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ssl_ctx, on_verify, NULL);
	SSL_CTX_set_info_callback(ssl_ctx, on_info);
	return 0;
}

/* OpenSSL's reasons for "what came is no TLS record". */
static bool not_tls(unsigned long e)
{
	switch (ERR_GET_REASON(e)) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_RECORD_TOO_SMALL:
	case SSL_R_UNEXPECTED_MESSAGE:
	case SSL_R_BAD_RECORD_TYPE:
		return true;
	}
	return false;
}

static const char *alert_text(int alert)
{
	if (alert == TLS13_AD_CERTIFICATE_REQUIRED) /* OpenSSL 3.0 has no word for it */
		return "certificate required";
	return SSL_alert_desc_string_long(alert);
}

void tls_verify_fail(struct probe *p, const struct tls_verify *v, unsigned long reason,
		     const char *fallback)
{
	const char *text = reason ? ERR_reason_error_string(reason) : NULL;

	if (v->error != X509_V_OK)
		probe_fail(p, PROBE_FAIL_CERTIFICATE, "%s", v->words);
	else if (v->alert)
		probe_fail(p, PROBE_FAIL_TLS_FAILED, "the server refused the TLS handshake: %s",
			   alert_text(v->alert - 1));
	else if (reason && ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		probe_fail(p, PROBE_FAIL_CLOSED, "connected, but closed during the TLS handshake");
	else if (reason && not_tls(reason))
		probe_fail(p, PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not TLS");
	else
		probe_fail(p, PROBE_FAIL_TLS_FAILED, "TLS handshake failed: %s",
			   text ? text : fallback);
}

/* -- stores ------------------------------------------------------------------------ */

int tls_load(struct probe_ctx *ctx, const char *ca_file, char *why, size_t why_len)
{
	struct cert_store *s = store_of(ctx, ca_file);
	X509_STORE *store;

	if (s != NULL && !s->stale)
		return 0;
	store = tls_store_read(ca_file, why, why_len);
	if (store == NULL && s != NULL) {
		s->stale = false;
		log_error("%s; what was read from it before stays in force", why);
		return 0;
	}
	if (store == NULL)
		return -EINVAL;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL) {
			X509_STORE_free(store);
			snprintf(why, why_len, "out of memory");
			return -EINVAL;
		}
		snprintf(s->file, sizeof(s->file), "%s", ca_file);
		s->next = ctx->stores;
		ctx->stores = s;
	}
	X509_STORE_free(s->store); /* handshakes under way hold their own reference */
	s->store = store;
	s->stale = false;
	return 0;
}

void tls_reread(struct probe_ctx *ctx)
{
	for (struct cert_store *s = ctx->stores; s; s = s->next)
		s->stale = true;
}

int tls_open(struct probe_ctx *ctx)
{
	if (session_slot < 0)
		session_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (context_slot < 0)
		context_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	ctx->tls = SSL_CTX_new(TLS_client_method());
	if (ctx->tls == NULL || session_slot < 0 || context_slot < 0 ||
	    probe_tls_padding(ctx->tls) < 0) {
		SSL_CTX_free(ctx->tls);
		return -ENOMEM;
	}
	SSL_CTX_set_verify(ctx->tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx->tls, on_verify, NULL);
	SSL_CTX_set_info_callback(ctx->tls, on_info);
	SSL_CTX_set_session_cache_mode(ctx->tls, SSL_SESS_CACHE_OFF);
	return 0;
}

void tls_close(struct probe_ctx *ctx)
{
	struct cert_store *s;

	while ((s = ctx->stores)) {
		ctx->stores = s->next;
		X509_STORE_free(s->store);
		free(s);
	}
	SSL_CTX_free(ctx->tls);
}
