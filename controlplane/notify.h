// SPDX-License-Identifier: Apache-2.0
/*
 * Telling systemd how far we are (sd_notify(3)): a datagram to $NOTIFY_SOCKET.
 */
#ifndef WEIR_NOTIFY_H
#define WEIR_NOTIFY_H

/* `state` as "READY=1". Does nothing without a NOTIFY_SOCKET; failure is no concern. */
void notify(const char *state);

#endif /* WEIR_NOTIFY_H */
