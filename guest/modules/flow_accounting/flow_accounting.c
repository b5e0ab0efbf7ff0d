// SPDX-License-Identifier: GPL-2.0-only
/*
 * A flow monitor that counts packets in flows which it has already freed.
 *
 * OpenStack servers died all over the kernel in kmem_cache_alloc_trace() and
 * __kmalloc(): general protection faults on ffff00088fec6500, the next free object
 * of kmalloc-32 with some of its upper bits wrong. Whoever wrote there, through a
 * stale pointer into a freed object, was long gone; APIC, C-states and AppArmor
 * were suspected one after the other, slub_debug and KASAN came last.
 *
 * This monitor sees TCP's packets through a protocol tap, as AF_PACKET does. A SYN
 * makes a flow, FIN and RST end it. Packets are counted in batches, so that flows
 * are only written to once in a while: the batch holds pointers to them.
 * keep_ended=0 takes a flow out of the batch before it is freed; keep_ended=1 does
 * not. That is all that is wrong with it: what lies where the counter was, and who
 * allocates next, is up to the kernel.
 */
#include <linux/cache.h>
#include <linux/hashtable.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tcp.h>

#define FA_HASH_BITS	6
#define FA_BATCH	16

/*
 * The smallest object of kmalloc that holds a flow: 32 bytes, but on arm64, where
 * kmalloc's memory has to do for DMA, 128.
 */
#define FA_FLOW_SIZE	(ARCH_KMALLOC_MINALIGN > 32 ? ARCH_KMALLOC_MINALIGN : 32)

static bool keep_ended;
module_param(keep_ended, bool, 0444);
MODULE_PARM_DESC(keep_ended, "leave ended flows in the batch (default 0)");

/* What is looked up comes first; what is written with each batch has the second half. */
struct fa_flow {
	struct hlist_node link;		/* fa_monitor.flows */
	struct {
		__be32 address;		/* of who connected */
		__be16 port;
		u16 packets;
		u64 started;		/* jiffies */
	} __aligned(FA_FLOW_SIZE / 2);
};

static_assert(sizeof(struct fa_flow) == FA_FLOW_SIZE);

static struct {
	spinlock_t lock;		/* of all below */
	DECLARE_HASHTABLE(flows, FA_HASH_BITS);
	struct fa_flow *batch[FA_BATCH];	/* one entry for one packet */
	unsigned int batched;
} fa_monitor = {
	.lock = __SPIN_LOCK_UNLOCKED(fa_monitor.lock),
};

static u32 fa_key(__be32 address, __be16 port)
{
	return (__force u32)address ^ (__force u32)port;
}

static struct fa_flow *fa_find(__be32 address, __be16 port)
{
	struct fa_flow *flow;

	hash_for_each_possible(fa_monitor.flows, flow, link, fa_key(address, port)) {
		if (flow->address == address && flow->port == port)
			return flow;
	}
	return NULL;
}

/* The counters of a whole batch. */
static noinline void fa_fold(void)
{
	unsigned int i;

	for (i = 0; i < fa_monitor.batched; i++)
		fa_monitor.batch[i]->packets++;
	fa_monitor.batched = 0;
}

static void fa_count(struct fa_flow *flow)
{
	fa_monitor.batch[fa_monitor.batched++] = flow;
	if (fa_monitor.batched == FA_BATCH)
		fa_fold();
}

/* The fix: nobody may know this flow when its memory goes. */
static void fa_forget(struct fa_flow *flow)
{
	unsigned int i, kept = 0;

	for (i = 0; i < fa_monitor.batched; i++) {
		if (fa_monitor.batch[i] != flow)
			fa_monitor.batch[kept++] = fa_monitor.batch[i];
	}
	fa_monitor.batched = kept;
}

static noinline struct fa_flow *fa_begin(__be32 address, __be16 port)
{
	struct fa_flow *flow = kmalloc(sizeof(*flow), GFP_ATOMIC);

	if (!flow)
		return NULL;
	flow->address = address;
	flow->port = port;
	flow->packets = 0;
	flow->started = get_jiffies_64();
	hash_add(fa_monitor.flows, &flow->link, fa_key(address, port));
	return flow;
}

static noinline void fa_end(struct fa_flow *flow)
{
	if (!keep_ended)
		fa_forget(flow);
	hash_del(&flow->link);
	kfree(flow);
	/* No jump: the kernel notes who called kfree(). */
	barrier();
}

static void fa_packet(const struct iphdr *ip, const struct tcphdr *tcp)
{
	struct fa_flow *flow;

	flow = fa_find(ip->saddr, tcp->source);
	if (!flow)
		flow = fa_find(ip->daddr, tcp->dest);
	if (!flow && tcp->syn && !tcp->ack)
		flow = fa_begin(ip->saddr, tcp->source);
	if (!flow)
		return;
	fa_count(flow);
	if (tcp->fin || tcp->rst)
		fa_end(flow);
}

/* Others see the same packet: it is only looked at. */
static int fa_receive(struct sk_buff *skb, struct net_device *dev, struct packet_type *type,
		      struct net_device *orig_dev)
{
	const struct tcphdr *tcp;
	const struct iphdr *ip;
	struct tcphdr tcp_copy;
	struct iphdr ip_copy;

	ip = skb_header_pointer(skb, 0, sizeof(ip_copy), &ip_copy);
	if (!ip || ip->ihl < 5 || ip->protocol != IPPROTO_TCP)
		goto done;
	tcp = skb_header_pointer(skb, ip->ihl * 4, sizeof(tcp_copy), &tcp_copy);
	if (!tcp)
		goto done;
	spin_lock_bh(&fa_monitor.lock);
	fa_packet(ip, tcp);
	spin_unlock_bh(&fa_monitor.lock);
done:
	consume_skb(skb);
	return NET_RX_SUCCESS;
}

static struct packet_type fa_tap = {
	.type = cpu_to_be16(ETH_P_IP),
	.func = fa_receive,
};

static int __init fa_init(void)
{
	hash_init(fa_monitor.flows);
	dev_add_pack(&fa_tap);
	return 0;
}

/* After the last packet. */
static void __exit fa_exit(void)
{
	struct hlist_node *next;
	struct fa_flow *flow;
	int bucket;

	dev_remove_pack(&fa_tap);
	fa_fold();
	hash_for_each_safe(fa_monitor.flows, bucket, next, flow, link)
		fa_end(flow);
}

module_init(fa_init);
module_exit(fa_exit);

MODULE_DESCRIPTION("Flow monitor that may count in flows it has freed");
MODULE_LICENSE("GPL");
