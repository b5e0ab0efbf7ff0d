// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the analyzer is held against: a task asleep at a known depth of calls, per-CPU counters with
 * known values, a known text at a known address. It prints what it did, and ends the kernel in a
 * chosen context when 1 is written to its parameter "go".
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "truth.h"

#define TRUTH_TEXT "crashrig: a known text at a known address"

static char *crash = "panic";
module_param(crash, charp, 0444);
MODULE_PARM_DESC(crash, "how to end: panic, irq_warn, softirq_bug, nmi_warn, nested, overflow");

static DEFINE_PER_CPU(u64, truth_static_counter);
static u64 __percpu *truth_counter;
static char *truth_text;
static struct task_struct *truth_sleeper;
static DECLARE_WAIT_QUEUE_HEAD(truth_queue);
static bool truth_awake;

/* The barriers keep the calls from becoming jumps. */
static noinline void truth_sleep_inner(void)
{
	wait_event_interruptible(truth_queue, truth_awake);
	barrier();
}

static noinline void truth_sleep_middle(void)
{
	truth_sleep_inner();
	barrier();
}

static noinline int truth_sleep_outer(void *unused)
{
	truth_sleep_middle();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int truth_go(const char *value, const struct kernel_param *param)
{
	return truth_crash(crash);
}

static const struct kernel_param_ops truth_go_ops = { .set = truth_go };
module_param_cb(go, &truth_go_ops, NULL, 0200);
MODULE_PARM_DESC(go, "write anything: ends the kernel as the parameter crash says");

static void truth_count(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		*per_cpu_ptr(truth_counter, cpu) = 1000 + cpu;
		per_cpu(truth_static_counter, cpu) = 2000 + cpu;
	}
}

static int __init truth_init(void)
{
	int err = -ENOMEM;

	truth_counter = alloc_percpu(u64);
	if (!truth_counter)
		return err;
	truth_text = kstrdup(TRUTH_TEXT, GFP_KERNEL);
	if (!truth_text)
		goto free_counter;
	truth_count();
	truth_sleeper = kthread_run(truth_sleep_outer, NULL, "truth_sleeper");
	if (IS_ERR(truth_sleeper)) {
		err = PTR_ERR(truth_sleeper);
		goto free_text;
	}
	pr_info("truth: counter=0x%lx text=0x%lx sleeper=%d\n", (unsigned long)truth_counter,
		(unsigned long)truth_text, truth_sleeper->pid);
	return 0;

free_text:
	kfree(truth_text);
free_counter:
	free_percpu(truth_counter);
	return err;
}

static void __exit truth_exit(void)
{
	truth_awake = true;
	wake_up(&truth_queue);
	kthread_stop(truth_sleeper);
	kfree(truth_text);
	free_percpu(truth_counter);
}

module_init(truth_init);
module_exit(truth_exit);

MODULE_DESCRIPTION("Makes facts true that the analyzer has to find again");
MODULE_LICENSE("GPL");
