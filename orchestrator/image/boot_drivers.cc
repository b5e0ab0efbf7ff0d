// SPDX-License-Identifier: Apache-2.0
#include "image/boot_drivers.h"

#include <libkmod.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "base/text.h"
#include "image/boot_image.h"

namespace rig::image {
namespace {

// What udev would load by alias on a whole system, when that module is there.
struct Companion {
  std::string_view module;
  const char* loads;
};
constexpr Companion kCompanions[] = {
    {"scsi_mod", "sd_mod"},  // disks of any SCSI host, ours and the real ones
};

// The drivers of every guest. Each costs boot time under TCG: keep it to what all need.
struct BaseDrivers {
  Arch arch;
  std::vector<std::string> names;
};
const BaseDrivers kBaseDrivers[] = {
    {Arch::kX86_64, {"virtio_pci", "virtio_console", "qemu_fw_cfg", "pvpanic-pci"}},
    // Debian builds no pvpanic for arm64: a panic is seen as a reset.
    {Arch::kArm64, {"virtio_pci", "virtio_console", "qemu_fw_cfg"}},
};

// sd_mod comes along with SCSI's.
struct BusDriver {
  scenario::DiskBus bus;
  std::string_view name;
};
constexpr BusDriver kBusDrivers[] = {{scenario::DiskBus::kVirtio, "virtio_blk"},
                                     {scenario::DiskBus::kNvme, "nvme"},
                                     {scenario::DiskBus::kMegasas, "megaraid_sas"},
                                     {scenario::DiskBus::kScsi, "virtio_scsi"}};

struct FreeContext {
  void operator()(kmod_ctx* context) const { kmod_unref(context); }
};
struct FreeList {
  void operator()(kmod_list* list) const { kmod_module_unref_list(list); }
};
struct FreeInfo {
  void operator()(kmod_list* list) const { kmod_module_info_free_list(list); }
};
struct FreeModule {
  void operator()(kmod_module* module) const { kmod_module_unref(module); }
};
using Context = std::unique_ptr<kmod_ctx, FreeContext>;
using Modules = std::unique_ptr<kmod_list, FreeList>;
using Module = std::unique_ptr<kmod_module, FreeModule>;

// Without any configuration: the host's blacklists and options say nothing about a guest.
Context open_context(const char* folder) {
  const char* const no_config = nullptr;
  Context context(kmod_new(folder, &no_config));
  if (context) kmod_set_log_priority(context.get(), 0);
  return context;
}

// "kernel/drivers/virtio/virtio_pci.ko.xz" -> "virtio_pci"; empty for other files.
std::string module_name(const fs::path& path) {
  const std::string file = path.filename().string();
  const auto end = file.find(".ko");
  return end == std::string::npos ? std::string() : with_underscores(file.substr(0, end));
}

class LoadOrder {
 public:
  LoadOrder(kmod_ctx* context, fs::path folder) : context_(context), folder_(std::move(folder)) {}

  Status add(const std::string& name) {
    kmod_list* found = nullptr;
    kmod_module_new_from_lookup(context_, name.c_str(), &found);
    const Modules modules(found);
    if (!modules) return unknown(name);
    visit_all(modules.get());
    return {};
  }

  std::vector<fs::path> take() { return std::move(files_); }

 private:
  void visit_all(const kmod_list* list) {
    const kmod_list* item = nullptr;
    kmod_list_foreach(item, list) {
      visit(Module(kmod_module_get_module(item)).get());
    }
  }

  // A soft dependency is often an alias with several implementations ("crct10dif"). Where one of
  // them is the generic one it is enough: the others refuse CPUs without their instructions.
  void visit_soft(const kmod_list* list) {
    std::vector<Module> modules;
    std::set<std::string> names;
    const kmod_list* item = nullptr;
    kmod_list_foreach(item, list) {
      modules.emplace_back(kmod_module_get_module(item));
      names.insert(kmod_module_get_name(modules.back().get()));
    }
    for (const Module& module : modules) {
      const std::string name = kmod_module_get_name(module.get());
      const std::string generic = name.substr(0, name.rfind('_')) + "_generic";
      if (name == generic || !names.contains(generic)) visit(module.get());
    }
  }

