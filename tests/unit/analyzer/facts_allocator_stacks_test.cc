// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/allocator_stacks.h"

#include <gtest/gtest.h>

namespace rig::analyzer {
namespace {

// Innermost first; "name!" was interrupted by an exception.
Backtrace stack(const std::vector<std::string>& functions) {
  Backtrace trace;
  for (const std::string& each : functions) {
    BacktraceFrame frame;
    frame.at.function = each.substr(0, each.find('!'));
    if (each.ends_with('!')) frame.exception = "asm_sysvec_apic_timer_interrupt";
    trace.frames.push_back(std::move(frame));
  }
  return trace;
}

TEST(AllocatorStacks, WhoeverAllocatesOrFreesIsInTheAllocator) {
  EXPECT_TRUE(is_in_allocator(stack({"kmem_cache_alloc", "alloc_inode"})));
  EXPECT_TRUE(is_in_allocator(stack({"memset", "___slab_alloc.isra.0", "__kmalloc"})));
  EXPECT_TRUE(is_in_allocator(stack({"rcu_free_slab", "rcu_do_batch"})));
}

TEST(AllocatorStacks, OthersWithSimilarNamesAreNot) {
  EXPECT_FALSE(is_in_allocator(stack({"kfree_skb", "unix_gc"})));
  EXPECT_FALSE(is_in_allocator(stack({"schedule", "slabinfo_show"})));
  EXPECT_FALSE(is_in_allocator(stack({})));
}

TEST(AllocatorStacks, AnInterruptedAllocatorIsInTheMiddleOfItsWork) {
  EXPECT_TRUE(is_in_allocator(stack({"nmi_cpu_backtrace", "kmem_cache_free!", "file_free_rcu"})));
}

TEST(AllocatorStacks, AnAllocatorThatReportsIsNot) {
  EXPECT_FALSE(is_in_allocator(
      stack({"slab_bug", "check_bytes_and_report", "alloc_debug_processing", "kmem_cache_alloc"})));
  EXPECT_FALSE(is_in_allocator(stack({"__warn", "report_bug", "kmem_cache_free"})));
}

TEST(AllocatorStacks, WhatAHandlerReportsDoesNotSpeakForWhatItInterrupted) {
  EXPECT_TRUE(is_in_allocator(stack({"panic", "sysrq_handle_crash", "deactivate_slab!", "kfree"})));
}

}  // namespace
}  // namespace rig::analyzer
