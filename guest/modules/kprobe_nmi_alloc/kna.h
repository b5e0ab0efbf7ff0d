/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A probe that allocates memory where nobody may.
 *
 * A module counted which areas of files are read, to reclaim the page cache of cold
 * ones: a kprobe on copy_page_to_iter() whose post-handler allocated a record per
 * area from the module's own slab cache. Now and then the kernel warned in
 * irq_fpu_usable(). An int3 is handled as an NMI; a new slab's freelist is shuffled,
 * which takes a random number, which sometimes means a new key for the generator,
 * which is hashed with SIMD registers: and those are nobody's in an NMI.
 *
 * This one does the same. random_freelist=0 has the report's cure: the cache's
 * freelists are no longer shuffled, so that an allocation needs no random number.
 */
#ifndef KPROBE_NMI_ALLOC_KNA_H
#define KPROBE_NMI_ALLOC_KNA_H

#include <linux/fs.h>
#include <linux/types.h>

#define KNA_AREA_SHIFT		2	/* pages of an area, as a power of 2 */
#define KNA_AREA_PAGES		(1 << KNA_AREA_SHIFT)
#define KNA_HISTORY		6	/* reads of each page that are remembered */

/* kna_areas.c: what was read lately, in areas of files */
int kna_areas_start(unsigned int cold_ms, bool random_freelist);
void kna_areas_stop(void);
void kna_area_read(const struct address_space *mapping, pgoff_t index);

#endif
