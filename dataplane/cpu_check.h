// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_CPU_CHECK_H
#define WEIR_CPU_CHECK_H

#include <stdbool.h>

/*
 * Does this CPU have the instructions that the build option `march` allows the
 * compiler to use? Call before anything else: without them the program dies of an
 * illegal instruction. Returns false with a sentence logged.
 */
bool cpu_check(void);

#endif /* WEIR_CPU_CHECK_H */
