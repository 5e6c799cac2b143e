// SPDX-License-Identifier: Apache-2.0
#include "conf.h"

#include "addr.h"
#include "sandbox.h"

#include <errno.h>
#include <netinet/in.h>

static const char *const colours[] = { "red", "green", NULL };

struct object {
	uint32_t number, limit;
	uint16_t small;
	bool flag;
	uint32_t colour, protocol;
	char text[8];
	char name[16];
	struct weir_addr addr, net;
	uint8_t net_bits;
	uint8_t mac[6];
	bool has_mac, has_seed;
	uint64_t seed;
	uint16_t cpus[4];
	uint32_t cpu_count;
};
#define AT(f) offsetof(struct object, f)

static const struct conf_opt opts[] = {
	{ "thing", "number", CONF_U32, AT(number), 0, "7", 5, 4294967295, .unit = "ms" },
	{ "thing", "limit", CONF_U32, AT(limit), 0, "", 1, 100000, .help = "" },
	{ "thing", "small", CONF_U16, AT(small), 0, "0", 0, 65535, .help = "" },
	{ "thing", "flag", CONF_BOOL, AT(flag), 0, "no", .help = "" },
	{ "thing", "colour", CONF_ENUM, AT(colour), 0, "green", .choices = colours },
	{ "thing", "protocol", CONF_PROTO, AT(protocol), 0, "tcp", .help = "" },
	{ "thing", "text", CONF_STRING, AT(text), 0, "", 0, 8, .help = "" },
	{ "thing", "name", CONF_NAME, AT(name), 0, "x", 1, 16, .help = "" },
	{ "thing", "addr", CONF_ADDR, AT(addr), 0, NULL, .help = "where it is" },
	{ "thing", "net", CONF_PREFIX, AT(net), AT(net_bits), "", .help = "" },
	{ "thing", "mac", CONF_MAC, AT(mac), AT(has_mac), "", .help = "" },
	{ "thing", "seed", CONF_HEX64, AT(seed), AT(has_seed), "", .help = "" },
	{ "thing", "cpus", CONF_CPUS, AT(cpus), AT(cpu_count), "1", 1, 4, .help = "" },
	{ "other", "shape", CONF_STRING, AT(text), 0, "", 0, 8, .help = "" },
};
#define OPTS (sizeof(opts) / sizeof(opts[0]))

static const struct conf_opt *row(const char *key)
{
	const struct conf_opt *o = conf_find(opts, OPTS, "thing", key);

	assert_non_null(o);
	return o;
}

/* The text of the value after setting it: what the file would say. */
static void assert_becomes(const char *key, const char *value, const char *text)
{
	struct object t = { 0 };
	char why[256], buf[CONF_TEXT_LEN];

	assert_int_equal(conf_set(row(key), &t, value, why, sizeof(why)), 0);
	assert_string_equal(conf_text(row(key), &t, buf, sizeof(buf)), text);
}

