/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for a kernel: symbols_debuginfo_test.cc knows these lines. */
#include "../include/count.h"

int counter;

void start_kernel(void)
{
	count_twice(&counter);
}

__attribute__((section(".text.other"))) void rest_init(void)
{
	counter = 7;
}

void _start(void)
{
	start_kernel();
	rest_init();
}
