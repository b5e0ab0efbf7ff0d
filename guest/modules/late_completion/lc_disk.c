// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk: a SCSI direct-access device in memory.
 */
#include <asm/unaligned.h>
#include <linux/build_bug.h>
#include <linux/dma-direction.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <scsi/scsi.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_proto.h>

#include "lc.h"

#define LC_ASC_INVALID_OPCODE	0x20
#define LC_ASC_LBA_OUT_OF_RANGE	0x21
#define LC_ASC_INVALID_FIELD	0x24

/* The scatter map is followed by physical address: there is no high memory. */
static_assert(IS_ENABLED(CONFIG_64BIT));

static void lc_refuse(struct lc_command *command, u8 asc)
{
	scsi_build_sense(command->scmd, 0, ILLEGAL_REQUEST, asc, 0);
	command->status = command->scmd->result;
}

/* Moves up to @length bytes between @bytes and the command's scatter map. */
static void lc_transfer(struct lc_command *command, u8 *bytes, u64 length, bool to_disk)
{
	u32 done = 0;
	u32 i;

	for (i = 0; i < command->segments && done < length; i++) {
		void *memory = phys_to_virt(command->segment[i].address);
		u32 part = min_t(u64, command->segment[i].length, length - done);

		if (to_disk)
			memcpy(bytes + done, memory, part);
		else
			memcpy(memory, bytes + done, part);
		done += part;
	}
	command->transferred = done;
	scsi_set_resid(command->scmd, scsi_bufflen(command->scmd) - done);
}

static void lc_answer(struct lc_command *command, u8 *bytes, u32 length, u32 allocated)
{
	lc_transfer(command, bytes, min(length, allocated), false);
}

static void lc_read_write(struct lc_command *command)
{
	u64 sectors = command->host->sectors;

	if (command->lba > sectors || command->blocks > sectors - command->lba) {
		lc_refuse(command, LC_ASC_LBA_OUT_OF_RANGE);
		return;
	}
	lc_transfer(command, command->host->disk + command->lba * LC_SECTOR_SIZE,
		    (u64)command->blocks * LC_SECTOR_SIZE,
		    command->scmd->sc_data_direction == DMA_TO_DEVICE);
}

static void lc_read_write_10(struct lc_command *command)
{
	command->lba = get_unaligned_be32(command->cdb + 2);
	command->blocks = get_unaligned_be16(command->cdb + 7);
	lc_read_write(command);
}

static void lc_read_write_16(struct lc_command *command)
{
	command->lba = get_unaligned_be64(command->cdb + 2);
	command->blocks = get_unaligned_be32(command->cdb + 10);
	lc_read_write(command);
}

/* The medium is always there, always ready, and nothing is cached. */
static void lc_nothing_to_do(struct lc_command *command)
{
}

static void lc_inquiry(struct lc_command *command)
{
	u8 answer[36] = {
		[0] = TYPE_DISK,
		[2] = 5,		/* SPC-3 */
		[3] = 2,		/* response data format */
		[4] = sizeof(answer) - 5,
		[7] = 0x02,		/* command queueing */
	};

	if (command->cdb[1] & 1) {
		lc_refuse(command, LC_ASC_INVALID_FIELD);
		return;
	}
	memcpy(answer + 8, "CRASHRIG", 8);
	memcpy(answer + 16, "LATE COMPLETION ", 16);
	memcpy(answer + 32, "1.0 ", 4);
	lc_answer(command, answer, sizeof(answer), get_unaligned_be16(command->cdb + 3));
}

static void lc_read_capacity_10(struct lc_command *command)
{
	u8 answer[8];

	put_unaligned_be32(min_t(u64, command->host->sectors - 1, U32_MAX), answer);
	put_unaligned_be32(LC_SECTOR_SIZE, answer + 4);
	lc_answer(command, answer, sizeof(answer), sizeof(answer));
}

static void lc_read_capacity_16(struct lc_command *command)
{
	u8 answer[32] = { };

	if ((command->cdb[1] & 0x1f) != SAI_READ_CAPACITY_16) {
		lc_refuse(command, LC_ASC_INVALID_FIELD);
		return;
	}
	put_unaligned_be64(command->host->sectors - 1, answer);
	put_unaligned_be32(LC_SECTOR_SIZE, answer + 8);
	lc_answer(command, answer, sizeof(answer), get_unaligned_be32(command->cdb + 10));
}

/* Headers without pages: writable, no cache to speak of. */
static void lc_mode_sense_6(struct lc_command *command)
{
	u8 answer[4] = { [0] = sizeof(answer) - 1 };

	lc_answer(command, answer, sizeof(answer), command->cdb[4]);
}

static void lc_mode_sense_10(struct lc_command *command)
{
	u8 answer[8] = { [1] = sizeof(answer) - 2 };

	lc_answer(command, answer, sizeof(answer), get_unaligned_be16(command->cdb + 7));
}

static void lc_report_luns(struct lc_command *command)
{
	u8 answer[16] = { [3] = 8 };	/* one entry: LUN 0 */

	lc_answer(command, answer, sizeof(answer), get_unaligned_be32(command->cdb + 6));
}

static void lc_request_sense(struct lc_command *command)
{
	u8 answer[18] = { [0] = 0x70, [7] = 10 };

	lc_answer(command, answer, sizeof(answer), command->cdb[4]);
}

static const struct {
	u8 opcode;
	void (*serve)(struct lc_command *command);
} lc_operations[] = {
	{ READ_10,		lc_read_write_10 },
	{ WRITE_10,		lc_read_write_10 },
	{ READ_16,		lc_read_write_16 },
	{ WRITE_16,		lc_read_write_16 },
	{ INQUIRY,		lc_inquiry },
	{ READ_CAPACITY,	lc_read_capacity_10 },
	{ SERVICE_ACTION_IN_16,	lc_read_capacity_16 },
	{ MODE_SENSE,		lc_mode_sense_6 },
	{ MODE_SENSE_10,	lc_mode_sense_10 },
	{ REPORT_LUNS,		lc_report_luns },
	{ REQUEST_SENSE,	lc_request_sense },
	{ TEST_UNIT_READY,	lc_nothing_to_do },
	{ START_STOP,		lc_nothing_to_do },
	{ ALLOW_MEDIUM_REMOVAL,	lc_nothing_to_do },
	{ SYNCHRONIZE_CACHE,	lc_nothing_to_do },
	{ SYNCHRONIZE_CACHE_16,	lc_nothing_to_do },
};

void lc_disk_serve(struct lc_command *command)
{
	int i;

	command->scmd->result = SAM_STAT_GOOD;
	for (i = 0; i < ARRAY_SIZE(lc_operations); i++) {
		if (lc_operations[i].opcode == command->cdb[0]) {
			lc_operations[i].serve(command);
			return;
		}
	}
	lc_refuse(command, LC_ASC_INVALID_OPCODE);
}
