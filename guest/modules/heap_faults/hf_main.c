// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plants the faults of the heap that its parameter names, says which and where in
 * the kernel's log, and ends in a panic while they are fresh.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/string.h>

#include "hf.h"

#define HF_MAX_CASES 32

static char *fault = "none";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "names of faults, with commas between them: see hf_faults.c");

static struct hf_case hf_cases[HF_MAX_CASES];
static unsigned int hf_count;

static int hf_add(const char *name)
{
	struct hf_case *c = &hf_cases[hf_count];
	char *dash;

	if (hf_count == HF_MAX_CASES)
		return -E2BIG;
	c->fault = hf_find(name);
	if (!c->fault) {
		pr_err("heap_faults: there is no fault '%s'\n", name);
		return -EINVAL;
	}
	snprintf(c->name, sizeof(c->name), "heap_%s", name);
	for (dash = strchr(c->name, '-'); dash; dash = strchr(dash, '-'))
		*dash = '_';
	hf_count++;
	return 0;
}

static int hf_begin(struct hf_case *c)
{
	int err = c->fault->prepare(c);

	if (err) {
		pr_err("heap_faults: %s could not be prepared: %d\n", c->fault->name, err);
		return err;
	}
	hf_print(c);
	if (c->fault->act)
		c->fault->act(c);
	return 0;
}

static int hf_end(void *unused)
{
	unsigned int i;

	for (i = 0; i < hf_count; i++) {
		struct hf_case *c = &hf_cases[i];

		if (c->fault->plant)
			c->fault->plant(c);
		else if (c->length)
			hf_write(c);
	}
	panic("heap_faults: as asked");
	return 0;
}

static int __init hf_init(void)
{
	char *rest = fault, *name;
	unsigned int i;
	int err = 0;

	while (!err && (name = strsep(&rest, ",")))
		err = hf_add(name);
	if (err)
		return err;
	/* What one CPU allocates and frees stays with it. */
	migrate_disable();
	for (i = 0; i < hf_count && !err; i++)
		err = hf_begin(&hf_cases[i]);
	if (!err)
		err = stop_machine(hf_end, NULL, cpumask_of(smp_processor_id()));
	migrate_enable();
	return err;
}

/* With damage in the heap there is no way back. */
module_init(hf_init);

MODULE_DESCRIPTION("Damages the kernel's heap in ways that the analyzer has to find");
MODULE_LICENSE("GPL");
