// SPDX-License-Identifier: Apache-2.0
// The kernel's own suites: crashes and reports that others made up. LKDTM in part (all of it is
// `crashrig run lkdtm`), KASAN's tests whole.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "e2e/rig_process.h"
#include "image/boot_image.h"
#include "layout.h"
#include "oops/report.h"
#include "scenario/kernel_spec.h"
#include "vm/vm.h"

namespace rig::e2e {
namespace {

class OnArch : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(KernelSuites, OnArch, testing::Values("x86_64", "arm64"),
                         [](const auto& test) { return test.param; });

// One of each kind of report, and one that says why nothing happens. EXHAUST_STACK is not among
// them: arm64's panic overflows its own stack then, and hangs; nor are lockups, which another CPU
// that waits for the one that hangs may report first.
TEST_P(OnArch, LkdtmTriggersEndAsTheKernelsSourceSays) {
  Bench bench;
  const auto done = bench.crashrig({"run", "lkdtm", "--arch", GetParam(), "--variant",
                                    "PANIC,BUG,WARNING,EXCEPTION,CORRUPT_LIST_ADD,"
                                    "SLAB_FREE_DOUBLE,SLAB_FREE_CROSS,WRITE_RO,EXEC_NULL,"
                                    "REFCOUNT_INC_ZERO,HUNG_TASK,WRITE_OPD,UNSET_SMEP",
                                    "-j", "2", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const auto document = done.json();
  const auto& cells = document.at("cells").as_array();
  EXPECT_EQ(cells.size(), 13u);
  for (const auto& cell : cells) {
    EXPECT_EQ(cell.at("verdict"), "pass")
        << text_of(cell.at("variant")) << boost::json::serialize(cell.at("attempts"));
  }
}

using Kinds = std::vector<std::string>;

Kinds times(std::size_t count, const std::string& kind) {
  return Kinds(count, "kasan-" + kind);
}

// What mm/kasan/kasan_test.c (6.1) does wrong on purpose, access by access, and which kind generic
// KASAN has for it. Cases that are not here do nothing wrong, or are for other kinds of KASAN.
std::map<std::string, Kinds> expected_reports(Arch arch) {
  // Seventeen, and one more for each that is plain C there: it has the compiler's own check too.
  const std::size_t bitops = arch == Arch::kArm64 ? 20 : 18;
  return {
      {"kmalloc_oob_right", times(3, "slab-out-of-bounds")},
      {"kmalloc_oob_left", times(1, "slab-out-of-bounds")},
      {"kmalloc_node_oob_right", times(1, "slab-out-of-bounds")},
      {"kmalloc_pagealloc_oob_right", times(1, "slab-out-of-bounds")},
      {"kmalloc_pagealloc_uaf", times(1, "use-after-free")},
      {"kmalloc_pagealloc_invalid_free", times(1, "invalid-free")},
      {"pagealloc_uaf", times(1, "use-after-free")},
      {"kmalloc_large_oob_right", times(1, "slab-out-of-bounds")},
      {"krealloc_more_oob", times(2, "slab-out-of-bounds")},
      {"krealloc_less_oob", times(5, "slab-out-of-bounds")},
      {"krealloc_pagealloc_more_oob", times(2, "slab-out-of-bounds")},
      {"krealloc_pagealloc_less_oob", times(5, "slab-out-of-bounds")},
      {"krealloc_uaf", times(2, "use-after-free")},
      {"kmalloc_oob_16", times(1, "slab-out-of-bounds")},
      {"kmalloc_uaf_16", times(1, "use-after-free")},
      {"kmalloc_oob_in_memset", times(1, "slab-out-of-bounds")},
      {"kmalloc_oob_memset_2", times(1, "slab-out-of-bounds")},
      {"kmalloc_oob_memset_4", times(1, "slab-out-of-bounds")},
      {"kmalloc_oob_memset_8", times(1, "slab-out-of-bounds")},
      {"kmalloc_oob_memset_16", times(1, "slab-out-of-bounds")},
      {"kmalloc_memmove_negative_size", times(1, "out-of-bounds")},
      {"kmalloc_memmove_invalid_size", times(1, "slab-out-of-bounds")},
      {"kmalloc_uaf", times(1, "use-after-free")},
      {"kmalloc_uaf_memset", times(1, "use-after-free")},
      {"kmalloc_uaf2", times(1, "use-after-free")},
      {"kmem_cache_oob", times(1, "slab-out-of-bounds")},
      {"kasan_global_oob_right", times(1, "global-out-of-bounds")},
      {"kasan_stack_oob", times(1, "stack-out-of-bounds")},
      {"kasan_alloca_oob_left", times(1, "alloca-out-of-bounds")},
      {"kasan_alloca_oob_right", times(1, "alloca-out-of-bounds")},
      {"ksize_unpoisons_memory", times(1, "slab-out-of-bounds")},
      {"ksize_uaf", times(3, "use-after-free")},
      {"kmem_cache_double_free", times(1, "double-free")},
      {"kmem_cache_invalid_free", times(1, "invalid-free")},
      {"kmem_cache_double_destroy", times(1, "use-after-free")},
      {"kasan_memchr", times(1, "slab-out-of-bounds")},
      {"kasan_memcmp", times(1, "slab-out-of-bounds")},
      {"kasan_strings", times(6, "use-after-free")},
      {"kasan_bitops_generic", times(bitops, "slab-out-of-bounds")},
      {"kmalloc_double_kzfree", {"kasan-use-after-free", "kasan-double-free"}},
      {"vmalloc_oob", times(2, "vmalloc-out-of-bounds")},
  };
}

// A case as KUnit's results in the log have it.
struct Case {
  std::string name;
  bool ok = false;
  bool skipped = false;
  Kinds announced;  // by the first lines of reports, without the parser
  Kinds parsed;
};

// Of "BUG: KASAN: use-after-free in f+0x1/0x2": the kind.
std::string announced_kind(std::string_view line) {
  constexpr std::string_view kSign = "BUG: KASAN: ";
  const auto at = line.find(kSign);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + kSign.size());
  return "kasan-" + std::string(rest.substr(0, rest.find(' ')));
}

// "    ok 12 NAME # SKIP why" ends a case ("ok 12 - NAME" until 6.1's last releases); the suite's
// own result is not indented.
std::optional<Case> case_result(std::string_view line) {
  const auto at = line.find("ok ");
  if (at == std::string_view::npos) return {};
  const bool bad = line.substr(0, at).ends_with("not ");
  const std::string_view before = line.substr(0, bad ? at - 4 : at);
  std::string_view name = line.substr(at + 3);
  const auto space = name.find(' ');
  if (!before.ends_with("    ") || space == std::string_view::npos) return {};
  if (!parse_u64(name.substr(0, space))) return {};
  name.remove_prefix(space + 1);
  if (name.starts_with("- ")) name.remove_prefix(2);
  return Case{.name = std::string(name.substr(0, name.find(' '))),
              .ok = !bad,
              .skipped = name.find("# SKIP") != std::string_view::npos,
              .announced = {},
              .parsed = {}};
}

std::vector<Case> cases_of(const std::string& log) {
  const auto reports = oops::parse_reports(log);
  std::vector<Case> cases;
  Kinds announced;
  std::size_t number = 0, next = 0;
  for (const auto& line : split(log, '\n')) {
    ++number;
    if (auto kind = announced_kind(line); !kind.empty()) announced.push_back(std::move(kind));
    auto ended = case_result(trim(line));
    if (!ended) continue;
    ended->announced = std::exchange(announced, {});
    for (; next < reports.size() && reports[next].first_line < number; ++next) {
      ended->parsed.push_back(reports[next].kind);
    }
    cases.push_back(std::move(*ended));
  }
  EXPECT_EQ(next, reports.size()) << "reports after the last case";
  return cases;
}

void expect_all_recognised(const std::string& log, Arch arch) {
  const auto cases = cases_of(log);
  const auto table = expected_reports(arch);
  EXPECT_EQ(cases.size(), 55u);
  std::size_t failed = 0;
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    EXPECT_EQ(each.parsed, each.announced);
    // Where the kernel itself missed what it was to find, the table does not hold.
    if (!each.ok) ++failed;
    if (!each.ok || each.skipped) continue;
    const auto expected = table.find(each.name);
    EXPECT_EQ(each.parsed, expected == table.end() ? Kinds() : expected->second);
  }
  EXPECT_LE(failed, 2u);
}

// The kernel with KASAN's tests, which run as their module is loaded: before the agent says hello.
Result<std::unique_ptr<vm::Vm>> boot_kasan_tests(Arch arch, const fs::path& folder) {
  const Layout layout{RIG_ROOT, fs::path(RIG_PROGRAM).parent_path()};
  RIG_ASSIGN(const auto spec,
             scenario::load_kernel_spec("debian-6.1-kasan", layout.root / "kernels"));
  RIG_ASSIGN(const auto kernel, image::fetch_kernel(spec, arch, {}));
  RIG_ASSIGN(const fs::path agent, layout.agent(arch));
  RIG_ASSIGN(const auto console, vm::console_device("qemu", arch));
  image::InitramfsSpec initramfs{agent, image::base_drivers(arch)};
  initramfs.drivers.emplace_back("kasan_test");
  vm::VmConfig config;
  config.arch = arch;
  config.memory_bytes = 512u << 20;
  config.folder = folder;
  config.kernel = kernel.boot_file;
  RIG_ASSIGN(config.initramfs, image::build_initramfs(kernel, initramfs));
  // The core's log must have all of it.
  config.cmdline = fmt::format("console={} panic=-1 {}kunit.enable=1 log_buf_len=8M", console,
                               arch == Arch::kX86_64 ? "no_timer_check " : "");
  RIG_ASSIGN(auto machine, vm::start("qemu", config));
  const Deadline deadline = Deadline::after(std::chrono::minutes(5));
  RIG_ASSIGN(const auto info, machine->wait_for_agent(deadline));
  if (!info) return fail(Blame::kRig, "the guest did not boot");
  RIG_TRY(machine->stop(deadline));
  return machine;
}

TEST_P(OnArch, EveryReportOfKasansOwnTestsIsRecognised) {
  Bench bench;
  const fs::path core = bench.folder() / "vmcore";
  const Arch arch = parse_arch(GetParam()).value();
  {
    const auto machine = boot_kasan_tests(arch, bench.folder());
    ASSERT_TRUE(machine) << machine.error().message();
    const auto dumped = (*machine)->dump(core, vm::DumpFormat::kKdumpZlib, {},
                                         Deadline::after(std::chrono::minutes(2)));
    ASSERT_TRUE(dumped) << dumped.error().message();
  }
  const auto console = read_file(bench.folder() / "console.log");
  ASSERT_TRUE(console) << console.error().message();
  {
    SCOPED_TRACE("console");
    expect_all_recognised(*console, arch);
  }
  const auto log = bench.crashrig({"inspect", core.string(), "log"});
  ASSERT_EQ(log.exit_code, 0) << log.err;
  SCOPED_TRACE("the core's log");
  expect_all_recognised(log.out, arch);
}

}  // namespace
}  // namespace rig::e2e
