// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ends, each in a context of its own.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "truth.h"

#define TRUTH_FRAME 512

static void truth_end_panic(void)
{
	panic("truth: as asked");
}

/* In the interrupt that another CPU sends. */
static void truth_in_irq(void *unused)
{
	WARN(1, "truth: a warning in an interrupt\n");
}

static void truth_end_irq_warn(void)
{
	unsigned int cpu = get_cpu();

	smp_call_function_single(cpumask_any_but(cpu_online_mask, cpu), truth_in_irq, NULL, 1);
	put_cpu();
}

static void truth_in_softirq(struct tasklet_struct *unused)
{
	BUG();
}

static void truth_end_softirq_bug(void)
{
	static DECLARE_TASKLET(tasklet, truth_in_softirq);

	tasklet_schedule(&tasklet);
	msleep(1000);
}

static noinline notrace void truth_probed(void)
{
	barrier();
}

static noinline void truth_fault(void)
{
	WRITE_ONCE(*(int *)8, 1);
}

static bool truth_faults;

/* On x86_64 the breakpoint's handler counts as NMI context. */
static int truth_pre_handler(struct kprobe *probe, struct pt_regs *regs)
{
	if (truth_faults)
		truth_fault();
	else
		WARN(1, "truth: a warning in a kprobe\n");
	return 0;
}

/* With a handler after the instruction the breakpoint is not optimised into a jump. */
static void truth_post_handler(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static void truth_end_kprobe(bool faults)
{
	static struct kprobe probe = {
		.addr = (kprobe_opcode_t *)truth_probed,
		.pre_handler = truth_pre_handler,
		.post_handler = truth_post_handler,
	};

	truth_faults = faults;
	if (register_kprobe(&probe) == 0)
		truth_probed();
}

static void truth_end_nmi_warn(void)
{
	truth_end_kprobe(false);
}

static void truth_end_nested(void)
{
	truth_end_kprobe(true);
}

/* Deeper with each call until the stack's guard page is hit. */
static noinline int truth_recurse(int depth)
{
	volatile char frame[TRUTH_FRAME];

	frame[depth % TRUTH_FRAME] = depth;
	return truth_recurse(depth + 1) + frame[depth % TRUTH_FRAME];
}

static void truth_end_overflow(void)
{
	truth_recurse(0);
}

static const struct {
	const char *name;
	void (*end)(void);
} truth_ends[] = {
	{ "panic", truth_end_panic },
	{ "irq_warn", truth_end_irq_warn },
	{ "softirq_bug", truth_end_softirq_bug },
	{ "nmi_warn", truth_end_nmi_warn },
	{ "nested", truth_end_nested },
	{ "overflow", truth_end_overflow },
};

int truth_crash(const char *how)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(truth_ends); i++) {
		if (strcmp(truth_ends[i].name, how))
			continue;
		truth_ends[i].end();
		return 0;
	}
	return -EINVAL;
}