static void assert_refused(const char *key, const char *value, const char *reason)
{
	struct object t, before;
	char why[256] = "";

	memset(&t, 0x5a, sizeof(t));
	before = t;
	assert_int_equal(conf_set(row(key), &t, value, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, reason);
	assert_memory_equal(&t, &before, sizeof(t));
}

static void values_of_every_type_are_read_and_written_back(void **state)
{
	(void)state;
	assert_becomes("number", "5", "5");
	assert_becomes("number", "4294967295", "4294967295");
	assert_becomes("number", "0000000007", "7");
	assert_becomes("small", "65535", "65535");
	assert_becomes("flag", "yes", "yes");
	assert_becomes("flag", "On", "yes");
	assert_becomes("flag", "TRUE", "yes");
	assert_becomes("flag", "off", "no");
	assert_becomes("flag", "false", "no");
	assert_becomes("colour", "red", "red");
	assert_becomes("protocol", "udp", "udp");
	assert_becomes("text", "1234567", "1234567");
	assert_becomes("text", "", "");
	assert_becomes("limit", "70000", "70000");
	assert_becomes("limit", "", "0");
	assert_becomes("name", "a-b_c.D9", "a-b_c.D9");
	assert_becomes("addr", "2001:DB8::0:1", "2001:db8::1");
	assert_becomes("net", "192.0.2.0/24", "192.0.2.0/24");
	assert_becomes("net", "192.0.2.1/32", "192.0.2.1");
	assert_becomes("net", "2001:DB8:F::/64", "2001:db8:f::/64");
	assert_becomes("net", "", "");
	assert_becomes("mac", "02:00:5E:10:00:01", "02:00:5e:10:00:01");
	assert_becomes("mac", "", "");
	assert_becomes("seed", "0123456789ABCDEF", "0123456789abcdef");
	assert_becomes("seed", "ffffffffffffffff", "ffffffffffffffff");
	assert_becomes("seed", "", "");
	assert_becomes("cpus", "3", "3");
	assert_becomes("cpus", "1-3,5", "1-3,5");
	assert_becomes("cpus", "5,1-3", "5,1-3");
	assert_becomes("cpus", "1,2,3,4", "1-4");
	assert_becomes("cpus", "1023", "1023");
}

static void protocols_are_the_numbers_of_ip(void **state)
{
	struct object t = { 0 };
	char why[64];

	(void)state;
	assert_int_equal(conf_set(row("protocol"), &t, "tcp", why, sizeof(why)), 0);
	assert_int_equal(t.protocol, IPPROTO_TCP);
	assert_int_equal(conf_set(row("protocol"), &t, "udp", why, sizeof(why)), 0);
	assert_int_equal(t.protocol, IPPROTO_UDP);
}

static void refused_values_say_what_is_right_and_change_nothing(void **state)
{
	static const char ms[] = "\"%s\" is not right: a whole number from 5 to 4294967295 ms";
	static const char *const numbers[] = { "",   "4",	   "-1",	 "+7",
					       "7 ", "0x10",	   "1e3",	 "7.0",
					       "x",  "4294967296", "99999999999" };
	static const char *const cpus[] = { "",	  ",",	  "1,",	  ",1", "3-1", "1-",
					    "-1", "1024", "1--2", "a",	"1 2", "0-4294967296" };
	char reason[160];

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(reason, sizeof(reason), ms, numbers[i]);
		assert_refused("number", numbers[i], reason);
	}
	assert_refused("small", "65536", "\"65536\" is not right: a whole number from 0 to 65535");
	assert_refused("flag", "maybe", "\"maybe\" is not right: yes or no");
	assert_refused("colour", "Red", "\"Red\" is not right: red or green");
	assert_refused("protocol", "sctp", "\"sctp\" is not right: tcp or udp");
	assert_refused("text", "12345678", "8 bytes long: at most 7 fit");
	assert_refused("name", "", "must not be empty");
	assert_refused("name", "a/b",
		       "\"a/b\" is no name: letters, digits, \"-\", \"_\" and \".\" are right, "
		       "a letter or digit first");
	assert_refused("addr", "", "\"\" is no address such as 192.0.2.1");
	assert_refused("addr", "192.0.2.1/24", "\"192.0.2.1/24\" is no address such as 192.0.2.1");
	assert_refused("net", "192.0.2.0/a",
		       "\"192.0.2.0/a\" is no address or prefix such as 192.0.2.1 or "
		       "192.0.2.0/24");
	assert_refused("net", "2001:db8::1/64",
		       "\"2001:db8::1/64\" has bits behind its prefix: 2001:db8::/64 is right");
	assert_refused("mac", "ff:ff:ff:ff:ff:ff",
		       "\"ff:ff:ff:ff:ff:ff\" is no unicast MAC address such as "
		       "02:00:5e:10:00:01");
	assert_refused("seed", "123", "\"123\" is not right: 16 hexadecimal digits");
	assert_refused("seed", "0x23456789abcdef",
		       "\"0x23456789abcdef\" is not right: 16 hexadecimal digits");
	for (unsigned i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		snprintf(reason, sizeof(reason),
			 "\"%s\" is no list of CPUs such as 1-3,5 (0 to 1023)", cpus[i]);
		assert_refused("cpus", cpus[i], reason);
	}
	assert_refused("cpus", "1-3,2", "CPU 2 stands twice in \"1-3,2\"");
	assert_refused("cpus", "1-5", "\"1-5\" are 5 CPUs: at most 4 are right");
}

static void defaults_fill_a_section_and_leave_required_keys_alone(void **state)
{
	struct object t = { .addr = { .family = 4 }, .has_mac = true, .has_seed = true };

	(void)state;
	conf_defaults(opts, OPTS, "thing", &t);
	assert_int_equal(t.number, 7);
	assert_int_equal(t.colour, 1);
	assert_string_equal(t.name, "x");
	assert_int_equal(t.cpu_count, 1);
	assert_false(t.has_mac);
	assert_false(t.has_seed);
	assert_int_equal(t.addr.family, 4);
}

