// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's side: the option of the handshake's last segment becomes a record of
 * the new socket, and getpeername() tells it, once.
 */
#include <linux/in.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/inet_common.h>
#include <net/tcp.h>

#include "toa.h"

unsigned int toa_fix = TOA_FIX_LOCK;
module_param_named(fix, toa_fix, uint, 0444);
MODULE_PARM_DESC(fix, "0: the pointer outlives the record, 1: it is cleared, 2: under a lock (default)");

unsigned int toa_port = 8000;
module_param_named(port, toa_port, uint, 0444);
MODULE_PARM_DESC(port, "of the server whose clients come through the balancer (default 8000)");

/* Exported: a kernel without CONFIG_KALLSYMS_ALL keeps no other name of a module's data. */
struct toa_counters __percpu *toa_stats;
EXPORT_SYMBOL_GPL(toa_stats);

/* The record of the option, if the segment has one. Runs in softirq. */
static struct toa_record *toa_record_of(const struct sk_buff *skb)
{
	const struct tcphdr *th = tcp_hdr(skb);
	const u8 *at = (const u8 *)(th + 1);
	int left = th->doff * 4 - (int)sizeof(*th);

	while (left > 0 && *at != TCPOPT_EOL) {
		struct toa_record *record;
		int opsize;

		if (*at == TCPOPT_NOP) {
			at++;
			left--;
			continue;
		}
		if (left < 2 || at[1] < 2 || at[1] > left)
			return NULL;
		opsize = at[1];
		if (*at == TCPOPT_TOA && opsize == TCPOLEN_TOA) {
			record = kmalloc(opsize, GFP_ATOMIC);
			if (!record)
				return NULL;
			this_cpu_inc(toa_stats->allocs);
			return memcpy(record, at, opsize);
		}
		at += opsize;
		left -= opsize;
	}
	return NULL;
}

/* Some kernels give one more argument (see Kbuild); it is only passed on. */
#ifdef TOA_OPT_CHILD_INIT
#define TOA_MORE_PARAMS	, void (*init)(struct sock *newsk, const struct sock *sk)
#define TOA_MORE_ARGS	, init
#else
#define TOA_MORE_PARAMS
#define TOA_MORE_ARGS
#endif

static struct sock *toa_syn_recv_sock(const struct sock *sk, struct sk_buff *skb,
				      struct request_sock *req, struct dst_entry *dst,
				      struct request_sock *req_unhash, bool *own_req
				      TOA_MORE_PARAMS)
{
	struct sock *child;

	child = tcp_v4_syn_recv_sock(sk, skb, req, dst, req_unhash, own_req TOA_MORE_ARGS);
	if (child && *own_req && !child->sk_user_data)
		child->sk_user_data = toa_record_of(skb);
	return child;
}

/* Writes the record's address into the name. */
static void toa_tell(const struct toa_record *record, struct sockaddr_in *name)
{
	if (record->opcode != TCPOPT_TOA || record->opsize != TCPOLEN_TOA)
		return;
	name->sin_port = record->port;
	name->sin_addr.s_addr = record->ip;
}

static void toa_free(struct toa_record *record)
{
	this_cpu_inc(toa_stats->frees);	/* before: a second free may be the last thing we do */
	kfree(record);
}

/* Takes the record away from the socket before anybody else can. */
static struct toa_record *toa_take(struct sock *sk)
{
	struct toa_record *record;

	write_lock_bh(&sk->sk_callback_lock);
	record = sk->sk_user_data;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
	return record;
}

static int toa_getname(struct socket *sock, struct sockaddr *name, int peer)
{
	struct toa_record *record = READ_ONCE(sock->sk->sk_user_data);
	int len = inet_getname(sock, name, peer);

	if (len < 0 || !peer)
		return len;
	if (toa_fix == TOA_FIX_LOCK)
		record = toa_take(sock->sk);
	if (record) {
		toa_tell(record, (struct sockaddr_in *)name);
		toa_free(record);
		if (toa_fix == TOA_FIX_CLEAR)
			WRITE_ONCE(sock->sk->sk_user_data, NULL);
	}
	return len;
}

/* A pointer in a table of the kernel's, and what takes its place. */
struct toa_hook {
	const void *slot;
	void *function;
	void *page;	/* the slot's, where it can be written to */
};

/* The tables are read-only: they are written to through a second mapping. All or none. */
static int toa_hook_all(struct toa_hook *hooks, int count)
{
	int mapped, i;

	for (mapped = 0; mapped < count; mapped++) {
		struct page *page = virt_to_page(lm_alias(hooks[mapped].slot));

		hooks[mapped].page = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
		if (!hooks[mapped].page)
			break;
	}
	for (i = 0; i < mapped; i++) {
		void **slot = hooks[i].page + offset_in_page(hooks[i].slot);

		if (mapped == count)
			WRITE_ONCE(*slot, hooks[i].function);
		vunmap(hooks[i].page);
	}
	return mapped == count ? 0 : -ENOMEM;
}

static int __init toa_init(void)
{
	struct toa_hook hooks[] = {
		{ &ipv4_specific.queue_xmit, toa_queue_xmit },
		{ &ipv4_specific.syn_recv_sock, toa_syn_recv_sock },
		{ &inet_stream_ops.getname, toa_getname },
	};
	int err;

	if (toa_fix > TOA_FIX_LOCK)
		return -EINVAL;
	toa_stats = alloc_percpu(struct toa_counters);
	if (!toa_stats)
		return -ENOMEM;
	err = toa_hook_all(hooks, ARRAY_SIZE(hooks));
	if (err)
		free_percpu(toa_stats);
	return err;
}

/* No exit: somebody may be in the hooks at any time, and their memory has to stay. */
module_init(toa_init);

MODULE_DESCRIPTION("TCP option address: getpeername() tells the client behind a balancer");
MODULE_LICENSE("GPL");
