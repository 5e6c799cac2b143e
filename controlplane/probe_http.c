// SPDX-License-Identifier: Apache-2.0
/*
 * http and https. The connection is ours (probe_stream.c: mark, PROXY header of
 * either version, true connect errors); libcurl speaks TLS and HTTP on it.
 */
#include "bytes.h"
#include "http_status.h"
#include "tls_verify.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_URL_MAX (PROBE_NAME_MAX + PROBE_PATH_MAX + 32)

struct http_probe {
	struct probe p;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	struct tls_verify verify;
	char host[PROBE_NAME_MAX]; /* of the URL: SNI and, unless http.host is set, Host */
	bool named;		   /* it is a name from the settings, not the address */
	char error[CURL_ERROR_SIZE];
	bool opened;	/* libcurl has had our connection: there is no second one */
	bool head_seen; /* the empty line behind the headers came */
	bool enough;	/* the verdict needs no more of the body */
	bool body_matches;
	size_t head_bytes, body_bytes;
	uint8_t *body; /* PROBE_BODY_MAX bytes, when a match is wanted */
};

static struct http_probe *http_of(struct probe *p)
{
	return (struct http_probe *)p;
}

/* -- libcurl's callbacks: they only note things; verdicts come after the transfer -- */

static size_t on_head(char *data, size_t one, size_t n, void *user)
{
	struct http_probe *h = user;

	(void)one;
	probe_step_reached(&h->p, PROBE_STEP_FIRST);
	h->head_bytes += n;
	/* 1xx answers have heads of their own, and another follows; behind 101 comes another
	 * protocol. RFC 9110, section 15.2. */
	if (n <= 2 && (data[0] == '\r' || data[0] == '\n')) {
		long status = 0;

		curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
		h->head_seen = status >= 200 || status == HTTP_SWITCHING;
		h->enough = status == HTTP_SWITCHING;
	}
	return h->enough ? 0 : n;
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
	struct http_probe *h = user;
	const struct probe_bytes *want = &h->p.conf->http.body;
	size_t room = PROBE_BODY_MAX > h->body_bytes ? PROBE_BODY_MAX - h->body_bytes : 0;
	size_t take = n < room ? n : room;

	(void)one;
	if (h->body) {
		memcpy(h->body + h->body_bytes, data, take);
		h->body_matches = memmem(h->body, h->body_bytes + take, want->data, want->len);
	}
	h->body_bytes += n;
	/* A short body is read to its end, which shows that it was whole. */
	h->enough = h->body_bytes >= PROBE_BODY_MAX;
	return h->enough ? 0 : n;
}

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_probe *h = user;

	(void)purpose, (void)address;
	if (h->opened) /* it tries again, after a refused HTTP/2 stream */
		return CURL_SOCKET_BAD;
	h->opened = true;
	return h->p.fd;
}

