// SPDX-License-Identifier: Apache-2.0
// Files that are cut, flipped or made to hurt: an error or an answer, never a crash, a hang or an
// allocation out of proportion to the file. The debug preset runs the same under ASan and UBSan.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <random>

#include "analyzer/core/core.h"
#include "fakes/synthetic_core.h"

namespace rig::analyzer {
namespace {

using fakes::CoreForm;
using fakes::CoreFormat;
using fakes::SyntheticCore;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::uint64_t peak_megabytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) / 1024;
}

class HostileCore : public testing::TestWithParam<CoreForm> {
 protected:
  std::string file() const {
    SyntheticCore core;
    core.page(PhysAddr{0x0000}, as_bytes(std::string(4096, 'a')))
        .page(PhysAddr{0x1000}, as_bytes(std::string(4096, '\0')))
        .page(PhysAddr{0x3000}, as_bytes(std::string(2048, 'b') + std::string(2048, 'c')))
        .excluded(PhysAddr{0x4000})
        .prstatus_of_pid(1)
        .vmcoreinfo("OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff81000000\n");
    const std::string bytes = core.bytes(GetParam().format);
    return GetParam().flattened ? fakes::flattened(bytes, 3000) : bytes;
  }

  // Opens the file and asks everything that one can ask.
  void exercise(std::string_view bytes) {
    // A file in memory: thousands of them cost a disk a minute.
    const UniqueFd fd(::memfd_create("core", MFD_CLOEXEC));
    ASSERT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    const fs::path path = fmt::format("/proc/self/fd/{}", fd.get());
    const auto core = Core::open(path);
    if (!core) {
      EXPECT_EQ(core.error().blame, Blame::kInput) << core.error().message();
      EXPECT_FALSE(core.error().what.empty());
      return;
    }
    std::vector<std::byte> buffer(0x5000);
    (void)core->memory().read(PhysAddr{0}, buffer);
    std::uint64_t end = 0;
    for (const PhysRange& range : core->memory().ranges()) {
      EXPECT_GE(raw(range.begin), end) << "ranges ascend and do not overlap";
      end = raw(range.begin) + range.size;
      EXPECT_GE(end, raw(range.begin)) << "ranges do not wrap";
      (void)core->memory().read(range.begin, MutableBytes(buffer).first(64));
      (void)core->memory().load<std::uint64_t>(PhysAddr{end - 4});
      if (++asked_ % 64 == 0) break;
    }
    for (const std::uint64_t address : {0x2ffcull, 0xfffull, 1ull << 40, ~7ull, ~0ull}) {
      const auto value = core->memory().load<std::uint64_t>(PhysAddr{address});
      if (!value) {
        EXPECT_LE(value.error().address - address, 8u);
      }
    }
    for (const std::string& remark : core->remarks()) EXPECT_FALSE(remark.empty());
  }

  unsigned asked_ = 0;
};

TEST_P(HostileCore, EveryCutIsAnErrorOrARemark) {
  const std::string whole = file();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // Within blocks of padding one cut is like the next.
    const bool padding = size > 8 && size + 8 < whole.size() && whole[size] == 0 &&
                         whole.substr(size - 8, 16) == std::string(16, '\0');
    if (padding && size % 97 != 0) continue;
    exercise(std::string_view(whole).substr(0, size));
    if (HasFatalFailure()) return;
  }
}

TEST_P(HostileCore, FlippedBytesNeverHurt) {
  const std::string whole = file();
  std::vector<std::size_t> telling;  // bytes that are not padding: most flips go there
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] != 0) telling.push_back(i);
  }
  std::mt19937 random(42);
  const std::uint64_t before = peak_megabytes();
  for (int round = 0; round < 600; ++round) {
    std::string bytes = whole;
    const unsigned flips = 1 + random() % 6;
    for (unsigned flip = 0; flip < flips; ++flip) {
      const std::size_t near = telling[random() % telling.size()] + random() % 9;
      const std::size_t at = random() % 4 != 0 ? near % bytes.size() : random() % bytes.size();
      static constexpr char kValues[] = {'\0', '\1', '\x7f', '\x80', '\xff'};
      bytes[at] = random() % 2 != 0 ? kValues[random() % 5] : static_cast<char>(random());
    }
    exercise(bytes);
    if (HasFatalFailure()) return;
  }
  if (!kSanitized) {
    EXPECT_LT(peak_megabytes() - before, 100u);
  }
}

TEST_P(HostileCore, HeaderFieldsAtTheirLimitsNeverHurt) {
  const std::string whole = file();
  const std::uint64_t before = peak_megabytes();
  const std::size_t start = GetParam().flattened ? 4096 : 0;
  const auto set = [&](std::size_t at, std::uint64_t value, std::size_t size) {
    if (at + size > whole.size()) return;
    std::string bytes = whole;
    std::memcpy(bytes.data() + at, &value, size);
    exercise(bytes);
  };
  for (const std::size_t area : {start, start + 4096}) {
    for (std::size_t at = area; at < area + 560; at += 4) {
      for (const std::uint64_t value : {0ull, 0xffffull, 0x7fffffffull, ~0ull, 1ull << 63}) {
        set(at, value, 4);
        if (at % 8 == 0) set(at, value, 8);
        if (HasFatalFailure()) return;
      }
      if (at == area + 64 && GetParam().format != CoreFormat::kElf) at = area + 256;
    }
  }
  if (!kSanitized) {
    EXPECT_LT(peak_megabytes() - before, 100u);
  }
}

// Were the file mapped, this would be SIGBUS for the whole process.
TEST_P(HostileCore, AFileThatShrinksWhileItIsReadIsDamaged) {
  std::mt19937_64 random(1);
  std::string content(256 << 10, '\0');
  for (char& each : content) each = static_cast<char>(random());
  SyntheticCore synthetic;
  synthetic.vmcoreinfo("OSRELEASE=6.1\n").memory(PhysAddr{0}, content);
  std::string bytes = synthetic.bytes(GetParam().format);
  if (GetParam().flattened) bytes = fakes::flattened(bytes, 3000);
  const UniqueFd fd(::memfd_create("core", MFD_CLOEXEC));
  ASSERT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  const auto core = Core::open(fmt::format("/proc/self/fd/{}", fd.get()));
  ASSERT_TRUE(core) << core.error().message();
  ASSERT_EQ(::ftruncate(fd.get(), 64 << 10), 0);
  std::vector<std::byte> page(4096);
  const PhysAddr last{content.size() - page.size()};
  EXPECT_EQ(core->memory().read(last, page).error(), (ReadFault{Absence::kDamaged, raw(last)}));
}

INSTANTIATE_TEST_SUITE_P(All, HostileCore, testing::ValuesIn(fakes::all_core_forms()),
                         [](const auto& form) { return to_string(form.param); });

}  // namespace
}  // namespace rig::analyzer
