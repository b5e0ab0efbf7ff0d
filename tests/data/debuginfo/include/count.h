/* SPDX-License-Identifier: Apache-2.0 */
static inline __attribute__((always_inline)) void count_once(volatile int* where) {
  *where = *where + 1;
}

static inline __attribute__((always_inline)) void count_twice(volatile int* where) {
  count_once(where);
  count_once(where);
}
