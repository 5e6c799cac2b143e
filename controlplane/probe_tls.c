// SPDX-License-Identifier: Apache-2.0
/*
 * tls: a handshake, and what the certificate says. Each one is full (no session is
 * resumed), or the certificate would not be seen.
 */
#include "probe_settings.h"
#include "tls_verify.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An extension type that servers must ignore: reserved by GREASE, RFC 8701. Filled
 * up, it makes the ClientHello longer than a packet. */
#define TLS_PADDING_EXTENSION 0x8a8a

struct tls_probe {
	struct probe p;
	SSL *ssl;
	struct tls_verify verify;
	uint8_t *padding;
};

static int padding_add(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
		       size_t *out_len, X509 *x, size_t chain, int *alert, void *arg)
{
	struct tls_probe *t = SSL_get_app_data(ssl);

	(void)type, (void)context, (void)x, (void)chain, (void)alert, (void)arg;
	if (!t->p.conf->padded_mtu)
		return 0;
	if (t->padding == NULL)
		t->padding = calloc(1, t->p.conf->padded_mtu);
	if (t->padding == NULL)
		return -1;
	*out = t->padding;
	*out_len = t->p.conf->padded_mtu;
	return 1;
}

int probe_tls_padding(SSL_CTX *ctx)
{
	return SSL_CTX_add_custom_ext(ctx, TLS_PADDING_EXTENSION, SSL_EXT_CLIENT_HELLO, padding_add,
				      NULL, NULL, NULL, NULL)
		       ? 0
		       : -ENOMEM;
}

/* A name may be sent as SNI, an address may not: RFC 6066, section 3. */
static bool is_address(const char *name)
{
	struct weir_addr a;

	return weir_addr_parse(name, &a) == 0;
}

static int tls_prepare(struct tls_probe *t)
{
	const struct probe_tls_conf *c = &t->p.conf->tls;
	uint8_t wire[sizeof(c->alpn) + 1];
	unsigned len = alpn_wire(c->alpn, wire, sizeof(wire));

	t->ssl = SSL_new(t->p.ctx->tls);
	if (t->ssl == NULL)
		return -ENOMEM;
	SSL_set_app_data(t->ssl, t);
	t->verify.conf = c;
	t->verify.name = c->server_name;
	if (c->server_name[0] && !is_address(c->server_name))
		SSL_set_tlsext_host_name(t->ssl, c->server_name);
	if (len)
		SSL_set_alpn_protos(t->ssl, wire, len);
	SSL_set_connect_state(t->ssl);
	if (!SSL_set_fd(t->ssl, t->p.fd))
		return -ENOMEM;
	return tls_verify_session(t->p.ctx, t->ssl, &t->verify);
}

static void tls_complete(struct tls_probe *t)
{
	const struct probe_tls_conf *c = &t->p.conf->tls;
	const uint8_t *alpn;
	unsigned len;

	probe_step_reached(&t->p, PROBE_STEP_TLS);
	SSL_get0_alpn_selected(t->ssl, &alpn, &len);
	SSL_shutdown(t->ssl); /* close_notify: servers log a handshake, not an error */
	if (c->alpn[0] && len == 0)
		probe_fail(&t->p, PROBE_FAIL_WRONG_PROTOCOL,
			   "the server chose no ALPN protocol, offered was %s", c->alpn);
	else if (c->verify)
		probe_pass(&t->p, "%s, certificate good for %d days", SSL_get_version(t->ssl),
			   t->verify.cert_days);
	else
		probe_pass(&t->p, "%s handshake", SSL_get_version(t->ssl));
}

static void tls_go_on(struct tls_probe *t)
{
	int done, code;

	ERR_clear_error();
	errno = 0;
	done = SSL_do_handshake(t->ssl);
	code = done == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, done);
	t->p.result.cert_days = t->verify.cert_days;
	switch (code) {
	case SSL_ERROR_NONE:
		tls_complete(t);
		break;
	case SSL_ERROR_WANT_READ:
		probe_step_reached(&t->p, PROBE_STEP_SENT);
		probe_watch(&t->p, UV_READABLE);
		break;
	case SSL_ERROR_WANT_WRITE:
		probe_watch(&t->p, UV_WRITABLE);
		break;
	case SSL_ERROR_SYSCALL:
		probe_socket_fail(&t->p, errno ? errno : ECONNRESET, "doing the TLS handshake");
		break;
	default:
		tls_verify_fail(&t->p, &t->verify, ERR_peek_last_error(), "unknown error");
	}
	ERR_clear_error();
}

static void tls_connected(struct probe *p)
{
	struct tls_probe *t = (struct tls_probe *)p;
	int err = tls_prepare(t);

	if (err)
		probe_fail(p, PROBE_FAIL_LOCAL, "this host: %s",
			   err == -ENOENT ? "the CA file was not loaded" : "out of memory");
	else
		tls_go_on(t);
}

static void tls_ready(struct probe *p, int events)
{
	(void)events;
	if (!probe_stream_connecting(p))
		tls_go_on((struct tls_probe *)p);
}

static void tls_timeout(struct probe *p)
{
	probe_stream_silent(p, "TLS handshake");
}

static void tls_stop(struct probe *p)
{
	struct tls_probe *t = (struct tls_probe *)p;

	SSL_free(t->ssl);
	free(t->padding);
}

const struct probe_ops probe_tls_ops = {
	.size = sizeof(struct tls_probe),
	.start = probe_stream_start,
	.connected = tls_connected,
	.ready = tls_ready,
	.timeout = tls_timeout,
	.stop = tls_stop,
};