static void names(void **state)
{
	char longest[] = "a23456789012345678901234567890123456789012345678901234567890123";
	char why[200];

	(void)state;
	assert_int_equal(strlen(longest), 63);
	assert_int_equal(conf_name_check(longest, why, sizeof(why)), 0);
	assert_int_equal(conf_name_check("9.web_A-1", why, sizeof(why)), 0);
	assert_int_equal(conf_name_check("", why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "a name has 1 to 63 characters, this one has 0");
	assert_int_equal(
		conf_name_check("a234567890123456789012345678901234567890123456789012345678"
				"901234",
				why, sizeof(why)),
		-EINVAL);
	assert_string_equal(why, "a name has 1 to 63 characters, this one has 64");
	assert_int_equal(conf_name_check("-a", why, sizeof(why)), -EINVAL);
	assert_int_equal(conf_name_check("a b", why, sizeof(why)), -EINVAL);
	assert_int_equal(conf_name_check("a\xc3\xa4", why, sizeof(why)), -EINVAL);
}

static void the_nearest_word_is_the_one_with_the_fewest_slips(void **state)
{
	static const char *const words[] = { "interval_ms", "timeout_ms", "rise", "fall", "mtu" };

	(void)state;
	assert_string_equal(conf_nearest("intervall_ms", words, 5), "interval_ms");
	assert_string_equal(conf_nearest("interavl_ms", words, 5), "interval_ms");
	assert_string_equal(conf_nearest("timeout", words, 5), "timeout_ms");
	assert_string_equal(conf_nearest("rsie", words, 5), "rise");
	assert_string_equal(conf_nearest("mut", words, 5), "mtu");
	assert_string_equal(conf_nearest("fall", words, 5), "fall");
	assert_null(conf_nearest("colour", words, 5));
	assert_null(conf_nearest("x", words, 0));
}

/* What conf_read() reported, a line a call. */
static char heard[4096];

static void hear(void *user, const char *kind, const char *name, const char *key, const char *value,
		 int line)
{
	size_t n = strlen(heard);

	(void)user;
	snprintf(heard + n, sizeof(heard) - n, "%d [%s|%s] %s=%s\n", line, kind, name,
		 key ? key : "", value ? value : "");
}

static int read_bytes(const void *bytes, size_t len, struct conf_errors *e)
{
	heard[0] = '\0';
	write_bytes("weir.conf", bytes, len);
	return conf_read("weir.conf", hear, NULL, e);
}

static int read_string(const char *text, struct conf_errors *e)
{
	return read_bytes(text, strlen(text), e);
}

static void a_file_is_reported_in_order_with_its_lines(void **state)
{
	struct conf_errors e = { 0 };

	(void)state;
	assert_int_equal(read_string("# comment\n"
				     "\n"
				     "[dataplane]\n"
				     "cpus = 1-3,5 ; inline comment\n"
				     "   idle=busy\n"
				     "[port wan] ; comment\n"
				     "[ pool \t web ]\n"
				     "; comment\n"
				     "backend a = 192.0.2.1 weight=2\n"
				     "empty =\n"
				     "semicolon = a;b\n"
				     "last = without newline",
				     &e),
			 0);
	assert_string_equal(heard, "3 [dataplane|] =\n"
				   "4 [dataplane|] cpus=1-3,5\n"
				   "5 [dataplane|] idle=busy\n"
				   "6 [port|wan] =\n"
				   "7 [pool|web] =\n"
				   "9 [pool|web] backend a=192.0.2.1 weight=2\n"
				   "10 [pool|web] empty=\n"
				   "11 [pool|web] semicolon=a;b\n"
				   "12 [pool|web] last=without newline\n");
	assert_messages(&e, NO_MESSAGES);
}

static void line_ends_and_byte_order_mark_of_other_systems_are_fine(void **state)
{
	struct conf_errors e = { 0 };

	(void)state;
	assert_int_equal(read_string("\xef\xbb\xbf[a]\r\nx = 1\r\n\r\ny = 2\r\n", &e), 0);
	assert_string_equal(heard, "1 [a|] =\n2 [a|] x=1\n4 [a|] y=2\n");
	assert_int_equal(read_string("\xef\xbb\xbf", &e), 0);
	assert_int_equal(read_string("", &e), 0);
	assert_messages(&e, NO_MESSAGES);
}

static void every_bad_line_is_named_and_the_others_are_read(void **state)
{
	struct conf_errors e = { 0 };

	(void)state;
	assert_int_equal(read_string("early = 1\n"
				     "[a]\n"
				     "no equals sign\n"
				     "x = 1\n"
				     "= 2\n"
				     "[b\n"
				     "below = 3\n"
				     "[]\n"
				     "[c] d = 4\n"
				     "[e f/g]\n"
				     "[h]\n"
				     "y = 5\n"
				     "the last one",
				     &e),
			 -EINVAL);
	assert_string_equal(heard, "2 [a|] =\n4 [a|] x=1\n11 [h|] =\n12 [h|] y=5\n");
	assert_messages(&e,
			MESSAGES("weir.conf:1: \"early = 1\" stands before the first [section]",
				 "weir.conf:3: \"no equals sign\" is neither KEY = VALUE nor a "
				 "[section]",
				 "weir.conf:5: \"= 2\" is neither KEY = VALUE nor a [section]",
				 "weir.conf:6: section header without \"]\": \"[b\"",
				 "weir.conf:8: section header without a name: \"[]\"",
				 "weir.conf:9: \"d = 4\" behind the section header: write it on "
				 "a line of its own",
				 "weir.conf:10: [e f/g]: \"f/g\" is no name: letters, digits, "
				 "\"-\", \"_\" and \".\" are right, a letter or digit first",
				 "weir.conf:13: \"the last one\" is neither KEY = VALUE nor a "
				 "[section]"));
}

static void lines_up_to_199_bytes_are_whole_and_longer_ones_are_named(void **state)
{
	char text[1024], value[200];
	struct conf_errors e = { 0 };

	(void)state;
	memset(value, 'v', sizeof(value));
	sprintf(text, "[a]\nx = %.195s\n", value); /* 199 with "x = " */
	assert_int_equal(read_string(text, &e), 0);
	assert_int_equal(strlen(heard), strlen("1 [a|] =\n2 [a|] x=\n") + 195);

	sprintf(text, "[a]\nx = %.196s\ny = 1\n", value);
	assert_int_equal(read_string(text, &e), -EINVAL);
	assert_string_equal(heard, "1 [a|] =\n3 [a|] y=1\n");
	assert_messages(&e, MESSAGES("weir.conf:2: line of 200 bytes: at most 199 are read (it "
				     "begins \"x = vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\")"));
}

static void section_names_longer_than_inih_keeps_are_whole(void **state)
{
	struct conf_errors e = { 0 };

	(void)state;
	assert_int_equal(read_string("[service a23456789012345678901234567890123456789012345678901"
				     "234567890123]\nx=1\n",
				     &e),
			 0);
	assert_non_null(strstr(heard, "2 [service|a23456789012345678901234567890123456789012345678"
				      "901234567890123] x=1\n"));
	assert_messages(&e, NO_MESSAGES);
}

static void bytes_that_are_no_text_are_refused_by_column(void **state)
{
	/* RFC 3629: overlong "/", a surrogate, beyond U+10FFFF, a cut sequence */
	static const struct {
		const char *line;
		size_t len;
		const char *what;
	} bad[] = {
		{ "x = a\0b", 7,
		  "control byte 0x00 in column 6: only printable text is right here" },
		{ "x = \x1b[31m", 9,
		  "control byte 0x1b in column 5: only printable text is right here" },
		{ "x = \x7f", 5,
		  "control byte 0x7f in column 5: only printable text is right here" },
		{ "x = a\rb", 7,
		  "control byte 0x0d in column 6: only printable text is right here" },
		{ "x = \xe9", 5, "byte 0xe9 in column 5 is not UTF-8; save the file as UTF-8" },
		{ "x = \xc0\xaf", 6, "byte 0xc0 in column 5 is not UTF-8; save the file as UTF-8" },
		{ "x = \xe0\x80\xaf", 7,
		  "byte 0xe0 in column 5 is not UTF-8; save the file as UTF-8" },
		{ "x = \xed\xa0\x80", 7,
		  "byte 0xed in column 5 is not UTF-8; save the file as UTF-8" },
		{ "x = \xf4\x90\x80\x80", 8,
		  "byte 0xf4 in column 5 is not UTF-8; save the file as UTF-8" },
		{ "x = \xf0\x9f\x8c", 7,
		  "byte 0xf0 in column 5 is not UTF-8; save the file as UTF-8" },
		{ "# \x80", 3, "byte 0x80 in column 3 is not UTF-8; save the file as UTF-8" },
	};
	struct conf_errors e = { 0 };
	char text[64], expected[160];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(text, "[a]\n", 4);
		memcpy(text + 4, bad[i].line, bad[i].len);
		memcpy(text + 4 + bad[i].len, "\ny=1\n", 5);
		assert_int_equal(read_bytes(text, 4 + bad[i].len + 5, &e), -EINVAL);
		snprintf(expected, sizeof(expected), "weir.conf:2: %s", bad[i].what);
		assert_messages(&e, MESSAGES(expected));
		assert_string_equal(heard, "1 [a|] =\n3 [a|] y=1\n");
	}
	assert_int_equal(read_string("[a]\nx = \xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a\n", &e), 0);
}

