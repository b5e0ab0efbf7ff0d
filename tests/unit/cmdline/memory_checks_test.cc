// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "unit/cmdline/fake_evidence.h"

namespace rig::cmdline {
namespace {

using testing::HasSubstr;

TEST(MemoryParameters, AutoInitIsAsTheLogSays) {
  FakeEvidence guest;
  guest.log_text = "[    0.1] mem auto-init: stack:off, heap alloc:off, heap free:on\n";
  EXPECT_EQ(guest.state("init_on_free=1"), State::kEffective);
  EXPECT_EQ(guest.state("init_on_free=0"), State::kIneffective);
  EXPECT_EQ(guest.state("init_on_alloc=0"), State::kEffective);
  EXPECT_EQ(guest.state("init_on_alloc=1"), State::kIneffective);
  EXPECT_THAT(guest.check("init_on_alloc=0").how, HasSubstr("heap alloc:off"));
  guest.log_text.clear();
  EXPECT_EQ(guest.state("init_on_free=1"), State::kNotCheckable);
}

TEST(MemoryParameters, DebugPageallocUnmapsTheInitMemory) {
  FakeEvidence guest;
  guest.log_text = "[    1.0] debug: unmapping init [mem 0x1000-0x1fff]\n";
  EXPECT_EQ(guest.state("debug_pagealloc=on"), State::kEffective);
  EXPECT_EQ(guest.state("debug_pagealloc=off"), State::kIneffective);
  guest.log_text = "[    1.0] Freeing unused kernel image (initmem) memory: 2780K\n";
  EXPECT_EQ(guest.state("debug_pagealloc=on"), State::kIneffective);
  EXPECT_EQ(guest.state("debug_pagealloc=off"), State::kEffective);
  guest.log_text = "Unknown kernel command line parameters \"debug_pagealloc=on\", will\n";
  EXPECT_EQ(guest.state("debug_pagealloc=on"), State::kUnknown);
}

TEST(MemoryParameters, KasanParametersNeedKasan) {
  FakeEvidence guest;
  guest.files["/proc/kallsyms"] = "0000000000000000 t early_kasan_fault\n";
  EXPECT_EQ(guest.state("kasan.fault=panic"), State::kUnknown);
  EXPECT_EQ(guest.state("kasan_multi_shot"), State::kUnknown);
  guest.log_text = "[    0.0] kasan: KernelAddressSanitizer initialized\n";
  EXPECT_EQ(guest.state("kasan.fault=panic"), State::kEffective);
  EXPECT_EQ(guest.state("kasan_multi_shot"), State::kEffective);
  guest.log_text += "[    0.0] Malformed early option 'kasan.fault'\n";
  EXPECT_EQ(guest.state("kasan.fault=stop"), State::kIneffective);
}

TEST(MemoryParameters, KasanFaultIsUnknownToAKasanThatHasNoneOfIt) {
  FakeEvidence guest;
  guest.log_text = "[    0.0] kasan: KernelAddressSanitizer initialized\n";
  guest.files["/proc/kallsyms"] = "0000000000000000 t kasan_set_multi_shot\n";
  EXPECT_EQ(guest.state("kasan.fault=panic"), State::kUnknown);
}

TEST(MemoryParameters, ACrashKernelHasItsMemory) {
  FakeEvidence guest;
  EXPECT_EQ(guest.state("crashkernel=64M"), State::kIneffective) << "a kernel without kexec";
  guest.files["/sys/kernel/kexec_crash_size"] = "67108864\n";
  EXPECT_EQ(guest.state("crashkernel=64M"), State::kEffective);
  EXPECT_EQ(guest.state("crashkernel=64M@16M"), State::kEffective);
  EXPECT_EQ(guest.state("crashkernel=128M"), State::kIneffective);
  EXPECT_EQ(guest.state("crashkernel=0-1G:64M,1G-:128M"), State::kEffective);
  guest.files["/sys/kernel/kexec_crash_size"] = "0\n";
  guest.log_text =
      "[    0.0] Command line: crashkernel=64M\n[    0.1] crashkernel reservation failed - No "
      "suitable area found.\n";
  EXPECT_EQ(guest.state("crashkernel=64M"), State::kIneffective);
}

}  // namespace
}  // namespace rig::cmdline
