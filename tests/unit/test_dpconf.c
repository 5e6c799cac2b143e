// SPDX-License-Identifier: Apache-2.0
#include "dpconf.h"

#include "sandbox.h"

#include <errno.h>

static int read_string(const char *text, struct dpconf *out, struct conf_errors *e)
{
	write_text("weir.conf", text);
	return dpconf_read("weir.conf", out, e);
}

static void an_empty_dataplane_section_means_the_defaults(void **state)
{
	struct conf_errors e = { 0 };
	struct dpconf c;

	(void)state;
	assert_int_equal(read_string("[port wan]\ndevice = af_xdp:eth0\n", &c, &e), 0);
	assert_int_equal(c.cpu_count, 1);
	assert_int_equal(c.cpus[0], 1);
	assert_int_equal(c.idle, DP_IDLE_ADAPTIVE);
	assert_int_equal(c.huge_pages, DP_HUGE_AUTO);
	assert_int_equal(c.start, DP_START_AT_ONCE);
	assert_int_equal(c.memory_mb, 256);
	assert_int_equal(c.arena_mb, 32);
	assert_string_equal(c.session_socket, "/run/weir/session.sock");
	assert_string_equal(c.file_prefix, "weir");
	assert_string_equal(c.user, "");
	assert_int_equal(c.port_count, 1);
	assert_string_equal(c.port[0].name, "wan");
	assert_string_equal(c.port[0].device, "af_xdp:eth0");
	assert_int_equal(c.port[0].line, 1);
	assert_false(c.port[0].promiscuous);
}

static void everything_given_arrives_and_ports_keep_their_order(void **state)
{
	struct conf_errors e = { 0 };
	struct dpconf c;

	(void)state;
	assert_int_equal(read_string("[port z]\n"
				     "device = net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap\n"
				     "rx_queues = 2\nrx_desc = 512\ntx_desc = 256\nmtu = 9000\n"
				     "promiscuous = yes\n"
				     "[controlplane]\nanything = is somebody else's\n"
				     "[dataplane]\n"
				     "cpus = 2-3\nidle = busy\nhuge_pages = no\nstart = filled\n"
				     "memory_mb = 64\narena_mb = 8\nmbufs = 4096\n"
				     "session_socket = s.sock\nuser = weir\n"
				     "eal = --no-pci -n 4\nfile_prefix = t1\n"
				     "[pool x]\nmode = whatever\n"
				     "[port a]\n"
				     "device = 0000:3b:00.0\n",
				     &c, &e),
			 0);
	assert_int_equal(c.cpu_count, 2);
	assert_int_equal(c.cpus[1], 3);
	assert_int_equal(c.idle, DP_IDLE_BUSY);
	assert_int_equal(c.huge_pages, DP_HUGE_NO);
	assert_int_equal(c.start, DP_START_FILLED);
	assert_int_equal(c.mbufs, 4096);
	assert_string_equal(c.session_socket, "s.sock");
	assert_string_equal(c.eal, "--no-pci -n 4");
	assert_int_equal(c.port_count, 2);
	assert_ptr_equal(dpconf_port(&c, "z"), &c.port[0]);
	assert_ptr_equal(dpconf_port(&c, "a"), &c.port[1]);
	assert_null(dpconf_port(&c, "b"));
	assert_int_equal(c.port[0].rx_queues, 2);
	assert_int_equal(c.port[0].rx_desc, 512);
	assert_int_equal(c.port[0].tx_desc, 256);
	assert_int_equal(c.port[0].mtu, 9000);
	assert_true(c.port[0].promiscuous);
	assert_string_equal(c.port[1].device, "0000:3b:00.0");
}

static void every_error_is_told_and_out_stays_untouched(void **state)
{
	struct conf_errors e = { 0 };
	struct dpconf c = { .port_count = 99 };

	(void)state;
	assert_int_equal(read_string("[dataplane one]\n"
				     "cpus = all\n"
				     "[port]\n"
				     "device = net_null0\n"
				     "[port wan]\n"
				     "devise = eth0\n"
				     "[port lan]\n"
				     "device = af_xdp:\n"
				     "mtu = 100\n"
				     "[port lan]\n"
				     "device = net_null1\n"
				     "rx_desc = 1\n"
				     "[port dmz]\n"
				     "device = af_xdp:sixteen_letters_\n"
				     "[port other]\n"
				     "device = net_null2\n"
				     "[port same]\n"
				     "device = net_null2\n"
				     "[dataplane]\n"
				     "arena_mb = 4096\n",
				     &c, &e),
			 -EINVAL);
	assert_int_equal(c.port_count, 99);
	assert_messages(
		&e, MESSAGES("weir.conf:1: [dataplane one]: there is one [dataplane], without a "
			     "name",
			     "weir.conf:2: [dataplane] cpus: \"all\" is no list of CPUs such as "
			     "1-3,5 (0 to 1023)",
			     "weir.conf:3: [port]: a port needs a name: [port NAME]",
			     "weir.conf:6: [port wan] unknown key \"devise\" (did you mean "
			     "\"device\"?)",
			     "weir.conf:5: [port wan] needs a key \"device\": PCI address, "
			     "af_xdp:IFACE, or a DPDK device string",
			     "weir.conf:10: [port lan]: begun already in line 7",
			     "weir.conf:12: [port lan] rx_desc: \"1\" is not right: a whole "
			     "number from 64 to 32768 packets",
			     "weir.conf:19: [dataplane]: begun already in line 1",
			     "weir.conf:20: [dataplane] arena_mb: \"4096\" is not right: a whole "
			     "number from 1 to 4095 MB",
			     "weir.conf:7: [port lan] mtu: 100 is too small: 0, or 576 to 9216 "
			     "bytes",
			     "weir.conf:7: [port lan] device: af_xdp: takes the name of a "
			     "network interface, 1 to 15 characters",
			     "weir.conf:13: [port dmz] device: af_xdp: takes the name of a "
			     "network interface, 1 to 15 characters",
			     "weir.conf:17: [port same] device: net_null2 belongs to [port "
			     "other] already, in line 15"));
}

