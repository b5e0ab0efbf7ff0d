// SPDX-License-Identifier: GPL-2.0-only
/*
 * The areas of files that were read lately, and the work that forgets those that are cold.
 */
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "kna.h"

#define KNA_HASH_BITS	10

/* One area: whose it is, and when each of its pages was read. */
struct kna_area {
	struct hlist_node link;			/* kna_bucket.areas */
	const struct address_space *mapping;	/* only compared, it may be gone */
	pgoff_t first;
	unsigned long read_at;			/* jiffies of the last read */
	u8 next[KNA_AREA_PAGES];
	u64 read_ns[KNA_AREA_PAGES][KNA_HISTORY];
};

/* The lock is taken in the probe's handler: interrupts are off, and nothing probed is called. */
struct kna_bucket {
	raw_spinlock_t lock;
	struct hlist_head areas;
};

static struct kna_bucket kna_buckets[1 << KNA_HASH_BITS];
static struct kmem_cache *kna_cache;
static struct delayed_work kna_ageing;
static unsigned long kna_cold;			/* jiffies without a read */

static struct kna_bucket *kna_bucket_of(const struct address_space *mapping, pgoff_t first)
{
	return &kna_buckets[hash_64((u64)(uintptr_t)mapping + first, KNA_HASH_BITS)];
}

static struct kna_area *kna_area_find(struct kna_bucket *bucket,
				      const struct address_space *mapping, pgoff_t first)
{
	struct kna_area *area;

	hlist_for_each_entry(area, &bucket->areas, link)
		if (area->mapping == mapping && area->first == first)
			return area;
	return NULL;
}

/* Notes a read in the area that is known; false: there is none. */
static bool kna_area_note(struct kna_bucket *bucket, const struct address_space *mapping,
			  pgoff_t first, unsigned int page)
{
	struct kna_area *area = kna_area_find(bucket, mapping, first);

	if (!area)
		return false;
	area->read_at = jiffies;
	area->read_ns[page][area->next[page]] = ktime_get_mono_fast_ns();
	area->next[page] = (area->next[page] + 1) % KNA_HISTORY;
	return true;
}

/*
 * In the probe's handler. An area that there is no memory for is not counted. No lock is held while
 * memory is allocated, as who waits for it cannot be stopped when the kernel panics there.
 */
void kna_area_read(const struct address_space *mapping, pgoff_t index)
{
	pgoff_t first = index & ~(pgoff_t)(KNA_AREA_PAGES - 1);
	struct kna_bucket *bucket = kna_bucket_of(mapping, first);
	struct kna_area *area;
	unsigned long flags;
	bool known;

	raw_spin_lock_irqsave(&bucket->lock, flags);
	known = kna_area_note(bucket, mapping, first, index - first);
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
	if (known)
		return;

	area = kmem_cache_zalloc(kna_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!area)
		return;
	area->mapping = mapping;
	area->first = first;

	raw_spin_lock_irqsave(&bucket->lock, flags);
	known = kna_area_find(bucket, mapping, first);
	if (!known)
		hlist_add_head(&area->link, &bucket->areas);
	kna_area_note(bucket, mapping, first, index - first);
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
	/* Another CPU was first. */
	if (known)
		kmem_cache_free(kna_cache, area);
}

/* Forgets the areas that were not read for so many jiffies. */
static void kna_forget(unsigned long cold)
{
	struct hlist_node *next;
	struct kna_area *area;
	unsigned long flags;
	HLIST_HEAD(gone);
	int i;

	for (i = 0; i < ARRAY_SIZE(kna_buckets); i++) {
		struct kna_bucket *bucket = &kna_buckets[i];

		raw_spin_lock_irqsave(&bucket->lock, flags);
		hlist_for_each_entry_safe(area, next, &bucket->areas, link) {
			if (time_before(jiffies, area->read_at + cold))
				continue;
			hlist_del(&area->link);
			hlist_add_head(&area->link, &gone);
		}
		raw_spin_unlock_irqrestore(&bucket->lock, flags);
	}
	hlist_for_each_entry_safe(area, next, &gone, link)
		kmem_cache_free(kna_cache, area);
}

static void kna_age(struct work_struct *work)
{
	kna_forget(kna_cold);
	schedule_delayed_work(&kna_ageing, kna_cold);
}

/*
 * The fix: without its random sequence the cache's freelists stay in the order of their
 * addresses. The kernel's own function for that is not exported; a probe knows where it is.
 */
static int kna_keep_freelist_order(void)
{
	struct kprobe destroy = { .symbol_name = "cache_random_seq_destroy" };
	void (*cache_random_seq_destroy)(struct kmem_cache *cache);
	int ret = register_kprobe(&destroy);

	if (ret)
		return ret;
	cache_random_seq_destroy = (void *)destroy.addr;
	unregister_kprobe(&destroy);
	cache_random_seq_destroy(kna_cache);
	return 0;
}

int kna_areas_start(unsigned int cold_ms, bool random_freelist)
{
	int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(kna_buckets); i++)
		raw_spin_lock_init(&kna_buckets[i].lock);
	kna_cache = kmem_cache_create("kna_area", sizeof(struct kna_area), 0, 0, NULL);
	if (!kna_cache)
		return -ENOMEM;
	ret = random_freelist ? 0 : kna_keep_freelist_order();
	if (ret) {
		kmem_cache_destroy(kna_cache);
		return ret;
	}
	kna_cold = max(msecs_to_jiffies(cold_ms), 1UL);
	INIT_DELAYED_WORK(&kna_ageing, kna_age);
	schedule_delayed_work(&kna_ageing, kna_cold);
	return 0;
}

/* After the last read was told. */
void kna_areas_stop(void)
{
	cancel_delayed_work_sync(&kna_ageing);
	kna_forget(0);
	kmem_cache_destroy(kna_cache);
}
