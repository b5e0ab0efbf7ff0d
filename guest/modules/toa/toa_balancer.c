// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balancer that the module plays: it marks what clients send.
 */
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/tcp.h>

#include "toa.h"

/* 198.18.0.0/15 is for tests (RFC 2544). A client's address there tells its port. */
#define TOA_CLIENTS	0xc6120000

/* Room for the headers that come before TCP's. */
#define TOA_HEADROOM	(TCPOLEN_TOA + sizeof(struct iphdr) + LL_MAX_HEADER)

/* A bare ACK of a client: what ends its handshake, and what a balancer marks. */
static bool toa_is_marked(struct sk_buff *skb)
{
	const struct tcphdr *th = tcp_hdr(skb);

	return th->dest == htons(toa_port) && th->ack && !th->syn && !th->fin && !th->rst &&
	       skb->len == th->doff * 4 && skb->len + TCPOLEN_TOA <= MAX_TCP_OPTION_SPACE + sizeof(*th) &&
	       skb_headroom(skb) >= TOA_HEADROOM;
}

int toa_queue_xmit(struct sock *sk, struct sk_buff *skb, struct flowi *fl)
{
	struct toa_record *option;
	struct tcphdr *th;
	unsigned int len;

	if (toa_is_marked(skb)) {
		len = skb->len;
		memmove(skb_push(skb, TCPOLEN_TOA), tcp_hdr(skb), len);
		skb_reset_transport_header(skb);
		th = tcp_hdr(skb);
		th->doff += TCPOLEN_TOA / 4;

		option = (struct toa_record *)(skb->data + len);
		option->opcode = TCPOPT_TOA;
		option->opsize = TCPOLEN_TOA;
		option->port = th->source;
		option->ip = htonl(TOA_CLIENTS | ntohs(th->source));
		tcp_v4_send_check(sk, skb);
	}
	return ip_queue_xmit(sk, skb, fl);
}
