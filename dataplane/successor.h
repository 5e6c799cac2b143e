// SPDX-License-Identifier: Apache-2.0
/*
 * Starting where another has just ended. It gives back what it held when its last thread
 * has gone, some ms after it looks ended to who restarts it.
 */
#ifndef WEIR_SUCCESSOR_H
#define WEIR_SUCCESSOR_H

#include <stdbool.h>
#include <unistd.h>

#define SUCCESSOR_TRIES	  100
#define SUCCESSOR_STEP_US 20000

/* After a try that failed since somebody holds it: true, a moment later, if another is
 * due. *tries: 0 before the first. */
static inline bool successor_waits(unsigned *tries)
{
	if (++*tries == SUCCESSOR_TRIES)
		return false;
	usleep(SUCCESSOR_STEP_US);
	return true;
}

#endif /* WEIR_SUCCESSOR_H */
