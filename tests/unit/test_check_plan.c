// SPDX-License-Identifier: Apache-2.0
/* What a file's checks become: sentences when they cannot work, plans when they can. */
#include "check_plan.h"

#include "conf_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#define PORT "[port wan]\ndevice = net_null0\n"
#define WEB                                                                         \
	"[service www]\nvip = 203.0.113.1\nport = 80\npool = web\n"                 \
	"[service h3]\nvip = 203.0.113.2\nprotocol = udp\nport = 443\npool = web\n" \
	"[service any]\nvip = 203.0.113.3\nport = 0\npool = web\n"

/* Every error of the file, or "": each behind a line end. */
static char *errors_of(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *c = NULL;
	char *whole, *said;
	size_t len;
	FILE *f;

	assert_true(asprintf(&whole, PORT "%s", text) > 0);
	write_text("weir.conf", whole);
	free(whole);
	conf_load("weir.conf", &c, &errors, NULL);
	conf_free(c);
	f = open_memstream(&said, &len);
	for (unsigned i = 0; i < errors.count; i++)
		fprintf(f, "%s\n", strchr(errors.text[i], '['));
	fclose(f);
	conf_errors_free(&errors);
	return said;
}

static void assert_errors(const char *check, const char *sentence)
{
	char *text, *said;

	assert_true(asprintf(&text,
			     "[pool web]\nchecks = a\nbackend b = 192.0.2.1\n" WEB "[check a]\n%s",
			     check) > 0);
	said = errors_of(text);
	assert_string_equal(said, sentence);
	free(said);
	free(text);
}

static void what_cannot_work_is_said(void **state)
{
	(void)state;
	assert_errors("kind = http\n", "");
	assert_errors(
		"kind = exec\nvia = dsr\ncommand = /bin/true\n",
		"[check a] via: a program cannot be made to take the clients' way: via = direct is "
		"right for kind exec\n");
	assert_errors(
		"kind = tcp\nsend = hi\ninterval_ms = 900\n",
		"[check a] interval_ms: 900 is less than the 1000 that both timeouts allow: a "
		"probe "
		"must end before the next\n");
	assert_errors("kind = tcp\ninterval_ms = 900\n", ""); /* nothing is answered */
	assert_errors(
		"kind = dns\nquery = a.test\nanswer_timeout_ms = 2000\n",
		"[check a] interval_ms: 1000 is less than the 2000 that answer_timeout_ms allows: "
		"a "
		"probe must end before the next\n");
	assert_errors(
		"kind = tcp\nfast_interval_ms = 2000\n",
		"[check a] fast_interval_ms: 2000 is more than interval_ms, 1000: fast is meant to "
		"be "
		"shorter\n");
	assert_errors("kind = stun\npath = /health\n",
		      "[check a] path: means nothing to a check of kind stun\n");
	assert_errors(
		"kind = udp\n",
		"[check a] a udp check needs something to send: without an answer it would show "
		"nothing\n");
	assert_errors("kind = dns\n", "[check a] query: a dns check needs a name to ask for\n");
	assert_errors(
		"kind = http\nstatus = 99\n",
		"[check a] status: up to 8 codes or ranges from 100 to 599 are right, such as "
		"200-299,301\n");
	assert_errors("kind = http\nstatus = 100-199,102\n",
		      "[check a] status: no answer ends with a status of 1xx but 101: another "
		      "follows (RFC 9110, section 15.2)\n");
	assert_errors(
		"kind = tcp\nvip = 203.0.113.9\nport = 80\n",
		"[check a] vip: no service of [pool web], which names this check, has that VIP\n");
	assert_errors(
		"kind = tcp\nvia = direct\nvip = 203.0.113.1\n",
		"[check a] vip: goes with via = dsr; direct asks the backend's own address\n");
	assert_errors("kind = none\n",
		      "[check a] kind: \"none\" is no check: leave the section out\n");
	assert_errors("kind = quic\nquic_version = one\n",
		      "[check a] quic_version: a number such as 1 or 0x6b3343cf is right\n");
}

