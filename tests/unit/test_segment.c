// SPDX-License-Identifier: Apache-2.0
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SIZE	  ((size_t)3 * 4096)

/* Both kinds of pages. Where no huge page is free the second is like the first. */
static const bool kinds[] = { false, true };

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

static void is_zeroed_and_as_large_as_asked_for(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct segment s;

		assert_int_equal(segment_create("test", SIZE + 1, SEGMENT_OURS, kinds[i], &s), 0);
		assert_true(s.size > SIZE);
		assert_int_equal(s.size % s.page_size, 0);
		assert_true(is_zero(s.base, s.size));
		segment_destroy(&s);
	}
}

static void nobody_can_resize_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned w = SEGMENT_OURS; w <= SEGMENT_PEERS; w++) {
			struct segment s;

			assert_int_equal(segment_create("test", SIZE, w, kinds[i], &s), 0);
			assert_int_equal(fcntl(s.fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
			assert_int_equal(ftruncate(s.fd, 0), -1);
			assert_int_equal(ftruncate(s.fd, (off_t)(2 * s.size)), -1);
			assert_int_equal(fcntl(s.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
			segment_destroy(&s);
		}
	}
}

static void only_we_write_what_is_ours(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct segment s;
		uint8_t *theirs;

		assert_int_equal(segment_create("test", SIZE, SEGMENT_OURS, kinds[i], &s), 0);
		assert_ptr_equal(mmap(NULL, s.size, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0),
				 MAP_FAILED);
		theirs = mmap(NULL, s.size, PROT_READ, MAP_SHARED, s.fd, 0);
		assert_ptr_not_equal(theirs, MAP_FAILED);
		assert_int_equal(mprotect(theirs, s.size, PROT_READ | PROT_WRITE), -1);
		assert_int_equal(pwrite(s.fd, "x", 1, 0), -1);
		assert_int_equal(fallocate(s.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					   (off_t)s.size), -1);
		((uint8_t *)s.base)[1] = 5; /* and ours is shared */
		assert_int_equal(theirs[1], 5);
		munmap(theirs, s.size);
		segment_destroy(&s);
	}
}

static void a_peer_writes_what_is_its_own_and_we_read_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct segment s;
		uint8_t *theirs;

		assert_int_equal(segment_create("test", SIZE, SEGMENT_PEERS, kinds[i], &s), 0);
		theirs = mmap(NULL, s.size, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0);
		assert_ptr_not_equal(theirs, MAP_FAILED);
		theirs[SIZE - 1] = 9;
		assert_int_equal(((const uint8_t *)s.base)[SIZE - 1], 9);
		munmap(theirs, s.size);
		segment_destroy(&s);
	}
}

static void an_impossible_size_leaves_nothing_behind(void **state)
{
	struct segment s = { .fd = -7 };
	int next = dup(0);

	(void)state;
	close(next);
	assert_true(segment_create("test", (size_t)1 << 50, SEGMENT_OURS, true, &s) < 0);
	assert_int_equal(s.fd, -7); /* untouched */
	assert_int_equal(dup(0), next); /* no descriptor is left open */
	close(next);
}

/* A page behind the end of the file stands for one that the kernel cannot give
 * back: an access raises the same signal. */
static void a_page_that_is_gone_reads_as_zeros_until_it_is_mended(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct segment s = { .size = 2 * page, .page_size = page };
	const volatile uint8_t *at;

	(void)state;
	s.fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s.fd, (off_t)(2 * page)), 0);
	assert_int_equal(pwrite(s.fd, "one", 3, 0), 3);
	assert_int_equal(pwrite(s.fd, "two", 3, (off_t)page), 3);
	s.base = mmap(NULL, s.size, PROT_READ, MAP_SHARED, s.fd, 0);
	assert_ptr_not_equal(s.base, MAP_FAILED);
	assert_int_equal(segment_guard(&s), 0);
	assert_int_equal(segment_mend(), 0); /* nothing to do */

	assert_int_equal(ftruncate(s.fd, (off_t)page), 0);
	at = s.base;
	assert_int_equal(at[page], 0);
	assert_int_equal(at[2 * page - 1], 0);
	assert_int_equal(at[0], 'o'); /* the page beside it is as it was */

	assert_int_equal(pwrite(s.fd, "new", 3, (off_t)page), 3);
	assert_int_equal(at[page], 0); /* until it is mended */
	assert_int_equal(segment_mend(), 1);
	assert_int_equal(at[page], 'n');
	assert_int_equal(segment_mend(), 0);
	signal(SIGBUS, SIG_DFL);
	munmap(s.base, s.size);
	close(s.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_zeroed_and_as_large_as_asked_for),
		cmocka_unit_test(nobody_can_resize_it),
		cmocka_unit_test(only_we_write_what_is_ours),
		cmocka_unit_test(a_peer_writes_what_is_its_own_and_we_read_it),
		cmocka_unit_test(an_impossible_size_leaves_nothing_behind),
		cmocka_unit_test(a_page_that_is_gone_reads_as_zeros_until_it_is_mended),
	};

	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