static int on_sockopt(void *user, curl_socket_t fd, curlsocktype purpose)
{
	(void)user, (void)fd, (void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int on_close(void *user, curl_socket_t fd)
{
	(void)user, (void)fd; /* struct probe owns it */
	return 0;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *user)
{
	struct http_probe *h = user;

	(void)easy;
	return tls_verify_context(h->p.ctx, ssl_ctx, &h->verify) ? CURLE_SSL_CERTPROBLEM : CURLE_OK;
}

/* -- the request ---------------------------------------------------------------------- */

static int add_header(struct http_probe *h, const char *text)
{
	struct curl_slist *more = curl_slist_append(h->headers, text);

	if (more == NULL)
		return -ENOMEM;
	h->headers = more;
	return 0;
}

/* A header that makes the request longer than a packet. "Z" has no shorter code in
 * HPACK's Huffman table (RFC 7541, appendix B), so HTTP/2 sends as much. */
static int add_padding(struct http_probe *h)
{
	static const char name[] = "X-Weir-Padding: ";
	char text[PROBE_DATAGRAM_MAX + sizeof(name)];

	memcpy(text, name, sizeof(name) - 1);
	memset(text + sizeof(name) - 1, 'Z', h->p.conf->padded_mtu);
	text[sizeof(name) - 1 + h->p.conf->padded_mtu] = '\0';
	return add_header(h, text);
}

static int set_headers(struct http_probe *h)
{
	const struct probe_http_conf *c = &h->p.conf->http;
	char host[PROBE_NAME_MAX + 8];
	int err = 0;

	if (c->host[0]) { /* as it was set: libcurl would add the port */
		snprintf(host, sizeof(host), "Host: %s", c->host);
		err = add_header(h, host);
	}
	for (unsigned i = 0; i < PROBE_HEADERS_MAX && !err; i++)
		if (c->header[i][0])
			err = add_header(h, c->header[i]);
	if (h->p.conf->padded_mtu && !err)
		err = add_padding(h);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
	return err;
}

/* The name in the URL is SNI and Host; where it leads is our own socket. */
static int set_url(struct http_probe *h)
{
	const struct probe_http_conf *c = &h->p.conf->http;
	const struct probe_target *t = &h->p.target;
	bool v6 = t->addr.family == 6;
	char url[HTTP_URL_MAX], address[WEIR_ADDR_STRLEN], to[WEIR_ADDR_STRLEN + 16];
	const char *name = c->https && c->tls.server_name[0] ? c->tls.server_name : c->host;

	weir_addr_text(&t->addr, address);
	h->named = name[0] != '\0';
	if (h->named)
		snprintf(h->host, sizeof(h->host), "%s", name);
	else
		snprintf(h->host, sizeof(h->host), v6 ? "[%s]" : "%s", address);
	/* A port within `host` stands in the Host header, not here. */
	h->host[h->host[0] == '[' ? strcspn(h->host, "]") + 1 : strcspn(h->host, ":")] = '\0';
	snprintf(url, sizeof(url), "%s://%s:%u%s", c->https ? "https" : "http", h->host, t->port,
		 c->path[0] ? c->path : "/");
	curl_easy_setopt(h->easy, CURLOPT_URL, url);

	snprintf(to, sizeof(to), v6 ? "::[%s]:%u" : "::%s:%u", address, t->port);
	h->connect_to = curl_slist_append(NULL, to);
	curl_easy_setopt(h->easy, CURLOPT_CONNECT_TO, h->connect_to);
	return h->connect_to ? 0 : -ENOMEM;
}

static void set_tls(struct http_probe *h)
{
	h->verify.conf = &h->p.conf->http.tls;
	h->verify.name = h->named ? h->host : "";
	h->verify.cert_days = PROBE_NO_CERT;
	/* on_tls() puts our verification and our store in the place of libcurl's, which
	 * would read the CA file for each probe. */
	curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(h->easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(h->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	curl_easy_setopt(h->easy, CURLOPT_SSL_CTX_DATA, h);
	/* A resumed session would show no certificate. */
	curl_easy_setopt(h->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

static void set_method(struct http_probe *h)
{
	const struct probe_http_conf *c = &h->p.conf->http;
	long version = CURL_HTTP_VERSION_1_1;

	if (strcmp(c->method, "HEAD") == 0)
		curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
	else if (c->method[0])
		curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, c->method);
	if (c->version == PROBE_HTTP_2)
		version = c->https ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
	curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, version);
	curl_easy_setopt(h->easy, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
}

static void set_transfer(struct http_probe *h)
{
	curl_easy_setopt(h->easy, CURLOPT_PRIVATE, &h->p);
	curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->easy, CURLOPT_PROXY, ""); /* whatever http_proxy says */
	curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(h->easy, CURLOPT_OPENSOCKETDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
	curl_easy_setopt(h->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
}

static int http_prepare(struct http_probe *h)
{
	h->easy = curl_easy_init();
	if (h->easy == NULL)
		return -ENOMEM;
	if (h->p.conf->http.body.len) {
		h->body = malloc(PROBE_BODY_MAX);
		if (h->body == NULL)
			return -ENOMEM;
	}
	set_transfer(h);
	set_method(h);
	if (set_url(h) || set_headers(h))
		return -ENOMEM;
	set_tls(h);
	return curl_multi_add_handle(h->p.ctx->multi, h->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static void http_connected(struct probe *p)
{
	if (http_prepare(http_of(p)) < 0)
		probe_fail(p, PROBE_FAIL_LOCAL, "this host is out of memory");
}

/* -- the verdict ------------------------------------------------------------------------ */

static void http_judge(struct http_probe *h)
{
	const struct probe_http_conf *c = &h->p.conf->http;
	long status = 0, version = 0;
	char text[64];

	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h->easy, CURLINFO_HTTP_VERSION, &version);
	if (!h->head_seen)
		probe_fail(&h->p, PROBE_FAIL_HALF_ANSWER,
			   "half an answer: closed after %zu bytes of the head", h->head_bytes);
	else if (!http_status_wanted(c, status))
		probe_fail(&h->p, PROBE_FAIL_WRONG_STATUS, "status %ld, wanted %s", status,
			   http_status_text(c, text, sizeof(text)));
	else if (c->version == PROBE_HTTP_2 && version != CURL_HTTP_VERSION_2_0)
		probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL,
			   "the server speaks HTTP/1, wanted HTTP/2");
	else if (h->body && !h->body_matches)
		probe_fail(&h->p, PROBE_FAIL_WRONG_ANSWER,
			   "status %ld, but the body does not contain %s", status,
			   bytes_quote(c->body.data, c->body.len, text, sizeof(text)));
	else
		probe_pass(&h->p, "status %ld", status);
}

/* What came and what should have come, bytes of the body. */
static void http_fail_half(struct http_probe *h, const char *end)
{
	curl_off_t length = -1;

	curl_easy_getinfo(h->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (!h->head_seen)
		probe_fail(&h->p, PROBE_FAIL_HALF_ANSWER, "half an answer: %zu bytes of the head%s",
			   h->head_bytes, end);
	else if (length >= 0)
		probe_fail(&h->p, PROBE_FAIL_HALF_ANSWER, "half an answer: %zu of %lld bytes%s",
			   h->body_bytes, (long long)length, end);
	else
		probe_fail(&h->p, PROBE_FAIL_HALF_ANSWER,
			   "half an answer: %zu bytes, and the end is missing%s", h->body_bytes,
			   end);
}

/* The packed OpenSSL error that libcurl's text names ("error:0A00010B:..."); 0: none. */
static unsigned long openssl_error(const struct http_probe *h)
{
	const char *at = strstr(h->error, "error:");

	return at ? strtoul(at + strlen("error:"), NULL, 16) : 0;
}

static long socket_error(const struct http_probe *h)
{
	long err = 0;

	curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &err);
	return err;
}

static void http_fail_tls(struct http_probe *h, const char *text)
{
	unsigned long reason = openssl_error(h);
	long err = socket_error(h);

	if (h->verify.error || h->verify.alert || reason)
		tls_verify_fail(&h->p, &h->verify, reason, text);
	else if (err)
		probe_socket_fail(&h->p, (int)err, "doing the TLS handshake");
	else if (strstr(h->error, "SSL_ERROR_SYSCALL")) /* no error: the end of file */
		probe_fail(&h->p, PROBE_FAIL_CLOSED,
			   "connected, but closed during the TLS handshake");
	else
		tls_verify_fail(&h->p, &h->verify, 0, text);
}

static void http_fail_closed(struct http_probe *h)
{
	bool http2 = h->p.conf->http.version == PROBE_HTTP_2;

	if (h->head_bytes)
		http_fail_half(h, ", then closed");
	else if (http2 && !probe_socket_closed(&h->p))
		probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not HTTP/2");
	else
		probe_fail(&h->p, PROBE_FAIL_CLOSED, "connected, but closed without an %sanswer",
			   http2 ? "HTTP/2 " : "");
}

static void http_fail_reading(struct http_probe *h)
{
	long err = socket_error(h);

	if (h->verify.alert) /* TLS 1.3 may refuse us after the handshake */
		tls_verify_fail(&h->p, &h->verify, 0, h->error);
	else if (err)
		probe_socket_fail(&h->p, (int)err, "reading");
	else if (strstr(h->error, "chunked-encoding") || strstr(h->error, "response headers"))
		probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not HTTP: %s",
			   h->error);
	else /* the end of file within TLS, without its close_notify */
		http_fail_closed(h);
}

static void http_fail(struct http_probe *h, CURLcode code)
{
	const char *text = h->error[0] ? h->error : curl_easy_strerror(code);

	switch (code) {
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		http_fail_tls(h, text);
		break;
	case CURLE_SSL_CERTPROBLEM: /* on_tls() */
		probe_fail(&h->p, PROBE_FAIL_LOCAL, "this host: the CA file was not loaded");
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		http_fail_closed(h);
		break;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		http_fail_reading(h);
		break;
	case CURLE_UNSUPPORTED_PROTOCOL: /* no status line: "HTTP/0.9" */
	case CURLE_WEIRD_SERVER_REPLY:
		probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL, "the server's answer is not HTTP");
		break;
	case CURLE_COULDNT_CONNECT: /* on_open(), the second time */
		probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL,
			   "the server refused the HTTP/2 stream");
		break;
	case CURLE_OUT_OF_MEMORY: /* also its word for a header that is too long */
		if (h->head_bytes)
			probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL,
				   "a header of the answer is longer than %d bytes",
				   CURL_MAX_HTTP_HEADER);
		else
			probe_fail(&h->p, PROBE_FAIL_LOCAL, "this host is out of memory");
		break;
	default:
		probe_fail(&h->p, PROBE_FAIL_WRONG_PROTOCOL, "%s", text);
	}
}

static void http_note_tls(struct http_probe *h)
{
	curl_off_t us = 0;

	h->p.result.cert_days = h->verify.cert_days;
	curl_easy_getinfo(h->easy, CURLINFO_APPCONNECT_TIME_T, &us);
	if (us > 0) /* counts from when libcurl got the connection */
		h->p.result.step_us[PROBE_STEP_TLS] =
			h->p.result.step_us[PROBE_STEP_CONNECTED] + (uint32_t)us;
}

void probe_http_done(struct probe *p, CURLcode code)
{
	struct http_probe *h = http_of(p);

	http_note_tls(h);
	if (code == CURLE_OK || h->enough)
		http_judge(h);
	else
		http_fail(h, code);
}

static void http_ready(struct probe *p, int events)
{
	if (probe_stream_connecting(p))
		return;
	ERR_clear_error();
	probe_curl_socket(p, events);
}

static void http_timeout(struct probe *p)
{
	struct http_probe *h = http_of(p);
	char within[32];

	if (h->easy)
		http_note_tls(h);
	snprintf(within, sizeof(within), " in %u ms", p->conf->answer_timeout_ms);
	if (h->head_bytes)
		http_fail_half(h, within);
	else if (p->conf->http.https && p->result.step_us[PROBE_STEP_TLS] == 0)
		probe_stream_silent(p, "TLS handshake");
	else
		probe_stream_silent(p, "answer");
}

static void http_stop(struct probe *p)
{
	struct http_probe *h = http_of(p);

	if (h->easy) {
		curl_multi_remove_handle(p->ctx->multi, h->easy);
		curl_easy_cleanup(h->easy);
	}
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->connect_to);
	free(h->body);
}

const struct probe_ops probe_http_ops = {
	.size = sizeof(struct http_probe),
	.start = probe_stream_start,
	.connected = http_connected,
	.ready = http_ready,
	.timeout = http_timeout,
	.stop = http_stop,
};
