// SPDX-License-Identifier: GPL-2.0-only
/*
 * The faults. To add one: a row of hf_faults, and what is to be found in
 * tests/e2e/heap_suite.cc.
 */
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "hf.h"
#include "hf_slub.h"

#define HF_GARBAGE 0x4141414142424242ull
#define HF_LEAKED 10000
#define HF_KMALLOC_CACHE "kmalloc-512"
#define HF_KMALLOC_SIZE 512

static void hf_free(struct hf_case *c)
{
	hf_free_victim(c->cache, c->victim);
	c->free = "hf_free_victim";
	c->allocated--;
}

/* --- Nothing wrong ------------------------------------------------------------------------- */

/* As the others allocate and free. */
static int hf_prepare_none(struct hf_case *c)
{
	int err = hf_fill(c);

	if (err)
		return err;
	hf_free_peer(c);
	hf_free(c);
	return 0;
}

static noinline void *hf_alloc_leaked(struct kmem_cache *cache)
{
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	barrier();
	return object;
}

static int hf_prepare_leak(struct hf_case *c)
{
	c->cache = kmem_cache_create_usercopy(c->name, c->fault->size, 0, 0, 0, c->fault->size,
					      NULL);
	if (!c->cache)
		return -ENOMEM;
	for (c->allocated = 0; c->allocated < HF_LEAKED; c->allocated++) {
		c->victim = hf_alloc_leaked(c->cache);
		if (!c->victim)
			return -ENOMEM;
	}
	c->alloc = "hf_alloc_leaked";
	return 0;
}

/* A hardened kernel warns, and frees it to where it belongs. */
static int hf_prepare_cross_cache(struct hf_case *c)
{
	int err = hf_fill(c);

	if (err)
		return err;
	c->other = kmem_cache_create_usercopy("heap_other", c->fault->size, 0, 0, 0,
					      c->fault->size, NULL);
	if (!c->other)
		return -ENOMEM;
	c->free = "hf_free_victim";
	c->allocated--;
	return 0;
}

static void hf_act_cross_cache(struct hf_case *c)
{
	hf_free_victim(c->other, c->victim);
}

/* --- Free pointers and freelists ----------------------------------------------------------- */

/* The victim's free pointer leads to the peer. */
static int hf_prepare_list(struct hf_case *c)
{
	int err = hf_fill(c);

	if (err)
		return err;
	hf_free_peer(c);
	hf_free(c);
	c->offset = c->cache->offset;
	return 0;
}

static int hf_prepare_garbage(struct hf_case *c)
{
	int err = hf_prepare_list(c);

	hf_set_bytes(c, HF_GARBAGE, sizeof(u64));
	return err;
}

static int hf_prepare_pointer(struct hf_case *c, unsigned long target)
{
	c->pointer = target;
	hf_set_bytes(c, hf_encode(c->cache, c->victim, target), sizeof(u64));
	return 0;
}

/* On its node's list of partial slabs, not its CPU's. */
static int hf_prepare_foreign(struct hf_case *c)
{
	int err = hf_prepare_list(c);

	if (err)
		return err;
	kmem_cache_shrink(c->cache);
	return hf_prepare_pointer(c, (unsigned long)c->objects);
}

static int hf_prepare_misaligned(struct hf_case *c)
{
	int err = hf_prepare_list(c);

	return err ? err : hf_prepare_pointer(c, (unsigned long)c->peer + 8);
}

/* Freeing it twice in a row would be noticed: the pointer is written by hand. */
static int hf_prepare_adjacent(struct hf_case *c)
{
	int err = hf_prepare_list(c);

	return err ? err : hf_prepare_pointer(c, (unsigned long)c->victim);
}

/* From the list's head: victim, peer, victim. */
static int hf_prepare_cycle(struct hf_case *c)
{
	int err = hf_prepare_list(c);

	if (err)
		return err;
	c->at = c->peer + c->cache->offset;
	c->pointer = (unsigned long)c->victim;
	hf_set_bytes(c, hf_encode(c->cache, c->peer, c->pointer), sizeof(u64));
	return 0;
}

/* Once with another between, which SLUB does not notice. */
static int hf_prepare_twice(struct hf_case *c)
{
	int err = hf_fill(c);

	c->free = "hf_free_victim";
	c->allocated--;
	return err;
}

static void hf_act_aba(struct hf_case *c)
{
	hf_free_victim(c->cache, c->victim);
	hf_free_peer(c);
	hf_free_victim(c->cache, c->victim);
}

static void hf_free_here(void *data)
{
	struct hf_case *c = data;

	hf_free_victim(c->cache, c->victim);
}

/* Here to the CPU's own freelist, there to the slab's. */
static void hf_act_two_cpus(struct hf_case *c)
{
	unsigned int other = cpumask_any_but(cpu_online_mask, smp_processor_id());

	hf_free_here(c);
	if (other < nr_cpu_ids)
		smp_call_function_single(other, hf_free_here, c, 1);
}

/* --- Bytes --------------------------------------------------------------------------------- */

static int hf_prepare_freed(struct hf_case *c)
{
	int err = hf_fill(c);

	if (!err)
		hf_free(c);
	return err;
}

static noinline void *hf_kmalloc_victim(size_t size)
{
	void *object = kmalloc(size, GFP_KERNEL);

	barrier();
	return object;
}

static noinline void hf_kfree_victim(void *object)
{
	kfree(object);
	barrier();
}

static int hf_prepare_kmalloc(struct hf_case *c)
{
	strscpy(c->name, HF_KMALLOC_CACHE, sizeof(c->name));
	c->victim = hf_kmalloc_victim(HF_KMALLOC_SIZE);
	if (!c->victim)
		return -ENOMEM;
	c->alloc = "hf_kmalloc_victim";
	c->free = "hf_kfree_victim";
	c->offset = c->fault->offset;
	hf_set_bytes(c, *(u64 *)c->fault->bytes, c->fault->length);
	return 0;
}

