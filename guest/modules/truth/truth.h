/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TRUTH_H
#define TRUTH_H

/*
 * Ends the kernel in the way that @how names. Returns -EINVAL for a name that there is not, and 0
 * for one that only warns, where nothing stops on warnings.
 */
int truth_crash(const char *how);

#endif
