// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scanner for pages to migrate that takes every page's mapping for a file's.
 *
 * On the servers whose kmalloc-32 was corrupted KASAN found another culprit first:
 * isolate_migratepages_range() read 8 bytes at ffff880279cc76d1, behind an anon_vma.
 * The odd address tells why: page->mapping of an anonymous page is its anon_vma plus
 * 1, and the kernel looked for flags in it as in a struct address_space, which is
 * larger. Later kernels ask for the mapping where nobody else uses the pointer.
 *
 * This scanner goes over all of memory, some pages at a time, and counts those which
 * are worth moving: pages of files that have many. any_mapping=0 asks page_mapping(),
 * which knows that anonymous pages have none; any_mapping=1 takes page->mapping as it
 * is and reads nrpages, 33 bytes behind the anon_vma of whoever owns the page.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/workqueue.h>

#define MS_STEP_PAGES	65536
#define MS_STEP_MS	500
#define MS_MANY_PAGES	64

static bool any_mapping;
module_param(any_mapping, bool, 0444);
MODULE_PARM_DESC(any_mapping, "take page->mapping for a file's whatever it is (default 0)");

static unsigned long scanned;
module_param(scanned, ulong, 0444);
MODULE_PARM_DESC(scanned, "pages looked at so far");

static unsigned long candidates;
module_param(candidates, ulong, 0444);
MODULE_PARM_DESC(candidates, "of those, pages of files that have many");

static unsigned long next_pfn;

static struct address_space *ms_mapping(struct page *page)
{
	if (any_mapping)
		return page->mapping;
	return page_mapping(page);
}

/* The page is locked: its file does not lose it meanwhile. */
static bool ms_is_candidate(struct page *page)
{
	struct address_space *mapping = ms_mapping(page);

	return mapping && mapping->nrpages >= MS_MANY_PAGES;
}

static noinline void ms_isolate_range(unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page || PageCompound(page) || !PageLRU(page))
			continue;
		if (!get_page_unless_zero(page))
			continue;
		/* Only while it is on the list has mapping the meaning we know. */
		if (trylock_page(page)) {
			if (PageLRU(page) && ms_is_candidate(page))
				candidates++;
			unlock_page(page);
		}
		put_page(page);
		scanned++;
	}
}

static void ms_scan(struct work_struct *work);
static DECLARE_DELAYED_WORK(ms_work, ms_scan);

static void ms_scan(struct work_struct *work)
{
	unsigned long begin = node_start_pfn(first_online_node);
	unsigned long end = node_end_pfn(first_online_node);

	if (next_pfn < begin || next_pfn >= end)
		next_pfn = begin;
	ms_isolate_range(next_pfn, min(next_pfn + MS_STEP_PAGES, end));
	next_pfn += MS_STEP_PAGES;
	schedule_delayed_work(&ms_work, msecs_to_jiffies(MS_STEP_MS));
}

static int __init ms_init(void)
{
	schedule_delayed_work(&ms_work, msecs_to_jiffies(MS_STEP_MS));
	return 0;
}

static void __exit ms_exit(void)
{
	cancel_delayed_work_sync(&ms_work);
}

module_init(ms_init);
module_exit(ms_exit);

MODULE_DESCRIPTION("Scanner for pages to migrate that may read behind anon_vmas");
MODULE_LICENSE("GPL");