static void a_tap_needs_a_name_of_its_own_and_a_device_of_dpdks(void **state)
{
	struct conf_errors e = { 0 };
	struct dpconf c;

	(void)state;
	assert_int_equal(read_string("[port wan]\n"
				     "device = net_null0\n"
				     "punt = tap\n"
				     "[port uplink]\n"
				     "device = net_null1\n"
				     "punt = tap\n"
				     "tap = tap7\n"
				     "punt_pps = 5\n"
				     "[port lan]\n"
				     "device = net_null2\n",
				     &c, &e),
			 0);
	assert_string_equal(dpconf_tap(&c.port[0]), "wan");
	assert_string_equal(dpconf_tap(&c.port[1]), "tap7");
	assert_int_equal(c.port[1].punt_pps, 5);
	assert_null(dpconf_tap(&c.port[2]));

	assert_int_equal(read_string("[port a]\n"
				     "device = af_xdp:eth0\n"
				     "punt = tap\n"
				     "[port b]\n"
				     "device = net_null1\n"
				     "punt = tap\n"
				     "tap = a\n"
				     "[port a-name-that-is-too-long]\n"
				     "device = net_null2\n"
				     "punt = tap\n"
				     "[port d]\n"
				     "device = net_null3\n"
				     "punt = tap\n"
				     "tap = a/b\n",
				     &c, &e),
			 -EINVAL);
	assert_messages(
		&e, MESSAGES("weir.conf:1: [port a] punt: an af_xdp: port needs no TAP: its interface "
			     "stays with the kernel, which gets all that is for no VIP",
			     "weir.conf:4: [port b] tap: a belongs to [port a] already, in line 1",
			     "weir.conf:8: [port a-name-that-is-too-long] tap: "
			     "\"a-name-that-is-too-long\" is no name for a network interface: 1 to 15 "
			     "characters",
			     "weir.conf:11: [port d] tap: \"a/b\" is no name for a network "
			     "interface: 1 to 15 characters"));
}

static void a_file_without_ports_is_refused(void **state)
{
	struct conf_errors e = { 0 };
	struct dpconf c;

	(void)state;
	assert_int_equal(read_string("[dataplane]\n", &c, &e), -EINVAL);
	assert_messages(&e,
			MESSAGES("weir.conf: no [port NAME] section: the data plane needs one"));
}

static void a_seventeenth_port_is_refused(void **state)
{
	char text[1024] = "";
	struct conf_errors e = { 0 };
	struct dpconf c;

	(void)state;
	for (int i = 0; i < 17; i++)
		sprintf(text + strlen(text), "[port p%d]\ndevice = net_null%d\n", i, i);
	assert_int_equal(read_string(text, &c, &e), -EINVAL);
	assert_messages(&e, MESSAGES("weir.conf:33: [port p16]: at most 16 ports are possible"));
}

static void a_file_that_is_not_there_is_an_errno(void **state)
{
	struct conf_errors e = { 0 };
	struct dpconf c;

	(void)state;
	assert_int_equal(dpconf_read("absent.conf", &c, &e), -ENOENT);
	assert_messages(&e, MESSAGES("absent.conf: cannot be opened: No such file or directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_dataplane_section_means_the_defaults),
		cmocka_unit_test(everything_given_arrives_and_ports_keep_their_order),
		cmocka_unit_test(every_error_is_told_and_out_stays_untouched),
		cmocka_unit_test(a_tap_needs_a_name_of_its_own_and_a_device_of_dpdks),
		cmocka_unit_test(a_file_without_ports_is_refused),
		cmocka_unit_test(a_seventeenth_port_is_refused),
		cmocka_unit_test(a_file_that_is_not_there_is_an_errno),
	};

	return cmocka_run_group_tests_name("dpconf", tests, sandbox_setup, sandbox_teardown);
}
