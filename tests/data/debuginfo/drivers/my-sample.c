/* SPDX-License-Identifier: Apache-2.0 */
/* Stands for a module: relocatable, with a build id like the ones that ld gives. */
#include "../include/count.h"

__asm__(".section .note.gnu.build-id,\"a\"\n"
	".balign 4\n"
	".long 4, 20, 3\n"
	".asciz \"GNU\"\n"
	".fill 20, 1, 0x33\n"
	".previous\n");

int probes;

void sample_probe(void)
{
	count_once(&probes);
}

__attribute__((section(".text.unlikely"))) void sample_remove(void)
{
	probes = 0;
}

__attribute__((section(".init.text"))) void sample_init(void)
{
	probes = 1;
}
