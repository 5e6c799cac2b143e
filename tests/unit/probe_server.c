// SPDX-License-Identifier: Apache-2.0
#include "probe_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
	struct server_script script;
	pthread_t thread;
	pthread_mutex_t lock; /* got */
	int fd, stop[2];
	bool udp;
	size_t got_len;
	uint8_t got[16384];
	int hanging[64];
	unsigned hanging_count;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

/* Wait for fd or for server_stop(). */
static bool readable(const struct server *s, int fd)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = s->stop[0], .events = POLLIN } };

	while (poll(p, 2, -1) < 0)
		must(errno == EINTR, "poll");
	return !p[1].revents;
}

/* False when the peer has gone or the server is to stop. */
static bool read_until(struct server *s, int fd, SSL *ssl)
{
	const char *until = s->script.until;
	bool found = until == NULL;

	while (!found) {
		ssize_t n;

		if (!(ssl && SSL_pending(ssl)) && !readable(s, fd))
			return false;
		pthread_mutex_lock(&s->lock);
		n = ssl ? SSL_read(ssl, s->got + s->got_len, (int)(sizeof(s->got) - s->got_len))
			: recv(fd, s->got + s->got_len, sizeof(s->got) - s->got_len, 0);
		if (n > 0)
			s->got_len += (size_t)n;
		found = memmem(s->got, s->got_len, until, strlen(until)) != NULL;
		pthread_mutex_unlock(&s->lock);
		if (n <= 0)
			return false;
	}
	return true;
}

static size_t answer_len(const struct server_script *script)
{
	if (script->answer == NULL)
		return 0;
	return script->answer_len ? script->answer_len : strlen(script->answer);
}

static void end(struct server *s, int fd)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (s->script.end == SERVER_HANG && s->hanging_count < 64) {
		s->hanging[s->hanging_count++] = fd;
		return;
	}
	if (s->script.end == SERVER_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void serve(struct server *s, int fd)
{
	size_t len = answer_len(&s->script);
	SSL *ssl = NULL;

	pthread_mutex_lock(&s->lock);
	s->got_len = 0;
	pthread_mutex_unlock(&s->lock);
	if (s->script.tls) {
		ssl = SSL_new(s->script.tls);
		SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) != 1) {
			SSL_free(ssl);
			close(fd);
			return;
		}
	}
	if (read_until(s, fd, ssl) && len) {
		if (ssl)
			SSL_write(ssl, s->script.answer, (int)len);
		else
			send(fd, s->script.answer, len, MSG_NOSIGNAL);
	}
	if (ssl && s->script.end == SERVER_CLOSE)
		SSL_shutdown(ssl);
	SSL_free(ssl); /* SERVER_CUT: without close_notify */
	end(s, fd);
}

static void *run_tcp(void *user)
{
	struct server *s = user;

	while (readable(s, s->fd)) {
		int fd = accept(s->fd, NULL, NULL);

		if (fd >= 0)
			serve(s, fd);
	}
	return NULL;
}