/* Others use the cache too: it is freed when they cannot any more. */
static void hf_plant_kmalloc(struct hf_case *c)
{
	hf_kfree_victim(c->victim);
	hf_write(c);
}

static int hf_prepare_behind(struct hf_case *c)
{
	int err = hf_fill(c);

	if (!err)
		c->offset = c->cache->object_size;
	return err;
}

static int hf_prepare_behind_freed(struct hf_case *c)
{
	int err = hf_prepare_behind(c);

	if (!err)
		hf_free(c);
	return err;
}

/* The last bytes before the next object's left red zone. */
static int hf_prepare_padding(struct hf_case *c)
{
	int err = hf_fill(c);

	if (!err)
		c->offset = (s64)c->cache->size - c->cache->red_left_pad - 4;
	return err;
}

/* Bytes behind the last object of the slab: the offset is the slab's. */
static int hf_prepare_slab_padding(struct hf_case *c)
{
	int err = hf_fill(c);
	struct page *page;
	unsigned long objects;

	if (err)
		return err;
	page = virt_to_head_page(c->victim);
	objects = (unsigned long)c->per_slab * c->cache->size;
	if (objects + c->length + 1 > page_size(page))
		return -ENOSPC;
	c->offset = objects + 1;
	c->at = page_address(page) + c->offset;
	return 0;
}

/* --- Pages --------------------------------------------------------------------------------- */

static int hf_prepare_page(struct hf_case *c)
{
	int err = hf_fill(c);

	if (!err)
		hf_free_peer(c);
	return err;
}

/* The last reference that the slab's page had. Linux 6.1 does not look at what it frees here. */
static void hf_plant_page(struct hf_case *c)
{
	put_page(virt_to_head_page(c->victim));
}

/* ------------------------------------------------------------------------------------------- */

static const struct hf_fault hf_faults[] = {
	{ .name = "none", .size = 256, .prepare = hf_prepare_none },
	{ .name = "leak", .size = 192, .prepare = hf_prepare_leak },
	{ .name = "cross-cache-free", .size = 256, .prepare = hf_prepare_cross_cache,
	  .act = hf_act_cross_cache },

	{ .name = "double-free-adjacent", .size = 256, .prepare = hf_prepare_adjacent },
	{ .name = "double-free-cycle", .size = 128, .place = HF_FULL,
	  .prepare = hf_prepare_cycle },
	{ .name = "double-free-aba", .size = 256, .prepare = hf_prepare_twice,
	  .act = hf_act_aba },
	{ .name = "double-free-two-cpus", .size = 64, .prepare = hf_prepare_twice,
	  .act = hf_act_two_cpus },
	{ .name = "pointer-garbage", .size = 256, .prepare = hf_prepare_garbage },
	{ .name = "pointer-foreign", .size = 32, .place = HF_FULL,
	  .prepare = hf_prepare_foreign },
	{ .name = "pointer-misaligned", .size = 1024, .place = HF_FULL,
	  .prepare = hf_prepare_misaligned },

	{ .name = "uaf-write-1", .size = 256, .bytes = { 0 }, .length = 1,
	  .prepare = hf_prepare_freed },
	{ .name = "uaf-write-4", .size = 1024, .place = HF_FULL, .offset = 0x2c8,
	  .bytes = { 0x06, 0x01 }, .length = 4, .prepare = hf_prepare_freed },
	/* To the last byte of the object, which has a poison of its own. */
	{ .name = "uaf-write-8", .size = 32, .offset = 24,
	  .bytes = { 1, 2, 3, 4, 5, 6, 7, 8 }, .length = 8, .prepare = hf_prepare_freed },
	/* Two of the bytes are what they were. */
	{ .name = "uaf-write-gap", .size = 192, .offset = 32,
	  .bytes = { 0x41, 0x6b, 0x6b, 0x42 }, .length = 4, .prepare = hf_prepare_freed },
	{ .name = "uaf-write-kmalloc", .size = HF_KMALLOC_SIZE, .offset = 40,
	  .bytes = { 0x07, 0x01 }, .length = 4, .prepare = hf_prepare_kmalloc,
	  .plant = hf_plant_kmalloc },
	{ .name = "red-zone-right", .size = 256, .bytes = { 0x41, 0x42, 0x43, 0x44 },
	  .length = 4, .prepare = hf_prepare_behind },
	{ .name = "red-zone-left", .size = 128, .offset = -4,
	  .bytes = { 0x45, 0x46, 0x47, 0x48 }, .length = 4, .prepare = hf_fill },
	{ .name = "red-zone-freed", .size = 64, .bytes = { 0x49 }, .length = 1,
	  .prepare = hf_prepare_behind_freed },
	{ .name = "full-slab", .size = 512, .place = HF_FULL, .bytes = { 0x4a, 0x4b },
	  .length = 2, .prepare = hf_prepare_behind },
	{ .name = "padding", .size = 256, .bytes = { 0x4c, 0x4d }, .length = 2,
	  .prepare = hf_prepare_padding },
	{ .name = "slab-padding", .size = 256, .bytes = { 0x4e, 0x4f }, .length = 2,
	  .prepare = hf_prepare_slab_padding },

	{ .name = "freed-page", .size = 1024, .place = HF_FULL, .prepare = hf_prepare_page,
	  .plant = hf_plant_page },
};

const struct hf_fault *hf_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hf_faults); i++) {
		if (!strcmp(hf_faults[i].name, name))
			return &hf_faults[i];
	}
	return NULL;
}
