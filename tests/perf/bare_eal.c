// SPDX-License-Identifier: Apache-2.0
/*
 * What DPDK takes before a program does anything: started with the arguments of EAL, says
 * "ready" and waits for its input to end. scripts/bench subtracts its memory from that
 * of weir-dataplane, which has the same arguments.
 */
#include <rte_eal.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (rte_eal_init(argc, argv) < 0)
		return EXIT_FAILURE;
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
