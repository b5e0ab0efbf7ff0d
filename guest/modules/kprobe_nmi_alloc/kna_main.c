// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: its parameters, and the probe on the reads of the page cache.
 */
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "kna.h"

static bool random_freelist;
module_param(random_freelist, bool, 0444);
MODULE_PARM_DESC(random_freelist, "leave the cache's freelists shuffled, as the kernel makes them (default 0)");

static unsigned int cold_ms = 100;
module_param(cold_ms, uint, 0444);
MODULE_PARM_DESC(cold_ms, "time after which an area that nobody reads is forgotten (default 100)");

/*
 * copy_page_to_iter(page, offset, bytes, iter): the page's area is being read. One instruction has
 * been executed, a push: the arguments are still where they were.
 */
static void kna_post_handler(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
	struct page *page = (struct page *)regs_get_kernel_argument(regs, 0);
	unsigned long offset = regs_get_kernel_argument(regs, 1);
	struct address_space *mapping = READ_ONCE(page->mapping);

	/* Of a pipe, or of anonymous memory. */
	if (!mapping || ((unsigned long)mapping & PAGE_MAPPING_FLAGS))
		return;
	kna_area_read(mapping, page->index + (offset >> PAGE_SHIFT));
}

/*
 * The kernel's lib/ is built without calls to ftrace, which would serve a probe on a function's
 * entry, and a probe with a post-handler is not made a jump: this one is an int3.
 */
static struct kprobe kna_read_probe = {
	.symbol_name	= "copy_page_to_iter",
	.post_handler	= kna_post_handler,
};

static int __init kna_init(void)
{
	int ret = kna_areas_start(cold_ms, random_freelist);

	if (ret)
		return ret;
	ret = register_kprobe(&kna_read_probe);
	if (ret)
		kna_areas_stop();
	return ret;
}

static void __exit kna_exit(void)
{
	unregister_kprobe(&kna_read_probe);
	kna_areas_stop();
}

module_init(kna_init);
module_exit(kna_exit);

MODULE_DESCRIPTION("Counts reads of files in a kprobe, with memory allocated there");
MODULE_LICENSE("GPL");
