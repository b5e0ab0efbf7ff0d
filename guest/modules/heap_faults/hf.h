/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults of the heap, each planted in a cache of its own, so that one guest can
 * have many of them and none hides another.
 *
 * A fault has three parts. prepare() does what a healthy driver would: allocate
 * and free. Then a line is printed that says what will be wrong, with addresses.
 * act() does what is wrong and needs the other CPU. plant() does the rest at the
 * very end, when all other CPUs stand still, and the kernel panics right after:
 * nobody has come upon the damage by then.
 */
#ifndef HEAP_FAULTS_HF_H
#define HEAP_FAULTS_HF_H

#include <linux/slab.h>
#include <linux/types.h>

#define HF_MAX_BYTES 8

struct hf_case;

/* Where the victim's slab is when it is needed (without slub_debug). */
enum hf_place {
	HF_ACTIVE,	/* the CPU allocates from it */
	HF_FULL,	/* all its objects are in use, and on no list; on the CPU's partial
			 * list once one is freed */
};

struct hf_fault {
	const char *name;
	unsigned int size;		/* of the objects */
	enum hf_place place;
	s64 offset;			/* within the object, of what is written */
	u8 bytes[HF_MAX_BYTES];		/* that are written */
	unsigned int length;		/* 0: nothing is written */
	int (*prepare)(struct hf_case *c);
	void (*act)(struct hf_case *c);
	void (*plant)(struct hf_case *c);	/* NULL: hf_write() */
};

struct hf_case {
	const struct hf_fault *fault;
	char name[48];			/* of the cache */
	struct kmem_cache *cache;
	struct kmem_cache *other;	/* of cross-cache-free */
	void **objects;			/* in the order of their allocation */
	unsigned int count;
	unsigned int per_slab;		/* objects */
	void *victim;			/* what is found to be wrong is about this object */
	void *peer;			/* another one of the same slab */
	void *at;			/* bytes are written here; victim + offset unless said */
	s64 offset;
	u8 bytes[HF_MAX_BYTES];
	unsigned int length;
	unsigned long pointer;		/* that a free pointer leads to; 0: to nothing sensible */
	const char *alloc, *free;	/* functions: who did it to the victim; NULL: nobody */
	unsigned long allocated;	/* objects of the cache that are in use */
};

/* hf_faults.c */
const struct hf_fault *hf_find(const char *name);

/* hf_case.c: a cache with objects in it, all in use, and a victim among them. */
int hf_fill(struct hf_case *c);
void hf_free_victim(struct kmem_cache *cache, void *object);
void hf_free_peer(struct hf_case *c);
/* What a free pointer in @object looks like in memory when it leads to @target. */
unsigned long hf_encode(struct kmem_cache *cache, void *object, unsigned long target);
void hf_set_bytes(struct hf_case *c, u64 value, unsigned int length);
void hf_print(const struct hf_case *c);
void hf_write(struct hf_case *c);

#endif
