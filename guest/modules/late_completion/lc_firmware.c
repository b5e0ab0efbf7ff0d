// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware's side: takes a command, serves it a little later, and reports on it.
 */
#include <linux/build_bug.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <scsi/scsi_cmnd.h>

#include "lc.h"

static_assert(offsetof(struct lc_command, owner) == LC_OWNER_OFFSET);
static_assert(sizeof(struct lc_command) <= LC_COMMAND_SIZE);

/*
 * The report of a command's owner, at whatever lies behind the pointer by now. Kept
 * out of line: it is the function that KASAN has to name.
 */
static noinline void late_write(struct lc_command *command)
{
	WRITE_ONCE(command->owner, lc_late_value);
}

static void lc_notice_put(struct lc_host *host, struct lc_notice *notice)
{
	unsigned long flags;

	spin_lock_irqsave(&host->lock, flags);
	list_add_tail(&notice->link, &host->notices);
	spin_unlock_irqrestore(&host->lock, flags);
}

/* Takes a free notice if the firmware is busy enough to be late, and sets its timer. */
static struct lc_notice *lc_notice_arm(struct lc_host *host, struct lc_command *command)
{
	struct lc_notice *notice = NULL;
	unsigned long flags;

	spin_lock_irqsave(&host->lock, flags);
	if (host->busy >= lc_late_depth)
		notice = list_first_entry_or_null(&host->notices, struct lc_notice, link);
	if (notice)
		list_del_init(&notice->link);
	spin_unlock_irqrestore(&host->lock, flags);

	if (notice) {
		notice->command = command;
		mod_timer(&notice->timer, jiffies + msecs_to_jiffies(lc_late_ms));
	}
	return notice;
}

static void lc_notice_expired(struct timer_list *timer)
{
	struct lc_notice *notice = container_of(timer, struct lc_notice, timer);

	late_write(notice->command);
	/* Where notices are cancelled, the command gives its own back. */
	if (lc_late_write)
		lc_notice_put(notice->host, notice);
}

/* Gives the command back to the SCSI layer and its context to the allocator. */
static void lc_complete(struct lc_command *command)
{
	struct lc_host *host = command->host;
	struct scsi_cmnd *scmd = command->scmd;
	unsigned long flags;

	/* The fix: nobody may know this command when its memory goes. */
	if (command->notice && !lc_late_write) {
		timer_delete_sync(&command->notice->timer);
		lc_notice_put(host, command->notice);
	}

	spin_lock_irqsave(&host->lock, flags);
	list_del_init(&command->link);
	host->busy--;
	spin_unlock_irqrestore(&host->lock, flags);

	command->owner = LC_OWNER_MIDLEVEL;
	kfree(command);
	scsi_done(scmd);
}

static void lc_service(struct work_struct *work)
{
	struct lc_command *command = container_of(to_delayed_work(work), struct lc_command, service);

	lc_disk_serve(command);
	command->complete(command);
}

/* The scatter map: physical addresses and lengths, the last one marked. */
static void lc_map(struct lc_command *command)
{
	struct scatterlist *sg;
	int i;

	scsi_for_each_sg(command->scmd, sg, scsi_sg_count(command->scmd), i) {
		command->segment[i].address = sg_phys(sg);
		command->segment[i].length = sg->length;
		command->segment[i].flags = sg_is_last(sg) ? LC_SEGMENT_LAST : 0;
	}
	command->segments = i;
}

int lc_firmware_submit(struct lc_host *host, struct scsi_cmnd *scmd)
{
	struct lc_command *command;
	unsigned long flags;

	command = kmalloc(LC_COMMAND_SIZE, GFP_ATOMIC);
	if (!command)
		return SCSI_MLQUEUE_HOST_BUSY;

	memcpy(command->cdb, scmd->cmnd, sizeof(command->cdb));
	command->status = 0;
	command->transferred = 0;
	command->owner = LC_OWNER_LOWLEVEL;
	command->queued_ns = ktime_get_ns();
	command->lba = 0;
	command->blocks = 0;
	command->tag = scsi_cmd_to_rq(scmd)->tag;
	command->scmd = scmd;
	command->host = host;
	command->complete = lc_complete;
	INIT_DELAYED_WORK(&command->service, lc_service);
	lc_map(command);

	spin_lock_irqsave(&host->lock, flags);
	command->sequence = host->sequence++;
	list_add_tail(&command->link, &host->active);
	host->busy++;
	spin_unlock_irqrestore(&host->lock, flags);

	command->owner = LC_OWNER_FIRMWARE;
	command->notice = lc_notice_arm(host, command);
	queue_delayed_work(host->firmware, &command->service, msecs_to_jiffies(lc_service_ms));
	return 0;
}

int lc_firmware_start(struct lc_host *host)
{
	int i;

	spin_lock_init(&host->lock);
	INIT_LIST_HEAD(&host->active);
	INIT_LIST_HEAD(&host->notices);
	for (i = 0; i < LC_NOTICES; i++) {
		host->notice[i].host = host;
		timer_setup(&host->notice[i].timer, lc_notice_expired, 0);
		list_add_tail(&host->notice[i].link, &host->notices);
	}
	host->firmware = alloc_workqueue("late_completion", WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	return host->firmware ? 0 : -ENOMEM;
}

/* After the last command: no timer may outlive the host that it lies in. */
void lc_firmware_stop(struct lc_host *host)
{
	int i;

	destroy_workqueue(host->firmware);
	for (i = 0; i < LC_NOTICES; i++)
		timer_delete_sync(&host->notice[i].timer);
}
