// SPDX-License-Identifier: Apache-2.0
#include "analyzer/symbols/debuginfo_module.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"

namespace rig::analyzer {
namespace {

constexpr std::uint64_t kMaxSections = 4096;
constexpr std::uint64_t kMaxSectionName = 128;
constexpr std::uint64_t kMaxModuleNotes = 64 << 10;
constexpr std::uint64_t kMaxId = 20;

// One attribute of a module's folder in sysfs: a section with its address, or notes.
struct Attribute {
  std::string name;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
};

class AttributeReader {
 public:
  AttributeReader(const VirtMemory& memory, const Btf& types) : memory_(memory), types_(types) {}

  std::vector<Attribute> sections(VirtAddr module) const {
    const auto attrs = pointer(module, "module.sect_attrs");
    if (!attrs) return {};
    if (const auto count = number(*attrs, "module_sect_attrs.nsections")) {
      return section_array(*attrs, *count);
    }
    return listed(*attrs, "module_sect_attrs");
  }

  std::vector<Attribute> notes(VirtAddr module) const {
    const auto attrs = pointer(module, "module.notes_attrs");
    if (!attrs) return {};
    const auto count = number(*attrs, "module_notes_attrs.notes");
    if (!count) return listed(*attrs, "module_notes_attrs");
    const auto array = types_.member("module_notes_attrs.attrs");
    const auto each = types_.size_of("bin_attribute");
    std::vector<Attribute> result;
    for (std::uint64_t i = 0; array && each && i < std::min(*count, kMaxSections); ++i) {
      add(*attrs + array->offset + i * *each, result);
    }
    return result;
  }

 private:
  std::optional<std::uint64_t> number(VirtAddr object, std::string_view path) const {
    const auto member = types_.member(path);
    if (!member || member->size > 8) return std::nullopt;
    std::array<std::byte, 8> bytes{};
    if (!memory_.read(object + member->offset, MutableBytes(bytes).first(member->size))) {
      return std::nullopt;
    }
    return load<std::uint64_t>(bytes);
  }
  std::optional<VirtAddr> pointer(VirtAddr object, std::string_view path) const {
    const auto value = number(object, path);
    return value && *value != 0 ? std::optional(VirtAddr{*value}) : std::nullopt;
  }

  // An array with its length, for long. ed66f991bb19 (v5.8) moved the name into a bin_attribute.
  std::vector<Attribute> section_array(VirtAddr attrs, std::uint64_t count) const {
    const auto array = types_.member("module_sect_attrs.attrs");
    const auto each = types_.size_of("module_sect_attr");
    const bool named = types_.member("module_sect_attr.name").has_value();
    std::vector<Attribute> result;
    for (std::uint64_t i = 0; array && each && i < std::min(count, kMaxSections); ++i) {
      const VirtAddr at = attrs + array->offset + i * *each;
      const auto name =
          pointer(at, named ? "module_sect_attr.name" : "module_sect_attr.battr.attr.name");
      const auto address = number(at, "module_sect_attr.address");
      if (name && address)
        result.push_back({memory_.c_string(*name, kMaxSectionName), *address, 0});
    }
    return result;
  }

  // Later bin_attributes only, found through the group's list of them, which ends with null.
  std::vector<Attribute> listed(VirtAddr attrs, const std::string& type) const {
    auto list = pointer(attrs, type + ".grp.bin_attrs");
    if (!list) list = pointer(attrs, type + ".grp.bin_attrs_new");
    std::vector<Attribute> result;
    for (std::uint64_t i = 0; list && i < kMaxSections; ++i) {
      const auto each = memory_.load<std::uint64_t>(*list + i * 8);
      if (!each || *each == 0) break;
      add(VirtAddr{*each}, result);
    }
    return result;
  }

  void add(VirtAddr at, std::vector<Attribute>& result) const {
    const auto name = pointer(at, "bin_attribute.attr.name");
    const auto address = number(at, "bin_attribute.private");
    const auto size = number(at, "bin_attribute.size");
    if (name && address) {
      result.push_back({memory_.c_string(*name, kMaxSectionName), *address, size.value_or(0)});
    }
  }

  const VirtMemory& memory_;
  const Btf& types_;
};

// The descriptor of NT_GNU_BUILD_ID in a section of notes.
std::string find_build_id(ByteView notes) {
  ByteReader reader(notes);
  for (;;) {
    const auto note = reader.next<Elf64_Nhdr>();
    if (!note) return {};
    const auto name = reader.take(align_up(note->n_namesz, 4));
    const auto id = reader.take(note->n_descsz);
    if (!name || !id) return {};
    if (note->n_type == NT_GNU_BUILD_ID && as_text(*name) == std::string_view("GNU", 4)) {
      return id->size() <= kMaxId ? hex_digits(*id) : std::string();
    }
    reader.take(std::min<std::uint64_t>(-note->n_descsz & 3, reader.remaining()));
  }
}

// Since 9294523e3768 (v5.14) the struct has it itself, with CONFIG_STACKTRACE_BUILD_ID.
std::string own_build_id(const VirtMemory& memory, const Btf& types, const Module& module) {
  const auto member = types.member("module.build_id");
  if (!member || member->size > kMaxId) return {};
  std::array<std::byte, kMaxId> bytes{};
  const MutableBytes id = MutableBytes(bytes).first(member->size);
  if (!memory.read(module.at + member->offset, id)) return {};
  const bool set = std::any_of(id.begin(), id.end(), [](std::byte b) { return b != std::byte{}; });
  return set ? hex_digits(id) : std::string();
}

}  // namespace

ModuleObject read_module_object(const VirtMemory& memory, const Btf& types, const Module& module) {
  ModuleObject object{module.name, own_build_id(memory, types, module), {}};
  const AttributeReader reader(memory, types);
  for (const Attribute& each : reader.sections(module.at)) {
    // What was freed after init keeps its entry; its addresses may be another's by now.
    if (module.range_of(VirtAddr{each.address}) == nullptr) continue;
    object.sections.push_back({each.name, VirtAddr{each.address}});
  }
  if (!object.build_id.empty()) return object;
  for (const Attribute& each : reader.notes(module.at)) {
    const auto size = std::min(each.size, kMaxModuleNotes);
    object.build_id = find_build_id(memory.read_up_to(VirtAddr{each.address}, size));
    if (!object.build_id.empty()) break;
  }
  return object;
}

}  // namespace rig::analyzer
