// SPDX-License-Identifier: Apache-2.0
#include "analyzer/judgement/judgement.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace rig::analyzer {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

Backtrace stack_of(const std::vector<std::string>& functions) {
  Backtrace trace;
  for (const std::string& function : functions) {
    BacktraceFrame frame;
    frame.at.function = function;
    trace.frames.push_back(frame);
  }
  return trace;
}

WaitFacts waiting(std::uint64_t pid, double seconds) {
  WaitFacts wait;
  wait.task = VirtAddr{0x1000 * pid};
  wait.pid = pid;
  wait.comm = fmt::format("task{}", pid);
  wait.seconds = seconds;
  wait.backtrace = stack_of({"__schedule", "take"});
  return wait;
}

void add_lock(WaitFacts& wait, std::string name, const WaitFacts& owner) {
  wait.lock = LockFacts{.kind = "mutex",
                        .at = VirtAddr{0x99},
                        .name = std::move(name),
                        .owner = owner.task,
                        .owner_comm = owner.comm,
                        .owner_pid = owner.pid};
}

CpuFacts busy_cpu(unsigned index, double running, bool irqs_off) {
  CpuFacts cpu;
  cpu.index = index;
  cpu.comm = "spinner";
  cpu.running = running;
  cpu.context.emplace();
  cpu.context->irqs_off = irqs_off;
  cpu.context->words = "task";
  cpu.backtrace = stack_of({index == 0 ? "spin" : "other", "irqs_off"});
  return cpu;
}

TEST(HangRules, TasksThatHaveEachOthersLockAreADeadlock) {
  Findings facts;
  WaitFacts one = waiting(1, 5), two = waiting(2, 5), third = waiting(3, 4);
  add_lock(one, "second [m]", two);
  add_lock(two, "first [m]", one);
  add_lock(third, "first [m]", one);
  facts.waits = {one, two, third};
  const auto found = judge(facts).findings;
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].kind, "deadlock");
  EXPECT_EQ(found[0].confidence, Confidence::kCertain);
  EXPECT_EQ(found[0].summary, "task1 (pid 1) and task2 (pid 2) wait for each other's locks");
  EXPECT_THAT(found[0].evidence[0],
              HasSubstr("task1 (pid 1) waits for the mutex second [m], which task2 has"));
  EXPECT_THAT(found[0].evidence, Contains("task3 (pid 3) waits for the mutex first [m] as well"));
  EXPECT_EQ(found.size(), 1u) << "a ring is told once, and who waits for it with it";
}

TEST(HangRules, LongestWaitIsToldWithWhoHasWhat) {
  Findings facts;
  WaitFacts owner = waiting(1, 30), load = waiting(2, 29);
  add_lock(load, "first [m]", owner);
  facts.waits = {owner, load};
  const auto found = judge(facts).findings;
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, "task-blocked");
  EXPECT_THAT(found[0].summary, HasSubstr("task1 (pid 1) has waited for 30.0 s"));
  EXPECT_THAT(found[0].evidence, Contains(HasSubstr("which task1 (pid 1) has")));
}

TEST(HangRules, ShortWaitsAndCpusThatServeAMomentAreHealthy) {
  Findings facts;
  facts.waits = {waiting(1, 0.2)};
  facts.cpus = {busy_cpu(0, 0.1, true), busy_cpu(1, 0.0, true)};
  EXPECT_THAT(judge(facts).findings, IsEmpty());
  facts.cpus[0].running = 100;  // a program that computes, and nobody else wants the CPU
  EXPECT_THAT(judge(facts).findings, IsEmpty());
}

TEST(HangRules, CpuThatOneTaskHasKeptIsStuck) {
  Findings facts;
  facts.cpus = {busy_cpu(0, 8, true), busy_cpu(1, 0, false)};
  facts.cpus[0].queued = 3;
  const auto found = judge(facts).findings;
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, "cpu-stuck");
  EXPECT_EQ(found[0].summary, "CPU 0 does not leave spin < irqs_off");
  EXPECT_THAT(found[0].evidence, Contains(HasSubstr("interrupts off")));
}

TEST(HangRules, AllCpusInOneFunctionWithInterruptsOffAreStuckThoughNoClockSaysSo) {
  Findings facts;
  facts.cpus = {busy_cpu(0, 0, true), busy_cpu(1, 0, true)};
  facts.cpus[1].backtrace = facts.cpus[0].backtrace;
  const auto found = judge(facts).findings;
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].confidence, Confidence::kPossible);
}

TEST(HangRules, WhatWaitsInAGuestThatCrashedIsNoNews) {
  Findings facts;
  facts.waits = {waiting(1, 30)};
  facts.panic = "Fatal exception";
  EXPECT_THAT(judge(facts).findings, IsEmpty());
}

}  // namespace
}  // namespace rig::analyzer
