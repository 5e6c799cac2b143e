// SPDX-License-Identifier: Apache-2.0
/*
 * The control plane's end of the session with the data plane: connects, says
 * hello, maps the two memories, and connects again whenever the session ends.
 */
#ifndef WEIR_DP_SESSION_H
#define WEIR_DP_SESSION_H

#include "session.h"
#include "shm.h"

#include <stdbool.h>
#include <uv.h>

struct dp_session;

/* An attached data plane: valid from `attached` to `lost`. */
struct dp_view {
	const struct weir_state *state; /* read-only mapping */
	struct weir_control *control;
	uint64_t arena_size;
	uint32_t session;
	uint32_t worker_count;
	uint32_t pins;		     /* capacity of each worker's pin table; weir_state_pins() */
	struct weir_welcome welcome; /* with the ports, as of the last second */
};

struct dp_session_hooks {
	void *user;
	void (*attached)(void *user, const struct dp_view *dp);
	void (*lost)(void *user, const char *why); /* mappings are gone on return */
};

/* Connects at once and then every 100 ms until it succeeds; logs a state once. */
int dp_session_create(uv_loop_t *loop, const char *path, const struct dp_session_hooks *hooks,
		      struct dp_session **out);
void dp_session_destroy(struct dp_session *s);

/* The attached data plane, or NULL. */
const struct dp_view *dp_session_view(const struct dp_session *s);

/*
 * Ask; `fn` gets the answer, once, or NULL and a sentence: the session has ended, or 5 s
 * are over. -ENOTCONN when there is no session, -EAGAIN when too many questions wait,
 * -ENOMEM: then `fn` is not called. The request's head is filled in here.
 */
typedef void dp_explained_fn(void *user, const struct weir_explained *answer, const char *why);
int dp_session_explain(struct dp_session *s, const struct weir_explain *request,
		       dp_explained_fn *fn, void *user);
int dp_session_explain_frame(struct dp_session *s, struct weir_explain_frame *request,
			     dp_explained_fn *fn, void *user);

/* The same for a capture. `fd` is the reader's end, the callee's; -1: none came, and an
 * `answer` with an error says why. */
typedef void dp_capturing_fn(void *user, const struct weir_capturing *answer, int fd,
			     const char *why);
int dp_session_capture(struct dp_session *s, const struct weir_capture *request,
		       dp_capturing_fn *fn, void *user);

/* Sums over the workers; 0 when no data plane is attached. */
struct weir_sum {
	uint64_t packets, bytes;
};
struct weir_sum dp_service_count(const struct dp_session *s, unsigned service);
struct weir_sum dp_backend_count(const struct dp_session *s, unsigned backend);
struct weir_sum dp_drop_count(const struct dp_session *s, unsigned reason);
struct weir_sum dp_answer_count(const struct dp_session *s, unsigned answer);
struct weir_sum dp_punt_count(const struct dp_session *s, unsigned punt);

/* Packets of a service, with what is its VIP's, or of a backend, by enum weir_column. */
void dp_service_columns(const struct dp_session *s, unsigned service, uint64_t out[WEIR_COLUMNS]);
void dp_backend_columns(const struct dp_session *s, unsigned backend,
			uint64_t out[WEIR_BACKEND_COLUMNS]);

#endif /* WEIR_DP_SESSION_H */
