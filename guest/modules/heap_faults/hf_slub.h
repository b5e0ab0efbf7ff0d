/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct kmem_cache as SLUB has it. Its header also has functions over struct slab,
 * which only mm/ knows: here is just enough that they compile. Nobody calls them.
 */
#ifndef HEAP_FAULTS_HF_SLUB_H
#define HEAP_FAULTS_HF_SLUB_H

#include <linux/slab.h>

struct slab {
	unsigned int objects;
};

static inline void *slab_address(const struct slab *slab)
{
	return NULL;
}

#include <linux/slub_def.h>

#endif
