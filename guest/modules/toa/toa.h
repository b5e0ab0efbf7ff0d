/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TOA, "TCP option address": a server behind a load balancer learns its client.
 *
 * Virtual machines died in __kmalloc() of kmalloc-8, in softirq, while a handshake
 * completed; async page faults of KVM were blamed, and no-kvmapf did not help. The
 * balancer writes the client's address into a TCP option, the module keeps it in
 * sk_user_data and frees it in getpeername(). It did not clear the pointer; then it
 * did, but two threads that ask for the same peer at once freed it twice all the same.
 *
 * This module does the same, and plays the balancer as well. fix=0 is the module of
 * the report, fix=1 its first repair, fix=2 (default) takes the lock that was missing.
 * A record that nobody asks for is lost: the report says so too.
 */
#ifndef TOA_TOA_H
#define TOA_TOA_H

#include <linux/percpu.h>
#include <linux/types.h>

struct flowi;
struct sk_buff;
struct sock;
struct sockaddr_in;

#define TCPOPT_TOA	254
#define TCPOLEN_TOA	8

/* As it is in the segment, and as it is kept. */
struct toa_record {
	__u8	opcode;
	__u8	opsize;
	__be16	port;
	__be32	ip;
};

struct toa_counters {
	unsigned long allocs;
	unsigned long frees;
};

extern struct toa_counters __percpu *toa_stats;

enum toa_fix {
	TOA_FIX_NONE,	/* the pointer stays when the record is freed */
	TOA_FIX_CLEAR,	/* the pointer is cleared */
	TOA_FIX_LOCK,	/* and only one thread at a time gets it */
};

extern unsigned int toa_fix;
extern unsigned int toa_port;

/* The balancer: writes the option into the ACKs of clients, and sends them. */
int toa_queue_xmit(struct sock *sk, struct sk_buff *skb, struct flowi *fl);

#endif
