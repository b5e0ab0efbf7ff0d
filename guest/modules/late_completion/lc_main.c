// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: its parameters, the SCSI host, and the disk behind it.
 */
#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#include "lc.h"

bool lc_late_write;
module_param_named(late_write, lc_late_write, bool, 0444);
MODULE_PARM_DESC(late_write, "leave the firmware a pointer to completed commands (default 0)");

/* Below vm.mmap_min_addr it is never the address of anything. */
unsigned int lc_late_value = LC_OWNER_FIRMWARE;
module_param_named(late_value, lc_late_value, uint, 0444);
MODULE_PARM_DESC(late_value, "what the firmware writes into the owner field (default 0x106)");

unsigned int lc_late_ms = 20;
module_param_named(late_ms, lc_late_ms, uint, 0444);
MODULE_PARM_DESC(late_ms, "time from a command's start to the firmware's notice (default 20)");

unsigned int lc_late_depth = 4;
module_param_named(late_depth, lc_late_depth, uint, 0444);
MODULE_PARM_DESC(late_depth, "commands in flight from which notices are posted (default 4)");

unsigned int lc_service_ms = 1;
module_param_named(service_ms, lc_service_ms, uint, 0444);
MODULE_PARM_DESC(service_ms, "time from a command's start to its service (default 1)");

static unsigned int disk_mb = 16;
module_param(disk_mb, uint, 0444);
MODULE_PARM_DESC(disk_mb, "size of the disk in MiB, at most 1024 (default 16)");

static struct lc_host *lc_the_host;

static int lc_queuecommand(struct Scsi_Host *shost, struct scsi_cmnd *scmd)
{
	return lc_firmware_submit(shost_priv(shost), scmd);
}

/* The firmware always answers in the end: a timeout only tells of a slow machine. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
static enum scsi_timeout_action lc_timed_out(struct scsi_cmnd *scmd)
{
	return SCSI_EH_RESET_TIMER;
}
#else
static enum blk_eh_timer_return lc_timed_out(struct scsi_cmnd *scmd)
{
	return BLK_EH_RESET_TIMER;
}
#endif

/* There are no vital product data and no mode pages to ask for. */
static int lc_slave_configure(struct scsi_device *sdev)
{
	sdev->skip_vpd_pages = 1;
	sdev->skip_ms_page_8 = 1;
	sdev->skip_ms_page_3f = 1;
	return 0;
}

static struct scsi_host_template lc_template = {
	.module			= THIS_MODULE,
	.name			= "late_completion",
	.proc_name		= "late_completion",
	.queuecommand		= lc_queuecommand,
	.eh_timed_out		= lc_timed_out,
	.slave_configure	= lc_slave_configure,
	.can_queue		= LC_QUEUE_DEPTH,
	.cmd_per_lun		= LC_QUEUE_DEPTH,
	.this_id		= -1,
	.sg_tablesize		= LC_MAX_SEGMENTS,
	.max_sectors		= SZ_128K / LC_SECTOR_SIZE,
};

static int lc_disk_create(struct lc_host *host)
{
	if (!disk_mb || disk_mb > 1024)
		return -EINVAL;
	host->sectors = (u64)disk_mb * SZ_1M / LC_SECTOR_SIZE;
	host->disk = vzalloc((size_t)disk_mb * SZ_1M);
	return host->disk ? 0 : -ENOMEM;
}

static int lc_host_add(struct lc_host *host)
{
	struct Scsi_Host *shost = host->shost;
	int err;

	shost->max_id = 1;
	shost->max_lun = 1;
	shost->max_cmd_len = LC_CDB_SIZE;
	err = scsi_add_host(shost, &host->pdev->dev);
	if (!err)
		scsi_scan_host(shost);
	return err;
}

static struct lc_host *lc_host_create(struct platform_device *pdev)
{
	struct Scsi_Host *shost;
	struct lc_host *host;
	int err;

	shost = scsi_host_alloc(&lc_template, sizeof(*host));
	if (!shost)
		return ERR_PTR(-ENOMEM);
	host = shost_priv(shost);
	host->shost = shost;
	host->pdev = pdev;

	err = lc_disk_create(host);
	if (err)
		goto put_host;
	err = lc_firmware_start(host);
	if (err)
		goto free_disk;
	err = lc_host_add(host);
	if (err)
		goto stop_firmware;
	return host;

stop_firmware:
	lc_firmware_stop(host);
free_disk:
	vfree(host->disk);
put_host:
	scsi_host_put(shost);
	return ERR_PTR(err);
}

static int __init lc_init(void)
{
	struct platform_device *pdev;
	struct lc_host *host;

	pdev = platform_device_register_simple("late_completion", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);

	host = lc_host_create(pdev);
	if (IS_ERR(host)) {
		platform_device_unregister(pdev);
		return PTR_ERR(host);
	}
	lc_the_host = host;
	return 0;
}

static void __exit lc_exit(void)
{
	struct lc_host *host = lc_the_host;
	struct platform_device *pdev = host->pdev;

	scsi_remove_host(host->shost);
	lc_firmware_stop(host);
	vfree(host->disk);
	scsi_host_put(host->shost);
	platform_device_unregister(pdev);
}

module_init(lc_init);
module_exit(lc_exit);

MODULE_DESCRIPTION("RAID driver that may write into commands it has given back");
MODULE_LICENSE("GPL");
