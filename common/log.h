// SPDX-License-Identifier: Apache-2.0
/*
 * Log lines on standard error: one line a call, "weir-dataplane: warning: ...".
 * With JOURNAL_STREAM set (systemd) the sd-daemon(3) level prefix takes the
 * place of the words. Never called by a packet stage.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARNING, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* Once, first thing in main(). `program` must outlive the process. */
void log_init(const char *program, enum log_level most);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LVL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LVL_DEBUG, __VA_ARGS__)

#endif /* WEIR_LOG_H */
