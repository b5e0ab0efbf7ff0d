// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/debuginfo.h"

#include <charconv>

#include "analyzer/symbols/debuginfo_dwarf.h"
#include "analyzer/symbols/debuginfo_module.h"

namespace rig::analyzer {

Debuginfo::Debuginfo(DebuginfoFiles files) : files_(std::move(files)) {}
Debuginfo::Debuginfo(Debuginfo&&) noexcept = default;
Debuginfo& Debuginfo::operator=(Debuginfo&&) noexcept = default;
Debuginfo::~Debuginfo() = default;

Result<Debuginfo> Debuginfo::open(const fs::path& path, std::string_view build_id,
                                  std::uint64_t kaslr_offset) {
  Debuginfo debuginfo{DebuginfoFiles(path)};
  debuginfo.kaslr_offset_ = kaslr_offset;
  RIG_ASSIGN(debuginfo.vmlinux_, debuginfo.files_.kernel(build_id));
  RIG_ASSIGN(DwarfFile kernel, DwarfFile::open_kernel(debuginfo.vmlinux_));
  debuginfo.source_root_ = kernel.source_root();
  debuginfo.kernel_ = std::make_unique<DwarfFile>(std::move(kernel));
  if (build_id.empty()) {
    debuginfo.remarks_.push_back(
        fmt::format("the core does not say of which build its kernel is: whether {} belongs to it "
                    "could not be checked",
                    debuginfo.vmlinux_.string()));
  }
  return debuginfo;
}

Result<Debuginfo> Debuginfo::open(const fs::path& path, const Vmcoreinfo& info) {
  // Hexadecimal without 0x, unlike the NUMBER() lines.
  std::uint64_t offset = 0;
  if (const auto text = info.value("KERNELOFFSET")) {
    std::from_chars(text->data(), text->data() + text->size(), offset, 16);
  }
  return open(path, info.value("BUILD-ID").value_or(""), offset);
}

std::vector<SourceLine> Debuginfo::lines(VirtAddr address) const {
  return kernel_->lines(raw(address) - kaslr_offset_, source_root_);
}

Result<std::vector<SourceLine>> Debuginfo::lines(const Kernel& kernel, VirtAddr address) {
  const Module* module = kernel.modules() ? kernel.modules()->containing(address) : nullptr;
  if (module == nullptr || !kernel.types()) return lines(address);
  auto known = objects_.find(raw(module->at));
  if (known == objects_.end()) {
    auto object = read_module_object(kernel.memory(), *kernel.types(), *module);
    known = objects_.emplace(raw(module->at), std::move(object)).first;
  }
  return lines(known->second, address);
}

Result<DwarfFile> Debuginfo::open_module(const ModuleObject& module) const {
  if (module.sections.empty()) {
    return fail(Blame::kInput, "module {}: the core does not say where its sections lie",
                module.name);
  }
  RIG_ASSIGN(const fs::path path, files_.module(module.name, module.build_id));
  return DwarfFile::open_module(path, module.sections);
}

Result<std::vector<SourceLine>> Debuginfo::lines(const ModuleObject& module, VirtAddr address) {
  auto known = modules_.find(module.name);
  if (known == modules_.end()) {
    auto file = open_module(module).map(
        [](DwarfFile&& opened) { return std::make_unique<DwarfFile>(std::move(opened)); });
    known = modules_.emplace(module.name, std::move(file)).first;
  }
  const auto& file = known->second;
  if (!file) return tl::unexpected<Error>(file.error());
  return (*file)->lines(raw(address), source_root_);
}

}  // namespace rig::analyzer
