// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include "steer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Stands in for steer.c. */
const char *steer_object(void)
{
	return "/lib/steer.bpf.o";
}

static void an_address_on_the_pci_bus_is_one_with_or_without_domain(void **state)
{
	(void)state;
	assert_int_equal(device_kind("0000:3b:00.0"), DEVICE_PCI);
	assert_int_equal(device_kind("3b:00.1"), DEVICE_PCI);
	assert_int_equal(device_kind("0000:3b:00.0,txq_inline_max=0"), DEVICE_PCI);
	assert_int_equal(device_kind("0000:3b:00"), DEVICE_VDEV);
	assert_int_equal(device_kind("0000:3b:00.0x"), DEVICE_VDEV);
}

static void only_the_prefix_makes_a_kernel_interface(void **state)
{
	(void)state;
	assert_string_equal(device_iface("af_xdp:eth0"), "eth0");
	assert_null(device_iface("net_af_xdp0,iface=eth0"));
	assert_null(device_iface("0000:3b:00.0"));
}

static void dpdk_knows_a_device_by_its_bare_name(void **state)
{
	char name[DEVICE_NAME_LEN];

	(void)state;
	assert_string_equal(device_name("net_pcap0,rx_pcap=in.pcap", 3, name), "net_pcap0");
	assert_string_equal(device_name("af_xdp:eth0", 3, name), "net_af_xdp3");
	assert_string_equal(device_name("3b:00.1,mac=1", 3, name), "0000:3b:00.1");
	assert_string_equal(device_name("0001:3b:00.1", 3, name), "0001:3b:00.1");
}

static void arguments_are_those_that_eal_takes(void **state)
{
	struct dp_port_conf c = { .name = "wan", .device = "0000:3b:00.0" };
	char text[512];

	(void)state;
	assert_int_equal(device_argument(&c, 0, 1, text, sizeof(text)), 0);
	assert_string_equal(text, "--allow=0000:3b:00.0");
	strcpy(c.device, "net_null0,size=64");
	assert_int_equal(device_argument(&c, 0, 1, text, sizeof(text)), 0);
	assert_string_equal(text, "--vdev=net_null0,size=64");
	/* The loopback interface has one queue on every machine. */
	strcpy(c.device, "af_xdp:lo");
	assert_int_equal(device_argument(&c, 2, 1, text, sizeof(text)), 0);
	assert_string_equal(text, "--vdev=net_af_xdp2,iface=lo,queue_count=1,"
				  "xdp_prog=/lib/steer.bpf.o");
}

static void a_queue_for_each_worker_or_an_error(void **state)
{
	struct dp_port_conf c = { .name = "wan", .device = "af_xdp:lo" };
	char text[512];

	(void)state;
	assert_int_equal(device_argument(&c, 0, 2, text, sizeof(text)), -EINVAL);
	c.rx_queues = 2;
	assert_int_equal(device_argument(&c, 0, 1, text, sizeof(text)), -EINVAL);
	strcpy(c.device, "af_xdp:no-such-if");
	assert_int_equal(device_argument(&c, 0, 1, text, sizeof(text)), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_on_the_pci_bus_is_one_with_or_without_domain),
		cmocka_unit_test(only_the_prefix_makes_a_kernel_interface),
		cmocka_unit_test(dpdk_knows_a_device_by_its_bare_name),
		cmocka_unit_test(arguments_are_those_that_eal_takes),
		cmocka_unit_test(a_queue_for_each_worker_or_an_error),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