static void *run_udp(void *user)
{
	struct server *s = user;
	size_t len = answer_len(&s->script);

	while (readable(s, s->fd)) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		bool mirror = s->script.answer && strcmp(s->script.answer, "$MIRROR") == 0;
		ssize_t n;

		pthread_mutex_lock(&s->lock);
		n = recvfrom(s->fd, s->got, sizeof(s->got), 0, (struct sockaddr *)&from, &from_len);
		s->got_len = n > 0 ? (size_t)n : 0;
		if (n > 0 && (s->script.until == NULL ||
			      memmem(s->got, (size_t)n, s->script.until, strlen(s->script.until))))
			sendto(s->fd, mirror ? (const void *)s->got : s->script.answer,
			       mirror ? (size_t)n : len, 0, (struct sockaddr *)&from, from_len);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static struct server *start(const struct server_script *script, uint16_t *port, bool udp)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct server *s = calloc(1, sizeof(*s));
	socklen_t len = sizeof(at);

	s->script = *script;
	s->udp = udp;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	must(bind(s->fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	must(udp || listen(s->fd, 64) == 0, "listen");
	must(getsockname(s->fd, (struct sockaddr *)&at, &len) == 0, "getsockname");
	must(pipe(s->stop) == 0, "pipe");
	*port = ntohs(at.sin_port);
	must(pthread_create(&s->thread, NULL, udp ? run_udp : run_tcp, s) == 0, "pthread_create");
	return s;
}

struct server *server_start(const struct server_script *script, uint16_t *port)
{
	return start(script, port, false);
}

struct server *server_start_udp(const struct server_script *script, uint16_t *port)
{
	return start(script, port, true);
}

const uint8_t *server_got(struct server *s, size_t *len)
{
	pthread_mutex_lock(&s->lock);
	*len = s->got_len;
	pthread_mutex_unlock(&s->lock);
	return s->got;
}

void server_stop(struct server *s)
{
	must(write(s->stop[1], "", 1) == 1, "write");
	pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->hanging_count; i++)
		close(s->hanging[i]);
	close(s->fd);
	close(s->stop[0]);
	close(s->stop[1]);
	pthread_mutex_destroy(&s->lock);
	SSL_CTX_free(s->script.tls);
	free(s);
}

/* -- certificates ---------------------------------------------------------------- */

static void set_name(X509 *cert, const char *name)
{
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
				   (const uint8_t *)name, -1, -1, 0);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(x != NULL && X509_add_ext(cert, x, -1), value);
	X509_EXTENSION_free(x);
}

static X509 *make_cert(EVP_PKEY *key, const char *name, int from, int to)
{
	static long serial;
	X509 *cert = X509_new();

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
	/* An hour short of whole days, so that a count of days does not depend on how
	 * long the test takes. */
	X509_time_adj_ex(X509_getm_notBefore(cert), from, -3600, NULL);
	X509_time_adj_ex(X509_getm_notAfter(cert), to, to < 0 ? -3600 : 3600, NULL);
	X509_set_pubkey(cert, key);
	set_name(cert, name);
	return cert;
}

void authority_make(struct authority *a)
{
	FILE *f;
	int fd;

	a->key = EVP_EC_gen("P-256");
	a->cert = make_cert(a->key, "Weir test authority", -1000, 1000);
	X509_set_issuer_name(a->cert, X509_get_subject_name(a->cert));
	add_extension(a->cert, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(a->cert, a->key, EVP_sha256());
	snprintf(a->file, sizeof(a->file), "/tmp/weir-test-ca-XXXXXX");
	fd = mkstemp(a->file);
	must(fd >= 0, "mkstemp");
	f = fdopen(fd, "w");
	PEM_write_X509(f, a->cert);
	fclose(f);
}

void authority_free(struct authority *a)
{
	unlink(a->file);
	X509_free(a->cert);
	EVP_PKEY_free(a->key);
}

static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
		       unsigned in_len, void *user)
{
	const char *name = user;
	const uint8_t *found = memmem(in, in_len, name, strlen(name));

	(void)ssl;
	if (found == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	*out = found;
	*out_len = (uint8_t)strlen(name);
	return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *authority_server(const struct authority *a, const char *name, int from, int to,
			  const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_cert(key, name, from, to);
	char san[128];

	snprintf(san, sizeof(san), "DNS:%s", name);
	X509_set_issuer_name(cert, X509_get_subject_name(a->cert));
	add_extension(cert, NID_subject_alt_name, san);
	X509_sign(cert, a->key, EVP_sha256());
	must(SSL_CTX_use_certificate(ctx, cert) && SSL_CTX_use_PrivateKey(ctx, key), "SSL_CTX");
	if (alpn)
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, (void *)(uintptr_t)alpn);
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}
