// SPDX-License-Identifier: GPL-2.0-only
/*
 * A monitor of deleted files that gives inodes back a second time.
 *
 * A desktop (Linux 4.19, arm64, 16 GB, no swap, memory almost gone) died in
 * kmem_cache_free() below ext4_i_callback(), called by RCU in softirq: the page of
 * the inode belonged to no slab cache any more. While files were deleted somebody
 * had freed an ext4_inode_info twice, and memory was so short that its page was
 * given back in between. Security modules that watch files were loaded.
 *
 * This one watches what ext4 deletes. It finds inodes by a probe in the VFS's RCU
 * callback, keeps each until its event was read from /proc/inode_watch, and then
 * frees it by RCU. When memory is short its shrinker frees the kept inodes early.
 * stale_inode=0 takes them off their events then; stale_inode=1 does not. That is
 * all that is wrong with it: what has become of the page is up to the kernel.
 */
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

static bool stale_inode;
module_param(stale_inode, bool, 0444);
MODULE_PARM_DESC(stale_inode, "leave events a pointer to inodes given back early (default 0)");

/* A file was deleted. */
struct iw_event {
	struct list_head unread;
	struct list_head kept;		/* empty: the inode was given back */
	struct inode *inode;		/* NULL: likewise */
	unsigned long ino;
	struct rcu_head rcu;
};

static DEFINE_SPINLOCK(iw_lock);	/* the lists and their events; taken in softirq */
static LIST_HEAD(iw_unread);
static LIST_HEAD(iw_kept);
static unsigned long iw_kept_count;
static struct proc_dir_entry *iw_proc;

/* ext4's own way to free an inode. */
static void (*iw_free_inode)(struct inode *inode);

/* --- Deletions ----------------------------------------------------------------------------- */

/* In place of ext4's ->free_inode(), when a grace period has passed. */
static void iw_deleted(struct inode *inode)
{
	struct iw_event *event = kmalloc(sizeof(*event), GFP_ATOMIC | __GFP_NOWARN);

	if (!event) {
		iw_free_inode(inode);
		return;
	}
	event->inode = inode;
	event->ino = inode->i_ino;
	spin_lock(&iw_lock);
	list_add_tail(&event->unread, &iw_unread);
	list_add_tail(&event->kept, &iw_kept);
	iw_kept_count++;
	spin_unlock(&iw_lock);
}

/* i_callback() is about to have an inode freed: by us, if a file of ext4's was deleted. */
static int iw_before_i_callback(struct kprobe *probe, struct pt_regs *regs)
{
	struct rcu_head *head = (struct rcu_head *)regs_get_kernel_argument(regs, 0);
	struct inode *inode = container_of(head, struct inode, i_rcu);

	if (inode->free_inode == iw_free_inode && !inode->i_nlink)
		inode->free_inode = iw_deleted;
	return 0;
}

static struct kprobe iw_probe = {
	.symbol_name	= "i_callback",
	.pre_handler	= iw_before_i_callback,
};

/* --- Events that were read ----------------------------------------------------------------- */

static void iw_event_free(struct rcu_head *rcu)
{
	struct iw_event *event = container_of(rcu, struct iw_event, rcu);

	if (event->inode)
		iw_free_inode(event->inode);
	kfree(event);
}

/* The oldest event, as a line. The end of the file when there is none. */
static ssize_t iw_read(struct file *file, char __user *buffer, size_t size, loff_t *pos)
{
	struct iw_event *event;
	char line[32];
	ssize_t length;

	spin_lock_bh(&iw_lock);
	event = list_first_entry_or_null(&iw_unread, struct iw_event, unread);
	if (event) {
		list_del(&event->unread);
		if (!list_empty(&event->kept)) {
			list_del_init(&event->kept);
			iw_kept_count--;
		}
	}
	spin_unlock_bh(&iw_lock);
	if (!event)
		return 0;

	length = scnprintf(line, sizeof(line), "deleted %lu\n", event->ino);
	length = min_t(ssize_t, length, size);
	if (copy_to_user(buffer, line, length))
		length = -EFAULT;
	call_rcu(&event->rcu, iw_event_free);
	return length;
}

static const struct proc_ops iw_proc_ops = {
	.proc_read	= iw_read,
	.proc_lseek	= noop_llseek,
};

/* --- When memory is short ------------------------------------------------------------------ */

static unsigned long iw_count(struct shrinker *shrinker, struct shrink_control *control)
{
	return READ_ONCE(iw_kept_count) ?: SHRINK_EMPTY;
}

/* Takes the oldest of the kept inodes from its event. */
static struct inode *iw_take_oldest(void)
{
	struct inode *inode = NULL;
	struct iw_event *event;

	spin_lock_bh(&iw_lock);
	event = list_first_entry_or_null(&iw_kept, struct iw_event, kept);
	if (event) {
		list_del_init(&event->kept);
		iw_kept_count--;
		inode = event->inode;
		/* The fix: whoever reads the event must not find an inode that is gone. */
		if (!stale_inode)
			event->inode = NULL;
	}
	spin_unlock_bh(&iw_lock);
	return inode;
}

/* What is kept here has seen its grace period. */
static unsigned long iw_scan(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long freed = 0;
	struct inode *inode;

	while (freed < control->nr_to_scan && (inode = iw_take_oldest())) {
		iw_free_inode(inode);
		freed++;
	}
	return freed ?: SHRINK_STOP;
}

/* Kept inodes cost nothing to do without: no seeks, and no large batches to wait for. */
static struct shrinker iw_shrinker = {
	.count_objects	= iw_count,
	.scan_objects	= iw_scan,
	.seeks		= 0,
	.batch		= 16,
};

/* ------------------------------------------------------------------------------------------- */

/* ext4 exports nothing: a probe, set for a moment, tells where its function is. */
static int iw_find_free_inode(void)
{
	struct kprobe probe = { .symbol_name = "ext4_free_in_core_inode" };
	int err = register_kprobe(&probe);

	if (err)
		return err;
	iw_free_inode = (void *)probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

static int __init iw_init(void)
{
	int err = iw_find_free_inode();

	if (err)
		return err;
	iw_proc = proc_create("inode_watch", 0400, NULL, &iw_proc_ops);
	if (!iw_proc)
		return -ENOMEM;
	err = register_shrinker(&iw_shrinker, "inode_watch");
	if (err)
		goto remove_proc;
	err = register_kprobe(&iw_probe);
	if (err)
		goto unregister_shrinker;
	return 0;

unregister_shrinker:
	unregister_shrinker(&iw_shrinker);
remove_proc:
	proc_remove(iw_proc);
	return err;
}

/* Without a way out: callbacks that lead here may be anywhere in RCU's lists. */
module_init(iw_init);

MODULE_SOFTDEP("pre: ext4");
MODULE_DESCRIPTION("Watches the files that ext4 deletes, and may free their inodes twice");
MODULE_LICENSE("GPL");
