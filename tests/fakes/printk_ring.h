// SPDX-License-Identifier: Apache-2.0
// What VMCOREINFO tells of the kernel's log (kernel/printk/printk.c, log_buf_vmcoreinfo_setup()),
// with members as 64-bit kernels have them since 5.10.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace rig::fakes {

// `prb`: where the pointer to struct printk_ringbuffer is.
inline std::string printk_vmcoreinfo(std::uint64_t prb) {
  return fmt::format(
      "SYMBOL(prb)={:x}\nOFFSET(printk_ringbuffer.desc_ring)=0\n"
      "OFFSET(printk_ringbuffer.text_data_ring)=48\nOFFSET(prb_desc_ring.count_bits)=0\n"
      "OFFSET(prb_desc_ring.descs)=8\nOFFSET(prb_desc_ring.infos)=16\n"
      "OFFSET(prb_desc_ring.head_id)=24\nOFFSET(prb_desc_ring.tail_id)=32\nSIZE(prb_desc)=24\n"
      "OFFSET(prb_desc.state_var)=0\nOFFSET(prb_desc.text_blk_lpos)=8\n"
      "OFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)=88\n"
      "OFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n"
      "OFFSET(printk_info.caller_id)=20\n"
      "OFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n"
      "OFFSET(atomic_long_t.counter)=0\n",
      prb);
}

}  // namespace rig::fakes
