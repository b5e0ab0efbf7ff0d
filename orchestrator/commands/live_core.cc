// SPDX-License-Identifier: Apache-2.0
#include "commands/live_core.h"

#include <fmt/format.h>

#include "vm/live.h"

namespace rig::commands {
namespace {

constexpr std::string_view kScheme = "qemu:";
constexpr std::chrono::seconds kOpen{30};

class LiveMemory final : public analyzer::PhysMemory {
 public:
  explicit LiveMemory(std::unique_ptr<vm::LiveGuest> guest) : guest_(std::move(guest)) {}

  analyzer::Read<void> read(PhysAddr address, MutableBytes out) const override {
    using analyzer::Absence;
    const std::uint64_t there = size_from(address);
    const bool all = there >= out.size();
    const auto got = guest_->read(address, all ? out : out.first(there));
    if (!got) return tl::unexpected(analyzer::ReadFault{Absence::kDamaged, raw(address)});
    if (all) return {};
    return tl::unexpected(analyzer::ReadFault{Absence::kNotPresent, raw(address) + there});
  }

  std::vector<analyzer::PhysRange> ranges() const override {
    std::vector<analyzer::PhysRange> all;
    for (const vm::LiveRange& each : guest_->ranges()) all.push_back({each.begin, each.size});
    return all;
  }

 private:
  // How many bytes from `address` on there are without a gap.
  std::uint64_t size_from(PhysAddr address) const {
    std::uint64_t end = raw(address);
    for (const vm::LiveRange& each : guest_->ranges()) {
      if (end - raw(each.begin) < each.size) end = raw(each.begin) + each.size;
    }
    return end - raw(address);
  }

  std::unique_ptr<vm::LiveGuest> guest_;
};

}  // namespace

std::optional<fs::path> live_socket(std::string_view name) {
  if (!name.starts_with(kScheme)) return std::nullopt;
  return fs::path(name.substr(kScheme.size()));
}

Result<analyzer::Core> open_live_core(const fs::path& socket, std::stop_token stop) {
  RIG_ASSIGN(auto guest, vm::open_live(socket, Deadline::after(kOpen), std::move(stop)));
  RIG_ASSIGN(const TempDir folder, TempDir::create("crashrig-live"));
  const fs::path file = folder.path() / "headers";
  RIG_TRY(write_file_atomically(file, guest->headers()));
  RIG_ASSIGN(const analyzer::Core notes, analyzer::Core::open(file));
  const std::string format = fmt::format("live guest of QEMU {}", guest->version());
  return analyzer::Core::from_memory(notes, std::make_shared<LiveMemory>(std::move(guest)),
                                     fmt::format("{}{}", kScheme, socket.string()), format);
}

}  // namespace rig::commands