static void pool_keys_are_looked_at(void **state)
{
	static const struct {
		const char *line, *sentence;
	} rows[] = {
		{ "checks = b",
		  "[pool web] checks: there is no [check b] (did you mean \"a\"?)\n" },
		{ "checks = a, a", "[pool web] checks: a is named twice\n" },
		{ "check = udp",
		  "[pool web] check = udp says too little (a udp check needs something to send: "
		  "without an answer it would show nothing): make a [check NAME] of that kind and "
		  "name it by checks =\n" },
		{ "min_healthy = some",
		  "[pool web] min_healthy: \"some\" is not right: a number of "
		  "backends, or a share of them such as 50%\n" },
		{ "flap_changes = 1",
		  "[pool web] flap_changes: one change is no flapping: 0, or at least 2\n" },
		{ "flap_hold_s = 700",
		  "[pool web] flap_hold_max_s: 600 is less than flap_hold_s, 700\n" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text, *said;

		assert_true(asprintf(&text,
				     "[pool web]\n%s\nbackend b = 192.0.2.1\n" WEB
				     "[check a]\nkind = tcp\n",
				     rows[i].line) > 0);
		said = errors_of(text);
		assert_string_equal(said, rows[i].sentence);
		free(said);
		free(text);
	}
}

/* "VIP:port" of the only check of pool web; direct: "-:port"; or why it goes nowhere. */
static void goes_to(const char *pool, const char *services, const char *check, const char *expected)
{
	char *text, got[200], vip[WEIR_ADDR_STRLEN] = "-";
	struct check_plan plan[POOL_CHECKS_MAX];
	struct conf *c;

	assert_true(asprintf(&text, "[pool web]\n%sbackend b = 192.0.2.1\n%s%s", pool, services,
			     check) > 0);
	c = conf_make(text);
	assert_int_equal(check_plans(c, conf_pool(c, "web"), plan), 1);
	if (plan[0].dsr && plan[0].vip.family != 0)
		weir_addr_text(&plan[0].vip, vip);
	snprintf(got, sizeof(got), "%s:%u", vip, plan[0].port);
	assert_string_equal(plan[0].why[0] != '\0' ? plan[0].why : got, expected);
	conf_free(c);
	free(text);
}

static void a_check_asks_where_its_clients_do(void **state)
{
	(void)state;
	goes_to("", WEB, "", "203.0.113.1:80");
	goes_to("check = quic\n", WEB, "", "203.0.113.2:443");
	goes_to("check_via = direct\n", WEB, "", "-:80");
	goes_to("check_via = direct\ncheck_port = 8080\n", WEB, "", "-:8080");
	/* With a port of its own: the service that has it, else the one for every port. */
	goes_to("check_port = 80\n", WEB, "", "203.0.113.1:80");
	goes_to("check_port = 8080\n", WEB, "", "203.0.113.3:8080");
	goes_to("checks = a\n", WEB, "[check a]\nkind = tcp\nvip = 203.0.113.3\nport = 81\n",
		"203.0.113.3:81");
	goes_to("checks = a\n", WEB, "[check a]\nkind = echo\n", "203.0.113.1:80");
	goes_to("", "[service net]\nvip = 203.0.113.0/28\nport = 80\npool = web\n", "",
		"203.0.113.1:80");
	goes_to("", "", "", "no service uses the pool, so there is no VIP to check");
	goes_to("check_via = direct\n", "", "",
		"no service uses the pool, and check_port is not set: no port to check");
	goes_to("check_via = direct\ncheck_port = 80\n", "", "", "-:80");
}

static void no_check_is_no_plan(void **state)
{
	struct check_plan plan[POOL_CHECKS_MAX];
	struct conf *c = conf_make("[pool web]\ncheck = none\nbackend b = 192.0.2.1\n" WEB);

	(void)state;
	assert_int_equal(check_plans(c, conf_pool(c, "web"), plan), 0);
	conf_free(c);
}

static void counts_and_shares_are_told_apart(void **state)
{
	struct guard_conf g = { 0 };
	char why[120];

	(void)state;
	assert_int_equal(min_healthy_parse("3", &g, why, sizeof(why)), 0);
	assert_int_equal(g.min_count, 3);
	assert_int_equal(g.min_percent, 0);
	assert_int_equal(min_healthy_parse("50%", &g, why, sizeof(why)), 0);
	assert_int_equal(g.min_count, 0);
	assert_int_equal(g.min_percent, 50);
	assert_true(min_healthy_parse("101%", &g, why, sizeof(why)) < 0);
	assert_true(min_healthy_parse("-1", &g, why, sizeof(why)) < 0);
	assert_true(min_healthy_parse("", &g, why, sizeof(why)) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_work_is_said),
		cmocka_unit_test(pool_keys_are_looked_at),
		cmocka_unit_test(a_check_asks_where_its_clients_do),
		cmocka_unit_test(no_check_is_no_plan),
		cmocka_unit_test(counts_and_shares_are_told_apart),
	};

	return cmocka_run_group_tests_name("check_plan", tests, sandbox_setup, sandbox_teardown);
}
