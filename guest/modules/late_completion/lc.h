/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A RAID driver that writes into commands it has already given back.
 *
 * Servers with an aacraid controller died in the network stack: skb_release_data()
 * followed a frag_list of 0x106. The address lay 0x2c8 into a kmalloc-1024 object
 * that had been a SCSI command before it became the head of a packet, and 0x106 is
 * AAC_OWNER_FIRMWARE: the driver had kept a pointer to a finished command and
 * marked, late, who owned it. A newer driver ended the crashes.
 *
 * This driver does the same on a disk in memory. Every command gets a context of
 * 1024 bytes whose owner field lies at 0x2c8. The "firmware" serves the command
 * from a workqueue and, when it is busy, posts a notice about it some time later.
 * late_write=0 cancels the notice before the context is freed; late_write=1 does
 * not. That is all that is wrong with it: who gets the freed memory next is up to
 * the kernel.
 */
#ifndef LATE_COMPLETION_LC_H
#define LATE_COMPLETION_LC_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct scsi_cmnd;
struct Scsi_Host;
struct platform_device;
struct lc_host;
struct lc_notice;

#define LC_COMMAND_SIZE		1024
#define LC_OWNER_OFFSET		0x2c8
#define LC_SECTOR_SIZE		512
#define LC_CDB_SIZE		32
#define LC_MAX_SEGMENTS		42
#define LC_QUEUE_DEPTH		64
#define LC_NOTICES		256

/* The values of aacraid. */
enum lc_owner {
	LC_OWNER_MIDLEVEL	= 0x101,
	LC_OWNER_LOWLEVEL	= 0x102,
	LC_OWNER_ERROR_HANDLER	= 0x103,
	LC_OWNER_FIRMWARE	= 0x106,
};

/* One entry of the scatter map as the firmware is given it. */
struct lc_segment {
	u64 address;		/* physical */
	u32 length;
	u32 flags;
};

#define LC_SEGMENT_LAST		0x80000000

/*
 * The context of one command, from queuecommand to completion. Whoever gets the
 * memory next writes from its start, and a packet up to 0x2f0 (the frags[] of its
 * skb_shared_info follow): what tells whose it was comes last and survives.
 */
struct lc_command {
	u8 cdb[LC_CDB_SIZE];
	struct lc_segment segment[LC_MAX_SEGMENTS];
	u32 status;
	u32 transferred;
	u32 owner;				/* enum lc_owner, at LC_OWNER_OFFSET */
	u32 sequence;
	u64 queued_ns;
	u64 lba;
	u32 blocks;
	u32 segments;
	u64 tag;

	struct list_head link;			/* lc_host.active */
	struct scsi_cmnd *scmd;
	struct lc_host *host;
	struct lc_notice *notice;
	void (*complete)(struct lc_command *command);
	struct delayed_work service;
};

/* What the firmware remembers of a command that it will report on later. */
struct lc_notice {
	struct list_head link;			/* lc_host.notices */
	struct timer_list timer;
	struct lc_command *command;
	struct lc_host *host;
};

struct lc_host {
	struct Scsi_Host *shost;
	struct platform_device *pdev;
	struct workqueue_struct *firmware;
	u8 *disk;
	u64 sectors;

	spinlock_t lock;			/* of all below */
	struct list_head active;
	struct list_head notices;		/* the free ones */
	unsigned int busy;
	u32 sequence;
	struct lc_notice notice[LC_NOTICES];
};

/* lc_main.c: parameters */
extern bool lc_late_write;
extern unsigned int lc_late_value;
extern unsigned int lc_late_ms;
extern unsigned int lc_late_depth;
extern unsigned int lc_service_ms;

/* lc_firmware.c */
int lc_firmware_start(struct lc_host *host);
void lc_firmware_stop(struct lc_host *host);
int lc_firmware_submit(struct lc_host *host, struct scsi_cmnd *scmd);

/* lc_disk.c: serves the command and sets the result of its scsi_cmnd */
void lc_disk_serve(struct lc_command *command);

#endif
