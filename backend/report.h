// SPDX-License-Identifier: Apache-2.0
/*
 * What weir-backend prints for people: the findings of `check` and the tables of
 * `status`.
 */
#ifndef WEIR_BACKEND_REPORT_H
#define WEIR_BACKEND_REPORT_H

#include "findings.h"

/* A line a finding, the wrong ones first, then one line that sums up. */
void report_findings(const char *interface, const struct findings *f);

/* What is set up on this interface and what the program has counted; `state` is the
 * path of the state file. */
void report_status(const char *interface, const struct host *h, const char *state);

#endif /* WEIR_BACKEND_REPORT_H */
