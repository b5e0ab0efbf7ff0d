// SPDX-License-Identifier: GPL-2.0-only
/*
 * Caches, the objects in them, and the line that tells what was done to one.
 */
#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/swab.h>

#include "hf.h"
#include "hf_slub.h"

#define HF_FULL_SLABS 3
#define HF_OBJECTS_MASK 0xffff	/* kmem_cache_order_objects.x: objects per slab, below the order */

/* The barriers keep the calls from becoming jumps: the kernel notes who called it. */
static noinline void *hf_alloc_victim(struct kmem_cache *cache)
{
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	barrier();
	return object;
}

static noinline void *hf_alloc_other(struct kmem_cache *cache)
{
	void *object = kmem_cache_alloc(cache, GFP_KERNEL);

	barrier();
	return object;
}

noinline void hf_free_victim(struct kmem_cache *cache, void *object)
{
	kmem_cache_free(cache, object);
	barrier();
}

static noinline void hf_free_other(struct kmem_cache *cache, void *object)
{
	kmem_cache_free(cache, object);
	barrier();
}

void hf_free_peer(struct hf_case *c)
{
	hf_free_other(c->cache, c->peer);
	c->allocated--;
}

/*
 * Some slabs full and one half full, all from one CPU: with a fresh cache they are
 * filled one after the other.
 */
int hf_fill(struct hf_case *c)
{
	unsigned int victim, i;

	/* A cache with a region for user space is never merged with another. */
	c->cache = kmem_cache_create_usercopy(c->name, c->fault->size, 0, 0, 0, c->fault->size,
					      NULL);
	if (!c->cache)
		return -ENOMEM;
	c->per_slab = c->cache->oo.x & HF_OBJECTS_MASK;
	c->count = HF_FULL_SLABS * c->per_slab + c->per_slab / 2;
	c->objects = kcalloc(c->count, sizeof(*c->objects), GFP_KERNEL);
	if (!c->objects || c->per_slab < 4)
		return -ENOMEM;
	victim = c->fault->place == HF_ACTIVE ? c->count - 1 : c->per_slab + 1;
	for (i = 0; i < c->count; i++) {
		c->objects[i] = i == victim ? hf_alloc_victim(c->cache) : hf_alloc_other(c->cache);
		if (!c->objects[i])
			return -ENOMEM;
	}
	c->allocated = c->count;
	c->victim = c->objects[victim];
	c->peer = c->objects[victim - 1];
	c->alloc = "hf_alloc_victim";
	c->offset = c->fault->offset;
	c->length = c->fault->length;
	memcpy(c->bytes, c->fault->bytes, sizeof(c->bytes));
	/* Somebody else took memory for slabs, and made smaller ones. */
	if (virt_to_head_page(c->victim) != virt_to_head_page(c->peer))
		return -EAGAIN;
	return 0;
}

/* CONFIG_SLAB_FREELIST_HARDENED: mm/slub.c, freelist_ptr(). */
unsigned long hf_encode(struct kmem_cache *cache, void *object, unsigned long target)
{
#ifdef CONFIG_SLAB_FREELIST_HARDENED
	return target ^ cache->random ^ swab((unsigned long)object + cache->offset);
#else
	return target;
#endif
}

void hf_set_bytes(struct hf_case *c, u64 value, unsigned int length)
{
	memcpy(c->bytes, &value, sizeof(value));
	c->length = length;
}

static const char *hf_or_none(const char *text)
{
	return text ? text : "";
}

void hf_print(const struct hf_case *c)
{
	pr_info("heap_faults: {\"fault\":\"%s\",\"cache\":\"%s\",\"slab\":\"0x%lx\",\"object\":\"0x%lx\",\"peer\":\"0x%lx\",\"offset\":%lld,\"bytes\":\"%*ph\",\"pointer\":\"0x%lx\",\"alloc\":\"%s\",\"free\":\"%s\",\"pid\":%d,\"allocated\":%lu}\n",
		c->fault->name, c->name,
		c->victim ? (unsigned long)page_address(virt_to_head_page(c->victim)) : 0,
		(unsigned long)c->victim, (unsigned long)c->peer, c->offset, (int)c->length,
		c->bytes, c->pointer, hf_or_none(c->alloc), hf_or_none(c->free),
		task_pid_nr(current), c->allocated);
}

/* In one access, as a driver would. */
noinline void hf_write(struct hf_case *c)
{
	void *at = c->at ? c->at : c->victim + c->offset;
	unsigned int i;

	if (c->length == sizeof(u64)) {
		WRITE_ONCE(*(u64 *)at, *(u64 *)c->bytes);
		return;
	}
	if (c->length == sizeof(u32)) {
		WRITE_ONCE(*(u32 *)at, *(u32 *)c->bytes);
		return;
	}
	for (i = 0; i < c->length; i++)
		WRITE_ONCE(((u8 *)at)[i], c->bytes[i]);
}