  // Depth first: what it needs, itself, what should follow. Marked before: cycles end here.
  void visit(kmod_module* module) {
    if (module == nullptr || !seen_.insert(kmod_module_get_name(module)).second) return;
    kmod_list* before = nullptr;
    kmod_list* after = nullptr;
    kmod_module_get_softdeps(module, &before, &after);
    const Modules soft_before(before);
    const Modules soft_after(after);
    visit_soft(soft_before.get());
    visit_all(Modules(kmod_module_get_dependencies(module)).get());
    if (const char* path = kmod_module_get_path(module)) files_.emplace_back(path);
    visit_soft(soft_after.get());
    for (const Companion& companion : kCompanions) {
      if (companion.module != kmod_module_get_name(module)) continue;
      kmod_list* found = nullptr;
      kmod_module_new_from_lookup(context_, companion.loads, &found);
      visit_all(Modules(found).get());
    }
  }

  Status unknown(const std::string& name) const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::recursive_directory_iterator(folder_, ignored)) {
      if (auto candidate = module_name(entry.path()); !candidate.empty()) {
        names.push_back(std::move(candidate));
      }
    }
    const auto near = nearest(with_underscores(name), names);
    return fail(Blame::kInput, "the kernel {} has no module '{}'{}", folder_.filename().string(),
                name, near ? fmt::format(", did you mean '{}'?", *near) : "");
  }

  kmod_ctx* context_;
  fs::path folder_;
  std::set<std::string> seen_;
  std::vector<fs::path> files_;
};

}  // namespace

std::vector<std::string> base_drivers(Arch arch) {
  for (const BaseDrivers& drivers : kBaseDrivers) {
    if (drivers.arch == arch) return drivers.names;
  }
  return {};
}

std::vector<std::string> device_drivers(const scenario::Guest& guest, Arch arch) {
  std::vector<std::string> names;
  for (const BusDriver& driver : kBusDrivers) {
    const auto is_on_it = [&](const scenario::Disk& disk) { return disk.bus == driver.bus; };
    if (std::any_of(guest.disks.begin(), guest.disks.end(), is_on_it)) {
      names.emplace_back(driver.name);
    }
  }
  const auto has_ext4 = [](const scenario::Disk& disk) { return disk.format == scenario::kExt4; };
  if (std::any_of(guest.disks.begin(), guest.disks.end(), has_ext4)) {
    names.emplace_back(scenario::kExt4);  // the module has the file system's name
  }
  if (guest.network == scenario::Network::kUser) names.emplace_back("virtio_net");
  if (guest.hardware_on(arch).watchdog.count() != 0) names.emplace_back(kWatchdogDriver);
  return names;
}

Result<std::vector<fs::path>> load_order(const fs::path& modules,
                                         const std::vector<std::string>& names) {
  const Context context = open_context(modules.c_str());
  if (!context || kmod_load_resources(context.get()) < 0) {
    return fail(Blame::kRig, "{} has no index of modules", modules.string());
  }
  LoadOrder order(context.get(), modules);
  for (const std::string& name : names) RIG_TRY(order.add(name));
  return order.take();
}

Result<std::vector<std::string>> module_depends(const fs::path& module) {
  const Context context = open_context("/nonexistent");
  kmod_module* found = nullptr;
  if (!context || kmod_module_new_from_path(context.get(), module.c_str(), &found) < 0) {
    return fail(Blame::kInput, "cannot read the module {}", module.string());
  }
  const Module owned(found);
  kmod_list* info = nullptr;
  if (kmod_module_get_info(found, &info) < 0) {
    return fail(Blame::kInput, "{} is no kernel module", module.string());
  }
  const std::unique_ptr<kmod_list, FreeInfo> entries(info);
  const kmod_list* item = nullptr;
  kmod_list_foreach(item, entries.get()) {
    if (std::strcmp(kmod_module_info_get_key(item), "depends") != 0) continue;
    std::vector<std::string> names;
    for (const std::string& name : split(kmod_module_info_get_value(item), ',')) {
      if (!name.empty()) names.push_back(name);
    }
    return names;
  }
  return std::vector<std::string>{};
}

}  // namespace rig::image
