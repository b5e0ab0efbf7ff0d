// SPDX-License-Identifier: Apache-2.0
#include "analyzer/facts/module_facts.h"

#include "analyzer/facts/guest_walks.h"
#include "analyzer/facts/taint.h"

namespace rig::analyzer {
namespace {

constexpr std::size_t kMaxUsers = 1024;
constexpr std::uint64_t kMaxMemories = 16;  // of mem[]: MOD_MEM_NUM_TYPES is 7
constexpr std::int64_t kOwnReference = 1;   // MODULE_REF_BASE
// enum module_state, include/linux/module.h, in words of /proc/modules.
constexpr std::string_view kStates[] = {"Live", "Loading", "Unloading", "Unformed"};

class ModuleReader {
 public:
  ModuleReader(const Kernel& kernel, std::vector<std::string>& problems)
      : fields_(kernel), problems_(problems) {}

  ModuleFacts read(const Module& module) const {
    ModuleFacts facts;
    facts.at = module.at;
    facts.name = module.name;
    for (const ModuleRange& range : module.ranges) {
      facts.ranges.push_back({range.begin, range.size, range.text});
    }
    facts.size = size_of(module);
    if (const auto state = fields_.value(module.at, "module.state")) {
      facts.state = *state < std::size(kStates) ? std::string(kStates[*state])
                                                : fmt::format("state {}", *state);
    }
    facts.taint = taint_letters(fields_.value(module.at, "module.taints").value_or(0));
    // Absent without CONFIG_MODULE_UNLOAD, as is the list of users.
    if (const auto count = fields_.number(module.at, "module.refcnt.counter")) {
      facts.references = *count - kOwnReference;
    }
    facts.used_by = users_of(module);
    return facts;
  }

 private:
  // All that belongs to it: init and core, or the parts of mem[] since ac3b43283923 (v6.4).
  std::uint64_t size_of(const Module& module) const {
    std::uint64_t size = 0;
    if (const auto parts = fields_.member("module.mem"); parts && parts->elements) {
      const auto count = std::min(*parts->elements, kMaxMemories);
      for (std::uint64_t i = 0; i < count; ++i) {
        const VirtAddr part = module.at + parts->offset + i * (parts->size / *parts->elements);
        size += fields_.value(part, "module_memory.size").value_or(0);
      }
      return size;
    }
    for (const char* part : {"module.init_layout.size", "module.core_layout.size",
                             "module.data_layout.size", "module.init_size", "module.core_size"}) {
      size += fields_.value(module.at, part).value_or(0);
    }
    return size;
  }

  // struct module_use: who uses it is its `source`.
  std::vector<std::string> users_of(const Module& module) const {
    std::vector<std::string> users;
    const auto head = fields_.place(module.at, "module.source_list");
    const auto link = fields_.member("module_use.source_list");
    if (!head || !link) return users;
    const auto broken = walk_list(
        fields_.kernel().memory(), *head, link->offset,
        [&](VirtAddr use) {
          const auto user = fields_.pointer(use, "module_use.source");
          const auto name = user ? fields_.text(*user, "module.name") : std::string();
          users.push_back(name.empty() ? "?" : name);
        },
        kMaxUsers);
    if (!broken.empty()) {
      problems_.push_back(
          fmt::format("{}: the list of its users is broken ({})", module.name, broken));
    }
    return users;
  }

  FieldReader fields_;
  std::vector<std::string>& problems_;
};

}  // namespace

std::vector<ModuleFacts> module_facts(const Kernel& kernel, std::vector<std::string>& problems) {
  std::vector<ModuleFacts> all;
  if (!kernel.modules()) {
    problems.emplace_back("modules: their list was not found");
    return all;
  }
  const ModuleReader reader(kernel, problems);
  for (const Module& each : kernel.modules()->all()) all.push_back(reader.read(each));
  return all;
}

}  // namespace rig::analyzer