static void what_cannot_be_read_is_said_with_its_reason(void **state)
{
	struct conf_errors e = { 0 };

	(void)state;
	assert_int_equal(conf_read("absent.conf", hear, NULL, &e), -ENOENT);
	assert_int_equal(conf_read(".", hear, NULL, &e), -EISDIR);
	assert_int_equal(conf_read("/dev/zero", hear, NULL, &e), -EINVAL);
	assert_messages(&e, MESSAGES("absent.conf: cannot be opened: No such file or directory",
				     ".: cannot be read: Is a directory",
				     "/dev/zero: larger than 16 MB: not a configuration"));
}

static void errors_end_at_a_number_that_still_helps(void **state)
{
	struct conf_errors e = { 0 };

	(void)state;
	for (int i = 0; i < 2 * CONF_ERRORS_MAX; i++)
		conf_error(&e, "f", i + 1, "wrong");
	assert_int_equal(e.count, CONF_ERRORS_MAX);
	assert_string_equal(e.text[0], "f:1: wrong");
	assert_string_equal(e.text[CONF_ERRORS_MAX - 1], "f: more errors than fit here");
	conf_errors_free(&e);
	assert_int_equal(e.count, 0);
}

static void a_section_finds_unknown_keys_duplicates_and_what_is_missing(void **state)
{
	struct conf_errors e = { 0 };
	struct object t = { 0 };
	struct conf_section s = { .opts = opts,
				  .count = OPTS,
				  .file = "f",
				  .errors = &e,
				  .kind = "thing",
				  .name = "one",
				  .base = &t };

	(void)state;
	conf_section_begin(&s, 3);
	assert_int_equal(t.number, 7);
	conf_section_key(&s, "numbr", "9", 4);
	conf_section_key(&s, "shape", "round", 5);
	conf_section_key(&s, "weather", "fair", 6);
	conf_section_key(&s, "number", "9", 7);
	conf_section_key(&s, "number", "10", 8);
	conf_section_key(&s, "colour", "blue", 9);
	conf_section_end(&s);
	assert_int_equal(t.number, 9);
	assert_messages(
		&e, MESSAGES("f:4: [thing one] unknown key \"numbr\" (did you mean \"number\"?)",
			     "f:5: [thing one] unknown key \"shape\" (it belongs to [other])",
			     "f:6: [thing one] unknown key \"weather\"",
			     "f:8: [thing one] number: given already in line 7",
			     "f:9: [thing one] colour: \"blue\" is not right: red or green",
			     "f:3: [thing one] needs a key \"addr\": where it is"));

	/* The next section of the kind starts afresh. */
	conf_section_begin(&s, 10);
	conf_section_key(&s, "number", "11", 11);
	conf_section_key(&s, "addr", "192.0.2.1", 12);
	conf_section_end(&s);
	assert_messages(&e, NO_MESSAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_every_type_are_read_and_written_back),
		cmocka_unit_test(protocols_are_the_numbers_of_ip),
		cmocka_unit_test(refused_values_say_what_is_right_and_change_nothing),
		cmocka_unit_test(defaults_fill_a_section_and_leave_required_keys_alone),
		cmocka_unit_test(names),
		cmocka_unit_test(the_nearest_word_is_the_one_with_the_fewest_slips),
		cmocka_unit_test(a_file_is_reported_in_order_with_its_lines),
		cmocka_unit_test(line_ends_and_byte_order_mark_of_other_systems_are_fine),
		cmocka_unit_test(every_bad_line_is_named_and_the_others_are_read),
		cmocka_unit_test(lines_up_to_199_bytes_are_whole_and_longer_ones_are_named),
		cmocka_unit_test(section_names_longer_than_inih_keeps_are_whole),
		cmocka_unit_test(bytes_that_are_no_text_are_refused_by_column),
		cmocka_unit_test(what_cannot_be_read_is_said_with_its_reason),
		cmocka_unit_test(errors_end_at_a_number_that_still_helps),
		cmocka_unit_test(a_section_finds_unknown_keys_duplicates_and_what_is_missing),
	};

	return cmocka_run_group_tests_name("conf", tests, sandbox_setup, sandbox_teardown);
}
