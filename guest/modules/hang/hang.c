// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the progress of a guest in the way that @how names, @after_ms after it was loaded. What a
 * load works on is the parameter "work": each read of it needs the first lock and a grace
 * period of RCU. With @fix=1 the same code does it right, and everything goes on.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/wait.h>

/* How long what is fixed keeps others waiting: no detector may call that a hang. */
#define HANG_SHORT_US 1000
#define HANG_CROSS_MS 100

static char *how = "irqs";
module_param(how, charp, 0444);
MODULE_PARM_DESC(how, "irqs, preempt, rcu, abba, dstate, panic");

static bool fix;
module_param(fix, bool, 0444);
MODULE_PARM_DESC(fix, "do it right");

static unsigned int after_ms = 1500;
module_param(after_ms, uint, 0444);
MODULE_PARM_DESC(after_ms, "from the loading of the module to the hang; 0: while it is loaded");

static DEFINE_MUTEX(hang_first);
static DEFINE_MUTEX(hang_second);
static DECLARE_WAIT_QUEUE_HEAD(hang_queue);
static bool hang_never;
static unsigned long hang_work;

/* The barriers keep calls from becoming jumps: each function is to stand in the back trace. */
static noinline void hang_spin(void)
{
	/* A frame of its own, though it calls nobody: for who is interrupted in it. */
	barrier_data(__builtin_frame_address(0));
	if (fix) {
		udelay(HANG_SHORT_US);
		return;
	}
	for (;;)
		cpu_relax();
}

static noinline void hang_irqs_off(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	hang_spin();
	local_irq_restore(flags);
}

static noinline void hang_preempt_off(unsigned int cpu)
{
	preempt_disable();
	hang_spin();
	preempt_enable();
}

/* On one CPU: the others wait for its quiescent state, and say so. */
static noinline void hang_rcu_reader(unsigned int cpu)
{
	if (cpu != 0)
		return;
	rcu_read_lock();
	hang_spin();
	rcu_read_unlock();
}

static atomic_t hang_crossing = ATOMIC_INIT(0);

/* Each of two takes its outer lock before either asks for its inner one. */
static noinline void hang_cross(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	atomic_inc(&hang_crossing);
	while (!fix && atomic_read(&hang_crossing) < 2)
		msleep(HANG_CROSS_MS);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
	barrier();
}

/* CPU 0's thread takes the locks in one order, all others in the other. */
static noinline void hang_abba(unsigned int cpu)
{
	const bool forth = fix || cpu == 0;

	hang_cross(forth ? &hang_first : &hang_second, forth ? &hang_second : &hang_first);
	barrier();
}

/* Waits for what nobody will ever do, holding what everybody needs. */
static noinline void hang_asleep(unsigned int cpu)
{
	if (cpu != 0)
		return;
	mutex_lock(&hang_first);
	if (!fix)
		wait_event(hang_queue, READ_ONCE(hang_never));
	mutex_unlock(&hang_first);
}

static noinline void hang_panic(unsigned int cpu)
{
	if (!fix)
		panic("hang: as asked");
}

static const struct {
	const char *name;
	void (*run)(unsigned int cpu); /* in a thread on each CPU */
} hang_ways[] = {
	{ "irqs", hang_irqs_off }, { "preempt", hang_preempt_off }, { "rcu", hang_rcu_reader },
	{ "abba", hang_abba },	   { "dstate", hang_asleep },	    { "panic", hang_panic },
};

static void (*hang_run)(unsigned int cpu);

static int hang_thread(void *cpu)
{
	msleep(after_ms);
	hang_run((unsigned long)cpu);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

/* Read by the load: it waits for a deadlock of others, but is no part of it. */
static int hang_work_get(char *buffer, const struct kernel_param *param)
{
	unsigned long done;

	mutex_lock(&hang_first);
	synchronize_rcu();
	done = ++hang_work;
	mutex_unlock(&hang_first);
	return sysfs_emit(buffer, "%lu\n", done);
}

static const struct kernel_param_ops hang_work_ops = { .get = hang_work_get };
module_param_cb(work, &hang_work_ops, NULL, 0444);
MODULE_PARM_DESC(work, "what a load needs: how often it was read");

static struct task_struct *hang_threads[NR_CPUS];

static void hang_stop(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (!IS_ERR_OR_NULL(hang_threads[cpu]))
			kthread_stop(hang_threads[cpu]);
	}
}

static int hang_start(void)
{
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		hang_threads[cpu] = kthread_create(hang_thread, (void *)(unsigned long)cpu,
						   "hang/%u", cpu);
		if (IS_ERR(hang_threads[cpu]))
			return PTR_ERR(hang_threads[cpu]);
		kthread_bind(hang_threads[cpu], cpu);
	}
	for_each_online_cpu(cpu)
		wake_up_process(hang_threads[cpu]);
	return 0;
}

static int __init hang_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(hang_ways); i++) {
		if (!strcmp(hang_ways[i].name, how))
			hang_run = hang_ways[i].run;
	}
	if (!hang_run)
		return -EINVAL;
	if (!after_ms) {
		hang_run(0);
		return 0;
	}
	err = hang_start();
	if (err)
		hang_stop();
	return err;
}

static void __exit hang_exit(void)
{
	hang_stop();
}

module_init(hang_init);
module_exit(hang_exit);

MODULE_DESCRIPTION("Guests that go on no more, in ways that are known");
MODULE_LICENSE("GPL");
