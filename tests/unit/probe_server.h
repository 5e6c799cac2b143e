// SPDX-License-Identifier: Apache-2.0
/*
 * Servers for the tests of probes: each says one scripted thing to each connection,
 * on 127.0.0.1, from a thread of its own.
 */
#ifndef PROBE_SERVER_H
#define PROBE_SERVER_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

enum server_end {
	SERVER_CLOSE, /* an orderly end after the answer */
	SERVER_CUT,   /* the same, but TLS is not ended first */
	SERVER_RESET, /* RST after the answer */
	SERVER_HANG,  /* keep the connection, say nothing more */
};

struct server_script {
	const char *until; /* read until these bytes came before answering; NULL: at once */
	const char *answer;
	size_t answer_len; /* 0: strlen(answer) */
	enum server_end end;
	SSL_CTX *tls; /* handshake after connecting; NULL: plain */
};

struct server;

/* Listens on *port, which it chooses. TCP, or UDP: there each datagram that contains
 * `until` is answered, with "$MIRROR" as answer by itself. */
struct server *server_start(const struct server_script *script, uint16_t *port);
struct server *server_start_udp(const struct server_script *script, uint16_t *port);
void server_stop(struct server *s);

/* What the last connection sent until its answer, or the last datagram; read it when
 * the probe is done. */
const uint8_t *server_got(struct server *s, size_t *len);

/* -- certificates ---------------------------------------------------------------- */

struct authority {
	EVP_PKEY *key;
	X509 *cert;
	char file[64]; /* its certificate as PEM, until authority_free() */
};

void authority_make(struct authority *a);
void authority_free(struct authority *a);

/* A server's context: certificate for `name` (DNS), from days `from` to `to` relative
 * to now. `alpn`: the one protocol it chooses, or NULL. */
SSL_CTX *authority_server(const struct authority *a, const char *name, int from, int to,
			  const char *alpn);

#endif /* PROBE_SERVER_H */
