// SPDX-License-Identifier: Apache-2.0
/*
 * The sizes that both processes compile in. Every bound on an index that comes
 * out of shared memory is one of these, never a number found in that memory.
 */
#ifndef WEIR_BOUNDS_H
#define WEIR_BOUNDS_H

#define WEIR_CACHE_LINE 64

#define WEIR_MAX_WORKERS  32
#define WEIR_MAX_PORTS	  16
#define WEIR_MAX_SERVICES 4096
#define WEIR_MAX_POOLS	  1024
#define WEIR_MAX_BACKENDS 16384 /* 14 bits: an index fits a slot entry beside its state */
#define WEIR_MAX_VIPS	  4096

#define WEIR_TABLE_DEFAULT 65537
#define WEIR_TABLE_MIN	   251
#define WEIR_TABLE_MAX	   1048573 /* largest prime below 2^20 */

#define WEIR_NAME_LEN 64 /* bytes of a pool, service, backend or port name, with its NUL */

#endif /* WEIR_BOUNDS_H */
